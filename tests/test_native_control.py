"""Loops and branches in machine code against NumPy's backend: nested programs of any kind, and what a loop carries and how.

Steps are exact (whole numbers that stay small), so that results must be equal bit for bit. Every program is run in small, where
all of it stays in registers, and large. Start reading at `run_both`.
"""

import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from functrans import jit, lax, make_jaxpr, tree
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.numpy import Program
from functrans.compiler.inline import inline
from functrans.compiler.nodes import Host, Node
from functrans.compiler.options import Options
from functrans.compiler.pipeline import optimize
from functrans.core.ir import Jaxpr
from functrans.core.lowering_control import Control
from tests.marks import native

pytestmark = native

Fun = Callable[..., Any]
DTYPES = ("bool", "int8", "uint16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128")
LARGE = 160
"""Elements: too many for registers."""


def flat(fun: Fun, *args: Any) -> tuple[Jaxpr, list[Any]]:
    """The program as a backend gets it, and its arguments."""
    jaxpr = inline(make_jaxpr(fun)(*args))
    return optimize(jaxpr.with_consts_as_inputs()), [*jaxpr.consts, *tree.leaves(args)]


def run_both(fun: Fun, *args: Any) -> NativeProgram:
    """Hold machine code against NumPy; the program."""
    jaxpr, values = flat(fun, *args)
    given = [np.copy(x) for x in values]
    expected = Program(jaxpr)(*values)
    program = NativeProgram(jaxpr)
    for _ in range(2):
        got = program(*values)
        for one, other in zip(got, expected, strict=True):
            assert np.asarray(one).dtype == np.asarray(other).dtype
            np.testing.assert_array_equal(one, other)
            assert not any(np.shares_memory(one, x) for x in values if np.ndim(x))
    for before, after in zip(given, values, strict=True):
        np.testing.assert_array_equal(before, after)
    assert not any(
        isinstance(step.work, Node) and isinstance(step.work.lowering, Host) for step in program.plan.all_steps()
    )
    return program


def in_registers(program: NativeProgram) -> list[bool]:
    """For each loop and branch of a program that is in no other, whether it is a kernel as a whole."""
    works = [(step.work, step.bodies) for step in program.plan.steps]
    return [not bodies for work, bodies in works if isinstance(getattr(work, "lowering", None), Control)]


def array(n: int, dtype: str, start: int = 0) -> Any:
    return (np.arange(start, start + n) % 5).astype(dtype)


# ---- what is carried ----

CARRIES: dict[str, tuple[int, Fun]] = {
    "in place": (1, lambda w, c, x: ((c[0] + x,), c[0] + w)),
    "swapped": (2, lambda w, c, x: ((c[1], c[0]), x)),
    "rotated": (3, lambda w, c, x: ((c[1], c[2], c[0] + x), c[1])),
    "fibonacci": (2, lambda w, c, x: ((c[1], c[0] + c[1]), c[0])),
    "one twice": (3, lambda w, c, x: ((c[0] + x,) * 3, c[2])),
    "a constant": (2, lambda w, c, x: ((w, c[0]), c[1])),
    "the row": (2, lambda w, c, x: ((x, c[0]), x)),
    "what it was": (2, lambda w, c, x: ((c[0], c[1] + x), c[1])),
    "numbers": (2, lambda w, c, x: ((np.ones_like(c[0]), c[0]), np.zeros_like(x))),
    "nothing": (0, lambda w, c, x: ((), (x, w, x + w))),
    "the rows only": (1, lambda w, c, x: ((c[0] + x,), ())),
    "old and new": (1, lambda w, c, x: ((c[0] + x,), (c[0], c[0] + x, c[0] + x))),
}


