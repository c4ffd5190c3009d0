"""functrans.scipy.stats against SciPy: values at and beyond edges, and derivatives against finite differences of SciPy."""

from typing import Any

import numpy as np
import pytest
from scipy import stats as _scipy_stats

import functrans as ft
from functrans.errors import ParameterError
from functrans.scipy import stats
from functrans.test_util import check_grads

_COUNT = 60
scipy_stats: Any = _scipy_stats  # its stubs lack arguments
SHAPES: dict[str, dict[str, tuple[float, float]]] = {
    "norm": {},
    "expon": {},
    "uniform": {},
    "laplace": {},
    "logistic": {},
    "cauchy": {},
    "gumbel_r": {},
    "gumbel_l": {},
    "gamma": {"a": (0.3, 9)},
    "chi2": {"df": (0.6, 9)},
    "beta": {"a": (0.3, 5), "b": (0.3, 5)},
    "t": {"df": (0.5, 20)},
    "pareto": {"b": (0.4, 5)},
    "gennorm": {"beta": (0.6, 4)},
    "vonmises": {"kappa": (0.1, 9)},
    "wrapcauchy": {"c": (0.1, 0.9)},
    "truncnorm": {"a": (-6, 0), "b": (0.5, 6)},
    "bernoulli": {"p": (0.1, 0.9)},
    "binom": {"n": (2, 20), "p": (0.1, 0.9)},
    "betabinom": {"n": (2, 20), "a": (0.3, 4), "b": (0.3, 4)},
    "nbinom": {"n": (0.5, 9), "p": (0.1, 0.9)},
    "geom": {"p": (0.1, 0.9)},
    "poisson": {"mu": (0.2, 20)},
}
INTEGERS = ("bernoulli", "binom", "betabinom", "nbinom", "geom", "poisson")
LOOPS = ("t", "beta", "binom", "nbinom", "gennorm", "chi2")
"""Their distribution functions are loops, which take long to differentiate: one of the four is."""
DENSITIES = ("logpdf", "pdf", "logpmf", "pmf")
METHODS = (*DENSITIES, "cdf", "logcdf", "sf", "logsf", "ppf", "isf")


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


def _arguments(name: str) -> tuple[Any, list[Any]]:  # Any: arrays
    """Numbers inside, at and beyond the edges, and the parameters."""
    rng = np.random.default_rng(list(SHAPES).index(name))
    shapes = [rng.uniform(*bounds, size=_COUNT) for bounds in SHAPES[name].values()]
    if name in ("binom", "betabinom"):
        shapes[0] = np.floor(shapes[0])
    if name in INTEGERS:
        most = 2 if name == "bernoulli" else 20
        numbers = np.append(np.floor(rng.uniform(-2, most, _COUNT - 3)) + 2, [2.5, np.nan, 1e5])
        return numbers, [*shapes, np.full(_COUNT, 2.0)]
    loc, scale = rng.normal(size=_COUNT), rng.gamma(2.0, size=_COUNT) + 0.1
    edges = np.array([-30, 40, 0, 1, 1.5, np.nan])
    numbers = np.concatenate([rng.uniform(-4, 4, 20), rng.uniform(0, 1, 20), rng.uniform(0, 7, 14), edges])
    return loc + scale * numbers, [*shapes, loc, scale]


PROBABILITIES = np.append(np.random.default_rng(5).uniform(0, 1, _COUNT - 7), [0, 1, 1e-12, 1 - 1e-12, -1, 2, np.nan])


@pytest.mark.parametrize("name", SHAPES)
def test_values_are_scipys(name: str) -> None:
    ours, scipys = getattr(stats, name), getattr(scipy_stats, name)
    x, parameters = _arguments(name)
    methods = [method for method in METHODS if hasattr(ours, method)]
    assert len(methods) >= 2
    for method in methods:
        first = PROBABILITIES if method in ("ppf", "isf") else x
        got = getattr(ours, method)(first, *parameters)
        np.testing.assert_allclose(
            got, getattr(scipys, method)(first, *parameters), rtol=2e-13, atol=1e-14, err_msg=method
        )
        narrow = getattr(ours, method)(np.float32(0.5), *(v[0].astype(np.float32) for v in parameters))
        assert narrow.dtype == np.float32
    density = getattr(ours, methods[0])
    np.testing.assert_allclose(ft.jit(density)(x, *parameters), density(x, *parameters), rtol=1e-13)


