"""A program ready for a backend: steps in order, and where each value lies.

Temporaries share one arena: a value's bytes are given away after its last reader, and a nest writes over an operand that
dies in it where each element is read before it is written. So results lie in the memory of donated arguments. Imports the
other compiler modules; start reading at `make_plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from functrans.compiler.arena import Block, arrange
from functrans.compiler.copies import with_copies
from functrans.compiler.donation import Donation
from functrans.compiler.epilogues import Product
from functrans.compiler.fusion import Finishes, Unit, fuse
from functrans.compiler.groups import Group
from functrans.compiler.nest import Access, Finished, Level, Nest, Store, Work, make_nest
from functrans.compiler.nodes import Node, Supports, build
from functrans.compiler.options import Options
from functrans.compiler.schedule import schedule, stored
from functrans.compiler.steps import Argument, Output, Place, Plan, Step, Temporary, row_bytes
from functrans.core.ir import Atom, Jaxpr, Var
from functrans.record import replace

__all__ = ["make_plan"]


Scratch: TypeAlias = Callable[[Work], int]
"""The bytes that a step works in, besides its operands, results and scratch variables."""


Chunks: TypeAlias = Callable[[Work], int]
"""How many parts a step is cut into."""


Refuses: TypeAlias = Callable[[Work], bool]
"""Whether NumPy may be asked to run the whole program, from its arguments, for an error that it met."""


def make_plan(
    jaxpr: Jaxpr,
    supports: Supports,
    scratch: Scratch,
    chunks: Chunks = lambda _work: 1,
    refuses: Refuses = lambda _work: True,
    finishes: Finishes = lambda _product: False,
    options: Options = Options(),  # noqa: B008  # it is immutable
) -> Plan:
    """The plan of a jaxpr for a backend that has code for what `supports` and `finishes` say."""
    nodes = build(jaxpr, supports)
    donation = Donation(jaxpr, nodes.results, options.donated)
    units = schedule(with_copies(fuse(nodes.nodes, nodes.results, finishes)), nodes.results, donation)
    wanted = stored(units, nodes.results)
    works = [_work(unit, wanted) for unit in units]
    memory = _Memory(jaxpr.invars, nodes.results, donation)
    steps = memory.allot(
        works, scratch, chunks if options.threads != 1 else lambda _work: 1, _first_safe(works, refuses)
    )
    return Plan(jaxpr.invars, nodes.results, steps, memory.places, memory.size, options)


def _work(unit: Unit, wanted: set[Var]) -> Work:
    if isinstance(unit, Product):
        return Finished(unit.node, make_nest(unit.epilogue, wanted, unit.rows))
    return make_nest(unit, wanted) if isinstance(unit, Group) else unit


def _first_safe(works: Sequence[Work], refuses: Refuses) -> int:
    """The first step that may write over arguments: NumPy is no longer asked then.

    What a kernel refuses ends the program at once; what a nest does is found at the end.
    """
    wrong = [i for i, work in enumerate(works) if refuses(work)]
    if any(not isinstance(works[i], Node) for i in wrong):
        return len(works)
    return max(wrong, default=-1) + 1


class _Memory:
    """Gives values their places: first how long each lives, and which takes another's memory over; then where it lies."""

    def __init__(self, arguments: Sequence[Var], results: Sequence[Atom], donation: Donation) -> None:
        self.places: dict[Var, Place] = {var: Argument(i) for i, var in enumerate(arguments)}
        for i, atom in enumerate(results):
            if isinstance(atom, Var) and atom not in self.places:
                self.places[atom] = Output(i)
        self.size = 0
        self._donation = donation
        self._blocks: dict[Var, Block] = {}
        self._scratch: list[Block] = []

    def allot(self, works: Sequence[Work], scratch: Scratch, chunks: Chunks, first_safe: int) -> tuple[Step, ...]:
        steps = [Step(work, 0, scratch(work), chunks(work)) for work in works]
        last = {var: i for i, step in enumerate(steps) for var in step.reads}
        for i, step in enumerate(steps):
            dying = [var for var in step.reads if last[var] == i and var in self._blocks]
            if i >= first_safe:
                self._take_over(step, [var for var in self._donation.arguments if last.get(var, -1) <= i])
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

    def _take_over(self, step: Step, dead: list[Var]) -> None:
        """Put results of a step into the memory of donated arguments that no later one reads."""
        for old, var in self._donation.pairs(dead, step.outs):
            is_free = old in self._donation.arguments and isinstance(self.places[var], Output)
            if is_free and (old not in step.reads or _writes_over(step.work, old, var)):
                self.places[var] = self.places[old]
                self._donation.arguments.remove(old)

    def _block(self, var: Var, step: Step, number: int, dying: list[Var]) -> Block:
        """The memory of a value that a step gives: that of one which dies in it, if it may be written over."""
        for old in dying:
            if _writes_over(step.work, old, var):
                dying.remove(old)
                return self._blocks[old]
        return Block(_bytes(var), number, number)


_BEFORE: dict[Level, tuple[Level, ...]] = {
    "end": ("once", "outer", "full"),
    "columns": ("once", "outer", "full", "end"),
}
"""What is done before anything of a level is: all loops."""


def _writes_over(work: Work, old: Var, new: Var) -> bool:
    """Whether each element of `old` is read at the very index at which `new` is written, and never after that."""
    if isinstance(work, Finished) and old in work.operands:
        return False
    nest = work.nest if isinstance(work, Finished) else work
    if isinstance(nest, Node) or old.aval.dtype.itemsize != new.aval.dtype.itemsize or _bytes(old) != _bytes(new):
        return False
    reading = [i for i, op in enumerate(nest.ops) if any(isinstance(x, Access) and x.base is old for x in op.operands)]
    return all(_is_last(nest, old, store, reading) for store in nest.stores if store.access.base is new)


def _is_last(nest: Nest, old: Var, store: Store, reading: Sequence[int]) -> bool:
    """Whether a store comes after the operations that read a value, each of which reads at its index."""
    level, stage = nest.ops[store.op].level, nest.ops[store.op].stage
    left = {i for i in reading if nest.ops[i].level not in _BEFORE.get(level, ())}
    last = max((nest.ops[i].stage for i in left), default=0)
    if level == "full":  # what is read may be computed once more in a later pass
        last = max((number for number, one in enumerate(nest.passes) if left & {*one.ops}), default=last)
    read = (x for i in left for x in nest.ops[i].operands if isinstance(x, Access) and x.base is old)
    where = (store.access.strides, store.access.offset)
    return not left or (
        {nest.ops[i].level for i in left} == {level}
        and last <= stage
        and all((access.strides, access.offset) == where for access in read)
        and _goes_once(nest, level, store.access)
    )


def _goes_once(nest: Nest, level: Level, access: Access) -> bool:
    """Whether every turn of a level's loops has an element of its own. What is in no loop, each chunk computes."""
    sizes = (*nest.lead, *nest.inner, *nest.last)
    numbers, inner = range(len(sizes)), range(len(nest.lead), len(nest.lead) + len(nest.inner))
    loops: dict[Level, Sequence[int]] = {
        "full": numbers,
        "outer": [i for i in numbers if i not in inner],
        "columns": inner,
    }
    own = loops.get(level, ())
    is_in_none = level == "once" or (level == "outer" and not own)
    return not is_in_none and all(access.strides[i] or sizes[i] == 1 for i in own)


def _bytes(var: Var) -> int:
    return var.aval.size * var.aval.dtype.itemsize