@pytest.mark.parametrize("length", [0, 1, 2, 3])
@pytest.mark.parametrize("name", CARRIES)
def test_what_a_scan_carries(name: str, length: int) -> None:
    count, body = CARRIES[name]
    for n, reverse in ((3, False), (LARGE, True)):
        w, xs = array(n, "int64"), array(n * length, "int64").reshape(length, n)
        carry = tuple(array(n, "int64", i) for i in range(count))

        def run(w: Any, carry: Any, xs: Any, reverse: bool = reverse) -> Any:
            return lax.scan(lambda c, x: body(w, c, x), carry, xs, reverse=reverse)

        run_both(run, w, carry, xs)


@pytest.mark.parametrize("turns", [0, 1, 2])
@pytest.mark.parametrize("name", [name for name in CARRIES if CARRIES[name][0]])
def test_what_a_while_loop_carries(name: str, turns: int) -> None:
    count, body = CARRIES[name]
    for n in (3, LARGE):
        w, carry = array(n, "float32"), tuple(array(n, "float32", i) for i in range(count))

        def run(w: Any, turns: Any, carry: Any) -> Any:
            return lax.while_loop(lambda s: s[0] < turns, lambda s: (s[0] + 1, body(w, s[1], w)[0]), (0, carry))

        run_both(run, w, np.int64(turns), carry)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 4, 20, 128, LARGE])
def test_dtypes(dtype: str, n: int) -> None:
    xs = array(3 * n, dtype).reshape(3, n)
    program = run_both(lambda c, xs: lax.scan(lambda c, x: (c | x if dtype == "bool" else c + x, c), c, xs), xs[0], xs)
    assert in_registers(program) == [n <= 128]
    run_both(lambda p, x: lax.cond(p, lambda x: (x, x), lambda x: (x[::-1], x), x), np.bool_(True), xs[1])
    run_both(lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1][::-1]), (0, x)), xs[1])


def test_short_arrays_stay_in_registers_whatever_is_done_to_them() -> None:
    def run(x: Any) -> Any:
        return lax.fori_loop(0, 3, lambda i, c: np.sqrt(c * c + 1), x)

    assert [in_registers(run_both(run, array(n, "float64"))) for n in (3, 16, LARGE)] == [[True], [True], [False]]


@pytest.mark.parametrize("n", [1, 3, LARGE])
@pytest.mark.parametrize("index", [-1, 0, 1, 2, 7])
def test_branches(index: int, n: int) -> None:
    branches = [lambda x, y: (x, y, x), lambda x, y: (x + y, x + y, y), lambda x, y: (y, np.zeros_like(x), x * y)]
    run_both(lambda i, x, y: lax.switch(i, branches, x, y), np.int64(index), array(n, "int32"), array(n, "int32", 2))


def test_a_carry_starts_with_an_argument_twice() -> None:
    for n in (2, LARGE):
        run_both(lambda x: lax.fori_loop(0, 3, lambda i, c: (c[1], c[0] + c[1]), (x, x)), array(n, "int64"))


def test_loops_without_turns_and_rows_of_no_elements() -> None:
    run_both(lambda xs: lax.scan(lambda c, x: (c + 1, x), 0, xs), np.zeros((4, 0, 2)))
    run_both(lambda xs: lax.scan(lambda c, x: (c + x, c), 0.0, xs), np.zeros(0))


def test_large_updates_are_in_place() -> None:
    """One row of a carried array is written a turn: no turn copies all of it."""

    def run(table: Any, rows: Any) -> Any:
        return lax.fori_loop(0, 5, lambda i, t: lax.dynamic_update_slice(t, rows + i, (i, 0)), table)

    program = run_both(run, np.zeros((8, LARGE)), np.ones((1, LARGE)))
    (loop,) = (step for step in program.plan.steps if step.bodies)
    assert "in place of" in jit(run).lower(np.zeros((8, LARGE)), np.ones((1, LARGE))).kernels
    assert sum(body.arena for body in loop.bodies) < 8 * LARGE * 8


def test_steps_beside_a_loop_keep_their_parameters() -> None:
    """Those of a scatter are named tuples."""

    def run(x: Any, i: Any) -> Any:
        return lax.fori_loop(0, 2, lambda _, c: c + 1, x.at[i].add(1.0))[i]

    np.testing.assert_array_equal(jit(run)(np.zeros(LARGE), np.arange(3)), np.full(3, 3.0))
    run_both(lambda x: lax.fori_loop(0, 2, lambda _, c: c.at[np.arange(3)].add(1.0), x), np.ones(4))


