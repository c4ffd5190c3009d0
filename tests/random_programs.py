"""Samples to draw, by functrans.random or jax.random alike: `SAMPLES[name]` takes the module and a key.

`DISTRIBUTIONS[name]` is a sampler of one parameter setting, with SciPy's distribution of that name and its parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any  # a module of either library, and what it gives

import numpy as np

__all__ = ["DISTRIBUTIONS", "LAYOUT_SENSITIVE", "SAMPLES"]

A = np.array([0.3, 1.0, 4.5])
P = np.array([0.2, 0.3, 0.5])
ROWS = np.arange(12.0).reshape(4, 3)
MEAN, COV = np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
RATES = np.array([0.0, 0.5, 3.0, 9.9, 12.0, 200.0, 2e3, np.nan])
TRIALS = np.array([10.0, -1.0, 5.0, np.nan, 0.0, 10.0, 10.0, 40.0, 1e4])
CHANCES = np.array([0.0, 0.5, -0.1, 0.5, 0.5, 1.0, np.nan, 0.3, 0.7])

SAMPLES: dict[str, Callable[[Any, Any], Any]] = {
    "ball": lambda r, k: r.ball(k, 3, 2.0, (2,)),
    "bernoulli": lambda r, k: r.bernoulli(k, P, (4, 3)),
    "bernoulli, high": lambda r, k: r.bernoulli(k, 0.3, (9,), "high"),
    "beta": lambda r, k: r.beta(k, A, 2.0),
    "binomial": lambda r, k: r.binomial(k, TRIALS, CHANCES, (3, 9)),
    "binomial, float32": lambda r, k: r.binomial(k, np.float32(40), np.float32(0.3), (9,), np.float32),
    "bits": lambda r, k: r.bits(k, (2, 3)),
    "categorical": lambda r, k: r.categorical(k, np.log(P), shape=(9,)),
    "categorical, axis": lambda r, k: r.categorical(k, ROWS, axis=0, shape=(5, 3)),
    "cauchy": lambda r, k: r.cauchy(k, (5,)),
    "chisquare": lambda r, k: r.chisquare(k, A),
    "choice": lambda r, k: r.choice(k, 5, (7,)),
    "choice, axis": lambda r, k: r.choice(k, ROWS, (2, 2), axis=1),
    "choice, p": lambda r, k: r.choice(k, np.array([5.0, 6.0, 7.0]), (3, 2), p=P),
    "choice, p, without replacement": lambda r, k: r.choice(k, 3, (2,), False, P),
    "choice, without replacement": lambda r, k: r.choice(k, ROWS, (2,), False),
    "dirichlet": lambda r, k: r.dirichlet(k, A, (2,)),
    "double_sided_maxwell": lambda r, k: r.double_sided_maxwell(k, A, 2.0, (2,)),
    "exponential": lambda r, k: r.exponential(k, (5,)),
    "f": lambda r, k: r.f(k, A, 3.0),
    "gamma": lambda r, k: r.gamma(k, A, (4, 3)),
    "gamma, float32": lambda r, k: r.gamma(k, np.float32(0.5), (6,), np.float32),
    "generalized_normal": lambda r, k: r.generalized_normal(k, 3.0, (4,)),
    "geometric": lambda r, k: r.geometric(k, 0.2, (9,)),
    "gumbel": lambda r, k: r.gumbel(k, (5,)),
    "gumbel, high": lambda r, k: r.gumbel(k, (5,), mode="high"),
    "gumbel, highest": lambda r, k: r.gumbel(k, (50,), np.float32, mode="highest"),
    "laplace": lambda r, k: r.laplace(k, (5,)),
    "loggamma": lambda r, k: r.loggamma(k, A * 0.01),
    "logistic": lambda r, k: r.logistic(k, (5,)),
    "lognormal": lambda r, k: r.lognormal(k, 0.5, (3,)),
    "maxwell": lambda r, k: r.maxwell(k, (3,)),
    "multinomial": lambda r, k: r.multinomial(k, np.array([20.0, 300.0]), P, shape=(2, 3)),
    "multivariate_normal": lambda r, k: r.multivariate_normal(k, MEAN, COV, (3,)),
    "normal": lambda r, k: r.normal(k, (3,), np.float32),
    "normal, complex": lambda r, k: r.normal(k, (3,), np.complex128),
    "orthogonal": lambda r, k: r.orthogonal(k, 2, (2,), m=3),
    "orthogonal, complex": lambda r, k: r.orthogonal(k, 3, (), np.complex128),
    "pareto": lambda r, k: r.pareto(k, A),
    "permutation": lambda r, k: r.permutation(k, 11),
    "permutation, independent": lambda r, k: r.permutation(k, ROWS, 1, independent=True),
    "permutation, rows": lambda r, k: r.permutation(k, ROWS),
    "poisson": lambda r, k: r.poisson(k, RATES, (4, 8)),
    "poisson, int32": lambda r, k: r.poisson(k, 3.0, (4,), np.int32),
    "rademacher": lambda r, k: r.rademacher(k, (9,)),
    "randint": lambda r, k: r.randint(k, (20,), -5, 10),
    "randint, all": lambda r, k: r.randint(k, (9,), -(2**31), 2**31, np.int32),
    "randint, arrays": lambda r, k: r.randint(k, (3,), np.array([0, 5, -7]), np.array([10, 3, 9]), np.int32),
    "randint, int8": lambda r, k: r.randint(k, (20,), -300, 300, np.int8),
    "randint, uint64": lambda r, k: r.randint(k, (5,), 0, np.uint64(2**63 + 5), np.uint64),
    "rayleigh": lambda r, k: r.rayleigh(k, A, (2, 3)),
    "t": lambda r, k: r.t(k, 4.0, (5,)),
    "triangular": lambda r, k: r.triangular(k, 0.0, 0.5, 2.0, (4,)),
    "truncated_normal": lambda r, k: r.truncated_normal(k, -1.0, 2.0, (6,)),
    "uniform": lambda r, k: r.uniform(k, (3,), np.float32, -1.0, 1.0),
    "wald": lambda r, k: r.wald(k, A),
    "weibull_min": lambda r, k: r.weibull_min(k, 2.0, 1.5, (4,)),
}

LAYOUT_SENSITIVE = ("beta", "categorical", "gamma", "multinomial", "permutation, independent", "poisson", "randint")
"""Samples that are drawn in the older layout, too."""

N = (2000,)
DISTRIBUTIONS: dict[str, tuple[Callable[[Any, Any], Any], tuple[float, ...]]] = {
    "uniform": (lambda r, k: r.uniform(k, N), ()),
    "norm": (lambda r, k: r.normal(k, N), ()),
    "truncnorm": (lambda r, k: r.truncated_normal(k, -1.0, 2.0, N), (-1.0, 2.0)),
    "lognorm": (lambda r, k: r.lognormal(k, 0.5, N), (0.5,)),
    "expon": (lambda r, k: r.exponential(k, N), ()),
    "cauchy": (lambda r, k: r.cauchy(k, N), ()),
    "laplace": (lambda r, k: r.laplace(k, N), ()),
    "logistic": (lambda r, k: r.logistic(k, N), ()),
    "gumbel_r": (lambda r, k: r.gumbel(k, N, mode="highest"), ()),
    "pareto": (lambda r, k: r.pareto(k, 3.0, N), (3.0,)),
    "rayleigh": (lambda r, k: r.rayleigh(k, 1.0, N), ()),
    "weibull_min": (lambda r, k: r.weibull_min(k, 1.0, 1.5, N), (1.5,)),
    "triang": (lambda r, k: r.triangular(k, 0.0, 0.3, 1.0, N), (0.3,)),
    "invgauss": (lambda r, k: r.wald(k, 2.0, N), (2.0,)),
    "maxwell": (lambda r, k: r.maxwell(k, N), ()),
    "gamma": (lambda r, k: r.gamma(k, 0.7, N), (0.7,)),
    "loggamma": (lambda r, k: r.loggamma(k, 2.5, N), (2.5,)),
    "beta": (lambda r, k: r.beta(k, 2.0, 3.0, N), (2.0, 3.0)),
    "chi2": (lambda r, k: r.chisquare(k, 3.0, N), (3.0,)),
    "f": (lambda r, k: r.f(k, 3.0, 5.0, N), (3.0, 5.0)),
    "t": (lambda r, k: r.t(k, 4.0, N), (4.0,)),
    "gennorm": (lambda r, k: r.generalized_normal(k, 3.0, N), (3.0,)),
    "randint": (lambda r, k: r.randint(k, N, 0, 7), (0, 7)),
    "bernoulli": (lambda r, k: r.bernoulli(k, 0.3, N), (0.3,)),
    "geom": (lambda r, k: r.geometric(k, 0.3, N), (0.3,)),
    "poisson": (lambda r, k: r.poisson(k, 25.0, N), (25.0,)),
    "binom": (lambda r, k: r.binomial(k, 60, 0.3, N), (60, 0.3)),
}
