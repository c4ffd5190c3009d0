"""Elementwise functions of NumPy that are not ufuncs, comparisons of arrays, and questions about dtypes.

real, imag, angle, round, nan_to_num, sinc, isclose, array_equal, interp, …. Imports ops, the promotion rules and the other
files of functrans.numpy; start reading at `real`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.errors import OperandError, ParameterError, ValueDependentShapeError
from functrans.numpy.dispatch import implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.operands import FLOAT64, shape_of, strong
from functrans.numpy.promotion import as_operand, astype
from functrans.numpy.reductions import all
from functrans.numpy.searching import position
from functrans.numpy.selection import take, where
from functrans.numpy.shapes import along
from functrans.ops import complex as lax
from functrans.typing import Array, ArrayLike, DType, DTypeLike

# ---- complex numbers ----


@implements(np.real)
def real(val: ArrayLike) -> Array:
    """The real part."""
    x = strong(val, "real")
    return lax.real(x) if aval_of(x).dtype.kind == "c" else x


@implements(np.imag)
def imag(val: ArrayLike) -> Array:
    """The imaginary part; zeros for what is real."""
    x = strong(val, "imag")
    return lax.imag(x) if aval_of(x).dtype.kind == "c" else np.zeros(shape_of(x), aval_of(x).dtype)[()]


@implements(np.angle)
def angle(z: ArrayLike, deg: bool = False) -> Array:
    """The argument of a complex number, in radians or degrees."""
    x = strong(z, "angle")
    out: Array = np.arctan2(imag(x) if iscomplexobj(x) else 0, real(x))
    return out * (180 / np.pi) if deg else out


@implements(np.isreal)
def isreal(x: ArrayLike) -> Array:
    """Whether the imaginary part is zero, elementwise."""
    out: Array = imag(x) == 0
    return out


@implements(np.iscomplex)
def iscomplex(x: ArrayLike) -> Array:
    """Whether the imaginary part is not zero, elementwise."""
    out: Array = imag(x) != 0
    return out


@implements(np.real_if_close)
def real_if_close(a: ArrayLike, tol: float = 100) -> Array:
    """What is real itself; for complex numbers the dtype of the result would depend on values."""
    x = strong(a, "real_if_close")
    if aval_of(x).dtype.kind == "c":
        raise ValueDependentShapeError("real_if_close", "a", "Write np.real(a).", user_line())
    return x


# ---- questions about dtypes ----


@implements(np.iscomplexobj)
def iscomplexobj(x: ArrayLike) -> bool:
    """Whether the dtype is complex."""
    return aval_of(as_operand(x, "iscomplexobj")).dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(x: ArrayLike) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> DType:  # Any: arrays, dtypes and names of dtypes
    """The dtype that NumPy's promotion gives for arrays, numbers and dtypes."""
    return np.result_type(*(_dtype_key(item) if isinstance(item, Tracer) else item for item in arrays_and_dtypes))


@implements(np.can_cast)
def can_cast(
    from_: Any, to: DTypeLike, /, casting: Any = "safe"
) -> bool:  # Any: an array or a dtype; a Literal of NumPy's
    """Whether an array, or what has a dtype, can be converted by the rule."""
    return np.can_cast(_dtype_key(from_) if isinstance(from_, Tracer) else from_, to, casting)


def _dtype_key(x: Tracer) -> Any:  # Any: a dtype or a Python number
    aval = x.aval
    return {"i": 0, "f": 0.0, "c": 0j}[aval.dtype.kind] if aval.weak else aval.dtype


@implements(np.common_type)
def common_type(*arrays: ArrayLike) -> type[np.inexact[Any]]:  # Any: any precision
    """The floating or complex type that all arrays fit in; integers count as float64."""
    return np.common_type(*(np.empty(0, aval_of(strong(x, "common_type")).dtype) for x in arrays))


# ---- rounding ----


@implements(np.round, np.around)
def round(a: ArrayLike, decimals: int = 0) -> Array:
    """To a number of decimals, halves to even; the derivative is zero."""
    x = strong(a, "round")
    kind = aval_of(x).dtype.kind
    if kind == "c":
        return lax.complex(round(real(x), decimals), round(imag(x), decimals))
    if kind in "iu" and decimals >= 0:
        return x
    if kind == "b" or decimals == 0:
        return np.rint(x)
    factor = 10.0 ** abs(decimals)
    scaled = np.rint(x * factor) / factor if decimals > 0 else np.rint(x / factor) * factor
    return astype(scaled, aval_of(x).dtype)


around = round


@implements(np.fix)
def fix(x: ArrayLike) -> Array:
    """Without the fraction; the derivative is zero."""
    return np.trunc(strong(x, "fix"))


# ---- special values ----


@implements(np.nan_to_num)
def nan_to_num(
    x: ArrayLike,
    *,
    nan: ArrayLike = 0.0,
    posinf: ArrayLike | None = None,
    neginf: ArrayLike | None = None,
) -> Array:
    """With numbers for NaN and the infinities (unless given the largest of the dtype); their derivative is zero."""
    v = strong(x, "nan_to_num")
    dtype = aval_of(v).dtype
    if dtype.kind == "c":
        parts = (nan_to_num(part, nan=nan, posinf=posinf, neginf=neginf) for part in (real(v), imag(v)))
        return lax.complex(*parts)
    if dtype.kind != "f":
        return v
    bounds = np.finfo(dtype)
    out = where(np.isnan(v), astype(as_operand(nan, "nan_to_num"), dtype), v)
    for is_it, value in (
        (v == np.inf, bounds.max if posinf is None else posinf),
        (v == -np.inf, bounds.min if neginf is None else neginf),
    ):
        out = where(is_it, astype(as_operand(value, "nan_to_num"), dtype), out)
    return out


