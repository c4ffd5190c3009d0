"""pure_callback and io_callback: eager, compiled, batched and differentiated; what is checked, and what goes wrong."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

import functrans as ft
import functrans.numpy as fnp
from functrans.callback import VmapMethod
from functrans.errors import (
    CallbackBatchError,
    CallbackResultError,
    LeakedTracerError,
    NonArrayInputError,
    NotDifferentiableError,
    TreeMismatchError,
)
from functrans.experimental import io_callback

F64 = np.dtype(np.float64)
CALLS = 4
"""After the first two, machine code serves a call."""


def struct(*shape: int, dtype: Any = F64) -> ft.ShapeDtypeStruct:
    return ft.ShapeDtypeStruct(shape, dtype)


def both(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [function, ft.jit(function)]


class Pair(NamedTuple):
    low: Any
    high: Any


# ---- values ----


@given(
    hnp.arrays(st.sampled_from(["f4", "f8", "c16", "i2", "i8", "u1", "?"]), hnp.array_shapes(min_dims=0, min_side=0))
)
def test_values_of_every_type_go_through(x: Any) -> None:
    def through(x: Any) -> Any:
        return ft.pure_callback(lambda v: v, struct(*x.shape, dtype=x.dtype), x)

    for function in both(through):
        out = function(x)
        np.testing.assert_array_equal(out, x)
        assert np.asarray(out).dtype == x.dtype


def test_arguments_and_results_are_trees() -> None:
    def extremes(batch: dict[str, Any], *, scale: Any) -> Pair:
        values = batch["values"] * scale
        return Pair(values.min(), [values.max(), int(values.argmax())])

    declared = Pair(struct(), [struct(), struct(dtype=np.int64)])
    x = np.array([3.0, -1.0, 2.0])
    for function in both(lambda x, s: ft.pure_callback(extremes, declared, {"values": x}, scale=s)):
        for _ in range(CALLS):
            low, (high, where) = function(x, 2.0)
            assert (low, high, where) == (-2.0, 6.0, 0)
            assert [type(low), type(where)] == [np.float64, np.int64]


def test_scalars_are_numpy_scalars() -> None:
    seen: list[type] = []

    def note(*values: Any) -> float:
        seen.extend(map(type, values))
        return 0.0

    for function in both(lambda x, n: ft.pure_callback(note, struct(), x, n, x.astype(np.float32))):
        seen.clear()
        function(np.float64(1.0), 2)
        assert seen == [np.float64, np.int64, np.float32]


@pytest.mark.parametrize(
    ("number", "dtype"),
    [
        (np.array(1.5, ">f8"), "f8"),
        (1, "f4"),
        (1, "i2"),
        (1.5, "f4"),
        (1.5, "c8"),
        (1j, "c8"),
        (True, "?"),
        (np.float32(1.5), "f4"),
    ],
)
def test_a_number_takes_the_declared_dtype_as_in_arithmetic(number: Any, dtype: str) -> None:
    for function in both(lambda: ft.pure_callback(lambda: number, struct(dtype=dtype))):
        assert np.asarray(function()).dtype == dtype


@pytest.mark.parametrize(
    ("result", "shape", "dtype", "said"),
    [
        (1.5, (), "i8", r"result is f64\*\[\], declared is i64\[\]"),
        (1j, (), "f8", r"result is c128\*\[\], declared is f64\[\]"),
        (300, (), "u1", r"result is i64\*\[\], declared is u8\[\]"),
        (1.0, (1,), "f8", r"result is f64\*\[\], declared is f64\[1\]"),
        (True, (), "i8", r"result is bool\[\], declared is i64\[\]"),
        (np.ones(3), (4,), "f8", r"result is f64\[3\], declared is f64\[4\]"),
        (np.ones(3), (3,), "f4", r"result is f64\[3\], declared is f32\[3\]"),
        (np.ma.masked_array([1.0]), (1,), "f8", r"result is MaskedArray, declared is f64\[1\]"),
        ("text", (), "f8", r"result is str, declared is f64\[\]"),
        (np.array(["a"]), (1,), "f8", r"result is ndarray, declared is f64\[1\]"),
    ],
)
def test_a_result_of_another_type_is_refused(result: Any, shape: tuple[int, ...], dtype: str, said: str) -> None:
    for function in both(lambda: ft.pure_callback(lambda: result, struct(*shape, dtype=dtype))):
        for _ in range(CALLS):
            with pytest.raises(CallbackResultError, match=said):
                function()


def test_all_wrong_results_are_named_by_their_paths() -> None:
    declared = {"a": struct(2), "b": [struct(), struct(3)]}
    wrong = {"a": np.ones(2), "b": [np.ones(1), np.ones(4)]}
    with pytest.raises(
        CallbackResultError, match=r"result\['b'\]\[0\] is f64\[1\].*\n.*result\['b'\]\[1\] is f64\[4\]"
    ):
        ft.pure_callback(lambda: wrong, declared)


@pytest.mark.parametrize("result", [(1.0,), None, {"a": 1.0}, [1.0, 2.0]])
def test_a_result_of_another_structure_is_refused(result: Any) -> None:
    for function in both(lambda: ft.pure_callback(lambda: result, struct())):
        with pytest.raises(TreeMismatchError, match="the result of"):
            function()


def test_a_list_is_a_tree_and_no_array() -> None:
    with pytest.raises(TreeMismatchError):
        ft.pure_callback(lambda: [1.0, 2.0], struct(2))


def test_what_is_no_array_is_no_argument() -> None:
    with pytest.raises(NonArrayInputError, match="name"):
        ft.pure_callback(lambda name: 1.0, struct(), "text")


# ---- memory ----


def test_a_callback_changes_and_keeps_copies_only() -> None:
    kept: list[Any] = []

    def greedy(x: Any) -> Any:
        kept.append(x)
        x += 1.0
        return x

    def function(x: Any) -> Any:
        y = x * 2.0
        z = ft.pure_callback(greedy, struct(3), y)
        return y, z, ft.pure_callback(greedy, struct(3), x)

    x = np.array([1.0, 2.0, 3.0])
    for f in both(function):
        for _ in range(CALLS):
            kept.clear()
            y, z, w = f(x)
            for array in kept:
                array[...] = np.nan
            assert x.tolist() == [1.0, 2.0, 3.0]
            assert y.tolist() == [2.0, 4.0, 6.0]
            assert z.tolist() == [3.0, 5.0, 7.0]
            assert w.tolist() == [2.0, 3.0, 4.0]


def test_what_a_callback_returned_it_may_change_later() -> None:
    own = np.arange(3.0)
    for function in both(lambda: ft.pure_callback(lambda: own, struct(3))):
        out = function()
        before = own.tolist()
        np.add(own, 1.0, out=own)
        assert out.tolist() == before
        out += 1.0  # and it is the caller's
        assert not np.shares_memory(out, own)


def test_donated_memory_is_read_before_it_is_written() -> None:
    seen: list[Any] = []
    step = ft.jit(lambda x: (x * 2.0, io_callback(lambda v: seen.append(v.sum()), None, x)), donate_argnums=0)
    x = np.ones(1000)
    for _ in range(CALLS):
        x = step(x)[0]
    assert seen == [1000.0 * 2**i for i in range(CALLS)]


def test_programs_let_go_of_callbacks() -> None:
    class Owner:
        def method(self, x: Any) -> Any:
            return x

    def run() -> weakref.ref[Owner]:
        owner = Owner()
        ft.jit(lambda x: ft.pure_callback(owner.method, struct(), x))(1.0)
        return weakref.ref(owner)

    reference = run()
    ft.clear_caches()
    gc.collect()
    assert reference() is None


# ---- transforms ----


METHODS: list[VmapMethod] = [
    "sequential",
    "sequential_unrolled",
    "broadcast_all",
    "expand_dims",
    "legacy_vectorized",
]


@pytest.mark.parametrize("method", METHODS)
def test_each_way_to_take_a_batch(method: VmapMethod) -> None:
    shapes: list[Any] = []

    def add(x: Any, y: Any) -> Any:
        shapes.append((np.shape(x), np.shape(y)))
        return x + y

    def function(x: Any, y: Any) -> Any:
        return ft.pure_callback(add, struct(3), x, y, vmap_method=method)

    x, y = np.arange(6.0).reshape(2, 3), np.ones(3)
    for f in both(ft.vmap(function, in_axes=(0, None))):
        shapes.clear()
        np.testing.assert_array_equal(f(x, y), x + y)
        assert shapes == {
            "broadcast_all": [((2, 3), (2, 3))],
            "expand_dims": [((2, 3), (1, 3))],
            "legacy_vectorized": [((2, 3), (3,))],
        }.get(method, [((3,), (3,))] * 2)


@pytest.mark.parametrize("method", METHODS)
def test_batches_of_batches(method: VmapMethod) -> None:
    function = lambda x, y: ft.pure_callback(lambda x, y: x * y, struct(), x, y, vmap_method=method)
    table = ft.vmap(ft.vmap(function, (None, 0)), (0, None))
    x, y = np.arange(3.0), np.arange(1.0, 5.0)
    for f in both(table):
        if method == "legacy_vectorized":  # it is told nothing of which axis is whose
            continue
        np.testing.assert_array_equal(f(x, y), np.outer(x, y))


@pytest.mark.parametrize("method", ["sequential", "broadcast_all"])
def test_a_batch_of_nothing(method: VmapMethod) -> None:
    f = ft.vmap(lambda x: ft.pure_callback(np.negative, struct(2), x, vmap_method=method))
    assert f(np.ones((0, 2))).shape == (0, 2)


def test_a_callback_is_to_say_how_it_takes_a_batch() -> None:
    function = lambda x: ft.pure_callback(np.sin, struct(), x)
    for f in both(ft.vmap(function)):
        with pytest.raises(CallbackBatchError, match="vmap_method='sequential'"):
            f(np.ones(3))
    unknown: Any = "parallel"
    with pytest.raises(CallbackBatchError, match="'parallel'"):
        ft.vmap(lambda x: ft.pure_callback(np.sin, struct(), x, vmap_method=unknown))(np.ones(3))


def test_derivatives_are_refused_with_the_place_and_what_helps() -> None:
    function = lambda x: ft.pure_callback(np.sin, struct(), x) * 2.0
    for transformed in (ft.grad(function), ft.jit(ft.grad(function)), ft.grad(ft.jit(function))):
        with pytest.raises(NotDifferentiableError, match=r"(?s)pure_callback.*test_callbacks.*external"):
            transformed(1.0)
    with pytest.raises(NotDifferentiableError, match="pure_callback"):
        ft.jvp(function, (1.0,), (1.0,))


def test_integer_results_have_no_derivative() -> None:
    def function(x: Any) -> Any:
        n = ft.pure_callback(lambda v: int(v), struct(dtype=np.int64), x)
        return x**2 * n

    for f in (ft.grad(function), ft.jit(ft.grad(function))):
        assert f(3.5) == 21.0
    assert ft.jvp(function, (3.5,), (1.0,)) == (36.75, 21.0)


def test_a_value_that_stops_needs_no_derivative() -> None:
    function = lambda x: x * ft.pure_callback(np.sin, struct(), ft.lax.stop_gradient(x))
    assert ft.jit(ft.grad(function))(0.5) == np.sin(0.5)


# ---- effects ----


def test_io_runs_once_for_each_time_the_program_says() -> None:
    log: list[Any] = []

    def function(x: Any) -> Any:
        io_callback(log.append, None, x)
        y = np.sum(np.exp(x))
        n = io_callback(lambda: len(log), struct(dtype=np.int64), ordered=True)
        m = io_callback(lambda: len(log), struct(dtype=np.int64))
        io_callback(lambda v: log.append(v), None, y)
        return y * n + m

    x = np.zeros(3)
    for f in both(function):
        log.clear()
        for i in range(CALLS):
            assert f(x) == 3.0 * (2 * i + 1) + (2 * i + 1)
        assert len(log) == 2 * CALLS
        assert log[-1] == 3.0


def test_io_runs_for_each_element_in_order() -> None:
    log: list[float] = []
    f = lambda x, y: io_callback(lambda x, y: log.append(float(x + y)), None, x, y)
    for g in both(ft.vmap(f, (0, None))):
        log.clear()
        g(np.arange(4.0), 10.0)
        assert log == [10.0, 11.0, 12.0, 13.0]


@pytest.mark.parametrize("position", [0, 5])
def test_effects_are_had_once_though_numpy_is_asked_for_an_error(position: int) -> None:
    log: list[Any] = []

    def before() -> float:
        log.append("before")
        return 2.0

    def function(x: Any, i: Any) -> Any:
        n = io_callback(before, struct())
        y = x[i] * n
        io_callback(lambda v: log.append(float(v)), None, y)
        return y

    for f in both(function):
        for _ in range(CALLS):
            log.clear()
            if position == 0:
                assert f(np.ones(3), position) == 2.0
                assert log == ["before", 2.0]
                continue
            with pytest.raises(IndexError):
                f(np.ones(3), position)
            assert log == ["before"]


# ---- errors ----


class OwnError(Exception):
    """The user's."""


