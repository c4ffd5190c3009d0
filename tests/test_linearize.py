"""linearize of what is compiled, loops and branches: the value is known, effects are had once, what primals give is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans import lax
from functrans.core.primitive import Tracer

X = np.array([0.5, 1.0, 1.5])
T = np.array([1.0, -2.0, 0.5])
Fun = Callable[[Any], Any]


def scanned(x: Any) -> Any:
    return lax.scan(lambda c, row: (np.sin(c) * x + row, c), x, np.arange(5.0), unroll=2)


def counted(x: Any) -> Any:
    """With a result that has no tangent."""
    out = lax.while_loop(lambda s: s[1] < 4, lambda s: (np.sin(s[0]) * x, s[1] + 1), (x, 0))
    return out[0] * out[1]


FUNCTIONS: dict[str, Fun] = {
    "jit": ft.jit(lambda x: np.sum(np.exp(np.sin(x)))),
    "jit in jit": ft.jit(lambda x: ft.jit(np.sin)(x) * x[0]),
    "scan": scanned,
    "jit of scan": ft.jit(scanned),
    "while_loop": counted,
    "fori_loop": lambda x: lax.fori_loop(0, 3, lambda i, c: c * x + i, x),
    "cond": lambda x: lax.cond(x[0] > 0, lambda x: x * np.sin(x), np.sin, x),
    "vmap of cond": ft.vmap(lambda x: lax.cond(x > 0.7, lambda x: np.sort(np.stack([x, 1.0]))[0], np.sin, x)),
    "checkpoint": ft.checkpoint(lambda x: np.sin(x) * x),
    "barrier": lambda x: lax.optimization_barrier((x * 2, np.sin(x))),
    "associative_scan": lambda x: lax.associative_scan(np.multiply, x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_value_is_known_and_the_derivative_that_of_jvp(name: str) -> None:
    function = FUNCTIONS[name]
    expected, along = ft.jvp(function, (X,), (T,))

    def both(x: Any, t: Any) -> Any:
        out, derivative, aux = ft.linearize(lambda x: (function(x), function(x)), x, has_aux=True)
        return out, derivative(t), aux

    for run in (both, ft.jit(both), lambda x, t: ft.tree.map(lambda a: a[0], ft.vmap(both)(x[None], t[None]))):
        found = run(X, T)
        for got, wanted in zip(ft.tree.leaves(found), ft.tree.leaves((expected, along, expected)), strict=True):
            assert not isinstance(got, Tracer)
            np.testing.assert_allclose(got, wanted, rtol=1e-14)


def test_python_may_ask_for_values_within() -> None:
    compiled = ft.jit(lambda x: np.sum(x**2))

    def function(x: Any) -> Any:
        total = compiled(x) + np.sum(scanned(x)[0])
        return x * total if total > 0 else -x

    out, derivative = ft.linearize(function, X)
    expected = ft.jvp(function, (X,), (T,))
    np.testing.assert_allclose(out, expected[0])
    np.testing.assert_allclose(derivative(T), expected[1])


def test_python_numbers_stay_what_they_are() -> None:
    double = ft.jit(lambda x: 2.0 * x)
    half = lambda x: double(x) * np.float32(0.5)
    out, derivative = ft.linearize(half, 3.0)
    assert out.dtype == ft.jvp(half, (3.0,), (1.0,))[0].dtype
    assert derivative(1.0) == 1.0


@pytest.mark.parametrize("wrap", [ft.jit, ft.checkpoint, lambda f: lambda x: lax.fori_loop(0, 1, lambda _, c: f(c), x)])
def test_effects_are_had_once(wrap: Callable[[Fun], Fun]) -> None:
    seen: list[float] = []

    def function(x: Any) -> Any:
        y = np.sin(x)
        ft.debug.callback(lambda v: seen.append(float(v)), y)
        return y * x

    _, derivative = ft.linearize(wrap(function), 0.5)
    assert seen == [np.sin(0.5)]
    assert derivative(1.0) == pytest.approx(np.sin(0.5) + 0.5 * np.cos(0.5))
    assert seen == [np.sin(0.5)]


def test_calls_are_opened_and_what_primals_give_is_computed_once() -> None:
    calls: list[float] = []

    def sine(x: float) -> float:
        calls.append(x)
        return float(np.sin(x))

    sin = ft.external(sine, ft.ShapeDtypeStruct((), float), vjp=lambda ct, out, x: (ct * np.cos(x),))
    _, derivative = ft.linearize(ft.jit(lambda x: x * sin(x)), 0.5)
    count = len(calls)
    for _ in range(3):
        derivative(1.0)
    assert len(calls) == count
