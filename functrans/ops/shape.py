"""Primitives that move elements without computing: reshape, transpose, reverse, slice, pad.

One family: slice and pad are duals. Start at `reshape`. Imports core, `rules`, `axes`, `broadcast` and `joining`.
"""

from __future__ import annotations

import builtins
import operator
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import TypeAlias, cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS, ShapedArray, shaped
from functrans.core.lowering import Remap, Reshape, Strided, one_view
from functrans.core.lowering_data import Pad
from functrans.core.primitive import Maybes, Params, Primitive, Values, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.axes import ints, positive_axes
from functrans.ops.broadcast import broadcast_batch, broadcast_in_dim, reduce_sum, shift_axes, zeros
from functrans.ops.families import add_any, same_dtype
from functrans.ops.joining import concatenate
from functrans.ops.rules import as_value, by_argument, linear
from functrans.typing import Array, ArrayLike, Shape

__all__ = [
    "Padding", "expand_dims", "pad", "pad_p", "repeat", "reshape", "reshape_p", "rev", "rev_p", "slice", "slice_in_dim",
    "slice_p", "squeeze", "tile", "transpose", "transpose_p",
]  # fmt: skip

Padding: TypeAlias = tuple[tuple[int, int, int], ...]
_py_slice = builtins.slice


# ---- reshape, squeeze, expand_dims ----


def _reshape_aval(aval: ShapedArray, *, new_sizes: Shape) -> ShapedArray:
    if any(size < 0 for size in new_sizes) or prod(new_sizes) != aval.size:
        raise ParameterError(
            "reshape", f"new_sizes={new_sizes} for an operand of type {aval}", f"sizes of product {aval.size}"
        )
    return shaped(new_sizes, aval.dtype)


reshape_p = linear(
    "reshape",
    lambda x, *, new_sizes: (as_value(np.reshape(x, new_sizes)),),
    _reshape_aval,
    lambda g, x, *, new_sizes: reshape(g, x.shape),
    lambda size, x, *, new_sizes: reshape(x, (size, *new_sizes)),
    cheap=True,
    lower=lambda _avals, _params: one_view(Reshape()),
)


def reshape(operand: Array, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None) -> Array:
    """The operand's elements in row-major order (of its axes permuted by `dimensions`) in shape `new_sizes`."""
    if dimensions is not None:
        operand = transpose(operand, dimensions)
    return reshape_p.bind(operand, new_sizes=ints(new_sizes))[0]


def squeeze(array: Array, dimensions: Sequence[int]) -> Array:
    """The array without its axes `dimensions`, each of which must have length 1."""
    shape = aval_of(array).shape
    axes = positive_axes("squeeze", dimensions, len(shape))
    if any(shape[axis] != 1 for axis in axes):
        raise ParameterError("squeeze", f"dimensions={axes} for an operand of shape {shape}", "axes of length 1")
    return reshape(array, [size for axis, size in enumerate(shape) if axis not in axes])


def expand_dims(array: Array, dimensions: Sequence[int]) -> Array:
    """The array with new axes of length 1, which are the result's axes `dimensions`."""
    old = aval_of(array).shape
    axes = positive_axes("expand_dims", dimensions, len(old) + len(dimensions))
    sizes = iter(old)
    return reshape(array, [1 if axis in axes else next(sizes) for axis in range(len(old) + len(axes))])


# ---- transpose ----


def _transpose_aval(aval: ShapedArray, *, permutation: tuple[int, ...]) -> ShapedArray:
    if sorted(permutation) != list(range(aval.ndim)):
        raise ParameterError("transpose", f"permutation={permutation} for an operand of type {aval}", "each axis once")
    return shaped(tuple(aval.shape[axis] for axis in permutation), aval.dtype)


def _inverse(permutation: Sequence[int]) -> list[int]:
    return sorted(range(len(permutation)), key=permutation.__getitem__)


transpose_p = linear(
    "transpose",
    lambda x, *, permutation: (as_value(np.transpose(x, permutation)),),
    _transpose_aval,
    lambda g, _x, *, permutation: transpose(g, _inverse(permutation)),
    lambda _size, x, *, permutation: transpose(x, (0, *shift_axes(permutation))),
    cheap=True,
    lower=lambda _avals, params: one_view(Remap(params["permutation"])),
)