def test_errors_come_out_as_they_are_with_their_place() -> None:
    own = OwnError("mine")

    def fail(_x: Any) -> float:
        raise own

    f = ft.jit(lambda x: ft.pure_callback(fail, struct(), np.sum(x)) + 1.0)
    for _ in range(CALLS):
        with pytest.raises(OwnError) as caught:
            f(np.ones(3))
        assert caught.value is own
    assert any("test_callbacks.py" in note and "pure_callback" in note for note in own.__notes__)


def test_a_fault_in_the_middle_leaves_everything_usable() -> None:
    log: list[float] = []

    def watch(x: Any) -> Any:
        log.append(float(x))
        if x == 3.0:
            raise OwnError
        return x

    def function(x: Any) -> Any:
        for _ in range(5):
            x = ft.pure_callback(watch, struct(), x + 1.0)
        return x

    f = ft.jit(function)
    for _ in range(CALLS):
        log.clear()
        with pytest.raises(OwnError):
            f(0.0)
        assert log == [1.0, 2.0, 3.0]
        assert f(10.0) == 15.0
    assert ft.jit(lambda x: np.exp(x))(0.0) == 1.0


def test_a_pressed_key_stops_the_program() -> None:
    after: list[int] = []

    def press() -> None:
        raise KeyboardInterrupt

    def function() -> None:
        io_callback(press, None)
        io_callback(lambda: after.append(1), None)

    for f in both(function):
        for _ in range(CALLS):
            with pytest.raises(KeyboardInterrupt):
                f()
    assert after == []


