"""Continuous distributions with shapes: gamma, chi2, beta, t, pareto, gennorm, vonmises, wrapcauchy, truncnorm.

Imports `distribution` and scipy.special; start reading at `gamma`.
"""

from __future__ import annotations

from math import log, pi

import functrans.numpy as fnp
from functrans.scipy.special import (
    betainc,
    betaln,
    gammainc,
    gammaincc,
    gammaln,
    i0e,
    log_ndtr,
    ndtr,
)
from functrans.scipy.stats.distribution import Continuous, Density, Invertible
from functrans.scipy.stats.unshaped import mirrored, norm
from functrans.typing import Array

__all__ = ["beta", "chi2", "gamma", "gennorm", "pareto", "t", "truncnorm", "vonmises", "wrapcauchy"]


def _log_power(e: Array, y: Array) -> Array:
    """e log y; at 0 a constant, as a derivative there would be infinite, or NaN once it is multiplied by 0."""
    is_zero = y == 0
    edge = fnp.where(e == 0, 0, fnp.where(e > 0, -fnp.inf, fnp.inf)).astype(e.dtype)
    out: Array = fnp.where(is_zero, edge, e * fnp.log(fnp.where(is_zero, 1, y)))
    return out


def _log_power_of_rest(e: Array, y: Array) -> Array:
    """The same of 1 − y."""
    is_one = y == 1
    edge = _log_power(e, fnp.where(is_one, 0.0, 1.0).astype(e.dtype))
    out: Array = fnp.where(is_one, edge, e * fnp.log1p(-fnp.where(is_one, 0, y)))
    return out


gamma = Continuous(
    name="gamma",
    shapes={"a": 1.0},
    support=lambda a: (0.0, fnp.inf),
    log_density=lambda y, a: _log_power(a - 1, y) - y - gammaln(a),
    below=lambda y, a: gammainc(a, y),
    above=lambda y, a: gammaincc(a, y),
)

chi2 = Continuous(
    name="chi2",
    shapes={"df": 1.0},
    support=lambda df: (0.0, fnp.inf),
    log_density=lambda y, df: _log_power(df / 2 - 1, y) - y / 2 - gammaln(df / 2) - log(2) * df / 2,
    below=lambda y, df: gammainc(df / 2, y / 2),
    above=lambda y, df: gammaincc(df / 2, y / 2),
)

beta = Continuous(
    name="beta",
    shapes={"a": 1.0, "b": 1.0},
    support=lambda a, b: (0.0, 1.0),
    log_density=lambda y, a, b: _log_power(a - 1, y) + _log_power_of_rest(b - 1, y) - betaln(a, b),
    below=lambda y, a, b: betainc(a, b, y),
    above=lambda y, a, b: betainc(b, a, 1 - y),
)


def _t_log_density(y: Array, df: Array) -> Array:
    return -betaln(df / 2, fnp.full_like(df, 0.5)) - fnp.log(df) / 2 - (df + 1) / 2 * fnp.log1p(y * y / df)


def _t_below(y: Array, df: Array) -> Array:
    """By the side of the incomplete beta function that is small; a straight line at 0, where that has no derivative."""
    is_zero = y == 0
    x = fnp.where(is_zero, 1, y)
    half = fnp.full_like(df, 0.5)
    square = x * x
    is_central = square < df
    far = betainc(df / 2, half, df / (df + fnp.where(is_central, df, square))) / 2
    near = betainc(half, df / 2, fnp.where(is_central, square, df) / (df + fnp.where(is_central, square, df))) / 2
    out = fnp.where(is_central, 0.5 + fnp.sign(x) * near, fnp.where(x < 0, far, 1 - far))
    return fnp.where(is_zero, 0.5 + y * fnp.exp(_t_log_density(fnp.zeros_like(y), df)), out)


t = Continuous(name="t", shapes={"df": 1.0}, log_density=_t_log_density, below=_t_below, above=mirrored(_t_below))

pareto = Invertible(
    name="pareto",
    shapes={"b": 1.0},
    support=lambda b: (1.0, fnp.inf),
    inside=2.0,
    log_density=lambda y, b: fnp.log(b) - (b + 1) * fnp.log(y),
    below=lambda y, b: -fnp.expm1(-b * fnp.log(y)),
    above=lambda y, b: fnp.power(y, -b),
    log_above=lambda y, b: -b * fnp.log(y),
    from_below=lambda q, b: fnp.exp(-fnp.log1p(-q) / b),
    from_above=lambda q, b: fnp.power(q, -1 / b),
)


