"""`scan_p`: a jaxpr applied once for each element of its arrays, one step's results being part of the next one's arguments.

Operands: `(*consts, *carry, *xs)`, each of xs with the steps along its first axis. Results: `(*carry, *ys)`, ys stacked
likewise. Parameters: `jaxpr`, from `(*consts, *carry, *one of each xs)` to `(*carry, *one of each ys)`; `length`; `reverse`;
the numbers `consts` and `carry`; and `checkpoint`, if reverse mode is to keep only the carry of every step and to compute the
rest again. Start reading at `_jvp`, then `_vjp`. Imports the transforms of jaxprs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from functrans.control.derived import batched_as, merged, pushed, strong_aval, tangent_avals
from functrans.control.tracing import bind, check_operands, program
from functrans.core.aval import ShapedArray, shaped
from functrans.core.dce import dce, needed_inputs, restricted
from functrans.core.ir import Atom, Jaxpr, Var, eval_jaxpr, memoized
from functrans.core.lowering_control import Scan, lower_to
from functrans.core.primitive import Maybes, NamedAxis, Params, Primitive, Pruned, Pullback, Values, aval_of, strong
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.families import add_any
from functrans.transforms.checkpoint_policies import nothing_saveable
from functrans.transforms.jaxprs import SplitVjp, batch_jaxpr, jvp_jaxpr, vjp_jaxpr
from functrans.transforms.stage import stage
from functrans.transforms.vjp import instantiate, zeros
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
    while True:
        consts, read, xs = split_operands(needed_inputs(jaxpr, (*live, *ys)), params)
        grown = tuple(map(max, live, read))
        if grown == live:
            break
        live = grown
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
    while True:
        found = jvp_jaxpr(jaxpr, (*consts, *carry, *xs)).nonzero
        grown = tuple(map(max, carry, found[:count]))
        if grown == carry:
            break
        carry = grown
    ys = found[count:]
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


# ---- reverse mode ----


class _Plan(NamedTuple):
    """How the loop that goes back finds what one step's backward pass needs."""

    split: SplitVjp
    carry: tuple[bool, ...]
    """Which of the carry have cotangents."""
    forward: Jaxpr
    """The step; `stacked` results more, which the loop keeps of every step."""
    invariant: Jaxpr
    """From consts to the residuals that are the same in all steps."""
    fixed: tuple[bool, ...]
    """Which residuals are the same in all steps: consts, and results of `invariant`."""
    sources: tuple[int, ...]
    """Where each residual is: among (*consts, *results of invariant), or among (*xs, *ys, *stacked)."""


@memoized
def _plan(jaxpr: Jaxpr, consts: tuple[bool, ...], carry: tuple[bool, ...], xs: tuple[bool, ...], again: bool) -> _Plan:
    """again: whether the backward pass computes a step again."""
    first, count, outs = len(consts), len(carry), len(jaxpr.outvars)
    while True:
        wanted = (*consts, *carry, *xs)
        split = vjp_jaxpr(jaxpr, wanted, nothing_saveable if again else None)
        grown = tuple(map(max, carry, split.is_tracked([True] * outs)[:count]))
        if grown == carry:
            break
        carry = grown
    forward = split.forward
    known = (*forward.invars, *forward.outvars)
    steady = _invariant(forward, first)
    stacked: list[Atom] = []
    once: list[Atom] = []
    fixed, sources = [], []
    for number in split.residuals:
        atom = known[number]
        same = not isinstance(atom, Var) or atom in steady
        fixed.append(same)
        if same:
            given = forward.invars[:first]
            sources.append(given.index(atom) if atom in given else first + _place(once, atom))
        elif atom in (per_step := (*forward.invars[first + count :], *forward.outvars[count:outs])):
            sources.append(per_step.index(atom))
        else:
            sources.append(len(per_step) + _place(stacked, atom))
    saving = Jaxpr(forward.invars, (*forward.outvars[:outs], *stacked), forward.eqns, forward.constvars, forward.consts)
    eqns = tuple(eqn for eqn in forward.eqns if not steady.isdisjoint(eqn.outvars))
    invariant = dce(Jaxpr(forward.invars[:first], tuple(once), eqns, forward.constvars, forward.consts))
    return _Plan(split, carry, saving, invariant, tuple(fixed), tuple(sources))


def _invariant(jaxpr: Jaxpr, consts: int) -> set[Var]:
    """The variables that depend on consts alone, whatever step computes them."""
    found = {*jaxpr.constvars, *jaxpr.invars[:consts]}
    for eqn in jaxpr.eqns:
        if not eqn.has_effect and all(atom in found for atom in eqn.invars if isinstance(atom, Var)):
            found.update(eqn.outvars)
    return found


def _place(values: list[Atom], atom: Atom) -> int:
    if atom not in values:
        values.append(atom)
    return values.index(atom)


