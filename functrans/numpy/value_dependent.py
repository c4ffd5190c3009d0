"""Functions of NumPy whose result's shape depends on values.

Where values are known (arrays, and what `grad` and `jvp` trace outside of `jit` and `vmap`) the shapes are NumPy's; elsewhere
`size=` says how many elements the result is to have, as in `jax.numpy`, and what is missing is `fill_value`. Start reading at
`nonzero`. Imports the promotion rules and `selection`.
"""

from __future__ import annotations

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError, ValueDependentShapeError
from functrans.numpy.dispatch import implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.operands import INT, Axes, axis_indices, known, shape_of, strong
from functrans.numpy.selection import sort, take, where
from functrans.numpy.shapes import ravel, reshape
from functrans.typing import Array, ArrayLike

__all__ = ["argwhere", "extract", "flatnonzero", "ix_", "nonzero", "trim_zeros"]

_SIZED = ("size", "fill_value")
_MASK = "Keep the shape: np.where(condition, x, 0) and reduce that, or say how many elements there are to be:"


def _places(a: ArrayLike, size: int | None, fill_value: int | None, name: str) -> Array:
    """The places of what is not zero in the flattened array, missing ones at its length if there is no `fill_value`."""
    x = ravel(strong(a, name))
    told = known(x)
    if size is None:
        if told is None:
            fix = f"{_MASK} functrans.numpy.{name}(a, size=n, fill_value=0)."
            raise ValueDependentShapeError(name, "a", fix, user_line())
        return np.flatnonzero(told)
    count = shape_of(x)[0]
    missing = count if fill_value is None else fill_value
    numbers = sort(where(x != 0, np.arange(count), count))[:size]
    if size > count:
        numbers = np.concatenate([numbers, np.full(size - count, count, INT)])
    return where(numbers < count, numbers, missing)


@implements(np.flatnonzero, more=_SIZED)
def flatnonzero(a: ArrayLike, *, size: int | None = None, fill_value: int | None = 0) -> Array:
    """The places of what is not zero in the flattened array.

    >>> import functrans as ft
    >>> ft.jit(lambda x: ft.numpy.flatnonzero(x, size=3, fill_value=-1))(np.array([0, 5, 0, 7]))
    array([ 1,  3, -1])
    """
    return _places(a, size, fill_value, "flatnonzero")


@implements(np.nonzero, more=_SIZED)
def nonzero(
    a: ArrayLike, *, size: int | None = None, fill_value: int | tuple[int, ...] | None = None
) -> tuple[Array, ...]:
    """The indices of what is not zero, an array for each axis; missing ones are 0, or `fill_value`, one for each axis."""
    x = strong(a, "nonzero")
    shape = shape_of(x)
    if not shape:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.")
    places = _places(x, size, None, "nonzero")
    fillers = fill_value if isinstance(fill_value, tuple) else (fill_value or 0,) * len(shape)
    if len(fillers) != len(shape):
        raise ParameterError("nonzero", f"fill_value={fill_value} for {len(shape)} axes", "a number for each axis")
    is_there = places < aval_of(x).size
    indices, step = [], 1
    for length, filler in zip(reversed(shape), reversed(fillers), strict=True):
        indices.append(where(is_there, places // step % max(length, 1), filler))
        step *= max(length, 1)
    return tuple(reversed(indices))


@implements(np.argwhere, more=_SIZED)
def argwhere(a: ArrayLike, *, size: int | None = None, fill_value: int | tuple[int, ...] | None = None) -> Array:
    """The indices of what is not zero, a row for each element."""
    x = strong(a, "argwhere")
    if not shape_of(x):
        return np.zeros((len(_places(x, None, None, "argwhere")), 0), INT)
    indices: Array = np.stack(nonzero(x, size=size, fill_value=fill_value), axis=-1)
    return indices


@implements(np.ix_)
def ix_(*args: ArrayLike) -> tuple[Array, ...]:
    """Vectors of indices, each along an axis of its own, so that together they index a grid; masks have to be known."""
    vectors = []
    for i, arg in enumerate(args):
        x = strong(arg, "ix_")
        if aval_of(x).ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        x = nonzero(x)[0] if aval_of(x).dtype.kind == "b" else x
        x = x if len(x) else np.zeros(0, INT)
        vectors.append(reshape(x, (1,) * i + shape_of(x) + (1,) * (len(args) - i - 1)))
    return tuple(vectors)


@implements(np.extract)
def extract(condition: ArrayLike, arr: ArrayLike) -> Array:
    """The elements of the flattened array where the condition holds, which has to be known."""
    return take(ravel(strong(arr, "extract")), _places(condition, None, None, "extract"))


@implements(np.trim_zeros)
def trim_zeros(filt: ArrayLike, trim: str = "fb", axis: Axes = None) -> Array:
    """Without the zeros at the front ("f") and the back ("b") along axes; the values have to be known."""
    x = strong(filt, "trim_zeros")
    if trim.lower() not in ("fb", "bf", "f", "b"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    told = known(x)
    if told is None:
        raise ValueDependentShapeError("trim_zeros", "filt", "Compute where to cut on concrete values.", user_line())
    axes = range(told.ndim) if axis is None else axis_indices(axis, told.ndim)
    found = np.argwhere(told)
    first, last = (found.min(0), found.max(0) + 1) if len(found) else (np.zeros(told.ndim, int),) * 2
    cut = slice(None)
    if not len(found):
        return x[tuple(slice(0, 0) if i in axes else cut for i in range(told.ndim))]
    front, back = "f" in trim.lower(), "b" in trim.lower()
    return x[
        tuple(
            slice(int(first[i]) if front else None, int(last[i]) if back else None) if i in axes else cut
            for i in range(told.ndim)
        )
    ]
