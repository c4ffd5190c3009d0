"""A program as data: steps in order, and where each value lies. `plan.py` makes it; start reading at `Plan`.

Imports the compiler's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TypeAlias

from functrans.compiler.arena import LINE
from functrans.compiler.nest import Fused, Nest, Work
from functrans.compiler.options import Options
from functrans.core.ir import Atom, Var
from functrans.record import Record
from functrans.typing import Shape

__all__ = ["Argument", "Output", "Place", "Plan", "Step", "Temporary", "row_bytes"]


class Argument(Record):
    """The memory of an argument of the program: the argument, or the result that takes it over."""

    index: int


class Output(Record):
    """The memory of a result of the program."""

    index: int


class Temporary(Record):
    """Bytes of the arena."""

    offset: int


Place: TypeAlias = Argument | Output | Temporary


class Step(Record):
    """One thing that is done: where, and in how many parts."""

    work: Work
    scratch: int = 0
    """Where in the arena it may work, if it asked for bytes."""
    scratch_bytes: int = 0
    chunks: int = 1
    """How many parts the work is cut into, which may run at the same time; each has scratch variables of its own."""
    bodies: tuple[Plan, ...] = ()
    """Of a loop or a branch, the plans of its jaxprs, in order."""
    method: str = ""
    """How the backend does it, where it has several ways."""

    @property
    def reads(self) -> tuple[Var, ...]:
        if isinstance(self.work, Nest):
            return tuple(dict.fromkeys(access.base for access in self.work.reads))
        if isinstance(self.work, Fused):
            return tuple(dict.fromkeys((*self.work.operands, *(access.base for access in self.work.reads))))
        return tuple(ref.base for ref in self.work.operands if isinstance(ref.base, Var))

    @property
    def outs(self) -> tuple[Var, ...]:
        return self.work.outs


class Plan(Record):
    """Steps, places, and the size of the arena."""

    arguments: tuple[Var, ...]
    results: tuple[Atom, ...]
    """Stored variables, arguments, and literals."""
    steps: tuple[Step, ...]
    places: dict[Var, Place]
    arena: int
    options: Options

    def all_steps(self) -> Iterator[Step]:
        """The steps with those inside loops and branches, each after the step that it is in."""
        for step in self.steps:
            yield step
            for body in step.bodies:
                yield from body.all_steps()

    @property
    def overwritten(self) -> frozenset[int]:
        """The numbers of the arguments whose memory results have in the end."""
        places = ((atom, self.places[atom]) for atom in self.results if isinstance(atom, Var))
        return frozenset(
            place.index
            for var, place in places
            if isinstance(place, Argument) and var is not self.arguments[place.index]
        )

    @property
    def given(self) -> frozenset[int]:
        """Those and the donated arguments that are results as they are."""
        donated = {i for i in self.options.donated if self.arguments[i].aval.shape}
        return self.overwritten | {i for i in donated if self.arguments[i] in self.results}


def row_bytes(var: Var, inner: Shape) -> int:
    """What a scratch variable of a nest takes, for one chunk."""
    return -(-prod(inner) * var.aval.dtype.itemsize // LINE) * LINE
