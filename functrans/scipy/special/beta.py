"""Beta functions and binomial coefficients. Imports functrans.numpy, control and `gamma`; start reading at `betaln`."""

from __future__ import annotations

import numpy as np

import functrans.numpy as fnp
from functrans.control.loop import while_loop
from functrans.ops import special as ops
from functrans.scipy.special.gamma import gammasgn
from functrans.scipy.special.operands import floats
from functrans.transforms.vmap import vmap
from functrans.typing import Array, ArrayLike

__all__ = ["beta", "betainc", "betaln", "binom"]

_LARGE = 10.0
"""From here on differences of logarithms of Γ are taken by Stirling's series, without cancellation."""
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_FACTORS = 20
"""Binomial coefficients of fewer are products."""
_SMALL = float(np.finfo(np.float64).eps) / 4
_TINY = 1e-300
_STILL = 6
"""So many turns after the last one that changed the value: its derivatives take a little longer."""
_MOST_TURNS = 10_000


def _correction(x: Array) -> Array:
    """log Γ(x) − ((x − ½) log x − x + ½ log 2π), of large x."""
    y, total = 1 / (x * x), x * 0
    for coefficient in reversed(_STIRLING):
        total = total * y + coefficient
    return total / x


def _log_quotient(a: Array, b: Array) -> Array:
    """log Γ(b) − log Γ(a + b), of large b."""
    shift = fnp.log1p(a / b)
    out: Array = a * (1 - fnp.log(b)) - (a + b - 0.5) * shift + _correction(b) - _correction(a + b)
    return out


def betaln(a: ArrayLike, b: ArrayLike) -> Array:
    """The logarithm of |B(a, b)| = |Γ(a) Γ(b) / Γ(a + b)|, also where the gamma functions are far larger."""
    a, b = floats("betaln", a, b)
    return _betaln(a, b)


def _is_pole(x: Array) -> Array:
    is_pole: Array = (x <= 0) & (fnp.floor(x) == x)
    return is_pole


