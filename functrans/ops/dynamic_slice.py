"""Slices whose starts are computed: `dynamic_slice` and its dual `dynamic_update_slice`.

The size is static, so nothing depends on values but the position, which is clamped so that the slice fits, as in JAX.
Start reading at `dynamic_slice`. Imports core, `arithmetic`, `cast`, `comparison`, `gather`, `select` and `shape`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import cast

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_data import DynamicSlice, DynamicUpdateSlice
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Tracer, Values, as_array, aval_of, is_concrete
from functrans.errors import IndexOutOfBoundsError, OperandError, ParameterError
from functrans.ops.arithmetic import add
from functrans.ops.axes import ints
from functrans.ops.broadcast import broadcast_batch, zeros
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import lt
from functrans.ops.gather import gather_p, scatter_p
from functrans.ops.gather_kernels import GatherDimensionNumbers, GatherScatterMode, to_scatter
from functrans.ops.joining import concatenate
from functrans.ops.select import select
from functrans.ops.shape import expand_dims, slice_in_dim, squeeze
from functrans.typing import Array, ArrayLike, Shape

__all__ = [
    "dynamic_index_in_dim", "dynamic_slice", "dynamic_slice_in_dim", "dynamic_slice_p", "dynamic_update_index_in_dim",
    "dynamic_update_slice", "dynamic_update_slice_in_dim", "dynamic_update_slice_p",
    "index_in_dim",
]  # fmt: skip


_INT64 = np.dtype(np.int64)
_ZERO = cast(Array, np.int64(0))


def _window(shape: Shape, sizes: Shape, starts: Sequence[Array]) -> tuple[slice, ...]:
    clamped = (min(max(int(start), 0), total - size) for start, total, size in zip(starts, shape, sizes, strict=True))
    return tuple(slice(start, start + size) for start, size in zip(clamped, sizes, strict=True))


def _check(name: str, operand: ShapedArray, sizes: Shape, starts: Sequence[ShapedArray]) -> None:
    if len(sizes) != operand.ndim or any(
        not 0 <= size <= total for size, total in zip(sizes, operand.shape, strict=True)
    ):
        raise ParameterError(
            name, f"a slice of shape {sizes} for an operand of type {operand}", "sizes within its shape"
        )
    if len(starts) != operand.ndim or any(start.shape or start.dtype.kind not in "iu" for start in starts):
        raise OperandError(name, [str(operand), *map(str, starts)], "a scalar integer start for each axis")


def _indices(size: int, starts: Values, batched: Sequence[bool]) -> Array:
    """The starts as the index vectors of a gather with a batch axis."""
    columns = [start if has else broadcast_batch(size, start) for start, has in zip(starts, batched, strict=True)]
    same = [column if aval_of(column).dtype == _INT64 else convert_element_type(column, _INT64) for column in columns]
    return concatenate([expand_dims(column, (1,)) for column in same], 1)


def _batch_dims(rank: int) -> GatherDimensionNumbers:
    axes = tuple(range(1, rank + 1))
    return GatherDimensionNumbers(axes, (), axes, (0,), (0,))


# ---- dynamic_slice ----


def _slice_impl(x: Array, *starts: Array, slice_sizes: Shape) -> Values:
    x = np.asarray(x)
    _check("dynamic_slice", aval_of(x), slice_sizes, [aval_of(start) for start in starts])
    return (x[_window(x.shape, slice_sizes, starts)],)


def _slice_aval(x: ShapedArray, *starts: ShapedArray, slice_sizes: Shape) -> tuple[ShapedArray]:
    _check("dynamic_slice", x, slice_sizes, starts)
    return (shaped(slice_sizes, x.dtype),)


def _slice_vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    aval, starts = aval_of(primals[0]), primals[1:]

    def pullback(cts: Maybes) -> Maybes:
        zero = zeros(aval.shape, aval.dtype)
        return dynamic_update_slice_p.bind(zero, cast(Array, cts[0]), *starts)[0], *(None,) * len(starts)

    return dynamic_slice_p.bind(*primals, **params), pullback


def _slice_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    outs = dynamic_slice_p.bind(*primals, **params)
    return outs, (None,) if tangents[0] is None else dynamic_slice_p.bind(tangents[0], *primals[1:], **params)


def _slice_batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    x, starts, sizes = args[0], args[1:], params["slice_sizes"]
    if not any(batched[1:]):
        return dynamic_slice_p.bind(x, _ZERO, *starts, slice_sizes=(size, *sizes)), (True,)
    dims = _batch_dims(len(starts))
    if not batched[0]:
        dims = GatherDimensionNumbers(dims.offset_dims, (), tuple(range(len(starts))))
    return gather_p.bind(
        x,
        _indices(size, starts, batched[1:]),
        dimension_numbers=dims,
        slice_sizes=(1, *sizes) if batched[0] else sizes,
        unique_indices=batched[0],
        indices_are_sorted=batched[0],
        mode=GatherScatterMode.CLIP,
        fill_value=None,
    ), (True,)


dynamic_slice_p: Primitive = Primitive(
    "dynamic_slice", _slice_impl, _slice_aval, _slice_vjp, _slice_jvp, _slice_batch,
    lower=lambda _avals, _params: DynamicSlice(),
)  # fmt: skip


def dynamic_slice(operand: Array, start_indices: Array | Sequence[ArrayLike], slice_sizes: Sequence[int]) -> Array:
    """The block of shape slice_sizes that begins at the start indices, an integer scalar for each axis.

    A negative start counts from the end; a start for which the block does not fit is clamped.
    """
    starts = _starts(aval_of(operand).shape, start_indices)
    return dynamic_slice_p.bind(operand, *starts, slice_sizes=ints(slice_sizes))[0]


def _starts(shape: Shape, start_indices: Array | Sequence[ArrayLike]) -> list[Array]:
    """One start per axis, none negative but those that are out of bounds."""
    if not isinstance(start_indices, list | tuple):
        vector = cast(Array, start_indices)
        start_indices = [_element(vector, number) for number in range(aval_of(vector).shape[0])]
    if len(start_indices) != len(shape):
        raise ParameterError(
            "dynamic_slice", f"{len(start_indices)} start indices", f"one for each of {len(shape)} axes"
        )
    return [_from_front(start, size) for start, size in zip(start_indices, shape, strict=True)]


def _element(vector: Array, number: int) -> Array:
    return vector[number] if is_concrete(vector) else index_in_dim(vector, number, 0, keepdims=False)


def _from_front(start: ArrayLike, size: int) -> Array:
    if not isinstance(start, Tracer):
        number = operator.index(cast(int, start[()] if isinstance(start, np.ndarray) else start))
        return cast(Array, np.int64(number + size if number < 0 else number))
    traced = as_array(start)
    if aval_of(traced).dtype.kind == "u":
        return traced
    limit = aval_of(traced).dtype.type(size)
    return select(lt(traced, limit.dtype.type(0)), add(traced, limit), traced)


# ---- dynamic_update_slice ----


def _update_impl(x: Array, update: Array, *starts: Array) -> Values:
    out = np.array(x)
    _check("dynamic_update_slice", aval_of(out), np.shape(update), [aval_of(start) for start in starts])
    out[_window(out.shape, np.shape(update), starts)] = update
    return (out,)


def _update_aval(x: ShapedArray, update: ShapedArray, *starts: ShapedArray) -> tuple[ShapedArray]:
    _check("dynamic_update_slice", x, update.shape, starts)
    if x.dtype != update.dtype:
        raise OperandError("dynamic_update_slice", [str(x), str(update)], "operand and update of one dtype")
    return (x,)


def _update_vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    aval, starts = aval_of(primals[1]), primals[2:]

    def pullback(cts: Maybes) -> Maybes:
        (g,) = cast(Values, cts)
        zero = zeros(aval.shape, aval.dtype)
        operand_ct = dynamic_update_slice_p.bind(g, zero, *starts)[0] if wanted[0] else None
        update_ct = dynamic_slice_p.bind(g, *starts, slice_sizes=aval.shape)[0] if wanted[1] else None
        return operand_ct, update_ct, *(None,) * len(starts)

    return dynamic_update_slice_p.bind(*primals), pullback


def _update_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    filled = [
        zeros(aval_of(x).shape, aval_of(x).dtype) if t is None else t
        for x, t in zip(primals[:2], tangents[:2], strict=True)
    ]
    return dynamic_update_slice_p.bind(*primals), dynamic_update_slice_p.bind(*filled, *primals[2:])


def _update_batch(
    size: int, args: Values, batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    x, update = (
        arg if is_batched else broadcast_batch(size, arg) for arg, is_batched in zip(args[:2], batched[:2], strict=True)
    )
    starts = args[2:]
    if not any(batched[2:]):
        return dynamic_update_slice_p.bind(x, update, _ZERO, *starts), (True,)
    return scatter_p.bind(
        x,
        _indices(size, starts, batched[2:]),
        update,
        dimension_numbers=to_scatter(_batch_dims(len(starts))),
        unique_indices=True,
        indices_are_sorted=True,
        mode=GatherScatterMode.CLIP,
    ), (True,)


dynamic_update_slice_p: Primitive = Primitive(
    "dynamic_update_slice", _update_impl, _update_aval, _update_vjp, _update_jvp, _update_batch,
    lower=lambda _avals, _params: DynamicUpdateSlice(),
)  # fmt: skip


def dynamic_update_slice(operand: Array, update: Array, start_indices: Array | Sequence[ArrayLike]) -> Array:
    """The operand with the block that begins at the start indices replaced by the update, of the same rank and dtype.

    A negative start counts from the end; a start for which the update does not fit is clamped.
    """
    return dynamic_update_slice_p.bind(operand, update, *_starts(aval_of(operand).shape, start_indices))[0]


# ---- along one axis ----


def index_in_dim(operand: Array, index: int, axis: int = 0, keepdims: bool = True) -> Array:
    """The elements at one static index of an axis; a negative one counts from the end. Raises IndexError."""
    axis, size = _axis(operand, axis)
    start = operator.index(index)
    if not -size <= start < size:
        raise IndexOutOfBoundsError(start, axis, size)
    start += size if start < 0 else 0
    found = slice_in_dim(operand, start, start + 1, 1, axis)
    return found if keepdims else squeeze(found, (axis,))


def dynamic_slice_in_dim(operand: Array, start_index: ArrayLike, slice_size: int, axis: int = 0) -> Array:
    """`slice_size` elements of an axis from a computed start; see `dynamic_slice`."""
    axis, _ = _axis(operand, axis)
    shape = aval_of(operand).shape
    return dynamic_slice(operand, _at(start_index, axis, len(shape)), (*shape[:axis], slice_size, *shape[axis + 1 :]))


def dynamic_index_in_dim(operand: Array, index: ArrayLike, axis: int = 0, keepdims: bool = True) -> Array:
    """The elements at a computed index of an axis, clamped; see `dynamic_slice`."""
    axis, _ = _axis(operand, axis)
    found = dynamic_slice_in_dim(operand, index, 1, axis)
    return found if keepdims else squeeze(found, (axis,))


def dynamic_update_slice_in_dim(operand: Array, update: Array, start_index: ArrayLike, axis: int) -> Array:
    """The operand with elements of an axis replaced from a computed start on; see `dynamic_update_slice`."""
    axis, _ = _axis(operand, axis)
    return dynamic_update_slice(operand, update, _at(start_index, axis, len(aval_of(operand).shape)))


def dynamic_update_index_in_dim(operand: Array, update: Array, index: ArrayLike, axis: int) -> Array:
    """The operand with the elements at a computed index of an axis replaced; the update may lack that axis."""
    axis, _ = _axis(operand, axis)
    if len(aval_of(update).shape) != len(aval_of(operand).shape):
        update = expand_dims(update, (axis,))
    return dynamic_update_slice_in_dim(operand, update, index, axis)


def _axis(operand: Array, axis: int) -> tuple[int, int]:
    shape = aval_of(operand).shape
    if not -len(shape) <= axis < len(shape):
        raise ParameterError("dynamic_slice", f"axis={axis} for an operand of shape {shape}", "an axis of the operand")
    return axis % len(shape), shape[axis]


def _at(start: ArrayLike, axis: int, rank: int) -> list[ArrayLike]:
    dtype = np.dtype(np.int64) if isinstance(start, int) else aval_of(start).dtype
    return [start if a == axis else dtype.type(0) for a in range(rank)]