def _vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    jaxpr: Jaxpr = params["jaxpr"]
    again = params.get("checkpoint", False)
    consts, carry, xs = split_operands(primals, params)
    want_consts, want_carry, want_xs = (tuple(group) for group in split_operands(wanted, params))
    plan = _plan(jaxpr, want_consts, want_carry, want_xs, again)
    results = bind(scan_p, primals, {**params, "jaxpr": plan.forward})
    outs = results[: len(jaxpr.outvars)]
    once = (*consts, *eval_jaxpr(plan.invariant, *consts))
    each = (*xs, *results[len(carry) :])
    pairs = list(zip(plan.fixed, plan.sources, strict=True))
    steady = [once[i] for same, i in pairs if same]
    stacked = [each[i] for same, i in pairs if not same]

    def pullback(cts: Maybes) -> Maybes:
        given_ys = tuple(ct is not None for ct in cts[len(carry) :])
        back = _backward(jaxpr, want_consts, want_carry, want_xs, given_ys, again)
        carried = [
            instantiate(ct, strong_aval(aval_of(x))) for ct, x, has in zip(cts, carry, plan.carry, strict=False) if has
        ]
        sums = [zeros(strong_aval(aval_of(x))) for x, has in zip(consts, back.consts, strict=True) if has]
        given = [ct for ct, live in zip(cts[len(carry) :], back.live, strict=True) if live and ct is not None]
        loop = {
            "jaxpr": back.jaxpr,
            "length": params["length"],
            "reverse": not params["reverse"],
            "consts": len(steady),
            "carry": len(carried) + len(sums),
        }
        found = bind(scan_p, [*steady, *carried, *sums, *stacked, *given], loop)
        end = len(carried) + len(sums)
        return (
            *merged(found[len(carried) : end], back.consts),
            *merged(found[: len(carried)], plan.carry),
            *merged(found[end:], back.xs),
        )

    return outs, pullback


class _Back(NamedTuple):
    """`(*residuals that are the same, *cts of carry, *sums of cts of consts, *other residuals, *cts of live ys)`
    `-> (*cts of carry, *sums, *cts of xs)`."""

    jaxpr: Jaxpr
    live: tuple[bool, ...]
    consts: tuple[bool, ...]
    xs: tuple[bool, ...]


@memoized
def _backward(
    jaxpr: Jaxpr,
    consts: tuple[bool, ...],
    carry: tuple[bool, ...],
    xs: tuple[bool, ...],
    given: tuple[bool, ...],
    again: bool,
) -> _Back:
    """given: the ys that have cotangents."""
    plan = _plan(jaxpr, consts, carry, xs, again)
    first, count = len(consts), len(carry)
    tracked = plan.split.is_tracked([True] * count + list(given))
    backward = plan.split.backward(tracked)
    const_cts, xs_cts = backward.nonzero[:first], backward.nonzero[first + count :]
    carry_avals = tangent_avals(jaxpr.in_avals[first:][:count], plan.carry)
    sum_avals = tangent_avals(jaxpr.in_avals[:first], const_cts)
    residual_avals = backward.jaxpr.in_avals[: len(plan.fixed)]
    fixed = [aval for aval, same in zip(residual_avals, plan.fixed, strict=True) if same]
    varying = [aval for aval, same in zip(residual_avals, plan.fixed, strict=True) if not same]
    ct_avals = tangent_avals(jaxpr.out_avals[count:], tracked[count:])

    def run(*args: Array) -> list[Array]:
        rest = iter(args)
        same, carried, sums, others, cts = (
            [next(rest) for _ in avals] for avals in (fixed, carry_avals, sum_avals, varying, ct_avals)
        )
        residuals = (iter(others), iter(same))
        ordered = [next(residuals[is_same]) for is_same in plan.fixed]
        live = [ct for ct, i in zip(carried, _positions(plan.carry), strict=True) if tracked[i]]
        found = merged(eval_jaxpr(backward.jaxpr, *ordered, *live, *cts), backward.nonzero)
        back = [ct for ct, has in zip(found[first:][:count], plan.carry, strict=True) if has]
        new = [ct for ct in found[:first] if ct is not None]
        return [
            *map(instantiate, back, carry_avals),
            *map(add_any, sums, new),
            *(ct for ct in found[first + count :] if ct is not None),
        ]

    body = stage(run, [*fixed, *carry_avals, *sum_avals, *varying, *ct_avals])
    return _Back(body, tracked[count:], const_cts, xs_cts)


def _positions(flags: Sequence[bool]) -> list[int]:
    return [i for i, flag in enumerate(flags) if flag]


# ---- batching ----


def _batch(axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    jaxpr: Jaxpr = params["jaxpr"]
    consts, carry, xs = split_operands(args, params)
    const_flags, flags, x_flags = (tuple(group) for group in split_operands(batched, params))
    while True:
        found = batch_jaxpr(jaxpr, axis, (*const_flags, *flags, *x_flags)).batched
        grown = tuple(map(max, flags, found[: len(flags)]))
        if grown == flags:
            break
        flags = grown
    outs_batched = (*flags, *found[len(flags) :])
    whole = batched_as(jaxpr, axis, (*const_flags, *flags, *x_flags), outs_batched)
    had = split_operands(batched, params)[1]
    spread = [
        broadcast_batch(axis.size, x) if has and not before else x
        for x, has, before in zip(carry, flags, had, strict=True)
    ]
    steps = [move_axis(x, 1, 0) if has else x for x, has in zip(xs, x_flags, strict=True)]
    outs = bind(scan_p, [*consts, *spread, *steps], {**params, "jaxpr": whole})
    ys = zip(outs[len(flags) :], outs_batched[len(flags) :], strict=True)
    return (*outs[: len(flags)], *(move_axis(y, 1, 0) if has else y for y, has in ys)), outs_batched


scan_p = Primitive(
    "scan",
    _run,
    _abstract_eval,
    _vjp,
    _jvp,
    lambda size, args, batched, params: _batch(NamedAxis(None, size), args, batched, params),
    _batch,
    captures=_captures,
    prune=_prune,
    lower=lower_to(Scan),
)
