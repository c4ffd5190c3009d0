"""Reverse mode of `while_p`: every turn leaves on a stack what its backward pass needs, and a loop that goes back takes it off.

What is the same in all turns is kept once, and what a turn gives and the next one is given is kept once, as `scan_reverse` finds
out. Memory is taken for the turns that there are, and nothing is computed again but what is cheaper computed than kept. Start
reading at `reverse`, then `_Records`. Imports `scan_reverse`, `counted` and ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from functrans.control.cond_primitive import cond_p
from functrans.control.counted import COUNT, any_left, ignoring, one_less, one_more
from functrans.control.derived import merged, strong_aval
from functrans.control.scan_reverse import Plan, Wanted, back_of, plan_of
from functrans.control.tracing import bind
from functrans.core.aval import ShapedArray, is_inexact
from functrans.core.ir import Jaxpr, eval_jaxpr, memoized
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.core.stacks import stack_dtype
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import gt
from functrans.ops.stacks import empty_stack, pop, push
from functrans.record import NamedTuple
from functrans.transforms.stage import stage
from functrans.transforms.vjp import instantiate, zeros
from functrans.typing import Array

__all__ = ["reverse"]


class _Records(NamedTuple):
    """What a turn keeps: values that have derivatives on one stack, the others on another, where there are any."""

    avals: tuple[ShapedArray, ...]
    groups: tuple[tuple[int, ...], ...]
    """For each stack the numbers of the values that are on it."""

    @staticmethod
    def of(avals: Sequence[ShapedArray]) -> _Records:
        by_kind = [[i for i, aval in enumerate(avals) if is_inexact(aval.dtype) is kind] for kind in (True, False)]
        return _Records(tuple(avals), tuple(tuple(group) for group in by_kind if group))

    @property
    def none(self) -> list[Array]:
        """The stacks before the first turn."""
        return [empty_stack(stack_dtype([self.avals[i] for i in group])) for group in self.groups]

    def pushed(self, stacks: Sequence[Array], values: Sequence[Array]) -> list[Array]:
        pairs = zip(stacks, self.groups, strict=True)
        return [push(stack, *(values[i] for i in group)) for stack, group in pairs]

    def popped(self, stacks: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        """The stacks below, and the values."""
        below: list[Array] = []
        values: dict[int, Array] = {}
        for stack, group in zip(stacks, self.groups, strict=True):
            under, *found = pop(stack)
            below.append(under)
            values.update(zip(group, found, strict=True))
        return below, [values[i] for i in range(len(values))]


def reverse(
    loop: Primitive, groups: Sequence[Sequence[Array]], wanted: Wanted, params: Params
) -> tuple[Values, Pullback]:
    """The VJP rule of `while_p`, which is `loop`. groups: the consts of the condition, those of the body, and the carry."""
    asked, consts, carry = groups
    body: Jaxpr = params["body_jaxpr"]
    plan = plan_of(body, wanted)
    records = _Records.of([strong_aval(aval) for aval in plan.forward.out_avals[len(carry) :]])
    empty = records.none
    more = (COUNT, *map(aval_of, empty))
    keeping = {
        **params,
        "cond_jaxpr": ignoring(params["cond_jaxpr"], len(asked), more),
        "body_jaxpr": _keeping(plan.forward, len(consts), records, more),
    }
    turns, *results = bind(loop, [*asked, *consts, cast(Array, np.int64(0)), *empty, *carry], keeping)
    stacks, outs = results[: len(empty)], results[len(empty) :]
    once = _once(plan, consts, turns)
    later = [outs[i] for i in plan.before]

    def pullback(cts: Maybes) -> Maybes:
        back = back_of(body, wanted, ())
        carried = [
            instantiate(ct, strong_aval(aval_of(x))) for ct, x, has in zip(cts, carry, plan.carry, strict=True) if has
        ]
        sums = [zeros(strong_aval(aval_of(x))) for x, has in zip(consts, back.consts, strict=True) if has]
        state = [turns, *stacks, *carried, *sums, *later]
        avals = tuple(map(aval_of, state))
        going_back = {
            "cond_jaxpr": any_left(avals),
            "body_jaxpr": _going_back(back.jaxpr, tuple(plan.of("each")), records, avals),
            "cond_consts": 0,
            "body_consts": len(once),
        }
        found = bind(loop, [*once, *state], going_back)[1 + len(stacks) :]
        sums_found = found[len(carried) : len(carried) + len(sums)]
        return (*(None for _ in asked), *merged(sums_found, back.consts), *merged(found[: len(carried)], plan.carry))

    return tuple(outs), pullback


@memoized
def _keeping(forward: Jaxpr, consts: int, records: _Records, more: tuple[ShapedArray, ...]) -> Jaxpr:
    """The step that keeps: `(*consts, turn, *stacks, *carry) -> (turn, *stacks, *carry)`."""
    count = len(forward.outvars) - len(records.avals)

    def run(*args: Array) -> list[Array]:
        turn, *stacks = args[consts : consts + len(more)]
        results = eval_jaxpr(forward, *args[:consts], *args[consts + len(more) :])
        return [one_more(turn), *records.pushed(stacks, results[count:]), *results[:count]]

    return stage(run, [*forward.in_avals[:consts], *more, *forward.in_avals[consts:]])


@memoized
def _going_back(step: Jaxpr, each: tuple[int, ...], records: _Records, state: tuple[ShapedArray, ...]) -> Jaxpr:
    """The step back: `(*once, turns, *stacks, *cts of carry, *sums, *later) -> (turns, *stacks, *cts, *sums, *later)`.

    each: the numbers of the records' values in the order in which the step reads them.
    """
    once = len(step.invars) - len(each) - (len(state) - 1 - len(records.groups))

    def run(*args: Array) -> list[Array]:
        turns, *rest = args[once:]
        below, values = records.popped(rest[: len(records.groups)])
        kept = [values[i] for i in each]
        found = eval_jaxpr(step, *args[:once], *rest[len(records.groups) :], *kept)
        return [one_less(turns), *below, *found]

    return stage(run, [*step.in_avals[:once], *state])


def _once(plan: Plan, consts: Sequence[Array], turns: Array) -> list[Array]:
    """What is the same in all turns; where there was none, it is not computed: it might raise."""
    every = [*consts]
    if plan.once.eqns:
        nothing = stage(lambda *_: list(map(zeros, plan.once.out_avals)), plan.once.in_avals)
        index = convert_element_type(gt(turns, 0), np.int32)
        every += bind(cond_p, [index, *consts], {"branches": (nothing, plan.once)})
    else:
        every += eval_jaxpr(plan.once, *consts)
    return [every[i] for i in plan.of("once")]
