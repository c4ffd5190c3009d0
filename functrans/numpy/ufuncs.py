"""NumPy's ufuncs: which operation of functrans.ops computes each, after promotion and broadcasting.

The public names *are* NumPy's ufuncs, so that with plain arrays nothing is added to their cost; a tracer among the
arguments brings the call to `array_ufunc`, by NumPy's own protocol. Start reading at `call`. Imports ops, `promotion`
and `dispatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS, ShapedArray
from functrans.core.primitive import Tracer, aval_of, is_concrete
from functrans.errors import OutArgumentError, UnsupportedArgumentError, UnsupportedFunctionError
from functrans.numpy.dispatch import NumpyFunction, name_of, traced, where
from functrans.numpy.promotion import Operand, as_operand, astype, broadcast_shape, broadcast_to_shape, promoted
from functrans.numpy.rewrite import replacing
from functrans.numpy.versions import copied, replace, store
from functrans.ops import arithmetic, bitwise, comparison, exponential, extrema, floats, rounding, trigonometric
from functrans.ops import complex as complex_
from functrans.ops import power as powers
from functrans.ops.cumulative import cummax, cummin
from functrans.ops.indexing import index_update
from functrans.ops.shape import reshape
from functrans.typing import Array, ArrayLike, DTypeLike

__all__ = ["RULES", "BinaryUfunc", "PairUfunc", "TwoPartUfunc", "UnaryUfunc", "array_ufunc", "call"]

Outs: TypeAlias = "Array | tuple[Array, Array]"
Kwargs: TypeAlias = Mapping[str, Any]  # Any: keyword arguments of every ufunc method


class UnaryUfunc(Protocol):
    """A ufunc of one array."""

    def __call__(self, x: ArrayLike, /, *, dtype: DTypeLike | None = None) -> Array: ...


class BinaryUfunc(Protocol):
    """A ufunc of two arrays. Tracers have `reduce` and `accumulate` where NumPy has a function that means the same."""

    def __call__(self, x1: ArrayLike, x2: ArrayLike, /, *, dtype: DTypeLike | None = None) -> Array: ...

    def reduce(
        self,
        array: ArrayLike,
        /,
        axis: int | Sequence[int] | None = 0,
        dtype: DTypeLike | None = None,
        *,
        keepdims: bool = False,
    ) -> Array: ...

    def accumulate(self, array: ArrayLike, /, axis: int = 0, dtype: DTypeLike | None = None) -> Array: ...

    def outer(self, A: ArrayLike, B: ArrayLike, /) -> Array: ...


class TwoPartUfunc(Protocol):
    """A ufunc of one array with two results."""

    def __call__(self, x: ArrayLike, /) -> tuple[Array, Array]: ...


class PairUfunc(Protocol):
    """A ufunc of two arrays with two results."""

    def __call__(self, x1: ArrayLike, x2: ArrayLike, /) -> tuple[Array, Array]: ...


RULES: dict[np.ufunc, Callable[..., Outs]] = {}
"""Ufunc -> the operation on promoted operands."""


# ---- calling a ufunc with tracers among its operands ----

_COMPARISONS = frozenset({np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal})


def call(ufunc: np.ufunc, inputs: Sequence[object], dtype: DTypeLike | None = None, name: str = "") -> Any:  # Any: Outs
    """The ufunc of operands with tracers among them: promoted, broadcast, computed by its rule.

    name: how the user wrote it (an operator, say), for messages. Raises UnsupportedFunctionError, BroadcastError, and
    what NumPy raises for operands that it has no loop for.
    """
    rule = RULES.get(ufunc)
    if rule is None:
        return traced(ufunc, inputs, {} if dtype is None else {"dtype": dtype})
    operands: Sequence[Array] = [as_operand(x, name or ufunc.__name__) for x in inputs]
    to = None if dtype is None else np.dtype(dtype)
    if ufunc not in _COMPARISONS:
        fitting = promoted(ufunc, operands, to, name)
        if dtype is None:
            _remember(ufunc, rule, inputs, fitting)
        return rule(*fitting)
    operands = _exact(operands)
    try:
        return rule(*promoted(ufunc, operands, to, name))
    except OverflowError:
        if any(aval_of(x).dtype.kind not in "iu" for x in operands):
            raise
        return _constant_comparison(ufunc, operands, name)


READY: dict[tuple[object, ...], Callable[..., Outs]] = {}
"""(ufunc, the `kind` of each operand) -> the rule, where such operands need no conversion but of a Python number.

