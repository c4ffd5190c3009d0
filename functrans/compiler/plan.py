"""A program ready for a backend: steps in order, and where each value lies.

Temporaries share one arena: a value's bytes are given away after its last reader, and a nest writes over an operand that
dies in it where each element is read before it is written. Imports the other compiler modules; start reading at `Plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeAlias

from functrans.compiler.arena import LINE, Block, arrange
from functrans.compiler.copies import with_copies
from functrans.compiler.fusion import Unit, fuse
from functrans.compiler.groups import Group
from functrans.compiler.nest import Access, Nest, make_nest
from functrans.compiler.nodes import Node, Supports, build
from functrans.compiler.schedule import schedule, stored
from functrans.core.ir import Atom, Jaxpr, Var
from functrans.typing import Shape

__all__ = ["Argument", "Output", "Place", "Plan", "Step", "Temporary", "make_plan", "row_bytes"]


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
    """How many parts the work is cut into, which may run at the same time; each has scratch variables of its own."""

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


Chunks: TypeAlias = Callable[[Nest | Node], int]
"""How many parts a nest or a kernel is cut into."""


def make_plan(jaxpr: Jaxpr, supports: Supports, scratch: Scratch, chunks: Chunks = lambda _work: 1) -> Plan:
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
    """Gives values their places: first how long each lives, and which takes another's memory over; then where it lies."""

    def __init__(self, arguments: Sequence[Var], results: Sequence[Atom]) -> None:
        self.places: dict[Var, Place] = {var: Argument(i) for i, var in enumerate(arguments)}
        for i, atom in enumerate(results):
            if isinstance(atom, Var) and atom not in self.places:
                self.places[atom] = Output(i)
        self.size = 0
        self._blocks: dict[Var, Block] = {}
        self._scratch: list[Block] = []

    def allot(self, works: Sequence[Nest | Node], scratch: Scratch, chunks: Chunks) -> tuple[Step, ...]:
        steps = [Step(work, 0, scratch(work), chunks(work)) for work in works]
        last = {var: i for i, step in enumerate(steps) for var in step.reads}
        for i, step in enumerate(steps):
            dying = [var for var in step.reads if last[var] == i and var in self._blocks]
            for var in step.outs:
                if var not in self.places:
                    self._blocks[var] = self._block(var, step, i, dying)
                    self._blocks[var].last = max(i, last.get(var, i))
            self._scratch.append(Block(step.scratch_bytes, i, i))
            rows, inner = (step.work.scratch, step.work.inner) if isinstance(step.work, Nest) else ((), ())
            self._blocks.update((var, Block(step.chunks * row_bytes(var, inner), i, i)) for var in rows)
        self.size = arrange({id(block): block for block in (*self._blocks.values(), *self._scratch)}.values())
        self.places.update((var, Temporary(block.start)) for var, block in self._blocks.items())
        return tuple(replace(step, scratch=block.start) for step, block in zip(steps, self._scratch, strict=True))

    def _block(self, var: Var, step: Step, number: int, dying: list[Var]) -> Block:
        """The memory of a value that a step gives: that of one which dies in it, if it may be written over."""
        for old in dying:
            if isinstance(step.work, Nest) and _may_overwrite(step.work, old, var):
                dying.remove(old)
                return self._blocks[old]
        return Block(_bytes(var), number, number)


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
    return -(-prod(inner) * var.aval.dtype.itemsize // LINE) * LINE


def _bytes(var: Var) -> int:
    return var.aval.size * var.aval.dtype.itemsize
