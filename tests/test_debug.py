"""functrans.debug: what is printed, called and stopped at, under every transform, and in what order."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans.errors import FormatArgumentsError

CALLS = 4


def loss(x: Any) -> Any:
    ft.debug.print("x = {}", x)
    y = np.sin(x)
    ft.debug.print("y = {y:.2f}", y=y)
    return y * y


TWICE: dict[str, Callable[[Any], Any]] = {
    "eager": loss,
    "jit": ft.jit(loss),
    "grad": ft.grad(loss),
    "jit of grad": ft.jit(ft.grad(loss)),
    "grad of jit": ft.grad(ft.jit(loss)),
    "grad of grad": ft.grad(ft.grad(loss)),
    "jit of grad of grad of jit": ft.jit(ft.grad(ft.grad(ft.jit(loss)))),
    "hessian": ft.hessian(loss),
    "jacfwd": ft.jit(ft.jacfwd(loss)),
    "value_and_grad": ft.value_and_grad(ft.jit(loss)),
    "jit of jit": ft.jit(lambda x: ft.jit(loss)(x)),
    "vjp": lambda x: ft.vjp(loss, x)[1](1.0),
    "jvp": lambda x: ft.jvp(ft.jit(loss), (x,), (1.0,)),
    "linearize": lambda x: ft.linearize(loss, x)[1](1.0),
    "vmap of what is shared": ft.jit(ft.vmap(loss, in_axes=None, axis_size=3)),
}


@pytest.mark.parametrize("name", TWICE)
def test_prints_once_with_primal_values(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(CALLS):
        TWICE[name](0.5)
        assert capsys.readouterr().out == "x = 0.5\ny = 0.48\n"


PER_ELEMENT: dict[str, Callable[[Any], Any]] = {
    "vmap": ft.vmap(loss),
    "jit of vmap": ft.jit(ft.vmap(loss)),
    "vmap of jit": ft.vmap(ft.jit(loss)),
    "vmap of grad": ft.vmap(ft.grad(loss)),
    "jit of vmap of grad": ft.jit(ft.vmap(ft.grad(ft.jit(loss)))),
    "grad of vmap": ft.grad(lambda x: np.sum(ft.vmap(loss)(x))),
}


@pytest.mark.parametrize("name", PER_ELEMENT)
def test_prints_for_each_element(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(CALLS):
        PER_ELEMENT[name](np.array([0.5, 1.0]))
        assert capsys.readouterr().out == "x = 0.5\nx = 1.0\ny = 0.48\ny = 0.84\n"


def test_elements_of_batches_of_batches(capsys: pytest.CaptureFixture[str]) -> None:
    f = ft.vmap(ft.vmap(lambda x, y: ft.debug.print("{} {}", x, y), (None, 0)), (0, None))
    for g in (f, ft.jit(f)):
        g(np.arange(2), np.arange(3))
        assert capsys.readouterr().out == "0 0\n0 1\n0 2\n1 0\n1 1\n1 2\n"


def test_arguments_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    def function(x: Any) -> None:
        ft.debug.print(
            "{name}: {0[a]} {0[b][1]} {x.shape} {x[1]:.1f} {1!r:>6}", {"a": 1, "b": [2, x[0]]}, "text", name="all", x=x
        )

    for f in (function, ft.jit(function)):
        f(np.array([1.0, 2.0]))
        assert capsys.readouterr().out == "all: 1 1.0 (2,) 2.0 'text'\n"


@pytest.mark.parametrize(
    ("fmt", "args", "kwargs", "said"),
    [
        ("{} {}", (1.0,), {}, "place for more than the 1 values"),
        ("{y}", (), {"x": 1.0}, "no value is given for 'y'"),
        ("{x}", (), {"x": 1.0, "y": 2.0}, "no place for 'y'"),
        ("{0}", (1.0, 2.0), {}, "no place for argument 1"),
        ("{", (), {}, "'{'"),
    ],
)
def test_formats_and_arguments_belong_together(
    fmt: str, args: tuple[Any, ...], kwargs: dict[str, Any], said: str
) -> None:
    with pytest.raises(FormatArgumentsError, match=said):
        ft.jit(lambda: ft.debug.print(fmt, *args, **kwargs))()


def test_a_format_may_go_unchecked(capsys: pytest.CaptureFixture[str]) -> None:
    ft.debug.print("{x}", x=1.0, y=2.0, skip_format_check=True)
    assert capsys.readouterr().out == "1.0\n"


def test_callbacks_get_values_and_raise_what_they_raise() -> None:
    seen: list[Any] = []

    def check(x: Any, limit: float, *, name: str) -> str:
        seen.append((name, x))
        if x > limit:
            raise OverflowError(name)
        return "ignored"

    def function(x: Any) -> Any:
        ft.debug.callback(check, x, 10.0, name="x", ordered=True)
        y = x * x
        ft.debug.callback(check, y, 10.0, name="y")
        return y

    f = ft.jit(function)
    for _ in range(CALLS):
        seen.clear()
        with pytest.raises(OverflowError, match="y"):
            f(4.0)
        assert seen == [("x", 4.0), ("y", 16.0)]
        assert f(3.0) == 9.0


def test_a_callback_that_watches_the_backward_pass() -> None:
    seen: list[float] = []

    @ft.custom_vjp
    def watched(x: Any) -> Any:
        return x

    def backward(_: None, ct: Any) -> tuple[Any]:
        ft.debug.callback(lambda v: seen.append(float(v)), ct)
        return (ct,)

    watched.defvjp(lambda x: (x, None), backward)
    function = lambda x: watched(x**2) * 3.0
    for f in (ft.grad(function), ft.jit(ft.grad(function)), ft.grad(ft.jit(function))):
        seen.clear()
        assert f(2.0) == 12.0
        assert seen == [3.0]


def stopped_at(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the debugger would see, stop by stop."""
    stops: list[dict[str, Any]] = []

    def hook() -> None:
        frame = sys._getframe(1)
        place = {"file": frame.f_code.co_filename, "line": frame.f_lineno, "function": frame.f_code.co_name}
        stops.append({**place, **frame.f_locals})

    monkeypatch.setattr(sys, "breakpointhook", hook)
    return stops