Also (function, the `kind` of its only argument) -> what computes it.
"""

_READY_SIZE = 4096


def kind(x: object) -> object:
    """An operand as part of a key: the aval of a tracer, shape and dtype of an array, the type of anything else."""
    if isinstance(x, Tracer):
        return x.aval
    return (x.shape, x.dtype) if type(x) is np.ndarray else type(x)


def _remember(ufunc: np.ufunc, rule: Callable[..., Outs], inputs: Sequence[object], fitting: Sequence[Operand]) -> None:
    """Let the next operands of these types go straight to the rule, if promotion changed no more than Python numbers."""
    numbers = [type(x) in PYTHON_SCALARS for x in inputs]
    if any(x is not fit and not number for x, fit, number in zip(inputs, fitting, numbers, strict=True)):
        return
    avals = [aval_of(x) for x in fitting]
    if any(aval.weak or (number and aval.dtype.kind == "b") for aval, number in zip(avals, numbers, strict=True)):
        return  # traced Python numbers stay so under operators; what bool makes of an int is for `astype` to say
    make_ready(_converting(rule, numbers, avals) if True in numbers else rule, ufunc, *map(kind, inputs))


def make_ready(rule: Callable[..., Outs], function: NumpyFunction, *kinds: object) -> None:
    """Let the next operands of these kinds go straight to the rule."""
    if len(READY) < _READY_SIZE:
        READY[function, *kinds] = rule


def _converting(
    rule: Callable[..., Outs], numbers: Sequence[bool], avals: Sequence[ShapedArray]
) -> Callable[..., Outs]:
    first, second = (aval.dtype.type for aval in avals)
    return (lambda x, y: rule(first(x), y)) if numbers[0] else (lambda x, y: rule(x, second(y)))


def _exact(operands: Sequence[Array]) -> Sequence[Array]:
    """A traced Python int that is compared with integers is compared as the int64 that it is, not in their dtype."""
    avals = [aval_of(x) for x in operands]
    if not any(aval.weak for aval in avals) or any(aval.dtype.kind not in "iu" for aval in avals):
        return operands
    return [x if is_concrete(x) else astype(x, aval.dtype) for x, aval in zip(operands, avals, strict=True)]


def _constant_comparison(ufunc: np.ufunc, operands: Sequence[Array], name: str) -> Array:
    """Integers compared with a Python int beyond their range: the same everywhere."""
    samples = [x if type(x) is int else aval_of(x).dtype.type(0) for x in cast("Sequence[object]", operands)]
    return np.full(broadcast_shape(name or ufunc.__name__, operands), ufunc(*samples))[()]


# ---- the __array_ufunc__ protocol ----

_REDUCTIONS: dict[np.ufunc, NumpyFunction] = {
    np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min,
    np.logical_and: np.all, np.logical_or: np.any,
}  # fmt: skip
_ACCUMULATIONS: dict[np.ufunc, NumpyFunction] = {np.add: np.cumsum, np.multiply: np.cumprod}
_EXTREMES: dict[np.ufunc, Callable[[Array, int], Array]] = {np.maximum: cummax, np.minimum: cummin}
_DEFAULTS: Kwargs = {"where": True, "casting": "same_kind", "order": "K", "subok": True, "out": None, "dtype": None}


def array_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[object], kwargs: Kwargs) -> Any:  # Any: Outs
    """What a tracer's `__array_ufunc__` does: `ufunc(*inputs)` or one of its methods."""
    to = kwargs.get("out", ())
    if any(out is not None for out in to):
        return _stored(ufunc, method, inputs, kwargs, to)
    match method:
        case "__call__" if ufunc in RULES:
            return call(ufunc, inputs, _only(ufunc, kwargs, "dtype").get("dtype"))
        case "__call__":
            return traced(ufunc, inputs, {name: value for name, value in kwargs.items() if name != "out"})
        case "reduce":
            return _reduce(ufunc, inputs, kwargs)
        case "accumulate":
            return _accumulate(ufunc, inputs[0], **_only(ufunc.accumulate, kwargs, "axis", "dtype"))
        case "outer":
            return _outer(ufunc, inputs, _only(ufunc.outer, kwargs, "dtype").get("dtype"))
        case "at":
            return _at(ufunc, *cast(Any, inputs))
    raise UnsupportedFunctionError(f"{name_of(ufunc)}.{method}", where())


