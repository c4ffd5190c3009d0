"""functrans.scipy.stats: SciPy's distributions that JAX has, and mode, rankdata and sem. A distribution is an object with
SciPy's methods, as in scipy.stats itself.

`logpdf`, `pdf` (`logpmf`, `pmf` of integers), `cdf`, `logcdf`, `sf`, `logsf`, and `ppf` and `isf` where they have a closed form,
with derivatives in every argument that has one. Start reading at `distribution`.

>>> import functrans as ft
>>> from functrans.scipy.stats import norm
>>> float(ft.grad(norm.logpdf)(1.0, 0.0, 2.0))
-0.25
"""

from functrans.scipy.stats.discrete import bernoulli, betabinom, binom, geom, nbinom, poisson
from functrans.scipy.stats.samples import mode, rankdata, sem
from functrans.scipy.stats.shaped import (
    beta,
    chi2,
    gamma,
    gennorm,
    pareto,
    t,
    truncnorm,
    vonmises,
    wrapcauchy,
)
from functrans.scipy.stats.unshaped import cauchy, expon, gumbel_l, gumbel_r, laplace, logistic, norm, uniform
from functrans.scipy.stats.vectors import dirichlet, multinomial, multivariate_normal

__all__ = [
    "bernoulli", "beta", "betabinom", "binom", "cauchy", "chi2", "dirichlet", "expon", "gamma", "gennorm", "geom",
    "gumbel_l", "gumbel_r", "laplace", "logistic", "mode", "multinomial", "multivariate_normal", "nbinom", "norm",
    "pareto", "poisson", "rankdata", "sem", "t", "truncnorm", "uniform", "vonmises", "wrapcauchy",
]  # fmt: skip
