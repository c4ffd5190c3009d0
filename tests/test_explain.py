"""`explain()`, the counts, and forgetting: what a jitted function tells of itself."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans.backends import executable
from tests.marks import native
from tests.opaque import opaque, unheard_of

HERE = Path(__file__).name


def reasons(jitted: Any) -> list[str]:
    """The reasons for tracing, without their numbers."""
    lines = jitted.explain().splitlines()
    return [line.partition(". ")[2] for line in lines if line.startswith("  ") and line.strip().split(".")[0].isdigit()]


def counted() -> tuple[Any, list[None]]:
    """A jitted function, and a list that grows when it is traced."""
    runs: list[None] = []

    def f(x: Any) -> Any:
        runs.append(None)
        return x + 1

    return ft.jit(f), runs


class TestWhyItTraced:
    def test_the_counts(self) -> None:
        jitted = ft.jit(lambda x: x + 1)
        for x in (np.ones(3), np.ones(3), np.ones(4), np.ones(3)):
            jitted(x)
        assert jitted.cache_info() == (2, 2, 512, 2)
        assert jitted.explain().splitlines()[0].endswith("2 calls found a program, 2 traced the function.")

    def test_before_the_first_call(self) -> None:
        assert ft.jit(np.sin).explain() == "jit(sin): 0 calls found a program, 0 traced the function."

    def test_shape_dtype_and_number(self) -> None:
        def f(w: Any, x: Any) -> Any:
            return w["a"] * x

        jitted = ft.jit(f)
        jitted({"a": np.ones(3)}, 2.0)
        jitted({"a": np.ones(4)}, 2.0)
        jitted({"a": np.ones(4, np.float32)}, 2.0)
        jitted({"a": np.ones(4, np.float32)}, np.float64(2.0))
        jitted({"a": np.ones((2, 2), int)}, 2)
        assert reasons(jitted) == [
            "the first call: w['a']: f64[3], x: f64*[]",
            "a new kind of arguments: the shape of w['a'] is (4,), was (3,)",
            "a new kind of arguments: the dtype of w['a'] is float32, was float64",
            "a new kind of arguments: x is f64[], was a Python float",
            "a new kind of arguments: w['a'] is i64[2,2], was f32[4]; the dtype of x is int64, was float64",
        ]

    def test_structure(self) -> None:
        jitted = ft.jit(lambda x: x["a"] if isinstance(x, dict) else x[0])
        jitted([np.ones(3)])
        jitted((np.ones(3),))
        jitted({"a": np.ones(3)})
        first, *others = reasons(jitted)
        assert first == "the first call: x[0]: f64[3]"
        assert others[0].startswith("a new kind of arguments: (args, kwargs)[0][0] is a tuple")
        assert others[1] == "a new kind of arguments: x[0], which was f64[3], is gone; x['a'] is new, f64[3]"

    def test_static_arguments(self) -> None:
        def f(x: Any, mode: str = "sin", *, n: Any = 1) -> Any:
            return getattr(np, mode)(x) * n

        jitted = ft.jit(f, static_argnames=("mode", "n"))
        jitted(1.0)
        jitted(1.0, "cos")
        jitted(1.0, "cos", n=1)
        jitted(1.0, "cos", n=True)
        assert reasons(jitted) == [
            "the first call: x: f64*[]",
            "a new kind of arguments: the static argument mode is 'cos', was not given",
            "a new kind of arguments: the static argument n is 1, was not given",
            "a new kind of arguments: the static argument n is True, was 1",
        ]

    def test_static_arguments_that_look_the_same(self) -> None:
        class Mode:
            def __repr__(self) -> str:
                return "mode"

        jitted = ft.jit(lambda mode, x: x, static_argnums=0)
        jitted(Mode(), 1.0)
        jitted(Mode(), 1.0)
        assert reasons(jitted)[1] == "a new kind of arguments: a static argument is another one that looks the same"

    def test_what_was_replaced(self) -> None:
        scale, shift = 2.0, 1.0

        def f(x: Any) -> Any:
            return x * scale + shift

        jitted = ft.jit(f)
        jitted(1.0)
        scale = 3.0
        jitted(1.0)
        scale, shift = 4.0, 2.0
        jitted(1.0)
        assert reasons(jitted)[1:] == [
            "`scale`, which it reads from outside its arguments, was replaced",
            "`scale` and `shift`, which it reads from outside its arguments, were replaced",
        ]

    def test_values_of_outer_transforms(self) -> None:
        captured: list[Any] = []
        jitted = ft.jit(lambda x: x * captured[-1])

        def outer(y: Any) -> Any:
            captured.append(y)
            return jitted(2.0) + jitted(2.0)

        ft.grad(outer)(3.0)
        assert reasons(jitted)[1] == (
            "the program for such arguments was not kept: it used values of a transform around the call"
        )

    def test_named_axes(self) -> None:
        jitted = ft.jit(lambda x: x + 1)
        jitted(1.0)
        ft.vmap(lambda _: jitted(1.0), axis_name="i")(np.ones(2))
        assert reasons(jitted)[1] == "a new kind of arguments: the named axes around it are {'i': 2}, were {}"

    def test_programs_that_were_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.modules["functrans.jit"], "_MOST_ENTRIES", 1)
        jitted = ft.jit(lambda x: x + 1)
        for x in (np.ones(1), np.ones(2), np.ones(1)):
            jitted(x)
        assert reasons(jitted)[2] == "the program for such arguments was dropped to make room for others"

    def test_only_the_last_tracings_are_remembered(self) -> None:
        jitted = ft.jit(lambda n, x: x, static_argnums=0)
        for n in range(70):
            jitted(n, 1.0)
        lines = jitted.explain().splitlines()
        assert lines[0].endswith("70 traced the function.")
        assert lines[3] == "  7. a new kind of arguments: x: f64*[], n=6"
        assert len(reasons(jitted)) == 64


class TestPrograms:
    @native
    def test_lines_and_callbacks(self) -> None:
        def f(x: Any, w: Any) -> Any:
            y = np.tanh(x @ w) * 2  # first
            return np.sum(y**2), unheard_of(x + 1)  # second

        jitted = ft.jit(f)
        jitted(np.ones((3, 4)), np.ones((4, 2)))
        text = jitted.explain()
        assert (
            "The program for x: f64[3,4], w: f64[4,2]\n  is machine code of 4 steps, of which 1 is a callback" in text
        )
        assert "  step 0: a kernel, Contract\n" in text
        lines = [line.strip() for line in text.splitlines()]
        title = lines.index("step 1: one loop nest for 4 operations")
        assert lines[title + 1].startswith("tanh, mul at ")
        assert lines[title + 1].endswith("# first")
        assert lines[title + 2].startswith("square, reduce_sum at ")
        assert f"{HERE}:" in lines[title + 2]
        assert "step 3: a callback to NumPy: `unheard_of` has no native code for f64" in lines

    @native
    def test_why_a_step_is_a_callback(self) -> None:
        jitted = ft.jit(lambda x: opaque(x) + unheard_of(x))
        jitted(np.ones(3))
        lines = jitted.explain().splitlines()
        assert "  step 0: a callback to NumPy: `opaque` has no native code" in lines
        assert "  step 1: a callback to NumPy: `unheard_of` has no native code for f64" in lines

    def test_where_numpy_runs_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(executable, "_WHY_NUMPY", "the test says so")
        ft.clear_caches()
        jitted = ft.jit(lambda x: np.sin(x) + 1)
        jitted(np.ones(3))
        assert "\n  has 2 equations, which NumPy runs one by one: the test says so." in jitted.explain()
        ft.clear_caches()

    def test_it_shows_as_it_is(self) -> None:
        text = ft.jit(np.sin).explain()
        assert repr(text) == str(text)


class TestForgetting:
    def test_one_function(self) -> None:
        jitted, runs = counted()
        jitted(1.0)
        jitted.clear_cache()
        assert jitted.cache_info() == (0, 0, 512, 0)
        jitted(1.0)
        assert len(runs) == 2

    def test_all_functions(self) -> None:
        jitted, runs = counted()

        class Model:
            @ft.jit
            def method(self, x: Any) -> Any:
                runs.append(None)
                return x + 1

        model = Model()
        for _ in range(2):
            jitted(1.0)
            model.method(1.0)
        assert len(runs) == 2
        assert executable._programs
        ft.clear_caches()
        assert not executable._programs
        jitted(1.0)
        model.method(1.0)
        assert len(runs) == 4

    def test_what_was_captured_is_freed(self) -> None:
        table = np.arange(1000.0)
        jitted = ft.jit(lambda x: x + table)
        jitted(np.ones(1000))
        (miss,) = jitted._log.traced
        (entry,) = jitted._entries.values()
        (const,) = entry.jaxpr.consts
        snapshot = weakref.ref(const)
        del miss, entry, const
        jitted.clear_cache()
        gc.collect()
        assert snapshot() is None

    def test_jitted_functions_are_not_kept_alive(self) -> None:
        jitted = ft.jit(lambda x: x)
        alive = weakref.ref(jitted)
        jitted(1.0)
        del jitted
        gc.collect()
        assert alive() is None


@native
def test_what_is_donated_is_planned_and_told() -> None:
    rates = np.linspace(0.1, 1.0, 1000)
    w, g = np.ones(1000), np.ones(1000)
    for donated, told in (((0,), True), ((), False)):
        jitted = ft.jit(lambda w, g: w - rates * g, donate_argnums=donated)
        jitted(w.copy(), g)
        assert ("writes results over w, given up by the caller." in jitted.explain()) is told