def _stored(ufunc: np.ufunc, method: str, inputs: Sequence[object], kwargs: Kwargs, to: Sequence[object]) -> Any:
    """The result written into what was given as `out=`, where `where=` says so; Any: as for array_ufunc."""
    if not all(out is None or isinstance(out, Tracer) for out in to):
        raise OutArgumentError(name_of(ufunc), where(), replacing())
    mask = kwargs.get("where", True)
    rest = {
        name: value for name, value in kwargs.items() if name != "out" and (name != "where" or method != "__call__")
    }
    if all(is_concrete(x) for x in inputs) and is_concrete(mask):
        result = getattr(ufunc, method)(*inputs, **rest)
    else:
        result = array_ufunc(ufunc, method, inputs, rest)
    results = result if isinstance(result, tuple) else (result,)
    fitting = []
    for out, one in zip(to, results, strict=True):
        if isinstance(out, Tracer) and method == "__call__":
            one = broadcast_to_shape(one, np.broadcast_shapes(aval_of(one).shape, out.aval.shape))
            one = one if mask is True else traced(np.where, (mask, one, out), {})
        fitting.append(one)
    return store(
        tuple(to), tuple(fitting) if isinstance(result, tuple) else fitting[0], f"{name_of(ufunc)}(..., out=...)"
    )


def _at(ufunc: np.ufunc, a: object, indices: Any, values: ArrayLike | None = None) -> None:  # Any: see ops.indexing
    """`ufunc.at(a, indices, values)`: a[indices] changed in place, as often as each is addressed."""
    how = _SCATTERS.get(ufunc)
    if not isinstance(a, Tracer):
        method = {"minimum": "min", "maximum": "max"}.get(ufunc.__name__, ufunc.__name__)
        fix = "" if how is None else f"x = functrans.numpy.at(x)[indices].{method}(values)"
        raise OutArgumentError(f"{name_of(ufunc)}.at", where(), fix)
    if how is None or values is None:
        raise UnsupportedFunctionError(f"{name_of(ufunc)}.at", where())
    values = np.negative(values) if ufunc is np.subtract else values
    replace(a, index_update(cast(Array, a), indices, values, how), f"{name_of(ufunc)}.at()")


_SCATTERS: dict[np.ufunc, str] = {
    np.add: "add", np.subtract: "add", np.multiply: "multiply", np.minimum: "min", np.maximum: "max",
}  # fmt: skip


def _only(function: Callable[..., Any], kwargs: Kwargs, *takes: str) -> dict[str, Any]:
    """These keywords; raises UnsupportedArgumentError for another that has not its default value."""
    for name, value in kwargs.items():
        if name not in takes and not _is_default(name, value):
            raise UnsupportedArgumentError(name_of(function), name, takes, where())
    return {name: kwargs[name] for name in takes if name in kwargs}


def _is_default(name: str, value: object) -> bool:
    if name == "out":  # array_ufunc has checked it
        return True
    if name not in _DEFAULTS:
        return False
    return value is _DEFAULTS[name] or (isinstance(value, str) and value == _DEFAULTS[name])


def _reduce(ufunc: np.ufunc, inputs: Sequence[object], kwargs: Kwargs) -> Array:
    function = _REDUCTIONS.get(ufunc)
    if function is None:
        raise UnsupportedFunctionError(f"{name_of(ufunc)}.reduce", where())
    given = {name: value for name, value in kwargs.items() if name not in ("out", "dtype") or value is not None}
    return cast(Array, traced(function, inputs, {"axis": 0, **given}))