def transpose(operand: Array, permutation: Sequence[int]) -> Array:
    """Axis i of the result is the operand's axis permutation[i]."""
    return transpose_p.bind(operand, permutation=ints(permutation))[0]


# ---- rev ----


def _rev_aval(aval: ShapedArray, *, dimensions: tuple[int, ...]) -> ShapedArray:
    if positive_axes("rev", dimensions, aval.ndim) != dimensions:
        raise ParameterError("rev", f"dimensions={dimensions}", "axes that are not negative")
    return aval


rev_p = linear(
    "rev",
    lambda x, *, dimensions: (as_value(np.flip(x, dimensions)),),
    _rev_aval,
    lambda g, _x, *, dimensions: rev(g, dimensions),
    lambda _size, x, *, dimensions: rev(x, shift_axes(dimensions)),
    lower=lambda avals, params: one_view(
        Strided.along(avals[0].ndim, {axis: (avals[0].shape[axis] - 1, -1) for axis in params["dimensions"]})
    ),
)


def rev(operand: Array, dimensions: Sequence[int]) -> Array:
    """The operand with the order of the elements reversed along `dimensions`."""
    return rev_p.bind(operand, dimensions=ints(dimensions))[0]


# ---- slice ----


@lru_cache(maxsize=4096)
def _slice_shape(
    shape: Shape, start: tuple[int, ...], limit: tuple[int, ...], strides: tuple[int, ...] | None
) -> Shape:
    steps = strides or (1,) * len(shape)
    if not len(shape) == len(start) == len(limit) == len(steps) or any(
        not 0 <= a <= b <= size or step < 1 for size, a, b, step in zip(shape, start, limit, steps, strict=True)
    ):
        raise ParameterError(
            "slice",
            f"start_indices={start}, limit_indices={limit}, strides={strides} for an operand of shape {shape}",
            "for each axis 0 <= start <= limit <= size and a positive stride",
        )
    return tuple(-(-(b - a) // step) for a, b, step in zip(start, limit, steps, strict=True))


def _slice_impl(
    x: Array, *, start_indices: tuple[int, ...], limit_indices: tuple[int, ...], strides: tuple[int, ...] | None
) -> Values:
    _slice_shape(x.shape, start_indices, limit_indices, strides)
    return (as_value(np.asarray(x)[tuple(map(_py_slice, start_indices, limit_indices, strides or (1,) * x.ndim))]),)


def _slice_batch(
    size: int,
    x: Array,
    *,
    start_indices: tuple[int, ...],
    limit_indices: tuple[int, ...],
    strides: tuple[int, ...] | None,
) -> Array:
    return slice(x, (0, *start_indices), (size, *limit_indices), None if strides is None else (1, *strides))


slice_p = linear(
    "slice",
    _slice_impl,
    lambda aval, *, start_indices, limit_indices, strides: shaped(
        _slice_shape(aval.shape, start_indices, limit_indices, strides), aval.dtype
    ),
    lambda g, x, *, start_indices, limit_indices, strides: pad(
        g, x.dtype.type(0), _slice_padding(x.shape, aval_of(g).shape, start_indices, strides)
    ),
    _slice_batch,
    lower=lambda avals, params: one_view(Strided(params["start_indices"], params["strides"] or (1,) * avals[0].ndim)),
)


def _slice_padding(shape: Shape, sliced: Shape, start: tuple[int, ...], strides: tuple[int, ...] | None) -> Padding:
    steps = strides or (1,) * len(shape)
    return tuple(
        (a, size - a - max((count - 1) * step + 1, 0), step - 1) if count else (0, size, 0)
        for size, count, a, step in zip(shape, sliced, start, steps, strict=True)
    )


def slice(
    operand: Array, start_indices: Sequence[int], limit_indices: Sequence[int], strides: Sequence[int] | None = None
) -> Array:
    """The elements from start to before limit along each axis, every stride-th of them.

    Raises ParameterError unless 0 <= start <= limit <= size on each axis: nothing is clipped, and negative numbers
    do not count from the end.
    """
    steps = None if strides is None or all(step == 1 for step in strides) else ints(strides)
    return slice_p.bind(operand, start_indices=ints(start_indices), limit_indices=ints(limit_indices), strides=steps)[0]


def slice_in_dim(
    operand: Array, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Array:
    """The elements from start to before limit along one axis, every stride-th; negative numbers count from the end."""
    shape = aval_of(operand).shape
    (axis,) = positive_axes("slice_in_dim", (axis,), len(shape))
    start, limit, _ = _py_slice(start_index, limit_index).indices(shape[axis])
    starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], limits[axis], strides[axis] = start, max(start, limit), stride
    return slice(operand, starts, limits, strides)


# ---- pad ----


@lru_cache(maxsize=4096)
def _pad_shape(shape: Shape, config: Padding) -> Shape:
    if len(config) != len(shape) or any(inner < 0 for _, _, inner in config):
        raise ParameterError("pad", f"padding_config={config} for an operand of shape {shape}",
                             "(lo, hi, interior) for each axis, interior not negative")  # fmt: skip
    padded = tuple(
        lo + hi + size + max(size - 1, 0) * inner for size, (lo, hi, inner) in zip(shape, config, strict=True)
    )
    if any(size < 0 for size in padded):
        raise ParameterError("pad", f"padding_config={config} for an operand of shape {shape}",
                             "no more negative padding than there are elements")  # fmt: skip
    return padded


def _pad_impl(x: Array, value: Array, *, padding_config: Padding) -> tuple[Array]:
    shape = np.shape(x)
    out = np.full(_pad_shape(shape, padding_config), value, x.dtype)
    into, source = [], []
    for size, total, (lo, _, inner) in zip(shape, out.shape, padding_config, strict=True):
        step = inner + 1
        first = max(-(lo // step), 0) if lo < 0 else 0
        last = max(min(size, (total - 1 - lo) // step + 1), first)
        into.append(
            _py_slice(lo + first * step, lo + (last - 1) * step + 1 if last > first else lo + first * step, step)
        )
        source.append(_py_slice(first, last))
    out[tuple(into)] = np.asarray(x)[tuple(source)]
    return (out,)


def _pad_aval(x: ShapedArray, value: ShapedArray, *, padding_config: Padding) -> tuple[ShapedArray]:
    if value.shape != ():
        raise OperandError("pad", [str(x), str(value)], "a padding value of rank 0")
    return (shaped(_pad_shape(x.shape, padding_config), same_dtype("pad", (x, value), "biufc")),)


def _operand_ct(g: Array, _out: object, x: ShapedArray, *_: object, padding_config: Padding) -> Array:
    cropped = pad(g, np.zeros((), aval_of(g).dtype)[()], [(-lo, -hi, 0) for lo, hi, _ in padding_config])
    if all(inner == 0 for _, _, inner in padding_config):
        return cropped
    strides = [inner + 1 for _, _, inner in padding_config]
    return slice(cropped, [0] * len(strides), aval_of(cropped).shape, strides)


def _value_ct(g: Array, _out: object, _x: ShapedArray, *_: object, padding_config: Padding) -> Array:
    """The sum of g over what is padding: slab by slab, since to subtract the rest from the whole would cancel."""
    total = zeros((), aval_of(g).dtype)
    for axis, (size, (lo, _hi, inner)) in enumerate(zip(_x.shape, padding_config, strict=True)):
        step = inner + 1
        kept = g
        for residue in range(step):
            run = _slice_axis(g, axis, residue, None, step)
            count = aval_of(run).shape[axis]
            first, last = count, count
            if residue == lo % step:
                first, last = (min(max(edge, 0), count) for edge in (lo // step, lo // step + size))
                kept = _slice_axis(run, axis, first, last)
            for slab in (_slice_axis(run, axis, 0, first), _slice_axis(run, axis, last, None)):
                if aval_of(slab).size:
                    total = add_any(total, reduce_sum(slab, range(aval_of(slab).ndim)))
        g = kept
    return total


def _slice_axis(x: Array, axis: int, start: int, limit: int | None, stride: int = 1) -> Array:
    shape = aval_of(x).shape
    starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
    limits[axis] = shape[axis] if limit is None else limit
    starts[axis], strides[axis] = min(start, limits[axis]), stride
    return x if tuple(limits) == shape and not any(starts) and stride == 1 else slice(x, starts, limits, strides)


def _pad_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    filled = [
        zeros(aval_of(x).shape, aval_of(x).dtype) if t is None else t for x, t in zip(primals, tangents, strict=True)
    ]
    return pad_p.bind(*primals, **params), pad_p.bind(*filled, **params)


def _pad_batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    (x, value), config = args, params["padding_config"]
    if batched[1]:
        return (_pad_with_values(x if batched[0] else broadcast_batch(size, x), value, config),), (True,)
    return pad_p.bind(x, value, padding_config=((0, 0, 0), *config)), (True,)


def _pad_with_values(x: Array, values: Array, config: Padding) -> Array:
    """Pad the axes after the first with a padding value per index of the first: by concatenation, an axis at a time."""
    for axis, (lo, hi, inner) in enumerate(config, 1):
        shape = aval_of(x).shape
        before, count, after = shape[:axis], shape[axis], shape[axis + 1 :]
        if inner and count:
            gaps = broadcast_in_dim(values, (*before, count, inner, *after), (0,))
            spread = concatenate([expand_dims(x, (axis + 1,)), gaps], axis + 1)
            spread = reshape(spread, (*before, count * (inner + 1), *after))
            x = _slice_axis(spread, axis, 0, count * (inner + 1) - inner)
        edges = [broadcast_in_dim(values, (*before, max(n, 0), *after), (0,)) for n in (lo, hi)]
        x = concatenate([edges[0], x, edges[1]], axis) if lo > 0 or hi > 0 else x
        x = _slice_axis(x, axis, max(-lo, 0), aval_of(x).shape[axis] - max(-hi, 0))
    return x


pad_p: Primitive = Primitive(
    "pad", _pad_impl, _pad_aval, by_argument(lambda: pad_p, _operand_ct, _value_ct), _pad_jvp, _pad_batch,
    lower=lambda _avals, params: Pad(params["padding_config"]),
)  # fmt: skip


def pad(operand: Array, padding_value: ArrayLike, padding_config: Sequence[tuple[int, int, int]]) -> Array:
    """The operand with (lo, hi, interior) elements of the value before, after and between its elements on each axis.

    Negative lo and hi remove elements. The padding value is a scalar of the operand's dtype.
    """
    value = aval_of(operand).dtype.type(padding_value) if type(padding_value) in PYTHON_SCALARS else padding_value
    config = tuple((operator.index(lo), operator.index(hi), operator.index(inner)) for lo, hi, inner in padding_config)
    return pad_p.bind(operand, cast(Array, value), padding_config=config)[0]


# ---- compositions ----


def tile(operand: Array, reps: Sequence[int]) -> Array:
    """The operand repeated reps[i] times along axis i; more reps than axes add axes in front."""
    counts, shape = ints(reps), aval_of(operand).shape
    shape = (1,) * (len(counts) - len(shape)) + shape
    counts = (1,) * (len(shape) - len(counts)) + counts
    if all(count == 1 for count in counts):
        return reshape(operand, shape)
    axes = range(len(shape))
    spread = tuple(size for axis in axes for size in (counts[axis], shape[axis]))
    tiled = broadcast_in_dim(reshape(operand, shape), spread, [2 * axis + 1 for axis in axes])
    return reshape(tiled, [counts[axis] * shape[axis] for axis in axes])


def repeat(operand: Array, repeats: int, axis: int) -> Array:
    """Each element repeated `repeats` times along `axis`."""
    shape = aval_of(operand).shape
    (axis,) = positive_axes("repeat", (axis,), len(shape))
    if repeats == 1:
        return operand
    spread = (*shape[: axis + 1], repeats, *shape[axis + 1 :])
    repeated = broadcast_in_dim(operand, spread, [a if a <= axis else a + 1 for a in range(len(shape))])
    return reshape(repeated, (*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :]))
