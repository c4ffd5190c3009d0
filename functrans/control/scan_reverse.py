"""Reverse mode of `scan_p`: a scan that goes back over what the steps have kept.

Of what a step's backward pass needs, some is the same in all steps and kept once; some is among the arrays that the scan goes
through or gives anyway; what a step carries out is what the next one was given; the rest is stacked by the forward loop. Start
reading at `reverse`, then `Plan`. Imports the transforms of jaxprs and `scan_products`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from functrans.control.derived import merged, settled, strong_aval, tangent_avals
from functrans.control.scan_products import Product, set_apart, steady_variables, sum_of
from functrans.control.tracing import bind
from functrans.core.dce import dce
from functrans.core.ir import Atom, Jaxpr, Var, eval_jaxpr, memoized
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.ops.families import add_any
from functrans.record import NamedTuple
from functrans.transforms.checkpoint_policies import nothing_saveable
from functrans.transforms.jaxprs import SplitVjp, vjp_jaxpr
from functrans.transforms.stage import stage
from functrans.transforms.vjp import instantiate, zeros
from functrans.typing import Array

__all__ = ["Back", "Plan", "Wanted", "back_of", "plan_of", "reverse"]

Flags: TypeAlias = tuple[bool, ...]


class Wanted(NamedTuple):
    """Whose cotangents are wanted, and how."""

    consts: Flags
    carry: Flags
    xs: Flags
    again: bool
    """Whether the backward pass is to compute a step again from what it was given."""
    apart: bool
    """Whether sums over all steps may be computed after the loop."""


class Residual(NamedTuple):
    """Where a residual is: among (*consts, *results of `once`), which are the same in all steps; among (*xs, *ys, *stacked); or
    what the carry of this number is after the step."""

    kind: Literal["once", "each", "later"]
    number: int


class Plan(NamedTuple):
    """How the loop that goes back finds what one step's backward pass needs."""

    split: SplitVjp
    carry: Flags
    """Which of the carry have cotangents."""
    forward: Jaxpr
    """The step; with `stacked` results more, which the loop keeps of every step."""
    once: Jaxpr
    """From consts to the residuals that are the same in all steps."""
    residuals: tuple[Residual, ...]
    before: dict[int, int]
    """For the carries that are found later: which residual is what the step was given."""

    def of(self, kind: str) -> list[int]:
        """The numbers of the residuals of a kind, in order."""
        return [residual.number for residual in self.residuals if residual.kind == kind]


@memoized
def plan_of(jaxpr: Jaxpr, wanted: Wanted) -> Plan:
    """The plan for a step."""
    first, count, outs = len(wanted.consts), len(wanted.carry), len(jaxpr.outvars)
    policy = nothing_saveable if wanted.again else None

    def split(carry: Flags) -> SplitVjp:
        return vjp_jaxpr(jaxpr, (*wanted.consts, *carry, *wanted.xs), policy)

    carry = settled(wanted.carry, lambda flags: split(flags).is_tracked([True] * outs)[:count])
    return _Planner(split(carry), first, count, outs).plan(carry)


class _Planner:
    def __init__(self, split: SplitVjp, first: int, count: int, outs: int) -> None:
        self._split, self._forward = split, split.forward
        invars, outvars = split.forward.invars, split.forward.outvars
        self._outs = outs
        self._consts, self._carry = invars[:first], invars[first : first + count]
        self._carried_out = outvars[:count]
        self._each: list[Atom] = [*invars[first + count :], *outvars[count:outs]]
        self._given = len(self._each)
        self._once: list[Atom] = [*self._consts]
        self._steady = steady_variables(split.forward, self._consts)
        known = (*invars, *outvars)
        self._atoms = [known[i] for i in split.residuals]

    def plan(self, carry: Flags) -> Plan:
        residuals = tuple(map(self._residual, self._atoms))
        numbers = {residual.number for residual in residuals if residual.kind == "later"}
        before = {i: self._atoms.index(self._carry[i]) for i in numbers}
        whole = self._forward
        outvars = (*whole.outvars[: self._outs], *self._each[self._given :])
        forward = Jaxpr(whole.invars, outvars, whole.eqns, whole.constvars, whole.consts)
        eqns = tuple(eqn for eqn in whole.eqns if not self._steady.isdisjoint(eqn.outvars))
        results = tuple(self._once[len(self._consts) :])
        once = dce(Jaxpr(self._consts, results, eqns, whole.constvars, whole.consts))
        return Plan(self._split, carry, forward, once, residuals, before)

    def _residual(self, atom: Atom) -> Residual:
        if not isinstance(atom, Var) or atom in self._steady:
            return Residual("once", _place(self._once, atom))
        if atom not in self._each[: self._given] and atom in self._carried_out:
            number = self._carried_out.index(atom)
            if self._carry[number] in self._atoms:  # which is kept anyway, and is this of the step before
                return Residual("later", number)
        return Residual("each", _place(self._each, atom))


