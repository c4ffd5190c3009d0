"""Cumulative sum, product, maximum, minimum and log-sum-exp along an axis, in either direction.

All but the sum are differentiated by one primitive more, `linear_recurrence`, hᵢ = aᵢ·hᵢ₋₁ + bᵢ: the derivative of each
is diag(d)·R(a)·diag(w), where R(a) maps b to h, with a, w and d that the primitive gives (`_Factors`). So no rule
divides by an element, and products with zeros have exact derivatives of any order. Start at `linear_recurrence`,
then `_cumulative`. Imports core, `broadcast`, `families`, `shape`, `select` and elementwise families.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_order import Cumulate, Cumulative, LinearRecurrence
from functrans.core.primitive import Impl, Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.arithmetic import mul, reciprocal, sub
from functrans.ops.bitwise import bitwise_or
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.comparison import eq, is_nan
from functrans.ops.exponential import exp
from functrans.ops.families import ANY, FLOATING, INEXACT, NUMERIC, add_any
from functrans.ops.rules import linear
from functrans.ops.select import select
from functrans.ops.shape import pad
from functrans.record import NamedTuple
from functrans.typing import Array

__all__ = [
    "cumlogsumexp", "cumlogsumexp_p", "cummax", "cummax_p", "cummin", "cummin_p", "cumprod", "cumprod_p", "cumsum",
    "cumsum_p", "linear_recurrence", "linear_recurrence_p", "previous",
]  # fmt: skip

_FEW_LINES = 12
"""With fewer lines than this along the axis, scalars are faster than NumPy on a slice at a time."""
_PYTHONS = (np.dtype(np.float64), np.dtype(np.complex128))


def previous(x: Array, axis: int, reverse: bool, first: float) -> Array:
    """The element before each along an axis (after it if reverse); before the first stands `first`."""
    config = [(0, 0, 0)] * aval_of(x).ndim
    config[axis] = (-1, 1, 0) if reverse else (1, -1, 0)
    return pad(x, first, config)


def _check(name: str, aval: ShapedArray, accepts: str, axis: int) -> None:
    if aval.dtype.kind not in accepts:
        raise OperandError(name, [str(aval)], f"a dtype of one of the kinds {accepts}")
    if not 0 <= axis < aval.ndim:
        raise ParameterError(name, f"axis={axis} for an operand of type {aval}", "an axis of the operand, not negative")


def _directed(x: Array, axis: int, reverse: bool) -> Array:
    return np.flip(x, axis) if reverse else x


# ---- linear_recurrence ----


def _recurrence_impl(a: Array, b: Array, *, axis: int, reverse: bool) -> tuple[Array]:
    _check_shapes(a, b)
    out = np.empty(b.shape, b.dtype)
    target, a, b = (np.moveaxis(_directed(x, axis, reverse), axis, 0) for x in (out, a, b))
    if 0 < b.size < _FEW_LINES * len(b):
        lines = (map(_scalars, x.reshape(len(b), -1).T) for x in (a, b))
        target[...] = np.array([_line(*line) for line in zip(*lines, strict=True)]).T.reshape(b.shape)
    elif b.size:
        target[0] = b[0]
        for i in range(1, len(b)):
            np.multiply(a[i], target[i - 1], out=target[i, ...])
            target[i] += b[i]
    return (out,)


def _scalars(x: Array) -> list[complex]:
    """The elements as what computes in their dtype: Python's numbers where they do, else NumPy's."""
    return x.tolist() if x.dtype in _PYTHONS else list(x)


def _check_shapes(a: Array | ShapedArray, b: Array | ShapedArray) -> None:
    if a.shape != b.shape or a.dtype != b.dtype:
        types = [f"{x.dtype}{list(x.shape)}" for x in (a, b)]
        raise OperandError("linear_recurrence", types, "operands of one shape and dtype")


def _line(a: list[complex], b: list[complex]) -> list[complex]:
    h = b[0]
    out = [h]
    for factor, term in zip(a[1:], b[1:], strict=True):
        h = factor * h + term
        out.append(h)
    return out


def _recurrence_aval(a: ShapedArray, b: ShapedArray, *, axis: int, reverse: bool) -> tuple[ShapedArray]:
    _check("linear_recurrence", b, INEXACT, axis)
    _check_shapes(a, b)
    return (shaped(b.shape, b.dtype),)


def _transposed(a: Array, g: Array, axis: int, reverse: bool) -> Array:
    """R(a)ᵀ·g: the recurrence that runs the other way, in which gᵢ meets the factor of the element that follows it."""
    return linear_recurrence(previous(a, axis, not reverse, 0.0), g, axis, reverse=not reverse)


def _recurrence_vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    outs = linear_recurrence_p.bind(*primals, **params)
    a, h = primals[0], outs[0] if wanted[0] else None
    axis, reverse = params["axis"], params["reverse"]

    def pullback(cts: Maybes) -> Maybes:
        assert cts[0] is not None
        ct = _transposed(a, cts[0], axis, reverse)
        return None if h is None else mul(ct, previous(h, axis, reverse, 0.0)), ct if wanted[1] else None

    return outs, pullback


def _recurrence_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    (h,) = linear_recurrence_p.bind(*primals, **params)
    t = tangents[1]
    if tangents[0] is not None:
        term = mul(tangents[0], previous(h, params["axis"], params["reverse"], 0.0))
        t = term if t is None else add_any(t, term)
    assert t is not None
    return (h,), linear_recurrence_p.bind(primals[0], t, **params)


def _recurrence_batch(
    size: int, args: Values, batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    operands = [arg if has else broadcast_batch(size, arg) for arg, has in zip(args, batched, strict=True)]
    return linear_recurrence_p.bind(*operands, axis=params["axis"] + 1, reverse=params["reverse"]), (True,)


linear_recurrence_p: Primitive = Primitive(
    "linear_recurrence",
    _recurrence_impl,
    _recurrence_aval,
    _recurrence_vjp,
    _recurrence_jvp,
    _recurrence_batch,
    lower=lambda _avals, params: LinearRecurrence(**params),
)


def linear_recurrence(a: Array, b: Array, axis: int = 0, reverse: bool = False) -> Array:
    """h with hᵢ = aᵢ·hᵢ₋₁ + bᵢ along an axis, and h₀ = b₀ (if reverse: hᵢ = aᵢ·hᵢ₊₁ + bᵢ, beginning at the end).

    a, b: floating or complex, of one shape and dtype.
    """
    return linear_recurrence_p.bind(a, b, axis=axis, reverse=reverse)[0]


# ---- cumsum ----


def _accumulate(ufunc: np.ufunc) -> Impl:
    def impl(x: Array, *, axis: int, reverse: bool) -> Values:
        out: Array = ufunc.accumulate(_directed(x, axis, reverse), axis, dtype=x.dtype)
        return (_directed(out, axis, reverse),)

    return impl


def _same_aval(name: str, accepts: str) -> Callable[..., ShapedArray]:
    def shape(aval: ShapedArray, *, axis: int, reverse: bool) -> ShapedArray:
        _check(name, aval, accepts, axis)
        return shaped(aval.shape, aval.dtype)

    return shape


cumsum_p = linear(
    "cumsum",
    _accumulate(np.add),
    _same_aval("cumsum", NUMERIC),
    lambda g, _x, *, axis, reverse: cumsum(g, axis, not reverse),
    lambda _size, x, *, axis, reverse: cumsum(x, axis + 1, reverse),
    lower=lambda _avals, params: Cumulative("add", **params),
)


def cumsum(operand: Array, axis: int = 0, reverse: bool = False) -> Array:
    """The sums of the elements up to each along an axis (from each on, if reverse); the dtype stays."""
    return cumsum_p.bind(operand, axis=axis, reverse=reverse)[0]


# ---- the others, whose derivative is diag(d)·R(a)·diag(w) ----


class _Factors(NamedTuple):
    a: Array
    w: Array
    d: Array | None


FactorsOf: TypeAlias = Callable[[Array, Array, int, bool], _Factors]
"""`(out, x, axis, reverse) -> factors` of the derivative, in differentiable operations."""


def _cumulative(name: str, ufunc: np.ufunc, combine: Cumulate, accepts: str, factors_of: FactorsOf) -> Primitive:
    same_aval = _same_aval(name, accepts)

    def vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        outs = prim.bind(*primals, **params)

        def pullback(cts: Maybes) -> Maybes:
            a, w, d = factors_of(outs[0], primals[0], params["axis"], params["reverse"])
            assert cts[0] is not None
            g = cts[0] if d is None else mul(cts[0], d)
            return (mul(_transposed(a, g, **params), w),)

        return outs, pullback

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        outs = prim.bind(*primals, **params)
        a, w, d = factors_of(outs[0], primals[0], params["axis"], params["reverse"])
        assert tangents[0] is not None
        t = linear_recurrence(a, mul(tangents[0], w), **params)
        return outs, (t if d is None else mul(t, d),)

    prim = Primitive(
        name,
        _accumulate(ufunc),
        lambda aval, **params: (same_aval(aval, **params),),
        vjp,
        jvp,
        lambda size, args, batched, params: (
            prim.bind(*args, axis=params["axis"] + 1, reverse=params["reverse"]),
            (True,),
        ),
        lower=lambda _avals, params: Cumulative(combine, **params),
    )
    return prim


# ---- cumprod ----

cumprod_p = _cumulative(
    "cumprod",
    np.multiply,
    "mul",
    NUMERIC,
    lambda out, x, axis, reverse: _Factors(x, previous(out, axis, reverse, 1.0), None),
)


def cumprod(operand: Array, axis: int = 0, reverse: bool = False) -> Array:
    """The products of the elements up to each along an axis (from each on, if reverse); the dtype stays.

    The derivative is exact however many elements are zero.
    """
    return cumprod_p.bind(operand, axis=axis, reverse=reverse)[0]


# ---- cumlogsumexp ----


def _logsumexp_factors(out: Array, x: Array, axis: int, reverse: bool) -> _Factors:
    """e to the differences of neighbouring results: at most 1, and 0 where all so far was -inf."""
    level = select(eq(out, -np.inf), 0.0, out)
    return _Factors(exp(sub(previous(out, axis, reverse, -np.inf), level)), exp(sub(x, level)), None)


cumlogsumexp_p = _cumulative("cumlogsumexp", np.logaddexp, "logaddexp", FLOATING, _logsumexp_factors)


def cumlogsumexp(operand: Array, axis: int = 0, reverse: bool = False) -> Array:
    """ln of the sum of the exponentials up to each element along an axis (from each on, if reverse); floating."""
    return cumlogsumexp_p.bind(operand, axis=axis, reverse=reverse)[0]


# ---- cummax, cummin ----


def _extremum_factors(out: Array, x: Array, axis: int, reverse: bool) -> _Factors:
    """Sums and counts run over the elements that equal the result, and begin again where the result changes.

    NaN counts as equal to NaN: it is where a result of NaN comes from.
    """
    before = previous(out, axis, reverse, 0.0)
    same, attained = bitwise_or(eq(out, before), is_nan(before)), bitwise_or(eq(x, out), is_nan(x))
    one, zero = aval_of(out).dtype.type(1), aval_of(out).dtype.type(0)
    a, w = select(same, one, zero), select(attained, one, zero)
    return _Factors(a, w, reciprocal(linear_recurrence(a, w, axis, reverse)))


cummax_p = _cumulative("cummax", np.maximum, "max", ANY, _extremum_factors)


def cummax(operand: Array, axis: int = 0, reverse: bool = False) -> Array:
    """The largest of the elements up to each along an axis (from each on, if reverse); NaN once there was one.

    Complex numbers compare by real part, then by imaginary part. Equal maxima share the derivative evenly.
    """
    return cummax_p.bind(operand, axis=axis, reverse=reverse)[0]


cummin_p = _cumulative("cummin", np.minimum, "min", ANY, _extremum_factors)


def cummin(operand: Array, axis: int = 0, reverse: bool = False) -> Array:
    """The smallest of the elements up to each along an axis (from each on, if reverse); NaN once there was one.

    Complex numbers compare by real part, then by imaginary part. Equal minima share the derivative evenly.
    """
    return cummin_p.bind(operand, axis=axis, reverse=reverse)[0]
