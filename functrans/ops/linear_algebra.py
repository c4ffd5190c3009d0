"""`dot_general`, the product of two arrays over any axes, which all matrix products are uses of.

NumPy's `matmul` (BLAS) does the work: a plan, made once per pair of shapes, says which views of the operands to give
it. Start reading at `_plan`, then `_ct_plan`, by which a cotangent is one more product in the layout of its operand.
Imports core, `broadcast`, `families`, `shape` and `cast`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import TypeAlias

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering import Contract
from functrans.core.primitive import Params, Values, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.axes import ints
from functrans.ops.broadcast import shift_axes
from functrans.ops.cast import convert_element_type
from functrans.ops.families import ANY, multilinear, same_dtype
from functrans.ops.shape import transpose
from functrans.record import Record
from functrans.typing import Array, DTypeLike, Shape

__all__ = ["DotDimensionNumbers", "batch_matmul", "dot", "dot_general", "dot_general_p", "in_preferred_dtype"]

Axes: TypeAlias = tuple[int, ...]
DotDimensionNumbers: TypeAlias = tuple[tuple[Axes, Axes], tuple[Axes, Axes]]
"""`((lhs_contract, rhs_contract), (lhs_batch, rhs_batch))`: the axes that are summed over, and those that run along."""

_MATMUL: DotDimensionNumbers = (((1,), (0,)), ((), ()))


def _free(ndim: int, contract: Axes, batch: Axes) -> Axes:
    return tuple(axis for axis in range(ndim) if axis not in contract and axis not in batch)


def _moved(order: Axes) -> Axes | None:
    """The permutation, or None where it moves nothing."""
    return None if order == tuple(range(len(order))) else order


# ---- value and shape ----


class _Plan(Record):
    """What to do with the operands before `matmul` and with its result; None stands for nothing.

    Without contraction the two shapes broadcast against each other, and `multiply` takes the place of `matmul`.
    """

    lhs_order: Axes | None
    rhs_order: Axes | None
    lhs_shape: Shape | None
    rhs_shape: Shape | None
    contracts: bool
    out_shape: Shape


@lru_cache(maxsize=4096)
def _plan(lhs: Shape, rhs: Shape, dims: DotDimensionNumbers) -> _Plan:
    _check_axes(lhs, rhs, dims)
    (lc, rc), (lb, rb) = dims
    lf, rf = _free(len(lhs), lc, lb), _free(len(rhs), rc, rb)
    # The order of the summed axes is ours to choose: as they lie in the larger operand, which then need not be copied.
    pairs = sorted(zip(lc, rc, strict=True), key=lambda pair: pair[prod(lhs) < prod(rhs)])
    lc, rc = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    batch, rows, columns = (tuple(lhs[a] for a in lb), tuple(lhs[a] for a in lf), tuple(rhs[a] for a in rf))
    summed = prod(lhs[a] for a in lc)
    if not lc:
        left, right = (*batch, *rows, *(1 for _ in rf)), (*batch, *(1 for _ in lf), *columns)
    else:  # matmul takes vectors too, as long as there are no batch axes
        left = (*batch, prod(rows), summed) if lf or lb else (summed,)
        right = (*batch, summed, prod(columns)) if rf or lb else (summed,)
    left_order, right_order = (*lb, *lf, *lc), (*rb, *rc, *rf)
    return _Plan(
        _moved(left_order),
        _moved(right_order),
        None if left == tuple(lhs[a] for a in left_order) else left,
        None if right == tuple(rhs[a] for a in right_order) else right,
        bool(lc),
        (*batch, *rows, *columns),
    )


def _check_axes(lhs: Shape, rhs: Shape, dims: DotDimensionNumbers) -> None:
    (lc, rc), (lb, rb) = dims
    for shape, axes in ((lhs, (*lb, *lc)), (rhs, (*rb, *rc))):
        if len(set(axes)) != len(axes) or any(not 0 <= axis < len(shape) for axis in axes):
            raise ParameterError("dot_general", f"axes {axes} (batch and contracted) of an operand of shape {shape}",
                                 "different axes of the operand, none negative")  # fmt: skip
    for kind, left, right in (("contracted", lc, rc), ("batch", lb, rb)):
        sizes = [lhs[a] for a in left], [rhs[a] for a in right]
        if sizes[0] != sizes[1]:
            raise ParameterError("dot_general",
                                 f"shapes {lhs} and {rhs} with {kind} axes {left} of lengths {sizes[0]} and {right} of "
                                 f"lengths {sizes[1]}", "equal lengths")  # fmt: skip


def _dot_impl(lhs: Array, rhs: Array, *, dimension_numbers: DotDimensionNumbers) -> tuple[Array]:
    if lhs.dtype != rhs.dtype:
        raise OperandError("dot_general", [str(aval_of(lhs)), str(aval_of(rhs))], "operands of one dtype")
    if dimension_numbers == _MATMUL and lhs.ndim == 2 and rhs.ndim == 2 and lhs.shape[1] == rhs.shape[0]:
        return (np.matmul(lhs, rhs),)
    plan = _plan(lhs.shape, rhs.shape, dimension_numbers)
    left = lhs if plan.lhs_order is None else lhs.transpose(plan.lhs_order)
    right = rhs if plan.rhs_order is None else rhs.transpose(plan.rhs_order)
    product = np.matmul if plan.contracts else np.multiply
    out: Array = product(
        left if plan.lhs_shape is None else left.reshape(plan.lhs_shape),
        right if plan.rhs_shape is None else right.reshape(plan.rhs_shape),
    )
    return (out if out.shape == plan.out_shape else out.reshape(plan.out_shape),)


def _dot_aval(lhs: ShapedArray, rhs: ShapedArray, *, dimension_numbers: DotDimensionNumbers) -> tuple[ShapedArray]:
    dtype = same_dtype("dot_general", (lhs, rhs), ANY)
    return (shaped(_plan(lhs.shape, rhs.shape, dimension_numbers).out_shape, dtype),)


# ---- derivatives ----


@lru_cache(maxsize=4096)
def _ct_plan(
    lhs_ndim: int, rhs_ndim: int, dims: DotDimensionNumbers, of: int
) -> tuple[bool, DotDimensionNumbers, Axes | None]:
    """How operand `of` gets its cotangent from g and the other operand: (g is the left one, dims, permutation after).

    Of the two orders of the product, the one whose result lies as the operand does, so that no transpose follows.
    """
    ndims = lhs_ndim, rhs_ndim
    contract, batch = dims[0], dims[1]
    mine, others = (_free(ndims[i], contract[i], batch[i]) for i in (of, 1 - of))
    n = len(batch[0])
    first = n if of == 1 else n + len(mine)  # where in g, which is (batch, lhs free, rhs free), the other's axes start
    g_dims = tuple(range(first, first + len(others))), tuple(range(n))
    partner = dict(zip(contract[1 - of], contract[of], strict=True))
    summed = tuple(partner[axis] for axis in sorted(partner))  # my axes, in the order of the other's
    other_dims = others, batch[1 - of]
    for g_first in (of == 0, of == 1):
        left, right = (g_dims, other_dims) if g_first else (other_dims, g_dims)
        lies = (*batch[of], *mine, *summed) if g_first else (*batch[of], *summed, *mine)
        order = _moved(tuple(sorted(range(len(lies)), key=lies.__getitem__)))
        if order is None:
            break
    return g_first, ((left[0], right[0]), (left[1], right[1])), order


def _operand_ct(g: Array, operand: ShapedArray, other: Array, of: int, dims: DotDimensionNumbers) -> Array:
    ndim, other_ndim = operand.ndim, aval_of(other).ndim
    g_first, ct_dims, order = _ct_plan(*((ndim, other_ndim) if of == 0 else (other_ndim, ndim)), dims, of)
    ct = _bind(g, other, ct_dims) if g_first else _bind(other, g, ct_dims)
    return ct if order is None else transpose(ct, order)


# ---- batching ----


def _dot_batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    """Both batched: one more batch axis. One batched: its first free axis, brought to the front of the result."""
    dims: DotDimensionNumbers = params["dimension_numbers"]
    (lc, rc), (lb, rb) = (
        tuple(shift_axes(axes) if is_batched else axes for axes, is_batched in zip(pair, batched, strict=True))
        for pair in dims
    )
    lhs, rhs = args
    if all(batched):
        return (_bind(lhs, rhs, ((lc, rc), ((0, *lb), (0, *rb)))),), (True,)
    rhs_ndim, lhs_ndim = aval_of(rhs).ndim, aval_of(lhs).ndim
    if batched[1] and rhs_ndim == len(rb) + len(rc) + 1:  # its only free axis: exchanged, the result begins with it
        out, position = _bind(rhs, lhs, ((rc, lc), (rb, lb))), len(lb)
    else:
        out = _bind(lhs, rhs, ((lc, rc), (lb, rb)))
        position = len(lb) if batched[0] else lhs_ndim - len(lc)
    rest = (axis for axis in range(aval_of(out).ndim) if axis != position)
    return (out if position == 0 else transpose(out, (position, *rest)),), (True,)


def _lower(avals: Sequence[ShapedArray], params: Params) -> Contract:
    """Which axes play which part."""
    (contracted, batch) = params["dimension_numbers"]
    free = tuple(_free(aval.ndim, *axes) for aval, *axes in zip(avals, contracted, batch, strict=True))
    return Contract(contracted, batch, (free[0], free[1]))


dot_general_p = multilinear(
    "dot_general",
    _dot_impl,
    _dot_aval,
    _dot_batch,
    (
        lambda g, _, _lhs, rhs, *, dimension_numbers: _operand_ct(g, _lhs, rhs, 0, dimension_numbers),
        lambda g, _, lhs, _rhs, *, dimension_numbers: _operand_ct(g, _rhs, lhs, 1, dimension_numbers),
    ),
    lower=_lower,
)


# ---- public functions ----


def _bind(lhs: Array, rhs: Array, dims: DotDimensionNumbers) -> Array:
    return dot_general_p.bind(lhs, rhs, dimension_numbers=dims)[0]


def in_preferred_dtype(
    name: str, lhs: Array, rhs: Array, preferred: DTypeLike, product: Callable[[Array, Array], Array]
) -> Array:
    """A product computed in the wider of the operands' dtype and the preferred one, which the result has."""
    dtype, wanted = aval_of(lhs).dtype, np.dtype(preferred)
    if not np.can_cast(dtype, wanted, "same_kind"):
        raise ParameterError(name, f"preferred_element_type={wanted} for operands of {dtype}",
                             "a dtype of the same kind or of one that holds it")  # fmt: skip
    if np.can_cast(dtype, wanted):
        lhs, rhs = convert_element_type(lhs, wanted), convert_element_type(rhs, wanted)
    return convert_element_type(product(lhs, rhs), wanted)


