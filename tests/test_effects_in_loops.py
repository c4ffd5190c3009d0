"""Effects in the bodies of loops and branches, and progress bars: in order, and once, on every way through a program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import functrans as ft
import functrans.numpy as fnp
from functrans import lax
from functrans.errors import MissingPackageError, RepeatedEffectError
from functrans.experimental import io_callback

XS = np.arange(1.0, 6.0)
SCALAR = ft.ShapeDtypeStruct((), np.float64)
_seen: list[float] = []


def see(value: Any) -> None:
    ft.debug.callback(lambda v: _seen.append(float(v)), value)


@pytest.fixture(autouse=True)
def seen() -> Iterator[list[float]]:
    _seen.clear()
    yield _seen
    _seen.clear()


def seen_by(function: Callable[..., Any], *args: Any) -> list[float]:
    """What three calls see, which is the same."""
    found = []
    for _ in range(3):
        _seen.clear()
        function(*args)
        found.append(list(_seen))
    assert found[0] == found[1] == found[2]
    return found[0]


def transformed(loss: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [
        loss, ft.jit(loss), ft.grad(loss), ft.jit(ft.grad(loss)), ft.grad(ft.jit(loss)), ft.jit(ft.grad(ft.grad(loss))),
        ft.hessian(loss), ft.value_and_grad(ft.checkpoint(loss)), lambda x: ft.jvp(loss, (x,), (1.0,)),
    ]  # fmt: skip


@pytest.mark.parametrize("checkpoint", [False, True, 2, "sqrt"])
def test_each_step_of_a_scan_is_seen_once(checkpoint: Any) -> None:
    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        see(x)
        see(0.0)  # what depends on no step belongs to each step all the same
        return carry * np.sin(x), carry

    loss = lambda c: lax.scan(step, c, XS, checkpoint=checkpoint)[0]
    for f in transformed(loss):
        assert seen_by(f, 1.0) == [1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 5.0, 0.0]


@pytest.mark.parametrize("stop", [0, 1, 4])
def test_each_step_of_other_loops_is_seen_once(stop: int) -> None:
    def count(i: Any, value: Any) -> Any:
        see(i)
        return value * 2.0

    def going(state: tuple[Any, Any]) -> Any:
        return state[0] < stop

    bounded = lambda x: lax.fori_loop(0, stop, count, x)
    unbounded = lambda x: lax.while_loop(going, lambda s: (s[0] + 1, count(s[0], s[1])), (0, x))[1]
    for loop in (bounded, unbounded):
        for f in transformed(loop):
            assert seen_by(f, 1.0) == list(range(stop))


def test_a_branch_that_is_not_taken_is_not_seen() -> None:
    def choose(x: Any) -> Any:
        def positive(x: Any) -> Any:
            see(x)
            return x * 2.0

        def negative(x: Any) -> Any:
            see(x * 100.0)
            return x * 3.0

        return lax.cond(x > 0.0, positive, negative, x)

    for f in transformed(choose):
        assert seen_by(f, 1.0) == [1.0]
        assert seen_by(f, -1.0) == [-100.0]
    for f in (ft.vmap(choose), ft.jit(ft.vmap(choose)), ft.vmap(ft.grad(choose)), ft.jit(ft.vmap(ft.jit(choose)))):
        assert seen_by(f, np.array([1.0, -2.0, 3.0])) == [1.0, -200.0, 3.0]


def test_lanes_that_are_done_are_not_seen() -> None:
    def lane(n: Any) -> Any:
        def body(state: tuple[Any, Any]) -> tuple[Any, Any]:
            see(state[0] + 10.0 * n)
            return state[0] + 1.0, n

        return lax.while_loop(lambda s: s[0] < s[1], body, (0.0, n))[0]

    for f in (ft.vmap(lane), ft.jit(ft.vmap(lane))):
        assert sorted(seen_by(f, np.array([1.0, 3.0, 0.0]))) == [10.0, 30.0, 31.0, 32.0]


def test_a_scan_over_lanes_is_seen_lane_by_lane() -> None:
    def total(c: Any) -> Any:
        def step(carry: Any, x: Any) -> tuple[Any, None]:
            see(carry)
            return carry + x, None

        return lax.scan(step, c, np.ones(2))[0]

    for f in (ft.vmap(total), ft.jit(ft.vmap(total))):
        assert seen_by(f, np.array([0.0, 10.0])) == [0.0, 10.0, 1.0, 11.0]


def test_values_from_outside_are_taken_once_or_not_at_all() -> None:
    taken: list[int] = []

    def draw() -> float:
        taken.append(1)
        return float(len(taken))

    def step(carry: Any, _: None) -> tuple[Any, None]:
        return carry * io_callback(draw, SCALAR) + np.sin(carry), None

    def loss(checkpoint: Any) -> Callable[[Any], Any]:
        return lambda c: lax.scan(step, c, None, length=3, checkpoint=checkpoint)[0]

    def replayed(c: Any) -> Any:
        for i in range(3):
            c = c * (i + 1) + np.sin(c)
        return c

    for checkpoint in (False, True, 2):
        for f in (ft.grad(loss(checkpoint)), ft.jit(ft.grad(loss(checkpoint)))):
            taken.clear()
            np.testing.assert_allclose(f(0.5), ft.grad(replayed)(0.5))
            assert len(taken) == 3

    def unbounded(c: Any, checkpoint: int | None = None) -> Any:
        turn = lambda c: (c[0] + 1, step(c[1], None)[0])
        return lax.while_loop(lambda c: c[0] < 3, turn, (0, c), checkpoint=checkpoint)[1]

    taken.clear()
    np.testing.assert_allclose(ft.grad(unbounded)(0.5), ft.grad(replayed)(0.5))
    assert len(taken) == 3
    with pytest.raises(RepeatedEffectError, match="io_callback"):
        ft.grad(lambda c: unbounded(c, checkpoint=2))(0.5)


@pytest.mark.parametrize("transform", ["eager", "jit", "grad"])
def test_a_fault_in_the_middle_of_a_loop_leaves_everything_usable(transform: str) -> None:
    class OwnError(Exception):
        """The user's."""

    def watch(x: Any) -> Any:
        _seen.append(float(x))
        if x == 3.0:
            raise OwnError
        return x

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        y = io_callback(watch, SCALAR, lax.stop_gradient(x))
        return carry + x, y

    loss = lambda c, xs: lax.scan(step, c, xs)[0]
    ways: dict[str, Callable[..., Any]] = {"eager": loss, "jit": ft.jit(loss), "grad": ft.jit(ft.grad(loss))}
    f = ways[transform]
    for _ in range(4):
        _seen.clear()
        with pytest.raises(OwnError):
            f(0.0, XS)
        assert _seen == [1.0, 2.0, 3.0]
        assert f(0.0, XS[:2]) == {"grad": 1.0}.get(transform, 3.0)


