"""A jaxpr as boxes and wires: inputs, operations, results. Start reading at `circuit_of`. Imports core and `numbers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from functrans.core.ir import Atom, Eqn, Jaxpr, Var
from functrans.core.ir import Literal as Constant
from functrans.core.printer import Names, print_eqn

__all__ = ["Box", "Circuit", "Kind", "Numbers", "Wire", "circuit_of", "shown"]

Kind: TypeAlias = Literal["input", "constant", "operation", "folded", "result"]

_SYMBOLS = {
    "add": "+", "add_any": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "eq": "=", "ne": "≠", "lt": "<", "le": "≤",
    "gt": ">", "ge": "≥", "dot_general": "· dot", "reduce_sum": "∑ sum", "reduce_prod": "∏ prod", "reduce_max": "max",
    "reduce_min": "min", "integer_pow": "xⁿ", "logistic": "σ logistic", "convert_element_type": "astype",
    "broadcast_in_dim": "broadcast",
}  # fmt: skip


class Numbers(NamedTuple):
    """What flows in a circuit: each variable's value, and the gradient by what each use of a variable reads."""

    values: Mapping[Var, Any]
    by_use: Mapping[tuple[int, int], Any]
    """By equation and operand; the number of equations stands for the results."""

    def of(self, atom: Atom, use: tuple[int, int]) -> tuple[str, str]:
        """The texts for a wire: the value and, where there is one, the gradient."""
        value = shown(self.values[atom]) if isinstance(atom, Var) and atom in self.values else ""
        return value, shown(self.by_use[use]) if use in self.by_use else ""


class Box(NamedTuple):
    """A box with a title, lines below it, and what a tooltip tells."""

    kind: Kind
    title: str
    lines: tuple[str, ...]
    tooltip: str
    group: int | None = None
    """Boxes of one group are computed together, and have one colour."""
    inner: tuple[Circuit, ...] = ()
    """What is drawn inside of it."""


class Wire(NamedTuple):
    """From one box to another, with the value and the gradient on it."""

    source: int
    target: int
    value: str = ""
    gradient: str = ""


class Circuit(NamedTuple):
    """Boxes in an order in which they can be computed, and the wires between them."""

    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


def circuit_of(
    jaxpr: Jaxpr,
    inputs: Sequence[str],
    results: Sequence[str],
    numbers: Numbers | None = None,
    groups: Mapping[int, int] | None = None,
    depth: int = 0,
) -> Circuit:
    """The circuit of a jaxpr.

    inputs, results: their names. groups: from the number of an equation to that of its group. depth: how many levels of the
    jaxprs that equations carry are drawn inside of their boxes.
    """
    names = Names.of(jaxpr)
    boxes: list[Box] = []
    wires: list[Wire] = []
    made: dict[Var, int] = {}

    def read(atom: Atom, target: int, use: tuple[int, int]) -> None:
        if isinstance(atom, Var):
            wires.append(Wire(made[atom], target, *(numbers.of(atom, use) if numbers else ())))

    for name, var in zip(inputs, jaxpr.invars, strict=True):
        made[var] = len(boxes)
        boxes.append(Box("input", name, (str(var.aval),), f"{name}: {var.aval}"))
    for var in jaxpr.constvars:
        made[var] = len(boxes)
        boxes.append(Box("constant", "constant", (str(var.aval),), "a value that the function closes over"))
    for number, eqn in enumerate(jaxpr.eqns):
        for i, atom in enumerate(eqn.invars):
            read(atom, len(boxes), (number, i))
        made.update((var, len(boxes)) for var in eqn.outvars)
        boxes.append(_operation(eqn, names, groups.get(number) if groups else None, depth))
    for i, (name, atom) in enumerate(zip(results, jaxpr.outvars, strict=True)):
        read(atom, len(boxes), (len(jaxpr.eqns), i))
        boxes.append(Box("result", name, (names.atom(atom) if isinstance(atom, Constant) else str(atom.aval),), name))
    return Circuit(tuple(boxes), tuple(wires))


def _operation(eqn: Eqn, names: Names, group: int | None, depth: int) -> Box:
    place = "" if eqn.source is None else eqn.source.place
    inner: tuple[Circuit, ...] = ()
    if depth:
        inner = tuple(
            circuit_of(jaxpr, _numbered("in", jaxpr.invars), _numbered("out", jaxpr.outvars), depth=depth - 1)
            for jaxpr in eqn.jaxprs
        )
    types = tuple(dict.fromkeys(str(var.aval) for var in eqn.outvars))
    tooltip = f"{print_eqn(eqn, names)}\n{place}".strip()
    return Box("operation", _title(eqn, names), types[:3] + (("…",) if len(types) > 3 else ()), tooltip, group, inner)


def _numbered(word: str, items: Sequence[object]) -> list[str]:
    return [f"{word} {i}" for i in range(len(items))] if len(items) > 1 else [word] * len(items)


def _title(eqn: Eqn, names: Names) -> str:
    """The operation, with the numbers that it is given: `× 2.0`."""
    symbol = _SYMBOLS.get(eqn.prim.name, eqn.prim.name)
    name = eqn.params.get("name")
    if isinstance(name, str) and any(True for _ in eqn.jaxprs):
        symbol = f"{symbol} {name}"
    literals = [names.atom(atom).partition(":")[0] if isinstance(atom, Constant) else "" for atom in eqn.invars]
    if len(literals) == 2 and literals[0]:
        return f"{literals[0]} {symbol}"
    return " ".join([symbol, *filter(None, literals)])


def shown(value: Any) -> str:
    """A value in a few characters: the numbers of a small one, else the least and the largest."""
    array = np.asarray(value)
    if array.dtype.kind not in "biufc" or not array.size:
        return ""
    if array.size <= 3:
        numbers = ", ".join(_number(number) for number in array.ravel())
        return numbers if not array.shape else f"[{numbers}]"
    if array.dtype.kind == "c":
        return f"|·| ≤ {_number(np.max(np.abs(array)))}"
    return f"{_number(array.min())} … {_number(array.max())}"


def _number(number: Any) -> str:
    return f"{number:.3g}" if number.dtype.kind in "fc" else str(number)