def dot_general(
    lhs: Array,
    rhs: Array,
    dimension_numbers: tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]],
    *,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """The product of two arrays of one dtype, summed over the contracted axes, element by element along the batch axes.

    `dimension_numbers` is `((lhs_contract, rhs_contract), (lhs_batch, rhs_batch))`. The result's axes are the batch
    axes, the other axes of lhs, those of rhs. `preferred_element_type` is the dtype of the result, and the one to
    compute in if it is the wider one.
    """
    (lc, rc), (lb, rb) = dimension_numbers
    dims = (ints(lc), ints(rc)), (ints(lb), ints(rb))
    if preferred_element_type is not None:
        return in_preferred_dtype("dot_general", lhs, rhs, preferred_element_type, lambda x, y: _bind(x, y, dims))
    return _bind(lhs, rhs, dims)


def _ndim(x: Array) -> int:
    return x.ndim if type(x) is np.ndarray else aval_of(x).ndim  # an aval takes longer to make than a product


def dot(lhs: Array, rhs: Array, *, preferred_element_type: DTypeLike | None = None) -> Array:
    """The product of vectors and matrices: the last axis of lhs with the first of rhs."""
    ndims = _ndim(lhs), _ndim(rhs)
    if ndims == (2, 2) and preferred_element_type is None:
        return _bind(lhs, rhs, _MATMUL)
    if not set(ndims) <= {1, 2}:
        raise OperandError("dot", [str(aval_of(lhs)), str(aval_of(rhs))], "vectors or matrices")
    return dot_general(lhs, rhs, (((ndims[0] - 1,), (0,)), ((), ())), preferred_element_type=preferred_element_type)


def batch_matmul(lhs: Array, rhs: Array) -> Array:
    """The products of two stacks of matrices; all axes but the last two are batch axes, equal in both."""
    n = aval_of(lhs).ndim - 2
    if n < 0 or aval_of(rhs).ndim != n + 2:
        raise OperandError("batch_matmul", [str(aval_of(lhs)), str(aval_of(rhs))], "operands of one rank, at least 2")
    batch = tuple(range(n))
    return _bind(lhs, rhs, (((n + 1,), (n,)), (batch, batch)))
