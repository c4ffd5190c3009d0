"""Where what a loop carries lies from turn to turn: buffers that change places, so that nothing is copied which need not be.

A body reads what is carried in one buffer each, and gives the next values in the same buffers (in place), in spare ones, or
it passes on what it was given. After a turn every buffer has a new role; roles follow from the body's plan alone. Imports
`steps`; start reading at `Carries`, then `Room`.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import prod

from functrans.compiler.arena import LINE
from functrans.compiler.nodes import Node
from functrans.compiler.steps import Argument, Output, Plan, Step
from functrans.core.ir import Atom, Var
from functrans.core.lowering_control import Scan, While
from functrans.record import Record

__all__ = ["Carries", "Room", "carries_in", "room_of"]


def lined(size: int) -> int:
    """Bytes in whole lines."""
    return -(-size // LINE) * LINE


class Carries(Record):
    """Buffers, by number: those of the carried values first, in order, then the spare ones."""

    sizes: tuple[int, ...]
    """Bytes of each."""
    spare: dict[int, int]
    """For a result of the body that takes a buffer of its own, the spare one."""
    after: tuple[int, ...]
    """The buffer that has the role of each in the next turn."""
    copies: dict[int, Atom]
    """Carried values that the body passes on from elsewhere, or twice: what is copied into their next buffers."""
    mixed: frozenset[int]
    """Carried values whose buffers come to be those of others."""

    @property
    def count(self) -> int:
        """How many values are carried."""
        return len(self.sizes) - len(self.spare)

    def is_swapped(self, number: int, turns: int | None) -> bool:
        """Whether a value starts in its spare buffer so that after so many turns it is in the first one."""
        other = self.after[number]
        return turns is not None and turns % 2 == 1 and other >= self.count and self.after[other] == number

    def offsets(self) -> tuple[tuple[int | None, ...], int]:
        """Where in memory of their own the buffers lie that need it, and how much that is.

        The others are the loop's results.
        """
        places: list[int | None] = []
        end = 0
        for number, size in enumerate(self.sizes):
            is_own = number >= self.count or number in self.mixed
            places.append(end if is_own else None)
            end += lined(size) if is_own else 0
        return tuple(places), end


def carries_of(body: Plan, first: int, count: int) -> Carries:
    """How the buffers of `count` values move that are a body's arguments from number `first` on, and its first results."""
    return _Maker(body, first, count).carries()


class _Maker:
    def __init__(self, body: Plan, first: int, count: int) -> None:
        self._body = body
        self._first = first
        self._values = body.arguments[first : first + count]
        places = (body.places[atom] if isinstance(atom, Var) else None for atom in body.results[:count])
        own = [i for i, place in enumerate(places) if place == Output(i)]
        self._spare = {i: count + k for k, i in enumerate(own)}
        self._types = [_type(var) for var in self._values]
        self._types += [self._types[i] for i in own]

    def carries(self) -> Carries:
        free = dict.fromkeys(range(len(self._types)))
        after: dict[int, int] = {}
        for i, atom in enumerate(self._body.results[: len(self._values)]):
            buffer = self._buffer(atom)
            if buffer in free:
                after[i] = buffer
                del free[buffer]
        copies = {i: self._body.results[i] for i in range(len(self._values)) if i not in after}
        for i in (*copies, *self._spare.values()):
            after[i] = next(buffer for buffer in free if self._types[buffer] == self._types[i])
            del free[after[i]]
        moves = tuple(after[i] for i in range(len(self._types)))
        sizes = tuple(prod(shape) * itemsize for shape, _, itemsize in self._types)
        return Carries(sizes, self._spare, moves, copies, self._mixed(moves))

    def _buffer(self, atom: Atom) -> int:
        """The buffer that a result is in; -1: none."""
        place = self._body.places[atom] if isinstance(atom, Var) else None
        if isinstance(place, Output):
            return self._spare.get(place.index, -1)
        if isinstance(place, Argument) and 0 <= place.index - self._first < len(self._values):
            return place.index - self._first
        return -1

    def _mixed(self, after: tuple[int, ...]) -> frozenset[int]:
        mixed: set[int] = set()
        for i in range(len(self._values)):
            around, buffer = [i], after[i]
            while buffer != i:
                around.append(buffer)
                buffer = after[buffer]
            if len([buffer for buffer in around if buffer < len(self._values)]) > 1:
                mixed.add(i)
        return frozenset(mixed)


def _type(var: Var) -> tuple[tuple[int, ...], Hashable, int]:
    return var.aval.shape, var.aval.dtype, var.aval.dtype.itemsize


class Room(Record):
    """How a loop or a branch uses its scratch memory: the bodies' arenas come first, one in place of the other."""

    flag: int
    """Where the result of a condition lies."""
    buffers: int
    """Where buffers of carried values begin."""
    size: int


def carries_in(step: Step) -> Carries | None:
    """How the buffers of a loop move; None: it is a branch, or no loop."""
    assert isinstance(step.work, Node)
    lowering = step.work.lowering
    if isinstance(lowering, Scan):
        return carries_of(step.bodies[0], lowering.consts, lowering.carry)
    if isinstance(lowering, While):
        return carries_of(step.bodies[1], lowering.body_consts, len(step.outs))
    return None


def room_of(step: Step) -> Room:
    """The scratch memory of a loop or a branch."""
    carries = carries_in(step)
    flag = max(lined(body.arena) for body in step.bodies)
    buffers = flag + LINE
    return Room(flag, buffers, buffers + (carries.offsets()[1] if carries else 0))
