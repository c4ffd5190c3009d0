"""What the turns of a loop leave on stacks for the way back: gradients of all nestings, and the memory that the stacks lie in.

The memory is counted by functions of the tests that stand in the table of services; start reading at `Counted`.
"""

import ctypes
import gc
import signal
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans import grad, hessian, jacrev, jit, jvp, lax, make_jaxpr, vjp, vmap
from functrans.backends.llvm import stack_values
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.llvm.service_table import PYTHON
from functrans.backends.numpy import Program
from functrans.compiler.inline import inline
from functrans.compiler.pipeline import optimize
from functrans.core.ir import Jaxpr
from functrans.core.primitive import aval_of
from functrans.core.stacks import stack_dtype
from functrans.disable import DISABLED, disable_jit
from functrans.errors import NotExportableError
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.stacks import empty_stack, pop, push
from functrans.test_util import check_grads
from functrans.transforms.stage import stage
from tests.cases.stacks import stack_of
from tests.marks import native

Fun = Callable[..., Any]
SMALL, LARGE = 3, 200
"""Elements: a loop over so many stays in registers, or does not."""


def power(x: Any, n: Any) -> Any:
    """A loop of n turns."""
    return lax.fori_loop(0, n, lambda i, c: np.sin(c) * x + 0.001 * c * i, np.cos(x))


def newton(a: Any) -> Any:
    """A loop of few turns, of which nobody knows how many: the square root."""
    return lax.while_loop(lambda x: np.any(np.abs(x * x - a) > 1e-6 * a), lambda x: 0.5 * (x + a / x), a + 1.0)


def within_scan(x: Any) -> Any:
    return lax.scan(lambda c, r: (newton(c * c + r * r), np.sum(c)), x, np.outer([1.0, 2.0, 3.0], x))


def within_while(x: Any) -> Any:
    return lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, np.sin(newton(c[1] * c[1] + 1)) + power(x, c[0]) * c[1]), (0, x)
    )[1]


def within_cond(x: Any) -> Any:
    def turn(c: Any) -> Any:
        return lax.cond(c[1][0] > 1, lambda y: newton(y + 2) - 1, lambda y: y * 2 + x, c[1])

    return lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, turn(c)), (0, x))[1]


def with_integers(x: Any) -> Any:
    """What is kept are also indices and comparisons."""

    def turn(c: Any) -> Any:
        i, y = c
        return i + 1, np.where(y > 0.5, y + np.sin(y), y * y[i * 5 % y.size] + 0.2)

    return lax.while_loop(lambda c: (c[0] < 9) & (np.sum(c[1]) < 1.5 * x.size), turn, (1, x))[1]


def checkpointed(x: Any) -> Any:
    return ft.checkpoint(within_while)(x) + ft.checkpoint(newton)(x)


PROGRAMS = (newton, within_scan, within_while, within_cond, with_integers, checkpointed)


def loss_of(fun: Fun) -> Fun:
    """A number; in Python without checkpoints, which would be traced."""
    if DISABLED.get() and fun is checkpointed:
        return lambda x: np.sum(np.sin(within_while(x) + newton(x)))
    return lambda x: sum(np.sum(np.sin(leaf)) for leaf in ft.tree.leaves(fun(x)))


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_gradients_of_loops_of_any_length(size: int, count: int) -> None:
    x = np.linspace(0.3, 0.9, size)
    got = jit(grad(lambda x, n: np.sum(power(x, n))))(x, count)
    np.testing.assert_allclose(got, jit(grad(lambda x: np.sum(power(x, count))))(x), rtol=1e-12)  # a scan


@pytest.mark.parametrize("fun", PROGRAMS)
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_gradients_of_nested_loops(fun: Fun, size: int) -> None:
    x = np.linspace(0.2, 0.9, size)
    with disable_jit():
        expected = grad(loss_of(fun))(x)
    np.testing.assert_allclose(grad(loss_of(fun))(x), expected, rtol=1e-9)
    np.testing.assert_allclose(jit(grad(loss_of(fun)))(x), expected, rtol=1e-9)


@pytest.mark.parametrize("fun", [newton, within_cond, with_integers, checkpointed])
def test_second_derivatives(fun: Fun) -> None:
    x = np.linspace(0.2, 0.9, SMALL)
    with disable_jit():
        expected = hessian(loss_of(fun))(x)
    np.testing.assert_allclose(jit(jacrev(grad(loss_of(fun))))(x), expected, rtol=1e-8, atol=1e-10)
    turned = jit(lambda x, v: jvp(grad(loss_of(fun)), (x,), (v,))[1])
    np.testing.assert_allclose(turned(x, np.ones(SMALL)), expected @ np.ones(SMALL), rtol=1e-8)


