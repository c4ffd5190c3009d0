"""Common subexpressions: equations that compute what an earlier one has computed. Imports core."""

from __future__ import annotations

from collections.abc import Hashable

from functrans.core.ir import Atom, Eqn, Jaxpr, Var, param_key

__all__ = ["cse"]


def cse(jaxpr: Jaxpr) -> Jaxpr:
    """The same function where equal primitives of equal operands and parameters are computed once, but for their effects."""
    same: dict[Var, Var] = {}
    seen: dict[Hashable, tuple[Var, ...]] = {}
    eqns: list[Eqn] = []

    def resolve(atom: Atom) -> Atom:
        return same.get(atom, atom) if isinstance(atom, Var) else atom

    for eqn in jaxpr.eqns:
        invars = tuple(map(resolve, eqn.invars))
        if eqn.has_effect:
            eqns.append(Eqn(eqn.prim, invars, eqn.params, eqn.outvars, eqn.source))
            continue
        key = (eqn.prim, tuple(atom if isinstance(atom, Var) else atom.key for atom in invars), param_key(eqn.params))
        if key in seen:
            same.update(zip(eqn.outvars, seen[key], strict=True))
        else:
            seen[key] = eqn.outvars
            eqns.append(eqn if invars == eqn.invars else Eqn(eqn.prim, invars, eqn.params, eqn.outvars, eqn.source))
    return Jaxpr(jaxpr.invars, tuple(map(resolve, jaxpr.outvars)), tuple(eqns), jaxpr.constvars, jaxpr.consts)
