"""Calls of the functions of steps, in the order of a plan; loops and branches write the steps of their bodies the same way.

Imports `frame`, `control` and the compiler's data; start reading at `StepWriter.write`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from functrans.backends.llvm.across import across_bytes
from functrans.backends.llvm.control import ControlWriter
from functrans.backends.llvm.families import kernels_of
from functrans.backends.llvm.frame import Frame
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import PTR, Value
from functrans.backends.llvm.nests import nest_variables
from functrans.backends.llvm.rows import RowEmitter
from functrans.backends.llvm.service_table import PARALLEL
from functrans.backends.llvm.services import call_host, service
from functrans.backends.llvm.tape import Tape, write_stack_step
from functrans.backends.llvm.threads.chunks import axis, call_chunks, chunk_count, emit_chunk, is_always_cut
from functrans.compiler.nest import Fused, Nest
from functrans.compiler.nodes import Node
from functrans.compiler.stacks import pushes
from functrans.compiler.steps import Plan, Step, row_bytes
from functrans.core.lowering_control import Control
from functrans.core.lowering_stack import StackStep

__all__ = ["StepWriter"]


class StepWriter:
    """Writes the steps of a program into its function."""

    def __init__(
        self,
        f: Function,
        plan: Plan,
        functions: Mapping[int, Function | None],
        warnings: Value,
        services: Value,
        tape: Tape | None,
    ) -> None:
        self._f = f
        self._functions = functions
        """By the identity of a step."""
        self._numbers = {id(step): i for i, step in enumerate(plan.all_steps())}
        self._warnings, self._services = warnings, services
        self._tape = tape

    def write(self, frame: Frame) -> None:
        """The steps of a plan; one that fails ends the program with its number, counted from 1."""
        for step in frame.plan.steps:
            function = self._functions[id(step)]
            if step.bodies:
                ControlWriter(
                    self._f, frame, step, self.write, self._warnings, self._services, self._tape, self._number(step)
                ).write()
            elif isinstance(step.work, Nest):
                assert function is not None
                self._call_nest(frame, function, step, step.work)
            elif isinstance(step.work, Fused):
                assert function is not None
                self._call_product(frame, function, step, step.work)
            elif isinstance(step.work.lowering, StackStep):
                write_stack_step(self._f, self._tape, step.work, frame.operands(step.work))
            elif function is None:
                self._leave_interrupted(self._call_host(frame, step, step.work), step)
            elif isinstance(step.work.lowering, Control):
                pointers = frame.operands(step.work)
                if any(map(pushes, step.work.lowering.jaxprs)):
                    assert self._tape is not None
                    pointers.append(self._tape.words)
                pointers += [self._warnings, self._services]
                self._leave_interrupted(self._f.call(function, *pointers), step)
            else:
                self._leave(self._call_kernel(frame, function, step, step.work), step)

    def _leave_interrupted(self, status: Value, step: Step) -> None:
        self._f.leave_if(self._f.icmp("slt", status, 0), status)
        self._leave(status, step)

    def _leave(self, status: Value, step: Step) -> None:
        self._f.leave_if(self._f.icmp("ne", status, 0), self._number(step))

    def _number(self, step: Step) -> int:
        return self._numbers[id(step)] + 1

    def _call_nest(self, frame: Frame, function: Function, step: Step, nest: Nest) -> None:
        pointers = [*map(frame.pointer, nest_variables(nest)), frame.at(step.scratch), self._warnings]
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

    def _call_kernel(self, frame: Frame, function: Function, step: Step, node: Node) -> Value:
        """What its function gives."""
        pointers = [*frame.operands(node), frame.at(step.scratch)]
        if kernels_of(type(node.lowering)).chunks is not None:
            pointers.append(self._parallel() if step.chunks > 1 else self._f.null())
        return self._f.call(function, *pointers)

    def _call_product(self, frame: Frame, function: Function, step: Step, work: Fused) -> None:
        from functrans.backends.llvm.kernels.product.window import inside_variables

        pointers = [*map(frame.pointer, inside_variables(work)), self._warnings, frame.at(step.scratch)]
        self._f.call(function, *pointers, self._parallel() if step.chunks > 1 else self._f.null())

    def _parallel(self) -> Value:
        """The function that runs chunks in parallel, or null: from its cell, at each call."""
        return self._f.load(service(self._f, self._services, PARALLEL), PTR)

    def _call_host(self, frame: Frame, step: Step, node: Node) -> Value:
        """Call back into Python with the step's number and the pointers of its operands and results."""
        f, pointers = self._f, frame.operands(node)
        table = f.stack(PTR, max(len(pointers), 1))
        for i, pointer in enumerate(pointers):
            f.store(pointer, f.offset(table, i, PTR))
        return f.call(call_host(f.module), self._services, f.index(self._numbers[id(step)]), table)


def _own_rows(step: Step, nest: Nest) -> list[int]:
    """For each variable of a nest, the bytes that a chunk has for itself: of scratch variables, where chunks run at once."""
    own = nest.scratch if step.chunks > 1 else ()
    return [row_bytes(var, nest.inner) if var in own else 0 for var in nest_variables(nest)]
