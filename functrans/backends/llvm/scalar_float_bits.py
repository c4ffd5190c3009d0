"""Operations on the bits of floats: neighbours, exponents, fractions. Start reading at `FLOAT_BITS`. Imports `elements`."""

from __future__ import annotations

import math

from functrans.backends.llvm.elements import Lanes, is_half
from functrans.backends.llvm.ir import F16, F32, I32, Type, Value
from functrans.backends.llvm.scalar_integer import Operation
from functrans.typing import DType

__all__ = ["FLOAT_BITS", "ldexp"]


def _narrow(b: Lanes, dtype: DType, x: Value) -> Value:
    return b.function.cast("fptrunc", x, F16) if is_half(dtype) else x


def _wide(b: Lanes, dtype: DType, x: Value) -> Value:
    return b.function.cast("fpext", x, F32) if is_half(dtype) else x


def _signbit(b: Lanes, _dtype: DType, x: Value) -> Value:
    f = b.function
    return f.icmp("slt", f.bits(x), 0)


def _nextafter(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    """One step in the bits, up where the magnitude grows; from a zero, the smallest number with y's sign."""
    f = b.function
    bits = f.bits(_narrow(b, dtype, x))
    grows = f.fcmp("olt", x, y) ^ f.icmp("slt", bits, 0)
    stepped = bits + f.select(grows, b.number(1, bits.type.scalar), -1)
    sign = f.bits(_narrow(b, dtype, y)) & (1 << bits.type.bits - 1)
    stepped = f.select(f.fcmp("oeq", x, 0), sign | 1, stepped)
    moved = _wide(b, dtype, f.from_bits(stepped))
    return f.select(f.fcmp("uno", x, y), x + y, f.select(f.fcmp("oeq", x, y), x if is_half(dtype) else y, moved))


def _spacing(b: Lanes, dtype: DType, x: Value) -> Value:
    """To the neighbour away from 0; NumPy's float16 goes upwards."""
    f = b.function
    bits = f.bits(_narrow(b, dtype, f.select(f.fcmp("oeq", x, 0), 0, x)))
    step = f.select(f.fcmp("olt", x, 0), b.number(-1, bits.type.scalar), 1) if is_half(dtype) else 1
    beyond = _wide(b, dtype, f.from_bits(bits + step))
    is_infinite = f.fcmp("oeq", f.intrinsic("fabs", x), math.inf)
    return f.select(is_infinite, math.nan, beyond - x)


def _modf_fraction(b: Lanes, _dtype: DType, x: Value) -> Value:
    f = b.function
    is_infinite = f.fcmp("oeq", f.intrinsic("fabs", x), math.inf)
    return f.intrinsic("copysign", f.select(is_infinite, 0, x - f.intrinsic("trunc", x)), x)


# ---- exponents ----


def _mantissa_bits(kind: Type) -> int:
    return 52 if kind.bits == 64 else 23


def _bias(kind: Type) -> int:
    return 1023 if kind.bits == 64 else 127


def _frexp(b: Lanes, x: Value) -> tuple[Value, Value, Value]:
    """The mantissa in [1/2, 1), the exponent as an integer of the same width, and where both mean something."""
    f, width, bias = b.function, _mantissa_bits(x.type), _bias(x.type)
    magnitude = f.intrinsic("fabs", x)
    ordinary = f.fcmp("ogt", magnitude, 0) & f.fcmp("olt", magnitude, math.inf)
    tiny = f.fcmp("olt", magnitude, 2.0 ** (1 - bias))
    bits = f.bits(f.select(tiny, x * 2.0**width, x))
    field = f.integer("lshr", bits, width) & (2 * bias + 1)
    exponent = field - f.select(tiny, b.number(bias - 1 + width, bits.type.scalar), bias - 1)
    mantissa = f.from_bits((bits & ~((2 * bias + 1) << width)) | ((bias - 1) << width))
    return mantissa, exponent, ordinary


def _frexp_mantissa(b: Lanes, _dtype: DType, x: Value) -> Value:
    mantissa, _, ordinary = _frexp(b, x)
    return b.function.select(ordinary, mantissa, x)


def _frexp_exponent(b: Lanes, _dtype: DType, x: Value) -> Value:
    _, exponent, ordinary = _frexp(b, x)
    return b.function.cast("trunc", b.function.select(ordinary, exponent, 0), I32)


def ldexp(b: Lanes, x: Value, exponent: Value) -> Value:
    """x · 2ᵉ, rounded once; the exponent is an integer of x's width.

    Far exponents go by steps. One down leaves so much to do that what it rounded is lost in the last one anyway.
    """
    f, bias, width = b.function, _bias(x.type), _mantissa_bits(x.type)
    kind = exponent.type.scalar
    lowest = b.number(1 - bias, kind)
    for _ in range(2):
        down = f.select(f.icmp("slt", exponent, lowest), b.number(2 + width - bias, kind), 0)
        step = f.select(f.icmp("sgt", exponent, bias), bias, down)
        x = x * f.from_bits((step + bias) << width)
        exponent = exponent - step
    step = f.maximum(f.minimum(exponent, b.number(bias, kind)), lowest)
    return x * f.from_bits((step + bias) << width)


FLOAT_BITS: dict[str, Operation] = {
    "signbit": _signbit,
    "nextafter": _nextafter,
    "spacing": _spacing,
    "modf_fraction": _modf_fraction,
    "frexp_mantissa": _frexp_mantissa,
    "frexp_exponent": _frexp_exponent,
}
