"""Rounding to integers in the same dtype. Imports core and `families`."""

from __future__ import annotations

import enum

import numpy as np

from functrans.core.primitive import LocallyConstant
from functrans.ops.families import FLOATING, INEXACT, REAL, apply1, unary
from functrans.typing import Array, ArrayLike

_STEPS = LocallyConstant("rounding is constant between its steps")

floor_p = unary("floor", np.floor, REAL, _STEPS)


def floor(x: ArrayLike) -> Array:
    """Elementwise greatest integer ≤ x, in x's dtype."""
    return apply1(floor_p, x)


ceil_p = unary("ceil", np.ceil, REAL, _STEPS)


def ceil(x: ArrayLike) -> Array:
    """Elementwise least integer ≥ x, in x's dtype."""
    return apply1(ceil_p, x)


trunc_p = unary("trunc", np.trunc, REAL, _STEPS)


def trunc(x: ArrayLike) -> Array:
    """Elementwise x without its fraction, in x's dtype."""
    return apply1(trunc_p, x)


class RoundingMethod(enum.IntEnum):
    """What `round` does with halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


rint_p = unary("rint", np.rint, INEXACT, _STEPS)


def _round_away(x: Array) -> Array:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(np.ones_like(x), x), whole)[()]


round_away_p = unary("round_away", _round_away, FLOATING, _STEPS)


def rint(x: ArrayLike) -> Array:
    """Elementwise nearest integer, halves to even, of floating or complex operands, in x's dtype."""
    return apply1(rint_p, x)


def round(x: ArrayLike, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Array:
    """Elementwise nearest integer of floating operands, in x's dtype; halves away from zero unless told otherwise."""
    return apply1(rint_p if rounding_method is RoundingMethod.TO_NEAREST_EVEN else round_away_p, x)
