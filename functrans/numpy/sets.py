"""Arrays as sets: unique and its kin, intersect1d, union1d, setdiff1d, setxor1d.

How many elements the results have depends on values. Where these are known (arrays, and what `grad` and `jvp` trace outside of
`jit` and `vmap`) they are NumPy's; elsewhere `size=` says how many there are to be, as in `jax.numpy`: what is too much is left
out, and what is missing is `fill_value`, or else the first of them. Elements keep their derivatives. Imports the promotion
rules, `searching` and `value_dependent`; start reading at `unique`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError, ValueDependentShapeError
from functrans.numpy.at import at
from functrans.numpy.cumulative import cumsum, diff
from functrans.numpy.dispatch import implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.joining import concatenate
from functrans.numpy.operands import INT, known, shape_of, strong
from functrans.numpy.promotion import to_common_dtype
from functrans.numpy.searching import isin
from functrans.numpy.selection import argsort, take, where
from functrans.numpy.shapes import ravel, reshape
from functrans.numpy.value_dependent import flatnonzero
from functrans.typing import Array, ArrayLike

__all__ = [
    "intersect1d", "setdiff1d", "setxor1d", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse",
    "unique_values",
]  # fmt: skip

_SIZED = ("size", "fill_value")


def _unknown(function: str, argument: str) -> ValueDependentShapeError:
    fix = f"Write functrans.numpy.{function}(…, size=n, fill_value=…), with the number of elements n."
    return ValueDependentShapeError(function, argument, fix, user_line())


class _Unique(NamedTuple):
    values: Array
    indices: Array
    inverse: Array
    counts: Array


def _of_known(x: Array, told: Array, axis: int | None, equal_nan: bool) -> _Unique:
    """NumPy finds them, and the elements are taken from the operand, which has the derivatives."""
    _, indices, inverse, counts = np.unique(told, True, True, True, axis, equal_nan=equal_nan)
    return _Unique(take(x, indices, axis), indices, inverse, counts)


def _sized(x: Array, size: int, fill_value: ArrayLike | None, equal_nan: bool) -> _Unique:
    """Of a vector: sorted, an element is new if it differs from the one before it."""
    count = shape_of(x)[0]
    if not count:
        raise ParameterError("unique", "size= for no elements", "at least one")
    order = argsort(x, stable=True)
    ordered = take(x, order)
    differs = ordered[1:] != ordered[:-1]
    if equal_nan and aval_of(x).dtype.kind in "fc":
        differs = differs & ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    is_first = concatenate([np.ones(1, bool), differs])
    starts = flatnonzero(is_first, size=size + 1, fill_value=count)
    is_there, places = starts[:size] < count, np.minimum(starts[:size], count - 1)
    values, indices = take(ordered, places), take(order, places)
    filler = values[0] if fill_value is None else strong(fill_value, "unique")
    number = np.zeros(count, INT)
    return _Unique(
        where(is_there, values, filler),
        where(is_there, indices, indices[0]),
        at(number)[order].set(cumsum(is_first) - 1),
        diff(starts),
    )


def _unique(
    ar: ArrayLike, axis: int | None, equal_nan: bool, size: int | None, fill_value: ArrayLike | None, name: str
) -> _Unique:
    x = strong(ar, name)
    told = known(x)
    if size is None:
        if told is None:
            raise _unknown(name, "ar")
        return _of_known(x, told, axis, equal_nan)
    if axis is not None:
        raise ParameterError(name, f"axis={axis} with size=", "axis=None")
    found = _sized(ravel(x), size, fill_value, equal_nan)
    return found._replace(inverse=reshape(found.inverse, shape_of(x)))


@implements(np.unique, more=_SIZED)
def unique(
    ar: ArrayLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Any:  # an array, or a tuple of them
    """The different elements, in order; and where each was first, which of them each element is, how often each occurs.

    >>> import functrans as ft
    >>> ft.jit(lambda x: ft.numpy.unique(x, size=4, fill_value=0))(np.array([3, 1, 3]))
    array([1, 3, 0, 0])
    """
    del sorted  # they always are
    found = _unique(ar, axis, equal_nan, size, fill_value, "unique")
    asked = (True, return_index, return_inverse, return_counts)
    parts = [part for part, is_asked in zip(found, asked, strict=True) if is_asked]
    return tuple(parts) if len(parts) > 1 else parts[0]


class UniqueAllResult(NamedTuple):
    """What `unique_all` gives."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` gives."""

    values: Array
    counts: Array


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` gives."""

    values: Array
    inverse_indices: Array


@implements(np.unique_all, more=_SIZED)
def unique_all(x: ArrayLike, *, size: int | None = None, fill_value: ArrayLike | None = None) -> UniqueAllResult:
    """All that `unique` can tell; NaN are different from each other."""
    return UniqueAllResult(*_unique(x, None, False, size, fill_value, "unique_all"))


@implements(np.unique_counts, more=_SIZED)
def unique_counts(x: ArrayLike, *, size: int | None = None, fill_value: ArrayLike | None = None) -> UniqueCountsResult:
    """The different elements and how often each occurs; NaN are different from each other."""
    found = _unique(x, None, False, size, fill_value, "unique_counts")
    return UniqueCountsResult(found.values, found.counts)


@implements(np.unique_inverse, more=_SIZED)
def unique_inverse(
    x: ArrayLike, *, size: int | None = None, fill_value: ArrayLike | None = None
) -> UniqueInverseResult:
    """The different elements and which of them each element is; NaN are different from each other."""
    found = _unique(x, None, False, size, fill_value, "unique_inverse")
    return UniqueInverseResult(found.values, found.inverse)


@implements(np.unique_values, more=_SIZED)
def unique_values(x: ArrayLike, *, size: int | None = None, fill_value: ArrayLike | None = None) -> Array:
    """The different elements; NaN are different from each other."""
    return _unique(x, None, False, size, fill_value, "unique_values").values


# ---- two sets ----


def _pair(ar1: ArrayLike, ar2: ArrayLike, name: str) -> tuple[Array, Array]:
    first, second = to_common_dtype(ravel(strong(ar1, name)), ravel(strong(ar2, name)))
    return first, second


def _chosen(x: Array, mask: Array, size: int | None, fill_value: ArrayLike | None, name: str) -> Array:
    """The different elements where the mask says so."""
    if size is None:
        told, chosen = known(x), known(mask)
        if told is None or chosen is None:
            raise _unknown(name, "ar1, ar2")
        places = np.flatnonzero(chosen)
        return take(x, places[np.unique(told[places], return_index=True)[1]])
    order = argsort(x, stable=True)
    ordered, kept = take(x, order), take(mask, order)
    is_first = concatenate([np.ones(min(1, shape_of(x)[0]), bool), ordered[1:] != ordered[:-1]])
    places = flatnonzero(kept & is_first, size=size, fill_value=-1)
    values = take(ordered, np.maximum(places, 0))
    return where(places >= 0, values, values[0] if fill_value is None else strong(fill_value, name))


@implements(np.union1d, more=_SIZED)
def union1d(ar1: ArrayLike, ar2: ArrayLike, *, size: int | None = None, fill_value: ArrayLike | None = None) -> Array:
    """The different elements of both arrays, in order."""
    return _unique(concatenate(_pair(ar1, ar2, "union1d")), None, True, size, fill_value, "union1d").values


@implements(np.setdiff1d, more=_SIZED)
def setdiff1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: bool = False,
    *,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Array:
    """The different elements of the first array that the second one lacks, in order, or, with `assume_unique`, as they come."""
    first, second = _pair(ar1, ar2, "setdiff1d")
    mask = ~isin(first, second)
    if assume_unique and size is None and known(mask) is not None:
        return take(first, np.flatnonzero(known(mask)))  # type: ignore[arg-type]  # it is known
    return _chosen(first, mask, size, fill_value, "setdiff1d")


@implements(np.setxor1d, more=_SIZED)
def setxor1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: bool = False,
    *,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Array:
    """The different elements that only one of the arrays has, in order."""
    del assume_unique
    first, second = _pair(ar1, ar2, "setxor1d")
    mask = concatenate([~isin(first, second), ~isin(second, first)])
    return _chosen(concatenate([first, second]), mask, size, fill_value, "setxor1d")


@implements(np.intersect1d, more=_SIZED)
def intersect1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Any:  # an array, or a tuple of three
    """The different elements that both arrays have, in order; and where each was first in both."""
    first, second = _pair(ar1, ar2, "intersect1d")
    if return_indices:
        told = known(first), known(second)
        if told[0] is None or told[1] is None:
            raise (
                _unknown("intersect1d", "ar1, ar2")
                if size is None
                else ParameterError("intersect1d", "return_indices=True with size=", "return_indices=False")
            )
        _, here, there = np.intersect1d(told[0], told[1], assume_unique, return_indices=True)
        return take(first, here), here, there
    return _chosen(first, isin(first, second), size, fill_value, "intersect1d")
