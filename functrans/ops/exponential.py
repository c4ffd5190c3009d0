"""Exponentials and logarithms. Imports core, `families` and `arithmetic`."""

from __future__ import annotations

import numpy as np

from functrans.ops.arithmetic import div, mul
from functrans.ops.families import INEXACT, apply, unary
from functrans.typing import Array, ArrayLike

exp_p = unary("exp", np.exp, INEXACT, lambda g, out, _: mul(g, out))


def exp(x: ArrayLike) -> Array:
    """Elementwise exponential, eˣ."""
    return apply(exp_p, x)


log_p = unary("log", np.log, INEXACT, lambda g, _, x: div(g, x))


def log(x: ArrayLike) -> Array:
    """Elementwise natural logarithm, ln x."""
    return apply(log_p, x)