@pytest.mark.parametrize("name", SHAPES)
def test_parameters_out_of_range_give_nan(name: str) -> None:
    ours = getattr(stats, name)
    _, parameters = _arguments(name)
    good = [v[0] for v in parameters]
    for method in (method for method in METHODS if hasattr(ours, method)):
        for i in range(len(SHAPES[name])):
            bad = [-7.0 if k == i and name != "truncnorm" else v for k, v in enumerate(good)]
            if name != "truncnorm":
                assert np.isnan(getattr(ours, method)(0.5, *bad)), (method, i)
        if name not in INTEGERS:
            assert np.isnan(getattr(ours, method)(0.5, *good[:-1], 0.0))
    assert np.isnan(stats.truncnorm.cdf(0.5, 1.0, -1.0))
    assert np.isnan(stats.binom.pmf(1, 2.5, 0.5))


def _difference(function: Any, arguments: list[Any], i: int) -> Any:
    step = 1e-4
    around = [function(*(x + n * step if k == i else x for k, x in enumerate(arguments))) for n in (-2, -1, 1, 2)]
    return (8 * (around[2] - around[1]) - (around[3] - around[0])) / (12 * step)


@pytest.mark.parametrize("name", SHAPES)
def test_derivatives_are_those_of_differences(name: str) -> None:
    ours, scipys = getattr(stats, name), getattr(scipy_stats, name)
    x, parameters = _arguments(name)
    methods = ("logpdf", "logpmf", "cdf") if name in LOOPS else METHODS
    for method in (method for method in methods if hasattr(ours, method) and method not in ("pdf", "pmf")):
        first = PROBABILITIES if method in ("ppf", "isf") else x
        arguments = [first, *parameters]
        function, oracle = getattr(ours, method), getattr(scipys, method)
        compared = 0
        for i in range(len(arguments)):
            is_whole = name in INTEGERS and (
                i in (0, len(arguments) - 1) or (i == 1 and name in ("binom", "betabinom"))
            )
            tangents = [np.ones_like(v) if k == i else np.zeros_like(v) for k, v in enumerate(arguments)]
            got = ft.jvp(function, tuple(arguments), tuple(tangents))[1]
            known = np.isfinite(oracle(*arguments)) | (first == 40)
            assert not np.any(np.isnan(got[known])), (method, i)
            if is_whole:
                continue
            wanted = _difference(oracle, arguments, i)
            wider = _difference(oracle, [v + 3e-4 * (k == i) for k, v in enumerate(arguments)], i)
            size = np.abs(wanted)
            smooth = (size < 1e3) & (np.abs(oracle(*arguments)) < 1e4) & (np.abs(wanted - wider) <= 3e-3 * size)
            compared += np.sum(smooth)
            np.testing.assert_allclose(got[smooth], wanted[smooth], rtol=3e-5, atol=1e-7, err_msg=f"{method} {i}")
        assert compared > 5


def test_gradients_are_numbers_where_others_are_outside() -> None:
    x = np.array([-1.0, 0.0, 0.5, 2.0, np.inf, -np.inf])

    def loss(x: Any, a: Any, scale: Any) -> Any:
        inside = stats.gamma.logpdf(x, a, scale=scale)
        return np.sum(np.where(np.isfinite(inside), inside, 0)) + np.sum(stats.beta.cdf(x, a, 2.0, scale=scale))

    for gradient in ft.jit(ft.grad(loss, argnums=(0, 1, 2)))(x, 1.5, 1.2):
        assert np.all(np.isfinite(gradient))
    for name, at in (("t", 0.3), ("gennorm", 1.5)):  # through the straight line at 0
        family = getattr(stats, name)
        assert ft.grad(family.cdf)(0.0, 3.0 + at) == pytest.approx(family.pdf(0.0, 3.0 + at), rel=1e-14)


def test_arguments_are_scipys() -> None:
    assert stats.gamma.logpdf(2.0, a=3.0, scale=2.0) == pytest.approx(scipy_stats.gamma.logpdf(2.0, a=3.0, scale=2.0))
    assert stats.norm.pdf(np.zeros((3, 1)), np.zeros(2)).shape == (3, 2)
    assert stats.poisson.pmf(3, 2).dtype == np.float64
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        stats.gamma.logpdf(2.0)
    with pytest.raises(TypeError, match="scale"):
        stats.poisson.pmf(2, 1.0, scale=2.0)


