"""Reductions but the sum (which `broadcast` holds): product, maximum, minimum, all, any, parity, argmax, argmin.

Every one takes the axes to drop and keeps the operand's dtype: NumPy's sums and products of small integers in a wider
one are a cast before, which `functrans.numpy` makes. Start reading at `_reduction`. Imports core, `broadcast`,
`families`, `shape`, `select`, `cumulative` and elementwise families.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Literal

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering import Combine, Reduce
from functrans.core.lowering_order import ExtremumPosition
from functrans.core.primitive import JvpRule, LocallyConstant, Maybes, Params, Primitive, Values, VjpRule, aval_of
from functrans.errors import EmptyReductionError, OperandError, ParameterError
from functrans.ops.arithmetic import div, mul
from functrans.ops.axes import ints
from functrans.ops.bitwise import bitwise_or
from functrans.ops.broadcast import broadcast_in_dim, reduce_sum, shift_axes
from functrans.ops.comparison import eq, is_nan
from functrans.ops.cumulative import cumprod, previous
from functrans.ops.families import ANY, BOOL_INT, NUMERIC
from functrans.ops.rules import LocalRule, NotRule, by_argument
from functrans.ops.select import select
from functrans.typing import Array, DType, DTypeLike, Shape

__all__ = [
    "argmax", "argmax_p", "argmin", "argmin_p", "reduce_and", "reduce_and_p", "reduce_max", "reduce_max_p",
    "reduce_min", "reduce_min_p", "reduce_or", "reduce_or_p", "reduce_prod", "reduce_prod_p", "reduce_xor",
    "reduce_xor_p",
]  # fmt: skip


def _reduced(name: str, aval: ShapedArray, axes: tuple[int, ...]) -> Shape:
    if any(not 0 <= axis < aval.ndim for axis in axes) or len(set(axes)) != len(axes):
        raise ParameterError(name, f"axes={axes} for an operand of type {aval}", "different axes of the operand")
    return tuple(size for axis, size in enumerate(aval.shape) if axis not in axes)


def _expanded(reduced: Array, shape: Shape, axes: tuple[int, ...]) -> Array:
    """The result of a reduction over `axes`, repeated in the operand's shape."""
    return broadcast_in_dim(reduced, shape, [axis for axis in range(len(shape)) if axis not in axes])


