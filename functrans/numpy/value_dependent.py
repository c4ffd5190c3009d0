"""Functions of NumPy that cannot be traced, with what to write instead.

The shape of their result depends on values, or they write into an array. With plain arrays they are NumPy's own; a tracer
raises an error that says how to go on. Start reading at `_unshaped`. Imports dispatch only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from functrans.errors import UnsupportedFunctionError, ValueDependentShapeError
from functrans.numpy.dispatch import NumpyFunction, implements, name_of, where

__all__ = [
    "argwhere", "bincount", "copyto", "extract", "fill_diagonal", "flatnonzero", "intersect1d", "nonzero", "place", "put",
    "put_along_axis", "putmask", "setdiff1d", "setxor1d", "trim_zeros", "union1d", "unique",
]  # fmt: skip

_MASK = "Keep the shape: np.where(condition, x, 0) and reduce that, or compute the indices outside of the transform."
_SET = "Compute it on concrete values, outside of the transform, and pass the result in."


def _unshaped(function: NumpyFunction, argument: str, fix: str) -> Callable[..., Any]:  # Any: NumPy's own results
    """NumPy's function, which for a tracer raises ValueDependentShapeError."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise ValueDependentShapeError(function.__name__, argument, fix, where())

    return _named(function, refuse)


def _in_place(function: NumpyFunction, fix: str) -> Callable[..., Any]:  # Any: NumPy's own results
    """NumPy's function that writes into its first argument, which for a tracer raises UnsupportedFunctionError."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise UnsupportedFunctionError(name_of(function), where(), f"Traced values are not overwritten. {fix}")

    return _named(function, refuse)


def _named(function: NumpyFunction, refuse: Callable[..., NoReturn]) -> Callable[..., Any]:  # Any: as above
    refuse.__name__ = refuse.__qualname__ = function.__name__
    refuse.__doc__ = f"`{name_of(function)}`, for arrays that are not traced only."
    return implements(function)(refuse)


nonzero = _unshaped(np.nonzero, "a", _MASK)
flatnonzero = _unshaped(np.flatnonzero, "a", _MASK)
argwhere = _unshaped(np.argwhere, "a", _MASK)
extract = _unshaped(np.extract, "condition", _MASK)
trim_zeros = _unshaped(np.trim_zeros, "filt", _MASK)
bincount = _unshaped(
    np.bincount, "x", "With a known number of bins: np.sum(np.where(x == np.arange(n)[:, None], weights, 0), axis=1)."
)
unique = _unshaped(np.unique, "ar", _SET)
intersect1d = _unshaped(np.intersect1d, "ar1, ar2", _SET)
union1d = _unshaped(np.union1d, "ar1, ar2", _SET)
setdiff1d = _unshaped(np.setdiff1d, "ar1, ar2", _SET)
setxor1d = _unshaped(np.setxor1d, "ar1, ar2", _SET)

_AT = "Write y = functrans.numpy.at(x)[index].set(values) and go on with y."
_WHERE = "Write y = np.where(mask, values, x) and go on with y."

put = _in_place(np.put, _AT)
put_along_axis = _in_place(np.put_along_axis, _AT)
fill_diagonal = _in_place(np.fill_diagonal, "Write y = np.where(np.eye(n, dtype=bool), value, x) and go on with y.")
copyto = _in_place(np.copyto, _WHERE)
place = _in_place(np.place, _WHERE)
putmask = _in_place(np.putmask, _WHERE)
