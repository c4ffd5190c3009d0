"""Rows for functrans.control: branches and loops, by plain Python what they mean."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from functrans.control.associative_scan import associative_scan, reduce
from functrans.control.branch import cond, switch
from functrans.control.cond_primitive import cond_p
from functrans.control.linear_solve import custom_linear_solve, linear_solve_p
from functrans.control.loop import fori_loop, while_loop
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


def triangle(loop: Callable[..., Any]) -> Callable[..., Any]:
    """A loop in a loop, with a branch in it."""

    def run(x: Array) -> Any:
        def outer(i: Any, c: Array) -> Any:
            return np.cos(c) + loop(0, i, lambda j, d: d * np.sin(x) + j, c)

        return loop(0, 3, outer, x)

    return run


def python_fori(lower: int, upper: int, body: Callable[[int, Any], Any], val: Any) -> Any:
    """`fori_loop` as a loop in Python."""
    for i in range(lower, upper):
        val = body(i, val)
    return val


def grown(x: Array) -> Array:
    """Multiply until it is large."""
    return while_loop(lambda c: np.sum(c * c) < 50, lambda c: c * (1.5 + x * x), x)


def python_grown(x: Array) -> Array:
    c = x
    while np.sum(c * c) < 50:
        c = c * (1.5 + x * x)
    return c


def python_partial(x: Array) -> Iterator[Array]:
    """The partial results of `a * b + a` along the columns."""
    total = x[:, 0]
    yield total
    for i in range(1, x.shape[1]):
        total = total * x[:, i] + total
        yield total


def scaled(d: Array, b: Array) -> Any:
    """The solution of equations with a diagonal matrix."""
    return custom_linear_solve(lambda x: (2 + d * d) * x, b, lambda _, y: y / (2 + d * d), symmetric=True)


CASES = (
    Case(linear_solve_p, scaled, lambda d, b: b / (2 + d * d), (Operand(), Operand())),
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
        lambda c, xs: scan(lambda c, x: (c * x + 1j * c, c * c), c, xs),
        lambda c, xs: python_scan(lambda c, x: (c * x + 1j * c, c * c), c, xs),
        (Operand((2,)), Operand((3, 2))),
        ("complex64", "complex128"),
        name="complex",
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
    Case(scan_p, triangle(fori_loop), triangle(python_fori), (Operand((2,)),), name="nested", rtol=1e-6),
    Case(while_p, grown, python_grown, (Operand((3,), 0.5, 1.5),)),
    Case(
        while_p,
        lambda x: while_loop(lambda c: c[0] < 6, lambda c: (c[0] + 1, np.sin(c[1]) * x + c[1]), (0, x), checkpoint=2)[
            1
        ],
        lambda x: python_fori(0, 6, lambda _, c: np.sin(c) * x + c, x),
        (Operand((2,)),),
        name="two checkpoints",
        rtol=1e-6,
    ),
    Case(
        scan_p,
        lambda c, xs: scan(step, c, xs, checkpoint=True),
        lambda c, xs: python_scan(step, c, xs),
        (Operand((3,)), Operand((4, 3))),
        name="checkpoint",
    ),
    Case(
        scan_p,
        lambda c, xs: scan(step, c, xs, checkpoint="sqrt", reverse=True),
        lambda c, xs: python_scan(step, c, xs, reverse=True),
        (Operand((3,)), Operand((5, 3))),
        name="blocks",
    ),
    Case(
        scan_p,
        lambda c, xs: scan(step, c, xs, unroll=2),
        lambda c, xs: python_scan(step, c, xs),
        (Operand((3,)), Operand((5, 3))),
        name="unrolled",
    ),
    Case(
        scan_p,
        lambda x: associative_scan(lambda a, b: a * b + a, x, axis=1),
        lambda x: np.stack(list(python_partial(x)), 1),
        name="associative",
    ),
    Case(
        scan_p,
        lambda x: reduce(x, 1.0, lambda a, b: np.sin(a) * b, (0,)),
        lambda x: python_fori(0, 3, lambda i, a: np.sin(a) * x[i], np.ones(4, x.dtype)),
        name="reduce",
        rtol=1e-6,
    ),
)
