"""`scan_p`: a jaxpr applied once for each element of its arrays, one step's results being part of the next one's arguments.

Operands: `(*consts, *carry, *xs)`, each of xs with the steps along its first axis. Results: `(*carry, *ys)`, ys stacked
likewise. Parameters: `jaxpr`, from `(*consts, *carry, *one of each xs)` to `(*carry, *one of each ys)`; `length`; `reverse`;
the numbers `consts` and `carry`; and `checkpoint`, if reverse mode is to keep only the carry of every step and to compute the
rest again. Start reading at `_jvp`, then `_vjp`. Imports the transforms of jaxprs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from functrans.control.derived import batched_as, merged, pushed, settled, spread, strong_aval, tangent_avals
from functrans.control.scan_reverse import Wanted, reverse
from functrans.control.tracing import bind, check_operands, program
from functrans.core.aval import ShapedArray, shaped
from functrans.core.dce import needed_inputs, restricted
from functrans.core.ir import Jaxpr, eval_jaxpr, memoized
from functrans.core.lowering_control import Scan, lower_to
from functrans.core.primitive import (
    Maybes,
    NamedAxis,
    Params,
    Primitive,
    Pruned,
    Pullback,
    Values,
    aval_of,
    strong,
    unnamed,
)
from functrans.record import NamedTuple
from functrans.transforms.jaxprs import batch_jaxpr, jvp_jaxpr
from functrans.transforms.stage import stage
from functrans.transforms.vjp import instantiate
from functrans.transforms.vmap import move_axis
from functrans.typing import Array

__all__ = ["scan_p", "split_operands"]

T = TypeVar("T")


def split_operands(values: Sequence[T], params: Params) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """Consts, carry and xs; also of what belongs to them."""
    first, second = params["consts"], params["consts"] + params["carry"]
    return values[:first], values[first:second], values[second:]


def _run(*args: Array, jaxpr: Jaxpr, length: int, reverse: bool, consts: int, carry: int, **_: object) -> Values:
    step = program(jaxpr)
    fixed, state, xs = split_operands(args, {"consts": consts, "carry": carry})
    state = tuple(map(strong, state))
    ys = [np.empty((length, *aval.shape), aval.dtype) for aval in jaxpr.out_avals[carry:]]
    for i in reversed(range(length)) if reverse else range(length):
        outs = step(*fixed, *state, *(x[i] for x in xs))
        state = outs[:carry]
        for y, out in zip(ys, outs[carry:], strict=True):
            y[i] = out
    return (*state, *ys)


def _abstract_eval(
    *avals: ShapedArray, jaxpr: Jaxpr, length: int, reverse: bool, consts: int, carry: int, **_: object
) -> tuple[ShapedArray, ...]:
    head = consts + carry
    whole = [shaped((length, *aval.shape), aval.dtype) for aval in jaxpr.in_avals[head:]]
    check_operands("scan", avals, (*jaxpr.in_avals[:head], *whole))
    check_operands("the carry of scan", jaxpr.out_avals[:carry], jaxpr.in_avals[consts:head])
    ys = (shaped((length, *aval.shape), aval.dtype) for aval in jaxpr.out_avals[carry:])
    return (*jaxpr.out_avals[:carry], *ys)


def _captures(params: Params) -> tuple[Params, tuple[tuple[int, Values], ...]]:
    jaxpr: Jaxpr = params["jaxpr"]
    consts = params["consts"] + len(jaxpr.consts)
    return {**params, "jaxpr": jaxpr.with_consts_as_inputs(), "consts": consts}, ((0, jaxpr.consts),)


def _prune(params: Params, used: tuple[bool, ...]) -> Pruned:
    """What is carried stays where a result that is used needs it, after any number of steps."""
    jaxpr: Jaxpr = params["jaxpr"]
    live, ys = used[: params["carry"]], used[params["carry"] :]
    live = settled(live, lambda flags: split_operands(needed_inputs(jaxpr, (*flags, *ys)), params)[1])
    consts, _, xs = split_operands(needed_inputs(jaxpr, (*live, *ys)), params)
    operands, results = (*consts, *live, *xs), (*live, *ys)
    left = restricted(jaxpr, operands, results)
    if left is jaxpr:
        return Pruned(params, operands, results)
    return Pruned({**params, "jaxpr": left, "consts": sum(consts), "carry": sum(live)}, operands, results)


# ---- forward mode ----


class _Both(NamedTuple):
    """`(consts, consts', carry, carry', xs, xs') -> (carry, carry', ys, ys')`, and which of the results have tangents."""

    jaxpr: Jaxpr
    carry: tuple[bool, ...]
    ys: tuple[bool, ...]


@memoized
def _with_tangents(jaxpr: Jaxpr, consts: tuple[bool, ...], carry: tuple[bool, ...], xs: tuple[bool, ...]) -> _Both:
    count = len(carry)
    carry = settled(carry, lambda flags: jvp_jaxpr(jaxpr, (*consts, *flags, *xs)).nonzero[:count])
    ys = jvp_jaxpr(jaxpr, (*consts, *carry, *xs)).nonzero[count:]
    both = pushed(jaxpr, (*consts, *carry, *xs), (*carry, *ys))
    groups = [(jaxpr.in_avals[: len(consts)], consts), (jaxpr.in_avals[len(consts) :][:count], carry)]
    groups.append((jaxpr.in_avals[len(consts) + count :], xs))
    avals = [aval for group, has in groups for aval in (*group, *tangent_avals(group, has))]

    def run(*args: Array) -> list[Array]:
        primals: list[Array] = []
        tangents: list[Array] = []
        rest = iter(args)
        for group, has in groups:
            primals += [next(rest) for _ in group]
            tangents += [next(rest) for _ in range(sum(has))]
        results = eval_jaxpr(both, *primals, *tangents)
        outs, out_tangents = results[: len(jaxpr.outvars)], results[len(jaxpr.outvars) :]
        moved = sum(carry)
        return [*outs[:count], *out_tangents[:moved], *outs[count:], *out_tangents[moved:]]

    return _Both(stage(run, avals), carry, ys)


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    groups = split_operands(primals, params)
    has = [tuple(t is not None for t in group) for group in split_operands(tangents, params)]
    both = _with_tangents(params["jaxpr"], *has)
    fixed, state, xs = split_operands(tangents, params)
    moving = zip(state, groups[1], both.carry, strict=True)
    carried = [instantiate(t, strong_aval(aval_of(x))) for t, x, has in moving if has]
    given = [[t for t in fixed if t is not None], carried, [t for t in xs if t is not None]]
    operands = [value for group, extra in zip(groups, given, strict=True) for value in (*group, *extra)]
    numbers = {"consts": params["consts"] + len(given[0]), "carry": params["carry"] + len(carried)}
    results = bind(scan_p, operands, {**params, "jaxpr": both.jaxpr, **numbers})
    count, end = params["carry"], params["carry"] + len(carried)
    ys = results[end : end + len(both.ys)]
    out_tangents = merged((*results[count:end], *results[end + len(both.ys) :]), (*both.carry, *both.ys))
    return (*results[:count], *ys), out_tangents


# ---- reverse mode and batching ----


def _vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    consts, carry, xs = (tuple(group) for group in split_operands(wanted, params))
    again = params.get("checkpoint", False)
    return reverse(scan_p, split_operands(primals, params), Wanted(consts, carry, xs, again, not again), params)


def _batch(axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    jaxpr: Jaxpr = params["jaxpr"]
    consts, carry, xs = split_operands(args, params)
    const_flags, given, x_flags = (tuple(group) for group in split_operands(batched, params))

    def turn(flags: tuple[bool, ...]) -> tuple[bool, ...]:
        return batch_jaxpr(jaxpr, axis, (*const_flags, *flags, *x_flags)).batched

    flags = settled(given, lambda flags: turn(flags)[: len(given)])
    outs_batched = (*flags, *turn(flags)[len(flags) :])
    whole = batched_as(jaxpr, axis, (*const_flags, *flags, *x_flags), outs_batched)
    steps = [move_axis(x, 1, 0) if has else x for x, has in zip(xs, x_flags, strict=True)]
    outs = bind(scan_p, [*consts, *spread(axis.size, carry, given, flags), *steps], {**params, "jaxpr": whole})
    ys = zip(outs[len(flags) :], outs_batched[len(flags) :], strict=True)
    return (*outs[: len(flags)], *(move_axis(y, 1, 0) if has else y for y, has in ys)), outs_batched


scan_p = Primitive(
    "scan",
    _run,
    _abstract_eval,
    _vjp,
    _jvp,
    unnamed(_batch),
    _batch,
    captures=_captures,
    prune=_prune,
    lower=lower_to(Scan),
)