def _mirrored(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Where Γ(a) and Γ(a + b) both have poles, B(a, b) is (−1)ᵇ B(1 − a − b, b): whether it is so, and these arguments."""
    both = _is_pole(a) & _is_pole(a + b) & (fnp.floor(b) == b) & (b > 0)
    return both, fnp.where(both, 1 - a - b, a), b


def _parity(x: Array) -> Array:
    return fnp.where(fnp.mod(x, 2) == 0, 1.0, -1.0).astype(x.dtype)


def _betaln(a: Array, b: Array) -> Array:
    for _ in range(2):  # in either argument
        _, a, b = _mirrored(a, b)
        a, b = b, a
    is_infinite = _is_pole(a) | _is_pole(b)
    return fnp.where(is_infinite, fnp.inf, _finite_betaln(fnp.where(is_infinite, 1, a), fnp.where(is_infinite, 1, b)))


def _finite_betaln(a: Array, b: Array) -> Array:
    low, high = fnp.minimum(a, b), fnp.maximum(a, b)
    is_large = (high >= _LARGE) & (low > -high / 2)
    far = fnp.where(is_large, high, _LARGE)
    near = fnp.where(is_large, low, 1)
    by_series = ops.lgamma(near) + _log_quotient(near, far)
    x, y = fnp.where(is_large, 1, a), fnp.where(is_large, 1, b)
    return fnp.where(is_large, by_series, ops.lgamma(x) + ops.lgamma(y) - ops.lgamma(x + y))


def beta(a: ArrayLike, b: ArrayLike) -> Array:
    """The beta function, Γ(a) Γ(b) / Γ(a + b)."""
    a, b = floats("beta", a, b)
    size, sign = fnp.exp(_betaln(a, b)), gammasgn(a) * gammasgn(b) * gammasgn(a + b)
    for one, other in ((a, b), (b, a)):
        both, _, _ = _mirrored(one, other)
        sign = fnp.where(both, _parity(other), sign)
    return fnp.where(size == fnp.inf, size, sign * size)


def binom(n: ArrayLike, k: ArrayLike) -> Array:
    """Binomial coefficients of real numbers, 1 / ((n + 1) B(n − k + 1, k + 1))."""
    n, k = floats("binom", n, k)
    is_counted = (fnp.floor(k) == k) & (k >= 0) & (k < _FACTORS)
    product = fnp.ones_like(n)
    for i in range(_FACTORS - 1):  # n (n - 1) … / 1 · 2 …, from its smallest factors: exact where the quotient is not
        product = fnp.where(is_counted & (i < k), product * (n - i) / (i + 1), product)
    m = fnp.where(is_counted, 1, k)
    return fnp.where(is_counted, product, _binom(fnp.where(is_counted, 2, n), m))


def _binom(n: Array, k: Array) -> Array:
    is_none = _is_pole(n - k + 1) & ~_is_pole(n + 1)
    n = fnp.where(is_none, k + 1, n)
    sign = gammasgn(n - k + 1) * gammasgn(k + 1) * gammasgn(n + 2)
    size = fnp.exp(-fnp.log(fnp.abs(n + 1)) - _betaln(n - k + 1, k + 1))
    return fnp.where(is_none, 0, sign * size * fnp.sign(n + 1))


# ---- the incomplete beta function ----


def _fraction(a: Array, b: Array, x: Array) -> Array:
    """Its continued fraction (Numerical Recipes, 6.4.5), by Lentz' method in Thompson and Barnett's form."""
    one = fnp.ones_like(a)

    def lifted(v: Array) -> Array:
        """Away from zero: it is divided by."""
        return fnp.where(fnp.abs(v) < _TINY, _TINY, v)

    def step(c: Array, d: Array, h: Array, numerator: Array) -> tuple[Array, Array, Array]:
        d = one / lifted(one + numerator * d)
        c = lifted(one + numerator / c)
        return c, d, h * (d * c)

    def turn(state: tuple[Array, ...]) -> tuple[Array, ...]:
        m, c, d, h, still = state
        twice = m + m
        even = m * (b - m) * x / ((a + twice - one) * (a + twice))
        c, d, h = step(c, d, h, even)
        odd = -(a + m) * (a + b + m) * x / ((a + twice) * (a + twice + one))
        last = h
        c, d, h = step(c, d, h, odd)
        return m + one, c, d, h, fnp.where(fnp.abs(h - last) > _SMALL * fnp.abs(h), fnp.zeros_like(a), still + one)

    d = one / lifted(one - (a + b) * x / (a + one))
    start: tuple[Array, ...] = (one, one, d, d, fnp.zeros_like(a))
    return while_loop(lambda s: fnp.logical_and(s[4] < _STILL, s[0] < _MOST_TURNS), turn, start)[3]


def _one_betainc(a: Array, b: Array, x: Array) -> Array:
    """Of numbers inside of the domain; on the side where the fraction is quick."""
    is_left = x < (a + 1) / (a + b + 2)
    p, q, y = fnp.where(is_left, a, b), fnp.where(is_left, b, a), fnp.where(is_left, x, 1 - x)
    front = fnp.exp(p * fnp.log(y) + q * fnp.log1p(-y) - _betaln(p, q)) / p
    part = front * _fraction(p, q, y)
    return fnp.where(is_left, part, 1 - part)


def _betainc(p: Array, q: Array, x: Array) -> Array:
    wide = [fnp.ravel(v).astype(np.float64) for v in (p, q, x)]
    inside = (wide[0] > 0) & (wide[1] > 0) & (wide[2] > 0) & (wide[2] < 1) & fnp.isfinite(wide[0] + wide[1])
    safe = [fnp.where(inside, v, s) for v, s in zip(wide, (1.0, 1.0, 0.5), strict=True)]
    out = vmap(_one_betainc)(*safe)
    good = (wide[0] > 0) & (wide[1] > 0)
    a, b = (fnp.where(good, v, 1) for v in wide[:2])
    first, last = fnp.where(a == 1, b, 0) * wide[2], 1 - fnp.where(b == 1, a, 0) * (1 - wide[2])  # with their slopes
    edge = fnp.where(good & (wide[2] == 0), first, fnp.where(good & (wide[2] == 1), last, fnp.nan))
    is_inner = (wide[2] > 0) & (wide[2] < 1)
    all_low = is_inner & (
        ((wide[0] == 0) & (wide[1] > 0)) | ((wide[0] > 0) & fnp.isfinite(wide[0]) & (wide[1] == fnp.inf))
    )
    all_high = is_inner & (
        ((wide[1] == 0) & (wide[0] > 0)) | ((wide[1] > 0) & fnp.isfinite(wide[1]) & (wide[0] == fnp.inf))
    )
    edge = fnp.where(all_low, 1.0, fnp.where(all_high, 0.0, edge))
    return fnp.where(inside, out, edge).reshape(fnp.shape(x)).astype(x.dtype)


def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """The regularised incomplete beta function I(x; a, b), the distribution function of the beta distribution.

    >>> import functrans as ft
    >>> float(ft.grad(betainc, argnums=2)(2.0, 1.0, 0.5))  # of x²
    1.0
    """
    return _betainc(*floats("betainc", a, b, x))
