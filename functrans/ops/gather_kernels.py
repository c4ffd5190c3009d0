"""What gather and scatter compute, in NumPy: dimension numbers, out-of-bounds modes, translation to NumPy's indices.

A gather reads windows of an operand at starts that are computed; a scatter writes to them. Both have the same `Plan`:
the operand's axes that need an index array go first, then one advanced index does the work. Start at `plan_gather`.
For native code `windows_of` says the same in a compiler's terms. Imports core's lowering data, errors and typing.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from math import prod
from types import EllipsisType
from typing import Any

import numpy as np

from functrans.core.lowering_data import Bounds, Windows
from functrans.errors import IndexOutOfBoundsError, ParameterError
from functrans.record import NamedTuple, Record
from functrans.typing import Array, DType, Shape

__all__ = [
    "GatherDimensionNumbers", "GatherScatterMode", "Plan", "ScatterDimensionNumbers", "default_fill", "gather_array",
    "plan_gather", "scatter_array", "to_gather", "to_scatter", "window_sizes", "windows_of",
]  # fmt: skip

Dims = tuple[int, ...]


class GatherScatterMode(enum.Enum):
    """What happens to an index that is out of bounds.

    CLIP moves it to the nearest start for which the window fits. FILL_OR_DROP gives a window of fill values, or writes
    nothing. PROMISE_IN_BOUNDS leaves the case undefined. RAISE counts negative indices from the end, as NumPy does, and
    raises IndexError for what is still out of bounds. STRICT raises it for negative ones, too.
    """

    CLIP = enum.auto()
    FILL_OR_DROP = enum.auto()
    PROMISE_IN_BOUNDS = enum.auto()
    RAISE = enum.auto()
    STRICT = enum.auto()

    @staticmethod
    def from_any(mode: str | GatherScatterMode | None) -> GatherScatterMode:
        """A mode by its name: "clip", "fill", "drop", "promise_in_bounds", "raise", "strict"; None is "fill", as in JAX."""
        if isinstance(mode, GatherScatterMode):
            return mode
        if mode not in _MODES:
            raise ParameterError(
                "gather", f"mode={mode!r}", f"one of {', '.join(repr(name) for name in _MODES if name)}"
            )
        return _MODES[mode]


_MODES: dict[str | None, GatherScatterMode] = {
    None: GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
    "raise": GatherScatterMode.RAISE,
    "strict": GatherScatterMode.STRICT,
}


class GatherDimensionNumbers(NamedTuple):
    """Which axis is which in a gather; the last axis of the indices holds the index vectors.

    offset_dims: the result's axes that run over a window. collapsed_slice_dims: the operand's axes whose windows, of
    length 1, are dropped. start_index_map: the operand's axis for each element of an index vector. Each of the
    operand_batching_dims goes along with one of the start_indices_batching_dims. As in JAX.
    """

    offset_dims: Dims
    collapsed_slice_dims: Dims
    start_index_map: Dims
    operand_batching_dims: Dims = ()
    start_indices_batching_dims: Dims = ()


class ScatterDimensionNumbers(NamedTuple):
    """Which axis is which in a scatter: the mirror image of `GatherDimensionNumbers`, with JAX's names."""

    update_window_dims: Dims
    inserted_window_dims: Dims
    scatter_dims_to_operand_dims: Dims
    operand_batching_dims: Dims = ()
    scatter_indices_batching_dims: Dims = ()


def to_gather(dims: ScatterDimensionNumbers) -> GatherDimensionNumbers:
    """The gather that reads what this scatter writes."""
    return GatherDimensionNumbers(*dims)


def to_scatter(dims: GatherDimensionNumbers) -> ScatterDimensionNumbers:
    """The scatter that writes where this gather reads."""
    return ScatterDimensionNumbers(*dims)


