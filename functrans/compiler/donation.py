"""Results in the memory of donated arguments: which fit, and in what order steps run so that they can take it.

Imports `nodes`, `groups` and core; start reading at `Donation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from functrans.compiler.fusion import Unit
from functrans.compiler.groups import Group
from functrans.compiler.nodes import Node
from functrans.compiler.products import Product
from functrans.core.ir import Atom, Jaxpr, Var
from functrans.typing import Shape

__all__ = ["Donation"]


class Donation:
    """The donated arguments that are still to be had, and the results that may take their memory."""

    def __init__(self, jaxpr: Jaxpr, results: Sequence[Atom], donated: Iterable[int]) -> None:
        given = (jaxpr.invars[i] for i in donated)
        self.arguments = [var for var in given if var not in results and var.aval.shape and var.aval.size]
        self._shapes: dict[Var, set[Shape]] = {}
        """Those in which a stored value is given to the caller."""
        for atom, out in zip(results, jaxpr.outvars, strict=True):
            if isinstance(atom, Var):
                self._shapes.setdefault(atom, set()).add(out.aval.shape)
        self._mates: dict[Var, Var] = {}
        """For an argument the result that corresponds to it: the first of its type to the first, and so on."""
        for var in self._shapes:
            mate = next((old for old in self.arguments if old not in self._mates and self._fits(old, var)), None)
            if mate is not None:
                self._mates[mate] = var

    def pairs(self, arguments: Iterable[Var], made: Sequence[Var]) -> list[tuple[Var, Var]]:
        """Which of the values that a step makes may take which argument's memory: those that correspond first."""
        pairs = [(old, var) for old in arguments for var in made if self._fits(old, var)]
        return sorted(pairs, key=lambda pair: not self._are_mates(*pair))

    def _fits(self, argument: Var, made: Var) -> bool:
        """Whether a value is a result of an argument's shape and dtype."""
        return made.aval.dtype == argument.aval.dtype and self._shapes.get(made) == {argument.aval.shape}

    def _are_mates(self, argument: Var, made: Var) -> bool:
        return self._mates.get(argument) is made

    def let_readers_go_first(self, waits: dict[Unit, set[Unit]], reads: dict[Unit, set[Var]]) -> None:
        """Let the unit that could write over an argument wait for all others that read it, where those do not wait for it."""
        for argument in self.arguments:
            readers = [unit for unit in waits if argument in reads[unit]]
            makers = [unit for unit in readers if not isinstance(unit, Node) and self.pairs([argument], _made(unit))]
            for unit in sorted(makers, key=lambda unit: self._mates.get(argument) not in _made(unit)):
                others = set(readers) - {unit}
                if not _waits_for(others, unit, waits):
                    waits[unit] |= others
                    break


def _made(unit: Group | Product) -> list[Var]:
    return [var for node in unit.nodes for var in node.outs]


def _waits_for(units: set[Unit], other: Unit, waits: dict[Unit, set[Unit]]) -> bool:
    """Whether one of the units runs after another one, as things are."""
    seen: set[Unit] = set()
    todo = [*units]
    while todo:
        unit = todo.pop()
        if unit is other:
            return True
        if unit not in seen:
            seen.add(unit)
            todo += waits[unit]
    return False
