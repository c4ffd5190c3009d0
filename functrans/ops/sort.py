"""Sorting: `sort`, `argsort`, `top_k`, and the pair that differentiates them, `take_along` and `put_along`.

A sort is a permutation along an axis, so its derivative takes along that axis with the indices of `argsort`; the
transpose of taking puts. Order is NumPy's: NaN last, complex numbers by real part, then by imaginary part. Start
reading at `sort`. Imports core, `broadcast` and `families`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, overload

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_data import Gather, Scatter, Windows
from functrans.core.lowering_order import Argsort, Sort, TopK
from functrans.core.primitive import LocallyConstant, Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.families import multilinear
from functrans.ops.shape import transpose
from functrans.typing import Array, Shape

__all__ = [
    "argsort", "argsort_p", "put_along", "put_along_p", "sort", "sort_p", "take_along", "take_along_p", "top_k",
    "top_k_p",
]  # fmt: skip

Batched: TypeAlias = tuple[Values, tuple[bool, ...]]
_INDEX = np.dtype(np.intp)


def _axis(name: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ParameterError(name, f"axis {axis} for an operand of rank {ndim}", f"an axis in [{-ndim}, {ndim})")
    return axis % ndim


def _resized(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _all_batched(size: int, args: Values, batched: tuple[bool, ...]) -> list[Array]:
    return [arg if has else broadcast_batch(size, arg) for arg, has in zip(args, batched, strict=True)]


def _batch_along(prim: Primitive, size: int, args: Values, batched: tuple[bool, ...], params: Params) -> Batched:
    """Every operand batched, and the axis that is worked along is one further."""
    outs = prim.bind(*_all_batched(size, args, batched), **{**params, "axis": params["axis"] + 1})
    return outs, (True,) * len(outs)


# ---- take_along and put_along, duals ----


def _along(indices: Array, axis: int) -> tuple[Array, ...]:
    """The index that pairs `indices`, on `axis`, with every position on the other axes."""
    ndim = indices.ndim
    rest = [np.arange(n).reshape((-1,) + (1,) * (ndim - 1 - i)) for i, n in enumerate(indices.shape)]
    return (*rest[:axis], indices, *rest[axis + 1 :])


def _check_along(name: str, x: Array | ShapedArray, indices: Array | ShapedArray, axis: int) -> None:
    """NumPy itself would take less, or broadcast, without a word."""
    if indices.dtype.kind not in "iu" or _resized(x.shape, axis, 0) != _resized(indices.shape, axis, 0):
        types = [f"{v.dtype}{list(v.shape)}" for v in (x, indices)]
        raise OperandError(name, types, f"integer indices, of the operand's shape but on axis {axis}")


def _take_impl(x: Array, indices: Array, *, axis: int, unique: bool) -> tuple[Array]:
    _check_along("take_along", x, indices, axis)
    return (x[_along(indices, axis)],)


def _take_aval(x: ShapedArray, indices: ShapedArray, *, axis: int, unique: bool) -> tuple[ShapedArray]:
    _check_along("take_along", x, indices, axis)
    return (shaped(indices.shape, x.dtype),)


def _windows_along(x: Shape, indices: Shape, axis: int) -> Windows:
    """Single elements, at an index along an axis and at the index's own position along the others."""
    paired = tuple((other, other) for other in range(len(x)) if other != axis)
    return Windows(indices, (axis,), paired, (1,) * len(x), (None,) * len(x), "raise")


def _take_lower(avals: Sequence[ShapedArray], params: Params) -> Gather:
    x, indices = avals
    return Gather(_windows_along(x.shape, indices.shape, params["axis"]), bytes(x.dtype.itemsize))


take_along_p: Primitive = multilinear(
    "take_along",
    _take_impl,
    _take_aval,
    lambda size, args, batched, params: _batch_along(take_along_p, size, args, batched, params),
    (
        lambda g, _, _x, indices, *, axis, unique: put_along(g, indices, axis, _x.shape[axis], unique=unique),
        None,
    ),
    lower=_take_lower,
)


def take_along(operand: Array, indices: Array, axis: int, *, unique: bool = False) -> Array:
    """The elements of the operand at `indices` along an axis; on the other axes the two shapes are equal.

    Raises IndexError for an index out of range; negative ones count from the end. `unique` promises that no element is
    taken twice, which makes the transpose faster.
    """
    axis = _axis("take_along", axis, aval_of(operand).ndim)
    return take_along_p.bind(operand, indices, axis=axis, unique=unique)[0]


def _check_put(updates: Array | ShapedArray, indices: Array | ShapedArray, axis: int) -> None:
    _check_along("put_along", updates, indices, axis)
    if updates.shape != indices.shape:
        raise OperandError("put_along", [str(updates.shape), str(indices.shape)], "updates and indices of one shape")


