"""A program ready for a backend: steps in order, and where each value lies.

Temporaries share one arena: a value's bytes are given away after its last reader, and a nest writes over an operand that
dies in it where each element is read before it is written. Imports the other compiler modules; start reading at `Plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from functrans.compiler.copies import with_copies
from functrans.compiler.fusion import Unit, fuse
from functrans.compiler.groups import Group
from functrans.compiler.nest import Access, Nest, make_nest
from functrans.compiler.nodes import Node, Supports, build
from functrans.compiler.schedule import schedule, stored
from functrans.core.ir import Atom, Jaxpr, Var
from functrans.typing import Shape

__all__ = ["Argument", "Output", "Place", "Plan", "Step", "Temporary", "make_plan", "row_bytes"]

_LINE = 64
"""Bytes to which every temporary is aligned: a cache line, and the widest vector."""


@dataclass(frozen=True, slots=True)
class Argument:
    """The memory of an argument of the program."""

    index: int


@dataclass(frozen=True, slots=True)
class Output:
    """The memory of a result of the program."""

    index: int


@dataclass(frozen=True, slots=True)
class Temporary:
    """Bytes of the arena."""

    offset: int


Place: TypeAlias = Argument | Output | Temporary


@dataclass(frozen=True, slots=True)
class Step:
    """A loop nest, or a node that is a kernel or a callback."""

    work: Nest | Node
    scratch: int = 0
    """Where in the arena it may work, if it asked for bytes."""
    scratch_bytes: int = 0
    chunks: int = 1
    """How many parts a nest is cut into, which may run at the same time; each has scratch variables of its own."""

    @property
    def reads(self) -> tuple[Var, ...]:
        if isinstance(self.work, Nest):
            return tuple(dict.fromkeys(access.base for access in self.work.reads))
        return tuple(ref.base for ref in self.work.operands if isinstance(ref.base, Var))

    @property
    def outs(self) -> tuple[Var, ...]:
        return self.work.outs


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps, places, and the size of the arena."""

    arguments: tuple[Var, ...]
    results: tuple[Atom, ...]
    """Stored variables, arguments, and literals."""
    steps: tuple[Step, ...]
    places: dict[Var, Place]
    arena: int


Scratch: TypeAlias = Callable[[Nest | Node], int]
"""The bytes that a nest or a kernel works in, besides its operands, results and scratch variables."""


Chunks: TypeAlias = Callable[[Nest], int]
"""How many parts a nest is cut into."""


def make_plan(jaxpr: Jaxpr, supports: Supports, scratch: Scratch, chunks: Chunks = lambda _nest: 1) -> Plan:
    """The plan of a jaxpr for a backend that has code for what `supports` says."""
    nodes = build(jaxpr, supports)
    units = schedule(with_copies(fuse(nodes.nodes)), nodes.results)
    wanted = stored(units, nodes.results)
    works = [_work(unit, wanted) for unit in units]
    memory = _Memory(jaxpr.invars, nodes.results)
    steps = memory.allot(works, scratch, chunks)
    return Plan(jaxpr.invars, nodes.results, steps, memory.places, memory.size)


def _work(unit: Unit, wanted: set[Var]) -> Nest | Node:
    return make_nest(unit, wanted) if isinstance(unit, Group) else unit


class _Memory:
    """Gives values their places, step by step."""

    def __init__(self, arguments: Sequence[Var], results: Sequence[Atom]) -> None:
        self.places: dict[Var, Place] = {var: Argument(i) for i, var in enumerate(arguments)}
        for i, atom in enumerate(results):
            if isinstance(atom, Var) and atom not in self.places:
                self.places[atom] = Output(i)
        self.size = 0
        self._taken: dict[Var | Step | int, tuple[int, int]] = {}  # start and end, of what is alive

    def allot(self, works: Sequence[Nest | Node], scratch: Scratch, chunks: Chunks) -> tuple[Step, ...]:
        steps = [Step(work, chunks=chunks(work) if isinstance(work, Nest) else 1) for work in works]
        last = {var: i for i, step in enumerate(steps) for var in step.reads}
        planned = []
        for i, step in enumerate(steps):
            dying = [var for var in step.reads if last[var] == i and isinstance(self.places[var], Temporary)]
            for var in step.outs:
                if var not in self.places:
                    self._place(var, step, dying)
            planned.append(Step(step.work, *self._scratch(step, scratch), step.chunks))
            for var in (*dying, *(out for out in step.outs if out not in last)):
                self._taken.pop(var, None)
        return tuple(planned)

    def _place(self, var: Var, step: Step, dying: list[Var]) -> None:
        for old in dying:
            if old in self._taken and isinstance(step.work, Nest) and _may_overwrite(step.work, old, var):
                self._taken[var] = self._taken.pop(old)
                self.places[var] = self.places[old]
                return
        self.places[var] = Temporary(self._take(var, _bytes(var)))

    def _scratch(self, step: Step, scratch: Scratch) -> tuple[int, int]:
        """Bytes for the step alone, taken, placed and given back: where those are that it asked for, and how many."""
        rows, inner = (step.work.scratch, step.work.inner) if isinstance(step.work, Nest) else ((), ())
        for var in rows:
            self.places[var] = Temporary(self._take(var, step.chunks * row_bytes(var, inner)))
        size = scratch(step.work)
        start = self._take(step, size) if size else 0
        for var in rows:
            del self._taken[var]
        self._taken.pop(step, None)
        return start, size

    def _take(self, key: Var | Step, size: int) -> int:
        """The lowest gap that is large enough."""
        size = -(-size // _LINE) * _LINE
        start = 0
        for begin, end in sorted(self._taken.values()):
            if begin - start >= size:
                break
            start = max(start, end)
        self._taken[key] = (start, start + size)
        self.size = max(self.size, start + size)
        return start


def _may_overwrite(nest: Nest, old: Var, new: Var) -> bool:
    """Whether each element of `old` is read at the very index at which `new` is written, and never after that."""
    if old.aval.dtype.itemsize != new.aval.dtype.itemsize or _bytes(old) != _bytes(new):
        return False
    reading = {i for i, op in enumerate(nest.ops) if any(isinstance(x, Access) and x.base is old for x in op.operands)}
    last = max((number for number, one in enumerate(nest.passes) if reading & {*one.ops}), default=0)
    if not reading <= {i for one in nest.passes for i in one.ops}:
        return False
    stores = [store for store in nest.stores if store.access.base is new]
    accesses = [access for access in nest.reads if access.base is old]
    return all(
        nest.ops[store.op].level == "full"
        and nest.ops[store.op].stage >= last
        and (access.strides, access.offset) == (store.access.strides, store.access.offset)
        for store in stores
        for access in accesses
    )


def row_bytes(var: Var, inner: Shape) -> int:
    """What a scratch variable of a nest takes, for one chunk."""
    return -(-prod(inner) * var.aval.dtype.itemsize // _LINE) * _LINE


def _bytes(var: Var) -> int:
    return var.aval.size * var.aval.dtype.itemsize
