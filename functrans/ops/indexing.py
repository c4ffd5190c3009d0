"""NumPy's subscripts in terms of the primitives: `index(x, idx)` is x[idx], `index_update` is what `x.at[idx]` does.

What is static (integers, slices, new axes) becomes slice, rev and reshape; arrays and traced integers become one gather, and
an update one scatter, in mode "raise" unless all indices are known. `subscript.parse` reads the subscript. Start reading at
`read`. Imports core, `arithmetic`, `cast`, `comparison`, `dynamic_slice`, `gather`, `select`, `shape` and `subscript`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS
from functrans.core.primitive import Tracer, aval_of, is_concrete
from functrans.errors import IndexExpressionError, ParameterError, TracedMaskError, UpdateShapeError, UpdateTypeError
from functrans.ops import extrema
from functrans.ops.arithmetic import add, mul
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import lt
from functrans.ops.dynamic_slice import dynamic_update_slice_p
from functrans.ops.gather import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
    gather_p,
    scatter_add_p,
    scatter_max_p,
    scatter_min_p,
    scatter_mul_p,
    scatter_p,
)
from functrans.ops.joining import concatenate
from functrans.ops.select import select
from functrans.ops.shape import expand_dims, reshape, rev, slice
from functrans.ops.subscript import BLOCK, Block, Subscript, parse
from functrans.typing import Array, ArrayLike, DType, Shape

__all__ = ["cast_update", "index", "index_update", "read", "write"]

_INT64 = np.dtype(np.int64)
_SCATTERS = {
    "set": scatter_p,
    "add": scatter_add_p,
    "multiply": scatter_mul_p,
    "min": scatter_min_p,
    "max": scatter_max_p,
}


# ---- reading ----


def index(x: Array, idx: Any, *, mode: str | GatherScatterMode = "raise", fill_value: complex | None = None) -> Array:
    """x[idx] with NumPy's rules for every subscript; boolean arrays must be concrete, slices static.

    mode, fill_value: what an index out of bounds gives, as in `gather`; by default it raises IndexError.
    """
    how = GatherScatterMode.from_any(mode)
    if how is GatherScatterMode.RAISE and not any(map(_has_tracer, (x, idx))):
        return cast(Array, x[idx])
    return read(x, idx, how, fill_value)


def _has_tracer(idx: Any) -> bool:  # Any: a user's subscript may be anything
    parts = idx if isinstance(idx, tuple) else (idx,)
    return any(isinstance(part, Tracer) for part in parts)


def read(
    x: Array, idx: Any, mode: GatherScatterMode = GatherScatterMode.RAISE, fill_value: complex | None = None
) -> Array:  # Any: see _has_tracer
    """x[idx] by primitives, whether or not anything is traced."""
    subscript = parse(aval_of(x).shape, idx, mode is GatherScatterMode.RAISE)
    return _reshaped(_read(_reshaped(x, subscript.shape), subscript, mode, fill_value), subscript.result)


def _reshaped(x: Array, shape: Shape) -> Array:
    return x if aval_of(x).shape == shape else reshape(x, shape)


def _read(x: Array, subscript: Subscript, mode: GatherScatterMode, fill_value: complex | None) -> Array:
    """What is addressed, the axes in the operand's order but for the block; integers leave axes of length 1."""
    sizes = subscript.shape
    blocks: dict[int, Block] = {
        axis: block
        for axis, block in subscript.indices.items()
        if not isinstance(block, int) or mode is not GatherScatterMode.RAISE
    }
    x = _read_static(x, subscript, [axis for axis in subscript.indices if axis not in blocks])
    if not blocks:
        return x
    vectors = _vectors(list(blocks.values()), subscript.block, [sizes[axis] for axis in blocks], mode)
    left = [axis for axis in range(len(sizes)) if axis not in blocks]
    place = _place(subscript, left)
    after = range(place + len(subscript.block), len(left) + len(subscript.block))
    axes = tuple(blocks)
    lengths = aval_of(x).shape
    return gather_p.bind(
        x,
        vectors,
        dimension_numbers=GatherDimensionNumbers((*range(place), *after), axes, axes),
        slice_sizes=tuple(1 if axis in blocks else length for axis, length in enumerate(lengths)),
        unique_indices=subscript.unique,
        indices_are_sorted=False,
        mode=_mode(vectors, mode),
        fill_value=fill_value,
    )[0]


def _read_static(x: Array, subscript: Subscript, integers: Sequence[int]) -> Array:
    starts, limits, strides = [0] * len(subscript.shape), list(subscript.shape), [1] * len(subscript.shape)
    for axis, (first, length, stride, _) in subscript.spans.items():
        starts[axis], limits[axis], strides[axis] = first, first + max(length - 1, 0) * stride + (length > 0), stride
    for axis in integers:
        starts[axis] = cast(int, subscript.indices[axis])
        limits[axis] = starts[axis] + 1
    if any(starts) or tuple(limits) != subscript.shape or any(stride != 1 for stride in strides):
        x = slice(x, starts, limits, strides)
    backwards = [axis for axis, span in subscript.spans.items() if span.backwards]
    return rev(x, backwards) if backwards else x


