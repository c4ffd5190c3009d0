"""Arithmetic: negative, add, subtract, multiply, divide, powers.

A primitive is one block: its value, the dtypes it accepts, its local derivatives, and the public function with its
documentation. Imports core and `families`.
"""

from __future__ import annotations

import numpy as np

from functrans.ops.families import ANY, INEXACT, NUMERIC, apply, elementwise, unary
from functrans.typing import Array, ArrayLike

neg_p = unary("neg", np.negative, NUMERIC, lambda g, *_: neg(g))


def neg(x: ArrayLike) -> Array:
    """Elementwise negative, -x."""
    return apply(neg_p, x)


add_p = elementwise("add", np.add, ANY, (lambda g, *_: g, lambda g, *_: g))


def add(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise sum, x + y."""
    return apply(add_p, x, y)


sub_p = elementwise("sub", np.subtract, NUMERIC, (lambda g, *_: g, lambda g, *_: neg(g)))


def sub(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise difference, x - y."""
    return apply(sub_p, x, y)


mul_p = elementwise(
    "mul", np.multiply, ANY, (lambda g, _, __, y: mul(g, y), lambda g, _, x, __: mul(g, x))
)


def mul(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise product, x · y."""
    return apply(mul_p, x, y)


div_p = elementwise(
    "div",
    np.true_divide,
    INEXACT,
    (lambda g, _, __, y: div(g, y), lambda g, out, _, y: neg(mul(div(g, y), out))),
)


def div(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise true quotient of floating or complex operands, x / y."""
    return apply(div_p, x, y)
