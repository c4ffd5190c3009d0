"""Exponentials and logarithms that are exact where the obvious formula is not: expit, logsumexp, xlogy, entr.

Each has finite derivatives where the function has them. Imports functrans.numpy; start reading at `xlogy`.
"""

from __future__ import annotations

from typing import Any

import functrans.numpy as fnp
from functrans.core.primitive import aval_of
from functrans.lax import logistic, stop_gradient
from functrans.numpy.operands import Axes
from functrans.scipy.special.operands import floats, one_float
from functrans.transforms.custom import custom_jvp
from functrans.typing import Array, ArrayLike

__all__ = [
    "entr", "expit", "kl_div", "log_expit", "log_softmax", "logit", "logsumexp", "rel_entr", "softmax", "xlog1py", "xlogy",
]  # fmt: skip


def expit(x: ArrayLike) -> Array:
    """The logistic function, 1 / (1 + e⁻ˣ)."""
    return logistic(one_float("expit", x))


def log_expit(x: ArrayLike) -> Array:
    """The logarithm of `expit`, −log(1 + e⁻ˣ)."""
    x = one_float("log_expit", x)
    return -fnp.logaddexp(-x, fnp.zeros_like(x))


def logit(p: ArrayLike) -> Array:
    """The inverse of `expit`, log(p / (1 − p))."""
    p = one_float("logit", p)
    half = p.dtype.type(0.5)
    is_central = fnp.abs(p - half) < half / 2  # log(p) and log(1 - p) cancel there
    s = fnp.where(is_central, p - half, 0)
    near = 2 * fnp.arctanh(2 * s)
    far = fnp.where(is_central, half, p)
    return fnp.where(is_central, near, fnp.log(far) - fnp.log1p(-far))


def xlogy(x: ArrayLike, y: ArrayLike) -> Array:
    """x log y, and 0 where x is 0, unless y is NaN.

    >>> import functrans as ft
    >>> ft.grad(xlogy)(0.0, 2.0)
    np.float64(0.6931471805599453)
    """
    x, y = floats("xlogy", x, y)
    is_zero = (x == 0) & ~fnp.isnan(y)
    inside = fnp.where(is_zero & ((y <= 0) | fnp.isinf(y)), 1, y)
    return x * fnp.log(inside)


def xlog1py(x: ArrayLike, y: ArrayLike) -> Array:
    """x log(1 + y), and 0 where x is 0, unless y is NaN."""
    x, y = floats("xlog1py", x, y)
    is_zero = (x == 0) & ~fnp.isnan(y)
    inside = fnp.where(is_zero & ((y <= -1) | fnp.isinf(y)), 0, y)
    return x * fnp.log1p(inside)


@custom_jvp
def _entr(x: Array) -> Array:
    inside = fnp.where(x > 0, x, 1)
    return fnp.where(x > 0, -inside * fnp.log(inside), fnp.where(x == 0, 0, fnp.where(x < 0, -fnp.inf, x)))


_entr.defjvps(lambda tangent, _, x: -tangent * (fnp.log(x) + 1))


def entr(x: ArrayLike) -> Array:
    """−x log x; 0 at 0, −∞ below."""
    return _entr(one_float("entr", x))


@custom_jvp
def _rel_entr(x: Array, y: Array) -> Array:
    both = (x > 0) & (y > 0)
    u, v = fnp.where(both, x, 1), fnp.where(both, y, 1)
    rest = fnp.where((x == 0) & (y >= 0), 0, fnp.where(fnp.isnan(x) | fnp.isnan(y), fnp.nan, fnp.inf))
    ratio = u / v
    near = (ratio > 0.5) & (ratio < 2)  # the logarithm of the ratio is the exact one there
    log_ratio = fnp.where(near, fnp.log1p((u - v) / v), fnp.log(u) - fnp.log(v))
    return fnp.where(both, u * log_ratio, rest.astype(x.dtype))


_rel_entr.defjvps(
    lambda tangent, _, x, y: tangent * (fnp.log(x) - fnp.log(y) + 1), lambda tangent, _, x, y: -tangent * x / y
)


def rel_entr(x: ArrayLike, y: ArrayLike) -> Array:
    """x log(x / y); 0 where x is 0 and y is not negative, ∞ where one is out of range."""
    x, y = floats("rel_entr", x, y)
    return _rel_entr(x, y)


def kl_div(x: ArrayLike, y: ArrayLike) -> Array:
    """x log(x / y) − x + y; y where x is 0, ∞ where one is out of range."""
    x, y = floats("kl_div", x, y)
    return rel_entr(x, y) - x + y


# ---- over axes ----


def logsumexp(
    a: ArrayLike, axis: Axes = None, b: ArrayLike | None = None, keepdims: bool = False, return_sign: bool = False
) -> Any:  # an array, or two with return_sign
    """log Σ b eᵃ over axes; with `return_sign` the logarithm of the sum's absolute value, and its sign."""
    x = one_float("logsumexp", a)
    weight = None
    if b is not None:
        x, weight = floats("logsumexp", x, b)
        x = fnp.where(weight == 0, -fnp.inf, x)
    most = fnp.max(x, axis=axis, keepdims=True, initial=-fnp.inf)
    shift = stop_gradient(fnp.where(fnp.isfinite(most), most, 0))
    terms = fnp.exp(x - shift)
    total = fnp.sum(terms if weight is None else weight * terms, axis=axis, keepdims=True)
    sign = fnp.sign(total)
    size = fnp.abs(total) if return_sign else total
    out = fnp.log(fnp.where(size == 0, 1, size)) + shift
    out = fnp.where(size == 0, -fnp.inf, out)
    if not keepdims:
        axes = tuple(range(aval_of(x).ndim)) if axis is None else axis
        out, sign = fnp.squeeze(out, axes), fnp.squeeze(sign, axes)
    return (out, sign) if return_sign else out


def softmax(x: ArrayLike, axis: Axes = None) -> Array:
    """eˣ over its sum along axes, all of them for None."""
    return fnp.exp(log_softmax(x, axis))


def log_softmax(x: ArrayLike, axis: Axes = None) -> Array:
    """The logarithm of `softmax`."""
    x = one_float("log_softmax", x)
    shifted: Array = x - stop_gradient(fnp.max(x, axis=axis, keepdims=True))
    out: Array = shifted - fnp.log(fnp.sum(fnp.exp(shifted), axis=axis, keepdims=True))
    return out
