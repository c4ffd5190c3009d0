"""Functions that choose among elements: where, select, choose, clip, take, take_along_axis, compress, sort, argsort.

Indices may be traced, unless the result's shape depends on them; one out of range raises IndexError. Imports ops and the
promotion rules; start reading at `where`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, SupportsIndex, TypeAlias

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.errors import IndexExpressionError, OperandError, ParameterError, ValueDependentShapeError
from functrans.numpy.dispatch import implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.operands import BOOL, INT, INT32, axis_index, known, shape_of, strong
from functrans.numpy.promotion import (
    as_operand,
    astype,
    broadcast_shape,
    broadcast_to_shape,
    to_common_dtype,
)
from functrans.numpy.shapes import ravel
from functrans.ops import sort as lax
from functrans.ops.gather import GatherDimensionNumbers, gather
from functrans.ops.select import select as lax_select
from functrans.ops.select import select_n
from functrans.ops.shape import reshape, rev
from functrans.typing import Array, ArrayLike

Mode: TypeAlias = Literal["raise", "wrap", "clip"]
SortKind: TypeAlias = Literal["quicksort", "mergesort", "heapsort", "stable"]

# ---- by a condition ----


@implements(np.where)
def where(condition: ArrayLike, x: ArrayLike | None = None, y: ArrayLike | None = None, /) -> Array:
    """`x` where the condition holds, else `y`; what is not chosen gets a zero derivative.

    With the condition alone it is `nonzero`; unknown values of the condition then raise ValueDependentShapeError.

    >>> import functrans as ft
    >>> x = np.array([0.0, 4.0])
    >>> ft.grad(lambda x: np.sum(np.where(x > 0, x, 0) * 2))(x)
    array([0., 2.])
    """
    if x is None and y is None:
        told = known(condition)
        if told is None:
            fix = "Write where(condition, x, y), with a neutral element for y, or functrans.numpy.nonzero(condition, size=n)."
            raise ValueDependentShapeError("where", "condition", fix, user_line())
        return np.nonzero(told)  # type: ignore[return-value]  # a tuple of arrays, for this call alone
    if x is None or y is None:
        raise ParameterError("where", "one of x and y", "both or neither of them")
    cases = to_common_dtype(as_operand(x, "where"), as_operand(y, "where"))
    pred = astype(as_operand(condition, "where"), BOOL)
    return lax_select(*(broadcast_to_shape(v, broadcast_shape("where", [pred, *cases])) for v in (pred, *cases)))


@implements(np.select)
def select(condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0) -> Array:
    """The choice that belongs to the first condition that holds, else the default."""
    if not condlist or len(condlist) != len(choicelist):
        raise ParameterError(
            "select", f"{len(condlist)} conditions, {len(choicelist)} choices", "as many of both, at least 1"
        )
    conditions = [as_operand(condition, "select") for condition in condlist]
    if any(aval_of(condition).dtype != BOOL for condition in conditions):
        raise OperandError("select", [str(aval_of(condition)) for condition in conditions], "boolean conditions")
    *choices, out = to_common_dtype(*(as_operand(choice, "select") for choice in (*choicelist, default)))
    out = broadcast_to_shape(out, broadcast_shape("select", [*conditions, *choices, out]))
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        out = where(condition, choice, out)
    return out


@implements(np.choose)
def choose(a: ArrayLike, choices: Sequence[ArrayLike], *, mode: Mode = "raise") -> Array:
    """Elementwise `choices[a]`, broadcast; mode "raise", "wrap" or "clip" says what a number out of range means."""
    cases = to_common_dtype(*(as_operand(choice, "choose") for choice in choices))
    which = bounded(strong(a, "choose"), len(cases), mode, "choose")
    sizes = broadcast_shape("choose", [which, *cases])
    return select_n(
        astype(broadcast_to_shape(which, sizes), INT32), *(broadcast_to_shape(case, sizes) for case in cases)
    )


@implements(np.clip)
def clip(
    a: ArrayLike,
    a_min: ArrayLike | None = None,
    a_max: ArrayLike | None = None,
    *,
    min: ArrayLike | None = None,
    max: ArrayLike | None = None,
) -> Array:
    """Between `min` and `max` (or a_min and a_max), each of which may be None; outside the derivative is that of the bound."""
    if (min is not None and a_min is not None) or (max is not None and a_max is not None):
        raise ParameterError("clip", "a_min or a_max, and min or max", "one pair of names")
    low, high = a_min if min is None else min, a_max if max is None else max
    x = strong(a, "clip")
    bounds = np.iinfo(aval_of(x).dtype) if aval_of(x).dtype.kind in "iu" else None
    if low is not None and not (bounds and type(low) is int and low <= bounds.min):
        x = np.maximum(x, low)
    if high is not None and not (bounds and type(high) is int and high >= bounds.max):
        x = np.minimum(x, high)
    return x


# ---- by an index ----


def bounded(index: Array, size: int, mode: str, name: str, negative: bool = True) -> Array:
    """The index in [0, size) (or [-size, size), which the primitive checks) as the mode has it."""
    if aval_of(index).dtype.kind not in "iu" and aval_of(index).size:
        raise OperandError(name, [str(aval_of(index))], "an integer index")
    index = astype(index, INT)
    if mode == "wrap":
        return np.mod(index, size)
    if mode == "clip":
        return np.clip(index, 0, size - 1)
    if mode != "raise":
        raise ParameterError(name, f"mode={mode!r}", "'raise', 'wrap' or 'clip'")
    return index


@implements(np.take)
def take(a: ArrayLike, indices: ArrayLike, axis: SupportsIndex | None = None, *, mode: Mode = "raise") -> Array:
    """The elements at `indices` along an axis, or of the flattened array; see NumPy for the modes.

    >>> import functrans as ft
    >>> ft.grad(lambda x: np.take(x, [2, 2, -1]).sum())(np.zeros(3))
    array([0., 0., 3.])
    """
    x = strong(a, "take")
    if axis is None:
        x, axis = ravel(x), 0
    at, sizes = axis_index(axis, aval_of(x).ndim), shape_of(x)
    index = bounded(strong(indices, "take"), sizes[at], mode, "take")
    new = aval_of(index).ndim
    offsets = (*range(at), *range(at + new, len(sizes) - 1 + new))
    return gather(
        x,
        reshape(index, (*shape_of(index), 1)),
        GatherDimensionNumbers(offsets, (at,), (at,)),
        (*sizes[:at], 1, *sizes[at + 1 :]),
        mode="raise",
    )


@implements(np.take_along_axis)
def take_along_axis(arr: ArrayLike, indices: ArrayLike, axis: SupportsIndex | None = -1) -> Array:
    """The elements at `indices` along an axis, matched to the operand on the other axes; flattened for None."""
    x, index = strong(arr, "take_along_axis"), strong(indices, "take_along_axis")
    if aval_of(index).dtype.kind not in "iu":
        raise IndexExpressionError(f"take_along_axis got indices of type {aval_of(index)}; it needs integers.")
    if axis is None:
        x, axis = ravel(x), 0
    if aval_of(index).ndim != aval_of(x).ndim:
        raise ParameterError("take_along_axis", f"indices of type {aval_of(index)}", f"{aval_of(x).ndim} dimensions")
    at = axis_index(axis, aval_of(x).ndim)
    sizes, counts = shape_of(x), shape_of(index)
    rest = [np.broadcast_to(0, (*shape[:at], 1, *shape[at + 1 :])) for shape in (sizes, counts)]
    common = broadcast_shape("take_along_axis", rest)
    x = broadcast_to_shape(x, (*common[:at], sizes[at], *common[at + 1 :]))
    return lax.take_along(x, broadcast_to_shape(index, (*common[:at], counts[at], *common[at + 1 :])), at)


@implements(np.compress)
def compress(condition: ArrayLike, a: ArrayLike, axis: SupportsIndex | None = None) -> Array:
    """The elements along an axis, or of the flattened array, for which the condition, which must be known, holds."""
    if isinstance(condition, Tracer):
        raise ValueDependentShapeError(
            "compress", "condition", "Write where(condition, a, 0) or compute the mask outside.", user_line()
        )
    return take(a, np.flatnonzero(condition), axis)


# ---- by order ----


def _ordered(
    a: ArrayLike, axis: SupportsIndex | None, kind: SortKind | None, stable: bool | None, name: str
) -> tuple[Array, int]:
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable"):
        raise ParameterError(name, f"kind={kind!r}", "one of 'quicksort', 'mergesort', 'heapsort', 'stable'")
    if kind is not None and stable is not None:
        raise ParameterError(name, "both kind= and stable=", "one of them")
    x = strong(a, name)
    if axis is None:
        return ravel(x), 0
    return x, axis_index(axis, aval_of(x).ndim)


@implements(np.sort, more=("descending",))
def sort(
    a: ArrayLike,
    axis: SupportsIndex | None = -1,
    kind: SortKind | None = None,
    *,
    stable: bool | None = None,
    descending: bool = False,
) -> Array:
    """Sorted along an axis, NaN last; the derivative goes with the elements. Every kind is stable.

    descending: the array API standard's, the order of `sort` reversed, so with NaN first.
    """
    x, at = _ordered(a, axis, kind, stable, "sort")
    return rev(lax.sort(rev(x, (at,)), at), (at,)) if descending else lax.sort(x, at)


@implements(np.sort_complex)
def sort_complex(a: ArrayLike) -> Array:
    """Sorted by real part, then by imaginary part; complex also where the operand is real."""
    out = sort(strong(a, "sort_complex"))
    dtype = aval_of(out).dtype
    if dtype.kind == "c":
        return out
    return astype(out, np.complex64 if dtype.char in "bhBH" else np.complex128)


@implements(np.argsort, more=("descending",))
def argsort(
    a: ArrayLike,
    axis: SupportsIndex | None = -1,
    kind: SortKind | None = None,
    *,
    stable: bool | None = None,
    descending: bool = False,
) -> Array:
    """The indices that sort along an axis, as int64; every kind is stable, `descending` too."""
    x, at = _ordered(a, axis, kind, stable, "argsort")
    if not descending:
        return lax.argsort(x, at)
    return shape_of(x)[at] - 1 - rev(lax.argsort(rev(x, (at,)), at), (at,))


def _check_kth(kth: int | Sequence[int], kind: str, size: int, name: str) -> None:
    if kind != "introselect":
        raise ParameterError(name, f"kind={kind!r}", "'introselect'")
    if np.asarray(kth).dtype.kind not in "iu":
        raise TypeError("Partition index must be integer")
    if any(not -size <= int(k) < size for k in np.atleast_1d(kth)):
        raise ParameterError(name, f"kth={kth} for {size} elements", f"positions in [{-size}, {size})")


@implements(np.partition)
def partition(
    a: ArrayLike, kth: int | Sequence[int], axis: SupportsIndex | None = -1, kind: str = "introselect"
) -> Array:
    """Sorted along an axis, which is a partition too; NumPy leaves the order on both sides of kth open."""
    x, at = _ordered(a, axis, None, None, "partition")
    _check_kth(kth, kind, shape_of(x)[at], "partition")
    return lax.sort(x, at)


@implements(np.argpartition)
def argpartition(
    a: ArrayLike, kth: int | Sequence[int], axis: SupportsIndex | None = -1, kind: str = "introselect"
) -> Array:
    """The indices that sort along an axis, which is a partition too."""
    x, at = _ordered(a, axis, None, None, "argpartition")
    _check_kth(kth, kind, shape_of(x)[at], "argpartition")
    return lax.argsort(x, at)