def _place(values: list[Atom], atom: Atom) -> int:
    if atom not in values:
        values.append(atom)
    return values.index(atom)


def reverse(
    loop: Primitive, groups: Sequence[Sequence[Array]], wanted: Wanted, params: Params
) -> tuple[Values, Pullback]:
    """The VJP rule of `scan_p`, which is `loop`. groups: consts, carry and xs."""
    jaxpr: Jaxpr = params["jaxpr"]
    consts, carry, xs = groups
    plan = plan_of(jaxpr, wanted)
    results = bind(loop, [*consts, *carry, *xs], {**params, "jaxpr": plan.forward})
    every = (*consts, *eval_jaxpr(plan.once, *consts))
    each = (*xs, *results[len(carry) :])
    once, stacked = [every[i] for i in plan.of("once")], [each[i] for i in plan.of("each")]
    later = [results[i] for i in plan.before]

    def pullback(cts: Maybes) -> Maybes:
        back = back_of(jaxpr, wanted, tuple(ct is not None for ct in cts[len(carry) :]))
        ends = zip(cts, carry, plan.carry, strict=False)
        carried = [instantiate(ct, strong_aval(aval_of(x))) for ct, x, has in ends if has]
        sums = [zeros(strong_aval(aval_of(x))) for x, has in zip(consts, back.summed, strict=True) if has]
        given = [ct for ct, is_live in zip(cts[len(carry) :], back.live, strict=True) if is_live and ct is not None]
        state = [*carried, *sums, *later]
        loop_params = {
            "jaxpr": back.jaxpr,
            "length": params["length"],
            "reverse": not params["reverse"],
            "consts": len(once),
            "carry": len(state),
        }
        found = bind(loop, [*once, *state, *stacked, *given], loop_params)
        ys = found[len(state) :]
        x_cts, more = ys[: len(ys) - back.more], ys[len(ys) - back.more :]
        values = _stacks(plan, back, stacked, given, more)
        summed = iter(found[len(carried) : len(carried) + len(sums)])
        products = (sum_of(terms, values) for terms in back.products)
        const_cts = tuple(
            next(summed) if in_loop else next(products) if has else None
            for in_loop, has in zip(back.summed, back.consts, strict=True)
        )
        return (*const_cts, *merged(found[: len(carried)], plan.carry), *merged(x_cts, back.xs))

    return results[: len(jaxpr.outvars)], pullback


# ---- a step back ----


class Back(NamedTuple):
    """`(*once, *cts of carry, *sums of cts of consts, *later, *each, *cts of live ys)`
    `-> (*cts of carry, *sums, *later, *cts of xs, *factors)`."""

    jaxpr: Jaxpr
    live: Flags
    """Which ys have cotangents that matter."""
    consts: Flags
    """Which consts have cotangents."""
    summed: Flags
    """For which of them they are added up in the loop."""
    xs: Flags
    products: tuple[tuple[Product, ...], ...]
    """For the others, what they are the sums of."""
    more: int
    """How many factors of those it gives."""
    carried: int
    """How many cotangents of the carry a step reads."""