def _put_impl(updates: Array, indices: Array, *, axis: int, size: int, unique: bool) -> tuple[Array]:
    _check_put(updates, indices, axis)
    out = np.zeros(_resized(updates.shape, axis, size), updates.dtype)
    if unique:
        out[_along(indices, axis)] = updates
    else:
        np.add.at(out, _along(indices, axis), updates)
    return (out,)


def _put_aval(updates: ShapedArray, indices: ShapedArray, *, axis: int, size: int, unique: bool) -> tuple[ShapedArray]:
    _check_put(updates, indices, axis)
    return (shaped(_resized(updates.shape, axis, size), updates.dtype),)


def _put_lower(avals: Sequence[ShapedArray], params: Params) -> Scatter:
    updates, indices = avals
    axis, size = params["axis"], params["size"]
    windows = _windows_along(_resized(updates.shape, axis, size), indices.shape, axis)
    return Scatter(windows, None if params["unique"] else "add", from_zeros=True)


put_along_p: Primitive = multilinear(
    "put_along",
    _put_impl,
    _put_aval,
    lambda size, args, batched, params: _batch_along(put_along_p, size, args, batched, params),
    (lambda g, _, __, indices, *, axis, size, unique: take_along(g, indices, axis, unique=unique), None),
    lower=_put_lower,
)


def put_along(updates: Array, indices: Array, axis: int, size: int, *, unique: bool = False) -> Array:
    """Zeros, of length `size` on `axis`, to which the updates are added at `indices` along it; dual of `take_along`.

    `unique` promises that no two updates of a line have the same index.
    """
    axis = _axis("put_along", axis, aval_of(updates).ndim)
    return put_along_p.bind(updates, indices, axis=axis, size=size, unique=unique)[0]


# ---- argsort ----


def _operands(name: str, given: Array | list[Array] | tuple[Array, ...]) -> tuple[Array, ...]:
    operands = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not operands:
        raise ParameterError(name, "no operands", "at least one")
    avals = [aval_of(operand) for operand in operands]
    if any(aval.shape != avals[0].shape for aval in avals):
        raise OperandError(name, [str(aval) for aval in avals], "operands of one shape")
    return operands


def _argsort_impl(*keys: Array, axis: int, is_stable: bool) -> tuple[Array]:
    primary, *others = keys
    if others:
        return (np.lexsort(keys[::-1], axis),)  # its last key is the primary one
    return (np.argsort(primary, axis, kind="stable" if is_stable else None),)


def _argsort_aval(*keys: ShapedArray, axis: int, is_stable: bool) -> tuple[ShapedArray]:
    return (shaped(keys[0].shape, _INDEX),)


_indices_constant = LocallyConstant("the order of the elements changes only where two of them are equal")

argsort_p: Primitive = Primitive(
    "argsort",
    _argsort_impl,
    _argsort_aval,
    _indices_constant,
    _indices_constant,
    lambda size, args, batched, params: _batch_along(argsort_p, size, args, batched, params),
    lower=lambda _avals, params: Argsort(params["axis"]),
)


def argsort(keys: Array | list[Array] | tuple[Array, ...], dimension: int = -1, *, is_stable: bool = True) -> Array:
    """The indices along an axis that sort the key, or the keys, of which the first is the primary one."""
    operands = _operands("argsort", keys)
    axis = _axis("argsort", dimension, aval_of(operands[0]).ndim)
    return argsort_p.bind(*operands, axis=axis, is_stable=is_stable)[0]


# ---- sort ----


def _sort_impl(*operands: Array, axis: int, is_stable: bool, num_keys: int) -> Values:
    if len(operands) == 1:
        return (np.sort(operands[0], axis, kind="stable" if is_stable else None),)
    (order,) = _argsort_impl(*operands[:num_keys], axis=axis, is_stable=is_stable)
    index = _along(order, axis)
    return tuple(operand[index] for operand in operands)


def _sort_aval(*operands: ShapedArray, axis: int, is_stable: bool, num_keys: int) -> tuple[ShapedArray, ...]:
    return tuple(shaped(aval.shape, aval.dtype) for aval in operands)


def _sorted_by_index(primals: Values, params: Params) -> tuple[Values, Array, int]:
    axis: int = params["axis"]
    order = argsort(primals[: params["num_keys"]], axis, is_stable=params["is_stable"])
    return tuple(take_along(x, order, axis, unique=True) for x in primals), order, axis


def _sort_vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    outs, order, axis = _sorted_by_index(primals, params)
    size = aval_of(order).shape[axis]

    def pullback(cts: Maybes) -> Maybes:
        return tuple(
            put_along(ct, order, axis, size, unique=True) if want and ct is not None else None
            for ct, want in zip(cts, wanted, strict=True)
        )

    return outs, pullback


