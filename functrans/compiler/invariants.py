"""What a loop computes anew every turn though nothing in it changes, computed before the loop. Start reading at `invariants`.

Only what is dear goes before the loop, with what it is made of: elements that a nest computes on its way cost less than to
load them. Imports core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from functrans.core.ir import Atom, Eqn, Jaxpr, Literal, Var
from functrans.core.lowering import Barrier, Contract, Pointwise, Reduce, View
from functrans.core.lowering_control import Scan, While
from functrans.core.lowering_data import Iota
from functrans.core.lowering_windows import Convolve
from functrans.core.nested import hoist
from functrans.core.primitive import Params, Values

__all__ = ["invariants"]


def invariants(jaxpr: Jaxpr) -> Jaxpr:
    """The same function, whose loops leave to what is before them what depends on their constants alone."""
    if not any(isinstance(eqn.lowering, Scan | While) for eqn in jaxpr.eqns):
        return jaxpr
    eqns: list[Eqn] = []
    for eqn in jaxpr.eqns:
        eqns += _freed(eqn)
    return Jaxpr(jaxpr.invars, jaxpr.outvars, tuple(eqns), jaxpr.constvars, jaxpr.consts)


def _freed(eqn: Eqn) -> list[Eqn]:
    """The equations that go before a loop, and the loop; any other equation alone."""
    lowering = eqn.lowering
    if isinstance(lowering, Scan) and lowering.length:
        name, body, first, count, runs = "jaxpr", lowering.jaxpr, 0, lowering.consts, True
    elif isinstance(lowering, While):
        name, body, first, count, runs = (
            "body_jaxpr",
            lowering.body_jaxpr,
            lowering.cond_consts,
            lowering.body_consts,
            False,
        )
    else:
        return [eqn]
    outside = dict(zip(body.invars[:count], eqn.invars[first : first + count], strict=True))
    before, kept, found = _divided(body, outside, runs and not body.has_effects)
    if not found:
        return [eqn]
    # The values are captured by the body for a moment, as arrays would be, and become operands as those do.
    inner = Jaxpr(body.invars, body.outvars, tuple(kept), tuple(found), cast(Values, tuple(found.values())))
    params: Params = {**eqn.params, name: inner}
    invars, params = hoist(eqn.prim, eqn.invars, params, lambda value: cast(Atom, value))
    return [*before, Eqn(eqn.prim, invars, params, eqn.outvars, eqn.source)]


def _divided(body: Jaxpr, outside: Mapping[Var, Atom], runs: bool) -> tuple[list[Eqn], list[Eqn], dict[Var, Var]]:
    """What can go before the loop, what stays, and the variables of the body that are dear and known before it."""
    known: dict[Var, Atom] = dict(outside)
    before: list[Eqn] = []
    kept: list[Eqn] = []
    found: dict[Var, Var] = {}
    for eqn in body.eqns:
        if not _is_known(eqn, known) or not _may_go(eqn, runs):
            kept.append(eqn)
            continue
        outvars = tuple(Var(var.aval) for var in eqn.outvars)
        invars = tuple(atom if isinstance(atom, Literal) else known[atom] for atom in eqn.invars)
        before.append(Eqn(eqn.prim, invars, eqn.params, outvars, eqn.source))
        known.update(zip(eqn.outvars, outvars, strict=True))
        if _is_dear(eqn):
            found.update(zip(eqn.outvars, outvars, strict=True))
        else:
            kept.append(eqn)
    return before, kept, found


def _is_known(eqn: Eqn, known: Mapping[Var, Atom]) -> bool:
    return all(isinstance(atom, Literal) or atom in known for atom in eqn.invars)


def _may_go(eqn: Eqn, runs: bool) -> bool:
    """Whether it may run before the loop: it has no effect; and unless it runs in any case, first, it never raises nor warns."""
    if eqn.has_effect or next(eqn.jaxprs, None) is not None:
        return False
    return runs or isinstance(eqn.lowering, Contract | Convolve | View | Barrier | Iota)


def _is_dear(eqn: Eqn) -> bool:
    """Whether it takes longer to compute than to load: kernels, callbacks, reductions."""
    lowering = eqn.lowering
    if isinstance(lowering, View | Barrier | Iota) or not eqn.invars:
        return False
    smaller = max(var.aval.size for var in eqn.outvars) <= max(atom.aval.size for atom in eqn.invars)
    if isinstance(lowering, Pointwise):
        return smaller and lowering.cost >= _DEAR
    return smaller or not isinstance(lowering, Reduce)


_DEAR = 8
"""Additions: about what a transcendental function costs."""