def _ordered(x: ArrayLike, name: str) -> Array:
    v = strong(x, name)
    if aval_of(v).dtype.kind == "c":
        raise OperandError(name, [str(aval_of(v))], "real numbers: a complex infinity has no sign")
    return v


@implements(np.isposinf)
def isposinf(x: ArrayLike) -> Array:
    """Whether it is +inf, elementwise."""
    return np.equal(_ordered(x, "isposinf"), np.inf)


@implements(np.isneginf)
def isneginf(x: ArrayLike) -> Array:
    """Whether it is -inf, elementwise."""
    return np.equal(_ordered(x, "isneginf"), -np.inf)


@implements(np.sinc)
def sinc(x: ArrayLike) -> Array:
    """sin(πx)/(πx), 1 at 0, where all derivatives are exact."""
    v = strong(x, "sinc")
    v = astype(v, FLOAT64) if aval_of(v).dtype.kind in "biu" else v
    angle = np.pi * where(v == 0, 1, v)
    # Near 0 the series, for its derivatives: sin(y)/y = 1 - y²/6 + …; at 0 itself only its value and curvature matter.
    return where(v == 0, 1 - (np.pi * v) ** 2 / 6, np.sin(angle) / angle)


# ---- comparisons of arrays ----


@implements(np.isclose)
def isclose(
    a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08, equal_nan: bool = False
) -> Array:
    """Whether |a - b| <= atol + rtol·|b|, elementwise; infinities are close to themselves."""
    x, y = as_operand(a, "isclose"), strong(b, "isclose")
    y = y if aval_of(y).dtype.kind in "fc" else astype(y, FLOAT64)
    relative, absolute = as_operand(rtol, "isclose"), as_operand(atol, "isclose")
    close: Array = np.less_equal(np.abs(x - y), absolute + relative * np.abs(y)) & np.isfinite(y) | np.equal(x, y)
    return close | (np.isnan(x) & np.isnan(y)) if equal_nan else close


@implements(np.allclose)
def allclose(
    a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08, equal_nan: bool = False
) -> Array:
    """Whether all elements are close; a traced bool."""
    return all(isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> Array | bool:
    """Whether the shapes are equal and all elements too; a traced bool where the shapes are."""
    x, y = strong(a1, "array_equal"), strong(a2, "array_equal")
    if shape_of(x) != shape_of(y):
        return False
    same = np.equal(x, y)
    return all(same | (np.isnan(x) & np.isnan(y)) if equal_nan else same)


@implements(np.array_equiv)
def array_equiv(a1: ArrayLike, a2: ArrayLike) -> Array | bool:
    """Whether the arrays broadcast together and all elements are equal then."""
    x, y = strong(a1, "array_equiv"), strong(a2, "array_equiv")
    try:
        np.broadcast_shapes(shape_of(x), shape_of(y))
    except ValueError:
        return False
    return all(np.equal(x, y))


# ---- interpolation ----


def _within_period(at: Array, points: Array, values: Array, period: float) -> tuple[Array, Array, Array]:
    """All in one period, sorted, with the last point once more in front and the first one behind."""
    if period == 0:
        raise ValueError("period must be a non-zero value")
    period = abs(period)
    at, points = at % period, points % period
    order = np.argsort(points)
    points, values = take(points, order), take(values, order)
    points = np.concatenate([points[-1:] - period, points, points[:1] + period])
    return at, points, np.concatenate([values[-1:], values, values[:1]])


@implements(np.interp)
def interp(
    x: ArrayLike,
    xp: ArrayLike,
    fp: ArrayLike,
    left: ArrayLike | None = None,
    right: ArrayLike | None = None,
    period: float | None = None,
) -> Array:
    """Piecewise linear interpolation of the points (xp, fp), xp increasing, at `x`; `left` and `right` outside.

    With a period there is no outside, and xp may have any order.
    """
    at, points, values = (strong(v, "interp") for v in (x, xp, fp))
    if aval_of(points).ndim != 1 or shape_of(points) != shape_of(values) or not aval_of(points).size:
        raise ParameterError(
            "interp", f"xp and fp of types {aval_of(points)} and {aval_of(values)}", "two vectors of one length"
        )
    at, points = (astype(v, FLOAT64) for v in (at, points))
    values = astype(values, np.result_type(aval_of(values).dtype, FLOAT64))
    if period is not None:
        at, points, values = _within_period(at, points, values, period)
        left = right = None
    count = shape_of(points)[0]
    first = take(values, 0)
    if count == 1:
        inside = at * 0 + first
    else:
        above = position(along(points, 0, 1, count - 1), at, "right")  # the number of the interval
        x0, x1, y0, y1 = take(points, above), take(points, above + 1), take(values, above), take(values, above + 1)
        inside = y0 + (at - x0) * ((y1 - y0) / (x1 - x0))
    inside = where(at < take(points, 0), first if left is None else left, inside)
    return where(at > take(points, -1), take(values, -1) if right is None else right, inside)