@pytest.mark.parametrize("fun", [newton, within_cond, with_integers])
def test_batches_of_different_lengths(fun: Fun) -> None:
    xs = np.linspace(0.1, 0.9, 4 * SMALL).reshape(4, SMALL) * np.array([[1.0], [0.1], [1.3], [0.7]])
    weights = np.array([1.0, -1.0, 0.5, 2.0])
    gradient = grad(loss_of(fun))
    expected = [gradient(x) for x in xs]
    np.testing.assert_allclose(jit(vmap(gradient))(xs), expected, rtol=1e-8)
    of_batch = jit(grad(lambda xs: np.sum(weights * vmap(loss_of(fun))(xs))))
    np.testing.assert_allclose(of_batch(xs), weights[:, None] * expected, rtol=1e-8)


def test_batches_of_second_derivatives() -> None:
    xs = np.linspace(0.1, 0.9, 2 * SMALL).reshape(2, SMALL)
    second = grad(lambda x: np.sum(grad(loss_of(newton))(x) ** 2))
    np.testing.assert_allclose(jit(vmap(second))(xs), [second(x) for x in xs], rtol=1e-8)


def test_third_derivatives_and_complex_numbers() -> None:
    def cubed(x: Any) -> Any:
        return lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * x), (0.0, 1.0))[1]

    third = grad(grad(grad(cubed)))
    assert third(2.0) == jit(third)(2.0) == 6.0
    turned = lambda z: np.abs(lax.while_loop(lambda c: np.abs(c) < 9, lambda c: c * z + 1j, z)) ** 2
    check_grads(turned, (1.1 + 0.7j,), order=1)


def test_a_stack_is_kept_between_two_programs_and_used_twice() -> None:
    x = np.linspace(0.2, 0.9, SMALL)
    expected = grad(loss_of(within_while))(x)
    for of in (jit(within_while), within_while):
        out, pull = vjp(of, x)
        for backward in (pull, jit(pull), pull):
            np.testing.assert_allclose(backward(np.cos(out))[0], expected, rtol=1e-9)

    def twice(x: Any) -> Any:
        out, pull = vjp(within_while, x)
        return np.sum(pull(out)[0] * pull(out * x)[0])

    with disable_jit():
        wanted = grad(twice)(x)
    np.testing.assert_allclose(grad(twice)(x), wanted, rtol=1e-8)
    np.testing.assert_allclose(jit(grad(twice))(x), wanted, rtol=1e-8)


@pytest.mark.parametrize("counts", [4, np.array([4, 2])])
def test_jitted_functions_capture_what_a_loop_outside_has_left(counts: Any) -> None:
    xs = np.linspace(0.2, 0.9, 2 * SMALL).reshape(2, SMALL)
    batch = vmap(jit(power), (0, None if np.ndim(counts) == 0 else 0))
    out, pull = vjp(lambda xs: batch(xs, counts), xs)
    expected = pull(out)[0]
    np.testing.assert_allclose(jit(lambda ct: pull(ct)[0] + pull(2 * ct)[0])(out), 3 * expected, rtol=1e-12)
    with disable_jit():
        lengths = np.broadcast_to(counts, 2)
        each = [vjp(power, x, n)[1](ct)[0] for x, n, ct in zip(xs, lengths, out, strict=True)]
    np.testing.assert_allclose(expected, each, rtol=1e-12)


def test_derivatives_of_jacobians() -> None:
    """Many backward passes over one stack, differentiated: its cotangents are added."""
    x = np.linspace(0.2, 0.9, SMALL)
    total = lambda x: np.sum(np.sin(jacrev(within_while)(x)))
    with disable_jit():
        expected = grad(total)(x)
    np.testing.assert_allclose(jit(grad(total))(x), expected, rtol=1e-8)

    def one_by_one(x: Any, n: Any) -> Any:
        out, pull = vjp(lambda x: power(x, n), x)
        return np.sum(np.sin(lax.map(lambda ct: pull(ct)[0], np.eye(SMALL) * out)))

    with disable_jit():
        expected = grad(one_by_one)(x, 3)
    np.testing.assert_allclose(jit(grad(one_by_one))(x, 3), expected, rtol=1e-8)


def test_what_is_the_same_in_all_turns_is_not_stacked_nor_computed_without_turns() -> None:
    def loss(w: Any, x: Any) -> Any:
        return np.sum(lax.while_loop(lambda c: np.sum(c) < 50, lambda c: np.exp(w) / x @ c, x))

    w, x = np.ones((4, 4)), np.full(4, 20.0)
    text = str(make_jaxpr(grad(loss))(w, x))
    assert "stack(f64[4])" in text
    assert "stack(f64[4,4]" not in text
    with np.errstate(all="raise"):  # 1 / 0 where a turn would be
        np.testing.assert_array_equal(jit(grad(loss))(w, x * [1, 1, 1, 0]), np.zeros((4, 4)))


