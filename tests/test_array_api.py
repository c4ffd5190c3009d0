"""The Python Array API standard on traced arrays, and what is written for it: array-api-extra, einops, SciPy."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import functrans as ft
import functrans.numpy as fnp
from functrans.errors import FunctransError
from functrans.numpy import standard
from functrans.numpy.array import ArrayTracer

NAMES = """
    __array_api_version__ __array_namespace_info__ abs acos acosh add all any arange argmax argmin argsort asarray
    asin asinh astype atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift
    bitwise_xor bool broadcast_arrays broadcast_to can_cast ceil clip complex128 complex64 concat conj copysign cos
    cosh count_nonzero cumulative_prod cumulative_sum diff divide e empty empty_like equal exp expand_dims expm1 eye
    fft finfo flip float32 float64 floor floor_divide from_dlpack full full_like greater greater_equal hypot iinfo
    imag inf int16 int32 int64 int8 isdtype isfinite isinf isnan less less_equal linalg linspace log log10 log1p
    log2 logaddexp logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid
    min minimum moveaxis multiply nan negative newaxis nextafter nonzero not_equal ones ones_like permute_dims pi
    positive pow prod real reciprocal remainder repeat reshape result_type roll round searchsorted sign signbit sin
    sinh sort sqrt square squeeze stack std subtract sum take take_along_axis tan tanh tensordot tile tril triu
    trunc uint16 uint32 uint64 uint8 unique_all unique_counts unique_inverse unique_values unstack var vecdot where
    zeros zeros_like
""".split()  # noqa: SIM905
METHODS = """
    T __array_namespace__ __dlpack__ __dlpack_device__ __index__ __matmul__ __setitem__ device dtype mT ndim shape
    size to_device