def window_sizes(ndim: int, updates: Shape, dims: ScatterDimensionNumbers) -> Shape:
    """The lengths of a scatter's windows along each of the operand's axes."""
    lengths = iter(dims.update_window_dims)
    absent = (*dims.inserted_window_dims, *dims.operand_batching_dims)
    sizes = tuple(1 if axis in absent else next(lengths, None) for axis in range(ndim))
    if (
        None in sizes
        or next(lengths, None) is not None
        or not all(0 <= a < len(updates) for a in dims.update_window_dims)
    ):
        raise ParameterError("scatter", f"{dims} for an operand of rank {ndim} and updates of shape {updates}",
                             "an update window axis for each axis that is not inserted or batching")  # fmt: skip
    return tuple(1 if axis in absent else updates[size or 0] for axis, size in enumerate(sizes))


# ---- the plan ----


class Plan(Record):
    """How NumPy does a gather of one type: `operand.transpose(order)[crop][index arrays].transpose(to_result)`."""

    shape: Shape
    """The result's."""
    located: Dims
    """The operand's axes that an index array addresses; they come first in `order`."""
    wide: Dims
    """Those of them that keep a window axis."""
    order: Dims
    crop: tuple[slice | EllipsisType, ...]
    to_result: Dims | None
    """From axes (batch, wide, whole) to the result's; None: they are the same."""
    from_result: Dims | None
    batch: Shape
    sizes: Shape
    """The operand's."""
    windows: Shape


@lru_cache(maxsize=4096)
def plan_gather(
    shape: Shape, indices: Shape, dims: GatherDimensionNumbers, windows: Shape, mode: GatherScatterMode
) -> Plan:
    """The plan for an operand and indices of these shapes; raises ParameterError where they do not fit together."""
    _check(shape, indices, dims, windows, mode)
    batch, paired, collapsed = indices[:-1], dims.operand_batching_dims, dims.collapsed_slice_dims
    located = tuple(a for a in range(len(shape)) if a in paired or a in collapsed or a in dims.start_index_map)
    whole = tuple(a for a in range(len(shape)) if a not in located)
    wide = tuple(a for a in located if a not in paired and a not in collapsed)
    kept = (*wide, *whole)
    rank = len(batch) + len(kept)
    into: list[int] = [0] * rank
    for axis, number in zip(sorted(kept), dims.offset_dims, strict=True):
        into[number] = len(batch) + kept.index(axis)
    for number, axis in enumerate(a for a in range(rank) if a not in dims.offset_dims):
        into[axis] = number
    trivial = into == list(range(rank))
    lengths = (*batch, *(windows[a] for a in kept))
    return Plan(
        tuple(lengths[a] for a in into), located, wide, (*located, *whole),
        (*(slice(None),) * len(located), *(slice(windows[a]) for a in whole), ...),
        None if trivial else tuple(into), None if trivial else tuple(sorted(range(rank), key=into.__getitem__)),
        batch, shape, windows,
    )  # fmt: skip


def _check(shape: Shape, indices: Shape, dims: GatherDimensionNumbers, windows: Shape, mode: GatherScatterMode) -> None:
    rank = len(shape)
    offset, collapsed, starts, paired, partners = dims
    absent = (*collapsed, *paired)
    results = len(indices) - 1 + len(offset)
    complaints = {
        "indices with an axis for the index vectors": len(indices) > 0,
        "a window size per axis": len(windows) == rank,
        "increasing offset dimensions within the result": _increasing(offset, results),
        "increasing collapsed dimensions within the operand": _increasing(collapsed, rank),
        "increasing batching dimensions within the operand": _increasing(paired, rank),
        "collapsed, batching and offset dimensions that make up the operand's": len(set(absent)) == len(absent)
        and len(absent) + len(offset) == rank,
        "an operand axis per element of the index vectors": indices[-1:] == (len(starts),)
        and len(set(starts)) == len(starts)
        and all(0 <= a < rank and a not in paired for a in starts),
        "batching dimensions of the same length in operand and indices": len(paired) == len(partners)
        and len(set(partners)) == len(partners)
        and all(0 <= b < len(indices) - 1 for b in partners)
        and all(shape[a] == indices[b] for a, b in zip(paired, partners, strict=True) if a < rank),
    }
    complaints["windows of length 1 where they are collapsed"] = all(
        windows[a] == 1 for a in absent if a < len(windows)
    )
    checked = mode in (GatherScatterMode.RAISE, GatherScatterMode.FILL_OR_DROP)  # for which an axis may also be empty
    complaints["windows within the operand"] = not all(indices[:-1]) or all(
        0 <= window <= size or a in paired or (checked and window == 1 and a in starts)
        for a, (window, size) in enumerate(zip(windows, shape, strict=False))
    )
    for needs, holds in complaints.items():
        if not holds:
            got = f"{dims}, window sizes {windows}, an operand of shape {shape} and indices of shape {indices}"
            raise ParameterError("gather or scatter", got, needs)