def _place(subscript: Subscript, left: Sequence[int]) -> int:
    """The position of the block among the operand's axes that are left."""
    before = [axis for axis in subscript.layout[: subscript.position] if axis is not None]
    return left.index(before[-1]) + 1 if before else 0


def _mode(vectors: Array, mode: GatherScatterMode) -> GatherScatterMode:
    """What `parse` has checked needs no second check."""
    known = mode is GatherScatterMode.RAISE and is_concrete(vectors)
    return GatherScatterMode.PROMISE_IN_BOUNDS if known else mode


# ---- index vectors ----


def _vectors(blocks: Sequence[Block], shape: Shape, sizes: Sequence[int], mode: GatherScatterMode) -> Array:
    """The blocks, broadcast to one shape, as the elements of index vectors; int64."""
    if not any(isinstance(block, Tracer) for block in blocks):
        known = [np.broadcast_to(np.asarray(block, _INT64), shape) for block in blocks]
        return np.stack(known, -1) if known else np.zeros((*shape, 0), _INT64)
    traced = [_column(block, shape, size, mode) for block, size in zip(blocks, sizes, strict=True)]
    columns = [expand_dims(column, (len(shape),)) for column in traced]
    return columns[0] if len(columns) == 1 else concatenate(columns, len(shape))


def _column(block: Block, shape: Shape, size: int, mode: GatherScatterMode) -> Array:
    if not isinstance(block, Tracer):
        return np.broadcast_to(np.asarray(block, _INT64), shape)
    column: Array = convert_element_type(block, _INT64)
    if mode is not GatherScatterMode.RAISE:  # the other modes do not count from the end, as subscripts do
        column = select(lt(column, np.int64(0)), add(column, np.int64(size)), column)
    return _broadcast(column, shape)


def _broadcast(x: Array, shape: Shape) -> Array:
    old = aval_of(x).shape
    return x if old == shape else broadcast_in_dim(x, shape, range(len(shape) - len(old), len(shape)))


# ---- writing ----


def index_update(
    x: Array,
    idx: Any,  # Any: see _has_tracer
    values: ArrayLike,
    how: str = "set",
    *,
    mode: str | GatherScatterMode = "raise",
    unique_indices: bool = False,
) -> Array:
    """A copy of x with x[idx] set to the values, or combined with them by `how`: set, add, multiply, min, max.

    The values broadcast to the shape of x[idx] and are cast to the dtype of x by NumPy's rule "same_kind". Repeated indices
    count once each, in order. mode: what happens to indices out of bounds, as in `scatter`; by default IndexError.
    """
    if how not in _SCATTERS:
        raise ParameterError("index_update", f"how={how!r}", f"one of {', '.join(_SCATTERS)}")
    what = GatherScatterMode.from_any(mode)
    if how == "set" and what is GatherScatterMode.RAISE and not any(map(_has_tracer, (x, idx, values))):
        out = np.array(x)
        out[idx] = cast_update(values, out.dtype)
        return out
    return write(x, idx, values, how, what, unique_indices)


def write(
    x: Array,
    idx: Any,  # Any: see _has_tracer
    values: ArrayLike,
    how: str,
    mode: GatherScatterMode = GatherScatterMode.RAISE,
    unique_indices: bool = False,
) -> Array:
    """`index_update` by primitives, whether or not anything is traced."""
    if _is_mask(idx):
        return _write_masked(x, idx, values, how)
    subscript = parse(aval_of(x).shape, idx, mode is GatherScatterMode.RAISE)
    updates = _updates(cast_update(values, aval_of(x).dtype), subscript)
    if prod(subscript.result) == 0:
        return x
    whole = _reshaped(x, subscript.shape)
    if how == "set" and mode is GatherScatterMode.RAISE and _is_window(subscript):
        starts = [np.int64(_first(subscript, axis)) for axis in range(len(subscript.shape))]
        window = [1 if axis in subscript.indices else subscript.spans[axis].length for axis in range(len(starts))]
        (out,) = dynamic_update_slice_p.bind(whole, _reshaped(updates, tuple(window)), *cast(list[Array], starts))
    else:
        out = _scatter(whole, subscript, updates, how, mode, unique_indices)
    return _reshaped(out, aval_of(x).shape)


def _is_window(subscript: Subscript) -> bool:
    """Whether what is addressed is known and without gaps."""
    return all(isinstance(block, int) for block in subscript.indices.values()) and all(
        span.stride == 1 for span in subscript.spans.values()
    )


def _first(subscript: Subscript, axis: int) -> int:
    return cast(int, subscript.indices[axis]) if axis in subscript.indices else subscript.spans[axis].first


def _is_mask(idx: object) -> bool:
    return isinstance(idx, Tracer) and idx.aval.dtype.kind == "b"


_COMBINE: dict[str, Callable[[Array, Array], Array]] = {
    "set": lambda _x, values: values,
    "add": add,
    "multiply": mul,
    "min": extrema.min,
    "max": extrema.max,
}


