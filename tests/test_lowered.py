"""What `jit(f).lower(...)` shows, what it costs, and that the compiled callable is the function for these arguments."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans.backends import executable
from functrans.backends.vectorcall import recipes_of
from functrans.compiler.cost import cost_of
from functrans.errors import CompiledArgumentsError, NoMachineCodeError, NonArrayInputError, StaticArgumentError
from functrans.lowered import Lowered
from tests.cases import CASES
from tests.cases.case import Case
from tests.marks import native
from tests.opaque import opaque

F64 = ft.ShapeDtypeStruct


def loss(w: Any, x: Any, *, scale: Any = 1.0) -> Any:
    return np.sum(np.tanh(x @ w["a"]) ** 2) * scale


W, X = {"a": np.linspace(0, 1, 12).reshape(4, 3)}, np.linspace(-1, 1, 20).reshape(5, 4)


@pytest.fixture
def on_numpy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(executable, "_WHY_NUMPY", "the test says so")
    ft.clear_caches()
    yield
    ft.clear_caches()


class TestTexts:
    def test_the_two_jaxprs(self) -> None:
        lowered = ft.jit(lambda x: ft.jit(np.sin)(x) + np.sin(x)).lower(np.ones(3))
        assert [eqn.prim.name for eqn in lowered.jaxpr.eqns] == ["jit", "sin", "add"]
        assert [eqn.prim.name for eqn in lowered.optimized_jaxpr.eqns] == ["sin", "add"]

    @native
    def test_kernels_are_the_text(self) -> None:
        lowered = ft.jit(loss).lower(W, X)
        assert str(lowered) == lowered.kernels == lowered.as_text() == repr(lowered.kernels)
        assert lowered.kernels.startswith("arguments  a:f64[4,3] b:f64[5,4]\nresults    ")
        assert repr(lowered).startswith("<lowered jit(loss): ")

    @native
    def test_names_are_those_of_the_optimized_jaxpr(self) -> None:
        lowered = ft.jit(lambda x: np.exp(x.reshape(6).reshape(2, 3)) * 2).lower(np.ones((3, 2)))
        (last,) = [line for line in str(lowered.optimized_jaxpr).splitlines() if "= mul" in line]
        assert last.split(":")[0].strip() in [line.split(":")[0].strip() for line in lowered.kernels.splitlines()]

    @native
    def test_captured_arrays_are_arguments_of_the_program(self) -> None:
        table = np.arange(3.0)
        assert "a argument 0, b argument 1" in ft.jit(lambda x: table + x).lower(np.ones(3)).kernels

    @native
    def test_llvm_and_assembly(self) -> None:
        lowered = ft.jit(loss).lower(W, X)
        assert "define i64 @program" in lowered.llvm_ir()
        assert "program:" in lowered.assembly()
        assert lowered.compile().as_text() == lowered.assembly()

    def test_where_numpy_runs_it(self, on_numpy: None) -> None:
        lowered = ft.jit(loss).lower(W, X)
        why = "NumPy runs the equations one by one: the test says so"
        assert lowered.kernels == f"{why}\n\n{lowered.optimized_jaxpr}"
        assert lowered.cost().flops == 0
        for text in (lowered.llvm_ir, lowered.assembly, lowered.compile().as_text):
            with pytest.raises(NoMachineCodeError, match="the test says so"):
                text()
        np.testing.assert_array_equal(lowered.compile()(W, X), ft.jit(loss)(W, X))

    def test_types_that_only_numpy_has(self) -> None:
        lowered = ft.jit(lambda x, _: x + 1).lower(F64(3, float), F64(3, ft.float0))
        with pytest.raises(NoMachineCodeError):
            lowered.llvm_ir()


class TestLower:
    def test_shapes_stand_for_arrays(self) -> None:
        shapes = ft.eval_shape(lambda: (W, X))
        lowered = ft.jit(loss).lower(*shapes, scale=F64((), float))
        assert lowered.out_info == F64((), float)
        assert lowered.in_tree == ft.tree.structure(((W, X), {"scale": 1.0}))
        assert lowered.out_tree == ft.tree.structure(0)

    def test_it_traces_once_with_the_calls(self) -> None:
        jitted = ft.jit(loss)
        jitted.lower(*ft.eval_shape(lambda: (W, X)))
        jitted.lower(W, X)
        jitted(W, X)
        assert jitted.cache_info()[:2] == (1, 1)

    def test_methods(self) -> None:
        class Model:
            w = 3.0

            @ft.jit
            def predict(self, x: Any) -> Any:
                return self.w * x

        model = Model()
        ways: list[Any] = [model.predict.lower, partial(Model.predict.lower, model)]  # type: ignore[attr-defined]
        for lower in ways:
            np.testing.assert_array_equal(lower(X).compile()(X), 3.0 * X)

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [((W, "text"), {}), ((W,), {}), ((W, X, 1), {}), ((W, X), {"unknown": 1}), ((W, X[:, :2]), {}), ((W, [None, X]), {})],
    )  # fmt: skip
    def test_wrong_arguments_raise_what_the_call_raises(self, args: Any, kwargs: Any) -> None:
        with pytest.raises(Exception) as call:  # noqa: PT011  # whichever it is
            ft.jit(loss)(*args, **kwargs)
        with pytest.raises(type(call.value)) as lower:
            ft.jit(loss).lower(*args, **kwargs)
        assert str(lower.value).splitlines()[0] == str(call.value).splitlines()[0]

    def test_unhashable_static_arguments(self) -> None:
        with pytest.raises(StaticArgumentError):
            ft.jit(loss, static_argnums=1).lower(W, X)


class TestCompiled:
    def test_it_is_the_function(self) -> None:
        compiled = ft.jit(loss).lower(W, X, scale=2.0).compile()
        np.testing.assert_array_equal(compiled(W, X, scale=3.0), ft.jit(loss)(W, X, scale=3.0))
        assert repr(compiled) == "<compiled jit(loss)>"
        assert compiled.in_tree == ft.tree.structure(((W, X), {"scale": 2.0}))
        assert compiled.out_tree == ft.tree.structure(0)

    def test_it_never_traces(self) -> None:
        runs: list[None] = []

        def f(x: Any) -> Any:
            runs.append(None)
            return x + 1

        compiled = ft.jit(f).lower(F64(3, float)).compile()
        for _ in range(3):
            np.testing.assert_array_equal(compiled(np.zeros(3)), np.ones(3))
        assert len(runs) == 1

    def test_python_numbers(self) -> None:
        """A number may come as Python's or NumPy's; the result is of the kind that it was traced for."""
        double: Lowered[..., Any] = ft.jit(lambda x: 2 * x).lower(1.5)
        assert [type(double.compile()(x)) for x in (1.5, np.float64(1.5))] == [float, float]
        double = ft.jit(lambda x: 2 * x).lower(F64((), float))
        assert [type(double.compile()(x)) for x in (1.5, np.float64(1.5))] == [np.float64, np.float64]

    def test_static_arguments_may_be_left_out(self) -> None:
        power = ft.jit(lambda n, x: x**n, static_argnums=0)
        compiled: Any = power.lower(3, F64(2, float)).compile()
        x = np.array([1.0, 2.0])
        for got in (compiled(x), compiled(3, x)):
            np.testing.assert_array_equal(got, x**3)
        for wrong in ((2, x), (3, x, x), (3,), ()):
            with pytest.raises(CompiledArgumentsError):
                compiled(*wrong)

    @pytest.mark.parametrize("wrong", [X.astype(np.float32), X[:4], X[0], 1.0, [X], None])
    def test_other_arguments_are_refused(self, wrong: Any) -> None:
        with pytest.raises(CompiledArgumentsError, match=r"jit\(loss\)"):
            ft.jit(loss).lower(W, X).compile()(W, wrong)

    def test_a_leaf_that_is_no_array(self) -> None:
        with pytest.raises(NonArrayInputError, match="got x of type str"):
            ft.jit(loss).lower(W, X).compile()(W, "text")

    def test_it_can_be_transformed(self) -> None:
        compiled = ft.jit(loss).lower(W, X).compile()
        got = ft.grad(compiled)(W, X)["a"]
        np.testing.assert_allclose(got, ft.grad(loss)(W, X)["a"], rtol=1e-12)
        np.testing.assert_array_equal(ft.vmap(lambda s: compiled(W, s * X))(np.ones(2)), [compiled(W, X)] * 2)

    @native
    def test_machine_code_serves_its_calls(self) -> None:
        """With and without the static arguments, Python's and NumPy's numbers, and no other arguments."""
        table = np.ones(3)
        fun = ft.jit(lambda n, p, *, s: {"y": p["a"] ** n * s + table, "s": s}, static_argnums=0)
        compiled: Any = fun.lower(2, {"a": np.ones(3)}, s=1.5).compile()
        x = np.arange(3.0)
        calls: list[Any] = [
            lambda s: compiled({"a": x}, s=s), lambda s: compiled(2, {"a": x}, s=s),
            lambda s: compiled({"a": x}, s=np.float64(s)),
        ]  # fmt: skip
        for call in calls:
            for s in (0.5, 1.5, 2.5, 3.5):
                got = call(s)
                np.testing.assert_array_equal(got["y"], x**2 * s + table)
                assert (type(got["s"]), got["s"]) == (float, s)
        assert len(recipes_of(compiled)) == len(calls)
        assert sum(recipe.calls for recipe in recipes_of(compiled)) >= 4
        for wrong in (({"a": x[:2]},), (3, {"a": x}), ()):
            with pytest.raises(CompiledArgumentsError):
                compiled(*wrong, s=1.0)
        with ft.disable_jit():
            np.testing.assert_array_equal(calls[0](0.5)["y"], x**2 * 0.5 + table)
        np.testing.assert_allclose(ft.grad(lambda s: np.sum(compiled({"a": x}, s=s)["y"]))(1.0), np.sum(x**2))

    @native
    def test_what_closes_over_tracers_is_not_served(self) -> None:
        def outer(y: Any) -> Any:
            compiled = ft.jit(lambda x: x * y).lower(1.0).compile()
            return sum(compiled(float(i)) for i in range(4)) + len(recipes_of(compiled))

        assert ft.value_and_grad(outer)(3.0) == (18.0, 6.0)

    def test_results_alias_no_argument(self) -> None:
        compiled = ft.jit(lambda x: x).lower(X).compile()
        assert not np.shares_memory(compiled(X), X)


@native
class TestCost:
    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_every_primitive(self, case: Case) -> None:
        for dtype in case.dtypes:
            args = [operand.make(np.random.default_rng(0), dtype) for operand in case.operands]
            lowered = ft.jit(case.fun).lower(*args)
            cost = lowered.cost()
            assert lowered.kernels.count("\nstep ") == len(cost.steps)
            if any(eqn.prim.captures for eqn in lowered.optimized_jaxpr.eqns):
                continue  # turns read again what they share, and what a branch passes on is not counted
            assert cost.bytes_written >= cost.outputs
            there = (
                sum(aval.size * aval.dtype.itemsize for aval in lowered.optimized_jaxpr.in_avals) + cost.bytes_written
            )
            assert all(step.bytes_read <= there for step in cost.steps)

    def test_elementwise(self) -> None:
        cost = ft.jit(lambda x, y: np.sin(x) * y + 1).lower(F64((10, 30), np.float32), F64(30, np.float32)).cost()
        assert (cost.flops, cost.bytes_read, cost.bytes_written) == (900, 1200 + 120, 1200)
        assert (cost.arena, cost.outputs, cost.peak_memory) == (0, 1200, 1200)

    def test_a_matrix_product(self) -> None:
        cost = ft.jit(lambda x, y: x @ y).lower(F64((10, 20), float), F64((20, 30), float)).cost()
        assert (cost.flops, cost.bytes_read, cost.bytes_written) == (2 * 10 * 20 * 30, 8 * 800, 8 * 300)

    def test_passes_and_levels(self) -> None:
        """Mean (a sum, and a division per row), what is computed again in the second pass, and the sum of squares."""
        lowered = ft.jit(lambda x: np.sum((x - np.mean(x, 1, keepdims=True)) ** 2, axis=1)).lower(F64((10, 30), float))
        cost = lowered.cost()
        assert cost.flops == 10 * 30 + 10 + 3 * 10 * 30
        assert (cost.bytes_read, cost.bytes_written) == (8 * 300, 8 * 10)

    def test_rows_columns_and_all_in_one(self) -> None:
        x = F64((300, 200), float)
        assert ft.jit(lambda x: np.sqrt(np.sum(x**2))).lower(x).cost().flops == 2 * 300 * 200 + 300 + 1
        both = ft.jit(lambda x: (np.sum(x, axis=1), np.mean(x, axis=0))).lower(x).cost()
        assert both.flops == 2 * 300 * 200 + 200

    def test_only_what_is_read_counts(self) -> None:
        assert ft.jit(lambda x: x[::2] + 1).lower(F64(100, float)).cost().bytes_read == 8 * 50
        assert ft.jit(lambda x: x[1:] + x[:-1]).lower(F64(100, float)).cost().bytes_read == 8 * 100
        assert ft.jit(lambda x, i: x[i]).lower(F64((100, 10), float), F64(3, int)).cost().bytes_read == 8 * 33

    def test_adding_to_places(self) -> None:
        gradient = ft.grad(lambda x, i: np.sum(x[i] ** 2))
        steps = ft.jit(gradient).lower(F64((100, 10), float), F64(3, int)).cost().steps
        assert [step.flops for step in steps if step.kind == "Scatter"] == [30]

    def test_running_totals(self) -> None:
        assert ft.jit(np.cumsum).lower(F64(100, float)).cost().flops == 100

    def test_it_adds_up(self) -> None:
        lowered = ft.jit(ft.value_and_grad(loss)).lower(W, X)
        cost = lowered.cost()
        assert cost == cost_of(lowered._planned.plan) == lowered.compile().cost()
        assert cost.flops == sum(step.flops for step in cost.steps) > 0
        total = cost.bytes_read + cost.bytes_written
        assert (
            lowered.cost_analysis()
            == lowered.compile().cost_analysis()
            == {"flops": cost.flops, "bytes accessed": total}
        )
        assert f"in all{cost.flops:>32,}" in str(cost)
        assert f"peak memory {cost.peak_memory:,} bytes" in str(cost)

    def test_callbacks_move_memory(self) -> None:
        (step,) = ft.jit(opaque).lower(F64(10, complex)).cost().steps
        assert (step.kind, step.flops, step.bytes_read, step.bytes_written) == ("callback", 0, 160, 160)


def test_the_compiler_is_loaded_when_it_is_needed() -> None:
    """It would be a fifth of the import, more with the native backend."""
    code = "import functrans, sys; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "functrans.jit" in done.stdout
    assert not [
        name for name in ("functrans.compiler.plan", "functrans.backends.llvm", "llvmlite") if name in done.stdout
    ]


@ft.tree.register_dataclass
@dataclass(frozen=True)
class Scaled:
    w: Any

    @ft.jit
    def apply(self, x: Any, *, power: int = 1) -> Any:
        """Scale."""
        return self.w * x**power


def test_a_method_of_a_pytree_is_lowered_for_its_instance() -> None:
    one, x = Scaled(np.array([2.0, 3.0])), np.ones(2)
    lowered = one.apply.lower(x, power=np.float64(2.0))  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    assert [aval.shape for aval in lowered.jaxpr.in_avals] == [(2,), (2,), ()]
    np.testing.assert_array_equal(lowered.compile()(one, x, power=np.float64(2.0)), one.w)
    np.testing.assert_array_equal(one.apply(x), one.w)


def test_a_method_of_a_pytree_is_as_other_methods() -> None:
    one, other, x = Scaled(np.array([2.0, 3.0])), Scaled(np.array([2.0, 3.0])), np.ones(2)
    method: Any = one.apply
    assert (method.__name__, method.__doc__) == ("apply", "Scale.")
    assert list(signature(method).parameters) == ["x", "power"]
    assert method == one.apply != other.apply
    assert len({method, one.apply, other.apply}) == 2
    assert method.__self__ is one
    assert method.__func__ is Scaled.apply
    np.testing.assert_array_equal(ft.vmap(method)(np.ones((3, 2))), [one.w] * 3)
    np.testing.assert_array_equal(ft.grad(lambda x: np.sum(method(x)))(x), one.w)
    method(x)
    assert method.cache_info().hits >= 0
