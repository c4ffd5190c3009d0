"""Rows for functrans.control: branches and loops, by plain Python what they mean."""

from collections.abc import Callable
from typing import Any

import numpy as np

from functrans.control.branch import cond, switch
from functrans.control.cond_primitive import cond_p
from functrans.control.loop import while_loop
from functrans.control.scan import map as mapped
from functrans.control.scan import scan
from functrans.control.scan_primitive import scan_p
from functrans.control.while_primitive import while_p
from functrans.typing import Array
from tests.cases.case import Case, Operand

_PRED = Operand((), dtype="bool")


def python_scan(f: Callable[[Any, Any], Any], carry: Any, xs: Any, reverse: bool = False) -> tuple[Any, Any]:
    """`scan` of arrays as a loop in Python."""
    ys: list[Any] = [None] * len(xs)
    for i in reversed(range(len(xs))) if reverse else range(len(xs)):
        carry, ys[i] = f(carry, xs[i])
    return carry, np.stack(ys) if ys else np.zeros((0, *carry.shape), carry.dtype)


def step(c: Array, x: Array) -> tuple[Array, Array]:
    """A step that mixes its carry with an element, and gives what it multiplied."""
    return np.sin(c) * x + c, c * x


def with_weights(loop: Callable[..., Any]) -> Callable[..., Any]:
    """A recurrence with matrices that it closes over."""

    def run(w: Array, h: Array, xs: Array) -> Any:
        return loop(lambda h, x: (np.tanh(h @ w + x), np.sum(h @ np.exp(w))), h, xs)

    return run


def grown(x: Array) -> Array:
    """Multiply until it is large."""
    return while_loop(lambda c: np.sum(c * c) < 50, lambda c: c * (1.5 + x * x), x)


def python_grown(x: Array) -> Array:
    """The same as a loop in Python."""
    c = x
    while np.sum(c * c) < 50:
        c = c * (1.5 + x * x)
    return c


CASES = (
    Case(
        cond_p,
        lambda p, x, y: cond(p, lambda a, b: (np.sin(a) * b, a), lambda a, b: (b, a * b * b), x, y),
        lambda p, x, y: (np.sin(x) * y, x) if p else (y, x * y * y),
        (_PRED, Operand(), Operand()),
    ),
    Case(
        cond_p,
        lambda p, x, y: cond(p, x, np.exp, y, lambda y: y),
        lambda p, x, y: np.exp(x) if p else y,
        (_PRED, Operand(()), Operand(())),
        name="an operand each",
    ),
    Case(
        cond_p,
        lambda i, x: switch(i, [lambda x: np.sin(x), lambda x: x * x, lambda x: x + 0 * np.sum(x)], x),
        lambda i, x: [np.sin, lambda x: x * x, lambda x: x][min(max(i, 0), 2)](x),
        (Operand((), -2, 4, dtype="int64"), Operand()),
        name="switch",
    ),
    Case(
        scan_p,
        lambda c, xs: scan(step, c, xs),
        lambda c, xs: python_scan(step, c, xs),
        (Operand((3,)), Operand((4, 3))),
    ),
    Case(
        scan_p,
        lambda c, xs: scan(step, c, xs, reverse=True),
        lambda c, xs: python_scan(step, c, xs, reverse=True),
        (Operand((3,)), Operand((4, 3))),
        name="reverse",
    ),
    Case(
        scan_p,
        lambda c, xs: scan(step, c, xs),
        lambda c, xs: python_scan(step, c, xs),
        (Operand((3,)), Operand((0, 3))),
        name="no step",
    ),
    Case(
        scan_p,
        lambda c, xs: scan(step, c, xs),
        lambda c, xs: python_scan(step, c, xs),
        (Operand(()), Operand((1,))),
        name="one step",
    ),
    Case(
        scan_p,
        with_weights(scan),
        with_weights(python_scan),
        (Operand((3, 3), -0.5, 0.5), Operand((2, 3)), Operand((4, 2, 3))),
        name="closing over weights",
        rtol=1e-6,
    ),
    Case(
        scan_p,
        lambda xs: mapped(lambda x: np.sum(x) * x, xs),
        lambda xs: np.stack([np.sum(x) * x for x in xs]),
        name="map",
    ),
    Case(while_p, grown, python_grown, (Operand((3,), 0.5, 1.5),), order=0, wrt=()),
)