def test_an_error_of_functrans_inside_names_the_line_inside() -> None:
    def inner(x: Any) -> Any:
        return ft.grad(lambda v: v * 2.0)(x)  # no scalar

    for f in both(lambda x: ft.pure_callback(inner, struct(3), x)):
        with pytest.raises(ft.errors.ScalarOutputError, match="no scalar"):
            f(np.ones(3))


def test_a_traced_value_does_not_come_out_of_a_callback() -> None:
    def outer(x: Any) -> Any:
        return ft.pure_callback(lambda: x, struct())

    with pytest.raises(CallbackResultError, match="result is a traced value"):
        ft.jit(outer)(1.0)
    with pytest.raises(LeakedTracerError):
        ft.jit(lambda x: ft.pure_callback(lambda: x + 1.0, struct()))(1.0)


# ---- what a callback may do ----


def test_a_callback_runs_programs_of_its_own() -> None:
    inner = ft.jit(lambda x: io_callback(lambda v: v, struct(2), x) * 2.0)

    def function(x: Any) -> Any:
        y = io_callback(lambda v: inner(v) + ft.grad(lambda w: np.sum(w**2))(v), struct(2), x)
        return y + inner(x)

    x = np.array([1.0, 2.0])
    for f in [*both(function), *both(ft.vmap(function, axis_size=1, in_axes=None))]:
        for _ in range(CALLS):
            np.testing.assert_array_equal(np.squeeze(f(x)), 6.0 * x)


