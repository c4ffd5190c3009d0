"""Distributions of integers: bernoulli, binom, betabinom, nbinom, geom, poisson.

Imports `distribution` and scipy.special; start reading at `bernoulli`.
"""

from __future__ import annotations

import functrans.numpy as fnp
from functrans.scipy.special import betainc, betaln, gammainc, gammaincc, gammaln, xlog1py, xlogy
from functrans.scipy.stats.distribution import Discrete, Mass
from functrans.typing import Array

__all__ = ["bernoulli", "betabinom", "binom", "geom", "nbinom", "poisson"]


def _is_probability(p: Array) -> Array:
    return (p >= 0) & (p <= 1)


def _is_count(n: Array) -> Array:
    out: Array = (n >= 0) & (fnp.floor(n) == n)
    return out


def _log_choose(n: Array, k: Array) -> Array:
    """The logarithm of the binomial coefficient."""
    return -fnp.log1p(n) - betaln(n - k + 1, k + 1)


bernoulli = Discrete(
    name="bernoulli",
    shapes={"p": 0.5},
    in_range=_is_probability,
    support=lambda p: (0.0, 1.0),
    log_mass=lambda k, p: xlogy(k, p) + xlog1py(1 - k, -p),
    below=lambda k, p: 1 - p,
    above=lambda k, p: p,
)

binom = Discrete(
    name="binom",
    shapes={"n": 1.0, "p": 0.5},
    in_range=lambda n, p: _is_count(n) & _is_probability(p),
    support=lambda n, p: (0.0, n),
    log_mass=lambda k, n, p: _log_choose(n, k) + xlogy(k, p) + xlog1py(n - k, -p),
    below=lambda k, n, p: betainc(fnp.maximum(n - k, 1), k + 1, 1 - p),  # k = n is above the support for this
    above=lambda k, n, p: betainc(k + 1, fnp.maximum(n - k, 1), p),
)

betabinom = Mass(
    name="betabinom",
    shapes={"n": 1.0, "a": 1.0, "b": 1.0},
    in_range=lambda n, a, b: _is_count(n) & (a > 0) & (b > 0),
    support=lambda n, a, b: (0.0, n),
    log_mass=lambda k, n, a, b: _log_choose(n, k) + betaln(k + a, n - k + b) - betaln(a, b),
)

nbinom = Discrete(
    name="nbinom",
    shapes={"n": 1.0, "p": 0.5},
    in_range=lambda n, p: (n > 0) & (p > 0) & (p <= 1),
    support=lambda n, p: (0.0, fnp.inf),
    log_mass=lambda k, n, p: -fnp.log(n + k) - betaln(n, k + 1) + n * fnp.log(p) + xlog1py(k, -p),
    below=lambda k, n, p: betainc(n, k + 1, p),
    above=lambda k, n, p: betainc(k + 1, n, 1 - p),
)

geom = Discrete(
    name="geom",
    shapes={"p": 0.5},
    in_range=lambda p: (p > 0) & (p <= 1),
    support=lambda p: (1.0, fnp.inf),
    inside=1.0,
    log_mass=lambda k, p: xlog1py(k - 1, -p) + fnp.log(p),
    below=lambda k, p: -fnp.expm1(xlog1py(k, -p)),
    above=lambda k, p: fnp.exp(xlog1py(k, -p)),
    log_above=lambda k, p: xlog1py(k, -p),
)

poisson = Discrete(
    name="poisson",
    shapes={"mu": 1.0},
    in_range=lambda mu: mu >= 0,
    support=lambda mu: (0.0, fnp.inf),
    log_mass=lambda k, mu: xlogy(k, mu) - gammaln(k + 1) - mu,
    below=lambda k, mu: gammaincc(k + 1, mu),
    above=lambda k, mu: gammainc(k + 1, mu),
)
