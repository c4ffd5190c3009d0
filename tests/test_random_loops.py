"""Random programs of nested loops and branches: what they give, and its derivatives, are what plain Python gives.

Start reading at `programs`.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from functrans import disable_jit, grad, jit, jvp, lax, vmap

Fun: TypeAlias = Callable[[Any, Any], Any]
"""Of two arrays of two elements, to one."""

LEAVES: tuple[Fun, ...] = (
    lambda x, y: np.sin(x) + y,
    lambda x, y: x * np.tanh(y),
    lambda x, y: np.sqrt(1 + x * x) - y,
    lambda x, y: y,
)


def counted(inner: Fun, count: int) -> Fun:
    return lambda x, y: lax.fori_loop(0, count, lambda i, c: np.tanh(inner(c, y)) + 0.1 * i, x)


def counted_by_value(inner: Fun, count: int) -> Fun:
    """The bound is traced."""
    return lambda x, y: lax.fori_loop(
        0, np.sum(np.where(x > 0, 1, 0)) + count, lambda i, c: np.tanh(inner(c, y)) + 0.1 * i, x
    )


def until(inner: Fun, count: int) -> Fun:
    def run(x: Any, y: Any) -> Any:
        step = lambda c: (np.tanh(inner(c[0], y)), c[1] + 1)
        return lax.while_loop(lambda c: (c[1] < count) & (np.sum(c[0]) < 1.5), step, (x, 0))[0]

    return run


def stepped(inner: Fun, count: int) -> Fun:
    def run(x: Any, y: Any) -> Any:
        xs = np.stack([y, x, 0.5 * y])[:count]
        last, sums = lax.scan(lambda c, v: (np.tanh(inner(c, v)), np.sum(c)), x, xs, reverse=count == 2)
        return last + 0.1 * np.sum(sums)

    return run


LOOPS = (counted, counted_by_value, until, stepped)


def chosen(first: Fun, second: Fun) -> Fun:
    return lambda x, y: lax.cond(np.sum(x) > 0.3, lambda: first(x, y), lambda: second(y, x))


def switched(first: Fun, second: Fun) -> Fun:
    return lambda x, y: lax.switch(np.argmax(x + y), [first, second, lambda x, _: x], x, y)


def programs(depth: int) -> st.SearchStrategy[Fun]:
    """Loops and branches around each other, so deep."""
    if not depth:
        return st.sampled_from(LEAVES)
    inner = programs(depth - 1)
    loops = st.builds(lambda loop, f, n: loop(f, n), st.sampled_from(LOOPS), inner, st.integers(0, 3))
    branches = st.builds(lambda branch, f, g: branch(f, g), st.sampled_from((chosen, switched)), inner, inner)
    return st.one_of(loops, branches)


def close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-10)


VECTORS = st.lists(st.integers(-20, 20), min_size=2, max_size=2).map(lambda v: 0.1 * np.array(v) + 0.013)


@settings(max_examples=25)
@given(programs(2), st.lists(VECTORS, min_size=2, max_size=3), VECTORS)
def test_loops_in_loops_are_what_python_does(program: Fun, xs: list[Any], y: Any) -> None:
    loss: Fun = lambda x, y: np.sum(program(x, y) ** 2)
    both: Callable[..., Any] = grad(loss, (0, 1))
    with disable_jit():
        values = [program(x, y) for x in xs]
        gradients = [both(x, y) for x in xs]
    close(program(xs[0], y), values[0])
    close(jit(program)(xs[0], y), values[0])
    for got, expected in zip(jit(both)(xs[0], y), gradients[0], strict=True):
        close(got, expected)
    close(jvp(jit(lambda x: loss(x, y)), (xs[0],), (xs[1],))[1], gradients[0][0] @ xs[1])
    batch = np.stack(xs)
    close(vmap(program, (0, None))(batch, y), values)
    for got, expected in zip(jit(vmap(both, (0, None)))(batch, y), zip(*gradients, strict=True), strict=True):
        close(got, expected)
    total = jit(grad(lambda y: np.sum(vmap(loss, (0, None))(batch, y))))(y)
    close(total, sum(gradient[1] for gradient in gradients))
