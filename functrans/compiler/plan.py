"""A program ready for a backend: steps in order, and where each value lies.

Temporaries share one arena: a value's bytes are given away after its last reader, and a nest writes over an operand that
dies in it where each element is read before it is written. So results lie in the memory of donated arguments. Imports the
other compiler modules; start reading at `make_plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from functrans.compiler.arena import Block, arrange
from functrans.compiler.carries import room_of
from functrans.compiler.copies import with_copies
from functrans.compiler.donation import Donation
from functrans.compiler.fusion import Finishes, Unit, fuse
from functrans.compiler.groups import Group
from functrans.compiler.nest import Access, Fused, Level, Nest, Store, Work, make_nest
from functrans.compiler.nodes import Node, Supports, build
from functrans.compiler.options import Options
from functrans.compiler.products import Product
from functrans.compiler.schedule import schedule, stored
from functrans.compiler.steps import Argument, Output, Place, Plan, Step, Temporary, row_bytes
from functrans.core.ir import Atom, Jaxpr, Var
from functrans.core.lowering_control import Branch, Control, Scan, While
from functrans.core.lowering_data import DynamicUpdateSlice, Scatter
from functrans.record import NamedTuple, replace

__all__ = ["Backend", "make_plan"]


class Backend(NamedTuple):
    """What a plan has to know of the backend that runs it."""

    supports: Supports
    """What it has code for."""
    scratch: Callable[[Work], int] = lambda _work: 0
    """The bytes that a step works in, besides its operands, results and scratch variables."""
    chunks: Callable[[Work], int] = lambda _work: 1
    """How many parts a step is cut into."""
    refuses: Callable[[Work], bool] = lambda _work: True
    """Whether NumPy may be asked to run the whole program, from its arguments, for an error that the work met."""
    finishes: Finishes = lambda _product: False
    """Whether it finishes the elements of a product inside it."""
    prepares: Finishes = lambda _product: False
    """Whether it makes the elements of a product's right operand inside it."""
    is_kernel: Callable[[Node], bool] = lambda _work: False
    """Whether it has code for a loop or a branch as a whole: its bodies have no plans then."""
    method: Callable[[Work], str] = lambda _work: ""
    """How it does it, where it has several ways."""


def make_plan(jaxpr: Jaxpr, backend: Backend, options: Options = Options()) -> Plan:  # noqa: B008  # it is immutable
    """The plan of a jaxpr for a backend."""

    def body(inner: Jaxpr, carried: Iterable[int] = ()) -> Plan:
        """Of a jaxpr within: it may write over what a loop carries, of which NumPy is never asked."""
        own = Options(tuple(carried), options.threads)
        return make_plan(inner, backend._replace(refuses=lambda _work: False), own)

    def step(unit: Unit) -> Step:
        if isinstance(unit, Node) and isinstance(unit.lowering, Control) and not backend.is_kernel(unit):
            one = Step(unit, bodies=_bodies(unit.lowering, body))
            return replace(one, scratch_bytes=room_of(one).size)
        work = _work(unit, wanted)
        chunks = backend.chunks(work) if options.threads != 1 else 1
        return Step(work, 0, backend.scratch(work), chunks, method=backend.method(work))

    nodes = build(jaxpr, backend.supports)
    donation = Donation(jaxpr, nodes.results, options.donated)
    units = schedule(
        with_copies(fuse(nodes.nodes, nodes.results, backend.finishes, backend.prepares)), nodes.results, donation
    )
    wanted = stored(units, nodes.results)
    memory = _Memory(jaxpr.invars, nodes.results, donation)
    planned = [step(unit) for unit in units]
    steps = memory.allot(planned, _first_safe(planned, backend))
    return Plan(jaxpr.invars, nodes.results, steps, memory.places, memory.size, options)


