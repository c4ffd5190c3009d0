"""Elementwise primitives: everything but the value and the local derivatives is derived here.

`unary` and `elementwise` make a primitive, `apply` is what its public function calls; `multilinear` makes a primitive
from a transpose per operand. Start reading at `elementwise`. Imports core, `rules` and `broadcast`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering import Emit, Lower, pointwise
from functrans.core.primitive import (
    AbstractEval,
    BatchRule,
    Impl,
    JvpRule,
    LocallyConstant,
    Maybes,
    NotDifferentiable,
    Params,
    Primitive,
    Tracer,
    Values,
    VjpRule,
    aval_of,
    current_trace,
    is_concrete,
)
from functrans.errors import OperandError
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.rules import CONCRETE, LocalRule, NotRule, by_argument, of_one_operand, run
from functrans.ops.stacks import add_stacks
from functrans.typing import Array, ArrayLike, DType, Shape

__all__ = [
    "ANY", "BOOL_INT", "Elementwise", "FLOATING", "INEXACT", "INTEGER", "NUMERIC", "REAL", "add_any", "add_any_p", "apply",
    "apply1", "apply2", "cast_scalars", "dtype_of", "elementwise", "evaluate_or_bind", "matched", "multilinear", "same_dtype",
    "same_shape", "shape_of", "to_bool", "unary",
]  # fmt: skip

# dtype kinds that a primitive accepts
ANY = "biufc"
NUMERIC = "iufc"
REAL = "biuf"
INTEGER = "iu"
BOOL_INT = "biu"
FLOATING = "f"
INEXACT = "fc"

ResultDtype: TypeAlias = Callable[..., DType] | None
"""`(dtype, **params) -> the result's dtype`; raises for parameters that do not fit."""

OperandDtype: TypeAlias = Callable[[str, Sequence[ShapedArray], str], DType]
"""`(name, avals, accepts) -> dtype`; raises OperandError for dtypes that do not fit. See `same_dtype`."""

_BOOL = np.dtype(np.bool_)


def _jvp_by_argument(prim: Callable[[], Primitive], *rules: LocalRule | None) -> JvpRule:
    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        outs = run(prim(), primals, params)
        total = None
        for rule, tangent in zip(rules, tangents, strict=True):
            if rule is not None and tangent is not None:
                term = rule(tangent, *outs, *primals, **params)
                total = term if total is None else total if term is None else add_any(total, term)
        return outs, (total,)

    return jvp


# ---- elementwise primitives ----


class Elementwise(Primitive, eq=False, kw_only=True):
    """A primitive whose `impl` is a NumPy ufunc, or a function like one; eager code calls that itself."""

    ufunc: Callable[..., Any]  # Any: as for `elementwise`


def elementwise(
    name: str,
    impl: Callable[..., Any],  # Any: a NumPy ufunc
    accepts: str,
    derivatives: Sequence[LocalRule | None] | NotRule,
    result_dtype: ResultDtype = None,
    *,
    tangents: Sequence[LocalRule | None] | None = None,
    operand_dtype: OperandDtype | None = None,
    emit: Emit | None = None,
    needs: tuple[str, ...] | None = None,
) -> Elementwise:
    """An elementwise primitive of operands that have one shape and one dtype; a constant operand may have rank 0.

    `derivatives` holds a local rule per operand (see `LocalRule`), or the reason why there are none. `result_dtype`
    gives the result's dtype where it is not the operands'. `tangents` holds the JVP's rules where they are not
    `derivatives`: for a function that is not complex differentiable. `operand_dtype` checks dtypes that may differ, and
    picks one. `emit` composes it of a backend's operations (see `functrans.core.lowering.pointwise`); without it, it is
    the operation of the primitive's name.
    """
    check = same_dtype if operand_dtype is None else operand_dtype

    def abstract_eval(*avals: ShapedArray, **params: Any) -> tuple[ShapedArray, ...]:
        shape = same_shape(name, avals)
        dtype = check(name, avals, accepts)
        return (shaped(shape, dtype if result_dtype is None else result_dtype(dtype, **params)),)

    if isinstance(derivatives, LocallyConstant | NotDifferentiable):
        vjp: VjpRule | NotRule = derivatives
        jvp: JvpRule | NotRule = derivatives
    else:
        one = derivatives[0] if len(derivatives) == 1 else None
        vjp = by_argument(lambda: prim, *derivatives) if one is None else of_one_operand(lambda: prim, impl, one)
        jvp = _jvp_by_argument(lambda: prim, *(derivatives if tangents is None else tangents))
        if len(derivatives) > 1:
            vjp, jvp = _refusing_scalars(name, vjp), _refusing_scalars(name, jvp)

    prim = Elementwise(
        name,
        _as_tuple(impl),
        abstract_eval,
        vjp,
        jvp,
        lambda size, args, batched, params: (prim.bind(*matched(size, args, batched, name), **params), (True,)),
        lower=pointwise(name, emit, needs, _cost(impl)),
        ufunc=impl,
    )
    return prim


_TRANSCENDENTAL = frozenset(
    {np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.logaddexp, np.logaddexp2, np.power, np.cbrt}
    | {np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.arctan2, np.hypot, np.float_power, np.gcd, np.lcm}
    | {np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh}
)
_DEAR_MODULES = ("special_kernels", "exponential", "threefry")
_DIVISIONS = frozenset({np.divide, np.sqrt, np.reciprocal, np.floor_divide, np.remainder, np.fmod})


def _cost(impl: Callable[..., Any]) -> int:  # Any: a NumPy ufunc
    """About how many additions one element costs in machine code."""
    if impl in _TRANSCENDENTAL or getattr(impl, "__module__", "").endswith(_DEAR_MODULES):
        return 20
    return 4 if impl in _DIVISIONS else 1


_Rule = TypeVar("_Rule", bound=Callable[..., Any])  # Any: a VJP or a JVP rule


def _refusing_scalars(name: str, rule: _Rule) -> _Rule:
    """The rule, for operands of which none that it differentiates by has rank 0 next to arrays.

    NumPy would broadcast that one, and its derivative would have the wrong shape.
    """

    def checked(primals: Values, active: tuple[object, ...], params: Params) -> Any:  # Any: what the rule returns
        result = rule(primals, active, params)
        shape = result[0][0].shape
        for i, primal in enumerate(primals):
            if active[i] is not None and active[i] is not False and primal.shape != shape:
                raise OperandError(name, [str(aval_of(primal)) for primal in primals], "traced operands of one shape")
        return result

    return cast(_Rule, checked)


def _as_tuple(impl: Callable[..., Any]) -> Impl:  # Any: a NumPy ufunc
    arity = impl.nin if isinstance(impl, np.ufunc) else 0
    if arity == 1:
        return lambda x: (impl(x),)
    if arity == 2:
        return lambda x, y: (impl(x, y),)
    return lambda *args, **params: (impl(*args, **params),)


def same_shape(name: str, avals: Sequence[ShapedArray]) -> Shape:
    """The common shape of the operands, of which constants may have rank 0; raises OperandError."""
    shape: Shape = max((aval.shape for aval in avals), key=len)
    if any(aval.shape not in (shape, ()) for aval in avals):
        raise OperandError(name, [str(aval) for aval in avals], "operands of one shape (or rank-0 constants)")
    return shape


def same_dtype(name: str, avals: Sequence[ShapedArray], accepts: str) -> DType:
    """The common dtype of the operands; raises OperandError where they differ or the primitive does not accept it."""
    dtype = avals[0].dtype
    if any(aval.dtype != dtype for aval in avals):
        raise OperandError(name, [str(aval) for aval in avals], "operands of one dtype")
    if dtype.kind not in accepts:
        kinds = ", ".join(_KIND[kind] for kind in accepts)
        raise OperandError(name, [str(aval) for aval in avals], f"a dtype of kind {kinds}")
    return dtype


_KIND = {"b": "bool", "i": "signed integer", "u": "unsigned integer", "f": "floating", "c": "complex"}


def matched(size: int, args: Values, batched: tuple[bool, ...], name: str = "an elementwise primitive") -> list[Array]:
    """Give every operand the batch axis, for an elementwise primitive; rank-0 constants stay as they are."""
    ranks = [len(shape_of(arg)) - is_batched for arg, is_batched in zip(args, batched, strict=True)]
    if any(is_batched and rank < max(ranks) for rank, is_batched in zip(ranks, batched, strict=True)):
        raise OperandError(name, [str(aval_of(arg)) for arg in args], "mapped operands of one shape")
    return [
        arg if is_batched or (is_concrete(arg) and np.ndim(arg) == 0) else broadcast_batch(size, arg)
        for arg, is_batched in zip(args, batched, strict=True)
    ]


# ---- what public functions call: the hot path of eager code ----

_NO_PARAMS: Params = {}


def evaluate_or_bind(prim: Primitive, *operands: Array, **params: Any) -> Array:  # Any: see Params
    """The first result of a primitive; see `run`."""
    return run(prim, operands, params)[0]


def apply(prim: Elementwise, *operands: ArrayLike) -> Array:
    """The result of an elementwise primitive; Python numbers among the operands take the dtype of the others."""
    for operand in operands:
        if type(operand) in _ROOM:
            return run(prim, cast_scalars(prim.name, operands), {})[0]
    return run(prim, operands, {})[0]  # type: ignore[arg-type]  # no Python numbers are left; `cast` would cost time


def apply1(prim: Elementwise, x: ArrayLike) -> Array:
    """`apply` of one operand."""
    if type(x) in CONCRETE:
        return prim.ufunc(x)  # type: ignore[no-any-return]  # see `_as_tuple`
    return current_trace().bind(prim, (x,), _NO_PARAMS)[0] if isinstance(x, Tracer) else apply(prim, x)  # type: ignore[arg-type]  # stands for an array


def apply2(prim: Elementwise, x: ArrayLike, y: ArrayLike) -> Array:
    """`apply` of two operands."""
    if type(x) in CONCRETE:
        if type(y) in CONCRETE:
            return prim.ufunc(x, y)  # type: ignore[no-any-return]  # see `_as_tuple`
        if type(y) in _ROOM:
            return prim.ufunc(x, _as_dtype(prim.name, y, x.dtype))  # type: ignore[union-attr,no-any-return]  # it is concrete
    elif isinstance(x, Tracer) and type(y) not in _ROOM:
        return current_trace().bind(prim, (x, y), _NO_PARAMS)[0]  # type: ignore[arg-type]  # see apply
    return apply(prim, x, y)


def cast_scalars(name: str, operands: Sequence[ArrayLike]) -> list[Array]:
    """Python numbers among the operands take the dtype of the others, or their own if there are no others.

    Raises OperandError for a number that this dtype's kind has no place for: 0.5 next to integers.
    """
    for operand in operands:
        if type(operand) not in _ROOM:
            dtype = dtype_of(operand)
            break
    else:
        dtype = np.result_type(*(aval_of(operand).dtype for operand in operands))
    return [_as_dtype(name, operand, dtype) if type(operand) in _ROOM else operand for operand in operands]  # type: ignore[misc]  # see apply


def _as_dtype(name: str, number: ArrayLike, dtype: DType) -> Array:
    if dtype.kind not in _ROOM[type(number)]:
        raise OperandError(name, [repr(number), str(dtype)], f"a number that {dtype} has a place for")
    value: Array = dtype.type(number)
    return value


_ROOM: dict[type, str] = {int: "iufc", float: "fc", complex: "c"}
"""The kinds of dtypes that the Python numbers fit."""


def dtype_of(x: ArrayLike) -> DType:
    """The dtype of an operand."""
    return x.dtype if type(x) in CONCRETE else aval_of(x).dtype  # type: ignore[union-attr]  # it is concrete


def shape_of(x: ArrayLike) -> Shape:
    """The shape of an operand."""
    return x.shape if type(x) in CONCRETE else aval_of(x).shape  # type: ignore[union-attr]  # it is concrete


def unary(
    name: str,
    impl: Callable[..., Any],  # Any: a NumPy ufunc
    accepts: str,
    derivative: LocalRule | NotRule,
    result_dtype: ResultDtype = None,
    *,
    tangent: LocalRule | None = None,
    emit: Emit | None = None,
    needs: tuple[str, ...] | None = None,
) -> Elementwise:
    """An elementwise primitive of one operand; see `elementwise`."""
    rules = derivative if isinstance(derivative, LocallyConstant | NotDifferentiable) else (derivative,)
    tangents = None if tangent is None else (tangent,)
    return elementwise(name, impl, accepts, rules, result_dtype, tangents=tangents, emit=emit, needs=needs)


def to_bool(_dtype: DType, **_params: Any) -> DType:
    """The result dtype of comparisons and predicates."""
    return _BOOL


# ---- multilinear primitives ----


def multilinear(
    name: str,
    impl: Impl,
    abstract_eval: AbstractEval,
    batch: BatchRule,
    transposes: Sequence[LocalRule | None],
    *,
    lower: Lower | None = None,
) -> Primitive:
    """A primitive with one result, linear in each operand that has a transpose `(g, _out, *primals, **params) -> ct`.

    Its JVP is the sum of the primitive applied to each tangent in its operand's place.
    """

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        total = None
        for i, (transpose, tangent) in enumerate(zip(transposes, tangents, strict=True)):
            if transpose is not None and tangent is not None:
                (term,) = prim.bind(*primals[:i], tangent, *primals[i + 1 :], **params)
                total = term if total is None else add_any(total, term)
        return prim.bind(*primals, **params), (total,)

    prim = Primitive(name, impl, abstract_eval, by_argument(lambda: prim, *transposes), jvp, batch, lower=lower)
    return prim


# ---- the sum of two tangents ----

add_any_p = elementwise("add_any", np.add, INEXACT, (lambda g, *_: g, lambda g, *_: g))


def add_any(x: Array, y: Array) -> Array:
    """The sum of two tangents, or of two cotangents, of one shape and dtype: what accumulation uses."""
    return add_stacks(x, y) if x.dtype.kind == "V" else apply2(add_any_p, x, y)
