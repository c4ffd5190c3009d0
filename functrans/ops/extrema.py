"""The larger and the smaller of two: max, min, fmax, fmin, clamp.

Start reading at `pick_greater`, which is the derivative of all of them: a tie splits it evenly. Imports core,
`families`, `comparison` and `select`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functrans.ops.comparison import is_nan
from functrans.ops.families import ANY, INEXACT, apply, apply2, elementwise
from functrans.ops.select import select, where
from functrans.typing import Array, ArrayLike


def _pick_greater(x: Array, y: Array, a: Array, b: Array) -> Any:  # Any: an array or a scalar
    out = where(np.greater(x, y), a, b)
    ties = np.equal(x, y)
    return np.where(ties, 0.5 * np.add(a, b), out)[()] if np.count_nonzero(ties) else out[()]


pick_greater_p = elementwise(
    "pick_greater",
    _pick_greater,
    INEXACT,
    (None, None, lambda g, _, x, y, *__: pick_greater(x, y, g, 0), lambda g, _, x, y, *__: pick_greater(x, y, 0, g)),
)


def pick_greater(x: ArrayLike, y: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """Elementwise `a` where x > y, their mean where x = y, else `b`; constant in x and y as far as derivatives go."""
    return apply(pick_greater_p, x, y, a, b)


max_p = elementwise(
    "max",
    np.maximum,
    ANY,
    (lambda g, _, x, y: pick_greater(x, y, g, 0), lambda g, _, x, y: pick_greater(x, y, 0, g)),
)


def max(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise maximum; NaN if either is. Complex: by real, then imaginary part. A tie splits the derivative."""
    return apply2(max_p, x, y)


min_p = elementwise(
    "min",
    np.minimum,
    ANY,
    (lambda g, _, x, y: pick_greater(y, x, g, 0), lambda g, _, x, y: pick_greater(y, x, 0, g)),
)


def min(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise minimum; NaN if either is. Complex: by real, then imaginary part. A tie splits the derivative."""
    return apply2(min_p, x, y)


# NaN is neither greater nor equal, so pick_greater(x, y, g, 0) is right but where the other operand is NaN.
fmax_p = elementwise(
    "fmax",
    np.fmax,
    ANY,
    (
        lambda g, _, x, y: select(is_nan(y), g, pick_greater(x, y, g, 0)),
        lambda g, _, x, y: select(is_nan(x), g, pick_greater(y, x, g, 0)),
    ),
)


def fmax(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise maximum; of a number and NaN, the number. A tie splits the derivative."""
    return apply2(fmax_p, x, y)


fmin_p = elementwise(
    "fmin",
    np.fmin,
    ANY,
    (
        lambda g, _, x, y: select(is_nan(y), g, pick_greater(y, x, g, 0)),
        lambda g, _, x, y: select(is_nan(x), g, pick_greater(x, y, g, 0)),
    ),
)


def fmin(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise minimum; of a number and NaN, the number. A tie splits the derivative."""
    return apply2(fmin_p, x, y)


_min, _max = min, max


def clamp(min: ArrayLike, x: ArrayLike, max: ArrayLike) -> Array:  # JAX's names
    """Elementwise x between min and max, as NumPy's `clip`; at a bound the derivative is shared with it."""
    return _min(_max(x, min), max)
