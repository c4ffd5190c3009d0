"""functrans.random: JAX's random numbers, the same bits for the same key.

A key is an array of two uint32, made by `key(seed)` and `split`; a sampler is a pure function of a key, parameters, a shape
and a dtype, which can be transformed as any other. The numbers are those of `jax.random` with 64 bits enabled, float64 by
default: bits, uniform numbers and integers are equal, what is computed by logarithms and the like to a few units in
the last place. Start reading at `functrans.random.keys`.

>>> from functrans import random
>>> key, other = random.split(random.key(0))
>>> random.normal(key, (2,))
array([ 1.88002989, -0.48121497])
"""

from functrans.random.continuous import (
    cauchy,
    double_sided_maxwell,
    exponential,
    gumbel,
    laplace,
    logistic,
    maxwell,
    pareto,
    rayleigh,
    triangular,
    wald,
    weibull_min,
)
from functrans.random.counts import binomial, multinomial, poisson
from functrans.random.discrete import categorical, choice, geometric, permutation, randint
from functrans.random.gamma import ball, beta, chisquare, dirichlet, f, gamma, generalized_normal, loggamma, t
from functrans.random.keys import PRNGKey, clone, fold_in, key, key_data, key_impl, split, wrap_key_data
from functrans.random.matrices import multivariate_normal, orthogonal
from functrans.random.normal import lognormal, normal, truncated_normal
from functrans.random.reuse import check_keys
from functrans.random.threefry import threefry_2x32, threefry_partitionable
from functrans.random.uniform import bernoulli, bits, rademacher, uniform

__all__ = [
    "PRNGKey", "ball", "bernoulli", "beta", "binomial", "bits", "categorical", "cauchy", "check_keys", "chisquare", "choice",
    "clone", "dirichlet", "double_sided_maxwell", "exponential", "f", "fold_in", "gamma", "generalized_normal", "geometric",
    "gumbel", "key", "key_data", "key_impl", "laplace", "loggamma", "logistic", "lognormal", "maxwell", "multinomial",
    "multivariate_normal", "normal", "orthogonal", "pareto", "permutation", "poisson", "rademacher", "randint", "rayleigh",
    "split", "t", "threefry_2x32", "threefry_partitionable", "triangular", "truncated_normal", "uniform", "wald", "weibull_min",
    "wrap_key_data",
]  # fmt: skip
