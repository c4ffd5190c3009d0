"""Dead code: what no result needs, and what has no effect. Imports `ir`."""

from __future__ import annotations

from collections.abc import Iterable

from functrans.core.ir import Eqn, Jaxpr, Var

__all__ = ["dce", "needed_eqns"]


def needed_eqns(eqns: Iterable[Eqn], wanted: Iterable[object]) -> tuple[tuple[Eqn, ...], set[Var]]:
    """The equations, in order, that have effects or that the wanted atoms depend on, and all variables that those read."""
    used = {atom for atom in wanted if isinstance(atom, Var)}
    kept: list[Eqn] = []
    for eqn in reversed(tuple(eqns)):
        if not used.isdisjoint(eqn.outvars) or eqn.has_effect:
            kept.append(eqn)
            used.update(atom for atom in eqn.invars if isinstance(atom, Var))
    return tuple(reversed(kept)), used


def dce(jaxpr: Jaxpr) -> Jaxpr:
    """The same function without the equations and captured constants that nothing needs; the inputs stay."""
    eqns, used = needed_eqns(jaxpr.eqns, jaxpr.outvars)
    consts = [(var, value) for var, value in zip(jaxpr.constvars, jaxpr.consts, strict=True) if var in used]
    if len(eqns) == len(jaxpr.eqns) and len(consts) == len(jaxpr.consts):
        return jaxpr
    constvars, values = zip(*consts, strict=True) if consts else ((), ())
    return Jaxpr(jaxpr.invars, jaxpr.outvars, eqns, constvars, values)
