"""Distributions with location and scale alone: norm, expon, uniform, laplace, logistic, cauchy, gumbel_r, gumbel_l.

Imports `distribution` and scipy.special; start reading at `norm`.
"""

from __future__ import annotations

from math import log, pi

import functrans.numpy as fnp
from functrans.scipy.special import expit, log_expit, log_ndtr, logit, ndtr, ndtri
from functrans.scipy.stats.distribution import Invertible, Standard
from functrans.typing import Array

__all__ = ["cauchy", "expon", "gumbel_l", "gumbel_r", "laplace", "logistic", "norm", "uniform"]


def mirrored(standard: Standard) -> Standard:
    """The function of −y."""
    return lambda y, *shapes: standard(-y, *shapes)


def negated(standard: Standard) -> Standard:
    """The function times −1."""
    return lambda y, *shapes: -standard(y, *shapes)


norm = Invertible(
    name="norm",
    log_density=lambda y: -y * y / 2 - log(2 * pi) / 2,
    below=ndtr,
    above=mirrored(ndtr),
    log_below=log_ndtr,
    log_above=mirrored(log_ndtr),
    from_below=ndtri,
    from_above=negated(ndtri),
)

expon = Invertible(
    name="expon",
    support=lambda: (0.0, fnp.inf),
    log_density=lambda y: -y,
    below=lambda y: -fnp.expm1(-y),
    above=lambda y: fnp.exp(-y),
    log_above=lambda y: -y,
    from_below=lambda q: -fnp.log1p(-q),
    from_above=lambda q: -fnp.log(q),
)

uniform = Invertible(
    name="uniform",
    support=lambda: (0.0, 1.0),
    log_density=lambda y: fnp.zeros_like(y),
    below=lambda y: y,
    above=lambda y: 1 - y,
    from_below=lambda q: q,
    from_above=lambda q: 1 - q,
)


def _laplace_tail(y: Array) -> Array:
    """With no |y|, whose derivative at 0 is 0: that of the distribution function is not."""
    return fnp.exp(fnp.where(y > 0, -y, y)) / 2


def _laplace_below(y: Array) -> Array:
    tail = _laplace_tail(y)
    return fnp.where(y > 0, 1 - tail, tail)


def _log_laplace_below(y: Array) -> Array:
    tail = _laplace_tail(y)
    return fnp.where(y > 0, fnp.log1p(-tail), y - log(2))


def _laplace_from_below(q: Array) -> Array:
    return fnp.where(q > 0.5, -fnp.log(2 * (1 - q)), fnp.log(2 * q))


laplace = Invertible(
    name="laplace",
    log_density=lambda y: -fnp.abs(y) - log(2),
    below=_laplace_below,
    above=mirrored(_laplace_below),
    log_below=_log_laplace_below,
    log_above=mirrored(_log_laplace_below),
    from_below=_laplace_from_below,
    from_above=negated(_laplace_from_below),
)

logistic = Invertible(
    name="logistic",
    log_density=lambda y: log_expit(y) + log_expit(-y),
    below=expit,
    above=mirrored(expit),
    log_below=log_expit,
    log_above=mirrored(log_expit),
    from_below=logit,
    from_above=negated(logit),
)


def _cauchy_below(y: Array) -> Array:
    return fnp.arctan2(fnp.ones_like(y), -y) / pi


def _cauchy_from_below(q: Array) -> Array:
    is_central = fnp.abs(q - 0.5) < 0.25
    near = fnp.tan(pi * (fnp.where(is_central, q, 0.5) - 0.5))
    far = fnp.where(is_central, 0.25, q)
    is_right = far > 0.5
    tail = 1 / fnp.tan(pi * fnp.where(is_right, 1 - far, far))
    return fnp.where(is_central, near, fnp.where(is_right, tail, -tail))


cauchy = Invertible(
    name="cauchy",
    log_density=lambda y: -log(pi) - fnp.log1p(y * y),
    below=_cauchy_below,
    above=mirrored(_cauchy_below),
    from_below=_cauchy_from_below,
    from_above=negated(_cauchy_from_below),
)


def _gumbel_log_density(y: Array) -> Array:
    return -y - fnp.exp(-y)


def _gumbel_below(y: Array) -> Array:
    return fnp.exp(-fnp.exp(-y))


def _gumbel_above(y: Array) -> Array:
    return -fnp.expm1(-fnp.exp(-y))


def _gumbel_log_below(y: Array) -> Array:
    return -fnp.exp(-y)


def _gumbel_from_below(q: Array) -> Array:
    return -fnp.log(-fnp.log(q))


def _gumbel_from_above(q: Array) -> Array:
    return -fnp.log(-fnp.log1p(-q))


gumbel_r = Invertible(
    name="gumbel_r",
    log_density=_gumbel_log_density,
    below=_gumbel_below,
    above=_gumbel_above,
    log_below=_gumbel_log_below,
    from_below=_gumbel_from_below,
    from_above=_gumbel_from_above,
)

gumbel_l = Invertible(  # the mirror image
    name="gumbel_l",
    log_density=mirrored(_gumbel_log_density),
    below=mirrored(_gumbel_above),
    above=mirrored(_gumbel_below),
    log_above=mirrored(_gumbel_log_below),
    from_below=negated(_gumbel_from_above),
    from_above=negated(_gumbel_from_below),
)
