"""Trigonometric and hyperbolic functions and their inverses; angles in radians. Imports core, `families`, `arithmetic`."""

from __future__ import annotations

import numpy as np

from functrans.ops.arithmetic import mul, neg
from functrans.ops.families import INEXACT, apply, unary
from functrans.typing import Array, ArrayLike

sin_p = unary("sin", np.sin, INEXACT, lambda g, _, x: mul(g, cos(x)))


def sin(x: ArrayLike) -> Array:
    """Elementwise sine."""
    return apply(sin_p, x)


cos_p = unary("cos", np.cos, INEXACT, lambda g, _, x: neg(mul(g, sin(x))))


def cos(x: ArrayLike) -> Array:
    """Elementwise cosine."""
    return apply(cos_p, x)
