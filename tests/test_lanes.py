"""Loops and branches of many rows at once, a row in each lane of a vector: every row gets the bits that it gets alone.

Start reading at `check`.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import functrans.numpy as fnp
from functrans import grad, jit, jvp, lax, make_jaxpr, tree, vmap
from functrans.backends.llvm import lanes
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.llvm.program import supports
from functrans.compiler.inline import inline
from functrans.compiler.nodes import Node
from functrans.compiler.pipeline import optimize
from functrans.core.lowering_control import Scan
from tests.marks import native

Fun = Callable[..., Any]
DTYPES = ("bool", "int8", "uint16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128")
ROWS = (0, 1, 3, 7, 64, 1000)


def same(got: Any, expected: Any) -> None:
    """Hold results against others: dtypes, values, NaN, the signs of zeros."""
    for one, other in zip(tree.leaves(got), tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        np.testing.assert_array_equal(one, other)
        for part in (np.real, np.imag):
            if one.dtype.kind in "fc":
                signs = [np.signbit(part(x))[~np.isnan(part(x))] for x in (one, other)]
                np.testing.assert_array_equal(*signs)


def check(fun: Fun, *xs: Any) -> Any:
    """Hold all rows at once against one row after the other."""
    alone = jit(fun)
    rows = [alone(*(x[i] for x in xs)) for i in range(len(xs[0]))]
    got, mapped = jit(vmap(fun))(*xs), jit(lambda xs: lax.map(lambda x: fun(*x), xs))(xs)
    if rows:
        same(got, tree.map(lambda *found: np.stack(found), *rows))
    same(mapped, got)
    return got


def in_lanes(fun: Fun, *xs: Any) -> list[bool]:
    """For each loop over rows whether its rows are computed in lanes."""
    program = NativeProgram(optimize(inline(make_jaxpr(vmap(fun))(*xs)).with_consts_as_inputs()))
    works = [step.work for step in program.plan.steps]
    return [lanes.fits(work, supports) for work in works if isinstance(work, Node) and isinstance(work.lowering, Scan)]


# ---- random programs ----


def cast(x: Any, dtype: str) -> Any:
    return (
        x.astype(dtype)
        if not (np.dtype(x.dtype).kind == "c" and np.dtype(dtype).kind != "c")
        else np.real(x).astype(dtype)
    )


OPERATIONS: dict[str, Fun] = {
    "add": lambda x, y, k: x + y,
    "mul": lambda x, y, k: x * y,
    "sin": lambda x, y, k: np.sin(x * 1.0),
    "div": lambda x, y, k: x / y,
    "where": lambda x, y, k: np.where(k % 2 == 0, x, y),
    "count": lambda x, y, k: x + k,
    "cond": lambda x, y, k: lax.cond(
        k % 3 == 0, lambda x, y: np.exp(x + y), lambda x, y: np.cos(x - y), x * 1.0, y * 1.0
    ),
    "while": lambda x, y, k: lax.fori_loop(0, k % 3, lambda i, x: x + x * 0 + i, x),
    "vector": lambda x, y, k: np.sum(np.stack([x * 1.0, y * 1.0, x + k * 1.0])) + x,
}


@st.composite
def loops(draw: st.DrawFn) -> tuple[Fun, Sequence[str]]:
    """A function of how many turns there are, and of numbers of some dtypes."""
    dtypes = draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=3))
    numbers = st.integers(0, len(dtypes) - 1)
    steps = [(draw(st.sampled_from(sorted(OPERATIONS))), draw(numbers), draw(numbers)) for _ in dtypes]
    ends_early = draw(st.booleans())
    before, after = draw(st.booleans()), draw(st.booleans())

    def body(state: Any) -> Any:
        k, values = state
        found = []
        for dtype, (name, i, j) in zip(dtypes, steps, strict=True):
            wide = np.result_type(values[i].dtype, values[j].dtype)
            wide = np.dtype(np.int16) if wide.kind == "b" else wide
            found.append(cast(OPERATIONS[name](values[i].astype(wide), values[j].astype(wide), k), dtype))
        return k + 1, tuple(found)

    def run(turns: Any, *values: Any) -> Any:
        start = tuple(cast(x + x, x.dtype) for x in values) if before else values
        goes_on = lambda s: (s[0] < turns) & (np.real(s[1][0]) < 4) if ends_early else s[0] < turns  # one line
        k, found = lax.while_loop(goes_on, body, (0, start))
        return (k * turns, found, values[0]) if after else found

    return run, dtypes


def rows_of(count: int, dtype: str, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 5, count) if np.dtype(dtype).kind in "biu" else draw.normal(size=count)
    return values.astype(dtype)


@settings(max_examples=15)
@given(loops(), st.sampled_from(ROWS), st.integers(0, 3))
def test_random_loops(loop: tuple[Fun, Sequence[str]], count: int, seed: int) -> None:
    run, dtypes = loop
    turns = np.random.default_rng(seed).integers(0, (1, 2, 6, 40)[seed], count)
    with np.errstate(all="ignore"):
        check(run, turns, *(rows_of(count, dtype, seed + i) for i, dtype in enumerate(dtypes)))


# ---- programs that people write ----


def collatz(n: Any) -> Any:
    step = lambda s: (np.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1)  # it is one line
    return lax.while_loop(lambda s: s[0] != 1, step, (n, 0))[1]


def root(a: Any) -> Any:
    """By Newton's method; a shared table says where it begins."""

    def step(s: Any) -> Any:
        x, _ = s
        new = (x + a / x) / 2
        return new, np.abs(new - x)

    start = np.sum(np.array([1.0, 0.5, 0.25]) * a)
    return lax.while_loop(lambda s: s[1] > 1e-12 * s[0], step, (start, a))[0]


