"""Where the values of a plan lie while the code of its steps is written: of the program, or of a body within it.

Imports the compiler's data and the builder; start reading at `Frame`.
"""

from __future__ import annotations

from typing import Protocol

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, PTR, Value
from functrans.compiler.nodes import Node
from functrans.compiler.steps import Argument, Output, Plan
from functrans.core.ir import Var
from functrans.record import NamedTuple

__all__ = ["Frame", "Pointers", "Table"]


class Pointers(Protocol):
    """Pointers by number."""

    def __getitem__(self, number: int, /) -> Value: ...


class Table:
    """Pointers in memory, loaded where they are used."""

    def __init__(self, f: Function, place: Value) -> None:
        self._f = f
        self._place = place

    def __getitem__(self, number: int, /) -> Value:
        return self._f.load(self._f.offset(self._place, number, PTR), PTR)


class Frame(NamedTuple):
    """The memory that a plan works in."""

    f: Function
    plan: Plan
    arguments: Pointers
    results: Pointers
    arena: Value

    def pointer(self, var: Var) -> Value:
        place = self.plan.places[var]
        if isinstance(place, Argument):
            return self.arguments[place.index]
        if isinstance(place, Output):
            return self.results[place.index]
        return self.at(place.offset)

    def at(self, offset: int) -> Value:
        """A place in the arena."""
        return self.f.offset(self.arena, offset, I8)

    def operands(self, node: Node) -> list[Value]:
        """The pointers that a kernel is given: its operands, then its results."""
        bases = [ref.base for ref in node.operands if isinstance(ref.base, Var)]
        return [self.pointer(var) for var in (*bases, *node.outs)]
