"""functrans.scipy.special against SciPy: values, derivatives against finite differences of SciPy, and every transform."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special as scipy_special

import functrans as ft
from functrans.scipy import special

_rng = np.random.default_rng(3)
REAL = np.concatenate(
    [_rng.normal(size=40) * 3, [0.0, -0.0, 1.0, -1.0, 0.5, 20.0, -20.0, 700.0, np.inf, -np.inf, np.nan]]
)
POSITIVE = np.concatenate([_rng.gamma(1.0, 2.0, 40), [1e-300, 1e-8, 1.0, 2.0, 50.0, 170.0, 1e5, np.inf, np.nan]])
UNIT = np.concatenate([_rng.uniform(0, 1, 40), [0.0, 1.0, 0.5, 1e-300, 1e-10, 1 - 1e-12, np.nan]])
GAMMAS = np.concatenate(
    [_rng.uniform(-6, 12, 40), [-3.0, -0.5, 0.0, 1.0, 2.0, 5.0, 22.5, 30.0, 170.5, 180.0, np.inf, np.nan]]
)


def _pairs(first: Any, second: Any) -> tuple[Any, Any]:
    return tuple(
        _rng.permutation(np.repeat(first, 2))[:80] if i else np.tile(first, 2)[:80]
        for i, first in enumerate((first, second))
    )  # type: ignore[return-value]


_SHAPES = np.concatenate([_rng.gamma(1.0, 3.0, 60) + 1e-3, [0.5, 1.0, 10.0, 100.0, 1e3, 1e-3, 30.0, 9.0, 11.0, 1.0]])
_OTHERS = np.concatenate(
    [_rng.gamma(1.0, 3.0, 60) + 1e-3, [0.5, 1.0, 10.0, 120.0, 990.0, 1e-5, 30.0, 1e3, 0.0, np.inf]]
)

CASES: list[tuple[str, tuple[Any, ...], float]] = [
    ("expit", (REAL,), 1e-15),
    ("log_expit", (REAL,), 1e-15),
    ("logit", (UNIT,), 2e-15),
    ("xlogy", _pairs(np.append(POSITIVE, 0.0), np.append(POSITIVE, 0.0)), 1e-15),
    ("xlog1py", _pairs(np.append(POSITIVE, 0.0), np.append(UNIT, -1.0)), 1e-15),
    ("entr", (REAL,), 2e-15),
    ("rel_entr", _pairs(np.append(UNIT, -1.0), np.append(UNIT, 0.0)), 1e-14),
    ("kl_div", _pairs(np.append(UNIT, -1.0), np.append(UNIT, 0.0)), 1e-12),
    ("erf", (REAL,), 1e-15),
    ("erfc", (REAL,), 1e-14),
    ("erfinv", (2 * UNIT - 1,), 1e-14),
    ("erfcinv", (2 * UNIT,), 1e-13),
    ("ndtr", (REAL,), 1e-13),
    ("log_ndtr", (np.append(REAL, [-5.0, -4.99, -30.0, -1e5]),), 1e-13),
    ("ndtri", (UNIT,), 1e-13),
    ("gammaln", (GAMMAS,), 1e-13),
    ("digamma", (GAMMAS,), 1e-12),
    ("psi", (GAMMAS,), 1e-12),
    ("gammasgn", (GAMMAS,), 0),
    ("gamma", (GAMMAS,), 2e-13),
    ("rgamma", (GAMMAS[:-2],), 2e-13),
    ("factorial", (np.array([0.0, 1.0, 3.0, 5.0, 0.5, 10.0, 20.0, 100.0, -1.0]),), 1e-13),
    ("poch", (np.abs(GAMMAS[:40]) + 0.1, UNIT[:40] * 3), 1e-12),
    ("gammainc", (_SHAPES, _OTHERS), 1e-12),
    ("gammaincc", (_SHAPES, _OTHERS), 1e-12),
    ("zeta", (1 + POSITIVE[:40] + 0.05, _SHAPES[:40]), 1e-13),
    ("beta", (_SHAPES, np.resize(_OTHERS[:-2], 70)), 1e-12),
    ("betaln", (_SHAPES, np.resize(_OTHERS[:-2], 70)), 1e-12),
    ("binom", (_SHAPES[:60] + 3, UNIT[:30].repeat(2) * 3), 1e-12),
    ("betainc", (_SHAPES, np.resize(_OTHERS[:-2], 70), np.resize(UNIT, 70)), 1e-11),
    ("i0", (REAL[np.abs(np.nan_to_num(REAL, nan=0.0)) < 500],), 1e-14),
    ("i0e", (REAL,), 1e-14),
    ("i1", (REAL[np.abs(np.nan_to_num(REAL, nan=0.0)) < 500],), 1e-14),
    ("i1e", (REAL,), 1e-14),
    ("exp1", (np.append(POSITIVE, [2.0, 2.0000001, 0.0, -1.0]),), 4e-15),
    ("expi", (np.append(REAL, [0.26, 0.49, 7.9, 8.0, 8.1, 12.0, 40.0, -2.0, -90.0]),), 2e-14),
    ("spence", (np.append(POSITIVE[:-2], [0.0, 0.49, 0.51, 1.0001, 1.999, 2.001, -1.0, np.nan]),), 4e-15),
]
IDS = [name for name, *_ in CASES]


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize(("name", "operands", "rtol"), CASES, ids=IDS)
def test_values_are_scipys(name: str, operands: tuple[Any, ...], rtol: float) -> None:
    wanted = getattr(scipy_special, name)(*operands)
    function = getattr(special, name)
    for run in (function, ft.jit(function)):
        np.testing.assert_allclose(run(*operands), wanted, rtol=max(rtol, 1e-15), atol=1e-300)
    narrow = [x.astype(np.float32) for x in operands]
    got = ft.jit(function)(*narrow)
    assert got.dtype == np.float32
    near = getattr(scipy_special, name)(*(x.astype(np.float64) for x in narrow))
    ok = np.isfinite(near) & (np.abs(near) < 1e30) & (np.abs(near) > 1e-30)
    np.testing.assert_allclose(got[ok], near[ok], rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "operands"), [case[:2] for case in CASES], ids=IDS)
def test_derivatives_are_those_of_differences(name: str, operands: tuple[Any, ...]) -> None:
    function, scipys = getattr(special, name), getattr(scipy_special, name)
    inside = np.all([np.isfinite(x) & (np.abs(x) < 100) & (np.abs(x) > 0.05) for x in operands], axis=0)
    inside &= np.isfinite(scipys(*operands)) & (np.abs(scipys(*operands)) < 1e6)
    if name in ("logit", "erfinv", "erfcinv", "ndtri", "rel_entr", "kl_div", "betainc"):
        inside &= np.all([np.abs(x - np.round(x)) > 0.02 for x in operands[-1:]], axis=0)
    if name in ("gammaln", "gamma", "digamma", "psi", "rgamma", "poch", "gammasgn"):
        inside &= np.abs(operands[0] - np.round(operands[0])) > 0.1
    points = tuple(x[inside] for x in operands)
    assert points[0].size > 3
    for i in range(len(points)):
        tangents = [np.ones_like(x) if k == i else np.zeros_like(x) for k, x in enumerate(points)]
        got = ft.jvp(function, points, tuple(tangents))[1]
        step = 1e-4
        around = [scipys(*(x + n * step if k == i else x for k, x in enumerate(points))) for n in (-2, -1, 1, 2)]
        wanted = (8 * (around[2] - around[1]) - (around[3] - around[0])) / (12 * step)
        scale = np.maximum(np.abs(wanted), np.abs(scipys(*points)))
        assert np.max(np.abs(got - wanted) / np.maximum(scale, 1e-3)) < 1e-5, (name, i)
        if i == len(points) - 1:
            back = ft.jit(ft.grad(lambda *args: np.sum(function(*args)), argnums=i))(*points)
            np.testing.assert_allclose(back, got, rtol=1e-8, atol=1e-10)


def test_logarithms_of_sums() -> None:
    x = np.array([[1.0, -np.inf, 800.0], [-np.inf, -np.inf, -np.inf]])
    b = np.array([[1.0, 2.0, -3.0], [1.0, 1.0, 1.0]])
    for axis in (None, 0, 1, (0, 1)):
        for keepdims in (False, True):
            wanted = scipy_special.logsumexp(x, axis=axis, keepdims=keepdims)
            np.testing.assert_allclose(special.logsumexp(x, axis, keepdims=keepdims), wanted)
            got = special.logsumexp(x, axis, b, keepdims, True)
            for one, other in zip(got, scipy_special.logsumexp(x, axis, b, keepdims, True), strict=True):
                np.testing.assert_allclose(one, other)
    assert np.isnan(special.logsumexp(np.array([0.0, 1.0]), b=np.array([1.0, -3.0])))
    y = np.array([[1.0, 2.0], [3.0, -1.0]])
    for axis in (None, 0, 1):
        np.testing.assert_allclose(special.softmax(y, axis), scipy_special.softmax(y, axis))
        np.testing.assert_allclose(special.log_softmax(y, axis), scipy_special.log_softmax(y, axis))
    gradient = ft.grad(lambda x: special.logsumexp(x))(np.array([1.0, 2.0, -np.inf]))
    np.testing.assert_allclose(gradient, scipy_special.softmax([1.0, 2.0, -np.inf]))
    wanted = getattr(scipy_special, "multigammaln")(y + 4, 3)  # noqa: B009  # its stubs lack it
    np.testing.assert_allclose(special.multigammaln(y + 4, 3), wanted)
    np.testing.assert_allclose(special.polygamma(2, y + 4), scipy_special.polygamma(2, y + 4))


@pytest.mark.parametrize("name", ["fresnel", "sici"])
def test_oscillating_integrals(name: str) -> None:
    ours, scipys = getattr(special, name), getattr(scipy_special, name)
    x = np.concatenate([_rng.uniform(0.01, 12, 60), [1e-9, 1.75, 4.0, 50.0, 900.0]])
    x = np.concatenate([x, -x, [0.0, -0.0, np.inf, -np.inf, np.nan]])
    inside = np.abs(x) < 100
    for k in (0, 1):
        for run in (ours, ft.jit(ours)):  # SciPy's angles of large numbers are rounded
            np.testing.assert_allclose(run(x)[k], scipys(x)[k], rtol=2e-14, atol=3e-15)
        assert ours(x.astype(np.float32))[k].dtype == np.float32
        got = ft.jvp(lambda x: ours(x)[k], (x[inside],), (np.ones(inside.sum()),))[1]  # noqa: B023
        step = 1e-5
        wanted = (scipys(x[inside] + step)[k] - scipys(x[inside] - step)[k]) / (2 * step)
        is_smooth = np.abs(x[inside]) > 1e-3
        np.testing.assert_allclose(got[is_smooth], wanted[is_smooth], rtol=1e-6, atol=1e-6)
    assert ft.grad(lambda x: ours(x)[0])(0.0) == (1.0 if name == "sici" else 0.0)


EDGES: list[tuple[Callable[[Any], Any], float, float]] = [
    (lambda x: special.xlogy(x, 2.0), 0.0, np.log(2.0)),
    (lambda y: special.xlogy(0.0, y), 0.0, 0.0),
    (lambda x: special.i1(x), 0.0, 0.5),
    (lambda x: special.i0(x), 0.0, 0.0),
    (lambda x: special.log_ndtr(x), -50.0, 50.01998403185674),
    (lambda x: special.log_ndtr(x), 40.0, 0.0),
    (lambda x: special.logit(x), 0.5, 4.0),
    (lambda x: special.expit(x), -800.0, 0.0),
    (lambda x: special.gammaincc(1.0, x), 0.0, -1.0),
    (lambda x: special.betainc(3.0, 1.0, x), 1.0, 3.0),
    (lambda x: special.betainc(1.0, 3.0, x), 0.0, 3.0),
    (lambda x: special.betainc(2.0, 3.0, x), 0.0, 0.0),
    (lambda x: special.spence(x), 1.0, -1.0),
    (lambda x: special.entr(x), 0.0, np.inf),
    (lambda x: special.binom(x, 7.0), 5.0, -1 / 42),
    (ft.grad(special.i1), 1e-9, 3.75e-10),
    (ft.grad(special.i1), 0.0, 0.0),
]


LIMITS: list[tuple[str, tuple[float, ...]]] = [
    *(("poch", z) for z in ((-3.0, 2.0), (-1.0, 1.0), (-3.0, 5.0), (0.0, 0.0), (100.0, 2.0))),
    *(("binom", z) for z in ((5.0, 7.0), (1.0, 10.0), (0.0, 10.0), (60.0, 30.0), (5.5, 2.5), (3.0, 3.0), (9.0, 0.0))),
    *(("beta", z) for z in ((-3.0, 2.0), (2.0, -3.0), (-1.0, 1.0), (0.0, 0.0), (-1.5, 0.7), (2.0, 3.0))),
    *(("betaln", z) for z in ((-3.0, 2.0), (1e-8, 2.0), (1e5, 3.0))),
    *(("betainc", z) for z in ((0.0, 0.1, 0.5), (0.1, 0.0, 0.5), (np.inf, 1.0, 0.5), (1.0, np.inf, 0.5))),
    *(("xlogy", z) for z in ((0.0, np.inf), (0.0, np.nan), (0.0, 0.0))),
    ("xlog1py", (0.0, np.inf)),
]


@pytest.mark.parametrize(("name", "operands"), LIMITS)
def test_limits_and_poles(name: str, operands: tuple[float, ...]) -> None:
    wanted = getattr(scipy_special, name)(*operands)
    np.testing.assert_allclose(ft.jit(getattr(special, name))(*operands), wanted, rtol=1e-12)


def test_narrow_operands_lose_no_digits() -> None:
    f = np.float32
    assert ft.jit(special.poch)(f(1e4), f(0.3)) == pytest.approx(scipy_special.poch(1e4, f(0.3)), rel=1e-6)
    assert special.binom(1e-8, 1.0) == 1e-8
    assert ft.jit(special.binom)(f(1e-8), f(1)) == pytest.approx(1e-8, rel=1e-6)


@pytest.mark.parametrize(("function", "x", "wanted"), EDGES)
def test_derivatives_at_edges(function: Callable[[Any], Any], x: float, wanted: float) -> None:
    assert ft.grad(function)(x) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in special.__all__ if isinstance(getattr(scipy_special, name), np.ufunc)]
)
def test_scipys_own_ufuncs_are_traced(name: str) -> None:
    ours, scipys = getattr(special, name), getattr(scipy_special, name)
    count = len([p for p in inspect.signature(ours).parameters.values() if p.default is p.empty])
    operands = (np.array([0.3, 0.6]),) * count if name != "zeta" else (np.array([1.3, 2.6]), np.array([1.0, 2.0]))
    np.testing.assert_allclose(ft.jit(lambda *xs: scipys(*xs))(*operands), scipys(*operands), rtol=1e-12)