def turning(angle: Any) -> Any:
    """A state of two numbers, until it has come round, and how it goes on."""
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)]), np.stack([np.sin(angle), np.cos(angle)])])
    step = lambda s: (turn @ s[0], s[1] + 1)  # it is one line
    x, count = lax.while_loop(lambda s: (s[0][1] >= 0) & (s[1] < 99), step, (np.array([1.0, 0.0]) + angle * 0, 0))
    return lax.cond(x[0] < 0, lambda x: (np.exp(x), count), lambda x: (x, -count), x)


def twice(n: Any) -> Any:
    """Two loops, and one in the other."""
    first = lax.fori_loop(0, n, lambda i, c: c * 1.5 + i, 1.0)
    return lax.fori_loop(0, n % 7, lambda i, c: lax.fori_loop(0, i, lambda j, d: d + np.sin(d), c), first)


def prices(n: Any) -> Any:
    """Rows without a loop that ends by a condition."""
    branches = [lambda x: np.log(x), lambda x: np.sin(x) * 2, lambda x: lax.fori_loop(0, 20, lambda i, c: np.cos(c), x)]
    return lax.switch(n % 4, branches, 1.0 + n)


def halved(x: Any) -> Any:
    """Of one byte: there are more lanes in a register than bits in a word."""
    return lax.while_loop(lambda x: x > 3, lambda x: x // np.int8(2), x)


TABLE = np.sort(np.sin(np.arange(500.0)))


def found(x: Any) -> Any:
    """Where it stands in a table."""

    def halve(s: Any) -> Any:
        first, end = s
        middle = (first + end) // 2
        is_after = fnp.take(TABLE, middle) < x
        return np.where(is_after, middle + 1, first), np.where(is_after, end, middle)

    return lax.while_loop(lambda s: s[0] < s[1], halve, (0, TABLE.size))[0]


PROGRAMS = {fun.__name__: (fun, xs) for fun, xs in (
    (collatz, np.arange(1, 301)),
    (root, np.linspace(0.1, 1e6, 100)),
    (turning, np.linspace(0.05, 1.0, 37)),
    (twice, np.arange(25) % 11),
    (prices, np.arange(30)),
    (found, np.linspace(-1.1, 1.1, 77)),
    (halved, np.arange(-100, 100).astype(np.int8)),
)}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    fun, xs = PROGRAMS[name]
    check(fun, xs)
    check(fun, xs[:7])


@native
@pytest.mark.parametrize("name", PROGRAMS)
def test_rows_are_in_lanes(name: str) -> None:
    fun, xs = PROGRAMS[name]
    assert {*in_lanes(fun, xs)} == {True}
    assert {*in_lanes(fun, xs[:2])} == {False}


@native
def test_rows_that_are_vectors_themselves_are_not_in_lanes() -> None:
    halve = lambda x: lax.while_loop(lambda x: np.max(x) > 1, lambda x: x / 2, x)  # it is one line
    assert in_lanes(halve, np.ones((50, 4))) == [True]
    assert in_lanes(halve, np.ones((50, 8))) == [False]


def test_derivatives() -> None:
    xs = np.linspace(0.5, 40.0, 33)
    slope = lambda x: jvp(root, (x,), (1.0,))[1]  # it is one line
    np.testing.assert_allclose(check(slope, xs), 0.5 / np.sqrt(xs), rtol=1e-10)
    np.testing.assert_allclose(jit(vmap(grad(root)))(xs), 0.5 / np.sqrt(xs), rtol=1e-10)
    np.testing.assert_allclose(jit(vmap(grad(grad(root))))(xs), -0.25 * xs**-1.5, rtol=1e-8)


def test_rows_of_rows_and_rows_within_a_loop() -> None:
    xs = np.arange(1, 61).reshape(5, 12)
    same(jit(vmap(vmap(collatz)))(xs), jit(vmap(collatz))(xs.ravel()).reshape(5, 12))

    def rounds(x: Any) -> Any:
        return lax.scan(lambda c, _: (c + vmap(collatz)(c), c[:3]), x, None, length=4)

    expected = xs[1]
    for _ in range(4):
        expected = expected + jit(vmap(collatz))(expected)
    same(jit(rounds)(xs[1])[0], expected)


@pytest.mark.parametrize("dtype", ["bool", "uint16", "float16", "float64", "complex64"])
def test_reads_of_tables(dtype: str) -> None:
    """From either end, from the nearest place to one that is outside, and several elements at once."""
    table = rows_of(60, dtype, 1).reshape(20, 3)
    places = np.arange(-20, 20, 3)
    turns = np.arange(len(places)) % 3

    def run(table: Any, i: Any, n: Any) -> Any:
        def step(k: Any, c: Any) -> Any:
            rows = lax.dynamic_slice(table, (i.astype(np.int8), np.uint64(1)), (2, 2))
            return table[i], rows, np.take(table, i * 9, mode="clip", axis=0), table[-1 - i % 20, 1]

        return lax.fori_loop(0, n, step, (table[0], table[:2, :2], table[1], table[0, 0]))

    rows = [run(table, i, n) for i, n in zip(places, turns, strict=True)]
    expected = tree.map(lambda *found: np.stack(found), *rows)
    for unchecked in (False, True):
        same(jit(vmap(run, (None, 0, 0)), unchecked=unchecked)(table, places, turns), expected)
    alone = jit(run)
    same([alone(table, i, n) for i, n in zip(places, turns, strict=True)], rows)


def test_only_lanes_that_go_on_read_out_of_bounds() -> None:
    run = jit(vmap(lambda n, i: lax.fori_loop(0, n, lambda k, c: c + fnp.take(TABLE, i), n * 0.0)))
    turns, places = np.arange(40) % 4, np.arange(40) - np.where(np.arange(40) % 4 == 0, 10**6, 20)
    expected = np.where(turns == 0, 0.0, turns * TABLE[np.maximum(places, -500)])
    np.testing.assert_allclose(run(turns, places), expected, rtol=1e-12)
    with pytest.raises(IndexError, match="index -999992 is out of bounds"):
        run(turns + (np.arange(40) == 8), places)


# ---- lanes that have no part in what is computed ----


def divided(turns: Any, x: Any, by: Any) -> Any:
    return lax.fori_loop(0, turns, lambda i, c: c // by, x)


def test_only_lanes_that_go_on_warn() -> None:
    turns, xs, by = np.arange(50) % 4, np.arange(50) + 1000, np.where(np.arange(50) % 4 == 0, 0, 3)
    run = jit(vmap(divided))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(run(turns, xs, by), np.where(turns == 0, xs, xs // np.maximum(by, 1) ** turns))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        run(turns + (np.arange(50) == 48), xs, by)


def test_only_branches_that_are_taken_warn_and_refuse() -> None:
    loop = lambda x, n: lax.fori_loop(0, 2, lambda i, c: (c // x) ** n, x)  # it is one line
    run = jit(vmap(lambda p, x, n: lax.cond(p, loop, lambda x, n: x, x, n)))
    xs, powers = np.array([0, 3, 4, 0, 5, 6]), np.array([-1, 2, 1, -2, 1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(run(xs > 0, xs, powers), np.where(xs > 0, (1 // np.maximum(xs, 1)) ** np.maximum(powers, 0), xs))
    with pytest.raises(ValueError, match="negative integer powers"), np.errstate(divide="ignore"):
        run(xs >= 0, xs, powers)


@native
def test_an_endless_row_is_interrupted() -> None:
    program = """
        import os, signal, threading
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests run in the background
        import numpy as np
        from functrans import jit, lax, vmap

        run = jit(vmap(lambda x: lax.while_loop(lambda c: c < 10, lambda c: c * 2, x)))
        assert run(np.arange(1.0, 100.0))[2] == 12
        threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            run(np.arange(100.0))
        except KeyboardInterrupt:
            print(run(np.arange(1.0, 100.0))[0])
    """
    given = [sys.executable, "-c", textwrap.dedent(program)]
    found = subprocess.run(given, capture_output=True, text=True, timeout=100, check=False)
    assert found.stdout == "16.0\n", found.stderr