def _reduction(
    name: str, ufunc: np.ufunc, combine: Combine, accepts: str, rules: tuple[LocalRule, LocalRule] | LocallyConstant
) -> Primitive:
    """A reduction by a ufunc.

    rules: `(t, out, x, *, axes) -> tangent of out` and `(g, out, x, *, axes) -> cotangent of x`, or why there are none.
    """

    def impl(x: Array, *, axes: tuple[int, ...]) -> Values:
        return (ufunc.reduce(x, axis=axes, dtype=x.dtype) if axes else np.asarray(x)[()],)

    def abstract_eval(aval: ShapedArray, *, axes: tuple[int, ...]) -> tuple[ShapedArray]:
        if aval.dtype.kind not in accepts:
            raise OperandError(name, [str(aval)], f"a dtype of one of the kinds {accepts}")
        out = shaped(_reduced(name, aval, axes), aval.dtype)
        if aval.size == 0 and out.size and ufunc.identity is None:
            raise EmptyReductionError(name, str(aval))
        return (out,)

    def batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
        return prim.bind(*args, axes=shift_axes(params["axes"])), (True,)

    def along(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        outs = prim.bind(*primals, **params)
        return outs, (tangent_rule(tangents[0], *outs, *primals, **params),)

    vjp: VjpRule | NotRule
    jvp: JvpRule | NotRule
    if isinstance(rules, LocallyConstant):
        vjp = jvp = rules
    else:
        tangent_rule, cotangent_rule = rules
        vjp, jvp = by_argument(lambda: prim, cotangent_rule), along
    prim = Primitive(
        name, impl, abstract_eval, vjp, jvp, batch, lower=lambda _avals, params: Reduce(combine, params["axes"])
    )
    return prim


# ---- product ----


def _products_of_others(x: Array, axes: tuple[int, ...]) -> Array:
    """For each element the product of all others over `axes`: those before times those after, an axis at a time."""
    if not axes:
        return broadcast_in_dim(aval_of(x).dtype.type(1), aval_of(x).shape, ())
    axis, *rest = axes
    before = previous(cumprod(x, axis), axis, False, 1.0)
    after = previous(cumprod(x, axis, reverse=True), axis, True, 1.0)
    others = mul(before, after)
    if not rest:
        return others
    left = tuple(a - (a > axis) for a in rest)
    return mul(others, _expanded(_products_of_others(reduce_prod(x, (axis,)), left), aval_of(x).shape, (axis,)))


reduce_prod_p = _reduction(
    "reduce_prod",
    np.multiply,
    "mul",
    NUMERIC,
    (
        lambda t, _, x, *, axes: reduce_sum(mul(t, _products_of_others(x, axes)), axes),
        lambda g, _, x, *, axes: mul(_expanded(g, aval_of(x).shape, axes), _products_of_others(x, axes)),
    ),
)


def reduce_prod(operand: Array, axes: Sequence[int]) -> Array:
    """The product over `axes`; the derivative is exact however many elements are zero."""
    return reduce_prod_p.bind(operand, axes=ints(axes))[0]


# ---- maximum, minimum ----


def _attained(out: Array, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Where the operand equals the result (NaN equals NaN: it is where a NaN comes from), and in how many places."""
    attained = bitwise_or(eq(x, _expanded(out, aval_of(x).shape, axes)), is_nan(x))
    one, zero = aval_of(x).dtype.type(1), aval_of(x).dtype.type(0)
    return attained, reduce_sum(select(attained, one, zero), axes)


def _extremum_tangent(t: Array, out: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    attained, count = _attained(out, x, axes)
    return div(reduce_sum(select(attained, t, aval_of(t).dtype.type(0)), axes), count)


def _extremum_cotangent(g: Array, out: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    attained, count = _attained(out, x, axes)
    return select(attained, _expanded(div(g, count), aval_of(x).shape, axes), aval_of(g).dtype.type(0))


reduce_max_p = _reduction("reduce_max", np.maximum, "max", ANY, (_extremum_tangent, _extremum_cotangent))


def reduce_max(operand: Array, axes: Sequence[int]) -> Array:
    """The largest element over `axes`; NaN where there is one. Equal maxima share the derivative evenly.

    Complex numbers compare by real part, then by imaginary part. Raises ValueError where there are no elements.
    """
    return reduce_max_p.bind(operand, axes=ints(axes))[0]


reduce_min_p = _reduction("reduce_min", np.minimum, "min", ANY, (_extremum_tangent, _extremum_cotangent))


def reduce_min(operand: Array, axes: Sequence[int]) -> Array:
    """The smallest element over `axes`; NaN where there is one. Equal minima share the derivative evenly.

    Complex numbers compare by real part, then by imaginary part. Raises ValueError where there are no elements.
    """
    return reduce_min_p.bind(operand, axes=ints(axes))[0]


# ---- bitwise ----

_NOT_REAL = LocallyConstant("the operand is not a real number but bool or an integer")

reduce_and_p = _reduction("reduce_and", np.bitwise_and, "and", BOOL_INT, _NOT_REAL)


def reduce_and(operand: Array, axes: Sequence[int]) -> Array:
    """Whether all are true over `axes`, of bool; the bitwise and, of integers."""
    return reduce_and_p.bind(operand, axes=ints(axes))[0]


reduce_or_p = _reduction("reduce_or", np.bitwise_or, "or", BOOL_INT, _NOT_REAL)


def reduce_or(operand: Array, axes: Sequence[int]) -> Array:
    """Whether any is true over `axes`, of bool; the bitwise or, of integers."""
    return reduce_or_p.bind(operand, axes=ints(axes))[0]


reduce_xor_p = _reduction("reduce_xor", np.bitwise_xor, "xor", BOOL_INT, _NOT_REAL)


def reduce_xor(operand: Array, axes: Sequence[int]) -> Array:
    """Whether an odd number is true over `axes`, of bool; the bitwise exclusive or, of integers."""
    return reduce_xor_p.bind(operand, axes=ints(axes))[0]


# ---- argmax, argmin ----

_INDEX = np.dtype(np.intp)


def _arg(name: str, position: Callable[..., Array], extremum: Literal["max", "min"]) -> Primitive:
    """The position of an extremum along one axis, by NumPy's argmax or argmin."""

    def abstract_eval(aval: ShapedArray, *, axis: int, index_dtype: DType) -> tuple[ShapedArray]:
        if index_dtype.kind not in "iu":
            raise ParameterError(name, f"index_dtype={index_dtype}", "an integer dtype")
        shape = _reduced(name, aval, (axis,))
        if aval.shape[axis] == 0 and shaped(shape, aval.dtype).size:
            raise EmptyReductionError(name, str(aval))
        return (shaped(shape, index_dtype),)

    def batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
        return prim.bind(*args, axis=params["axis"] + 1, index_dtype=params["index_dtype"]), (True,)

    constant = LocallyConstant("the position changes only where two elements are equal")
    prim = Primitive(
        name,
        lambda x, *, axis, index_dtype: (position(x, axis).astype(index_dtype, copy=False),),
        abstract_eval,
        constant,
        constant,
        batch,
        lower=lambda _avals, params: ExtremumPosition(extremum, params["axis"]),
    )
    return prim


argmax_p = _arg("argmax", np.argmax, "max")


def argmax(operand: Array, axis: int, index_dtype: DTypeLike = _INDEX) -> Array:
    """The position of the largest element along an axis, of the first if there are several, or of the first NaN."""
    return argmax_p.bind(operand, axis=index(axis), index_dtype=np.dtype(index_dtype))[0]


argmin_p = _arg("argmin", np.argmin, "min")


def argmin(operand: Array, axis: int, index_dtype: DTypeLike = _INDEX) -> Array:
    """The position of the smallest element along an axis, of the first if there are several, or of the first NaN."""
    return argmin_p.bind(operand, axis=index(axis), index_dtype=np.dtype(index_dtype))[0]
