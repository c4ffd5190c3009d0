"""Functions that repeat, pad and edit: tile, repeat, resize, pad, insert, delete.

Where elements move irregularly they are taken by indices that NumPy's own function of that name computes. Imports ops, the
promotion rules, `joining` and `selection`; start reading at `repeat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.errors import ParameterError, UnsupportedArgumentError, ValueDependentShapeError
from functrans.numpy.dispatch import implements, where
from functrans.numpy.joining import concatenate
from functrans.numpy.operands import INT, axis_index, shape_of, strong
from functrans.numpy.promotion import as_operand, astype, broadcast_to_shape
from functrans.numpy.selection import take
from functrans.numpy.shapes import ShapeLike, as_shape, ravel
from functrans.ops import shape as lax
from functrans.typing import Array, ArrayLike

PadMode: TypeAlias = Literal["constant", "edge", "reflect", "symmetric", "wrap", "empty"]
PadWidth: TypeAlias = Any  # Any: an int, a pair, a pair for each axis, or a dict of axes

_BY_INDEX = ("edge", "reflect", "symmetric", "wrap")

# ---- tile, repeat, resize ----


@implements(np.tile)
def tile(A: ArrayLike, reps: ShapeLike) -> Array:
    """The array repeated as a whole along each axis; axes missing in either are added in front."""
    x, counts = strong(A, "tile"), as_shape(reps)
    ndim = max(aval_of(x).ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    sizes = (1,) * (ndim - aval_of(x).ndim) + shape_of(x)
    single = [n for size in sizes for n in (1, size)]
    spread = tuple(n for count, size in zip(counts, sizes, strict=True) for n in (count, size))
    repeated = broadcast_to_shape(lax.reshape(x, single), spread)
    return lax.reshape(repeated, [count * size for count, size in zip(counts, sizes, strict=True)])


@implements(np.repeat)
def repeat(a: ArrayLike, repeats: ArrayLike, axis: SupportsIndex | None = None) -> Array:
    """Every element repeated along an axis, or in the flattened array; the numbers of times must not be traced."""
    if isinstance(repeats, Tracer):
        raise ValueDependentShapeError(
            "repeat", "repeats", "Pass a Python int, or a NumPy array that is not traced.", where()
        )
    x = strong(a, "repeat")
    if axis is None:
        x, axis = ravel(x), 0
    at, sizes = axis_index(axis, aval_of(x).ndim), shape_of(x)
    if np.ndim(repeats) == 0:
        count = index(np.asarray(repeats)[()])
        spread = broadcast_to_shape(lax.expand_dims(x, (at + 1,)), (*sizes[: at + 1], count, *sizes[at + 1 :]))
        return lax.reshape(spread, (*sizes[:at], sizes[at] * count, *sizes[at + 1 :]))
    return take(x, np.repeat(np.arange(sizes[at]), np.asarray(repeats)), at)


@implements(np.resize)
def resize(a: ArrayLike, new_shape: ShapeLike) -> Array:
    """The elements, from the first again after the last, in a new shape."""
    x, sizes = ravel(a), as_shape(new_shape)
    if any(size < 0 for size in sizes):
        raise ParameterError("resize", f"new_shape={sizes}", "sizes that are not negative")
    count = shape_of(x)[0]
    if count == 0:
        return np.zeros(sizes, aval_of(x).dtype)
    return take(x, np.resize(np.arange(count), sizes))


# ---- pad ----


@implements(np.pad)
def pad(
    array: ArrayLike, pad_width: PadWidth, mode: PadMode = "constant", *, constant_values: ArrayLike | None = None,
    reflect_type: Literal["even"] | None = None,
) -> Array:  # fmt: skip
    """Elements added before and after along each axis: a constant, the edge, or the array reflected or wrapped.

    Modes: constant, edge, reflect, symmetric, wrap; "empty" pads with zeros.

    >>> import functrans as ft
    >>> ft.grad(lambda x: np.sum(np.pad(x, 2, "edge")))(np.ones(3))
    array([3., 1., 3.])
    """
    x = strong(array, "pad")
    widths = _pairs(pad_width, aval_of(x).ndim)
    _check_pad(mode, constant_values is not None, reflect_type)
    if mode in ("constant", "empty"):
        return _pad_constant(x, widths, 0 if constant_values is None else constant_values)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = take(x, np.pad(np.arange(shape_of(x)[axis]), (before, after), mode), axis)
    return x


def _check_pad(mode: str, has_values: bool, reflect_type: str | None) -> None:
    """Raises ValueError for keywords that the mode does not have, as NumPy does."""
    if mode not in ("constant", "empty", *_BY_INDEX):
        raise UnsupportedArgumentError("numpy.pad", f"mode={mode!r}", ["constant", "empty", *_BY_INDEX], where())
    if has_values and mode != "constant":
        raise ParameterError("pad", f"constant_values= for mode={mode!r}", "mode='constant'")
    if reflect_type is not None and mode not in ("reflect", "symmetric"):
        raise ParameterError("pad", f"reflect_type= for mode={mode!r}", "mode='reflect' or 'symmetric'")
    if reflect_type not in (None, "even"):
        raise UnsupportedArgumentError("numpy.pad", f"reflect_type={reflect_type!r}", ["reflect_type='even'"], where())


def _pairs(pad_width: PadWidth, ndim: int) -> list[tuple[int, int]]:
    """(before, after) for each axis."""
    if isinstance(pad_width, dict):
        given = {axis_index(axis, ndim): width for axis, width in pad_width.items()}
        pairs = [given.get(i, (0, 0)) for i in range(ndim)]
        pad_width = [(pair, pair) if isinstance(pair, SupportsIndex) else pair for pair in pairs]
    widths = np.asarray(pad_width)
    if widths.dtype.kind not in "iu":
        raise TypeError("`pad_width` must be of integral type.")
    if (widths < 0).any():
        raise ParameterError("pad", f"pad_width={pad_width}", "widths that are not negative")
    return [(int(before), int(after)) for before, after in np.broadcast_to(widths, (ndim, 2))]


def _pad_constant(x: Array, widths: Sequence[tuple[int, int]], values: ArrayLike) -> Array:
    """One `pad` where there is one value; with a value for each axis and side, one of each after the other."""
    value = astype(as_operand(values, "pad"), aval_of(x).dtype)
    if aval_of(value).ndim == 0:
        return lax.pad(x, value, [(before, after, 0) for before, after in widths])
    pairs = broadcast_to_shape(value, (len(widths), 2))
    for axis, width in enumerate(widths):
        for side in (0, 1):
            config = [(0, 0, 0)] * len(widths)
            config[axis] = (width[0], 0, 0) if side == 0 else (0, width[1], 0)
            if width[side]:
                x = lax.pad(x, take(pairs, 2 * axis + side), config)
    return x


# ---- insert, delete ----


def _static(obj: object, name: str) -> Any:  # Any: what NumPy takes as index
    if isinstance(obj, Tracer):
        raise ValueDependentShapeError(name, "obj", "Pass indices that are not traced.", where())
    return obj


@implements(np.delete)
def delete(arr: ArrayLike, obj: ArrayLike | slice, axis: SupportsIndex | None = None) -> Array:
    """Without the elements at `obj` (an index, indices, a slice or a mask, not traced) along an axis."""
    x = strong(arr, "delete")
    if axis is None:
        x, axis = ravel(x), 0
    at = axis_index(axis, aval_of(x).ndim)
    return take(x, np.delete(np.arange(shape_of(x)[at]), _static(obj, "delete")), at)


@implements(np.insert)
def insert(arr: ArrayLike, obj: ArrayLike | slice, values: ArrayLike, axis: SupportsIndex | None = None) -> Array:
    """With values put before the positions `obj` (an index, indices, a slice or a mask, not traced) along an axis."""
    x = strong(arr, "insert")
    if axis is None:
        x, axis = ravel(x), 0
    at, sizes = axis_index(axis, aval_of(x).ndim), shape_of(x)
    new = astype(strong(values, "insert"), aval_of(x).dtype)
    new = lax.reshape(new, (1,) * (len(sizes) - aval_of(new).ndim) + shape_of(new))
    where_to = _static(obj, "insert")
    if not isinstance(where_to, slice) and np.ndim(where_to) == 0:
        permutation = [*range(1, at + 1), 0, *range(at + 1, len(sizes))]
        new = lax.transpose(new, permutation)  # as NumPy: the values of one position come along their first axis
        count = shape_of(new)[at]
    else:
        count = len(np.insert(np.arange(sizes[at]), where_to, 0)) - sizes[at]
    new = broadcast_to_shape(new, (*sizes[:at], count, *sizes[at + 1 :]))
    order = np.insert(np.arange(sizes[at]), where_to, np.arange(sizes[at], sizes[at] + count))
    return take(concatenate([x, new], at), order.astype(INT), at)
