"""Polynomials and sums in twice the precision: what the functions of this package are built from.

A `Pair` is the unevaluated sum of two floats, `low` below the last digit of `high`. Coefficients are written lowest power
first. Where the target has no fused multiply-add, `multiply_add` rounds twice, and products are split as Dekker does.
Imports `ir` and `function`; start reading at `multiply_add`.

Sources: Muller et al., Handbook of Floating-Point Arithmetic (2nd ed. 2018), sections 4.3 and 4.4; Dekker, "A
floating-point technique for extending the available precision" (1971).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.instructions import Number
from functrans.backends.llvm.ir import Type, Value
from functrans.record import Record

__all__ = [
    "Pair", "constant", "horner", "horner_by_pairs", "multiply_add", "pair_product",
    "pair_quotient", "pair_sum", "pair_total", "parts", "quick_two_sum", "remainder", "two_product", "two_sum",
]  # fmt: skip


def multiply_add(f: Function, x: Value, y: Number, z: Number) -> Value:
    """x * y + z: rounded once where the target can do that in one instruction, otherwise twice."""
    return f.fma(x, y, z) if f.module.target.has_fma else x * y + z


# ---- polynomials ----


def horner(f: Function, x: Value, coefficients: Sequence[Number]) -> Value:
    """The sum of coefficients[k] * x**k by as few operations as can be: for code that is bound by throughput."""
    *rest, top = coefficients
    total = f.like(top, x)
    for c in reversed(rest):
        total = multiply_add(f, total, x, c)
    return total


def horner_by_pairs(f: Function, x: Value, coefficients: Sequence[float], square: Value | None = None) -> Value:
    """As `horner`, of pairs of terms: half the operations wait for each other. For terms that fall; x² may be known."""
    pairs = [horner(f, x, coefficients[k : k + 2]) for k in range(0, len(coefficients), 2)]
    return horner(f, x * x if square is None else square, pairs)


# ---- pairs ----


class Pair(Record):
    """The number high + low."""

    high: Value
    low: Value


def two_sum(f: Function, x: Value, y: Number) -> Pair:
    """x + y exactly."""
    y = f.like(y, x)
    total = x + y
    of_y = total - x
    return Pair(total, (x - (total - of_y)) + (y - of_y))


def quick_two_sum(f: Function, x: Value, y: Number) -> Pair:
    """x + y exactly, where |x| >= |y| or x is 0."""
    y = f.like(y, x)
    total = x + y
    return Pair(total, y - (total - x))


def two_product(f: Function, x: Value, y: Number) -> Pair:
    """x * y exactly, unless it underflows (or, without a fused multiply-add, x or y is near the overflow)."""
    y = f.like(y, x)
    product = x * y
    if f.module.target.has_fma:
        return Pair(product, f.fma(x, y, -product))
    a, b = _halves(f, x), _halves(f, y)
    low = ((a.high * b.high - product) + a.high * b.low + a.low * b.high) + a.low * b.low
    return Pair(product, low)


def remainder(f: Function, x: Value, y: Value, z: Value) -> Value:
    """x - y * z, where the product is next to x: what is left is not lost in the product's rounding."""
    if f.module.target.has_fma:
        return f.fma(-y, z, x)
    product = two_product(f, y, z)
    return (x - product.high) - product.low


def _halves(f: Function, x: Value) -> Pair:
    """x as a sum of two floats of half as many digits (Veltkamp)."""
    scaled = x * float(2 ** ((24 if x.type.bits == 32 else 54) // 2) + 1)
    high = scaled - (scaled - x)
    return Pair(high, x - high)


def pair_sum(f: Function, x: Pair, y: Pair) -> Pair:
    """x + y with an error of about two units of the last digit of `low`, where they do not cancel."""
    total = two_sum(f, x.high, y.high)
    return quick_two_sum(f, total.high, total.low + (x.low + y.low))


def pair_product(f: Function, x: Pair, y: Pair) -> Pair:
    """x * y with an error of a few units of the last digit of `low`."""
    product = two_product(f, x.high, y.high)
    low = multiply_add(f, x.high, y.low, multiply_add(f, x.low, y.high, product.low))
    return quick_two_sum(f, product.high, low)


def pair_quotient(f: Function, x: Pair, y: Pair) -> Pair:
    """x / y by one division, with an error of a few units of the last digit of `low`."""
    inverse = 1.0 / y.high
    quotient = x.high * inverse
    rest = remainder(f, x.high, quotient, y.high) + multiply_add(f, -quotient, y.low, x.low)
    return Pair(quotient, rest * inverse)


def pair_total(x: Pair) -> Value:
    return x.high + x.low


# ---- constants ----


def parts(number: Fraction, kind: Type, count: int = 2) -> list[float]:
    """A number as a sum of floats of the type, each below the last digit of those before."""
    found = []
    for _ in range(count):
        part = float(np.float32(float(number))) if kind.bits == 32 else float(number)
        found.append(part)
        number -= Fraction(part)
    return found


def constant(f: Function, number: Fraction, like: Value) -> Pair:
    """A number as a pair, in every lane."""
    high, low = parts(number, like.type)
    return Pair(f.like(high, like), f.like(low, like))
