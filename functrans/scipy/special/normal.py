"""The normal distribution: error functions, ndtr, log_ndtr, ndtri. Imports functrans.numpy and ops; start reading at `ndtr`."""

from __future__ import annotations

from math import log, pi, sqrt

import functrans.numpy as fnp
from functrans.ops import special as ops
from functrans.scipy.special.operands import one_float
from functrans.transforms.custom import custom_jvp
from functrans.typing import Array, ArrayLike

__all__ = ["erf", "erfc", "erfcinv", "erfinv", "log_ndtr", "ndtr", "ndtri"]

_FAR = -5.0
"""From here to the left the logarithm of the tail is a series."""
_TERMS = 12


def erf(x: ArrayLike) -> Array:
    """The error function, 2/√π ∫₀ˣ e^(−t²) dt."""
    return ops.erf(one_float("erf", x))


def erfc(x: ArrayLike) -> Array:
    """1 − erf(x), exact where that is small."""
    return ops.erfc(one_float("erfc", x))


def erfinv(y: ArrayLike) -> Array:
    """The inverse of `erf` on [−1, 1]; NaN outside."""
    return ops.erf_inv(one_float("erfinv", y))


def erfcinv(y: ArrayLike) -> Array:
    """The inverse of `erfc` on [0, 2]; NaN outside."""
    y = one_float("erfcinv", y)
    return -ndtri(y / 2) / sqrt(2)


def ndtr(x: ArrayLike) -> Array:
    """The distribution function of the normal distribution."""
    x = one_float("ndtr", x)
    return ops.erfc(-x / x.dtype.type(sqrt(2))) / 2


@custom_jvp
def _log_ndtr(x: Array) -> Array:
    """log(1 − q) of the other tail q on the right; on the left of −5 −x²/2 − log(−x√2π) and an asymptotic series."""
    is_far, is_right = x < _FAR, x > 0
    near = fnp.where(is_far | is_right, 0, x)
    right = fnp.log1p(-ndtr(-fnp.where(is_right, x, 0)))
    far = fnp.where(is_far, x, _FAR)
    # Mills' ratio as a continued fraction from the back: exact to the last place beyond 5
    fraction = fnp.zeros_like(far)
    for k in range(26, 0, -1):
        fraction = k / (-far + fraction)
    tail = -far * far / 2 - log(2 * pi) / 2 - fnp.log(-far + fraction)
    return fnp.where(is_right, right, fnp.where(is_far, tail, fnp.log(ndtr(near))))


def _density_over_distribution(x: Array, value: Array) -> Array:
    return fnp.exp(-x * x / 2 - log(2 * pi) / 2 - value)


_log_ndtr.defjvps(lambda tangent, value, x: tangent * _density_over_distribution(x, value))


def log_ndtr(x: ArrayLike) -> Array:
    """The logarithm of `ndtr`, exact also where that is too small for the dtype."""
    return _log_ndtr(one_float("log_ndtr", x))


def _start(p: Array) -> Array:
    """A first value, for Newton's method: erf_inv in the middle, the tail's asymptote outside."""
    return sqrt(2) * ops.erf_inv(2 * p - 1)


@custom_jvp
def _ndtri(p: Array) -> Array:
    """The upper half is the lower one's mirror image: 1 − p is exact there."""
    is_upper = p > 0.5
    low = fnp.where(is_upper, 1 - p, p)
    is_inside = low > 0
    q = fnp.where(is_inside, low, 0.25)
    r = fnp.sqrt(-2 * fnp.log(q))
    x = fnp.where(
        q > 0.02, _start(fnp.maximum(q, 0.02)), -(r - (2.30753 + 0.27061 * r) / (1 + r * (0.99229 + r * 0.04481)))
    )
    for _ in range(3):  # of log_ndtr, which is nearly a parabola
        value = log_ndtr(x)
        slope = _density_over_distribution(x, value)
        x = x - (value - fnp.log(q)) / slope
    x = fnp.where(is_inside, x, fnp.where(low == 0, -fnp.inf, fnp.nan).astype(p.dtype))
    return fnp.where(is_upper, -x, x)


_ndtri.defjvps(lambda tangent, x, _p: tangent * fnp.exp(x * x / 2 + log(2 * pi) / 2))


def ndtri(y: ArrayLike) -> Array:
    """The inverse of `ndtr` on [0, 1]; NaN outside."""
    return _ndtri(one_float("ndtri", y))
