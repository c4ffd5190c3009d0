"""Sine, cosine and tangent of floats and doubles: within 1 ULP over the whole range.

Small arguments take straight-line code; large ones, which are rare, C's function. Imports
`argument_reduction`, `rare`, `polynomial` and `floats`; start reading at `_sine_cosine`.
"""

from __future__ import annotations

from collections.abc import Callable

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.argument_reduction import Reduced, is_far, near
from functrans.backends.llvm.math.floats import absolute
from functrans.backends.llvm.math.polynomial import (
    Pair,
    horner_by_pairs,
    multiply_add,
    pair_quotient,
    pair_total,
    quick_two_sum,
)
from functrans.backends.llvm.math.rare import by_c_where

__all__ = ["cos", "sin", "tan"]

# (sin r - r) / r³ and (cos r - 1 + r²/2) / r⁴ in r², |r| <= π/4; their error moves the results by less than 2**-26 of
# themselves in float32, 2**-56 in float64. Minimax, fitted with mpmath for this file.
_SINE = {
    32: (-0.16666655242443085, 0.008332161232829094, -0.00019515275198500603),
    64: (
        -0.1666666666666663, 0.00833333333332212, -0.00019841269829588953, 2.7557313620943165e-06,
        -2.5050747669859194e-08, 1.5896223880509352e-10,
    ),
}  # fmt: skip
_COSINE = {
    32: (0.04166664555668831, -0.0013887316454201937, 2.44331567955669e-05),
    64: (
        0.041666666666666595, -0.0013888888888873043, 2.4801587288842807e-05, -2.755731417664887e-07,
        2.0875700471371325e-09, -1.1358516848585802e-11,
    ),
}  # fmt: skip


def sin(f: Function, x: Value) -> Value:
    """Elementwise sine."""
    return _periodic(f, "sin", x, lambda f, reduced, x: _turned(f, reduced, 0, _sign_bit(f, x)))


def cos(f: Function, x: Value) -> Value:
    """Elementwise cosine."""
    return _periodic(f, "cos", x, lambda f, reduced, _: _turned(f, reduced, 1, None))


def tan(f: Function, x: Value) -> Value:
    """Elementwise tangent."""
    return _periodic(f, "tan", x, _tangent)


def _periodic(f: Function, name: str, x: Value, finish: Callable[[Function, Reduced, Value], Value]) -> Value:
    """`finish` of the reduced |x|; C's function where |x| is far."""
    usual = finish(f, near(f, absolute(f, x)), x)
    return by_c_where(f, name, lambda f, x: is_far(f, absolute(f, x)), x, usual)


def _sine_cosine(f: Function, r: Value, e: Value) -> tuple[Pair, Pair]:
    """Sine and cosine of r + e, each as a leading term and a smaller one."""
    bits = r.type.bits
    z = r * r
    square = z * z
    sine = multiply_add(f, horner_by_pairs(f, z, _SINE[bits], square) * z, r, e)
    half = z * 0.5
    leading = 1.0 - half
    lost = (1.0 - leading) - half
    cosine = multiply_add(f, horner_by_pairs(f, z, _COSINE[bits], square), square, multiply_add(f, -r, e, lost))
    return Pair(r, sine), Pair(leading, cosine)


def _is_odd(f: Function, q: Value) -> Value:
    return f.icmp("slt", q << (q.type.bits - 1), 0)


def _sign_bit(f: Function, x: Value) -> Value:
    return f.bits(x) & -(1 << (x.type.bits - 1))


def _turned(f: Function, reduced: Reduced, quarters: int, sign: Value | None) -> Value:
    """The sine `quarters` right angles further, turned by a sign bit."""
    r, e, q = reduced
    sine, cosine = _sine_cosine(f, r, e)
    q = q + quarters
    value = f.select(_is_odd(f, q), pair_total(cosine), pair_total(sine))
    turn = (q & 2) << (q.type.bits - 2)
    return f.from_bits(f.bits(value) ^ (turn if sign is None else turn ^ sign))


def _tangent(f: Function, reduced: Reduced, x: Value) -> Value:
    """Sine over cosine, or minus cosine over sine: divided as sums of two, for the quotient's last bit."""
    r, e, q = reduced
    sine, cosine = (quick_two_sum(f, part.high, part.low) for part in _sine_cosine(f, r, e))
    odd = _is_odd(f, q)
    over = Pair(f.select(odd, cosine.high, sine.high), f.select(odd, cosine.low, sine.low))
    under = Pair(f.select(odd, sine.high, cosine.high), f.select(odd, sine.low, cosine.low))
    turn = f.select(odd, f.const(-(1 << (x.type.bits - 1)), q.type), 0)
    quotient = pair_total(pair_quotient(f, over, under))
    return f.from_bits(f.bits(quotient) ^ (turn ^ _sign_bit(f, x)))
