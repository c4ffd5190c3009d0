"""Donated arguments: results are computed in their memory and are these very arrays, where that changes no value."""

import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import functrans as ft
from functrans import grad, jit, make_jaxpr, tree, vmap
from functrans.backends import executable
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.vectorcall import recipes_of
from functrans.compiler.options import Options
from functrans.compiler.pipeline import optimize
from functrans.core.primitive import aval_of
from functrans.core.recycled import is_recycled
from functrans.transforms.stage import stage
from tests.benchmarks import inputs, models
from tests.marks import native
from tests.opaque import opaque
from tests.test_native import programs, run_flat

pytestmark = native


def descend(w: Any, g: Any) -> Any:
    return w - 0.1 * g


donating = jit(descend, donate_argnums=0)
W, G = np.random.default_rng(0).standard_normal((2, 30, 40))


def assert_kept(function: Callable[..., Any], expected: Callable[..., Any], *args: Any) -> None:
    """Calls, the first and those that machine code serves, give new arrays and leave the arguments as they are."""
    before = [np.array(arg) for arg in args]
    for _ in range(4):
        for out, wanted in zip(tree.leaves(function(*args)), tree.leaves(expected(*args)), strict=True):
            np.testing.assert_array_equal(out, wanted)
            assert not any(np.shares_memory(out, arg) for arg in args)
        for arg, was in zip(args, before, strict=True):
            np.testing.assert_array_equal(arg, was)