def primitives(jaxpr: Jaxpr) -> list[str]:
    return [eqn.prim.name for eqn in jaxpr.eqns]


def test_what_no_turn_changes_is_computed_before_the_loop() -> None:
    def run(w: Any, x: Any, n: Any) -> Any:
        def body(x: Any, scale: Any) -> Any:
            return x + (w.T @ w).T @ x * np.sum(np.sort(w * 2), axis=0), scale

        x = lax.scan(body, x, np.arange(3))[0]
        return lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] + (w @ w.T) @ x), (0, x))

    w, x = array(64, "int64").reshape(8, 8), array(8, "int64")
    run_both(run, w, x, np.int64(2))
    run_both(run, w, x, np.int64(0))
    jaxpr, _ = flat(run, w, x, np.int64(2))
    scan, loop = (eqn for eqn in jaxpr.eqns if eqn.prim.name in ("scan", "while"))
    assert "sort" in primitives(jaxpr)
    assert "sort" not in primitives(scan.params["jaxpr"])
    assert primitives(scan.params["jaxpr"]).count("dot_general") == 1
    assert primitives(loop.params["body_jaxpr"]).count("dot_general") == 0


def test_what_may_raise_stays_in_a_loop_without_turns() -> None:
    def run(table: Any, i: Any, n: Any) -> Any:
        return lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] + table[i]), (0, table[0]))[1]

    table = np.arange(3.0)
    assert jit(run)(table, 7, 0) == 0.0
    with pytest.raises(IndexError):
        jit(run)(table, 7, 1)
    with pytest.raises(IndexError):
        jit(lambda t, i: lax.scan(lambda c, _: (c + t[i], None), t[0], None, length=2)[0])(table, 7)
    assert jit(lambda t, i: lax.scan(lambda c, _: (c + t[i], None), t[0], None, length=0)[0])(table, 7) == 0.0


def test_donated_memory_is_carried() -> None:
    def run(x: Any) -> Any:
        return lax.fori_loop(0, 3, lambda i, c: c * 2 + i, x)

    x = array(LARGE, "float64")
    jaxpr, values = flat(run, x)
    program = NativeProgram(jaxpr, Options(donated=(0,)))
    (expected,) = Program(jaxpr)(*values)
    (got,) = program(*values)
    np.testing.assert_array_equal(got, expected)
    assert np.shares_memory(got, x)
    np.testing.assert_array_equal(jit(run, donate_argnums=0)(array(LARGE, "float64")), expected)


# ---- random programs ----


@st.composite
def bodies(draw: st.DrawFn, depth: int) -> Fun:
    """A function of two arrays of one shape and an array to close over, giving two arrays of that shape."""
    kinds = ["add", "sub", "swap", "where", "rev", "sum", "keep", "max", "set"]
    kinds += ["scan", "while", "cond", "rows"] if depth else []
    steps = draw(st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 3)), min_size=1, max_size=3))
    inner = [draw(bodies(depth - 1)) if kind in ("scan", "while", "cond", "rows") else None for kind, _ in steps]
    others = [draw(bodies(depth - 1)) if kind == "cond" else None for kind, _ in steps]

    def run(w: Any, x: Any, y: Any) -> tuple[Any, Any]:
        for (kind, k), one, other in zip(steps, inner, others, strict=True):
            x, y = applied(kind, k, one, other, w, x, y)
        return np.fmod(x, 7), np.fmod(y, 5)

    return run


