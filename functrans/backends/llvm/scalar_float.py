"""The operations of floats, as NumPy computes them, special values included; float16 is rounded by the caller.

Signatures are those of `scalar_integer`. Bits and exponents are in `scalar_float_bits`. Start reading at `FLOAT`. Imports
`elements` and `scalar_integer`.
"""

from __future__ import annotations

import math

import numpy as np

from functrans.backends.llvm.elements import Lanes, is_half
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.scalar_float_bits import FLOAT_BITS
from functrans.backends.llvm.scalar_integer import Operation
from functrans.backends.llvm.scalar_power import integer_pow
from functrans.typing import DType

__all__ = ["EXACT", "FLOAT", "divide_no_nan", "fabs", "is_finite"]


def _intrinsic(name: str) -> Operation:
    return lambda b, _dtype, *operands: b.function.intrinsic(name, *operands)


def _compare(predicate: str) -> Operation:
    return lambda b, _dtype, x, y: b.function.fcmp(predicate, x, y)


def fabs(b: Lanes, x: Value) -> Value:
    return b.function.intrinsic("fabs", x)


def is_finite(b: Lanes, x: Value) -> Value:
    return b.function.fcmp("olt", fabs(b, x), math.inf)


# ---- extrema ----


def _pick(name: str, predicate: str) -> Operation:
    """NaN if either is: next to a constant, one comparison sees to that. Of zeros of two signs, the machine's choice."""

    def operation(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
        f = b.function
        if f.module.target.is_arm and not is_half(dtype):
            return f.intrinsic(name, x, y)
        order = predicate[0] + "e" if is_half(dtype) else predicate
        if y.number is not None and not math.isnan(y.number):
            return f.select(f.fcmp("u" + order, x, y), x, y)
        better = f.select(f.fcmp("o" + order, x, y), x, y)
        if x.number is not None and not math.isnan(x.number):
            return better
        return f.select(f.fcmp("uno", x, x), x, better)

    return operation


def _pick_number(name: str, predicate: str) -> Operation:
    """The other one, if one is NaN."""
    pick = _pick(name, predicate)

    def operation(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
        f = b.function
        best = pick(b, dtype, x, y)
        return f.select(f.fcmp("uno", y, y), x, f.select(f.fcmp("uno", x, x), y, best))

    return operation


# ---- quotients and remainders ----


def divide_no_nan(b: Lanes, _dtype: DType, x: Value, y: Value) -> Value:
    f = b.function
    is_zero = f.fcmp("oeq", y, 0)
    return f.select(is_zero, 0, x / f.select(is_zero, 1, y))


def _rem(b: Lanes, _dtype: DType, x: Value, y: Value) -> Value:
    """C's fmod. While the quotient is a moderate whole number, one step and its correction are exact."""
    f = b.function
    if not f.module.target.has_fma:
        return f.frem(x, y)
    quotient = f.intrinsic("trunc", x / y)
    moderate = f.fcmp("olt", fabs(b, quotient), float(1 << (22 if x.type.bits == 32 else 51)))

    def one_step() -> Value:
        rest = f.select(f.fcmp("oeq", quotient, 0), x, f.fma(-quotient, y, x))  # y may be infinite
        wrong = f.fcmp("olt", rest * f.intrinsic("copysign", b.number(1, x.type.scalar), x), 0)
        rest = f.select(wrong, rest + f.intrinsic("copysign", y, x), rest)
        return f.intrinsic("copysign", rest, x)

    return f.choose(b.any(moderate ^ f.const(1, moderate.type)), lambda: f.frem(x, y), one_step)


def _floored(b: Lanes, dtype: DType, x: Value, y: Value) -> tuple[Value, Value, Value]:
    """x / y rounded down, the remainder with the sign of y, and that with the sign of x: Python's algorithm."""
    f = b.function
    rest = _rem(b, dtype, x, y)
    has_rest = f.fcmp("une", rest, 0)
    wrong = has_rest & (f.fcmp("olt", y, 0) ^ f.fcmp("olt", rest, 0))
    divided = (x - rest) / y
    divided = f.select(wrong, divided - 1, divided)
    floor = f.intrinsic("floor", divided)
    floor = f.select(f.fcmp("ogt", divided - floor, 0.5), floor + 1, floor)
    zero = b.number(0, x.type.scalar)
    floor = f.select(f.fcmp("une", divided, 0), floor, f.intrinsic("copysign", zero, x / y))
    modulus = f.select(has_rest, f.select(wrong, rest + y, rest), f.intrinsic("copysign", zero, y))
    return floor, modulus, rest


def _floor_divide(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    f = b.function
    return f.select(f.fcmp("oeq", y, 0), x / y, _floored(b, dtype, x, y)[0])


def _remainder(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    f = b.function
    _, modulus, rest = _floored(b, dtype, x, y)
    return f.select(f.fcmp("oeq", y, 0), rest, modulus)


# ---- steps ----


def _sign(b: Lanes, _dtype: DType, x: Value) -> Value:
    f = b.function
    sign = f.intrinsic("copysign", b.number(1, x.type.scalar), x)
    return f.select(f.fcmp("one", x, 0), sign, f.select(f.fcmp("oeq", x, 0), 0, x))


def _heaviside(b: Lanes, _dtype: DType, x: Value, at_zero: Value) -> Value:
    f = b.function
    step = f.select(f.fcmp("ogt", x, 0), 1, f.select(f.fcmp("olt", x, 0), b.number(0, x.type.scalar), x))
    return f.select(f.fcmp("oeq", x, 0), at_zero, step)


def _round_away(b: Lanes, _dtype: DType, x: Value) -> Value:
    f = b.function
    whole = f.intrinsic("trunc", x)
    away = whole + f.intrinsic("copysign", b.number(1, x.type.scalar), x)
    return f.select(f.fcmp("oge", fabs(b, x - whole), 0.5), away, whole)


def _ratio(dtype: DType, over: float, under: float) -> float:
    """Rounded as NumPy's constants are, in the type that is computed with."""
    kind = np.float64 if dtype.itemsize == 8 else np.float32
    return float(kind(over) / kind(under))


FLOAT: dict[str, Operation] = {
    "add": lambda _b, _dtype, x, y: x + y,
    "sub": lambda _b, _dtype, x, y: x - y,
    "mul": lambda _b, _dtype, x, y: x * y,
    "div": lambda _b, _dtype, x, y: x / y,
    "div_no_nan": divide_no_nan,
    "neg": lambda _b, _dtype, x: -x,
    "abs": _intrinsic("fabs"),
    "square": lambda _b, _dtype, x: x * x,
    "reciprocal": lambda _b, _dtype, x: 1.0 / x,
    "sqrt": _intrinsic("sqrt"),
    "rem": _rem,
    "remainder": _remainder,
    "floor_divide": _floor_divide,
    "max": _pick("maximum", "gt"),
    "min": _pick("minimum", "lt"),
    "fmax": _pick_number("maximum", "gt"),
    "fmin": _pick_number("minimum", "lt"),
    "eq": _compare("oeq"),
    "ne": _compare("une"),
    "lt": _compare("olt"),
    "le": _compare("ole"),
    "gt": _compare("ogt"),
    "ge": _compare("oge"),
    "is_nan": lambda b, _dtype, x: b.function.fcmp("uno", x, x),
    "is_inf": lambda b, _dtype, x: b.function.fcmp("oeq", fabs(b, x), math.inf),
    "is_finite": lambda b, _dtype, x: is_finite(b, x),
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "trunc": _intrinsic("trunc"),
    "rint": _intrinsic("rint"),
    "round_away": _round_away,
    "sign": _sign,
    "heaviside": _heaviside,
    "copysign": _intrinsic("copysign"),
    "integer_pow": integer_pow,
    "deg2rad": lambda b, dtype, x: x * _ratio(dtype, np.pi, 180),
    "rad2deg": lambda b, dtype, x: x * _ratio(dtype, 180, np.pi),
    **FLOAT_BITS,
}

EXACT = frozenset(
    {"neg", "abs", "rem", "max", "min", "fmax", "fmin", "floor", "ceil", "trunc", "rint", "sign", "heaviside"}
    | {"copysign", "signbit", "nextafter", "spacing", "frexp_mantissa", "modf_fraction"}
)
"""Their results need no rounding to float16."""
