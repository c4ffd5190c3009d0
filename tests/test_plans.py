"""Plans of programs larger than those of tests/golden/kernels/: how many steps, how much memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import functrans as ft
from functrans.backends.llvm.program import supports
from functrans.compiler.arena import Block, arrange
from functrans.compiler.nest import Nest
from functrans.compiler.pipeline import optimize
from functrans.compiler.plan import Backend, make_plan
from functrans.compiler.steps import Plan, Temporary
from functrans.core.ir import Var
from tests.benchmarks import inputs, models


def plan_of(function: Callable[..., Any], *args: Any) -> Plan:
    """The plan, without the memory that kernels work in, which depends on the machine."""
    jaxpr = ft.make_jaxpr(function)(*args)
    return make_plan(optimize(jaxpr.with_consts_as_inputs()), Backend(supports))


def most_alive(plan: Plan) -> int:
    """Bytes of the temporaries that are alive at once, at most; those that lie in the place of others count beside them."""
    spans: dict[Var, list[int]] = {}
    for number, step in enumerate(plan.steps):
        for var in (*step.reads, *step.outs):
            if isinstance(plan.places.get(var), Temporary):
                spans.setdefault(var, []).append(number)
    alive = [0] * len(plan.steps)
    for var, (first, *_, last) in ((var, [*span, span[-1]]) for var, span in spans.items()):
        for number in range(first, last + 1):
            alive[number] += var.aval.size * var.aval.dtype.itemsize
    return max(alive, default=0)


@pytest.mark.parametrize("layer", models.CHAINS)
def test_the_gradient_of_a_long_chain_stores_nothing(layer: str) -> None:
    for function in (ft.grad(partial(models.chain, np, layer)), ft.jit(partial(models.chain, np, layer))):
        plan = plan_of(function, np.ones(100_000))
        assert (len(plan.steps), plan.arena) == (1, 0)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("sizes", [(784, 512, 512, 10), (64, 128, 64, 32, 10), (32, 256, 256, 256, 256, 256, 8)])
def test_a_training_step_uses_little_more_memory_than_is_alive(sizes: tuple[int, ...], activation: str) -> None:
    params, x, y = inputs.network(sizes, 128, "float32")
    gradient = ft.value_and_grad(partial(models.network_loss, np, activation))
    plan = plan_of(partial(models.descend, gradient), params, x, y)
    assert plan.arena <= 1.1 * most_alive(plan), (plan.arena, most_alive(plan))


def test_what_doubles_in_each_step_is_not_computed_again() -> None:
    def function(x: Any) -> Any:
        y = x
        for _ in range(50):
            y = y * y + y
        return y - np.sum(y, axis=1, keepdims=True)

    (step,) = plan_of(function, np.ones((8, 300))).steps
    assert isinstance(step.work, Nest)
    assert [len(one.ops) for one in step.work.passes] == [101, 1]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_what_is_alive_at_once_lies_apart(spans: list[tuple[int, int, int]]) -> None:
    blocks = [Block(size, min(a, b), max(a, b)) for size, a, b in spans]
    total = arrange(blocks)
    for i, x in enumerate(blocks):
        assert x.start % 64 == 0
        assert spans[i][0] <= x.size
        assert x.end <= total
        for y in blocks[:i]:
            if x.size and y.size and x.first <= y.last and y.first <= x.last:
                assert x.end <= y.start or y.end <= x.start