""".split()  # noqa: SIM905
X = np.array([[1.0, -2.0, 4.0], [3.0, 1.0, -2.0]])


def _traced(f: Callable[[Any], Any], x: Any = X) -> None:
    """The function runs on the tracers of every transformation."""
    expected = f(x)
    np.testing.assert_allclose(ft.jit(f)(x), expected, rtol=1e-12)
    np.testing.assert_allclose(ft.vmap(f)(np.stack([2 * x, x]))[1], expected, rtol=1e-12)
    direction = np.cos(np.arange(x.size)).reshape(x.shape)
    slope = np.sum((f(x + 1e-6 * direction) - f(x - 1e-6 * direction)) / 2e-6)
    for transformed in (f, ft.jit(f)):
        grad = ft.grad(lambda x, g=transformed: fnp.sum(g(x)))(x)
        np.testing.assert_allclose(np.sum(grad * direction), slope, rtol=1e-6, atol=1e-8)


def test_nothing_is_missing() -> None:
    assert [name for name in NAMES if not (hasattr(fnp, name) and hasattr(standard, name))] == []
    assert [name for name in METHODS if not hasattr(ArrayTracer, name)] == []
    assert fnp.__array_api_version__ == np.__array_api_version__
    info = fnp.__array_namespace_info__()
    assert info.dtypes() == np.__array_namespace_info__().dtypes()
    assert info.capabilities()["boolean indexing"] is False


def test_attributes_of_traced_arrays() -> None:
    def f(x: Any) -> Any:
        if isinstance(x, np.ndarray):
            return 2.0 * x
        assert x.device == "cpu"
        assert x.__dlpack_device__() == X.__dlpack_device__()
        assert x.__array_namespace__(api_version="2023.12") is standard
        with pytest.raises(ValueError, match=r"1999\.1"):
            x.__array_namespace__(api_version="1999.1")
        with pytest.raises(ValueError, match="gpu"):
            x.to_device("gpu")
        with pytest.raises(FunctransError, match="DLPack"):
            np.from_dlpack(x)
        return x.to_device("cpu") * 2.0

    _traced(f)


def test_new_arrays_take_traced_values() -> None:
    def f(x: Any) -> Any:
        xp = x.__array_namespace__()
        made = [
            xp.zeros((2, 3)),
            xp.asarray(X),
            xp.ones_like(x, device="cpu"),
            xp.linspace(0.0, x[0, 0], 3, device="cpu"),
        ]
        assert all(isinstance(y, ArrayTracer) for y in made)
        made[0][0] = x[1]
        return made[0] * made[1] + made[2] * made[3]

    assert isinstance(ft.jit(f)(X), np.ndarray)
    expected = np.array([X[1], np.zeros(3)]) * X + np.linspace(0.0, X[0, 0], 3)
    np.testing.assert_allclose(ft.jit(f)(X), expected)
    assert ft.grad(lambda x: fnp.sum(f(x)))(X)[0, 0] == 3.0
    assert type(standard.zeros(3)) is np.ndarray  # with no trace


@pytest.mark.parametrize("make", [np.zeros_like, np.ones_like, np.empty_like, fnp.asarray])
def test_device(make: Any) -> None:
    assert ft.jit(lambda x: make(x, device="cpu"))(X).shape == X.shape
    for x in (X, None):
        with pytest.raises(ValueError, match="gpu"):
            make(x, device="gpu") if x is not None else ft.jit(lambda x: make(x, device="gpu"))(X)


def test_descending_order_is_stable() -> None:
    x = np.array([[2.0, 1.0, 2.0, 0.0], [-1.0, 3.0, -1.0, 3.0]])
    for f in (fnp.argsort, ft.jit(fnp.argsort, static_argnames=("axis", "descending"))):
        assert f(x, descending=True).tolist() == [[0, 2, 1, 3], [1, 3, 0, 2]]
        assert f(x, axis=0, descending=True).tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]
    _traced(lambda x: standard.sort(x, axis=1, descending=True) * np.arange(3.0))
    assert fnp.sort(x, descending=True).tolist() == [[2, 2, 1, 0], [3, 3, -1, -1]]


def test_frequencies() -> None:
    assert fnp.fft.fftfreq(4, d=0.5, dtype=np.float32).dtype == np.float32
    np.testing.assert_array_equal(fnp.fft.rfftfreq(5, 0.5), np.fft.rfftfreq(5, 0.5))


def test_array_api_extra() -> None:
    xpx = pytest.importorskip("array_api_extra")
    compat = pytest.importorskip("array_api_compat")

    def f(x: Any) -> Any:
        x = compat.to_device(x, compat.device(x))
        row = xpx.at(x, 0).set(3.0 * x[1], copy=True)
        wide = xpx.pad(xpx.atleast_nd(row, ndim=3), 1)
        return xpx.kron(x, xpx.sinc(x)) + compat.size(x) + fnp.sum(wide) * fnp.sum(xpx.cov(x))

    _traced(f)
    chosen = ft.jit(lambda x: xpx.apply_where(x > 0.0, x, lambda x: 2.0 * x, lambda x: -x))
    np.testing.assert_array_equal(chosen(X), np.where(X > 0.0, 2.0 * X, -X))


def test_einops() -> None:
    pytest.importorskip("einops")
    import einops  # as a user does, beside

    import_module("functrans.einops")
    _traced(lambda x: einops.rearrange([x, 2.0 * x], "n a b -> a (n b)"))
    _traced(lambda x: einops.reduce(x, "a b -> b", "max"))
    _traced(lambda x: einops.repeat(x, "a b -> a b r", r=2) * np.arange(2.0))
    _traced(lambda x: einops.einsum(x, x, "a b, c b -> a c"))
    _traced(lambda x: einops.pack([x, x[:, 0]], "a *")[0])
    _traced(lambda x: import_module("einops.array_api").rearrange(x, "a b -> b a"))


SCIPY = """
import numpy as np, functrans as ft, functrans.numpy as fnp
from scipy import fft, integrate, signal, special, stats
functions = [
    lambda x: special.logsumexp(x, axis=1), lambda x: special.softmax(x, axis=0), special.gammaln, special.expit,
    lambda x: special.xlogy(x, x), lambda x: stats.zscore(x, axis=1), stats.skew, stats.gmean, stats.circmean,
    lambda x: signal.fftconvolve(x, x), lambda x: np.abs(fft.fft(x)), integrate.cumulative_simpson,
]
x = np.random.default_rng(0).random((4, 5)) + 0.5
direction = np.cos(np.arange(20.0)).reshape(4, 5)
for f in functions:
    np.testing.assert_allclose(ft.jit(f)(x), f(x), rtol=1e-9)
    np.testing.assert_allclose(ft.vmap(f)(np.stack([x, x]))[1], f(x), rtol=1e-9)
    slope = np.sum(f(x + 1e-6 * direction) - f(x - 1e-6 * direction)) / 2e-6
    grad = ft.grad(lambda x: fnp.sum(f(x)))(x)
    np.testing.assert_allclose(np.sum(grad * direction), slope, rtol=1e-5, atol=1e-6)
"""


def test_scipy() -> None:
    pytest.importorskip("scipy", minversion="1.16")
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    run = subprocess.run([sys.executable, "-c", SCIPY], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
