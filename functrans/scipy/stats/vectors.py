"""Distributions of vectors: dirichlet, multinomial, multivariate_normal. Imports scipy.special and numpy.linalg.

Start reading at `Dirichlet`.
"""

from __future__ import annotations

from math import log, pi

import numpy as np

import functrans.numpy as fnp
from functrans.core.primitive import aval_of
from functrans.errors import OperandError
from functrans.numpy.linalg import cholesky
from functrans.scipy.linalg import solve_triangular
from functrans.scipy.special import gammaln, xlogy
from functrans.scipy.special.operands import same_float
from functrans.scipy.stats.distribution import positive
from functrans.typing import Array, ArrayLike

__all__ = ["dirichlet", "multinomial", "multivariate_normal"]


class Dirichlet:
    """The distribution of probabilities that sum to 1, along the first axis."""

    def logpdf(self, x: ArrayLike, alpha: ArrayLike) -> Array:
        """The logarithm of the density at x (k, …) or (k − 1, …), the last one left out, for alpha (k,).

        −∞ where x is not made of positive numbers that sum to 1, NaN where an alpha is not positive.

        >>> from functrans.scipy.stats import dirichlet
        >>> round(float(dirichlet.pdf([0.2, 0.8], [1.0, 2.0])), 12)
        1.6
        """
        x, alpha = same_float("dirichlet.logpdf", x, alpha)
        rows, (count,) = fnp.shape(x)[0], fnp.shape(alpha)
        if rows == count - 1:
            x = fnp.concatenate([x, 1 - fnp.sum(x, axis=0, keepdims=True)])
        elif rows != count:
            raise OperandError("dirichlet.logpdf", [str(aval_of(v)) for v in (x, alpha)], "as many numbers as alphas")
        tolerance = 1e-9 if x.dtype == np.float64 else 1e-6
        is_inside = fnp.all(x > 0, axis=0) & (fnp.abs(fnp.sum(x, axis=0) - 1) < tolerance)
        good = fnp.all(alpha > 0)
        shapes = fnp.where(good, alpha, 1)
        terms = (shapes - 1).reshape(-1, *(1,) * (x.ndim - 1)) * fnp.log(fnp.where(is_inside, x, 1 / count))
        out = fnp.sum(terms, axis=0) - fnp.sum(gammaln(shapes)) + gammaln(fnp.sum(shapes))
        return fnp.where(good, fnp.where(is_inside, out, -fnp.inf), fnp.nan)

    def pdf(self, x: ArrayLike, alpha: ArrayLike) -> Array:
        """The density, with the arguments of `logpdf`."""
        return fnp.exp(self.logpdf(x, alpha))


class Multinomial:
    """The distribution of how often each of k things comes up in n trials, along the last axis."""

    def logpmf(self, x: ArrayLike, n: ArrayLike, p: ArrayLike) -> Array:
        """The logarithm of the probability of the counts x (…, k), for n (…) and p (…, k), which is taken to sum to 1.

        −∞ where x is not made of counts that sum to n, NaN where n or a p is out of range.
        """
        x, n, p = same_float("multinomial.logpmf", x, n, p)
        good = (n >= 0) & (fnp.floor(n) == n) & fnp.all((p >= 0) & (p <= 1), axis=-1)
        is_inside = fnp.all((x >= 0) & (fnp.floor(x) == x), axis=-1) & (fnp.sum(x, axis=-1) == n)
        counts = fnp.where(is_inside[..., None], x, 0)
        chances = fnp.where(good[..., None], p, 1)
        out = gammaln(fnp.where(good, n, 0) + 1) + fnp.sum(xlogy(counts, chances) - gammaln(counts + 1), axis=-1)
        return fnp.where(good, fnp.where(is_inside, out, -fnp.inf), fnp.nan)

    def pmf(self, x: ArrayLike, n: ArrayLike, p: ArrayLike) -> Array:
        """The probability, with the arguments of `logpmf`."""
        return fnp.exp(self.logpmf(x, n, p))


class MultivariateNormal:
    """The normal distribution of vectors, along the last axis."""

    def logpdf(self, x: ArrayLike, mean: ArrayLike = 0.0, cov: ArrayLike = 1.0) -> Array:
        """The logarithm of the density at x (…, k), for mean (…, k) and positive definite cov (…, k, k).

        A scalar covariance is that times the unit matrix; with a scalar mean, too, x is an array of numbers. LinAlgError for
        a covariance that is not positive definite.
        """
        x, mean, cov = same_float("multivariate_normal.logpdf", x, mean, cov)
        if mean.ndim == 0 and cov.ndim == 0:
            x, mean = x[..., None], mean[None]
        centred = x - mean
        size = fnp.shape(centred)[-1]
        if cov.ndim == 0:
            good = positive(cov)
            variance = fnp.where(good, cov, 1)
            squares = fnp.sum(centred * centred, axis=-1) / variance
            return fnp.where(good, -(squares + size * (fnp.log(variance) + log(2 * pi))) / 2, fnp.nan)
        if fnp.shape(cov)[-2:] != (size, size):
            raise OperandError("multivariate_normal.logpdf", [str(aval_of(v)) for v in (x, mean, cov)], "cov (…, k, k)")
        factor = cholesky(cov)
        log_determinant = fnp.sum(fnp.log(fnp.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
        out: Array = -_squares(factor, centred) / 2 - size * log(2 * pi) / 2 - log_determinant
        return out

    def pdf(self, x: ArrayLike, mean: ArrayLike = 0.0, cov: ArrayLike = 1.0) -> Array:
        """The density, with the arguments of `logpdf`."""
        return fnp.exp(self.logpdf(x, mean, cov))


def _squares(factor: Array, centred: Array) -> Array:
    """|L⁻¹ v|² of each vector; one equation with many right sides where there is one matrix."""
    size = fnp.shape(centred)[-1]
    if factor.ndim == 2:
        columns = solve_triangular(factor, centred.reshape(-1, size).T, lower=True)
        return fnp.sum(columns * columns, axis=0).reshape(fnp.shape(centred)[:-1])
    stack = np.broadcast_shapes(fnp.shape(factor)[:-2], fnp.shape(centred)[:-1])
    matrices = fnp.broadcast_to(factor, (*stack, size, size))
    columns = solve_triangular(matrices, fnp.broadcast_to(centred, (*stack, size))[..., None], lower=True)
    return fnp.sum(columns * columns, axis=(-2, -1))


dirichlet = Dirichlet()
multinomial = Multinomial()
multivariate_normal = MultivariateNormal()
