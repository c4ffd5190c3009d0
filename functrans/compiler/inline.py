"""Inlining: an equation that applies a jaxpr to its operands gives way to the equations of that jaxpr. Imports core."""

from __future__ import annotations

from collections.abc import Iterator

from functrans.core.ir import Atom, Eqn, Jaxpr, Var, memoized
from functrans.typing import Array

__all__ = ["inline"]


@memoized
def inline(jaxpr: Jaxpr) -> Jaxpr:
    """The same function without nested jits and custom derivatives: nothing differentiates it any more."""
    if not any(eqn.prim.carries for eqn in jaxpr.eqns):
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
            yield Eqn(eqn.prim, invars, eqn.params, outvars, eqn.source)
            continue
        inner: Jaxpr = eqn.params[eqn.prim.carries]
        names.update(zip(inner.invars, invars, strict=True))
        captured.update(zip(inner.constvars, inner.consts, strict=True))
        yield from _inlined(inner.eqns, names, captured)
        results = tuple(_resolve(atom, names) for atom in inner.outvars)
        names.update(zip(eqn.outvars, results, strict=True))


def _resolve(atom: Atom, names: dict[Var, Atom]) -> Atom:
    return names.get(atom, atom) if isinstance(atom, Var) else atom