@native
def test_gradients_outside_jit_are_programs_too() -> None:
    """NumPy would warn of the overflow, turn by turn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grown = lambda x: np.sum(lax.while_loop(lambda c: np.sum(c) < np.inf, lambda c: c * c + x, x))
        assert np.all(np.isinf(grad(grown)(np.full(SMALL, 9.0))) | np.isnan(grad(grown)(np.full(SMALL, 9.0))))


# ---- between programs ----


def _piled(x: Any, y: Any) -> list[Any]:
    """Stacks of three records, each with a stack, and one that shares its records with another."""
    inner = stack_of(x, y, x * y)
    outer = empty_stack(stack_dtype([aval_of(inner), aval_of(x)]), (2,))
    for value in (x, y):
        outer = push(outer, broadcast_batch(2, inner), np.stack([value, value * 2]))
    return [outer, inner]


def _unpiled(outer: Any, inner: Any) -> list[Any]:
    found = []
    for _ in range(3):  # the last time there is none left
        outer, inside, value = pop(outer)
        below, top = pop(inside)
        found += [value, top, pop(below)[1]]
    return [*found, push(inner, found[0][0])]


@native
def test_stacks_go_from_numpy_to_machine_code_and_back() -> None:
    """Whoever makes a stack, whoever adds to it and whoever takes it apart."""
    x, y = np.arange(3.0), np.array([5.0, 7.0, 9.0])
    piled = optimize(stage(_piled, [aval_of(x), aval_of(y)]))
    unpiled = optimize(stage(_unpiled, piled.out_avals))
    expected = None
    for make in (Program, NativeProgram):
        for take in (Program, NativeProgram):
            stacks = make(piled)(x, y)
            *values, longer = take(unpiled)(*stacks)
            del stacks
            gc.collect()
            for last in (Program, NativeProgram):
                tops = [*values, *last(optimize(stage(lambda s: pop(pop(s)[0]), [aval_of(longer)])))(longer)[1:]]
                expected = expected or tops
                assert [top.tobytes() for top in tops] == [top.tobytes() for top in expected]
    assert expected is not None
    np.testing.assert_array_equal(expected[0], [y, 2 * y])
    np.testing.assert_array_equal(expected[-1], x * y)


# ---- memory ----


class Counted:
    """Memory that programs of this test take: how much is taken now, and was at most; how often there is still some."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.calls = self.most = 0
        self.left = 1 << 30
        self._take, self._free = ctypes.pythonapi.PyMem_RawMalloc, ctypes.pythonapi.PyMem_RawFree
        self._take.restype, self._take.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        self._free.restype, self._free.argtypes = None, [ctypes.c_void_p]
        self.functions = {
            "PyMem_RawMalloc": ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_size_t)(self.take),
            "PyMem_RawFree": ctypes.CFUNCTYPE(None, ctypes.c_size_t)(self.free),
        }

    def take(self, size: int) -> int:
        if self.calls >= self.left:
            return 0
        self.calls += 1
        place = int(self._take(size))
        self.sizes[place] = size
        self.most = max(self.most, sum(self.sizes.values()))
        return place

    def free(self, place: int) -> None:
        del self.sizes[place]
        self._free(place)

    def serve(self, jaxpr: Jaxpr) -> NativeProgram:
        """A program that takes its memory here."""
        program = NativeProgram(optimize(inline(jaxpr)))
        for name, function in self.functions.items():
            program._services[2 + PYTHON.index(name)] = ctypes.cast(function, ctypes.c_void_p).value
        return program


def program_of(memory: Counted, fun: Fun, *args: Any) -> Fun:
    jaxpr = make_jaxpr(fun)(*args)
    program = memory.serve(jaxpr.with_consts_as_inputs())
    return lambda *args: program(*jaxpr.consts, *args)


@native
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_memory_grows_with_the_turns_and_is_given_back(size: int) -> None:
    x, memory = np.linspace(0.2, 0.9, size), Counted()
    run = program_of(memory, grad(lambda x, n: np.sum(power(x, n))), x, 1)
    run(x, 2)
    assert memory.calls == 0 or size == LARGE  # a few records are on the machine's stack
    for count in (100, 1000, 10_000):
        memory.calls = memory.most = 0
        run(x, count)
        assert not memory.sizes
        taken = 2 * 8 * size * count  # two numbers of each element, by the least that must be kept
        assert 0.4 * taken < memory.most < 2.6 * taken
        assert memory.calls < 20


