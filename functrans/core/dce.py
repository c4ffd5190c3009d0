"""Dead code: what no result needs, and what has no effect. Imports `ir` and `nested`; start reading at `dce`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from functrans.core.ir import Atom, Eqn, Jaxpr, Var, memoized
from functrans.core.nested import map_jaxprs
from functrans.errors import RepeatedEffectError

__all__ = ["dce", "needed_eqns", "needed_inputs", "restricted", "without_effects"]


def needed_eqns(eqns: Iterable[Eqn], wanted: Iterable[object]) -> tuple[tuple[Eqn, ...], set[Var]]:
    """The equations, in order, that have effects or that the wanted atoms depend on, and all variables that those read.

    Loops and branches lose the results that nothing reads.
    """
    used = {atom for atom in wanted if isinstance(atom, Var)}
    kept: list[Eqn] = []
    for eqn in reversed(tuple(eqns)):
        if not used.isdisjoint(eqn.outvars) or eqn.has_effect:
            eqn = _pruned(eqn, used)
            kept.append(eqn)
            used.update(atom for atom in eqn.invars if isinstance(atom, Var))
    return tuple(reversed(kept)), used


def _pruned(eqn: Eqn, used: set[Var]) -> Eqn:
    if eqn.prim.prune is None:
        return eqn
    left = eqn.prim.prune(eqn.params, tuple(var in used for var in eqn.outvars))
    invars: Sequence[Atom] = [atom for atom, keeps in zip(eqn.invars, left.operands, strict=True) if keeps]
    outvars = [var for var, keeps in zip(eqn.outvars, left.results, strict=True) if keeps]
    return Eqn(eqn.prim, tuple(invars), left.params, tuple(outvars), eqn.source)


def dce(jaxpr: Jaxpr) -> Jaxpr:
    """The same function without the equations and captured constants that nothing needs; the inputs stay."""
    eqns, used = needed_eqns(jaxpr.eqns, jaxpr.outvars)
    consts = [(var, value) for var, value in zip(jaxpr.constvars, jaxpr.consts, strict=True) if var in used]
    same = len(eqns) == len(jaxpr.eqns) and all(map(_is_same, eqns, jaxpr.eqns))
    if same and len(consts) == len(jaxpr.consts):
        return jaxpr
    constvars, values = zip(*consts, strict=True) if consts else ((), ())
    return Jaxpr(jaxpr.invars, jaxpr.outvars, eqns, constvars, values)


def _is_same(one: Eqn, other: Eqn) -> bool:
    return one is other or (one.params is other.params and len(one.outvars) == len(other.outvars))


@memoized
def restricted(jaxpr: Jaxpr, inputs: tuple[bool, ...], results: tuple[bool, ...]) -> Jaxpr:
    """The function of some inputs that gives some of the results; the other inputs are not needed for them."""
    invars = tuple(var for var, keeps in zip(jaxpr.invars, inputs, strict=True) if keeps)
    outvars = tuple(atom for atom, keeps in zip(jaxpr.outvars, results, strict=True) if keeps)
    if len(invars) == len(jaxpr.invars) and len(outvars) == len(jaxpr.outvars):
        return dce(jaxpr)
    return dce(Jaxpr(invars, outvars, jaxpr.eqns, jaxpr.constvars, jaxpr.consts))


@memoized
def needed_inputs(jaxpr: Jaxpr, results: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which inputs some of the results, and effects, depend on."""
    wanted = (atom for atom, wants in zip(jaxpr.outvars, results, strict=True) if wants)
    _, used = needed_eqns(jaxpr.eqns, wanted)
    return tuple(var in used for var in jaxpr.invars)


@memoized
def without_effects(jaxpr: Jaxpr) -> Jaxpr:
    """The same results without the effects, for what is computed again.

    Raises RepeatedEffectError where a result needs what an effect gave, which is not known any more.
    """
    used: set[object] = set(jaxpr.outvars)
    kept: list[Eqn] = []
    for eqn in reversed(jaxpr.eqns):
        if not used.isdisjoint(eqn.outvars):
            if eqn.prim.effect:
                raise RepeatedEffectError(eqn.prim.name, eqn.source.place if eqn.source else "")
            kept.append(map_jaxprs(eqn, without_effects) if eqn.has_effect else eqn)
            used.update(eqn.invars)
    return Jaxpr(jaxpr.invars, jaxpr.outvars, tuple(reversed(kept)), jaxpr.constvars, jaxpr.consts)
