"""The IR's type checker: scoping, and that every equation's result types are those its primitive gives.

Run after every transformation in the tests. Imports `ir`, `printer`.
"""

from __future__ import annotations

from functrans.core.ir import Atom, Eqn, Jaxpr, Literal, Var
from functrans.core.printer import Names, print_eqn
from functrans.errors import JaxprError

__all__ = ["check_jaxpr"]

_WINDOW = 3


def check_jaxpr(jaxpr: Jaxpr) -> None:
    """Check a jaxpr and those nested in it; raises JaxprError, which shows the equations around the wrong one."""
    bound: set[Var] = set()
    names = Names()
    if len(jaxpr.constvars) != len(jaxpr.consts):
        raise JaxprError(f"{len(jaxpr.constvars)} constvars but {len(jaxpr.consts)} consts", [])
    _define(bound, (*jaxpr.constvars, *jaxpr.invars), names, [])
    for number, eqn in enumerate(jaxpr.eqns):
        try:
            _check_eqn(eqn, bound, names)
        except Exception as error:
            raise JaxprError(str(error), _window(jaxpr, number, names)) from error
    for atom in jaxpr.outvars:
        _check_bound(atom, bound, names)


def _check_eqn(eqn: Eqn, bound: set[Var], names: Names) -> None:
    for atom in eqn.invars:
        _check_bound(atom, bound, names)
    for value in eqn.params.values():
        for nested in value if isinstance(value, tuple) else (value,):
            if isinstance(nested, Jaxpr):
                check_jaxpr(nested)
    inferred = eqn.prim.abstract_eval(*(atom.aval for atom in eqn.invars), **eqn.params)
    declared = tuple(var.aval for var in eqn.outvars)
    if inferred != declared:
        raise JaxprError(
            f"{eqn.prim} gives ({', '.join(map(str, inferred))}), declared are ({', '.join(map(str, declared))})", []
        )
    _define(bound, eqn.outvars, names, [])


def _define(bound: set[Var], variables: tuple[Var, ...], names: Names, window: list[str]) -> None:
    for var in variables:
        if var in bound:
            raise JaxprError(f"variable {names[var]} is defined twice", window)
        bound.add(var)


def _check_bound(atom: Atom, bound: set[Var], names: Names) -> None:
    if isinstance(atom, Var) and atom not in bound:
        raise JaxprError(f"variable {names[atom]} is used before it is defined", [])
    if isinstance(atom, Literal) and atom.aval.shape != ():
        raise JaxprError(f"a literal of shape {atom.aval.shape}; only rank 0 may be one", [])


def _window(jaxpr: Jaxpr, wrong: int, names: Names) -> list[str]:
    lines = []
    for number in range(max(0, wrong - _WINDOW), min(len(jaxpr.eqns), wrong + _WINDOW + 1)):
        eqn = jaxpr.eqns[number]
        place = f"   # {eqn.source}" if eqn.source else ""
        lines.append(f"{'>' if number == wrong else ' '} {print_eqn(eqn, names)}{place}")
    return lines
