"""The arithmetic of complex numbers, as NumPy computes it: each is a pair of values. Start reading at `COMPLEX`.

An operation is `(b, dtype, *pairs, **params) -> pair`, or one value: a truth value, or a real number. Imports `elements`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from functrans.backends.llvm.elements import Lanes
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.scalar_float import fabs, is_finite
from functrans.typing import DType

__all__ = ["COMPLEX", "ComplexOperation", "Pair", "choose"]

Pair: TypeAlias = tuple[Value, Value]
ComplexOperation: TypeAlias = Callable[..., "Pair | Value"]


def choose(b: Lanes, mask: Value, x: Pair, y: Pair) -> Pair:
    f = b.function
    return f.select(mask, x[0], y[0]), f.select(mask, x[1], y[1])


def _parts(operation: Callable[[Lanes, Value], Value]) -> ComplexOperation:
    return lambda b, _dtype, x: (operation(b, x[0]), operation(b, x[1]))


# ---- products and quotients ----


def _plain_mul(x: Pair, y: Pair) -> Pair:
    return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]


def _mul(b: Lanes, _dtype: DType, x: Pair, y: Pair) -> Pair:
    f = b.function
    if f.module.target.has_fma:  # NumPy's vectors: one product of each part is rounded alone
        return f.fma(x[0], y[0], -(x[1] * y[1])), f.fma(x[0], y[1], x[1] * y[0])
    return _plain_mul(x, y)


def _div(b: Lanes, _dtype: DType, x: Pair, y: Pair) -> Pair:
    """Smith's: by the part of y that is greater, `great`, and the ratio of the parts."""
    f = b.function
    sizes = fabs(b, y[0]), fabs(b, y[1])
    turned = f.fcmp("ult", sizes[0], sizes[1])
    small, great = choose(b, turned, y, (y[1], y[0]))
    along, across = choose(b, turned, (x[1], x[0]), x)
    ratio = small / great
    scale = 1.0 / (great + small * ratio)
    product = along * ratio
    im = f.select(turned, product - across, across - product)
    is_zero = f.fcmp("oeq", sizes[0], 0) & f.fcmp("oeq", sizes[1], 0)
    return choose(b, is_zero, (x[0] / sizes[0], x[1] / sizes[0]), ((along + across * ratio) * scale, im * scale))


def _div_no_nan(b: Lanes, dtype: DType, x: Pair, y: Pair) -> Pair:
    zero = b.number(0, x[0].type.scalar)
    return choose(b, _ne(b, dtype, y, (zero, zero)), _div(b, dtype, x, y), (zero, zero))


def _reciprocal(b: Lanes, _dtype: DType, x: Pair) -> Pair:
    f = b.function
    turned = f.fcmp("ugt", fabs(b, x[1]), fabs(b, x[0]))
    small, great = choose(b, turned, x, (x[1], x[0]))
    ratio = small / great
    scale = great + small * ratio
    one = b.number(1, ratio.type.scalar)
    re, im = choose(b, turned, (ratio, one), (one, ratio))
    return re / scale, -im / scale


def _power(b: Lanes, x: Pair, exponent: int) -> Pair:
    """NumPy's chain of products, which are rounded twice each."""
    kind = x[0].type.scalar
    power, square = (b.number(1, kind), b.number(0, kind)), x
    for bit in reversed(f"{exponent:b}"):
        power = _plain_mul(power, square) if bit == "1" else power
        square = _plain_mul(square, square)
    return power


def _integer_pow(b: Lanes, dtype: DType, x: Pair, *, y: int) -> Pair:
    """NumPy's operator `**`: 0 to a power is +0, or NaN if the power is negative."""
    f, kind = b.function, x[0].type.scalar
    one = b.number(1, kind), b.number(0, kind)
    if y == 0:
        return one
    if y in (2, -1):
        return _mul(b, dtype, x, x) if y == 2 else _reciprocal(b, dtype, x)
    if y in (1, 3):
        power = x if y == 1 else _plain_mul(x, _plain_mul(x, x))
    else:
        power = _power(b, x, y) if y > 0 else _div(b, dtype, one, _power(b, x, -y))
    at_zero = b.number(0.0 if y > 0 else float("nan"), kind)
    is_zero = f.fcmp("oeq", x[0], 0) & f.fcmp("oeq", x[1], 0)
    return choose(b, is_zero, (at_zero, at_zero), power)


# ---- comparisons: by the real part, then by the imaginary part ----


def _ordered(strict: str, predicate: str) -> ComplexOperation:
    def operation(b: Lanes, _dtype: DType, x: Pair, y: Pair) -> Value:
        f = b.function
        by_real = f.fcmp(strict, x[0], y[0]) & f.fcmp("ord", x[1], y[1])
        return by_real | (f.fcmp("oeq", x[0], y[0]) & f.fcmp(predicate, x[1], y[1]))

    return operation


def _eq(b: Lanes, _dtype: DType, x: Pair, y: Pair) -> Value:
    return b.function.fcmp("oeq", x[0], y[0]) & b.function.fcmp("oeq", x[1], y[1])


def _ne(b: Lanes, _dtype: DType, x: Pair, y: Pair) -> Value:
    return b.function.fcmp("une", x[0], y[0]) | b.function.fcmp("une", x[1], y[1])


def _is_nan(b: Lanes, _dtype: DType, x: Pair) -> Value:
    return b.function.fcmp("uno", x[0], x[1])


_GE, _LE = _ordered("ogt", "oge"), _ordered("olt", "ole")


def _pick(better: ComplexOperation, *, number: bool) -> ComplexOperation:
    """One of two; if one is NaN it, or else the `number`."""

    def operation(b: Lanes, dtype: DType, x: Pair, y: Pair) -> Pair:
        first = better(b, dtype, x, y)
        assert isinstance(first, Value)
        return choose(b, first | _is_nan(b, dtype, y if number else x), x, y)

    return operation


# ---- direction ----


def _is_finite(b: Lanes, _dtype: DType, x: Pair) -> Value:
    return is_finite(b, x[0]) & is_finite(b, x[1])


def _is_inf(b: Lanes, _dtype: DType, x: Pair) -> Value:
    f = b.function
    return f.fcmp("oeq", fabs(b, x[0]), float("inf")) | f.fcmp("oeq", fabs(b, x[1]), float("inf"))


COMPLEX: dict[str, ComplexOperation] = {
    "add": lambda _b, _dtype, x, y: (x[0] + y[0], x[1] + y[1]),
    "sub": lambda _b, _dtype, x, y: (x[0] - y[0], x[1] - y[1]),
    "mul": _mul,
    "square": lambda b, dtype, x: _mul(b, dtype, x, x),
    "div": _div,
    "div_no_nan": _div_no_nan,
    "reciprocal": _reciprocal,
    "integer_pow": _integer_pow,
    "neg": lambda _b, _dtype, x: (-x[0], -x[1]),
    "conj": lambda _b, _dtype, x: (x[0], -x[1]),
    "real": lambda _b, _dtype, x: x[0],
    "imag": lambda _b, _dtype, x: x[1],
    "rint": _parts(lambda b, x: b.function.intrinsic("rint", x)),
    "eq": _eq,
    "ne": _ne,
    "lt": _ordered("olt", "olt"),
    "le": _LE,
    "gt": _ordered("ogt", "ogt"),
    "ge": _GE,
    "max": _pick(_GE, number=False),
    "min": _pick(_LE, number=False),
    "fmax": _pick(_GE, number=True),
    "fmin": _pick(_LE, number=True),
    "is_nan": _is_nan,
    "is_inf": _is_inf,
    "is_finite": _is_finite,
}
