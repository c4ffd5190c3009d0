"""Sums of Chebyshev polynomials. Imports functrans.numpy."""

from __future__ import annotations

import functrans.numpy as fnp
from functrans.typing import Array

__all__ = ["chebyshev"]


def chebyshev(coefficients: tuple[float, ...], t: Array) -> Array:
    """½c₀ + Σ cₙ Tₙ(t), by Clenshaw's recurrence."""
    b0: Array = fnp.zeros_like(t)
    b1 = b0
    for c in reversed(coefficients[1:]):
        b0, b1 = 2 * t * b0 - b1 + c, b0
    total: Array = t * b0 - b1 + coefficients[0] / 2
    return total