@settings(max_examples=150)
@given(programs())
def test_donation_changes_no_value(program: tuple[Callable[..., Any], tuple[Any, ...]]) -> None:
    run, arguments = program
    jaxpr = stage(run_flat(run), [aval_of(x) for x in arguments])
    flat = optimize(jaxpr.with_consts_as_inputs())
    given_up = NativeProgram(flat, Options(tuple(range(len(jaxpr.consts), len(flat.invars)))))
    with np.errstate(all="ignore"):
        expected = NativeProgram(flat)(*jaxpr.consts, *map(np.array, arguments))
        got = given_up(*jaxpr.consts, *map(np.array, arguments))
    for a, b in zip(got, expected, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("shape", [(7,), (30, 40), (1, 1), (1000, 1000)])
def test_a_result_is_the_donated_array(shape: tuple[int, ...]) -> None:
    w, g = np.ones(shape), np.full(shape, 2.0)
    for number in range(1, 8):
        assert donating(w, g) is w
        np.testing.assert_allclose(w, 1 - 0.2 * number, atol=1e-12)


def test_arrays_that_are_whole_views_or_results_may_be_donated() -> None:
    view = np.arange(6.0).reshape(2, 3)
    assert donating(view, np.ones((2, 3))) is view
    large = jit(lambda x: x * 2)(np.ones((1000, 100)))
    assert is_recycled(large)
    assert donating(large, large * 1) is large


def test_all_parameters_of_a_training_step_are_updated_in_place() -> None:
    params, x, y = inputs.network((20, 64, 64, 5), 16, "float32")
    step = partial(models.descend, ft.value_and_grad(partial(models.network_loss, np, "relu")))
    loss, expected = jit(step)(params, x, y)
    mine = tree.map(np.array, params)
    got, updated = jit(step, donate_argnums=0)(mine, x, y)
    assert got == loss
    for new, old, wanted in zip(*map(tree.leaves, (updated, mine, expected)), strict=True):
        assert new is old
        np.testing.assert_array_equal(new, wanted)


def test_results_take_the_arguments_that_correspond() -> None:
    def adam(w: Any, state: Any, g: Any) -> Any:
        m, v = 0.9 * state[0] + 0.1 * g, 0.99 * state[1] + 0.01 * g * g
        return w - 0.1 * m / (np.sqrt(v) + 1e-8), (m, v)

    w, m, v = np.ones(50), np.ones(50), np.ones(50)
    new, (first, second) = jit(adam, donate_argnums=(0, 1))(w, (m, v), np.ones(50))
    assert (new is w, first is m, second is v) == (True, True, True)


def read_only(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("make", [
    read_only, lambda x: np.asfortranarray(x), lambda x: np.stack([x, x], -1)[..., 0], lambda x: np.concatenate([x, x])[:30],
    lambda x: x.astype(">f8"), lambda x: np.frombuffer(bytearray(x.tobytes())).reshape(x.shape),
    lambda x: np.concatenate([x, x])[::-1][:30],
])  # fmt: skip
def test_arrays_that_cannot_be_donated_stay(make: Callable[[Any], Any]) -> None:
    assert_kept(donating, descend, make(W), G)


@pytest.mark.parametrize("function", [
    lambda w, g: (w - g)[:20], lambda w, g: (w - g).astype("f4"), lambda w, g: np.max(w - g), lambda w, g: (w - g).reshape(-1),
    lambda w, g: np.transpose(w - g), lambda w, g: w > g,
])  # fmt: skip
def test_arrays_stay_where_no_result_is_like_them(function: Callable[..., Any]) -> None:
    assert_kept(jit(function, donate_argnums=0), function, W, G)


def test_numbers_may_be_donated() -> None:
    function = jit(lambda w, rate: w * rate, donate_argnums=(0, 1))
    w = np.ones(3)
    for rate in (2.0, np.float64(2.0), np.array(2.0)):
        np.testing.assert_array_equal(function(np.ones(3), rate), w * 2)
    assert jit(lambda x: x + 1, donate_argnums=0)(np.array(1.0)) == 2


def test_memory_that_two_arguments_share_is_not_written() -> None:
    w = W.copy()
    for function in (donating, jit(descend, donate_argnums=(0, 1))):
        assert_kept(function, descend, w, w)
        assert_kept(function, descend, w, w.view())
        assert_kept(function, descend, w, w[::-1])
        assert_kept(function, descend, w.reshape(40, 30), w.T)
    both = np.ones((31, 40))
    three = jit(lambda a, b, c: (a + b, c), donate_argnums=(0, 1, 2))
    assert_kept(three, lambda a, b, c: (a + b, c), both[:30], both[1:], both)
    other = W.copy()
    out, same = jit(lambda a, b, c: (a + b, c), donate_argnums=(0, 2))(other, w, w)
    assert out is other
    assert same is not w
    np.testing.assert_array_equal(out, W + w)


def test_donated_arguments_that_are_results() -> None:
    functions = [jit(function, donate_argnums=0) for function in (
        lambda x: (x,), lambda x: (x, x + 1), lambda x: (x + 1, x), lambda x: (x, x), lambda x: (x + 1, x + 1),
        lambda x: (x + 1, x + 1, x - 1),
    )]  # fmt: skip
    for function in functions:
        for _ in range(5):
            x = W.copy()
            outs = function(x)
            assert sum(out is x for out in outs) == 1
            assert not any(np.shares_memory(a, b) for a, b in combinations(outs, 2))
            for out, wanted in zip(outs, function.__wrapped__(W), strict=True):
                np.testing.assert_array_equal(out, wanted)


def test_machine_code_serves_calls_that_donate() -> None:
    function, w = jit(descend, donate_argnums=0), np.zeros((3, 4))
    counts = sys.getrefcount(w)
    for number in range(1, 1000):
        assert function(w, np.ones((3, 4))) is w
        np.testing.assert_allclose(w, -0.1 * number)
    assert sys.getrefcount(w) == counts
    (recipe,) = recipes_of(function)
    assert recipe.calls == 997
    for other in (w.view(), read_only(w), np.asfortranarray(w)):
        np.testing.assert_allclose(function(other, np.ones((3, 4))), -100.0)
        assert (recipe.calls, other is not w) == (997, True)
        w[...] = -99.9


def test_one_array_for_two_results() -> None:
    x = W.copy()
    plus, times = jit(lambda x: (x + 1, x * 2), donate_argnums=0)(x)
    assert (plus is x) + (times is x) == 1
    np.testing.assert_array_equal(plus, W + 1)
    np.testing.assert_array_equal(times, W * 2)


@pytest.mark.parametrize(("function", "in_place"), [
    (lambda w, g: (w - g, np.sort(w)), True),  # which is read first
    (lambda w, g: (np.sort(w, axis=0), w - g), True),
    (lambda w, g: (np.sort(np.sort(w - g) + w), w - g), True),  # the sum is read last
    (lambda w, g: (w - g, np.transpose(w)), True),
    (lambda w, g: np.sort(w - g), True),  # it is dead by then
    (lambda w, g: np.sort(w), False),
    (lambda w, g: w - w[::-1], False),
    (lambda w, g: w - w[0], False),
    (lambda w, g: (w - np.sum(w, 1, keepdims=True), np.sum(g * w, 0)), True),
    (lambda w, g: w - np.sum(g, 0), True),
])  # fmt: skip
def test_nothing_is_read_after_it_is_written(function: Callable[..., Any], in_place: bool) -> None:
    w = W.copy()
    expected = tree.leaves(function(W, G))
    outs = tree.leaves(jit(function, donate_argnums=0)(w, G))
    assert in_place == any(out is w for out in outs)
    for out, wanted in zip(outs, expected, strict=True):
        np.testing.assert_allclose(out, wanted, rtol=1e-12, atol=1e-12)


def test_nothing_is_read_in_a_later_pass_than_it_is_written() -> None:
    def function(w: Any) -> Any:
        twice = w * 2
        return twice, w * np.sum(twice, axis=1, keepdims=True)

    w = W.copy()
    twice, scaled = jit(function, donate_argnums=0)(w)
    np.testing.assert_array_equal(twice, W * 2)
    np.testing.assert_allclose(scaled, function(W)[1], rtol=1e-12)
    assert scaled is w


def test_what_each_chunk_of_a_loop_reads_is_not_written_by_the_first() -> None:
    def function(v: Any, x: Any) -> Any:
        scale = v * 2 + 1
        return scale, x * scale

    v, x = np.array([3.0]), np.ones(1_000_000)
    for _ in range(4):
        scale, scaled = jit(function, donate_argnums=0)(v.copy(), x)
        np.testing.assert_array_equal(scale, [7.0])
        np.testing.assert_array_equal(scaled, x * 7)


def test_inside_other_transforms_nothing_is_donated() -> None:
    def twice(w: Any, g: Any) -> Any:
        return donating(donating(w, g), g)

    assert_kept(vmap(donating), vmap(descend), W, G)
    assert_kept(grad(lambda w, g: np.sum(donating(w, g))), grad(lambda w, g: np.sum(descend(w, g))), W, G)
    assert_kept(jit(twice), jit(lambda w, g: descend(descend(w, g), g)), W, G)
    assert_kept(lambda w, g: ft.jvp(donating, (w, g), (g, w)), lambda w, g: ft.jvp(descend, (w, g), (g, w)), W, G)


def test_an_error_is_that_of_numpy() -> None:
    def function(w: Any, g: Any, i: Any) -> Any:
        return w - g, (w * 2)[i], g[i] + w[0]

    w, donated = W.copy(), jit(function, donate_argnums=(0, 1))
    for _ in range(3):
        with pytest.raises(IndexError, match="index 30 is out of bounds"):
            donated(w, G.copy(), np.array(30))
    out, *_ = donated(w, G, np.array(-1))
    np.testing.assert_array_equal(out, W - G)  # NumPy was asked before anything was written
    numbers, powers = np.arange(6), np.array([1, 2, 0, 1, -1, 2])
    for _ in range(3):
        with pytest.raises(ValueError, match="negative integer powers"):
            jit(lambda x, y: x**y, donate_argnums=0)(numbers, powers)
    np.testing.assert_array_equal(numbers, np.arange(6))


def test_an_error_of_a_callback_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> Any:
        raise ArithmeticError("no")

    donated = jit(lambda w: opaque(w * 2 + np.max(w)), donate_argnums=0)
    assert donated(w := W.copy()) is w
    with monkeypatch.context() as patch:
        patch.setattr(np, "arctan", fail)
        for _ in range(3):
            with pytest.raises(ArithmeticError, match="no"):
                donated(W.copy())
    np.testing.assert_allclose(donated(W.copy()), np.arctan(W * 2 + np.max(W)))


def test_captured_arrays_are_not_written() -> None:
    x = W.copy()
    add = jit(lambda y: y + x, donate_argnums=0)
    y = W.copy()
    assert add(y) is y
    add(x)
    np.testing.assert_array_equal(add(np.zeros_like(x)), W)


def test_by_keyword_with_static_arguments_and_in_methods() -> None:
    def function(x: Any, n: int, tree: Any, *, y: Any) -> Any:
        return x * n, tree["a"] + 1, tree["b"] + y

    donated = jit(function, static_argnums=1, donate_argnums=2)
    calls: list[Callable[[Any, Any], Any]] = [
        lambda t, y: donated(W, 2, t, y=y),
        lambda t, y: donated(W, y=y, n=2, tree=t),
    ]
    for call in calls:
        given, y = {"a": W.copy(), "b": G.copy()}, G.copy()
        first, second, third = call(given, y)
        assert (second is given["a"], third is given["b"]) == (True, True)
        np.testing.assert_array_equal(y, G)
        np.testing.assert_array_equal(first, W * 2)

    class Model:
        @jit(donate_argnums=1)
        def step(self, w: Any, g: Any) -> Any:
            return w - g

    w = W.copy()
    assert Model().step(w, G) is w


def test_ahead_of_time() -> None:
    lowered = donating.lower(W, G)
    assert "writes   d argument 0 in place of a" in lowered.kernels
    assert lowered.cost().peak_memory == 0
    compiled, w = lowered.compile(), W.copy()
    for _ in range(4):
        assert compiled(w, G) is w
    assert_kept(ft.deserialize(compiled.serialize()), descend, W, G)


def test_numpys_backend_donates_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executable, "_WHY_NUMPY", "as a test")
    assert_kept(jit(lambda w, g: w * 3 - g, donate_argnums=0), lambda w, g: w * 3 - g, W, G)


def test_a_donating_function_in_many_threads() -> None:
    function = jit(lambda w, g: np.sort(w @ g) + w, donate_argnums=0)
    right: list[bool] = []

    def work(seed: int) -> None:
        w, g = np.random.default_rng(seed).standard_normal((2, 40, 40))
        w = w.copy()
        for _ in range(50):
            expected = np.sort(w @ g) + w
            right.append(function(w, g) is w and np.allclose(w, expected))
            w /= np.max(np.abs(w))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 400


def test_programs_with_and_without_donation_are_two() -> None:
    assert_kept(jit(descend), descend, W, G)
    w = W.copy()
    assert donating(w, G) is w
    assert_kept(jit(descend), descend, W, G)
    jaxpr = make_jaxpr(descend)(W, G)
    assert executable.compile_jaxpr(jaxpr).overwritten == []
    assert executable.compile_jaxpr(jaxpr, Options(donated=(0,))).overwritten == [0]
