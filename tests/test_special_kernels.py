"""The special-function kernels against mpmath: ULP bounds, special values, dtypes, shapes, coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray

from functrans.ops import special_kernels as sk

F64: TypeAlias = NDArray[np.float64]
Exact: TypeAlias = float  # an mpf at run time: mpmath ships no types, and a float is what it behaves like
Kernel: TypeAlias = Callable[[F64], F64 | np.float64]
Reference: TypeAlias = Callable[[Exact], Exact]

N = 600
INF, NAN = math.inf, math.nan
with mp.workdps(50):
    DIGAMMA_ROOT: Exact = mp.findroot(mp.digamma, 1.46)
ALL: tuple[Callable[..., object], ...] = (sk.erf, sk.erfc, sk.erfinv, sk.lgamma, sk.digamma, sk.logistic)


def uniform(low: float, high: float, seed: int = 0) -> F64:
    return np.random.default_rng(seed).uniform(low, high, N)


def log_uniform(low: float, high: float, seed: int = 0) -> F64:
    return np.exp(uniform(math.log(low), math.log(high), seed))


def near(point: float, seed: int = 0) -> F64:
    """Points on both sides of `point`, from far to one ULP away."""
    away = log_uniform(1e-15, 1e-1, seed)
    return np.concatenate([point + away, point - away, [np.nextafter(point, 9.0), np.nextafter(point, -9.0)]])


SMALL = np.concatenate([log_uniform(1e-300, 1e-1), log_uniform(1e-307, 1e-300), [5e-324, 1e-320, 2.3e-308]])


def count(x: F64) -> str:
    return f"{x[0]:.3g},{x[1]:.3g},..."


def max_ulp(kernel: Kernel, reference: Reference, x: F64, floor: float = 0.0) -> float:
    """The largest error, in ULP of the exact value or of `floor` if that is larger; ±inf must be equal."""
    worst = 0.0
    with mp.workdps(40):
        for point, value in zip(x.tolist(), np.asarray(kernel(x)).tolist(), strict=True):
            exact = mp.mpf(reference(mp.mpf(point)))
            rounded = float(exact)
            if math.isinf(rounded):
                assert value == rounded, point
                continue
            error = abs(mp.mpf(value) - exact) / math.ulp(max(abs(rounded), floor))
            assert not mp.isnan(error), point
            worst = max(worst, float(error))
    return worst


def lgamma_exact(x: Exact) -> Exact:
    exact: Exact = mp.loggamma(x) if x > 0 else mp.log(mp.pi / abs(mp.sinpi(x))) - mp.loggamma(1 - x)
    return exact


@pytest.mark.parametrize("x", [uniform(-6, 6), uniform(-1.1, 1.1), near(1.0), SMALL, -SMALL], ids=count)
def test_erf_ulp(x: F64) -> None:
    assert max_ulp(sk.erf, mp.erf, x) <= 1.5


@pytest.mark.parametrize("x", [uniform(-6, 3), uniform(0.2, 1.5), uniform(3, 26.5), near(1.0), SMALL], ids=count)
def test_erfc_ulp(x: F64) -> None:
    assert max_ulp(sk.erfc, mp.erfc, x) <= 2


def test_erfc_subnormal() -> None:
    x = np.linspace(26.6, 28.5, 50)
    exact = np.array([float(mp.erfc(v)) for v in x.tolist()])
    np.testing.assert_allclose(sk.erfc(x), exact, rtol=1e-15, atol=1e-323)


@pytest.mark.parametrize(
    "x",
    [uniform(-1, 1), 1 - log_uniform(1.2e-16, 0.5), 1 - 2.0**-53 * np.arange(1, 40), near(0.99903), SMALL, -SMALL],
    ids=count,
)
def test_erfinv_ulp(x: F64) -> None:
    assert max_ulp(sk.erfinv, mp.erfinv, x[np.abs(x) < 1]) <= 4


@pytest.mark.parametrize(
    "x", [uniform(0, 5), near(1.0), near(2.0), near(4.0), uniform(3, 30), log_uniform(1, 2e305), SMALL], ids=count
)
def test_lgamma_ulp_positive(x: F64) -> None:
    assert max_ulp(sk.lgamma, lgamma_exact, x) <= 4


@pytest.mark.parametrize(
    "x", [uniform(-1, 0), uniform(-3, -1), uniform(-30, -2), uniform(-1e4, -30), -SMALL], ids=count
)
def test_lgamma_ulp_negative(x: F64) -> None:
    """Near its zeros the error is that of the larger term, about lgamma(1 - x)."""
    magnitude = 1.0 + float(np.max(sk.lgamma(1.0 - x)))
    assert max_ulp(sk.lgamma, lgamma_exact, x, floor=min(magnitude, 4.0) if magnitude < 100 else 64.0) <= 5


@pytest.mark.parametrize(
    "x",
    [uniform(0, 2), uniform(2, 6), near(1.4616321449683622), near(4.0), near(1.0), log_uniform(4, 1e308), SMALL],
    ids=count,
)
def test_digamma_ulp_positive(x: F64) -> None:
    assert max_ulp(sk.digamma, mp.digamma, x) <= 4


@pytest.mark.parametrize("x", [uniform(-1, 0), uniform(-10, 0), uniform(-1e4, -30), -SMALL, near(-3.0)], ids=count)
def test_digamma_ulp_negative(x: F64) -> None:
    """Near its zeros the error is absolute, a few ULP of 1 or digamma(1 - x)."""
    assert max_ulp(sk.digamma, mp.digamma, x, floor=1.0 if x.min() > -30 else 8.0) <= 6


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 20, 60, 150])
def test_polygamma_ulp(n: int) -> None:
    kernel: Kernel = partial(sk.polygamma, n)
    exact: Reference = partial(mp.polygamma, n)
    bound, points = (4, 150) if n <= 4 else (8, 60)
    assert max_ulp(kernel, exact, uniform(0.01, 40)[:points]) <= bound
    assert max_ulp(kernel, exact, log_uniform(0.05, 1e4)[:points]) <= bound
    if n <= 20:
        x = uniform(-12, 0)[:150]
        # Even orders have zeros near the half-integers: measure there against the size at the next extremum.
        floor = 0.0 if n % 2 else math.factorial(n) * 2.0 ** (n + 1)
        assert max_ulp(kernel, exact, x, floor) <= 4 + 2 * n


def test_polygamma_range() -> None:
    """Neither n! nor x^-n leaves the range of float64 where the product does not."""
    with mp.workdps(30):
        for n, x in ((1, 1e160), (1, 1e-150), (2, 1e100), (200, 100.0), (300, 1e3), (150, 0.02), (2, 1e-90)):
            if x > 1e4:
                exact = mp.factorial(n - 1) / mp.mpf(x) ** n
            else:
                exact = mp.factorial(n) * mp.fsum((mp.mpf(x) + k) ** -(n + 1) for k in range(2000))
            out = sk.polygamma(n, np.float64(x))
            np.testing.assert_allclose(out, (-1) ** (n + 1) * float(exact), rtol=1e-14)


@pytest.mark.parametrize("n", [-1, 1001])
def test_polygamma_order(n: int) -> None:
    with pytest.raises(ValueError, match=f"got n = {n}"):
        sk.polygamma(n, np.float64(1.0))


@pytest.mark.parametrize("x", [uniform(-40, 40), uniform(-1, 1), uniform(-745, -700), -SMALL, SMALL], ids=count)
def test_logistic_ulp(x: F64) -> None:
    assert max_ulp(sk.logistic, lambda v: 1 / (1 + mp.exp(-v)), x) <= 2


def test_logistic_float32() -> None:
    x = uniform(-80, 80).astype(np.float32)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.max(np.abs(sk.logistic(x) - exact) / np.spacing(exact.astype(np.float32))) <= 4


@pytest.mark.parametrize(("dtype", "tol"), [(np.complex64, 1e-6), (np.complex128, 2e-15)])
def test_logistic_complex(dtype: type[np.complexfloating], tol: float) -> None:
    z = (uniform(-30, 30) + 1j * uniform(-2, 2, seed=1)).astype(dtype)
    out = np.asarray(sk.logistic(z))
    exact = np.array([complex(1 / (1 + mp.exp(-mp.mpc(v)))) for v in z.tolist()])
    assert out.dtype == dtype
    assert np.max(np.abs(out - exact) / np.abs(exact)) < tol
    ends = np.array([1000 + 1j, -1000 + 1j, INF, -INF], dtype)
    np.testing.assert_array_equal(sk.logistic(ends), np.array([1, 0, 1, 0], dtype))


SPECIAL: list[tuple[Kernel, list[float], list[float]]] = [
    (sk.erf, [0.0, -0.0, INF, -INF, NAN, 40.0, -40.0, 1e300], [0.0, -0.0, 1.0, -1.0, NAN, 1.0, -1.0, 1.0]),
    (sk.erfc, [0.0, -0.0, INF, -INF, NAN, 40.0, -40.0, -1e300], [1.0, 1.0, 0.0, 2.0, NAN, 0.0, 2.0, 2.0]),
    (sk.erfinv, [0.0, -0.0, 1.0, -1.0, 1.5, -2.0, INF, -INF, NAN], [0.0, -0.0, INF, -INF, NAN, NAN, NAN, NAN, NAN]),
    (sk.lgamma, [0.0, -0.0, -1.0, -7.0, -1e20, INF, -INF, NAN, 1.0, 2.0, 1e307], [INF] * 7 + [NAN, 0.0, 0.0, INF]),
    (sk.digamma, [0.0, -0.0, -1.0, -1e20, INF, -INF, NAN, 1e-310], [-INF, INF, NAN, NAN, INF, NAN, NAN, -INF]),
    (sk.logistic, [0.0, -0.0, INF, -INF, NAN, 1e300, -1e300], [0.5, 0.5, 1.0, 0.0, NAN, 1.0, 0.0]),
    (lambda x: np.asarray(sk.polygamma(1, x)), [0.0, -0.0, -1.0, INF, NAN], [INF, INF, INF, 0.0, NAN]),
    (lambda x: np.asarray(sk.polygamma(2, x)), [0.0, -0.0, -1.0, INF, NAN], [-INF, INF, NAN, -0.0, NAN]),
    (lambda x: np.asarray(sk.polygamma(0, x)), [0.0, -0.0, -1.0, INF, NAN], [-INF, INF, NAN, INF, NAN]),
]


@pytest.mark.parametrize(("kernel", "x", "expected"), SPECIAL)
@pytest.mark.filterwarnings("error")
def test_special_values(kernel: Kernel, x: list[float], expected: list[float]) -> None:
    """Exact, signs of zero included, alone and in one array, with no warning."""
    for out in (kernel(np.array(x)), np.array([kernel(np.array(v)) for v in x])):
        np.testing.assert_array_equal(out, expected)
        want = np.array(expected)
        finite = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(out)[finite], np.signbit(want)[finite])


@pytest.mark.parametrize("kernel", [*ALL, lambda x: sk.polygamma(2, x)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.filterwarnings("error")
def test_dtype_and_shape(kernel: Callable[..., NDArray[np.floating]], dtype: type[np.floating]) -> None:
    for shape in ((0,), (3, 0, 2), (1,), (2, 3), (4, 1, 5)):
        x = np.linspace(-0.9, 0.9, int(np.prod(shape))).reshape(shape).astype(dtype)
        out = kernel(x)
        assert isinstance(out, np.ndarray)
        assert out.shape == shape
        assert out.dtype == dtype
        wide = kernel(x.astype(np.float64))
        np.testing.assert_allclose(out, wide.astype(dtype), rtol=4 * float(np.finfo(dtype).eps))
    for scalar in (dtype(0.25), np.array(0.25, dtype)):
        result: object = kernel(scalar)
        assert type(result) is dtype
        assert result == kernel(np.array([0.25], dtype))[0]


@pytest.mark.parametrize("kernel", [*ALL, lambda x: sk.polygamma(1, x)])
def test_layout_and_blocks(kernel: Callable[..., NDArray[np.float64]]) -> None:
    """Arrays longer than a block, strided or transposed, give what each element gives; the input is left alone."""
    x = np.random.default_rng(0).normal(scale=2.0, size=(2, 10001))
    before = x.copy()
    out = kernel(x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(kernel(x.T), out.T)
    np.testing.assert_array_equal(kernel(x[:, ::-3]), out[:, ::-3])
    for i in (0, 8191, 8192, 10000):
        np.testing.assert_array_equal(kernel(x[1, i]), out[1, i])


@pytest.mark.parametrize("kernel", ALL)
def test_dtypes_refused(kernel: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="float16"):
        kernel(np.arange(3))


def test_float16_overflow_is_silent() -> None:
    with np.errstate(all="raise"):
        assert sk.lgamma(np.float16(60000)) == INF
        assert sk.lgamma(np.float32(3e38)) == INF
        assert sk.erfc(np.float32(15)) == 0


def from_map(v: Exact) -> Exact:
    return 2 * (1 + v) / (1 - v)


FITS: list[tuple[tuple[float, ...], Reference, float, float, float]] = [
    (sk._ERF_CENTRE, lambda t: mp.erf(mp.sqrt(t + 0.75)) / mp.sqrt(t + 0.75) - 1, -0.75, 0.25, 2e-17),
    (sk._ERFC_TAIL, lambda v: 2 * (a := from_map(v)) * mp.exp(a * a) * mp.erfc(a) - 1, -1 / 3, 13 / 15, 5e-17),
    (sk._LGAMMA_NEAR, lambda v: mp.loggamma(z := from_map(v)) / ((z - 1) * (z - 2)), -1 / 3, 1 / 3, 5e-17),
    (sk._DIGAMMA_NEAR, lambda v: mp.digamma(z := from_map(v)) / (z - DIGAMMA_ROOT), -1 / 3, 1 / 3, 1e-16),
    (
        sk._LGAMMA_FAR,
        lambda t: (mp.loggamma(x := t**-0.5) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2) * x,
        *(0.0, 1 / 16, 3e-17),
    ),
    (sk._DIGAMMA_FAR, lambda t: (mp.log(x := t**-0.5) - 1 / (2 * x) - mp.digamma(x)) / t, 0.0, 1 / 16, 4e-16),
]


@pytest.mark.parametrize(("coefficients", "function", "low", "high", "error"), FITS)
def test_coefficients_fit(
    coefficients: tuple[float, ...], function: Reference, low: float, high: float, error: float
) -> None:
    """Each polynomial fitted for this project is mpmath.chebyfit's for the function its comment names."""
    with mp.workdps(50):
        for k in range(1, 40):
            t = low + mp.mpf(high - low) * (k + mp.mpf("0.1")) / 40
            value = mp.mpf(0)
            for coefficient in coefficients:  # Horner, highest power first
                value = value * t + coefficient
            assert abs(value - function(t)) < error