@native
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_turns_write_over_what_they_do_not_let_out(size: int) -> None:
    """Steps of a descent: each has a stack of its own."""

    def descent(x: Any, n: Any) -> Any:
        return lax.fori_loop(0, 200, lambda _, x: x - 0.001 * grad(lambda x: np.sum(power(x, n)))(x), x)

    x, memory = np.linspace(0.2, 0.9, size), Counted()
    program_of(memory, descent, x, 1)(x, 200)
    assert 0 < memory.most < 4096 + 8 * 2 * 8 * size * 200
    assert not memory.sizes


@native
def test_a_program_without_memory_raises_and_runs_again() -> None:
    x, memory = np.linspace(0.2, 0.9, SMALL), Counted()
    run = program_of(memory, grad(loss_of(within_while)), x)
    expected = run(x)
    for left in range(memory.calls):
        memory.calls, memory.left = 0, left
        with pytest.raises(MemoryError, match="turns of a loop"):
            run(x)
        assert not memory.sizes
    memory.left = 1 << 30
    np.testing.assert_array_equal(run(x), expected)


@native
def test_memory_is_given_back_whatever_ends_a_program() -> None:
    class OwnError(Exception):
        """The user's."""

    def watch(i: Any) -> None:
        if i == limit[0]:
            raise OwnError

    def loss(x: Any) -> Any:
        def turn(c: Any) -> Any:
            ft.debug.callback(watch, c[0])
            return c[0] + 1, np.sin(c[1]) * x

        return np.sum(lax.while_loop(lambda c: c[0] < 1000, turn, (0, x))[1])

    x, memory, limit = np.linspace(0.2, 0.9, SMALL), Counted(), [-1]
    run = program_of(memory, grad(loss), x)
    expected = run(x)
    for limit[0] in (0, 500, 999):
        with pytest.raises(OwnError):
            run(x)
        assert memory.calls
        assert not memory.sizes
    limit[0] = -1
    np.testing.assert_array_equal(run(x), expected)


@native
def test_what_a_pullback_keeps_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x, memory = np.linspace(0.2, 0.9, SMALL), Counted()
    monkeypatch.setattr(stack_values, "_free", lambda place: memory.free(place.value))
    stacks = memory.serve(stage(lambda x: [keeping(x)], [aval_of(x)]))
    kept = stacks(x)[0]
    assert memory.sizes
    copy = kept.copy()
    del kept
    gc.collect()
    assert memory.sizes
    del copy
    gc.collect()
    assert not memory.sizes


def keeping(x: Any) -> Any:
    """A stack with many records."""
    start = empty_stack(stack_dtype([aval_of(x)]))
    one = lambda c: (c[0] + 1, push(c[1], x * c[0]))
    return lax.while_loop(lambda c: c[0] < 1000, one, (0, start))[1]


def test_threads_have_stacks_of_their_own() -> None:
    run = jit(grad(lambda x, n: np.sum(power(x, n))))
    xs = [np.linspace(0.2, 0.9, SMALL) + 0.01 * i for i in range(4)]
    expected = [run(x, 900) for x in xs]
    found: dict[int, Any] = {}

    def work(number: int) -> None:
        for _ in range(20):
            found[number] = run(xs[number], 900)
            if not np.array_equal(found[number], expected[number]):
                break

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        np.testing.assert_array_equal(found[number], expected[number])


@native
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_endless_loop_is_interrupted_and_its_memory_given_back(size: int) -> None:
    def late(*_: Any) -> None:
        if tracemalloc.get_traced_memory()[1] > 2_000_000:
            raise TimeoutError
        signal.setitimer(signal.ITIMER_REAL, 0.002)

    x = np.linspace(0.2, 0.9, size)
    run = jit(grad(lambda x, n: np.sum(power(x, n))))
    run(x, 1)
    before = signal.signal(signal.SIGALRM, late)
    tracemalloc.start()
    try:
        late()
        with pytest.raises(TimeoutError):
            run(x, 1 << 60)
        left, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        signal.signal(signal.SIGALRM, before)
    assert most > 1_000_000 > 10 * left
    np.testing.assert_allclose(run(x, 0), -np.sin(x), rtol=1e-15)


@native
def test_a_program_that_stands_alone_takes_memory_of_the_c_library(tmp_path: Path) -> None:
    x = np.linspace(0.2, 0.9, SMALL)
    gradient = grad(lambda x, n: np.sum(power(x, n)))
    files = ft.export(gradient, x, np.int64(1), path=tmp_path / "program")
    np.testing.assert_array_equal(ft.load_exported(files.object)(x, np.int64(1000)), jit(gradient)(x, np.int64(1000)))
    out, pull = vjp(lambda x: power(x, np.int64(9)) + newton(x), x)
    with pytest.raises(NotExportableError, match="in this process"):
        ft.export(pull, out, path=tmp_path / "pull")