def _accumulate(ufunc: np.ufunc, array: object, axis: int = 0, dtype: DTypeLike | None = None) -> Array:
    x = as_operand(array, ufunc.__name__)
    if not aval_of(x).shape:
        raise TypeError("cannot accumulate on a scalar")
    if ufunc in _ACCUMULATIONS:
        return cast(Array, traced(_ACCUMULATIONS[ufunc], (x,), {"axis": axis, "dtype": dtype}))
    if ufunc in _EXTREMES:
        (axis,) = np.lib.array_utils.normalize_axis_tuple(axis, aval_of(x).ndim)
        return _EXTREMES[ufunc](x if dtype is None else astype(x, dtype), axis)
    raise UnsupportedFunctionError(f"{name_of(ufunc)}.accumulate", where())


def _outer(ufunc: np.ufunc, inputs: Sequence[object], dtype: DTypeLike | None) -> Any:  # Any: Outs
    a, b = (as_operand(x, ufunc.__name__) for x in inputs)
    columns = aval_of(b).ndim
    if columns:
        a = astype(a, aval_of(a).dtype) if aval_of(a).weak else a
        a = reshape(a, aval_of(a).shape + (1,) * columns)
    return call(ufunc, (a, b), dtype)


# ---- the table ----


def _unary(ufunc: np.ufunc, rule: Callable[..., Array]) -> UnaryUfunc:
    RULES[ufunc] = rule
    return cast(UnaryUfunc, ufunc)


def _binary(ufunc: np.ufunc, rule: Callable[..., Array]) -> BinaryUfunc:
    RULES[ufunc] = rule
    return cast(BinaryUfunc, ufunc)


def _two_part(ufunc: np.ufunc, rule: Callable[..., tuple[Array, Array]]) -> TwoPartUfunc:
    RULES[ufunc] = rule
    return cast(TwoPartUfunc, ufunc)


def _pair(ufunc: np.ufunc, rule: Callable[..., tuple[Array, Array]]) -> PairUfunc:
    RULES[ufunc] = rule
    return cast(PairUfunc, ufunc)


def _same(x: Array) -> Array:
    return copied(astype(x, aval_of(x).dtype))


def _conjugate(x: Array) -> Array:
    return complex_.conj(x) if aval_of(x).dtype.kind == "c" else _same(x)


