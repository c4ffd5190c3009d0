"""A whole program as one LLVM function, which calls a function per nest and kernel.

`i64 program(ptr arguments, ptr results, ptr arena, ptr warnings, ptr services)`: the first two point to arrays of pointers; it
gives 0, or the number of the step that failed, counted from 1 (steps of loops and branches are counted too), or -1 where a
signal's handler raised, -2 where there was no memory. Where results are stacks, there is a result more: the newest chunk of
the memory that they lie in (`tape.py`). The services are pointers (`services.py`). Nothing in it is an address, so that object
code can be kept.
Imports the compiler's plan and the emitters; start reading at `emit_program`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial

from functrans.backends.llvm import lanes, registers
from functrans.backends.llvm.across import across_bytes
from functrans.backends.llvm.columns import ColumnEmitter
from functrans.backends.llvm.elements import is_known
from functrans.backends.llvm.families import family_of, kernels_of
from functrans.backends.llvm.far import far_results
from functrans.backends.llvm.frame import Frame, Table
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module
from functrans.backends.llvm.loaded import ENTRY
from functrans.backends.llvm.refusal import refuses
from functrans.backends.llvm.rows import RowEmitter
from functrans.backends.llvm.scalars import supports as has_operation
from functrans.backends.llvm.step_writer import StepWriter
from functrans.backends.llvm.tape import Tape, newest_chunk, open_tape
from functrans.backends.llvm.target import Target
from functrans.backends.llvm.threads.chunks import chunk_count, is_always_cut
from functrans.compiler.nest import Fused, Nest, Work
from functrans.compiler.nodes import Host, Node
from functrans.compiler.plan import Backend
from functrans.compiler.stacks import pushes
from functrans.compiler.steps import Plan, Step
from functrans.core.aval import ShapedArray, shaped
from functrans.core.ir import Var
from functrans.core.lowering import Contract, Lowering, Pointwise, Reduce
from functrans.core.lowering_control import Control
from functrans.core.lowering_stack import AddStacks, Push, StackStep
from functrans.core.stacks import is_stack

__all__ = ["BACKEND", "ENTRY", "emit_program", "gives_stacks", "uses_tape"]


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
    if isinstance(lowering, Control | StackStep):
        return True
    family = family_of(type(lowering))
    return family is not None and family.supports(lowering, ins, outs)


def finishes(product: Node) -> bool:
    """Whether a product or a convolution with an epilogue pays; see `functrans.compiler.fusion.Finishes`."""
    finish = kernels_of(type(product.lowering)).finishes
    return finish is not None and finish(product.lowering, *_avals(product))


def prepares(product: Node) -> bool:
    """Whether a matrix product can have a prologue; see `functrans.compiler.fusion.Finishes`."""
    from functrans.backends.llvm.kernels import contract

    assert isinstance(product.lowering, Contract)
    return contract.prepares(product.lowering, _avals(product)[0])


def scratch_bytes(work: Work) -> int:
    """What a step works in."""
    if isinstance(work, Nest):
        return across_bytes(work) * chunk_count(work)
    if isinstance(work, Fused):
        lowering = work.product.lowering
        return kernels_of(type(lowering)).scratch_bytes(lowering, *_avals(work.product), inside=work)
    family = family_of(type(work.lowering))
    return 0 if family is None else family.scratch_bytes(work.lowering, *_avals(work))


def parts(work: Work) -> int:
    """How many parts of a step may run at the same time."""
    if isinstance(work, Nest):
        return chunk_count(work)
    if isinstance(work, Fused):
        return parts(work.product)
    family = family_of(type(work.lowering))
    return 1 if family is None or family.chunks is None else family.chunks(work.lowering, *_avals(work))


def method(work: Work) -> str:
    """How a kernel does it, where it has several ways; see `functrans.compiler.plan.Backend`."""
    if isinstance(work, Nest):
        return ""
    node = work.product if isinstance(work, Fused) else work
    family = family_of(type(node.lowering))
    return "" if family is None or family.method is None else family.method(node.lowering, *_avals(node))


def _avals(node: Node) -> tuple[list[ShapedArray], list[ShapedArray]]:
    """Of a kernel's operands and results. The operands' shapes are those of the refs: a reshape is no copy."""
    ins = [shaped(ref.layout.shape, ref.base.aval.dtype) for ref in node.operands]
    return ins, [var.aval for var in node.outs]


def _is_kernel(node: Node) -> bool:
    """Whether a loop or a branch is so small that all of it is kept in registers."""
    return lanes.fits(node, supports) or registers.fits(node, supports)


BACKEND = Backend(supports, scratch_bytes, parts, refuses, finishes, prepares, _is_kernel, method)


def emit_program(plan: Plan, target: Target, entry: str = ENTRY, *, exported: bool = True) -> Module:
    """The module of a plan, with the program under the name of `entry`."""
    module = Module(target)
    module.threads = plan.options.threads
    far = {id(step): far_results(plan, step, target) for step in plan.steps}
    steps = {
        id(step): _emit_step(module, f"step{i}", step, far.get(id(step), frozenset()))
        for i, step in enumerate(plan.all_steps())
    }
    params = [(name, PTR) for name in ("arguments", "results", "arena", "warnings", "services")]
    if not uses_tape(plan):
        _write_steps(Function(module, entry, params, I64, exported=exported), plan, steps)
        return module
    inner = Function(module, f"{entry}_steps", [*params, ("tape", PTR)], I64)
    _write_steps(inner, plan, steps)
    f = Function(module, entry, params, I64, exported=exported)
    _, results, _, _, services = f.args
    lasting = gives_stacks(plan)
    tape = open_tape(f, services, lasting=lasting)
    status = f.call(inner, *f.args, tape.words)
    if lasting:
        f.store(newest_chunk(f, tape), Table(f, results)[len(plan.results)])
    else:
        tape.release(f.null())
    f.ret(status)
    return module


def _write_steps(f: Function, plan: Plan, steps: Mapping[int, Function | None]) -> None:
    arguments, results, arena, warnings, services, *words = f.args
    tape = Tape(f, words[0], services) if words else None
    writer = StepWriter(f, plan, steps, warnings, services, tape)
    writer.write(Frame(f, plan, Table(f, arguments), Table(f, results), arena))
    f.ret(f.index(0))


def uses_tape(plan: Plan) -> bool:
    """Whether the program pushes records on stacks."""
    lowerings = (step.work.lowering for step in plan.all_steps() if isinstance(step.work, Node))
    return any(
        isinstance(x, Push | AddStacks) or (isinstance(x, Control) and any(map(pushes, x.jaxprs))) for x in lowerings
    )


def gives_stacks(plan: Plan) -> bool:
    """Whether some of its results are stacks: their memory is not the program's."""
    return any(is_stack(atom.aval.dtype) for atom in plan.results)


def _emit_step(module: Module, name: str, step: Step, far: Set[Var]) -> Function | None:
    """The function of a step, whose results go past the caches where they are `far`; none for a callback, nor for what runs
    steps itself."""
    work = step.work
    if isinstance(work, Nest):
        emitter = ColumnEmitter if work.is_column else RowEmitter
        return emitter(module, name, work, chunked=step.chunks > 1 or is_always_cut(work), far=far).emit()
    if isinstance(work, Fused):
        lowering = work.product.lowering
        return kernels_of(type(lowering)).emit(module, name, lowering, *_avals(work.product), work)
    if isinstance(work.lowering, Host | StackStep) or step.bodies:
        return None
    if isinstance(work.lowering, Control):
        emit = lanes.emit if lanes.fits(work, supports) else registers.emit
        return emit(module, name, work)
    return kernels_of(type(work.lowering)).emit(module, name, work.lowering, *_avals(work))
