"""Functions of NumPy that write into an array: copyto, put, put_along_axis, place, putmask, fill_diagonal.

The array has to be traced to take traced values; `versions` says what a write does. Start reading at `copyto`. Imports the
promotion rules, `selection` and `versions`.
"""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.errors import OutArgumentError, ValueDependentShapeError
from functrans.numpy.dispatch import implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.operands import BOOL, axis_index, known, shape_of, strong
from functrans.numpy.promotion import as_operand, astype, broadcast_to_shape
from functrans.numpy.rewrite import replacing
from functrans.numpy.selection import Mode, bounded, where
from functrans.numpy.versions import assign, replace
from functrans.ops.indexing import cast_update, index_update
from functrans.ops.shape import reshape
from functrans.typing import Array, ArrayLike

__all__ = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]


def _target(a: Array, name: str) -> Tracer:
    if not isinstance(a, Tracer):
        raise OutArgumentError(f"numpy.{name}", user_line(), replacing())
    return a


@implements(np.copyto)
def copyto(dst: Array, src: ArrayLike, casting: str = "same_kind", where: ArrayLike = True) -> None:
    """dst[...] = src where the mask holds, which broadcasts to it.

    >>> import functrans as ft
    >>> def doubled(x):
    ...     y = np.empty_like(x)
    ...     np.copyto(y, 2 * x)
    ...     return y
    >>> ft.jit(doubled)(np.arange(3.0))
    array([0., 2., 4.])
    """
    target, values = _target(dst, "copyto"), as_operand(src, "copyto")
    if not np.can_cast(aval_of(values).dtype, target.aval.dtype, casting):  # type: ignore[arg-type]  # any rule
        raise TypeError(
            f"Cannot cast array data from {aval_of(values).dtype!r} to {target.aval.dtype!r} according to the rule {casting!r}"
        )
    if casting == "unsafe":
        values = astype(values, target.aval.dtype)
    _masked(target, where, values, "copyto()")


def _masked(target: Tracer, mask: ArrayLike, values: ArrayLike, what: str) -> None:
    """Write values that broadcast to the whole array to where a mask holds."""
    new = broadcast_to_shape(cast_update(values, target.aval.dtype), target.aval.shape)
    if mask is not True:
        chosen = broadcast_to_shape(astype(as_operand(mask, what), BOOL), target.aval.shape)
        new = where(chosen, new, target)  # type: ignore[arg-type]  # a tracer stands for an array
    replace(target, new, what)


@implements(np.putmask)
def putmask(a: Array, /, mask: ArrayLike, values: ArrayLike) -> None:
    """a[i] = values[i] where the mask, of the shape of a, holds; values of another shape are repeated over the flat array."""
    target, chosen = _target(a, "putmask"), strong(mask, "putmask")
    if shape_of(chosen) != target.aval.shape:
        raise ValueError("putmask: mask and data must be the same size")
    _masked(target, chosen, np.resize(values, target.aval.shape), "putmask()")


@implements(np.place)
def place(arr: Array, mask: ArrayLike, vals: ArrayLike) -> None:
    """The values, in order and repeated, where the mask holds, which has to be known unless there is one value."""
    target, told, values = _target(arr, "place"), known(strong(mask, "place")), np.ravel(vals)
    if shape_of(strong(mask, "place")) != target.aval.shape:
        raise ValueError("place: mask and data must be the same size")
    if aval_of(values).size == 1:
        _masked(target, mask, reshape(values, ()), "place()")
    elif told is None:
        fix = "Write  x = np.where(mask, values, x)  with values of the shape of x."
        raise ValueDependentShapeError("place", "mask", fix, user_line())
    else:
        count = int(np.count_nonzero(told))
        if count:
            assign(target, np.asarray(told, bool), np.resize(values, count), "place()")


@implements(np.put)
def put(a: Array, ind: ArrayLike, v: ArrayLike, mode: Mode = "raise") -> None:
    """a.flat[ind] = v, with values repeated as often as there are indices."""
    target = _target(a, "put")
    index = bounded(strong(np.ravel(ind), "put"), target.aval.size, mode, "put")
    if not shape_of(index)[0]:
        return
    flat = index_update(reshape(a, (target.aval.size,)), index, np.resize(v, shape_of(index)))
    replace(target, reshape(flat, target.aval.shape), "put()")


@implements(np.put_along_axis)
def put_along_axis(arr: Array, indices: ArrayLike, values: ArrayLike, axis: SupportsIndex | None) -> None:
    """The values at indices along an axis, matched to the array on the other axes; of the flattened array for None."""
    target, index = _target(arr, "put_along_axis"), strong(indices, "put_along_axis")
    if aval_of(index).dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if axis is None:
        flat = index_update(reshape(arr, (target.aval.size,)), index, values)
        return replace(target, reshape(flat, target.aval.shape), "put_along_axis()")
    if aval_of(index).ndim != len(target.aval.shape):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    at = axis_index(axis, len(target.aval.shape))
    places = [
        index if i == at else np.arange(size).reshape([-1 if i == j else 1 for j in range(len(target.aval.shape))])
        for i, size in enumerate(target.aval.shape)
    ]
    assign(target, tuple(places), values, "put_along_axis()")


@implements(np.fill_diagonal)
def fill_diagonal(a: Array, val: ArrayLike, wrap: bool = False) -> None:
    """The values, repeated, on the diagonal: a[i, …, i]; with `wrap` it starts again below, after a row's gap."""
    target = _target(a, "fill_diagonal")
    shape = target.aval.shape
    if len(shape) < 2:
        raise ValueError("array must be at least 2-d")
    if len(shape) > 2 and len(set(shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    step = shape[1] + 1 if len(shape) == 2 else 1 + int(np.cumprod(shape[:-1]).sum())
    end = shape[1] * shape[1] if len(shape) == 2 and not wrap else target.aval.size
    places = np.arange(target.aval.size)[:end:step]
    flat = index_update(reshape(a, (target.aval.size,)), places, np.resize(val, len(places)), unique_indices=True)
    replace(target, reshape(flat, shape), "fill_diagonal()")
