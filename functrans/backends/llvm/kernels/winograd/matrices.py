"""The matrices of Winograd's convolutions, by Cook and Toom: polynomials multiplied by their values at some points.

F(m, r) gives m places of a window of r taps, along each axis, from m + r - 1 products: at places x of numbers, at points of
windows w, `output (input x · window w)`. Imports `record`; start reading at `cook_toom`.

The points keep errors small: for six products ±1/√2 and ±√2 are 2 to 4 times as exact as ±1 and ±2 (Barabasz, Anderson,
Soodhalter, Gregg: Error analysis and improving the accuracy of Winograd convolution, 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod, sqrt
from typing import TypeAlias

from functrans.record import Record

__all__ = ["Matrices", "Matrix", "cook_toom"]

Matrix: TypeAlias = tuple[tuple[float, ...], ...]

_POINTS = {
    6: (0, 1 / sqrt(2), -1 / sqrt(2), sqrt(2), -sqrt(2)),
    8: (0, 0.5, -0.5, 1, -1, 2, -2),
}
"""For so many products along an axis; the last point is infinity."""


class Matrices(Record):
    """Of F(m, r). What comes in is multiplied by a matrix from the left, and by its transpose from the right."""

    input: Matrix
    window: Matrix
    output: Matrix


@cache
def cook_toom(places: int, taps: int) -> Matrices:
    """F(places, taps): the matrices for so many places and taps along each axis."""
    points = _POINTS[places + taps - 1]
    others = [[b for b in points if b != a] for a in points]
    powers = [[*(_power(a, i) for a in points), 0.0] for i in range(places)]
    powers[-1][-1] = 1.0
    windows = [
        tuple(round(_power(a, k) / prod(a - b for b in rest), 12) for k in range(taps))
        for a, rest in zip(points, others, strict=True)
    ]
    inputs = [(*_polynomial(rest), 0.0) for rest in others]
    return Matrices((*inputs, _polynomial(points)), (*windows, (*(0.0,) * (taps - 1), 1.0)), tuple(map(tuple, powers)))


def _power(a: float, k: int) -> float:
    return round(float(a**k), 12)


def _polynomial(roots: Sequence[float]) -> tuple[float, ...]:
    """The coefficients of the polynomial with these roots, from the constant one on; rounded, so that those which differ in
    sign alone do so exactly."""
    found = [1.0]
    for root in roots:
        found = [low - root * high for low, high in zip([0.0, *found], [*found, 0.0], strict=True)]
    return tuple(round(x, 12) + 0.0 for x in found)
