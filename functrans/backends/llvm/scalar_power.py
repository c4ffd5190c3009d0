"""Floats to a whole power that is known, within 1 ULP: a chain of products that carries along what each one lost.

Start reading at `integer_pow`. Imports `elements`.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from functrans.backends.llvm.elements import Lanes
from functrans.backends.llvm.ir import Value
from functrans.typing import DType

__all__ = ["integer_pow"]

Sum: TypeAlias = tuple[Value, Value]
"""A number as a float and a small rest."""


def integer_pow(b: Lanes, _dtype: DType, x: Value, *, y: int) -> Value:
    """x to the power y, by the digits of y; of 1 / x if y is negative, which neither overflows nor underflows too soon."""
    if y == 0:
        return b.number(1, x.type.scalar)
    if y == -1:
        return 1.0 / x
    if 0 < y <= 4:  # few roundings
        square = x * x
        return (x, square, square * x, square * square)[y - 1]
    f, zero = b.function, b.number(0, x.type.scalar)
    base = (x, zero) if y > 0 else _reciprocal(b, x)
    power = base
    for digit in f"{abs(y):b}"[1:]:
        power = _product(power, power)
        power = _product(power, base) if digit == "1" else power
    return f.select(_is_ordinary(b, power[0]), power[0] + power[1], power[0])


def _is_ordinary(b: Lanes, x: Value) -> Value:
    f = b.function
    size = f.intrinsic("fabs", x)
    return f.fcmp("ogt", size, 0) & f.fcmp("olt", size, math.inf)


def _reciprocal(b: Lanes, x: Value) -> Sum:
    f = b.function
    near = 1.0 / x
    rest = f.fma(-x, near, 1) * near
    return near, f.select(_is_ordinary(b, near), rest, 0)


def _product(x: Sum, y: Sum) -> Sum:
    f = x[0].function
    product = x[0] * y[0]
    rest = f.fma(x[0], y[0], -product)
    return product, f.fma(x[0], y[1], f.fma(x[1], y[0], rest))