def test_breakpoint_stops_at_the_line_with_values(monkeypatch: pytest.MonkeyPatch) -> None:
    stops = stopped_at(monkeypatch)

    def function(x: Any, label: str) -> Any:
        parts = {"half": x / 2.0, "label": label}
        ft.debug.breakpoint(extra=x + 1.0)
        return parts["half"]

    for f in (function, ft.jit(function, static_argnames="label")):
        stops.clear()
        assert f(3.0, label="a") == 1.5
        (stop,) = stops
        assert (stop["file"], stop["function"]) == (__file__, "function")
        assert stop["line"] == function.__code__.co_firstlineno + 2
        assert (stop["x"], stop["parts"], stop["extra"]) == (3.0, {"half": 1.5, "label": "a"}, 4.0)


def test_breakpoint_stops_for_each_element(monkeypatch: pytest.MonkeyPatch) -> None:
    stops = stopped_at(monkeypatch)

    def function(x: Any) -> Any:
        ft.debug.breakpoint()
        return x

    ft.jit(ft.vmap(function))(np.arange(3))
    assert [stop["x"] for stop in stops] == [0, 1, 2]


def test_quitting_the_debugger_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    class Quit(Exception):
        """As the debugger raises."""

    def hook() -> None:
        raise Quit

    monkeypatch.setattr(sys, "breakpointhook", hook)

    def function(x: Any) -> Any:
        ft.debug.breakpoint()
        return x

    f = ft.jit(function)
    for _ in range(CALLS):
        with pytest.raises(Quit):
            f(1.0)
