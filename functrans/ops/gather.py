"""Reading and writing windows at computed positions: `gather`, and `scatter` with its kin; each other's derivatives.

Of two writes to one element the last wins, as in NumPy; its derivative follows the winner. Start reading at `gather`.
The NumPy side is in `gather_kernels`. Imports core, `arithmetic`, `broadcast`, `comparison`, `select` and `shape`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_data import Gather, Scatter, ScatterCombine
from functrans.core.primitive import (
    JvpRule,
    Maybes,
    Params,
    Primitive,
    Pullback,
    Values,
    VjpRule,
    aval_of,
)
from functrans.errors import NotDifferentiableError, OperandError
from functrans.ops.arithmetic import div, mul
from functrans.ops.axes import ints
from functrans.ops.broadcast import broadcast_batch, shift_axes, zeros
from functrans.ops.comparison import eq, gt, lt
from functrans.ops.families import add_any
from functrans.ops.gather_kernels import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
    default_fill,
    gather_array,
    plan_gather,
    scatter_array,
    to_gather,
    to_scatter,
    window_sizes,
    windows_of,
)
from functrans.ops.rules import by_argument
from functrans.ops.select import select
from functrans.typing import Array, Shape

__all__ = [
    "GatherDimensionNumbers", "GatherScatterMode", "ScatterDimensionNumbers", "gather", "gather_p", "scatter",
    "scatter_add", "scatter_add_p", "scatter_max", "scatter_max_p", "scatter_min", "scatter_min_p", "scatter_mul",
    "scatter_mul_p", "scatter_p",
]  # fmt: skip


def _check_indices(name: str, avals: Sequence[ShapedArray], indices: ShapedArray, accepts: str) -> None:
    types = [str(aval) for aval in avals]
    if indices.dtype.kind not in "iu":
        raise OperandError(name, types, "integer indices")
    if any(aval.dtype != avals[0].dtype for aval in avals if aval is not indices) or avals[0].dtype.kind not in accepts:
        raise OperandError(name, types, f"an operand and updates of one dtype, of the kinds {accepts}")


# ---- gather ----


def _gather_impl(
    operand: Array, indices: Array, *, unique_indices: bool, indices_are_sorted: bool, **params: Any
) -> Values:
    return (gather_array(operand, indices, **params),)


def _gather_aval(
    operand: ShapedArray, indices: ShapedArray, *, dimension_numbers: GatherDimensionNumbers, slice_sizes: Shape,
    mode: GatherScatterMode, **_: object
) -> tuple[ShapedArray]:  # fmt: skip
    _check_indices("gather", (operand, indices), indices, "biufc")
    plan = plan_gather(operand.shape, indices.shape, dimension_numbers, slice_sizes, mode)
    return (shaped(plan.shape, operand.dtype),)


def _gather_ct(
    g: Array, _out: object, _x: ShapedArray, indices: Array, *, dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Shape, fill_value: object, **params: Any
) -> Array:  # fmt: skip
    zero = zeros(_x.shape, aval_of(g).dtype)
    return scatter_add_p.bind(zero, indices, g, dimension_numbers=to_scatter(dimension_numbers), **params)[0]


def _gather_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    outs = gather_p.bind(*primals, **params)
    if tangents[0] is None:
        return outs, (None,)
    return outs, gather_p.bind(tangents[0], primals[1], **{**params, "fill_value": 0})


def _gather_batch(
    size: int, args: Values, batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    dims: GatherDimensionNumbers = params["dimension_numbers"]
    windows: Shape = params["slice_sizes"]
    shifted = _shifted(dims)
    if not batched[0]:  # different elements of the batch may read the same place of the operand that they share
        params = {**params, "unique_indices": False, "indices_are_sorted": False}
        partners = shifted.start_indices_batching_dims
        dims = dims._replace(offset_dims=shifted.offset_dims, start_indices_batching_dims=partners)
    elif not batched[1]:
        partners, offset = dims.start_indices_batching_dims, (0, *shifted.offset_dims)
        dims, windows = shifted._replace(offset_dims=offset, start_indices_batching_dims=partners), (size, *windows)
    else:
        dims, windows = _paired(dims), (1, *windows)
    return gather_p.bind(*args, **{**params, "dimension_numbers": dims, "slice_sizes": windows}), (True,)


def _shifted(dims: GatherDimensionNumbers) -> GatherDimensionNumbers:
    return GatherDimensionNumbers(*map(shift_axes, dims))


def _paired(dims: GatherDimensionNumbers) -> GatherDimensionNumbers:
    """The first axes of operand and indices, which are new, become batching dimensions."""
    dims = _shifted(dims)
    return dims._replace(
        operand_batching_dims=(0, *dims.operand_batching_dims),
        start_indices_batching_dims=(0, *dims.start_indices_batching_dims),
    )


def _gather_lower(avals: Sequence[ShapedArray], params: Params) -> Gather | None:
    operand, indices = avals
    dims, sizes, mode = (params[name] for name in ("dimension_numbers", "slice_sizes", "mode"))
    fill = np.zeros(1, operand.dtype)
    try:
        fill[0] = default_fill(operand.dtype) if params["fill_value"] is None else params["fill_value"]
    except (OverflowError, TypeError, ValueError):  # the dtype has no such element, which NumPy may find when it fills
        return None
    return Gather(windows_of(operand.ndim, indices.shape, dims, sizes, mode), fill.tobytes())


gather_p: Primitive = Primitive(
    "gather", _gather_impl, _gather_aval, by_argument(lambda: gather_p, _gather_ct, None), _gather_jvp, _gather_batch,
    lower=_gather_lower,
)  # fmt: skip


def gather(
    operand: Array,
    start_indices: Array,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: str | GatherScatterMode | None = None,
    fill_value: complex | None = None,
) -> Array:
    """Windows of the operand, of lengths `slice_sizes`, that start at the index vectors (last axis of start_indices).

    An index out of bounds is treated as `mode` says (None: the window is filled with `fill_value`, by default NaN, the
    least signed or greatest unsigned integer, or True).
    """
    return gather_p.bind(
        operand,
        start_indices,
        dimension_numbers=dimension_numbers,
        slice_sizes=ints(slice_sizes),
        unique_indices=unique_indices,
        indices_are_sorted=indices_are_sorted,
        mode=GatherScatterMode.from_any(mode),
        fill_value=fill_value,
    )[0]


# ---- what the scatters share ----


_COMBINES: dict[np.ufunc, ScatterCombine] = {np.add: "add", np.multiply: "mul", np.minimum: "min", np.maximum: "max"}


def _scatter(name: str, combine: np.ufunc | None, accepts: str, vjp: VjpRule, jvp: JvpRule) -> Primitive:
    def impl(operand: Array, indices: Array, updates: Array, *, indices_are_sorted: bool, **params: Any) -> Values:
        return (scatter_array(operand, indices, updates, combine=combine, **params),)

    def abstract_eval(
        operand: ShapedArray, indices: ShapedArray, updates: ShapedArray, *,
        dimension_numbers: ScatterDimensionNumbers, mode: GatherScatterMode, **_: object
    ) -> tuple[ShapedArray]:  # fmt: skip
        avals = (operand, indices, updates)
        _check_indices(name, avals, indices, accepts)
        windows = window_sizes(operand.ndim, updates.shape, dimension_numbers)
        plan = plan_gather(operand.shape, indices.shape, to_gather(dimension_numbers), windows, mode)
        if plan.shape != updates.shape:
            raise OperandError(name, [str(aval) for aval in avals], f"updates of shape {plan.shape}")
        return (operand,)

    def batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
        dims: ScatterDimensionNumbers = params["dimension_numbers"]
        full = [
            arg if is_batched else broadcast_batch(size, arg)
            for arg, is_batched in zip((args[0], args[2]), (batched[0], batched[2]), strict=True)
        ]
        if batched[1]:
            dims = to_scatter(_paired(to_gather(dims)))
        else:
            shifted = to_scatter(_shifted(to_gather(dims)))
            window, partners = (0, *shifted.update_window_dims), dims.scatter_indices_batching_dims
            dims = shifted._replace(update_window_dims=window, scatter_indices_batching_dims=partners)
        return prim.bind(full[0], args[1], full[1], **{**params, "dimension_numbers": dims}), (True,)

    def lower(avals: Sequence[ShapedArray], params: Params) -> Scatter:
        operand, indices, updates = avals
        dims: ScatterDimensionNumbers = params["dimension_numbers"]
        sizes = window_sizes(operand.ndim, updates.shape, dims)
        windows = windows_of(operand.ndim, indices.shape, to_gather(dims), sizes, params["mode"])
        return Scatter(windows, None if combine is None else _COMBINES[combine])

    prim = Primitive(name, impl, abstract_eval, vjp, jvp, batch, lower=lower)
    return prim


def _gathered(x: Array, indices: Array, updates: ShapedArray, params: Params) -> Array:
    """The windows of x that a scatter with these parameters writes to; zero for those that it drops."""
    dims: ScatterDimensionNumbers = params["dimension_numbers"]
    return gather_p.bind(
        x,
        indices,
        dimension_numbers=to_gather(dims),
        slice_sizes=window_sizes(aval_of(x).ndim, updates.shape, dims),
        fill_value=0,
        **{name: params[name] for name in ("unique_indices", "indices_are_sorted", "mode")},
    )[0]


def _filled(primals: Values, tangents: Maybes) -> tuple[Array, Array]:
    """The tangents of operand and updates, zeros where there is none."""
    operand, updates = (
        zeros(aval_of(primals[i]).shape, aval_of(primals[i]).dtype) if tangents[i] is None else tangents[i]
        for i in (0, 2)
    )
    return cast(Array, operand), cast(Array, updates)


# ---- scatter_add ----


def _scatter_add_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    operand, updates = _filled(primals, tangents)
    outs = scatter_add_p.bind(*primals, **params)
    return outs, (operand,) if tangents[2] is None else scatter_add_p.bind(operand, primals[1], updates, **params)


scatter_add_p: Primitive = _scatter(
    "scatter_add",
    np.add,
    "iufc",
    by_argument(
        lambda: scatter_add_p,
        lambda g, *_, **__: g,
        None,
        lambda g, _out, _x, indices, _updates, **params: _gathered(g, indices, _updates, params),
    ),
    _scatter_add_jvp,
)


# ---- scatter ----


def _winners(operand: ShapedArray, indices: Array, updates: ShapedArray, params: Params) -> Array | None:
    """Which updates end up in the result of `scatter`; None: all that are not dropped."""
    if params["unique_indices"] or updates.size <= 1:
        return None
    numbers = np.arange(updates.size).reshape(updates.shape)
    (written,) = scatter_p.bind(zeros(operand.shape, numbers.dtype), indices, numbers, **params)
    return eq(_gathered(written, indices, updates, params), numbers)


def _scatter_vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    indices, operand, updates = primals[1], aval_of(primals[0]), aval_of(primals[2])

    def pullback(cts: Maybes) -> Maybes:
        (g,) = cast(Values, cts)
        zero = zeros(updates.shape, updates.dtype)
        operand_ct = scatter_p.bind(g, indices, zero, **params)[0] if wanted[0] else None
        if not wanted[2]:
            return operand_ct, None, None
        updates_ct, winners = _gathered(g, indices, updates, params), _winners(operand, indices, updates, params)
        return operand_ct, None, updates_ct if winners is None else select(winners, updates_ct, zero)

    return scatter_p.bind(*primals, **params), pullback


def _scatter_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    operand, updates = _filled(primals, tangents)
    return scatter_p.bind(*primals, **params), scatter_p.bind(operand, primals[1], updates, **params)


scatter_p: Primitive = _scatter("scatter", None, "biufc", _scatter_vjp, _scatter_jvp)


# ---- scatter_mul ----

_NOT_UNIQUE = "the derivative by the updates is known for unique_indices=True only, as in JAX"


def _scatter_mul_updates(g: Array, x: Array, indices: Array, updates: ShapedArray, params: Params) -> Array:
    if not params["unique_indices"] and updates.size > 1:
        raise NotDifferentiableError("scatter_mul", _NOT_UNIQUE)
    return _gathered(mul(g, x), indices, updates, params)


def _scatter_mul_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    x, indices, updates = primals
    total = None if tangents[0] is None else scatter_mul_p.bind(tangents[0], indices, updates, **params)[0]
    if tangents[2] is not None:
        aval = aval_of(updates)
        if not params["unique_indices"] and aval.size > 1:
            raise NotDifferentiableError("scatter_mul", _NOT_UNIQUE)
        change = mul(_gathered(x, indices, aval, params), tangents[2])
        (term,) = scatter_add_p.bind(zeros(aval_of(x).shape, aval_of(x).dtype), indices, change, **params)
        total = term if total is None else add_any(total, term)
    return scatter_mul_p.bind(*primals, **params), (total,)


scatter_mul_p: Primitive = _scatter(
    "scatter_mul",
    np.multiply,
    "iufc",
    by_argument(
        lambda: scatter_mul_p,
        lambda g, _out, _x, indices, updates, **params: scatter_mul_p.bind(g, indices, updates, **params)[0],
        None,
        lambda g, _out, x, indices, _updates, **params: _scatter_mul_updates(g, x, indices, _updates, params),
    ),
    _scatter_mul_jvp,
)


# ---- scatter_min, scatter_max ----


def _scatter_extremal(name: str, combine: np.ufunc, below: Callable[[Array, Array], Array]) -> Primitive:
    """`below(x, out)`: x is not the extremum. A tie is shared evenly among the operand's element and the updates."""

    def attained(primals: Values, out: Array, params: Params) -> tuple[Array, Array, Array]:
        """Where operand and updates do not attain the extremum, and by how many of them it is attained."""
        x, indices, updates = primals
        zero, one = (aval_of(x).dtype.type(number) for number in (0, 1))
        misses = below(x, out)
        updates_misses = below(updates, _gathered(out, indices, aval_of(updates), params))
        hits, updates_hits = select(misses, zero, one), select(updates_misses, zero, one)
        return misses, updates_misses, scatter_add_p.bind(hits, indices, updates_hits, **params)[0]

    def vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        outs = prim.bind(*primals, **params)

        def pullback(cts: Maybes) -> Maybes:
            misses, updates_misses, count = attained(primals, outs[0], params)
            share, zero = div(cast(Values, cts)[0], count), aval_of(primals[0]).dtype.type(0)
            operand_ct = select(misses, zero, share) if wanted[0] else None
            if not wanted[2]:
                return operand_ct, None, None
            shares = _gathered(share, primals[1], aval_of(primals[2]), params)
            return operand_ct, None, select(updates_misses, zero, shares)

        return outs, pullback

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        outs = prim.bind(*primals, **params)
        misses, updates_misses, count = attained(primals, outs[0], params)
        operand, updates = _filled(primals, tangents)
        zero = aval_of(operand).dtype.type(0)
        operand, updates = select(misses, zero, operand), select(updates_misses, zero, updates)
        (total,) = scatter_add_p.bind(operand, primals[1], updates, **params)
        return outs, (div(total, count),)

    prim = _scatter(name, combine, "biuf", vjp, jvp)
    return prim


