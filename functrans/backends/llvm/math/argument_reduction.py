"""An angle's quadrant, and what it exceeds it by: the first step of sine, cosine and tangent, for every finite number.

`near` serves small arguments in a few instructions (W. J. Cody and W. Waite, Software Manual for the Elementary
Functions, 1980), `anywhere` all, by way of `near` or of 2/π to 1216 bits (M. Payne and R. Hanek, SIGNUM 18, 1983). Both
give (r, e, q) of x >= 0: x = q π/2 + r + e, |r| <= π/4 and a little, e a correction of r; the low two bits of the integers
q count. Imports `polynomial` and `floats`.
"""

from __future__ import annotations

from typing import TypeAlias

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, F64, I1, I32, I64, PTR, Type, Value
from functrans.backends.llvm.math.floats import format_of, round_to_integer
from functrans.backends.llvm.math.polynomial import Pair, multiply_add, quick_two_sum, two_product

__all__ = ["Reduced", "anywhere", "is_far", "near"]

Reduced: TypeAlias = tuple[Value, Value, Value]

# π/2 in three parts, and the x up to which they serve. The first part times any q of so many bits is exact (in a fused
# multiply-add: x less that product is), so is the second's, and x less both is exactly a sum of two numbers.
_PARTS = {
    (64, True): (2.0**20, (1.5707963267948966, 6.12323399538461e-17, 3.5215598651832e-27)),
    (64, False): (2.0**10, (1.5707963267948344, 6.223372171896261e-14, 3.5215598651832e-27)),
    (32, True): (2.0**10, (1.5707963705062866, -4.371031536720693e-08, -1.074634630414406e-12)),
    (32, False): (2.0**8, (1.57080078125, -4.454399459064007e-06, -5.564431554416771e-11)),
}
_TWO_OVER_PI = 0.6366197723675814
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
# 2/π in words of 64 bits after the binary point
_DIGITS = (
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921c"
    "fe1deb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980f"
    "ef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d08"
    "56033046fc7b6bab"
)
_WORDS = [int(_DIGITS[k : k + 16], 16) for k in range(0, len(_DIGITS), 16)]
_I128 = Type("i", 128)


def is_far(f: Function, x: Value) -> Value:
    """Where x >= 0 is too large for `near`; infinities are."""
    return f.fcmp("oge", x, _PARTS[x.type.bits, f.module.target.has_fma][0])


def near(f: Function, x: Value) -> Reduced:
    """Of x that is not far. Of an infinity or NaN, NaN."""
    _, (first, second, third) = _PARTS[x.type.bits, f.module.target.has_fma]
    quadrant = round_to_integer(f, multiply_add(f, x, _TWO_OVER_PI, format_of(x).shifter))
    count = -quadrant.value
    rest = multiply_add(f, count, first, x)
    r = multiply_add(f, count, second, rest)
    e = multiply_add(f, count, third, multiply_add(f, count, second, rest - r))
    return r, e, quadrant.bits


def anywhere(f: Function, x: Value) -> Reduced:
    """Of any finite x >= 0; a branch per lane, so for the rare path only."""
    if x.type.bits == 32:
        r, e, q = anywhere(f, f.cast("fpext", x, F64))
        high = f.cast("fptrunc", r, F32)
        return high, f.cast("fptrunc", (r - f.cast("fpext", high, F64)) + e, F32), f.cast("trunc", q, I32)
    lanes = x.type.lanes
    rows = [f.stack(F64, lanes), f.stack(F64, lanes), f.stack(I64, lanes)]
    for value, row in zip(near(f, x), rows, strict=True):
        f.store(value, row)
    angles = f.stack(F64, lanes)
    f.store(x, angles)
    one = f.module.shared("math.reduce", lambda: _payne_hanek(f))
    with f.loop(0, lanes) as lane:
        angle = f.load(f.offset(angles, lane.index, F64), F64)
        finite = f.fcmp("olt", angle, float("inf"))
        with f.when(is_far(f, angle) & finite):
            f.call(one, angle, *(f.offset(row, lane.index, F64) for row in rows))
    r, e = (f.load(row, x.type) for row in rows[:2])
    return r, e, f.load(rows[2], x.type.integer())