def _write_masked(x: Array, mask: Array, values: ArrayLike, how: str) -> Array:
    """x[mask] updated, for a traced mask of the leading axes: each element that is chosen gets the same values."""
    shape, leading = aval_of(x).shape, aval_of(mask).shape
    for axis, (size, wanted) in enumerate(zip(leading, shape, strict=False)):
        if size != wanted:
            raise IndexExpressionError(
                f"boolean index did not match indexed array along axis {axis}; size of axis is {wanted} but size of "
                f"corresponding boolean axis is {size}"
            )
    if len(leading) > len(shape):
        raise IndexExpressionError(
            f"too many indices for array: array is {len(shape)}-dimensional, but {len(leading)} were indexed"
        )
    updates, rest = cast_update(values, aval_of(x).dtype), shape[len(leading) :]
    found = aval_of(updates).shape
    each = found[1:] if len(found) > len(rest) and found[0] == 1 else found
    if len(each) > len(rest) or not _broadcasts(each, rest):
        raise TracedMaskError(str(aval_of(mask)))
    new = _broadcast(_reshaped(updates, each), shape)
    chosen = broadcast_in_dim(mask, shape, range(len(leading)))
    return select(chosen, _COMBINE[how](x, new), x)


def cast_update(values: ArrayLike, dtype: DType) -> Array:
    """The values in the dtype of the array that they are written to, if NumPy casts them by its rule "same_kind"."""
    aval = aval_of(values)
    if type(values) in PYTHON_SCALARS or aval.weak:
        fits = dtype.kind in {"i": "iufc", "f": "fc", "c": "c"}[aval.dtype.kind]
    else:
        fits = np.can_cast(aval.dtype, dtype, "same_kind")
    if not fits:
        raise UpdateTypeError(str(aval), str(dtype))
    if is_concrete(values):
        return np.asarray(dtype.type(values) if type(values) in PYTHON_SCALARS else values, dtype)
    return convert_element_type(values, dtype) if aval.dtype != dtype or aval.weak else cast(Array, values)


def _updates(values: Array, subscript: Subscript) -> Array:
    """The values with the axes of what is addressed, in the operand's order but for the block, without new axes."""
    shape, region = aval_of(values).shape, subscript.result
    extra = max(len(shape) - len(region), 0)
    if any(size != 1 for size in shape[:extra]) or not _broadcasts(shape[extra:], region):
        raise UpdateShapeError(shape, region)
    values = _broadcast(_reshaped(values, shape[extra:]), region)
    reverse = {axis for axis, span in subscript.spans.items() if span.backwards}
    backwards = [i for i, axis in enumerate(subscript.entries) if axis in reverse]
    values = rev(values, backwards) if backwards else values
    return _reshaped(values, tuple(n for n, axis in zip(region, subscript.entries, strict=True) if axis is not None))


def _broadcasts(shape: Shape, region: Shape) -> bool:
    return all(size in (1, length) for size, length in zip(shape[::-1], region[::-1], strict=False))


def _scatter(
    x: Array, subscript: Subscript, updates: Array, how: str, mode: GatherScatterMode, unique_indices: bool
) -> Array:
    """Contiguous slices are windows; other slices are index arrays, along axes of their own."""
    entries = [axis for axis in subscript.entries if axis is not None]
    strided = {axis for axis, span in subscript.spans.items() if span.stride > 1}
    batch = [i for i, axis in enumerate(entries) if axis == BLOCK or axis in strided]
    shape = tuple(aval_of(updates).shape[i] for i in batch)

    blocks: dict[int, Block] = {}
    for axis, block in subscript.indices.items():
        thin = tuple(size if entries[i] == BLOCK else 1 for i, size in zip(batch, shape, strict=True))
        blocks[axis] = block if isinstance(block, int) else _reshaped(_full(block, subscript.block), thin)
    for axis, (first, length, stride, _) in subscript.spans.items():
        if axis in strided:
            along = [length if entries[i] == axis else 1 for i in batch]
            blocks[axis] = (first + stride * np.arange(length)).reshape(along)
        elif length != subscript.shape[axis]:
            blocks[axis] = first

    vectors = _vectors(list(blocks.values()), shape, [subscript.shape[axis] for axis in blocks], mode)
    unique = unique_indices or subscript.unique
    if how == "multiply" and not unique and is_concrete(vectors):  # whose derivative needs to know
        unique = len(np.unique(vectors.reshape(-1, len(blocks)), axis=0)) == prod(shape)
    return _SCATTERS[how].bind(
        x,
        vectors,
        updates,
        dimension_numbers=ScatterDimensionNumbers(
            tuple(i for i in range(len(entries)) if i not in batch),
            tuple(sorted({*subscript.indices, *strided})),
            tuple(blocks),
        ),
        indices_are_sorted=False,
        unique_indices=unique,
        mode=_mode(vectors, mode),
    )[0]


def _full(block: Array, shape: Shape) -> Array:
    return np.broadcast_to(block, shape) if is_concrete(block) else _broadcast(block, shape)
