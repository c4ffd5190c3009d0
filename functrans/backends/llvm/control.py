"""Loops and branches as machine code, in the program's own function: the bodies' steps are written where they run.

A body is given pointers. What a loop carries lies in buffers whose pointers the loop carries; a row of a stacked array is a
pointer that moves. Imports `frame`, the builder and the compiler's data; start reading at `ControlWriter.write`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from functrans.backends.llvm.frame import Frame
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I1, I8, I32, I64, Value
from functrans.backends.llvm.patience import turns_between_checks
from functrans.backends.llvm.refusal import notes_refusals
from functrans.backends.llvm.scalar_warnings import FAILED
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.service_table import INTERRUPTED
from functrans.backends.llvm.services import interrupted
from functrans.backends.llvm.tape import Tape, turn_of
from functrans.compiler.carries import Carries, carries_in, room_of
from functrans.compiler.nodes import Node
from functrans.compiler.steps import Plan, Step
from functrans.core.ir import Atom, Literal, Var
from functrans.core.lowering_control import Branch, Scan, While

__all__ = ["ControlWriter"]

Write = Callable[[Frame], None]


class ControlWriter:
    """Writes one loop or branch."""

    def __init__(
        self,
        f: Function,
        frame: Frame,
        step: Step,
        write: Write,
        warnings: Value,
        services: Value,
        tape: Tape | None,
        number: int,
    ) -> None:
        self._f = f
        self._frame = frame
        self._step = step
        self._write = write
        self._warnings, self._services = warnings, services
        self._tape = tape
        self._number = number
        """What the program gives where the step fails."""
        assert isinstance(step.work, Node)
        self._node = step.work
        self._lowering = step.work.lowering
        pointers = frame.operands(step.work)
        self._given = pointers[: len(pointers) - len(step.outs)]
        self._outs = pointers[len(self._given) :]
        self._room = room_of(step)
        self._arena = frame.at(step.scratch)

    def write(self) -> None:
        if isinstance(self._lowering, Branch):
            self._branch(self._f.load(self._given[0], I32), 0)
        elif isinstance(self._lowering, Scan):
            self._scan(self._lowering)
        else:
            assert isinstance(self._lowering, While)
            self._while(self._lowering)

    def _body(self, plan: Plan, arguments: Sequence[Value], results: Sequence[Value]) -> Frame:
        """The steps of a body, and where it leaves its values."""
        frame = Frame(self._f, plan, arguments, results, self._arena)
        self._write(frame)
        return frame

    # ---- branches ----

    def _branch(self, index: Value, number: int) -> None:
        """The branch of a number, or one of those after it."""
        if number == len(self._step.bodies) - 1:
            self._taken(self._step.bodies[number])
            return
        with self._f.when(self._f.icmp("eq", index, number)) as branch:
            self._taken(self._step.bodies[number])
            branch.otherwise()
            self._branch(index, number + 1)

    def _taken(self, plan: Plan) -> None:
        frame = self._body(plan, self._given[1:], self._outs)
        for i, atom in enumerate(plan.results):
            self._bring(frame, atom, self._outs[i])

    # ---- loops ----

    def _scan(self, lowering: Scan) -> None:
        f, (body,), first = self._f, self._step.bodies, lowering.consts + lowering.carry
        carries = self._carries
        ys = self._outs[lowering.carry :]
        start = self._started(carries, self._given[lowering.consts : first], lowering.length)
        with f.loop(0, lowering.length, carry=start) as loop:
            row = lowering.length - 1 - loop.index if lowering.reverse else loop.index
            rows = [self._row(x, row, var.aval.nbytes)
                    for x, var in zip(self._given[first:], body.arguments[first:], strict=True)]  # fmt: skip
            outs = [self._row(y, row, atom.aval.nbytes)
                    for y, atom in zip(ys, body.results[lowering.carry :], strict=True)]  # fmt: skip
            buffers = loop.carry
            given = [*self._given[: lowering.consts], *buffers[: lowering.carry], *rows]
            with turn_of(self._tape, lowering.jaxpr):
                frame = self._body(body, given, [*self._own(carries, buffers), *outs])
            for atom, out in zip(body.results[lowering.carry :], outs, strict=True):
                self._bring(frame, atom, out)
            loop.next = self._turned(carries, frame, buffers)
            self._after_turn((body,), loop.index, lowering.length)
        self._finish(carries, loop.results)

    def _while(self, lowering: While) -> None:
        f, (cond, body), count = self._f, self._step.bodies, len(self._outs)
        carries = self._carries
        cond_consts = self._given[: lowering.cond_consts]
        body_consts = self._given[lowering.cond_consts : lowering.consts]
        start = self._started(carries, self._given[lowering.consts :], None)
        with f.whilst([f.index(0), *start]) as loop:
            turn, *buffers = loop.carry
            loop.test(self._condition(cond, [*cond_consts, *buffers[:count]]))
            with turn_of(self._tape, lowering.body_jaxpr):
                frame = self._body(body, [*body_consts, *buffers[:count]], self._own(carries, buffers))
            loop.next = [turn + 1, *self._turned(carries, frame, buffers)]
            self._after_turn((cond, body), turn, None)
        self._finish(carries, loop.carry[1:])

    def _condition(self, cond: Plan, given: Sequence[Value]) -> Value:
        flag = self._f.offset(self._arena, self._room.flag, I8)
        frame = self._body(cond, given, [flag])
        (atom,) = cond.results
        if isinstance(atom, Literal):
            return self._f.const(int(atom.value), I1)
        return self._f.icmp("ne", self._f.load(frame.pointer(atom), I8), 0)

    def _row(self, stacked: Value, row: Value, size: int) -> Value:
        return self._f.offset(stacked, row * size, I8)

    def _after_turn(self, bodies: Sequence[Plan], turn: Value, turns: int | None) -> None:
        """End the program where an operation was refused, or where the handler of a signal raises."""
        f = self._f
        if notes_refusals(bodies):
            f.leave_if(f.icmp("ne", f.load(self._warnings, I64) & FAILED, 0), self._number)
        between = turns_between_checks(bodies, turns)
        if between is not None:
            is_time = f.icmp("eq", turn & (between - 1), between - 1)
            with f.when(is_time):
                status = f.call(interrupted(f.module), self._services)
                f.leave_if(f.icmp("ne", status, 0), INTERRUPTED)

    # ---- what is carried ----

    @property
    def _carries(self) -> Carries:
        carries = carries_in(self._step)
        assert carries is not None
        return carries

    def _buffers(self, carries: Carries) -> list[Value]:
        """The memory of each buffer."""
        places, _ = carries.offsets()
        own = self._f.offset(self._arena, self._room.buffers, I8)
        return [self._outs[i] if at is None else self._f.offset(own, at, I8) for i, at in enumerate(places)]

    def _started(self, carries: Carries, given: Sequence[Value], turns: int | None) -> list[Value]:
        """The buffers before the first turn, with what the loop was given."""
        buffers = self._buffers(carries)
        for i, value in enumerate(given):
            if carries.is_swapped(i, turns):
                spare = carries.after[i]
                buffers[i], buffers[spare] = buffers[spare], buffers[i]
            if not (buffers[i] is self._outs[i] and self._is_in_place(i, len(given))):
                self._copy(buffers[i], value, carries.sizes[i])
        return buffers

    def _is_in_place(self, number: int, count: int) -> bool:
        """Whether a result has the memory of what the loop was given for it."""
        assert isinstance(self._lowering, Scan | While)
        places, first = self._frame.plan.places, self._lowering.consts
        base = self._node.operands[first + number].base
        return isinstance(base, Var) and places[base] == places[self._node.outs[number]]

    def _own(self, carries: Carries, buffers: Sequence[Value]) -> list[Value]:
        """For each carried value where the body writes the next one, if it writes it to memory of its own."""
        return [buffers[carries.spare.get(i, i)] for i in range(carries.count)]

    def _turned(self, carries: Carries, frame: Frame, buffers: Sequence[Value]) -> list[Value]:
        """The buffers for the next turn."""
        following = [buffers[number] for number in carries.after]
        for i, atom in carries.copies.items():
            self._bring(frame, atom, following[i])
        return following

    def _finish(self, carries: Carries, buffers: Sequence[Value]) -> None:
        """Bring what is carried in the end to the results."""
        f = self._f
        for i, out in enumerate(self._outs[: carries.count]):
            if carries.after[i] != i or i in carries.mixed:
                with f.when(f.icmp("ne", buffers[i], out)):
                    self._copy(out, buffers[i], carries.sizes[i])

    def _bring(self, frame: Frame, atom: Atom, to: Value) -> None:
        """Copy a result of a body to a place, if it is not there."""
        if isinstance(atom, Literal):
            scalars = Scalars(self._f, 1, warnings=self._warnings)
            element = scalars.constant(np.asarray(atom.value).item(), atom.aval.dtype)
            scalars.store(element, to, self._f.index(0), 0)
        else:
            self._copy(to, frame.pointer(atom), atom.aval.nbytes)

    def _copy(self, to: Value, of: Value, size: int) -> None:
        if size and to.text != of.text:
            self._f.copy(to, of, self._f.index(size))