@memoized
def back_of(jaxpr: Jaxpr, wanted: Wanted, given: Flags) -> Back:
    """The step back. given: the ys that have cotangents."""
    plan = plan_of(jaxpr, wanted)
    first, count = len(wanted.consts), len(wanted.carry)
    tracked = plan.split.is_tracked([True] * count + list(given))
    backward, nonzero = plan.split.backward(tracked)
    const_flags = nonzero[:first]
    kinds = [residual.kind for residual in plan.residuals]
    others = len(backward.invars) - len(kinds) - sum(tracked[count:])
    steady = (*(kind == "once" for kind in kinds), *(False for _ in backward.invars[len(kinds) :]))
    stacked = (*(kind == "each" for kind in kinds), *(False,) * others, *(True,) * sum(tracked[count:]))
    apart = set_apart(backward, sum(const_flags) if wanted.apart else 0, stacked, steady)
    if not wanted.apart:
        apart = apart._replace(stays=(True,) * sum(const_flags))
    stays = merged_flags(apart.stays, const_flags)
    body = _staged(jaxpr, plan, apart.jaxpr, wanted, tracked, (*stays, *nonzero[first:]))
    return Back(body, tracked[count:], const_flags, stays, nonzero[first + count :], apart.sums, apart.more, others)


def merged_flags(flags: Sequence[bool], where: Sequence[bool]) -> Flags:
    """These flags in the places that have one, and False in the others."""
    rest = iter(flags)
    return tuple(has and next(rest) for has in where)


def _staged(jaxpr: Jaxpr, plan: Plan, step: Jaxpr, wanted: Wanted, tracked: Flags, nonzero: Flags) -> Jaxpr:
    """The step back as the body of a loop. step: what computes cotangents, those of inputs where `nonzero`, and factors."""
    first, count = len(wanted.consts), len(wanted.carry)
    carry_avals = tangent_avals(jaxpr.in_avals[first:][:count], plan.carry)
    sum_avals = tangent_avals(jaxpr.in_avals, nonzero[:first] + (False,) * (len(jaxpr.in_avals) - first))
    later_avals = [strong_aval(jaxpr.in_avals[first + i]) for i in plan.before]
    ct_avals = tangent_avals(jaxpr.out_avals[count:], tracked[count:])
    pairs = list(zip(step.in_avals, plan.residuals, strict=False))
    once, each = ([aval for aval, residual in pairs if residual.kind == kind] for kind in ("once", "each"))
    live = [tracked[i] for i, has in enumerate(plan.carry) if has]
    groups = (once, carry_avals, sum_avals, later_avals, each, ct_avals)

    def run(*args: Array) -> list[Array]:
        rest = iter(args)
        same, carried, sums, later, stacked, cts = ([next(rest) for _ in avals] for avals in groups)
        known = {"once": iter(same), "each": iter(stacked)}
        after = dict(zip(plan.before, later, strict=True))
        residuals = [after[r.number] if r.kind == "later" else next(known[r.kind]) for r in plan.residuals]
        given = [ct for ct, is_live in zip(carried, live, strict=True) if is_live]
        results = eval_jaxpr(step, *residuals, *given, *cts)
        found = merged(results[: sum(nonzero)], nonzero)
        back = [ct for ct, has in zip(found[first:][:count], plan.carry, strict=True) if has]
        return [
            *map(instantiate, back, carry_avals),
            *map(add_any, sums, [ct for ct in found[:first] if ct is not None]),
            *(residuals[i] for i in plan.before.values()),
            *(ct for ct in found[first + count :] if ct is not None),
            *results[sum(nonzero) :],
        ]

    return stage(run, [aval for group in groups for aval in group])


def _stacks(
    plan: Plan, back: Back, stacked: Sequence[Array], given: Sequence[Array], more: Sequence[Array]
) -> list[Array | None]:
    """What products are made of, by number: the inputs of a step back that lie in memory for all steps, and the factors."""
    rest = iter(stacked)
    residuals = [next(rest) if residual.kind == "each" else None for residual in plan.residuals]
    return [*residuals, *(None for _ in range(back.carried)), *given, *more]