def _payne_hanek(outer: Function) -> Function:
    """The function that reduces one double, at least 2**8, and stores r, e and q."""
    f = Function(outer.module, "math.reduce", [("x", F64), ("r", PTR), ("e", PTR), ("q", PTR)])
    x, r_at, e_at, q_at = f.args
    bits = f.bits(x)
    mantissa = (bits & ((1 << 52) - 1)) | (1 << 52)
    exponent = f.integer("lshr", bits, 52) - 1075  # x = mantissa · 2**exponent
    high, low = _product(f, mantissa, exponent)
    # The top two bits are whole quadrants; the rest becomes a signed fraction of one, in 128 bits.
    turned = (_wide(f, f.intrinsic("fshl", high, low[0], f.index(2))) << 64) | _wide(
        f, f.intrinsic("fshl", low[0], low[1], f.index(2))
    )
    negative = f.icmp("slt", turned, 0)
    quadrant = f.integer("lshr", high, 62) + f.cast("zext", negative, I64)
    angle = _fraction(f, f.select(negative, -turned, turned))
    f.store(f.select(negative, -angle.high, angle.high), r_at)
    f.store(f.select(negative, -angle.low, angle.low), e_at)
    f.store(quadrant, q_at)
    return f


def _wide(f: Function, x: Value) -> Value:
    return f.cast("zext", x, _I128)


def _product(f: Function, mantissa: Value, exponent: Value) -> tuple[Value, tuple[Value, Value]]:
    """mantissa · 2**exponent · 2/π modulo 4, in units of 2**-190: three words, the highest first.

    Digits of 2/π whose product is a multiple of 4 are left out, and of those that follow the first 192 bits count: the
    error is below 2**-137, and no double lies nearer than 2**-62 to a multiple of π/2.
    """
    table = Value(f, PTR, f.module.table("math.two_over_pi", [0, *_WORDS], I64))
    first = exponent + 62
    word = f.integer("lshr", first, 6)
    shift = first & 63
    words = [f.load(f.offset(table, word + k, I64), I64) for k in range(4)]
    window = [f.intrinsic("fshl", words[k], words[k + 1], shift) for k in range(3)]
    wide = _wide(f, mantissa)
    last = f.mul(wide, _wide(f, window[2]))
    middle = f.mul(wide, _wide(f, window[1])) + f.integer("lshr", last, 64)
    top = f.mul(mantissa, window[0]) + f.cast("trunc", f.integer("lshr", middle, 64), I64)
    return top, (f.cast("trunc", middle, I64), f.cast("trunc", last, I64))


def _fraction(f: Function, fraction: Value) -> Pair:
    """A positive fraction of a quadrant, in units of 2**-128, as an angle."""
    count = f.module.declare("llvm.ctlz.i128", _I128, [_I128, I1])
    zeros = f.value(_I128, f"call i128 {count}({fraction.typed()}, i1 true)")
    normal = f.integer("shl", fraction, zeros)
    high = f.cast("trunc", f.integer("lshr", normal, 75), I64)
    low = f.cast("trunc", f.integer("lshr", normal, 22), I64) & ((1 << 53) - 1)
    scale = f.from_bits((1023 - 53 - f.cast("trunc", zeros, I64)) << 52)
    a = f.cast("sitofp", high, F64) * scale
    b = f.cast("sitofp", low, F64) * (scale * 2.0**-53)
    product = two_product(f, a, _HALF_PI[0])
    low_terms = multiply_add(f, a, _HALF_PI[1], b * _HALF_PI[0])
    return quick_two_sum(f, product.high, product.low + low_terms)