scatter_min_p = _scatter_extremal("scatter_min", np.minimum, lambda x, out: gt(x, out))
scatter_max_p = _scatter_extremal("scatter_max", np.maximum, lambda x, out: lt(x, out))


# ---- the scatters' public functions ----


def _bind(
    prim: Primitive, operand: Array, indices: Array, updates: Array, dims: ScatterDimensionNumbers,
    indices_are_sorted: bool, unique_indices: bool, mode: str | GatherScatterMode | None,
) -> Array:  # fmt: skip
    return prim.bind(
        operand,
        indices,
        updates,
        dimension_numbers=dims,
        indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices,
        mode=GatherScatterMode.from_any(mode),
    )[0]


def scatter(
    operand: Array, scatter_indices: Array, updates: Array, dimension_numbers: ScatterDimensionNumbers, *,
    indices_are_sorted: bool = False, unique_indices: bool = False, mode: str | GatherScatterMode | None = None,
) -> Array:  # fmt: skip
    """The operand with its windows at the index vectors (last axis of scatter_indices) replaced by the updates.

    Of several updates of one element the last wins. What is out of bounds is treated as `mode` says; None drops it.
    """
    return _bind(
        scatter_p, operand, scatter_indices, updates, dimension_numbers, indices_are_sorted, unique_indices, mode
    )


