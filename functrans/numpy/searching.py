"""Where values stand among others: searchsorted, digitize, isin, lexsort.

Positions are found by halving, in as many steps as the length has binary digits. Imports ops and the promotion rules; start
reading at `searchsorted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, SupportsIndex

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy.dispatch import implements
from functrans.numpy.operands import INT, axis_index, known, shape_of, strong
from functrans.numpy.promotion import as_operand, to_common_dtype
from functrans.numpy.selection import argsort, sort, take, take_along_axis, where
from functrans.numpy.shapes import flip, ravel
from functrans.typing import Array, ArrayLike

__all__ = ["digitize", "isin", "lexsort", "position", "searchsorted"]

Side = Literal["left", "right"]


def _comes_before(x: Array, y: Array) -> Array:
    """Whether sorting puts `x` before `y`: NaN comes last."""
    before: Array = x < y
    return before | (np.isnan(y) & ~np.isnan(x)) if aval_of(y).dtype.kind in "fc" else before


def position(ordered: Array, x: Array, side: Side) -> Array:
    """How many elements of a sorted vector come before each `x`; with side "right" also those equal to it."""
    count = shape_of(ordered)[0]
    place = np.zeros(shape_of(x), INT)[()]
    if not count:
        return place
    for digit in reversed(range(count.bit_length())):
        further = place + (1 << digit)
        entry = take(ordered, np.minimum(further, count) - 1)
        passes = _comes_before(entry, x) if side == "left" else ~_comes_before(x, entry)
        place = where((further <= count) & passes, further, place)
    return place


@implements(np.searchsorted)
def searchsorted(a: ArrayLike, v: ArrayLike, side: Side = "left", sorter: ArrayLike | None = None) -> Array:
    """Where to insert `v` into the sorted vector `a`, which `sorter` puts in order, so that it stays sorted."""
    if side not in ("left", "right"):
        raise ParameterError("searchsorted", f"side={side!r}", "'left' or 'right'")
    ordered = strong(a, "searchsorted")
    if aval_of(ordered).ndim != 1:
        raise ValueError("object of too small depth for desired array")
    if sorter is not None:
        if shape_of(as_operand(sorter)) != shape_of(ordered):
            raise ValueError("sorter.size must equal a.size")
        ordered = take(ordered, sorter)
    ordered, values = to_common_dtype(ordered, as_operand(v))
    return position(ordered, values, side)


@implements(np.digitize)
def digitize(x: ArrayLike, bins: ArrayLike, right: bool = False) -> Array:
    """The numbers of the bins that elements fall in; `bins` are the edges, increasing or decreasing.

    Edges that are neither raise ValueError where they are known.
    """
    values, edges = to_common_dtype(strong(x, "digitize"), strong(bins, "digitize"))
    if aval_of(strong(x, "digitize")).dtype.kind == "c":
        raise TypeError("x may not be complex")
    if aval_of(edges).ndim != 1:
        raise ValueError("object of too small depth for desired array")
    told = known(bins)
    if told is not None and not (np.all(told[1:] >= told[:-1]) or np.all(told[1:] <= told[:-1])):
        raise ValueError("bins must be monotonically increasing or decreasing")
    side: Side = "left" if right else "right"
    count = shape_of(edges)[0]
    if count < 2 or (told is not None and told[0] <= told[-1]):
        return position(edges, values, side)
    backwards = count - position(flip(edges), values, side)
    return backwards if told is not None else where(edges[0] <= edges[-1], position(edges, values, side), backwards)


@implements(np.isin)
def isin(
    element: ArrayLike,
    test_elements: ArrayLike,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> Array:
    """Whether each element is one of `test_elements`. What NumPy takes to be faster has no meaning here."""
    del assume_unique, kind
    x, tests = to_common_dtype(strong(element, "isin"), ravel(strong(test_elements, "isin")))
    count = shape_of(tests)[0]
    if not count:
        return np.full(shape_of(x), invert)
    ordered = sort(tests)
    found: Array = take(ordered, np.minimum(position(ordered, x, "left"), count - 1)) == x
    return ~found if invert else found


@implements(np.lexsort)
def lexsort(keys: Sequence[ArrayLike] | ArrayLike, axis: SupportsIndex = -1) -> Array:
    """The order of elements by the last key, then by the one before it, …, along an axis; equal ones stay as they are."""
    rows = [strong(key, "lexsort") for key in keys]  # type: ignore[union-attr]  # an array of keys has rows
    if not rows:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if any(shape_of(row) != shape_of(rows[0]) for row in rows):
        raise ValueError("all keys need to be the same shape")
    if not shape_of(rows[0]):
        return np.zeros((), INT)[()]
    axis = axis_index(axis, aval_of(rows[0]).ndim)
    order = argsort(rows[0], axis, stable=True)
    for row in rows[1:]:
        order = take_along_axis(order, argsort(take_along_axis(row, order, axis), axis, stable=True), axis)
    return order