def applied(kind: str, k: int, one: Any, other: Any, w: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """One step of a random program."""
    match kind:
        case "add":
            return x + y, y + k
        case "sub":
            return x - w, x
        case "swap":
            return y, x
        case "where":
            return np.where(x < y, x, w), y
        case "rev":
            return x[::-1], y
        case "sum":
            return x + np.sum(y, dtype=y.dtype), y
        case "max":
            return np.maximum(x, y), np.minimum(x, y)
        case "set":
            return lax.dynamic_update_slice(x, y[:1], (np.int64(k),)), y
        case "scan":
            (x, y), _ = lax.scan(lambda c, _: (one(w, *c), None), (x, y), None, length=k)
            return x, y
        case "rows":
            steps = np.arange(k).astype(x.dtype)
            (x, y), rows = lax.scan(lambda c, i: (one(w, c[0] + i, c[1]), c[1]), (x, y), steps, reverse=k == 2)
            return x + np.sum(rows, axis=0, dtype=x.dtype), y
        case "while":
            _, x, y = lax.while_loop(
                lambda s: (s[0] < k) & (np.sum(s[1]) < 50), lambda s: (s[0] + 1, *one(w, *s[1:])), (0, x, y)
            )
            return x, y
        case "cond":
            x, y = lax.cond(np.sum(x) > k, lambda x, y: one(w, x, y), lambda x, y: other(y, x, w), x, y)
            return x, y
        case _:
            return x, y


@given(bodies(2), st.sampled_from([1, 2, 3, LARGE]), st.sampled_from(["int64", "float64", "int16"]))
def test_random_programs(body: Fun, n: int, dtype: str) -> None:
    run_both(body, array(n, dtype), array(n, dtype, 1), array(n, dtype, 2))


# ---- errors, warnings, interrupts ----


def test_an_index_out_of_range_in_a_loop() -> None:
    table = np.arange(5.0)

    def run(table: Any, n: Any) -> Any:
        return lax.fori_loop(0, n, lambda i, c: c + table[i], 0.0)

    assert jit(run)(table, 5) == 10.0
    for _ in range(4):
        with pytest.raises(IndexError, match="index 5 is out of bounds") as error:
            jit(run)(table, 7)
        assert __file__ in str(error.value)
    assert jit(run)(table, 5) == 10.0


@pytest.mark.parametrize("n", [1, LARGE])
def test_what_numpy_refuses_ends_an_endless_loop(n: int) -> None:
    """Machine code would go on for ever with the wrong number."""

    @jit
    def run(x: Any) -> Any:
        return lax.while_loop(lambda c: np.any(c < 100), lambda c: 2 ** (c - 1) + c * 0, x)

    with pytest.raises(ValueError, match="negative integer powers"):
        run(np.zeros(n, np.int64))


def test_no_branch_that_is_not_taken_refuses() -> None:
    table = np.arange(3)
    pick = jit(lambda p, table, i: lax.cond(p, lambda i: table[i], lambda i: i, i))
    assert pick(False, table, 7) == 7
    with pytest.raises(IndexError):
        pick(True, table, 7)


def test_warnings_of_integers_in_a_loop() -> None:
    @jit
    def run(x: Any) -> Any:
        return lax.fori_loop(0, 3, lambda i, c: c // i, x)

    with pytest.warns(RuntimeWarning, match="divide by zero"):
        run(np.int64(7))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        run(np.int64(7))
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("error")
        run(np.int64(7))


@pytest.mark.parametrize("n", [1, LARGE])
def test_endless_loops_are_interrupted(n: int) -> None:
    """Also those that machine code serves, and by what another handler raises; the program runs as before then."""
    program = f"""
        import os, signal, threading
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests run in the background
        import numpy as np
        from functrans import jit, lax

        @jit
        def run(x):
            return lax.while_loop(lambda c: c[0] < 10, lambda c: c * 1.0, x)

        def late(*_):
            raise TimeoutError("late")

        def interrupt():
            threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

        for expected in (KeyboardInterrupt, TimeoutError):
            for calls in (0, 12):
                for _ in range(calls):
                    assert run(np.full({n}, 11.0))[0] == 11
                interrupt()
                try:
                    run(np.zeros({n}))
                except expected as error:
                    print(type(error).__name__)
            signal.signal(signal.SIGINT, late)
        done = []
        signal.signal(signal.SIGINT, lambda *_: done.append(1))
        interrupt()
        print(jit(lambda x: lax.while_loop(lambda c: c[0] < 3e8, lambda c: c + 1.0, x))(np.zeros(1))[0], done)
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=100, check=False
    )
    assert found.stdout.split("\n")[:4] == ["KeyboardInterrupt"] * 2 + ["TimeoutError"] * 2, found.stderr
    assert found.stdout.split("\n")[4] == "300000000.0 [1]", found.stderr


def test_no_interrupt_is_lost_between_machine_code_and_callbacks() -> None:
    """A handler may run at any of Python's instructions, also at the first of what machine code calls."""
    program = """
        import os, signal, threading
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests run in the background
        import numpy as np
        from functrans import ShapeDtypeStruct, jit, lax, pure_callback

        @jit
        def run(x):
            called = lambda c: pure_callback(lambda a: a * 1.0, ShapeDtypeStruct((3,), np.float64), np.sin(c) * 0 + c)
            return lax.while_loop(lambda c: c[0] < 10, called, x)

        run(np.full(3, 11.0))
        for i in range(12):
            threading.Timer(0.02 + 0.001 * i, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            try:
                run(np.zeros(3))
            except KeyboardInterrupt:
                print(i)
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=100, check=False
    )
    assert found.stdout.split() == [str(i) for i in range(12)], found.stderr
    assert not found.stderr


# ---- what is told of them ----


def test_costs_count_turns() -> None:
    def run(x: Any) -> Any:
        return lax.scan(lambda c, _: (c * 2 + 1, None), x, None, length=10)[0]

    cost = jit(run).lower(np.zeros(LARGE)).cost()
    assert cost.flops == 10 * 2 * LARGE
    assert "Scan, 10 turns" in str(cost)
    whole = jit(lambda x: lax.while_loop(lambda c: c[0] < 9, lambda c: c + 1, x)).lower(np.zeros(LARGE)).cost()
    assert whole.flops == LARGE + 1
    assert "While, each turn" in str(whole)
    small = jit(run).lower(np.zeros(2)).cost()
    assert small.flops == 10 * 2 * 2


def test_explain_shows_what_is_in_a_loop() -> None:
    @jit
    def run(x: Any) -> Any:
        return lax.fori_loop(0, 3, lambda i, c: np.sort(c)[::-1] + i, x)

    run(np.zeros(LARGE))
    text = str(run.explain())
    assert "a loop with" in text
    assert "a kernel, Sort" in text


@pytest.mark.parametrize("length", [0, 1, 3])
def test_rows_of_a_scan_within_a_loop_stay_in_registers(length: int) -> None:
    def step(c: Any, x: Any) -> tuple[Any, Any]:
        c, ys = lax.scan(lambda c, x: (c * x + 1, c - x), c, x[:length])
        return c, np.sum(ys) + c

    assert in_registers(
        run_both(lambda c, xs: lax.scan(step, c, xs), np.float64(0.5), array(15, "float64").reshape(3, 5))
    )


@pytest.mark.parametrize("size", [3, 10])
def test_matrices_that_all_turns_share_are_arranged_before_the_loops_that_multiply_by_them(size: int) -> None:
    """Also those of loops in loops and in branches, and seen from the other side; what one has arranged no other sees."""

    def turns(n: int, a: Any, b: Any, x: Any) -> Any:
        return lax.fori_loop(0, n, lambda i, c: np.clip(a @ c - c @ b + b.T @ (c + i), -99, 99), x)

    def nested(a: Any, b: Any, x: Any, n: Any) -> Any:
        y = lax.cond(n > 2, lambda: turns(2, a, b, x), lambda: x)
        z = lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, turns(2, b, a.T, c[1]) + b @ c[1]), (0, y))[1]
        return z, turns(3, a, b, z)

    a, b = np.round(np.random.default_rng(size).uniform(-2, 2, (2, size, size)))
    for n in (0, 3):
        run_both(nested, a, b, np.arange(size) * 1.0, n)
