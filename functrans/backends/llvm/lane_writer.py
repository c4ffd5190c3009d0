"""Branches and loops that each lane of a vector has for itself, and maps without a long loop: blocks of rows, a row a lane.

A branch runs where a lane takes it; a loop turns as long as a lane goes on, and the others keep what they have. Imports
`registers` and `lane_values`; start reading at `LaneWriter.turns`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.lane_values import LaneRegisters
from functrans.backends.llvm.register_values import Numbers, Registers
from functrans.backends.llvm.registers import Writer
from functrans.core.ir import Jaxpr
from functrans.core.lowering_control import Scan, While
from functrans.record import NamedTuple

__all__ = ["LaneWriter", "Patience", "Turned"]


class Turned(NamedTuple):
    """Lanes after some turns of a loop."""

    turn: Value
    """How many there were."""
    going: Value
    """The lanes that are not done."""
    carry: list[Numbers]


class Patience(NamedTuple):
    """When lanes that go on are not waited for any more."""

    rest: Value
    """When there are no more than so many of them."""
    lost: Value
    """When lanes that are done have waited for so many turns in all."""


class LaneWriter(Writer):
    """Writes into a function what all lanes do at once."""

    def __init__(self, f: Function, registers: LaneRegisters) -> None:
        super().__init__(f, registers)
        self.f = f
        self.registers = registers
        self.warnings = self._warnings

    def blocks(self, lowering: Scan, consts: Sequence[Numbers], xs: Sequence[Value], ys: Sequence[Value]) -> None:
        """As many rows as there are lanes at once; the last block begins so early that it is whole."""
        f, lanes, jaxpr = self.f, self.registers.lanes, lowering.jaxpr
        avals = jaxpr.in_avals[lowering.consts :]
        with f.loop(0, lowering.length, lanes) as loop:
            start = f.minimum(loop.index, f.index(lowering.length - lanes))
            rows = [
                self.registers.load_lanes(self._row(x, start, aval), aval, 1, aval.size)
                for x, aval in zip(xs, avals, strict=True)
            ]
            found = self.evaluate(jaxpr, [*consts, *rows])
            for y, numbers, aval in zip(ys, found, jaxpr.out_avals, strict=True):
                self.registers.store_lanes(numbers, self._row(y, start, aval), 1, aval.size)
            self._after_turn(lowering, loop.index, lowering.length)

    # ---- branches ----

    def _branch(
        self, branches: Sequence[Jaxpr], index: Value, operands: Sequence[Numbers], number: int = 0
    ) -> list[Numbers]:
        """Each branch where a lane takes it."""
        found = self.registers.zeros(branches[0].out_avals)
        for i in range(number, len(branches)):
            mask = self.registers.counted(self.f.icmp("eq", index, i))
            found = self._taken(branches[i], operands, mask, found)
        return found

    def _taken(
        self, branch: Jaxpr, operands: Sequence[Numbers], mask: Value, others: Sequence[Numbers]
    ) -> list[Numbers]:
        """What a branch gives in the lanes of a mask, and what others gave elsewhere."""

        def results() -> list[Value]:
            with self.registers.under(mask):
                found = self.evaluate(branch, operands)
            return Registers.values(self.registers.selected(mask, found, others))

        values = self.f.choose_all(self.registers.any(mask), results, lambda: Registers.values(others))
        return Registers.numbers(values, others)

    # ---- loops ----

    def _while(self, lowering: While, operands: Sequence[Numbers]) -> list[Numbers]:
        return self.turns(
            lowering, operands, self.registers.counted(self.registers.all_lanes(True)), self.f.index(0)
        ).carry

    def turns(
        self, lowering: While, operands: Sequence[Numbers], going: Value, turn: Value, patience: Patience | None = None
    ) -> Turned:
        """Turns of a loop in the lanes that are going, until all are done or it is not worth while to wait for the rest."""
        f, registers = self.f, self.registers
        asked, rest = operands[: lowering.cond_consts], operands[lowering.cond_consts :]
        fixed, carry = rest[: lowering.body_consts], rest[lowering.body_consts :]
        with f.whilst([turn, f.index(0), going, *Registers.values(carry)]) as loop:
            turn, lost, going, *values = loop.carry
            carried = Registers.numbers(values, carry)
            with registers.under(going):
                (again,) = self.evaluate(lowering.cond_jaxpr, [*asked, *carried])
            going = going & again.runs[0].value
            if patience is None:
                loop.test(registers.any(going))
            else:
                count = registers.count(going)
                lost = lost + (registers.lanes - count)
                loop.test(f.icmp("sgt", count, patience.rest) & f.icmp("slt", lost, patience.lost))
            with registers.under(going):
                found = self.evaluate(lowering.body_jaxpr, [*fixed, *carried])
            self._after_turn(lowering, turn, None)
            loop.next = [turn + 1, lost, going, *Registers.values(registers.selected(going, found, carried))]
        return Turned(loop.carry[0], going, Registers.numbers(loop.carry[3:], carry))