def test_a_program_may_call_itself_through_a_callback() -> None:
    def less(n: float) -> float:
        return 1.0 if n < 1.0 else float(factorial(n))

    def product(n: float) -> float:
        return n * io_callback(less, struct(), n - 1.0)

    factorial: Any = ft.jit(product)
    for _ in range(CALLS):
        assert factorial(5.0) == 120.0


def test_threads_call_the_same_program() -> None:
    def function(x: Any) -> Any:
        y = np.exp(x) + ft.pure_callback(lambda v: v * 2.0, struct(50), x)
        return io_callback(lambda v: v, struct(50), y)

    f = ft.jit(function)
    f(np.zeros(50))
    wrong: list[float] = []

    def work(number: float) -> None:
        for _ in range(50):
            out = f(np.full(50, number))
            if not np.allclose(out, np.exp(number) + 2 * number):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i / 4,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_programs_of_the_same_structure_call_their_own_callbacks() -> None:
    def make(factor: float) -> Callable[[Any], Any]:
        return ft.jit(lambda x: ft.pure_callback(lambda v: v * factor, struct(), x))

    assert [make(factor)(2.0) for factor in (1.0, 2.0, 3.0)] == [2.0, 4.0, 6.0]


def test_jaxprs_name_the_callback() -> None:
    text = str(ft.make_jaxpr(lambda x: ft.pure_callback(np.sin, struct(), x))(fnp.float64(1.0)))
    assert "f64[] = pure_callback[callback=sin vmap_method=None] a" in text