def test_distributions_of_vectors() -> None:
    rng = np.random.default_rng(2)
    alpha = np.array([0.5, 2.0, 3.0])
    x = rng.dirichlet([9.0, 9.0, 9.0], 5).T
    for part in (x, x[:-1], x[:, 0]):
        np.testing.assert_allclose(
            stats.dirichlet.logpdf(part, alpha), scipy_stats.dirichlet.logpdf(part, alpha), rtol=1e-13
        )
    assert stats.dirichlet.pdf(np.array([0.5, 0.6, -0.1]), alpha) == 0
    assert np.isnan(stats.dirichlet.logpdf(x[:, 0], -alpha))
    chances = np.array([0.2, 0.3, 0.5])
    counts = np.append(rng.multinomial(7, chances, 6), [[7, 0, 0], [1, 1, 1]], axis=0)
    wanted = scipy_stats.multinomial.logpmf(counts, 7, chances)
    np.testing.assert_allclose(stats.multinomial.logpmf(counts, 7, chances), wanted, rtol=1e-13)
    np.testing.assert_allclose(stats.multinomial.pmf(counts, 7, chances), np.exp(wanted), rtol=1e-13)
    factors = rng.normal(size=(4, 3, 3))
    covs = factors @ factors.transpose(0, 2, 1) + np.eye(3)
    points, mean = rng.normal(size=(4, 3)), rng.normal(size=3)
    normal = stats.multivariate_normal
    wanted = [scipy_stats.multivariate_normal.logpdf(p, mean, c) for p, c in zip(points, covs, strict=True)]
    np.testing.assert_allclose(ft.jit(normal.logpdf)(points, mean, covs), wanted, rtol=1e-12)
    for cov in (covs[0], 2.0):
        np.testing.assert_allclose(
            normal.pdf(points, mean, cov), scipy_stats.multivariate_normal.pdf(points, mean, cov), rtol=1e-12
        )
    np.testing.assert_allclose(normal.logpdf(points[0]), scipy_stats.norm.logpdf(points[0]), rtol=1e-12)

    def of_factors(x: Any, mean: Any, factors: Any) -> Any:  # covariances stay symmetric
        return normal.logpdf(x, mean, factors @ np.swapaxes(factors, -1, -2) + np.eye(3))

    for function, arguments in (
        (stats.dirichlet.logpdf, (x[:-1], alpha)),
        (lambda p: stats.multinomial.logpmf(counts[:-1], 7, p), (chances,)),
        (of_factors, (points, mean, factors)),
        (of_factors, (points, mean, factors[0])),
    ):
        check_grads(function, arguments, order=1, modes=("fwd", "rev"), rtol=1e-3)


def test_functions_of_samples() -> None:
    x = np.array([[3.0, 1.0, 2.0, 1.0], [2.0, 2.0, 0.0, 5.0], [3.0, 1.0, 0.0, 1.0]])
    for axis in (0, 1, -1, None):
        for keepdims in (False, True):
            for ours, theirs in zip(
                stats.mode(x, axis, keepdims=keepdims), scipy_stats.mode(x, axis, keepdims=keepdims), strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)
            wanted = scipy_stats.sem(x, axis, keepdims=keepdims)
            np.testing.assert_allclose(ft.jit(lambda x: stats.sem(x, axis, keepdims=keepdims))(x), wanted)  # noqa: B023
        methods: list[Any] = ["average", "min", "max", "dense", "ordinal"]
        for method in methods:
            ranks = ft.jit(lambda x: stats.rankdata(x, method, axis=axis))(x)  # noqa: B023
            np.testing.assert_array_equal(ranks, scipy_stats.rankdata(x, method, axis=axis))
    assert stats.mode(np.array([1.0, np.nan, np.nan])).count == 2
    np.testing.assert_array_equal(stats.rankdata(np.array([1.0, np.nan])), [np.nan, np.nan])
    with pytest.raises(ParameterError, match="nan_policy='omit'"):
        stats.sem(x, nan_policy="omit")
    with pytest.raises(ParameterError, match="method='least'"):
        stats.rankdata(x, "least")  # type: ignore[arg-type]