def _work(unit: Unit, wanted: set[Var]) -> Work:
    if isinstance(unit, Product):
        before = None if unit.prologue is None else unit.prologue.nest({unit.operand})
        after = None if unit.epilogue is None else unit.epilogue.nest(wanted)
        return Fused(unit.node, before, after)
    return make_nest(unit, wanted) if isinstance(unit, Group) else unit


def _bodies(lowering: Control, body: Callable[..., Plan]) -> tuple[Plan, ...]:
    """The plans of the jaxprs of a loop or a branch."""
    if isinstance(lowering, Branch):
        return tuple(map(body, lowering.branches))
    if isinstance(lowering, Scan):
        return (body(lowering.jaxpr, range(lowering.consts, lowering.consts + lowering.carry)),)
    carried = range(lowering.body_consts, len(lowering.body_jaxpr.invars))
    return body(lowering.cond_jaxpr), body(lowering.body_jaxpr, carried)


def _first_safe(steps: Sequence[Step], backend: Backend) -> int:
    """The first step that may write over arguments: NumPy is no longer asked then.

    What a kernel refuses ends the program at once; what a nest does is found at the end.
    """
    inside = [[one.work for one in (step, *(s for body in step.bodies for s in body.all_steps()))] for step in steps]
    wrong = [(i, work) for i, works in enumerate(inside) for work in works if backend.refuses(work)]
    if any(not isinstance(work, Node) for _, work in wrong):
        return len(steps)
    return max((i for i, _ in wrong), default=-1) + 1


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

    def allot(self, steps: Sequence[Step], first_safe: int) -> tuple[Step, ...]:
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
            if is_free and (old not in step.reads or _writes_over(step, old, var)):
                self.places[var] = self.places[old]
                self._donation.arguments.remove(old)

    def _block(self, var: Var, step: Step, number: int, dying: list[Var]) -> Block:
        """The memory of a value that a step gives: that of one which dies in it, if it may be written over."""
        for old in dying:
            if _writes_over(step, old, var):
                dying.remove(old)
                return self._blocks[old]
        return Block(var.aval.nbytes, number, number)


_BEFORE: dict[Level, tuple[Level, ...]] = {
    "end": ("once", "outer", "full"),
    "columns": ("once", "outer", "full", "end"),
}
"""What is done before anything of a level is: all loops."""


def _writes_over(step: Step, old: Var, new: Var) -> bool:
    """Whether each element of `old` is read at the very index at which `new` is written, and never after that."""
    work = step.work
    if old.aval.dtype.itemsize != new.aval.dtype.itemsize or old.aval.nbytes != new.aval.nbytes:
        return False
    if isinstance(work, Fused) and (work.epilogue is None or old in _read_inside(work)):
        return False
    nest = work.epilogue if isinstance(work, Fused) else work
    assert nest is not None
    if isinstance(nest, Node):
        bases = [ref.base for ref in nest.operands]
        return bases.count(old) == 1 and bases.index(old) == _operand_under(nest, new)
    reading = [i for i, op in enumerate(nest.ops) if any(isinstance(x, Access) and x.base is old for x in op.operands)]
    return all(_is_last(nest, old, store, reading) for store in nest.stores if store.access.base is new)


def _read_inside(work: Fused) -> set[Var]:
    """What a product reads while its result is written: its operands, and what makes them."""
    before = () if work.prologue is None else work.prologue.reads
    return {*work.operands, *(access.base for access in before)}


def _operand_under(node: Node, new: Var) -> int | None:
    """The operand of a kernel or a loop in whose memory a result may lie."""
    lowering = node.lowering
    if isinstance(lowering, DynamicUpdateSlice) or (isinstance(lowering, Scatter) and not lowering.from_zeros):
        return 0
    if isinstance(lowering, While):
        return lowering.consts + node.outs.index(new)
    if isinstance(lowering, Scan) and node.outs.index(new) < lowering.carry:
        return lowering.consts + node.outs.index(new)
    return None


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
