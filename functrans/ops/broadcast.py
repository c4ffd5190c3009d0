"""`broadcast_in_dim` and its dual `reduce_sum`: the two primitives that every other family rests on.

Imports core and `rules`. Primitives never broadcast by themselves, so no other VJP has to undo a broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from functrans.core.aval import INEXACT_KINDS, ShapedArray, shaped
from functrans.core.lowering import Reduce, Remap, one_view
from functrans.core.primitive import Values, aval_of, current_trace
from functrans.errors import OperandError, ParameterError
from functrans.ops.rules import as_value, linear, run
from functrans.typing import Array, DType, Shape

__all__ = [
    "broadcast_batch",
    "broadcast_in_dim",
    "broadcast_in_dim_p",
    "reduce_sum",
    "reduce_sum_p",
    "shift_axes",
    "zeros",
]


def shift_axes(axes: Sequence[int]) -> tuple[int, ...]:
    """Axis numbers after a batch axis was put first."""
    return tuple(axis + 1 for axis in axes)


def _reduced_shape(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


# ---- broadcast_in_dim ----


def _broadcast_impl(x: Array, *, shape: Shape, broadcast_dimensions: tuple[int, ...]) -> Values:
    if not broadcast_dimensions and shape:  # of a scalar: np.broadcast_to takes ten times as long
        # a scalar's buffer is read-only, and so is the view
        scalar = x if isinstance(x, np.generic) else np.array(x)[()]  # type: ignore[redundant-expr]  # an Array may be one
        return (np.ndarray(shape, scalar.dtype, scalar, 0, (0,) * len(shape)),)
    expanded = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, np.shape(x), strict=True):
        expanded[axis] = size
    return (as_value(np.broadcast_to(np.reshape(x, expanded), shape)),)


def _broadcast_aval(aval: ShapedArray, *, shape: Shape, broadcast_dimensions: tuple[int, ...]) -> ShapedArray:
    axes = broadcast_dimensions
    if len(axes) != aval.ndim or any(a >= b for a, b in pairwise(axes)):
        raise ParameterError("broadcast_in_dim", f"broadcast_dimensions={axes} for an operand of type {aval}",
                             "one axis of the result per axis of the operand, increasing")  # fmt: skip
    if any(size not in (1, shape[axis]) for axis, size in zip(axes, aval.shape, strict=True)):
        raise OperandError("broadcast_in_dim", [str(aval)], f"axes of length 1 or those of {shape} at {axes}")
    return shaped(shape, aval.dtype)


def _broadcast_transpose(g: Array, x: ShapedArray, *, shape: Shape, broadcast_dimensions: tuple[int, ...]) -> Array:
    stretched = tuple(
        axis for axis, size in zip(broadcast_dimensions, x.shape, strict=True) if size == 1 and shape[axis] != 1
    )
    new = tuple(axis for axis in range(len(shape)) if axis not in broadcast_dimensions)
    summed = reduce_sum(g, tuple(sorted(new + stretched)))
    if not stretched:
        return summed
    kept = tuple(i for i, axis in enumerate(broadcast_dimensions) if axis not in stretched)
    return broadcast_in_dim(summed, x.shape, kept)


def _broadcast_batch(size: int, x: Array, *, shape: Shape, broadcast_dimensions: tuple[int, ...]) -> Array:
    return broadcast_in_dim(x, (size, *shape), (0, *shift_axes(broadcast_dimensions)))


def _operand_axes(operand: Shape, *, shape: Shape, broadcast_dimensions: tuple[int, ...]) -> tuple[int | None, ...]:
    """For each axis of the result the operand's that it runs along."""
    axes: list[int | None] = [None] * len(shape)
    for axis, (into, size) in enumerate(zip(broadcast_dimensions, operand, strict=True)):
        if size == shape[into]:
            axes[into] = axis
    return tuple(axes)


broadcast_in_dim_p = linear(
    "broadcast_in_dim",
    _broadcast_impl,
    _broadcast_aval,
    _broadcast_transpose,
    _broadcast_batch,
    cheap=True,
    lower=lambda avals, params: one_view(Remap(_operand_axes(avals[0].shape, **params))),
)


def broadcast_in_dim(operand: Array, shape: Shape, broadcast_dimensions: Sequence[int]) -> Array:
    """Operand of shape S in a result of shape `shape`; axis i of the operand becomes axis broadcast_dimensions[i].

    Operand axes of length 1 are repeated, as are the result's other axes. Any dtype.
    """
    params = {"shape": tuple(shape), "broadcast_dimensions": tuple(broadcast_dimensions)}
    return current_trace().bind(broadcast_in_dim_p, (operand,), params)[0]  # of a constant too: it is small until then


def broadcast_batch(size: int, arg: Array) -> Array:
    """An unbatched value, repeated along a new leading batch axis."""
    shape = aval_of(arg).shape
    return broadcast_in_dim(arg, (size, *shape), range(1, len(shape) + 1))


def zeros(shape: Shape, dtype: DType) -> Array:
    """Zeros that take no memory: a zero, broadcast."""
    return broadcast_in_dim(np.zeros((), dtype), shape, ())


# ---- reduce_sum ----


def _sum_impl(x: Array, *, axes: tuple[int, ...]) -> Values:
    adds_zero = bool(axes) or x.dtype.kind in INEXACT_KINDS  # to -0, though there is nothing to add
    return (np.add.reduce(x, axis=axes, dtype=x.dtype) if adds_zero else as_value(x),)


def _sum_aval(aval: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
    if aval.dtype.kind not in "iufc":
        raise OperandError("reduce_sum", [str(aval)], "a numeric dtype")
    if any(not 0 <= axis < aval.ndim for axis in axes) or len(set(axes)) != len(axes):
        raise ParameterError(
            "reduce_sum", f"axes={axes} for an operand of type {aval}", "different axes of the operand"
        )
    return shaped(_reduced_shape(aval.shape, axes), aval.dtype)


def _sum_transpose(g: Array, x: ShapedArray, *, axes: tuple[int, ...]) -> Array:
    shape = x.shape
    kept = () if len(axes) == len(shape) else tuple([axis for axis in range(len(shape)) if axis not in axes])
    return broadcast_in_dim(g, shape, kept)


def _sum_batch(_size: int, x: Array, *, axes: tuple[int, ...]) -> Array:
    return reduce_sum(x, shift_axes(axes))


reduce_sum_p = linear(
    "reduce_sum",
    _sum_impl,
    _sum_aval,
    _sum_transpose,
    _sum_batch,
    lower=lambda _avals, params: Reduce("add", params["axes"]),
)


def reduce_sum(operand: Array, axes: Sequence[int]) -> Array:
    """The sum over `axes`, which are dropped; the dtype stays."""
    return run(reduce_sum_p, (operand,), {"axes": tuple(axes)})[0]