def scatter_add(
    operand: Array, scatter_indices: Array, updates: Array, dimension_numbers: ScatterDimensionNumbers, *,
    indices_are_sorted: bool = False, unique_indices: bool = False, mode: str | GatherScatterMode | None = None,
) -> Array:  # fmt: skip
    """The operand with the updates added to its windows at the index vectors; see `scatter` for the modes."""
    return _bind(
        scatter_add_p, operand, scatter_indices, updates, dimension_numbers, indices_are_sorted, unique_indices, mode
    )


def scatter_mul(
    operand: Array, scatter_indices: Array, updates: Array, dimension_numbers: ScatterDimensionNumbers, *,
    indices_are_sorted: bool = False, unique_indices: bool = False, mode: str | GatherScatterMode | None = None,
) -> Array:  # fmt: skip
    """The operand with its windows at the index vectors multiplied by the updates; see `scatter` for the modes.

    The derivative by the updates is known for unique_indices=True only.
    """
    return _bind(
        scatter_mul_p, operand, scatter_indices, updates, dimension_numbers, indices_are_sorted, unique_indices, mode
    )


def scatter_min(
    operand: Array, scatter_indices: Array, updates: Array, dimension_numbers: ScatterDimensionNumbers, *,
    indices_are_sorted: bool = False, unique_indices: bool = False, mode: str | GatherScatterMode | None = None,
) -> Array:  # fmt: skip
    """The operand with its windows at the index vectors lowered to the updates; see `scatter` for the modes."""
    return _bind(
        scatter_min_p, operand, scatter_indices, updates, dimension_numbers, indices_are_sorted, unique_indices, mode
    )


def scatter_max(
    operand: Array, scatter_indices: Array, updates: Array, dimension_numbers: ScatterDimensionNumbers, *,
    indices_are_sorted: bool = False, unique_indices: bool = False, mode: str | GatherScatterMode | None = None,
) -> Array:  # fmt: skip
    """The operand with its windows at the index vectors raised to the updates; see `scatter` for the modes."""
    return _bind(
        scatter_max_p, operand, scatter_indices, updates, dimension_numbers, indices_are_sorted, unique_indices, mode
    )