# arithmetic
add = _binary(np.add, arithmetic.add)
subtract = _binary(np.subtract, arithmetic.sub)
multiply = _binary(np.multiply, arithmetic.mul)
divide = true_divide = _binary(np.divide, arithmetic.div)
floor_divide = _binary(np.floor_divide, arithmetic.floor_divide)
remainder = mod = _binary(np.remainder, arithmetic.remainder)
fmod = _binary(np.fmod, arithmetic.rem)
divmod = _pair(np.divmod, arithmetic.divmod)
gcd = _binary(np.gcd, arithmetic.gcd)
lcm = _binary(np.lcm, arithmetic.lcm)
negative = _unary(np.negative, arithmetic.neg)
positive = _unary(np.positive, _same)
square = _unary(np.square, arithmetic.square)
reciprocal = _unary(np.reciprocal, arithmetic.reciprocal)
absolute = abs = _unary(np.absolute, complex_.abs)
fabs = _unary(np.fabs, complex_.abs)
sign = _unary(np.sign, complex_.sign)
conjugate = conj = _unary(np.conjugate, _conjugate)
# roots and powers
sqrt = _unary(np.sqrt, powers.sqrt)
cbrt = _unary(np.cbrt, powers.cbrt)
hypot = _binary(np.hypot, powers.hypot)
power = pow = _binary(np.power, powers.pow)
float_power = _binary(np.float_power, powers.pow)
# exponentials and logarithms
exp = _unary(np.exp, exponential.exp)
exp2 = _unary(np.exp2, exponential.exp2)
expm1 = _unary(np.expm1, exponential.expm1)
log = _unary(np.log, exponential.log)
log2 = _unary(np.log2, exponential.log2)
log10 = _unary(np.log10, exponential.log10)
log1p = _unary(np.log1p, exponential.log1p)
logaddexp = _binary(np.logaddexp, exponential.logaddexp)
logaddexp2 = _binary(np.logaddexp2, exponential.logaddexp2)
# trigonometry
sin = _unary(np.sin, trigonometric.sin)
cos = _unary(np.cos, trigonometric.cos)
tan = _unary(np.tan, trigonometric.tan)
arcsin = asin = _unary(np.arcsin, trigonometric.asin)
arccos = acos = _unary(np.arccos, trigonometric.acos)
arctan = atan = _unary(np.arctan, trigonometric.atan)
arctan2 = atan2 = _binary(np.arctan2, trigonometric.atan2)
sinh = _unary(np.sinh, trigonometric.sinh)
cosh = _unary(np.cosh, trigonometric.cosh)
tanh = _unary(np.tanh, trigonometric.tanh)
arcsinh = asinh = _unary(np.arcsinh, trigonometric.asinh)
arccosh = acosh = _unary(np.arccosh, trigonometric.acosh)
arctanh = atanh = _unary(np.arctanh, trigonometric.atanh)
deg2rad = _unary(np.deg2rad, trigonometric.deg2rad)
rad2deg = _unary(np.rad2deg, trigonometric.rad2deg)
degrees = _unary(np.degrees, trigonometric.rad2deg)
radians = _unary(np.radians, trigonometric.deg2rad)
# rounding and extremes
floor = _unary(np.floor, rounding.floor)
ceil = _unary(np.ceil, rounding.ceil)
trunc = _unary(np.trunc, rounding.trunc)
rint = _unary(np.rint, rounding.rint)
maximum = _binary(np.maximum, extrema.max)
minimum = _binary(np.minimum, extrema.min)
fmax = _binary(np.fmax, extrema.fmax)
fmin = _binary(np.fmin, extrema.fmin)
# comparisons and predicates
equal = _binary(np.equal, comparison.eq)
not_equal = _binary(np.not_equal, comparison.ne)
less = _binary(np.less, comparison.lt)
less_equal = _binary(np.less_equal, comparison.le)
greater = _binary(np.greater, comparison.gt)
greater_equal = _binary(np.greater_equal, comparison.ge)
isfinite = _unary(np.isfinite, comparison.is_finite)
isinf = _unary(np.isinf, comparison.is_inf)
isnan = _unary(np.isnan, comparison.is_nan)
signbit = _unary(np.signbit, comparison.signbit)
# truth values and bits
logical_and = _binary(np.logical_and, bitwise.logical_and)
logical_or = _binary(np.logical_or, bitwise.logical_or)
logical_xor = _binary(np.logical_xor, bitwise.logical_xor)
logical_not = _unary(np.logical_not, bitwise.logical_not)
bitwise_and = _binary(np.bitwise_and, bitwise.bitwise_and)
bitwise_or = _binary(np.bitwise_or, bitwise.bitwise_or)
bitwise_xor = _binary(np.bitwise_xor, bitwise.bitwise_xor)
invert = bitwise_not = bitwise_invert = _unary(np.invert, bitwise.bitwise_not)
left_shift = bitwise_left_shift = _binary(np.left_shift, bitwise.shift_left)
right_shift = bitwise_right_shift = _binary(np.right_shift, bitwise.shift_right_arithmetic)
bitwise_count = _unary(np.bitwise_count, bitwise.bitwise_count)
# the make-up of floating-point numbers
copysign = _binary(np.copysign, floats.copysign)
heaviside = _binary(np.heaviside, floats.heaviside)
nextafter = _binary(np.nextafter, floats.nextafter)
spacing = _unary(np.spacing, floats.spacing)
ldexp = _binary(np.ldexp, floats.ldexp)
frexp = _two_part(np.frexp, floats.frexp)
modf = _two_part(np.modf, floats.modf)