def _gennorm_log_density(y: Array, beta: Array) -> Array:
    is_zero = y == 0
    size = fnp.where(is_zero, 0, fnp.power(fnp.abs(fnp.where(is_zero, 1, y)), beta))
    out: Array = fnp.log(beta / 2) - gammaln(1 / beta) - size
    return out


def _gennorm_below(y: Array, beta: Array) -> Array:
    """A straight line at 0, where the incomplete gamma function has no derivative."""
    is_zero = y == 0
    x = fnp.where(is_zero, 1, y)
    size = fnp.power(fnp.abs(x), beta)
    out = fnp.where(x < 0, gammaincc(1 / beta, size) / 2, 0.5 + gammainc(1 / beta, size) / 2)
    return fnp.where(is_zero, 0.5 + y * fnp.exp(_gennorm_log_density(fnp.zeros_like(y), beta)), out)


gennorm = Continuous(
    name="gennorm",
    shapes={"beta": 1.0},
    log_density=_gennorm_log_density,
    below=_gennorm_below,
    above=mirrored(_gennorm_below),
)

vonmises = Density(
    name="vonmises",
    shapes={"kappa": 1.0},
    in_range=lambda kappa: kappa >= 0,
    log_density=lambda y, kappa: -2 * kappa * fnp.sin(y / 2) ** 2 - log(2 * pi) - fnp.log(i0e(kappa)),
)


def _wrapcauchy_above(y: Array, c: Array) -> Array:
    return _wrapcauchy_below(2 * pi - y, c)


def _wrapcauchy_below(y: Array, c: Array) -> Array:
    is_first = y < pi
    turn = fnp.where(is_first, y, 2 * pi - y)
    part = fnp.arctan2((1 + c) * fnp.sin(turn / 2), (1 - c) * fnp.cos(turn / 2)) / pi
    return fnp.where(is_first, part, 1 - part)


wrapcauchy = Continuous(
    name="wrapcauchy",
    shapes={"c": 0.5},
    in_range=lambda c: (c > 0) & (c < 1),
    support=lambda c: (0.0, 2 * pi),
    log_density=lambda y, c: (
        fnp.log1p(-c) + fnp.log1p(c) - log(2 * pi) - fnp.log((1 - c) ** 2 + 4 * c * fnp.sin(y / 2) ** 2)
    ),
    below=_wrapcauchy_below,
    above=_wrapcauchy_above,
)


# ---- the truncated normal distribution ----


def _log_between(a: Array, b: Array) -> Array:
    """The logarithm of the normal distribution's probability of [a, b], on the side where it is small."""
    is_right = a > 0
    low, high = fnp.where(is_right, -b, a), fnp.where(is_right, -a, b)
    is_left = high <= 0
    left_low, left_high = fnp.where(is_left, low, -1), fnp.where(is_left, high, 0)
    upper = log_ndtr(left_high)
    is_open = fnp.isinf(left_low)  # nothing is below it
    lower = log_ndtr(fnp.where(is_open, left_high - 1, left_low))
    left = fnp.where(is_open, upper, upper + fnp.log1p(-fnp.exp(lower - upper)))
    outer_low, outer_high = fnp.where(is_left, -1, low), fnp.where(is_left, 1, high)
    return fnp.where(is_left, left, fnp.log1p(-ndtr(outer_low) - ndtr(-outer_high)))


def _truncnorm_log_below(y: Array, a: Array, b: Array) -> Array:
    return _log_between(a, y) - _log_between(a, b)


def _truncnorm_log_above(y: Array, a: Array, b: Array) -> Array:
    return _log_between(y, b) - _log_between(a, b)


def _truncnorm_below(y: Array, a: Array, b: Array) -> Array:
    return fnp.exp(_truncnorm_log_below(y, a, b))


def _truncnorm_above(y: Array, a: Array, b: Array) -> Array:
    return fnp.exp(_truncnorm_log_above(y, a, b))


truncnorm = Continuous(
    name="truncnorm",
    shapes={"a": -1.0, "b": 1.0},
    in_range=lambda a, b: a < b,
    support=lambda a, b: (a, b),
    inside=0.0,
    log_density=lambda y, a, b: norm.log_density(y) - _log_between(a, b),
    below=_truncnorm_below,
    above=_truncnorm_above,
)