def _sort_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    outs, order, axis = _sorted_by_index(primals, params)
    return outs, tuple(None if t is None else take_along(t, order, axis, unique=True) for t in tangents)


sort_p: Primitive = Primitive(
    "sort",
    _sort_impl,
    _sort_aval,
    _sort_vjp,
    _sort_jvp,
    lambda size, args, batched, params: _batch_along(sort_p, size, args, batched, params),
    lower=lambda _avals, params: Sort(params["axis"], params["num_keys"]),
)


@overload
def sort(operand: Array, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Array: ...
@overload
def sort(
    operand: list[Array] | tuple[Array, ...], dimension: int = -1, is_stable: bool = True, num_keys: int = 1
) -> tuple[Array, ...]: ...
def sort(
    operand: Array | list[Array] | tuple[Array, ...], dimension: int = -1, is_stable: bool = True, num_keys: int = 1
) -> Array | tuple[Array, ...]:
    """The operand sorted along an axis; of several operands all are put in the order of the first `num_keys`.

    Order is NumPy's: NaN last, complex numbers by real part, then by imaginary part. Several operands, given as a list
    or tuple and all of one shape, give a tuple. At ties the derivative is that of the order chosen (stable: as they
    stand).
    """
    operands = _operands("sort", operand)
    if not 1 <= num_keys <= len(operands):
        raise ParameterError("sort", f"num_keys={num_keys} for {len(operands)} operands", "from one to all of them")
    axis = _axis("sort", dimension, aval_of(operands[0]).ndim)
    outs = sort_p.bind(*operands, axis=axis, is_stable=is_stable, num_keys=num_keys)
    return outs if isinstance(operand, list | tuple) else outs[0]


# ---- top_k ----


def _top_k_impl(x: Array, *, k: int) -> Values:
    """By partition, where that leaves no choice; else by a stable sort of the reversed operand: equals by lowest index."""
    _check_k(x.shape, k)
    size, axis = x.shape[-1], x.ndim - 1
    if 0 < k < size:
        largest = np.argpartition(x, size - k - 1, -1)[..., size - k - 1 :]  # one more, to see a tie with the last
        order = largest[_along(np.argsort(x[_along(largest, axis)], -1)[..., ::-1], axis)]
        values = x[_along(order, axis)]
        if np.all(values[..., :-1] > values[..., 1:]):  # neither ties nor NaN
            return values[..., :-1], order[..., :-1]
    order = size - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., : -k - 1 : -1]
    return x[_along(order, axis)], order


def _check_k(shape: Shape, k: int) -> None:
    if not shape or not 0 <= k <= shape[-1]:
        raise ParameterError("top_k", f"k={k} for an operand of shape {shape}", "0 <= k <= the last axis' length")


def _top_k_aval(x: ShapedArray, *, k: int) -> tuple[ShapedArray, ...]:
    _check_k(x.shape, k)
    shape = (*x.shape[:-1], k)
    return shaped(shape, x.dtype), shaped(shape, _INDEX)


def _top_k_vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    shape = aval_of(primals[0]).shape
    values, order = top_k_p.bind(*primals, **params)

    def pullback(cts: Maybes) -> Maybes:
        return (None if cts[0] is None else put_along(cts[0], order, -1, shape[-1], unique=True),)

    return (values, order), pullback


def _top_k_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    values, order = top_k_p.bind(*primals, **params)
    tangent = tangents[0]
    return (values, order), (None if tangent is None else take_along(tangent, order, -1, unique=True), None)


top_k_p: Primitive = Primitive(
    "top_k",
    _top_k_impl,
    _top_k_aval,
    _top_k_vjp,
    _top_k_jvp,
    lambda size, args, batched, params: (top_k_p.bind(*args, **params), (True, True)),
    lower=lambda _avals, _params: TopK(),
)


def top_k(operand: Array, k: int, *, axis: int = -1) -> tuple[Array, Array]:
    """The k largest elements along an axis, largest first, and their indices (intp), the lowest first at ties.

    NaN counts as largest, as it comes last when NumPy sorts. Raises ParameterError unless 0 <= k <= the axis' length.
    """
    ndim = aval_of(operand).ndim
    if not ndim or axis in (-1, ndim - 1):
        values, indices = top_k_p.bind(operand, k=k)
        return values, indices
    if not -ndim <= axis < ndim:
        raise ParameterError("top_k", f"axis={axis} for {ndim} dimensions", f"an axis from {-ndim} to {ndim - 1}")
    order = list(range(ndim))
    order[axis], order[-1] = order[-1], order[axis]
    values, indices = top_k(transpose(operand, order), k)
    return transpose(values, order), transpose(indices, order)
