"""Inlining: an equation that applies a jaxpr to its operands gives way to the equations of that jaxpr. Imports core."""

from __future__ import annotations

from collections.abc import Iterator

from functrans.core.ir import Atom, Eqn, Jaxpr, Var, memoized
from functrans.core.nested import hoist, map_jaxprs
from functrans.core.primitive import aval_of
from functrans.typing import Array

__all__ = ["inline"]


@memoized
def inline(jaxpr: Jaxpr) -> Jaxpr:
    """The same function without nested jits and custom derivatives: nothing differentiates it any more.

    Those of loops and branches are inlined within their jaxprs, which capture nothing afterwards.
    """
    if not any(eqn.prim.carries or eqn.prim.captures for eqn in jaxpr.eqns):
        return jaxpr
    names: dict[Var, Atom] = {}
    captured: dict[Var, Array] = dict(zip(jaxpr.constvars, jaxpr.consts, strict=True))
    eqns = tuple(_inlined(jaxpr.eqns, names, captured))
    outvars = tuple(_resolve(atom, names) for atom in jaxpr.outvars)
    return Jaxpr(jaxpr.invars, outvars, eqns, tuple(captured), tuple(captured.values()))


def _inlined(eqns: tuple[Eqn, ...], names: dict[Var, Atom], captured: dict[Var, Array]) -> Iterator[Eqn]:
    for eqn in eqns:
        invars = tuple(_resolve(atom, names) for atom in eqn.invars)
        if eqn.prim.carries is None:
            outvars = tuple(Var(var.aval) for var in eqn.outvars)  # a jaxpr may be inlined more than once
            names.update(zip(eqn.outvars, outvars, strict=True))
            yield _with_inlined_bodies(Eqn(eqn.prim, invars, eqn.params, outvars, eqn.source), captured)
            continue
        inner: Jaxpr = eqn.params[eqn.prim.carries]
        names.update(zip(inner.invars, invars, strict=True))
        captured.update(zip(inner.constvars, inner.consts, strict=True))
        yield from _inlined(inner.eqns, names, captured)
        results = tuple(_resolve(atom, names) for atom in inner.outvars)
        names.update(zip(eqn.outvars, results, strict=True))


def _with_inlined_bodies(eqn: Eqn, captured: dict[Var, Array]) -> Eqn:
    if eqn.prim.captures is None:
        return eqn

    def capture(value: Array) -> Var:
        var = Var(aval_of(value))
        captured[var] = value
        return var

    invars, params = hoist(eqn.prim, eqn.invars, map_jaxprs(eqn, inline).params, capture)
    return Eqn(eqn.prim, invars, params, eqn.outvars, eqn.source)


def _resolve(atom: Atom, names: dict[Var, Atom]) -> Atom:
    return names.get(atom, atom) if isinstance(atom, Var) else atom