def test_steps_before_an_error_are_seen_once() -> None:
    def step(carry: Any, i: Any) -> tuple[Any, None]:
        see(i)
        return carry + fnp.take(np.arange(3.0), i, mode="raise"), None

    f = ft.jit(lambda i: lax.scan(step, 0.0, i)[0])
    for _ in range(4):
        _seen.clear()
        with pytest.raises(IndexError):
            f(np.array([0, 2, 5, 1]))
        assert _seen == [0.0, 2.0, 5.0]
        assert f(np.array([0, 2])) == 2.0


# ---- progress ----


class Bar:
    """In place of tqdm's."""

    made: list[Bar]

    def __init__(self, *, total: int, desc: str | None, mininterval: float) -> None:
        self.total, self.desc, self.count, self.updates, self.closed = total, desc, 0, 0, 0
        self.made.append(self)

    def update(self, steps: int) -> None:
        assert not self.closed
        self.count += steps
        self.updates += 1

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    pytest.importorskip("tqdm")
    Bar.made = []
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    return Bar.made


def test_a_bar_for_each_run_of_a_loop(bars: list[Bar]) -> None:
    def scanned(c: Any) -> Any:
        def step(carry: Any, x: Any) -> tuple[Any, None]:
            return carry * x, None

        return lax.scan(ft.progress(5, "steps")(step), c, XS)[0]

    def counted(c: Any) -> Any:
        def step(i: Any, carry: Any) -> Any:
            return carry * (i + 1.0)

        return lax.fori_loop(0, 5, ft.progress(5, "steps")(step), c)

    for loop in (scanned, counted):
        for f in transformed(loop):
            for _ in range(3):
                bars.clear()
                f(1.0)
                (bar,) = bars
                assert (bar.total, bar.desc, bar.count, bar.closed) == (5, "steps", 5, 1)
    assert scanned(1.0) == counted(1.0) == 120.0


def test_a_bar_moves_seldom(bars: list[Bar], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def tick() -> float:
        now[0] += 0.001
        return now[0]

    monkeypatch.setattr(sys.modules["functrans.progress_bar"], "perf_counter", tick)

    def step(carry: Any, x: Any) -> tuple[Any, None]:
        return carry + x, None

    ft.jit(lambda x: lax.scan(ft.progress(1000)(step), 0.0, x)[0])(np.ones(1000))
    (bar,) = bars
    assert bar.count == 1000
    assert 15 <= bar.updates <= 22


def test_a_bar_closes_where_the_loop_fails(bars: list[Bar]) -> None:
    def fail(x: Any) -> Any:
        if x == 3.0:
            raise ZeroDivisionError
        return x

    def step(carry: Any, x: Any) -> tuple[Any, None]:
        return carry + ft.pure_callback(fail, SCALAR, x), None

    def loop(xs: Any) -> Any:
        return lax.scan(ft.progress(5)(step), 0.0, xs)[0]

    ways: list[Callable[[Any], Any]] = [loop, ft.jit(loop)]
    for f in ways:
        for _ in range(4):
            bars.clear()
            with pytest.raises(ZeroDivisionError):
                f(XS)
            (bar,) = bars
            assert (bar.count, bar.closed) == (2, 1)
            f(XS + 10.0)
            assert [(bar.count, bar.closed) for bar in bars] == [(2, 1), (5, 1)]


def test_without_tqdm_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(MissingPackageError, match=r"(?s)tqdm.*functrans\[progress\]"):
        ft.progress(5)
