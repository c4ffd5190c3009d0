"""Loops and branches keep the types of what they carry and give. Checked by mypy and pyright, and run."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, assert_type

import numpy as np
from numpy.typing import NDArray

from functrans import lax

F64: TypeAlias = NDArray[np.float64]


class State(NamedTuple):
    position: F64
    speed: F64


def drift(state: State, force: F64) -> tuple[State, dict[str, F64]]:
    speed = state.speed + force
    return State(state.position + speed, speed), {"energy": speed * speed}


def still(state: State, _: None) -> tuple[State, None]:
    return state, None


def is_near(state: State) -> np.bool_:
    return np.sum(state.position) < 10


def advanced(state: State) -> State:
    return State(state.position + 1, state.speed)


def counted(i: int, state: State) -> State:
    return State(state.position * i, state.speed)


def stopped(state: State) -> State:
    return State(state.position, 0 * state.speed)


def energy(speed: F64) -> dict[str, F64]:
    return {"energy": speed * speed}


def speeds() -> F64:
    return np.ones((4, 3))


def start() -> State:
    return State(np.zeros(3), np.ones(3))


def check_loops() -> None:
    state, ys = lax.scan(drift, start(), speeds())
    assert_type(state, State)
    assert_type(ys, dict[str, F64])
    state, nothing = lax.scan(still, start(), length=3)
    assert_type(state, State)
    assert_type(nothing, None)
    assert_type(lax.scan(drift, start(), speeds(), reverse=True, checkpoint="sqrt"), tuple[State, dict[str, F64]])
    assert_type(lax.map(energy, speeds(), batch_size=2), dict[str, F64])
    assert_type(lax.while_loop(is_near, advanced, start()), State)
    assert_type(lax.while_loop(is_near, advanced, start(), checkpoint=8), State)
    assert_type(lax.fori_loop(0, 3, counted, start()), State)
    assert_type(lax.cond(True, advanced, stopped, start()), State)
    assert_type(lax.cond(False, start(), stopped, speeds(), lambda x: State(x[0], x[1])), State)
    assert_type(lax.switch(1, [advanced, stopped], start()), State)
