"""functrans.numpy.fft: every function and keyword against NumPy, derivatives against JAX, machine code for all of it."""

from collections.abc import Iterator
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
import pytest

import functrans as ft
import functrans.numpy as fnp
from tests.marks import native

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5))
Keywords: TypeAlias = tuple[dict[str, Any], ...]
ALONG_ONE: Keywords = ({}, {"n": 3}, {"n": 7, "axis": 0, "norm": "ortho"}, {"axis": 1, "norm": "forward"})
ALONG_SEVERAL: Keywords = (
    {}, {"norm": "ortho"}, {"s": (3, 6), "axes": (0, 2)}, {"axes": (1,)}, {"s": (3, -1), "axes": (0, 2), "norm": "forward"},
)  # fmt: skip
SHIFTS: Keywords = ({}, {"axes": 1}, {"axes": (0, -1)})
KEYWORDS: dict[str, Keywords] = {
    **dict.fromkeys(("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"), ALONG_ONE),
    **dict.fromkeys(("fftn", "ifftn", "fft2", "ifft2", "rfftn", "irfftn", "rfft2", "irfft2"), ALONG_SEVERAL),
    **dict.fromkeys(("fftshift", "ifftshift"), SHIFTS),
}
OF_REALS = ("rfft", "ihfft", "rfftn", "rfft2")


@pytest.mark.parametrize("name", KEYWORDS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int32"])
def test_values(name: str, dtype: str) -> None:
    x = (X * 3 + (1j * X[::-1] if dtype[0] == "c" else 0)).astype(dtype)
    for keywords in KEYWORDS[name]:
        function = getattr(np.fft, name)
        if dtype[0] == "c" and name in OF_REALS:
            with pytest.raises(TypeError, match="real"):
                ft.jit(partial(function, **keywords))(x)
            continue
        expected = function(x, **keywords)
        for traced in (function, getattr(fnp.fft, name)):
            got = ft.jit(partial(traced, **keywords))(x)
            assert (got.dtype, got.shape) == (expected.dtype, expected.shape), keywords
            eps = np.finfo(got.dtype).eps if got.dtype.kind in "fc" else 0.0
            bound = 20 * float(eps) * float(np.max(np.abs(expected)))
            np.testing.assert_allclose(got, expected, rtol=0, atol=bound, err_msg=str(keywords))


def test_nothing_is_missing() -> None:
    assert set(np.fft.__all__) == set(fnp.fft.__all__) == {*KEYWORDS, "fftfreq", "rfftfreq"}


@pytest.fixture
def jax() -> Iterator[Any]:
    module = pytest.importorskip("jax")
    old = module.config.jax_enable_x64
    module.config.update("jax_enable_x64", True)
    yield module
    module.config.update("jax_enable_x64", old)


@pytest.mark.parametrize("name", ["fft", "irfft", "hfft", "fftn", "irfftn"])
def test_derivatives_as_jax_has_them(jax: Any, name: str) -> None:
    x = X + 1j * X[::-1]
    for keywords in KEYWORDS[name]:
        if -1 in keywords.get("s", ()):  # JAX does not know it
            continue
        expected, pull = jax.vjp(partial(getattr(jax.numpy.fft, name), **keywords), x)
        ct = np.cos(np.arange(expected.size)).reshape(expected.shape).astype(expected.dtype)
        (got,) = ft.vjp(partial(getattr(np.fft, name), **keywords), x)[1](ct)
        np.testing.assert_allclose(got, pull(ct)[0], atol=1e-12, err_msg=str(keywords))


@native
def test_compiled_programs_do_not_call_back() -> None:
    def power(t: np.ndarray[Any, Any]) -> Any:
        return np.sum(np.abs(np.fft.irfft(np.fft.rfft(np.fft.fft(t).real) ** 2)))

    assert "callback" not in str(ft.jit(ft.grad(power)).lower(X[0, 0]).cost())


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda t: np.fft.fft(t, 0), ValueError),
        (lambda t: np.fft.fft(t, axis=3), IndexError),
        (lambda t: np.fft.fft(t, norm=cast(Any, "none")), ValueError),
        (lambda t: np.fft.fftn(t, s=(2, 3), axes=(0,)), ValueError),
    ],
)
def test_errors(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(X)
    with pytest.raises(error):
        ft.jit(call)(X)


def test_convolution_theorem_under_vmap_and_grad() -> None:
    kernels = RNG.normal(size=(2, 8))
    signal = RNG.normal(size=8)

    def circular(kernel: Any, x: Any) -> Any:
        return np.fft.irfft(np.fft.rfft(kernel) * np.fft.rfft(x), 8)

    got = ft.vmap(ft.jacrev(circular, argnums=1), in_axes=(0, None))(kernels, signal)
    expected = [[np.roll(kernel[::-1], 1 + i) for i in range(8)] for kernel in kernels]
    np.testing.assert_allclose(got, expected, atol=1e-12)


@native
@pytest.mark.parametrize("size", [1024, 2048, 4096])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_many_points_in_vectors(size: int, dtype: str) -> None:
    x = (RNG.normal(size=(2, size)) + 1j * RNG.normal(size=(2, size))).astype(dtype)
    bound = 10 * float(np.finfo(dtype).eps)
    operands = {"fft": x, "ifft": x, "rfft": np.real(x), "irfft": x[:, : size // 2 + 1]}
    for name, operand in operands.items():
        transform: Any = getattr(np.fft, name)
        for norm in ("backward", "ortho"):
            expected = transform(operand.astype(np.result_type(operand, np.float64)), norm=norm)
            got = ft.jit(partial(transform, norm=norm))(operand)
            assert got.dtype == transform(operand).dtype
            np.testing.assert_allclose(got, expected, rtol=0, atol=bound * float(np.max(np.abs(expected))))
