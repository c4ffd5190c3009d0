"""`cond_p`: one of several jaxprs, chosen by an index, applied to the operands.

Operands: `(index, *operands)`, index an int32 scalar within range. Parameter: `branches`, a tuple of jaxprs of the operands,
with results of equal types. Start reading at `_vjp`. Imports the transforms of jaxprs, `lanes` and `masked`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import cast

import numpy as np

from functrans.control.derived import batched_as, merged, pushed, tangent_avals
from functrans.control.lanes import over_lanes
from functrans.control.masked import choose_elements, is_light, names_axis
from functrans.control.tracing import bind, check_operands, program
from functrans.core.aval import ShapedArray, shaped
from functrans.core.dce import needed_inputs, restricted
from functrans.core.ir import Jaxpr, Var, eval_jaxpr
from functrans.core.lowering_control import Branch, lower_to
from functrans.core.primitive import Maybes, NamedAxis, Params, Primitive, Pruned, Pullback, Values, aval_of, unnamed
from functrans.record import NamedTuple
from functrans.transforms.jaxprs import SplitVjp, batch_jaxpr, jvp_jaxpr, vjp_jaxpr
from functrans.transforms.stage import stage
from functrans.transforms.vjp import zeros
from functrans.typing import Array

__all__ = ["cond_p"]

_INDEX = shaped((), np.dtype(np.int32))


def _run(index: Array, *operands: Array, branches: tuple[Jaxpr, ...]) -> Values:
    return program(branches[int(index)])(*operands)


def _abstract_eval(index: ShapedArray, *avals: ShapedArray, branches: tuple[Jaxpr, ...]) -> tuple[ShapedArray, ...]:
    for branch in branches:
        check_operands("cond", (index, *avals), (_INDEX, *branch.in_avals))
        check_operands("a branch of cond", branch.out_avals, branches[0].out_avals)
    return branches[0].out_avals


def _captures(params: Params) -> tuple[Params, tuple[tuple[int, Values], ...]]:
    """All branches take what any of them captures."""
    branches: tuple[Jaxpr, ...] = params["branches"]
    closed = []
    for number, branch in enumerate(branches):
        leading = [
            var if other == number else Var(var.aval) for other, owner in enumerate(branches) for var in owner.constvars
        ]
        closed.append(Jaxpr((*leading, *branch.invars), branch.outvars, branch.eqns))
    values = tuple(value for branch in branches for value in branch.consts)
    return {**params, "branches": tuple(closed)}, ((1, values),)


def _prune(params: Params, used: tuple[bool, ...]) -> Pruned:
    branches: tuple[Jaxpr, ...] = params["branches"]
    operands = _any([needed_inputs(branch, used) for branch in branches])
    left = tuple(restricted(branch, operands, used) for branch in branches)
    same = all(map(is_, left, branches))
    return Pruned(params if same else {**params, "branches": left}, (True, *operands), used)


def _any(flags: Sequence[Sequence[bool]]) -> tuple[bool, ...]:
    return tuple(map(any, zip(*flags, strict=True)))


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    branches: tuple[Jaxpr, ...] = params["branches"]
    nonzero = tuple(tangent is not None for tangent in tangents[1:])
    out_nonzero = _any([jvp_jaxpr(branch, nonzero).nonzero for branch in branches])
    given = [tangent for tangent in tangents[1:] if tangent is not None]
    both = tuple(pushed(branch, nonzero, out_nonzero) for branch in branches)
    results = bind(cond_p, (*primals, *given), {"branches": both})
    count = len(out_nonzero)
    return results[:count], merged(results[count:], out_nonzero)


# ---- reverse mode ----
#
# Each branch returns besides its results what its backward pass needs. Branches share the places for that, by type; a place
# that a branch does not need holds zeros.


class _Saving(NamedTuple):
    """The branches that save, and where the backward pass of each finds its residuals among (*operands, *results)."""

    branches: tuple[Jaxpr, ...]
    residuals: tuple[tuple[int, ...], ...]


def _saving(splits: Sequence[SplitVjp], operands: int, outs: int) -> _Saving:
    places: list[ShapedArray] = []
    taken = [_take(places, split.forward.out_avals[outs:]) for split in splits]
    known = operands + outs
    return _Saving(
        tuple(_filled(split.forward, outs, mine, places) for split, mine in zip(splits, taken, strict=True)),
        tuple(
            tuple(i if i < known else known + mine[i - known] for i in split.residuals)
            for split, mine in zip(splits, taken, strict=True)
        ),
    )


def _take(places: list[ShapedArray], avals: Sequence[ShapedArray]) -> list[int]:
    """A place for each of these types, each used once; new ones where there are too few."""
    free = list(range(len(places)))
    taken = []
    for aval in avals:
        place = next((i for i in free if places[i] is aval), None)
        if place is None:
            place = len(places)
            places.append(aval)
        else:
            free.remove(place)
        taken.append(place)
    return taken


def _filled(forward: Jaxpr, outs: int, taken: Sequence[int], places: Sequence[ShapedArray]) -> Jaxpr:
    def run(*args: Array) -> list[Array]:
        results = eval_jaxpr(forward, *args)
        saved = dict(zip(taken, results[outs:], strict=True))
        return [*results[:outs], *(saved[i] if i in saved else zeros(aval) for i, aval in enumerate(places))]

    return stage(run, forward.in_avals)


def _vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    branches: tuple[Jaxpr, ...] = params["branches"]
    index, *operands = primals
    splits = [vjp_jaxpr(branch, wanted[1:]) for branch in branches]
    count = len(branches[0].outvars)
    saving = _saving(splits, len(operands), count)
    results = bind(cond_p, primals, {"branches": saving.branches})
    needed = sorted({i for residuals in saving.residuals for i in residuals})
    available = (*operands, *results)
    kept = [available[i] for i in needed]
    avals = branches[0].in_avals

    def pullback(cts: Maybes) -> Maybes:
        live = tuple(ct is not None for ct in cts)
        backwards = [split.backward(split.is_tracked(live)) for split in splits]
        nonzero = _any([backward.nonzero for backward in backwards])

        def branch(number: int) -> Jaxpr:
            def run(*args: Array) -> list[Array]:
                known = dict(zip(needed, args, strict=False))
                residuals = [known[i] for i in saving.residuals[number]]
                ct = merged(args[len(needed) :], live)
                tracked = splits[number].is_tracked(live)
                given = [one for one, is_live in zip(ct, tracked, strict=True) if is_live]
                found = eval_jaxpr(backwards[number].jaxpr, *residuals, *cast(Values, given))
                own = merged(found, backwards[number].nonzero)
                places = zip(own, avals, nonzero, strict=True)
                return [zeros(aval) if one is None else one for one, aval, has in places if has]

            return stage(run, [*map(aval_of, kept), *tangent_avals(branches[0].out_avals, live)])

        given = [ct for ct in cts if ct is not None]
        both = tuple(map(branch, range(len(branches))))
        found = bind(cond_p, (index, *kept, *given), {"branches": both}) if any(nonzero) else ()
        return (None, *merged(found, nonzero))

    return results[:count], pullback


# ---- batching ----


def _batch(axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    branches: tuple[Jaxpr, ...] = params["branches"]
    if batched[0]:
        if is_light(branches) or any(names_axis(branch, axis.name) for branch in branches):
            outs = choose_elements(axis, args[0], args[1:], batched[1:], branches)
            return outs, (True,) * len(outs)
        return over_lanes(cond_p, axis.size, args, batched, params)
    outs_batched = _any([batch_jaxpr(branch, axis, batched[1:]).batched for branch in branches])
    whole = tuple(batched_as(branch, axis, batched[1:], outs_batched) for branch in branches)
    return bind(cond_p, args, {"branches": whole}), outs_batched


cond_p = Primitive(
    "cond",
    _run,
    _abstract_eval,
    _vjp,
    _jvp,
    unnamed(_batch),
    _batch,
    captures=_captures,
    prune=_prune,
    lower=lower_to(Branch),
)
