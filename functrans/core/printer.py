"""Jaxprs as text, in JAX's notation: `{ lambda ; a:f64[3]. let b:f64[3] = sin a in (b,) }`. Imports `ir`, `aval`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from functrans.core.aval import short_dtype
from functrans.core.ir import PRINT, Atom, Eqn, Jaxpr, Literal, Var

__all__ = ["Names", "print_eqn", "print_jaxpr", "print_params"]

_INDENT = "  "


class Names:
    """Names for variables in order of first use: a, b, …, z, ba, bb, …"""

    def __init__(self) -> None:
        self._names: dict[Var, str] = {}

    @staticmethod
    def of(jaxpr: Jaxpr) -> Names:
        """The names that the variables of a jaxpr have in its text."""
        names = Names()
        names.typed((*jaxpr.constvars, *jaxpr.invars, *(var for eqn in jaxpr.eqns for var in eqn.outvars)))
        return names

    def __getitem__(self, var: Var) -> str:
        if var not in self._names:
            self._names[var] = _letters(len(self._names))
        return self._names[var]

    def typed(self, variables: Iterable[Var]) -> str:
        return " ".join(f"{self[var]}:{var.aval}" for var in variables)

    def atom(self, atom: Atom) -> str:
        return self[atom] if isinstance(atom, Var) else _literal(atom)


def print_jaxpr(jaxpr: Jaxpr, names: Names | None = None, indent: str = "") -> str:
    """The text of a jaxpr, one equation a line; nested ones are indented."""
    names = names or Names()
    consts, args = names.typed(jaxpr.constvars), names.typed(jaxpr.invars)
    head = f"{{ lambda {consts} ; {args}. let" if consts else f"{{ lambda ; {args}. let"
    inner = indent + 2 * _INDENT
    body = "".join(f"\n{inner}{print_eqn(eqn, names, inner)}" for eqn in jaxpr.eqns)
    results = ", ".join(names.atom(atom) for atom in jaxpr.outvars)
    results = f"({results},)" if len(jaxpr.outvars) == 1 else f"({results})"
    end = f"\n{indent}{_INDENT}in {results} }}" if body else f" in {results} }}"
    return head + body + end


def print_eqn(eqn: Eqn, names: Names, indent: str = "") -> str:
    """One equation: `c:f64[3] = mul a b`."""
    params = print_params(eqn, indent)
    operands = "".join(f" {names.atom(atom)}" for atom in eqn.invars)
    results = f"{names.typed(eqn.outvars)} = " if eqn.outvars else ""
    return f"{results}{eqn.prim.name}{params}{operands}"


def print_params(eqn: Eqn, indent: str = "") -> str:
    """What an equation's primitive is given besides operands: `[axes=(0,)]`."""
    if not eqn.params:
        return ""
    inner = indent + _INDENT
    shown = {name: _param(value, inner) for name, value in eqn.params.items()}
    if any(isinstance(value, Jaxpr) for value in eqn.params.values()):
        return "[" + "".join(f"\n{inner}{name}={text}" for name, text in shown.items()) + f"\n{indent}]"
    return "[" + " ".join(f"{name}={text}" for name, text in shown.items()) + "]"


def _param(value: object, indent: str) -> str:
    if isinstance(value, Jaxpr):
        return print_jaxpr(value, Names(), indent)
    if isinstance(value, np.dtype):
        return short_dtype(value) if value.kind in "iufc" else str(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    if isinstance(value, tuple):
        items = ", ".join(_param(item, indent) for item in value)
        return f"({items},)" if len(value) == 1 else f"({items})"
    return str(value)


def _literal(atom: Literal) -> str:
    value: object = atom.value
    number = value.item() if isinstance(value, np.generic | np.ndarray) else value
    return f"{number}:{atom.aval}"


def _letters(number: int) -> str:
    name = ""
    while True:
        number, letter = divmod(number, 26)
        name = chr(ord("a") + letter) + name
        if not number:
            return name


PRINT.append(print_jaxpr)
