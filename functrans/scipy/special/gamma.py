"""The gamma function and its relatives: gammaln, gamma, poch, factorial, incomplete gamma functions, polygamma, zeta.

Imports functrans.numpy, ops and control; start reading at `gammaln`.
"""

from __future__ import annotations

from math import factorial as factorial_of
from math import log, pi

import numpy as np

import functrans.numpy as fnp
from functrans.errors import ParameterError
from functrans.ops import special as ops
from functrans.random.gamma_gradient import gamma_gradient, incomplete
from functrans.scipy.special.exponential import xlogy
from functrans.scipy.special.operands import floats, one_float
from functrans.transforms.custom import custom_jvp
from functrans.typing import Array, ArrayLike

__all__ = [
    "digamma", "factorial", "gamma", "gammainc", "gammaincc", "gammaln", "gammasgn", "multigammaln", "poch", "polygamma",
    "psi", "rgamma", "zeta",
]  # fmt: skip


def gammaln(x: ArrayLike) -> Array:
    """The logarithm of |Γ(x)|."""
    return ops.lgamma(one_float("gammaln", x))


def digamma(x: ArrayLike) -> Array:
    """The derivative of `gammaln`."""
    return ops.digamma(one_float("digamma", x))


psi = digamma


def polygamma(n: int, x: ArrayLike) -> Array:
    """The n-th derivative of `digamma`; `n` is a Python int."""
    return ops.polygamma(n, one_float("polygamma", x))


def gammasgn(x: ArrayLike) -> Array:
    """The sign of Γ(x); NaN at the poles −1, −2, …, and that of the zero at 0."""
    x = one_float("gammasgn", x)
    floor = fnp.floor(x)
    sign = fnp.where(fnp.mod(floor, 2) == 0, 1.0, -1.0)
    at_pole = fnp.where(x == 0, fnp.copysign(1.0, x), fnp.nan)
    negative = fnp.where(floor == x, at_pole, sign)
    return fnp.where(x > 0, 1.0, fnp.where(fnp.isnan(x), x, negative)).astype(x.dtype)


_EXACT = 23
"""Γ is a product of up to so many factors and Γ of a number in [1, 2), and not the exponential of a logarithm."""


@custom_jvp
def _gamma(x: Array) -> Array:
    wide = x.astype(np.float64)
    is_small = (fnp.abs(wide) < _EXACT) & (fnp.floor(wide) != wide) | ((wide >= 1) & (wide < _EXACT))
    y = fnp.where(is_small, wide, 1.5)
    product, rest = fnp.ones_like(y), y
    for _ in range(_EXACT):
        is_large, is_low = rest >= 2, rest < 1
        product = fnp.where(is_large, product * (rest - 1), fnp.where(is_low, product / rest, product))
        rest = fnp.where(is_large, rest - 1, fnp.where(is_low, rest + 1, rest))
    near = product * fnp.exp(ops.lgamma(rest))
    far = gammasgn(wide) * fnp.exp(ops.lgamma(wide))
    pole = fnp.where(wide == 0, fnp.copysign(fnp.inf, wide), fnp.nan)
    is_pole = (wide <= 0) & (fnp.floor(wide) == wide)
    out = fnp.where(is_pole, pole, fnp.where(is_small, near, far))
    return fnp.where(wide == -fnp.inf, fnp.nan, out).astype(x.dtype)


_gamma.defjvps(lambda tangent, value, x: tangent * value * ops.digamma(x))


def gamma(z: ArrayLike) -> Array:
    """Γ(z) of real numbers; NaN at the poles −1, −2, …"""
    return _gamma(one_float("gamma", z))


def rgamma(z: ArrayLike) -> Array:
    """1 / Γ(z), 0 at the poles."""
    z = one_float("rgamma", z)
    is_pole = (z <= 0) & (fnp.floor(z) == z)
    return fnp.where(is_pole, 0.0, 1 / _gamma(fnp.where(is_pole, 1.0, z))).astype(z.dtype)


def factorial(n: ArrayLike, exact: bool = False) -> Array:
    """n! = Γ(n + 1), 0 for negative n."""
    if exact:
        raise ParameterError("factorial", "exact=True", "exact=False: results are floats")
    n = one_float("factorial", n)
    return fnp.where(n < 0, 0.0, _gamma(fnp.where(n < 0, 0.0, n) + 1)).astype(n.dtype)


def poch(z: ArrayLike, m: ArrayLike) -> Array:
    """Pochhammer's symbol, Γ(z + m) / Γ(z)."""
    z, m = floats("poch", z, m)
    a, b = z.astype(np.float64), m.astype(np.float64)
    starts_at_pole, ends_at_pole = ((v <= 0) & (fnp.floor(v) == v) for v in (a, a + b))
    both, one = starts_at_pole & ends_at_pole, starts_at_pole | ends_at_pole
    from_one, to_one = fnp.where(both, 1 - a, 1), fnp.where(both, 1 - a - b, 1)  # Γ(1 − z) / Γ(1 − z − m), up to a sign
    mirrored = fnp.where(fnp.mod(b, 2) == 0, 1.0, -1.0) * fnp.exp(ops.lgamma(from_one) - ops.lgamma(to_one))
    x, y = fnp.where(one, 1, a), fnp.where(one, 1, b)
    out = gammasgn(x + y) * gammasgn(x) * fnp.exp(ops.lgamma(x + y) - ops.lgamma(x))
    rest = fnp.where(both, mirrored, fnp.where(starts_at_pole, 0.0, fnp.inf))
    return fnp.where(one, rest, out).astype(z.dtype)


