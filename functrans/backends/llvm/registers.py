"""Loops and branches over a few numbers, which are all kept in registers: a function without memory or calls from turn to turn.

What is read from memory once, or a row a turn, is loaded where it is read. Imports `register_operations`, the builder and the
compiler's data; start reading at `fits`, then `emit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.patience import turns_between
from functrans.backends.llvm.refusal import refuses_elements
from functrans.backends.llvm.register_operations import compute, prepare
from functrans.backends.llvm.register_stacks import compute_stacks
from functrans.backends.llvm.register_values import Numbers, Registers
from functrans.backends.llvm.register_work import IN_VECTORS, MOST_WORK, is_unrolled, work
from functrans.backends.llvm.scalar_warnings import FAILED
from functrans.backends.llvm.service_table import INTERRUPTED
from functrans.backends.llvm.services import interrupted
from functrans.backends.llvm.tape import Tape, turn_of
from functrans.compiler.nodes import Node, Supports
from functrans.compiler.stacks import pushes
from functrans.core.aval import ShapedArray, shaped
from functrans.core.ir import Atom, Jaxpr, Var
from functrans.core.lowering_control import Branch, Control, Scan, While
from functrans.core.lowering_stack import EmptyStack, Pop, Push

__all__ = ["Writer", "emit", "fits"]

_NANOSECOND = 1e-9
_INDEX = shaped((), np.dtype(np.int32))


def fits(node: Node, supports: Supports) -> bool:
    """Whether a loop or a branch is small enough, and all in it can be computed so."""
    assert isinstance(node.lowering, Control)
    return work(node.lowering, supports, IN_VECTORS) <= MOST_WORK


def emit(module: Module, name: str, node: Node) -> Function:
    """`i64 name(ptr operand, …, ptr result, …, ptr warnings, ptr services)`: a negative status, 0, or 1 where NumPy would raise.

    Where it makes records of stacks, it is given the words of the tape before the warnings.
    """
    lowering = node.lowering
    assert isinstance(lowering, Control)
    names = [f"p{i}" for i in range(len(node.operands) + len(node.outs))]
    has_tape = any(map(pushes, lowering.jaxprs))
    tail = [*(["tape"] if has_tape else []), "warnings", "services"]
    f = Function(module, name, [(p, PTR) for p in (*names, *tail)], I64)
    given, outs = f.args[: len(node.operands)], f.args[len(node.operands) : len(names)]
    writer = Writer(f, Registers(f, f.args[-2]), Tape(f, f.args[-3], f.args[-1]) if has_tape else None)
    writer.step(lowering, [var.aval for var in node.outs], given, outs)
    writer.leave_refused(lowering)
    f.ret(f.index(0))
    f.optimized = f.has_vectors  # of numbers LLVM makes no better code, and takes twice as long
    return f


class Writer:
    """Writes a loop or a branch into a function, whose last two arguments are the warnings and the services."""

    def __init__(self, f: Function, registers: Registers, tape: Tape | None = None) -> None:
        self._f = f
        self._warnings, self._services = f.args[-2:]
        self._registers = registers
        self._tape = tape

    def _row(self, stacked: Value, row: Value, aval: ShapedArray) -> Value:
        return self._f.offset(stacked, row * aval.nbytes, I8)

    # ---- the loop or branch itself, between memory and memory ----

    def step(
        self, lowering: Control, results: Sequence[ShapedArray], given: Sequence[Value], outs: Sequence[Value]
    ) -> None:
        """From pointers to pointers."""
        if isinstance(lowering, Scan):
            first = lowering.consts + lowering.carry
            head = [
                self._registers.load(p, var.aval) for p, var in zip(given[:first], lowering.jaxpr.invars, strict=False)
            ]
            self._store_all(self._scan(lowering, head, given[first:], outs[lowering.carry :]), outs)
            return
        if isinstance(lowering, While):
            avals = [var.aval for var in lowering.cond_jaxpr.invars[: lowering.cond_consts]]
            avals += [var.aval for var in lowering.body_jaxpr.invars]
        else:
            avals = [_INDEX, *(var.aval for var in lowering.branches[0].invars)]
        operands = [self._registers.load(p, aval) for p, aval in zip(given, avals, strict=True)]
        self._store_all(self.apply(lowering, operands), outs)

    def _store_all(self, values: Sequence[Numbers], outs: Sequence[Value]) -> None:
        for numbers, out in zip(values, outs, strict=False):
            self._registers.store(numbers, out)

    # ---- jaxprs ----

    def evaluate(self, jaxpr: Jaxpr, args: Sequence[Numbers]) -> list[Numbers]:
        """The results of a jaxpr."""
        env = dict(zip(jaxpr.invars, args, strict=True))

        def read(atom: Atom) -> Numbers:
            if isinstance(atom, Var):
                return env[atom]
            return self._registers.constants([np.asarray(atom.value).item()], atom.aval.dtype)

        for eqn in jaxpr.eqns:
            ins, outs = [atom.aval for atom in eqn.invars], [var.aval for var in eqn.outvars]
            lowering = eqn.lowering
            operands = list(map(read, eqn.invars))
            if isinstance(lowering, Control):
                found = self.apply(lowering, operands)
            elif isinstance(lowering, EmptyStack | Push | Pop):
                found = compute_stacks(self._registers, self._tape, lowering, operands, outs)
            else:
                assert lowering is not None
                found = compute(self._registers, lowering, operands, ins, outs)
            env.update(zip(eqn.outvars, found, strict=True))
        return list(map(read, jaxpr.outvars))

    def apply(self, lowering: Control, operands: Sequence[Numbers]) -> list[Numbers]:
        """A loop or branch over numbers."""
        if isinstance(lowering, Branch):
            return self._branch(lowering.branches, operands[0].runs[0].value, operands[1:])
        if isinstance(lowering, While):
            return self._while(lowering, operands)
        first = lowering.consts + lowering.carry
        if is_unrolled(lowering):
            return self._unrolled(
                lowering, operands[: lowering.consts], operands[lowering.consts : first], operands[first:]
            )
        return self._scan(lowering, operands[:first], [], [])

    def _unrolled(
        self, lowering: Scan, consts: Sequence[Numbers], carry: Sequence[Numbers], xs: Sequence[Numbers]
    ) -> list[Numbers]:
        ys: dict[int, list[Numbers]] = {}
        turns = range(lowering.length)
        for turn in reversed(turns) if lowering.reverse else turns:
            sizes = [x.size // lowering.length for x in xs]
            rows = [
                self._registers.taken(x, range(size * turn, size * (turn + 1)))
                for x, size in zip(xs, sizes, strict=True)
            ]
            found = self.evaluate(lowering.jaxpr, [*consts, *carry, *rows])
            carry, ys[turn] = found[: lowering.carry], found[lowering.carry :]
        avals = lowering.jaxpr.out_avals[lowering.carry :]
        return [*carry, *(self._stacked([ys[turn][k] for turn in turns], aval) for k, aval in enumerate(avals))]

    def _stacked(self, rows: Sequence[Numbers], aval: ShapedArray) -> Numbers:
        return self._registers.arranged([(row, i) for row in rows for i in range(row.size)], aval.dtype)

    # ---- branches and loops ----

    def _branch(
        self, branches: Sequence[Jaxpr], index: Value, operands: Sequence[Numbers], number: int = 0
    ) -> list[Numbers]:
        jaxpr = branches[number]
        if number == len(branches) - 1:
            return self.evaluate(jaxpr, operands)
        found: list[list[Numbers]] = []

        def one() -> list[Value]:
            found.append(self.evaluate(jaxpr, operands))
            return Registers.values(found[-1])

        def others() -> list[Value]:
            return Registers.values(self._branch(branches, index, operands, number + 1))

        values = self._f.choose_all(self._f.icmp("eq", index, number), one, others)
        return Registers.numbers(values, found[0])

    def _while(self, lowering: While, operands: Sequence[Numbers]) -> list[Numbers]:
        f = self._f
        cond_consts, rest = operands[: lowering.cond_consts], operands[lowering.cond_consts :]
        body_consts, carry = rest[: lowering.body_consts], rest[lowering.body_consts :]
        with (
            self._ready((lowering.cond_jaxpr, cond_consts), (lowering.body_jaxpr, body_consts)),
            f.whilst([f.index(0), *Registers.values(carry)]) as loop,
        ):
            turn, *values = loop.carry
            carried = Registers.numbers(values, carry)
            (again,) = self.evaluate(lowering.cond_jaxpr, [*cond_consts, *carried])
            loop.test(again.runs[0].value)
            with turn_of(self._tape, lowering.body_jaxpr):
                following = self.evaluate(lowering.body_jaxpr, [*body_consts, *carried])
            self._after_turn(lowering, turn, None)
            loop.next = [turn + 1, *Registers.values(following)]
        return Registers.numbers(loop.carry[1:], carry)

    def _scan(self, lowering: Scan, head: Sequence[Numbers], xs: Sequence[Value], ys: Sequence[Value]) -> list[Numbers]:
        """What is carried in the end; rows of the ys go to memory."""
        f, jaxpr = self._f, lowering.jaxpr
        consts, carry = head[: lowering.consts], head[lowering.consts :]
        with self._ready((jaxpr, consts)), f.loop(0, lowering.length, carry=Registers.values(carry)) as loop:
            row = lowering.length - 1 - loop.index if lowering.reverse else loop.index
            avals = [var.aval for var in jaxpr.invars[len(head) :]]
            rows = [self._registers.load(self._row(x, row, aval), aval) for x, aval in zip(xs, avals, strict=True)]
            with turn_of(self._tape, jaxpr):
                found = self.evaluate(jaxpr, [*consts, *Registers.numbers(loop.carry, carry), *rows])
            for y, numbers, atom in zip(ys, found[lowering.carry :], jaxpr.outvars[lowering.carry :], strict=True):
                self._registers.store(numbers, self._row(y, row, atom.aval))
            self._after_turn(lowering, loop.index, lowering.length)
            loop.next = Registers.values(found[: lowering.carry])
        return Registers.numbers(loop.results, carry)

    @contextmanager
    def _ready(self, *bodies: tuple[Jaxpr, Sequence[Numbers]]) -> Iterator[None]:
        """What is the same in all turns of a loop is arranged before it. bodies: the jaxprs and what they are given always."""
        with self._registers.lasting():
            for jaxpr, consts in bodies:
                prepare(self._registers, jaxpr, consts)
            yield

    def _after_turn(self, lowering: Control, turn: Value, turns: int | None) -> None:
        """Leave where an operation was refused, or where the handler of a signal raises."""
        f = self._f
        self.leave_refused(lowering)
        between = turns_between(max(work(lowering, None, IN_VECTORS), 1) * _NANOSECOND, turns)
        if between is not None:
            with f.when(f.icmp("eq", turn & (between - 1), between - 1)):
                status = f.call(interrupted(f.module), self._services)
                f.leave_if(f.icmp("ne", status, 0), INTERRUPTED)

    def leave_refused(self, lowering: Control) -> None:
        if refuses_elements(lowering):
            self._f.leave_if(self._f.icmp("ne", self._f.load(self._warnings, I64) & FAILED, 0), 1)
