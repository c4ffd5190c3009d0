"""A whole program as one LLVM function, which calls a function per nest and kernel.

`i64 program(ptr arguments, ptr results, ptr arena, ptr warnings, ptr services)`: the first two point to arrays of pointers; it
gives 0, or the number of the step that failed, counted from 1. The services are two pointers: the function that runs a callback
to NumPy, and the cell with the one that runs chunks in parallel. Nothing in it is an address, so that object code can be kept.
Imports the compiler's plan and the emitters; start reading at `emit_program`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from functrans.backends.llvm.across import across_bytes
from functrans.backends.llvm.columns import ColumnEmitter
from functrans.backends.llvm.elements import is_known
from functrans.backends.llvm.families import FAMILIES
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels import contract
from functrans.backends.llvm.kernels.product.epilogue import epilogue_variables
from functrans.backends.llvm.nests import nest_variables
from functrans.backends.llvm.rows import RowEmitter
from functrans.backends.llvm.scalars import supports as has_operation
from functrans.backends.llvm.target import Target
from functrans.backends.llvm.threads.chunks import axis, call_chunks, chunk_count, emit_chunk, is_always_cut
from functrans.compiler.nest import Finished, Nest, Work
from functrans.compiler.nodes import Host, Node
from functrans.compiler.steps import Argument, Output, Place, Plan, Step, row_bytes
from functrans.core.aval import ShapedArray, shaped
from functrans.core.ir import Var
from functrans.core.lowering import Contract, Lowering, Pointwise, Reduce
from functrans.core.lowering_data import Gather, Scatter

__all__ = ["ENTRY", "emit_program", "finishes", "parts", "refuses", "scratch_bytes", "supports"]

ENTRY = "program"


def supports(lowering: Lowering, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    """Whether there is native code; see `functrans.compiler.nodes.Supports`."""
    dtypes = [aval.dtype for aval in ins]
    if not all(is_known(aval.dtype) for aval in (*ins, *outs)):
        return False
    if isinstance(lowering, Pointwise):
        params = lowering.emit.keywords if isinstance(lowering.emit, partial) else {}
        return all(has_operation(name, dtypes, params) for name in lowering.needs)
    if isinstance(lowering, Reduce):
        return has_operation(lowering.combine, dtypes, {})
    family = FAMILIES.get(type(lowering))
    return family is not None and family.supports(lowering, ins, outs)


def finishes(product: Node) -> bool:
    """Whether a matrix product with an epilogue pays; see `functrans.compiler.fusion.Finishes`."""
    assert isinstance(product.lowering, Contract)
    return contract.finishes(product.lowering, _avals(product)[0])


def scratch_bytes(work: Work) -> int:
    """What a step works in."""
    if isinstance(work, Nest):
        return across_bytes(work) * chunk_count(work)
    if isinstance(work, Finished):
        assert isinstance(work.product.lowering, Contract)
        return contract.scratch_bytes(work.product.lowering, *_avals(work.product), finished=True)
    family = FAMILIES.get(type(work.lowering))
    return 0 if family is None else family.scratch_bytes(work.lowering, *_avals(work))


def parts(work: Work) -> int:
    """How many parts of a step may run at the same time."""
    if isinstance(work, Nest):
        return chunk_count(work)
    if isinstance(work, Finished):
        return parts(work.product)
    family = FAMILIES.get(type(work.lowering))
    return 1 if family is None or family.chunks is None else family.chunks(work.lowering, *_avals(work))


_REFUSING = {"pow", "select_n"}
"""Operations that NumPy refuses for some integers."""


def refuses(work: Work) -> bool:
    """Whether it may meet operands that NumPy raises an error for; see `functrans.compiler.plan.Refuses`."""
    if isinstance(work, Finished):
        return refuses(work.nest)
    if isinstance(work, Node):
        return isinstance(work.lowering, Gather | Scatter) and work.lowering.windows.bounds == "raise"
    return any(
        isinstance(op.node.lowering, Pointwise)
        and not _REFUSING.isdisjoint(op.node.lowering.needs)
        and op.node.operands[0].base.aval.dtype.kind in "iu"
        for op in work.ops
    )


def _avals(node: Node) -> tuple[list[ShapedArray], list[ShapedArray]]:
    """Of a kernel's operands and results. The operands' shapes are those of the refs: a reshape is no copy."""
    ins = [shaped(ref.layout.shape, ref.base.aval.dtype) for ref in node.operands]
    return ins, [var.aval for var in node.outs]


def emit_program(plan: Plan, target: Target, entry: str = ENTRY, *, exported: bool = True) -> Module:
    """The module of a plan, with the program under the name of `entry`."""
    module = Module(target)
    module.threads = plan.options.threads
    steps = [_emit_step(module, f"step{i}", step) for i, step in enumerate(plan.steps)]
    f = Function(
        module,
        entry,
        [(name, PTR) for name in ("arguments", "results", "arena", "warnings", "services")],
        I64,
        exported=exported,
    )
    main = _Main(f, plan.places)
    for i, (step, function) in enumerate(zip(plan.steps, steps, strict=True)):
        if isinstance(step.work, Nest):
            assert function is not None
            main.call_nest(function, step, step.work)
            continue
        if isinstance(step.work, Finished):
            assert function is not None
            main.call_product(function, step, step.work)
            continue
        if function is None:
            status = main.call_host(i, step.work)
        else:
            status = main.call_kernel(function, step, step.work)
        f.leave_if(f.icmp("ne", status, 0), i + 1)
    f.ret(f.index(0))
    return module


def _emit_step(module: Module, name: str, step: Step) -> Function | None:
    """The function of a step; none for a callback."""
    work = step.work
    if isinstance(work, Nest):
        emitter = ColumnEmitter if work.is_column else RowEmitter
        return emitter(module, name, work, chunked=step.chunks > 1 or is_always_cut(work)).emit()
    if isinstance(work, Finished):
        assert isinstance(work.product.lowering, Contract)
        return contract.emit(module, name, work.product.lowering, *_avals(work.product), work)
    if isinstance(work.lowering, Host):
        return None
    return FAMILIES[type(work.lowering)].emit(module, name, work.lowering, *_avals(work))


def _own_rows(step: Step, nest: Nest) -> list[int]:
    """For each variable of a nest, the bytes that a chunk has for itself: of scratch variables, where chunks run at once."""
    own = nest.scratch if step.chunks > 1 else ()
    return [row_bytes(var, nest.inner) if var in own else 0 for var in nest_variables(nest)]


class _Main:
    """Where values lie, in the program's own function."""

    def __init__(self, f: Function, places: Mapping[Var, Place]) -> None:
        self._f = f
        self._places = places
        self._arguments, self._results, self._arena, self._warnings, self._services = f.args

    def pointer(self, var: Var) -> Value:
        place = self._places[var]
        if isinstance(place, Argument):
            return self._f.load(self._f.offset(self._arguments, place.index, PTR), PTR)
        if isinstance(place, Output):
            return self._f.load(self._f.offset(self._results, place.index, PTR), PTR)
        return self.at(place.offset)

    def at(self, offset: int) -> Value:
        """A place in the arena."""
        return self._f.offset(self._arena, offset, I8)

    def operands(self, node: Node) -> list[Value]:
        bases = [ref.base for ref in node.operands if isinstance(ref.base, Var)]
        return [self.pointer(var) for var in (*bases, *node.outs)]

    def call_nest(self, function: Function, step: Step, nest: Nest) -> None:
        variables = nest_variables(nest)
        pointers = [*map(self.pointer, variables), self.at(step.scratch), self._warnings]
        if is_always_cut(nest):
            self._call_sums(function, step, nest, pointers)
            return
        if step.chunks == 1:
            self._f.call(function, *pointers)
            return
        chunk = emit_chunk(self._f.module, function, nest, step.chunks, [*_own_rows(step, nest), 0, 0])
        at_once = partial(self._f.call, function, *pointers, 0, axis(nest)[0])
        call_chunks(self._f, chunk, pointers, step.chunks, self._parallel(), at_once)

    def _call_sums(self, function: Function, step: Step, nest: Nest, pointers: Sequence[Value]) -> None:
        """A nest whose chunks have sums of their own, which are added up in the end."""
        module, count = self._f.module, chunk_count(nest)
        chunk = emit_chunk(module, function, nest, count, [*_own_rows(step, nest), across_bytes(nest), 0])
        call_chunks(self._f, chunk, pointers, count, self._parallel() if step.chunks > 1 else self._f.null())
        self._f.call(RowEmitter(module, f"{function.name}_after", nest).emit_after(count), *pointers)

    def call_kernel(self, function: Function, step: Step, node: Node) -> Value:
        """What its function gives."""
        pointers = [*self.operands(node), self.at(step.scratch)]
        if FAMILIES[type(node.lowering)].chunks is not None:
            pointers.append(self._parallel() if step.chunks > 1 else self._f.null())
        return self._f.call(function, *pointers)

    def call_product(self, function: Function, step: Step, work: Finished) -> None:
        operands = [*work.operands, *epilogue_variables(work)]
        pointers = [*map(self.pointer, operands), self._warnings, self.at(step.scratch)]
        self._f.call(function, *pointers, self._parallel() if step.chunks > 1 else self._f.null())

    def _parallel(self) -> Value:
        """The function that runs chunks in parallel, or null: from its cell, at each call."""
        cell = self._f.load(self._f.offset(self._services, 1, PTR), PTR)
        return self._f.load(cell, PTR)

    def call_host(self, number: int, node: Node) -> Value:
        """Call back into Python with the step's number and the pointers of its operands and results."""
        f, pointers = self._f, self.operands(node)
        table = f.stack(PTR, max(len(pointers), 1))
        for i, pointer in enumerate(pointers):
            f.store(pointer, f.offset(table, i, PTR))
        return f.call_pointer(f.load(self._services, PTR), I64, f.index(number), table)
