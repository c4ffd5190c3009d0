"""Reductions over windows against JAX; equal elements, NaN, padding; computations of the user's; what does not fit."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from functrans import grad, jit, lax, vjp, vmap
from functrans.errors import OperandError, ParameterError

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def jax() -> Iterator[Any]:
    module = pytest.importorskip("jax")
    old = module.config.jax_enable_x64
    module.config.update("jax_enable_x64", True)
    yield module
    module.config.update("jax_enable_x64", old)


PARAMS: dict[str, tuple[tuple[int, ...], tuple[Any, ...]]] = {
    "image": ((2, 3, 7, 8), ((1, 1, 3, 2), (1, 1, 2, 2), "SAME")),
    "lower": ((9, 6), ((2, 4), (1, 3), "SAME_LOWER")),
    "pairs": ((5, 6), ((3, 2), (2, 1), ((1, 2), (0, 1)))),
    "channels last": ((2, 5, 5, 3), ((1, 2, 2, 1), (1, 2, 1, 1), "VALID")),
}
COMPUTATIONS = {"add": 0.0, "max": -np.inf, "min": np.inf}


@pytest.mark.parametrize("computation", COMPUTATIONS)
@pytest.mark.parametrize("name", PARAMS)
def test_as_in_jax(name: str, computation: str, jax: Any) -> None:
    shape, params = PARAMS[name]
    x, init = RNG.standard_normal(shape), COMPUTATIONS[computation]
    ours, theirs = (
        lambda x, lax=module: lax.reduce_window(x, init, getattr(lax, computation), *params)
        for module in (lax, jax.lax)
    )
    out, pull = jax.vjp(theirs, x)
    g = RNG.standard_normal(out.shape)

    def value_and_cotangent(x: Any, g: Any) -> tuple[Any, Any]:
        value, pullback = vjp(ours, x)
        return value, pullback(g)[0]

    for run in (value_and_cotangent, jit(value_and_cotangent)):
        for one, other in zip(run(x, g), (out, pull(g)[0]), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("computation", COMPUTATIONS)
def test_values_that_jax_does_not_differentiate(computation: str, jax: Any) -> None:
    x, init = RNG.standard_normal((4, 5)), COMPUTATIONS[computation]
    spread: tuple[Any, ...] = ("SAME", (2, 1), (1, 2))
    for rest in (spread, (((-1, 1), (1, -2)),), (((0, 1), (2, 0)), None, (3, 2))):
        ours, theirs = (
            module.reduce_window(x, init, getattr(module, computation), (2, 3), (1, 2), *rest)
            for module in (lax, jax.lax)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


# ---- ties, NaN, padding ----


def biggest(x: Any) -> Any:
    return lax.reduce_window(x, -np.inf, lax.max, (3,), (2,), ((1, 1),))


def places(x: Any) -> Any:
    return lax.reduce_window_argmax(x, (3,), (2,), ((1, 1),))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_of_equal_elements_the_first_counts(dtype: str) -> None:
    x = np.array([1, 1, 0, 2, 2, 2, 2], dtype)
    for compile in (lambda f: f, jit):
        np.testing.assert_array_equal(compile(places)(x), [0, 3, 3, 5])
        np.testing.assert_array_equal(compile(grad(lambda x: biggest(x).sum()))(x), [1, 0, 0, 2, 0, 1, 0])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_nan_and_infinities(dtype: str) -> None:
    x = np.array([-np.inf, -np.inf, np.nan, 5, np.nan, np.inf, -np.inf], dtype)
    for compile in (lambda f: f, jit):
        np.testing.assert_array_equal(compile(biggest)(x), np.array([-np.inf, np.nan, np.nan, np.inf], dtype))
        np.testing.assert_array_equal(compile(places)(x), [0, 2, 4, 5])


def test_windows_of_padding_alone() -> None:
    x = np.array([3.0, 1.0])

    def fun(x: Any) -> Any:
        return lax.reduce_window(x, -np.inf, lax.max, (2,), (2,), ((2, 2),))

    for compile in (lambda f: f, jit):
        np.testing.assert_array_equal(compile(fun)(x), [-np.inf, 3, -np.inf])
        np.testing.assert_array_equal(compile(lambda x: vjp(fun, x)[1](np.array([7.0, 2.0, 9.0]))[0])(x), [2, 0])
        window = compile(lambda x: lax.reduce_window_argmin(x, (2,), (2,), ((2, 2),)))
        np.testing.assert_array_equal(window(x), [-1, 1, -1])


def test_places_under_vmap() -> None:
    x = RNG.standard_normal((3, 4, 5))

    def fun(x: Any) -> Any:
        return lax.reduce_window_argmax(x, (2, 2), (1, 2))

    np.testing.assert_array_equal(vmap(fun)(x), np.stack([fun(one) for one in x]))


# ---- computations ----


def test_any_computation(jax: Any) -> None:
    x = RNG.uniform(0.5, 2, (5, 6))
    for init, name in ((1.0, "mul"), (2.0, "add"), (0.0, "max"), (0.3, "pow")):

        def fun(x: Any, lax: Any = lax, init: float = init, name: str = name) -> Any:
            return lax.reduce_window(x, init, getattr(lax, name), (2, 2), (2, 1), "SAME")

        np.testing.assert_allclose(fun(x), fun(x, jax.lax), rtol=1e-12)
        np.testing.assert_allclose(jit(lambda x, fun=fun: fun(x))(x), fun(x), rtol=1e-12)
    gradient = grad(lambda x: lax.reduce_window(x, 1.0, lambda a, b: a * b + 1, (2,)).sum())(np.array([2.0, 3.0, 5.0]))
    np.testing.assert_allclose(gradient, [3.0, 3.0 + 5.0, 4.0])


X = np.ones((4, 5))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lax.reduce_window(X, 0.0, lax.add, (2,)), ParameterError, "window_dimensions=.* for 2 axes"),
        (lambda: lax.reduce_window(X, 0.0, lax.add, (2, 0)), ParameterError, "positive number"),
        (lambda: lax.reduce_window(X, 0.0, lax.add, (2, 2), (0, 1)), ParameterError, "window_strides"),
        (lambda: lax.reduce_window(X, 0.0, lax.add, (2, 2), padding="FULL"), ParameterError, "padding='FULL'"),
        (
            lambda: lax.reduce_window(X, 0.0, lax.add, (2, 2), padding=[(-3, -3), (0, 0)]),
            ParameterError,
            "negative padding",
        ),
        (lambda: lax.reduce_window(X, np.zeros(2), lax.mul, (2, 2)), OperandError, "initial value of rank 0"),
        (lambda: lax.reduce_window(X, 1.0, lax.lt, (2, 2)), ParameterError, "keeps the dtype"),
        (lambda: lax.reduce_window_argmax(X * 1j, (2, 2)), OperandError, "a dtype of one of the kinds"),
    ],
)
def test_what_does_not_fit_is_said(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
