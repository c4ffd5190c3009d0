"""Primitives with effects: whatever is made of a program, they run as often and in the order as it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import functrans as ft
from functrans.compiler.cse import cse
from functrans.compiler.pipeline import optimize
from functrans.core.aval import shaped
from functrans.core.dce import dce
from functrans.core.ir import Jaxpr
from functrans.core.primitive import LocallyConstant, Params, Primitive, Values
from functrans.transforms.jaxprs import vjp_jaxpr
from functrans.typing import Array

_heard: list[Any] = []


def _hear(*values: Array, word: str) -> Values:
    _heard.append((word, *(np.array(value).tolist() for value in values)))
    return (np.array(float(len(_heard)))[()],)


def _batch(_size: int, args: Values, _batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    return _say_p.bind(*args, **params), (False,)


_constant = LocallyConstant("it is an effect")
_say_p = Primitive(
    "say", _hear, lambda *_avals, word: (shaped((), np.dtype(float)),), _constant, _constant, _batch, effect=True
)


def say(word: str, *values: Any) -> Any:
    """Note a word and values; how many there are by now."""
    return _say_p.bind(*values, word=word)[0]


@pytest.fixture(autouse=True)
def heard() -> Iterator[list[Any]]:
    _heard.clear()
    yield _heard
    _heard.clear()


def jaxpr_of(function: Callable[..., Any], *args: Any) -> Jaxpr:
    return ft.make_jaxpr(function)(*args)


def names(jaxpr: Jaxpr) -> list[str]:
    return [eqn.prim.name for eqn in jaxpr.eqns]


def test_a_function_of_effects_alone_runs_at_each_call(heard: list[Any]) -> None:
    def function() -> None:
        say("a")

    jitted = ft.jit(function)
    for _ in range(4):
        jitted()
    assert heard == [("a",)] * 4


def test_dce_keeps_effects_and_what_they_read() -> None:
    jaxpr = jaxpr_of(lambda x: (say("a", x + 1.0), np.exp(x), x)[2], np.float64(1.0))
    assert names(dce(jaxpr)) == ["add", "say"]


def test_dce_keeps_what_carries_an_effect() -> None:
    jaxpr = jaxpr_of(lambda x: (ft.jit(lambda y: say("a", y))(x), ft.jit(np.exp)(x), x)[2], 1.0)
    assert names(dce(jaxpr)) == ["jit"]
    assert jaxpr.has_effects
    assert not jaxpr_of(ft.jit(np.exp), 1.0).has_effects


def test_cse_merges_no_effects() -> None:
    jaxpr = jaxpr_of(lambda x: say("a", x + 1.0) + say("a", x + 1.0), np.float64(1.0))
    assert names(cse(jaxpr)) == ["add", "say", "say", "add"]


def test_effects_of_constants_are_not_run_by_the_compiler(heard: list[Any]) -> None:
    optimize(jaxpr_of(lambda: say("a", 1.0)))
    assert heard == []


def test_an_effect_is_not_run_for_a_derivative_again(heard: list[Any]) -> None:
    def loss(x: Any) -> Any:
        y = np.sin(x)
        say("a", y)
        return y * y

    split = vjp_jaxpr(jaxpr_of(loss, 1.0), (True,))
    assert "say" in names(split.forward)
    assert "say" not in names(split.backward((True,)).jaxpr)
    for function in (ft.grad(loss), ft.jit(ft.grad(loss)), ft.grad(ft.jit(loss)), ft.grad(ft.grad(loss))):
        heard.clear()
        function(0.5)
        assert heard == [("a", float(np.sin(0.5)))]


def test_an_effect_within_a_checkpoint_is_not_run_again(heard: list[Any]) -> None:
    @ft.checkpoint
    def block(x: Any) -> Any:
        y = np.sin(x)
        return np.exp(y * (say("a", y) + 1.0))  # what it gives is needed again

    def loss(x: Any) -> Any:
        return ft.checkpoint(block)(x) * x

    for function in (ft.grad(block), ft.jit(ft.grad(block)), ft.grad(ft.jit(loss)), ft.jit(ft.grad(ft.grad(loss)))):
        heard.clear()
        function(0.5)
        assert heard == [("a", float(np.sin(0.5)))]


def test_a_group_of_loops_does_not_wait_for_itself(heard: list[Any]) -> None:
    """Product and sum would be one loop, but an effect between them reads the one and gives what the other reads."""

    def function(x: Any) -> Any:
        y = x * 2.0
        say("a", y)
        return y + say("b")

    x = np.arange(3.0)
    assert ft.jit(function)(x).tolist() == [2.0, 4.0, 6.0]
    assert heard == [("a", [0.0, 2.0, 4.0]), ("b",)]


@given(st.lists(st.tuples(st.sampled_from(["say", "mul", "sum", "sort"]), st.integers(0, 5)), max_size=12))
def test_effects_keep_their_order(program: list[tuple[str, int]]) -> None:
    """Whatever is between them, and large or small."""

    def function(x: Any) -> Any:
        values = [x]
        for kind, which in program:
            value = values[which % len(values)]
            if kind == "say":
                values.append(say(f"{len(values)}", value) + x)
            else:
                values.append(value * x if kind == "mul" else np.sum(value) + x if kind == "sum" else np.sort(value))
        return values[-1]

    x = np.linspace(0.5, 1.5, 7)
    _heard.clear()
    expected = function(x)
    said = list(_heard)
    _heard.clear()
    np.testing.assert_allclose(ft.jit(function)(x), expected, rtol=1e-12, atol=1e-12)
    assert [word for word, *_ in _heard] == [word for word, *_ in said]


# ---- in loops and branches ----


LOOPS: dict[str, Callable[[Any], Any]] = {
    "scan": lambda x: ft.lax.scan(lambda c, i: (said(c, i), None), x, np.arange(4))[0],
    "scan, carry kept": lambda x: ft.lax.scan(lambda c, i: (said(c, i), None), x, np.arange(4), checkpoint=True)[0],
    "scan in blocks": lambda x: ft.lax.scan(lambda c, i: (said(c, i), None), x, np.arange(4), checkpoint=2)[0],
    "while": lambda x: ft.lax.while_loop(lambda c: c[1] < 4, lambda c: (said(*c), c[1] + 1), (x, 0))[0],
    "while, two places": lambda x: ft.lax.while_loop(
        lambda c: c[1] < 4, lambda c: (said(*c), c[1] + 1), (x, 0), checkpoint=2
    )[0],
    "branches": lambda x: ft.lax.fori_loop(
        0, 4, lambda i, c: ft.lax.cond(i % 2 == 0, lambda: said(c, i), lambda: said(c, i)), x
    ),
}


def said(c: Any, i: Any) -> Any:
    """A step that is heard of."""
    say("step", i)
    return np.sin(c) * 2


@pytest.mark.parametrize("name", LOOPS)
def test_effects_of_steps_run_once_each_and_in_order(name: str, heard: list[Any]) -> None:
    for run in (LOOPS[name], ft.grad(LOOPS[name]), lambda x: ft.jvp(LOOPS[name], (x,), (1.0,))):
        for wrap in (lambda f: f, ft.jit):
            heard.clear()
            wrap(run)(0.5)
            assert heard == [("step", i) for i in range(4)]
