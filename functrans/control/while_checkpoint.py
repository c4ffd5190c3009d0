"""Reverse mode of `while_p` in memory that does not grow with the steps: a loop that goes back, as a `while_p` itself.

The states that a step's backward pass starts from are computed again from checkpoints: a stack of k states, placed by the
binomial schedule (Griewank and Walther, ACM TOMS 26(1), 2000), so that n ≤ C(k + r, r) steps are each run at most r times
more. As the loop is made of primitives, it is differentiated, batched and compiled as any other. Start reading at
`reverse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from functrans.control.cond_primitive import cond_p
from functrans.control.counted import COUNT, any_left, counting, ignoring, one_less, one_more
from functrans.control.derived import merged, settled, strong_aval, tangent_avals
from functrans.control.scan_reverse import Wanted
from functrans.control.tracing import bind
from functrans.core.aval import ShapedArray, shaped
from functrans.core.dce import dce, without_effects
from functrans.core.ir import Jaxpr, eval_jaxpr, memoized
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.ops.arithmetic import add, floor_divide, mul, sub
from functrans.ops.bitwise import logical_and
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import eq, ge, gt, lt
from functrans.ops.dynamic_slice import dynamic_index_in_dim, dynamic_update_index_in_dim
from functrans.ops.extrema import min as minimum
from functrans.ops.families import add_any
from functrans.ops.select import select
from functrans.record import Record
from functrans.transforms.jaxprs import vjp_jaxpr
from functrans.transforms.stage import stage
from functrans.transforms.vjp import instantiate, zeros
from functrans.typing import Array

__all__ = ["reverse"]


class _Reverse(Record, eq=False):
    """One step back."""

    body: Jaxpr
    """The step forward; what has effects does not run again."""
    step: Jaxpr
    """`(*consts, *carry, *cts of carry) -> (*cts of consts, *cts of carry)`, of those that have one."""
    consts: tuple[bool, ...]
    """Which consts have cotangents."""
    carry: tuple[bool, ...]
    """Which of the carry have."""


@memoized
def _reverse_of(body: Jaxpr, consts: tuple[bool, ...], carry: tuple[bool, ...]) -> _Reverse:
    """How to go a step back, for consts and a carry of which some have derivatives."""
    first = len(consts)
    every = [True] * len(carry)
    carry = settled(carry, lambda flags: vjp_jaxpr(body, (*consts, *flags)).is_tracked(every))
    split = vjp_jaxpr(body, (*consts, *carry))
    tracked = split.is_tracked(every)
    forward, backward = without_effects(split.forward), split.backward(tracked)
    const_cts, carry_cts = backward.nonzero[:first], backward.nonzero[first:]
    carry_avals = tangent_avals(body.in_avals[first:], carry)

    def back(*args: Array) -> list[Array]:
        primals, cts = args[: len(body.invars)], merged(args[len(body.invars) :], carry)
        given = [ct for ct, is_live in zip(cts, tracked, strict=True) if is_live and ct is not None]
        available = (*primals, *eval_jaxpr(forward, *primals))
        residuals = [available[i] for i in split.residuals]
        found = merged(eval_jaxpr(backward.jaxpr, *residuals, *given), (*const_cts, *carry_cts))
        new = [ct for ct, has in zip(found[first:], carry, strict=True) if has]
        return [*(ct for ct in found[:first] if ct is not None), *map(instantiate, new, carry_avals)]

    step = dce(stage(back, [*map(strong_aval, body.in_avals), *carry_avals]))
    return _Reverse(without_effects(body), step, const_cts, carry)


# ---- steps ----


def _repeat(
    loop: Primitive, body: Jaxpr, places: int, count: Array, consts: Sequence[Array], state: Sequence[Array]
) -> Values:
    """The state after so many steps."""
    params = {
        "cond_jaxpr": any_left((COUNT, *body.in_avals[len(consts) :])),
        "body_jaxpr": counting(body, len(consts), one_less),
        "cond_consts": 0,
        "body_consts": len(consts),
        "checkpoint": places,
    }
    return loop.bind(*consts, count, *state, **params)[1:]


# ---- the schedule ----


def _stride(loop: Primitive, steps: Array, free: Array) -> Array:
    """How far from a checkpoint to set the next one, where `steps` are to be reversed with so many free places.

    With c = free + 1 and the least r so that C(c + r, r) ≥ steps, it is C(c + r - 1, r - 1): the steps before it can be
    reversed with all c places in r - 1 sweeps, those after it with the others in r.
    """
    places = add(free, 1)
    wide = stage(lambda steps, _places, r, before, reach: [lt(reach, steps)], [COUNT] * 5)

    def wider(places: Array, r: Array, _before: Array, reach: Array) -> list[Array]:
        more = add(r, 1)
        return [more, reach, floor_divide(mul(reach, add(places, more)), more)]

    params = {
        "cond_jaxpr": wide,
        "body_jaxpr": stage(wider, [COUNT] * 4),
        "cond_consts": 2,
        "body_consts": 1,
    }
    one = cast(Array, np.int64(1))
    _, before, _ = loop.bind(steps, places, places, cast(Array, np.int64(0)), one, one, **params)
    return minimum(before, sub(steps, 1))


# ---- the loop ----


def reverse(
    loop: Primitive, groups: Sequence[Sequence[Array]], wanted: Wanted, params: Params
) -> tuple[Values, Pullback]:
    """The VJP rule of `while_p`, which is `loop`, where the user says how many states to keep."""
    asked, fixed, carry = groups
    body: Jaxpr = params["body_jaxpr"]
    back = _reverse_of(body, wanted.consts, wanted.carry)
    counted = {
        **params,
        "cond_jaxpr": ignoring(params["cond_jaxpr"], len(asked), (COUNT,)),
        "body_jaxpr": counting(body, len(fixed), one_more),
    }
    steps, *outs = bind(loop, [*asked, *fixed, cast(Array, np.int64(0)), *carry], counted)

    def pullback(cts: Maybes) -> Maybes:
        const_cts, carry_cts = _go_back(loop, back, params["checkpoint"], tuple(fixed), tuple(carry), steps, cts)
        return (*(None for _ in asked), *const_cts, *carry_cts)

    return tuple(outs), pullback


def _go_back(
    loop: Primitive, reverse: _Reverse, places: int, consts: Values, carry: Values, steps: Array, cts: Maybes
) -> tuple[Maybes, Maybes]:
    """The cotangents of consts and of the first carry from those of the last one, after so many steps."""
    avals = [strong_aval(aval_of(x)) for x in carry]
    cond, body = _program(reverse.body, reverse, loop, places)
    live = [instantiate(ct, aval) for ct, aval, has in zip(cts, avals, reverse.carry, strict=True) if has]
    sums = [zeros(strong_aval(aval_of(x))) for x, has in zip(consts, reverse.consts, strict=True) if has]
    # one place more than is used: what is not kept is written there
    stacks = [broadcast_batch(places + 1, x) for x in carry]
    starts = zeros(shaped((places + 1,), COUNT.dtype))
    operands = [*consts, sub(steps, 1), cast(Array, np.int64(0)), starts, *stacks, *live, *sums]
    numbers = {"cond_consts": 0, "body_consts": len(consts)}
    params = {"cond_jaxpr": cond, "body_jaxpr": body, **numbers, "checkpoint": places}
    results = bind(loop, operands, params)[3 + len(stacks) :]
    return merged(results[len(live) :], reverse.consts), merged(results[: len(live)], reverse.carry)


@memoized
def _program(_body: Jaxpr, reverse: _Reverse, loop: Primitive, places: int) -> tuple[Jaxpr, Jaxpr]:
    """Condition and body of the loop that goes back.

    Its carry: `t`, the step to go back next; `top`, the number of the newest checkpoint; `starts`, which step each of them
    is before; their states; the cotangents of the carry; the sums of those of consts. A step either sets a checkpoint or
    goes a step back.
    """
    first = len(reverse.consts)
    state_avals = list(map(strong_aval, reverse.body.in_avals[first:]))
    count = len(state_avals)
    const_avals = list(map(strong_aval, reverse.body.in_avals[:first]))
    cts_avals = tangent_avals(state_avals, reverse.carry)
    sum_avals = tangent_avals(const_avals, reverse.consts)

    def run(*args: Array) -> list[Array]:
        consts, (t, top, starts), rest = args[:first], args[first : first + 3], args[first + 3 :]
        stacks, cts, sums = rest[:count], rest[count:][: len(cts_avals)], rest[count + len(cts_avals) :]
        start = dynamic_index_in_dim(starts, top, keepdims=False)
        distance, free = sub(t, start), sub(places - 1, top)
        sets = logical_and(gt(distance, 0), gt(free, 0))
        steps = select(sets, add(distance, 1), cast(Array, np.int64(1)))  # of one step the stride is found at once
        stride = select(sets, _stride(loop, steps, free), distance)
        there = _repeat(
            loop,
            reverse.body,
            places,
            stride,
            consts,
            [dynamic_index_in_dim(stack, top, keepdims=False) for stack in stacks],
        )
        place = select(sets, add(top, 1), cast(Array, np.int64(places)))
        kept = [dynamic_update_index_in_dim(stack, x, place, 0) for stack, x in zip(stacks, there, strict=True)]
        marked = dynamic_update_index_in_dim(starts, add(start, stride), place, 0)
        index = convert_element_type(sets, np.int32)
        moved = cond_p.bind(index, *consts, *there, *cts, *sums, branches=_choices(reverse, cts_avals, sum_avals))
        is_used = logical_and(eq(distance, 0), gt(top, 0))
        lower = select(is_used, sub(top, 1), top)
        return [select(sets, t, sub(t, 1)), select(sets, add(top, 1), lower), marked, *kept, *moved]

    stacked = [shaped((places + 1, *aval.shape), aval.dtype) for aval in state_avals]
    carried = [COUNT, COUNT, shaped((places + 1,), COUNT.dtype), *stacked, *cts_avals, *sum_avals]
    return stage(lambda t, *_: [ge(t, 0)], carried), stage(run, [*const_avals, *carried])


def _choices(
    reverse: _Reverse, cts_avals: Sequence[ShapedArray], sum_avals: Sequence[ShapedArray]
) -> tuple[Jaxpr, Jaxpr]:
    """The two things a step may do with cotangents and sums: move them a step back, or leave them."""
    avals = [*map(strong_aval, reverse.body.in_avals), *cts_avals, *sum_avals]
    known, moving, summed = len(reverse.body.invars), len(cts_avals), len(sum_avals)

    def back(*args: Array) -> list[Array]:
        found = eval_jaxpr(reverse.step, *args[: known + moving])
        return [*found[summed:], *map(add_any, args[known + moving :], found[:summed])]

    return stage(back, avals), stage(lambda *args: list(args[known:]), avals)