def _increasing(axes: Dims, rank: int) -> bool:
    return all(0 <= a < rank for a in axes) and list(axes) == sorted(set(axes))


# ---- for native code ----

_BOUNDS: dict[GatherScatterMode, Bounds] = {
    GatherScatterMode.CLIP: "clip",
    GatherScatterMode.FILL_OR_DROP: "drop",
    GatherScatterMode.PROMISE_IN_BOUNDS: "trust",
    GatherScatterMode.RAISE: "raise",
    GatherScatterMode.STRICT: "raise",
}


def windows_of(
    ndim: int, indices: Shape, dims: GatherDimensionNumbers, windows: Shape, mode: GatherScatterMode
) -> Windows:
    """What a gather reads of an operand, as a compiler is told."""
    absent = (*dims.collapsed_slice_dims, *dims.operand_batching_dims)
    offsets = iter(dims.offset_dims)
    axes = tuple(None if axis in absent else next(offsets) for axis in range(ndim))
    paired = tuple(zip(dims.operand_batching_dims, dims.start_indices_batching_dims, strict=True))
    from_end = mode is not GatherScatterMode.STRICT
    return Windows(indices[:-1], dims.start_index_map, paired, windows, axes, _BOUNDS[mode], from_end=from_end)


# ---- index arrays ----


def _locate(
    plan: Plan, indices: Array, dims: GatherDimensionNumbers, mode: GatherScatterMode
) -> tuple[tuple[Array, ...], Array | None]:
    """An index array for each located axis, broadcasting to batch + wide; and which windows are valid (None: all)."""
    starts, valid = _starts(plan, indices, dims, mode)
    thin: Shape = (1,) * len(plan.wide)
    found: list[Array] = []
    for axis in plan.located:
        if axis in starts:
            start = starts[axis]
        elif axis in dims.operand_batching_dims:
            partner = dims.start_indices_batching_dims[dims.operand_batching_dims.index(axis)]
            along = [1] * len(plan.batch)
            along[partner] = plan.sizes[axis]
            start = np.broadcast_to(np.arange(plan.sizes[axis]).reshape(along), plan.batch)
        else:
            start = np.broadcast_to(np.intp(0), plan.batch)
        if thin:
            start = start.reshape(start.shape + thin)
        if axis in plan.wide and plan.windows[axis] != 1:
            along = [1] * len(thin)
            along[plan.wide.index(axis)] = plan.windows[axis]
            start = start + np.arange(plan.windows[axis]).reshape(along)
        found.append(start)
    return tuple(found), valid


def _starts(
    plan: Plan, indices: Array, dims: GatherDimensionNumbers, mode: GatherScatterMode
) -> tuple[dict[int, Array], Array | None]:
    valid: Array | None = None
    starts: dict[int, Array] = {}
    for number, axis in enumerate(dims.start_index_map):
        start, last = indices[..., number], plan.sizes[axis] - plan.windows[axis]
        if mode is GatherScatterMode.CLIP:
            start = np.clip(start, 0, last)
        elif mode is GatherScatterMode.FILL_OR_DROP:
            fits = (start >= 0) & (start <= last)
            valid = fits if valid is None else valid & fits
        elif mode in (GatherScatterMode.RAISE, GatherScatterMode.STRICT):
            named = axis - sum(b < axis for b in dims.operand_batching_dims)
            start = _checked(start, named, plan.sizes[axis], last, from_end=mode is GatherScatterMode.RAISE)
        starts[axis] = start
    wide = {axis: start.astype(np.intp, copy=False) for axis, start in starts.items()}  # narrow ones would overflow
    if valid is None or valid.all():
        return wide, None
    return {axis: np.where(valid, start, 0) for axis, start in wide.items()}, valid