def multigammaln(a: ArrayLike, d: int) -> Array:
    """The logarithm of the gamma function of d dimensions, for a > (d − 1) / 2."""
    a = one_float("multigammaln", a)
    shifted = a[..., None] - fnp.arange(d, dtype=np.float64).astype(a.dtype) / 2
    return fnp.sum(ops.lgamma(shifted), axis=-1) + d * (d - 1) / 4 * log(pi)


# ---- incomplete gamma functions ----


def _log_density(a: Array, x: Array) -> Array:
    """Of x: log(x^(a − 1) e⁻ˣ / Γ(a))."""
    out: Array = xlogy(a - 1, x) - x - ops.lgamma(a)
    return out


def _by_a(a: Array, x: Array) -> Array:
    """The derivative of P(a, x) by a, from how numbers of one probability move with it."""
    inside = (x > 0) & (a > 0) & fnp.isfinite(x)
    b, y = fnp.where(inside, a, 1), fnp.where(inside, x, 1)
    moved = gamma_gradient(fnp.ravel(b), fnp.ravel(y)).reshape(fnp.shape(b))
    return fnp.where(inside, -moved * fnp.exp(_log_density(b, y)), 0)


def _both(a: Array, x: Array) -> tuple[Array, Array]:
    """P(a, x) and 1 − P(a, x)."""
    inside = (x > 0) & (a > 0) & fnp.isfinite(x) & fnp.isfinite(a)
    b, y = (fnp.where(inside, v, 1).astype(np.float64) for v in (a, x))
    parts = incomplete(fnp.ravel(b), fnp.ravel(y))
    lower, upper = (part.reshape(fnp.shape(b)) for part in parts)
    wrong = (x < 0) | (a < 0) | fnp.isnan(a) | fnp.isnan(x) | ((a == 0) & (x == 0))
    edge = fnp.where((x == 0) | (fnp.isinf(a) & fnp.isfinite(x)), 0.0, 1.0)
    edge = fnp.where(wrong | (fnp.isinf(a) & fnp.isinf(x)), fnp.nan, edge)
    return tuple(fnp.where(inside, v, e).astype(x.dtype) for v, e in ((lower, edge), (upper, 1 - edge)))  # type: ignore[return-value]


@custom_jvp
def _gammainc(a: Array, x: Array) -> Array:
    return _both(a, x)[0]


@custom_jvp
def _gammaincc(a: Array, x: Array) -> Array:
    return _both(a, x)[1]


def _by_x(a: Array, x: Array) -> Array:
    return fnp.exp(_log_density(a, x))


_gammainc.defjvps(lambda t, _, a, x: t * _by_a(a, x), lambda t, _, a, x: t * _by_x(a, x))
_gammaincc.defjvps(lambda t, _, a, x: -t * _by_a(a, x), lambda t, _, a, x: -t * _by_x(a, x))


def gammainc(a: ArrayLike, x: ArrayLike) -> Array:
    """The regularised lower incomplete gamma function P(a, x), the distribution function of the gamma distribution.

    >>> import functrans as ft
    >>> round(float(ft.grad(gammainc, argnums=1)(1.0, 2.0)), 6)  # of 1 - exp(-x)
    0.135335
    """
    return _gammainc(*floats("gammainc", a, x))


def gammaincc(a: ArrayLike, x: ArrayLike) -> Array:
    """1 − `gammainc`, exact where that is small."""
    return _gammaincc(*floats("gammaincc", a, x))


# ---- zeta ----

_STEPS = 12
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def _zeta(x: Array, q: Array) -> Array:
    """The first terms, and the rest by Euler and Maclaurin's formula."""
    inside = (x > 1) & (q > 0)
    s, a = fnp.where(inside, x, 2), fnp.where(inside, q, 1)
    total = sum((fnp.power(a + k, -s) for k in range(1, _STEPS)), start=fnp.power(a, -s))
    n = a + _STEPS
    tail = fnp.power(n, -s)
    total = total + tail * n / (s - 1) + tail / 2
    factor = s / n
    for k, number in enumerate(_BERNOULLI, start=1):
        total = total + tail * factor * (number / factorial_of(2 * k))
        factor = factor * ((s + (2 * k - 1)) * (s + 2 * k) / (n * n))
    return fnp.where(inside, total, fnp.where((x == 1) & (q > 0), fnp.inf, fnp.nan).astype(x.dtype))


def zeta(x: ArrayLike, q: ArrayLike | None = None) -> Array:
    """Hurwitz' zeta function Σ (k + q)⁻ˣ over k ≥ 0, Riemann's for q = 1, of x > 1 and q > 0; NaN elsewhere."""
    return _zeta(*floats("zeta", x, 1.0 if q is None else q))