def _checked(start: Array, axis: int, size: int, last: int, *, from_end: bool) -> Array:
    start = start.astype(np.int64, copy=False)
    wrapped = np.where(start < 0, start + size, start) if from_end else start
    bad = (wrapped < 0) | (wrapped > last)
    if bad.any():
        raise IndexOutOfBoundsError(int(start[bad].flat[0]), axis, size, from_end=from_end)
    return wrapped


# ---- the kernels ----


def default_fill(dtype: DType) -> Any:  # Any: a Python scalar of the dtype's kind
    """What FILL_OR_DROP gives by default: NaN, the least signed or the greatest unsigned integer, True; as JAX does."""
    if dtype.kind in "fc":
        return np.nan
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max


def gather_array(
    operand: Array, indices: Array, *, dimension_numbers: GatherDimensionNumbers, slice_sizes: Shape,
    mode: GatherScatterMode, fill_value: Any,  # Any: a scalar of any dtype
) -> Array:  # fmt: skip
    """The windows of the operand at the indices, by one NumPy advanced index."""
    operand, indices = np.asarray(operand), np.asarray(indices)
    plan = plan_gather(operand.shape, indices.shape, dimension_numbers, slice_sizes, mode)
    fill = default_fill(operand.dtype) if fill_value is None else fill_value
    found, valid = _locate(plan, indices, dimension_numbers, mode)
    if valid is not None and not valid.any():
        return np.full(plan.shape, fill, operand.dtype)
    source = operand.transpose(plan.order)[plan.crop]
    if found:
        out = source[found]
    else:
        out = np.broadcast_to(source, plan.batch + source.shape)
    if valid is not None:
        out[~valid] = fill
    return out if plan.to_result is None else out.transpose(plan.to_result)


def scatter_array(
    operand: Array, indices: Array, updates: Array, *, combine: np.ufunc | None,
    dimension_numbers: ScatterDimensionNumbers, mode: GatherScatterMode, unique_indices: bool,
) -> Array:  # fmt: skip
    """A copy of the operand with its windows at the indices set to the updates, or combined with them one by one."""
    operand, indices = np.asarray(operand), np.asarray(indices)
    dims = to_gather(dimension_numbers)
    windows = window_sizes(operand.ndim, np.shape(updates), dimension_numbers)
    plan = plan_gather(operand.shape, indices.shape, dims, windows, mode)
    if np.shape(updates) != plan.shape:
        raise ParameterError(
            "scatter", f"updates of shape {np.shape(updates)}", f"the shape {plan.shape} of the windows"
        )
    found, valid = _locate(plan, indices, dims, mode)
    values = np.asarray(updates) if plan.from_result is None else np.transpose(updates, plan.from_result)
    out = operand.copy()
    target = out.transpose(plan.order)[plan.crop]
    if not found:
        target, found = target[np.newaxis], (np.broadcast_to(np.intp(0), plan.batch),)
    rank, count = len(plan.batch), prod(plan.batch)
    if valid is not None:
        found, values = tuple(array[valid] for array in found), values[valid]
    elif rank > 1:  # in one axis: NumPy writes along several in the order of their strides, and the last write must win
        found = tuple(array.reshape((count, *array.shape[rank:])) for array in found)
        values = values.reshape((count, *values.shape[rank:]))
    if combine is None:
        target[found] = values
    elif unique_indices or count <= 1:
        target[found] = combine(target[found], values)
    else:
        combine.at(out.reshape(-1), _positions(target, found), values.reshape(-1))
    return out


def _positions(view: Array, found: tuple[Array, ...]) -> Array:
    """Where the elements of view[found] lie in memory, for which `ufunc.at` is several times faster than for rows."""
    strides = [stride // view.itemsize for stride in view.strides]
    starts: Any = sum(array * stride for array, stride in zip(found, strides, strict=False))  # Any: arrays add up
    for axis in range(len(found), view.ndim):
        starts = np.asarray(starts)[..., np.newaxis] + strides[axis] * np.arange(view.shape[axis])
    return np.asarray(starts, np.intp).reshape(-1)
