"""Maps with one loop that ends when each row says: a lane whose row is done is given the next row, and waits for no other.

Rows are stored, and new ones come, when the lanes that are done have waited for so many turns as that costs: at most twice
the time goes that it would take if one knew before how many turns each row takes. The last few rows, for which others would
wait in vain, are finished one after the other, without vectors. Imports `lane_writer`; start reading at `Refill.write`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functrans.backends.llvm.ir import I1, I8, I64, Value
from functrans.backends.llvm.lane_values import LaneMemory, LaneRegisters
from functrans.backends.llvm.lane_writer import LaneWriter, Patience, Turned
from functrans.backends.llvm.register_values import Numbers, Registers
from functrans.backends.llvm.register_work import IN_LANES, work
from functrans.backends.llvm.registers import Writer
from functrans.core.ir import Eqn, Jaxpr, Var
from functrans.core.lowering_control import Scan, While

__all__ = ["Refill"]

_REFILL = 60
"""About how many operations on vectors it costs to give lanes new rows."""
_FEW = 2
"""Lanes that are faster one after the other than beside lanes that are done."""
_FOREVER = 1 << 62


class Refill:
    """A map whose body is a loop, and what is before and after it."""

    def __init__(self, writer: LaneWriter, lowering: Scan, loop: While, before: Jaxpr, after: Jaxpr) -> None:
        self._writer = writer
        self._f, self._registers = writer.f, writer.registers
        self._one = LaneRegisters(writer.f, writer.warnings, 1)
        self._length = lowering.length
        self._loop = loop
        self._before = before
        """From the body's arguments to the loop's operands, and then to what is read after it."""
        self._after = after
        """From the constants, what was to be read, and the loop's results, to the body's results."""
        self._xs = lowering.jaxpr.in_avals[lowering.consts :]
        self._ys = lowering.jaxpr.out_avals
        self._rows = LaneMemory(self._registers, self._xs)
        """What each lane was given."""
        self._results = LaneMemory(self._registers, self._ys)
        self._number = self._f.stack(I64, self._registers.lanes)
        """Which row each lane has."""

    @staticmethod
    def of(writer: LaneWriter, lowering: Scan) -> Refill | None:
        """None: there is no loop that ends by a condition, or there are several."""
        body = lowering.jaxpr
        loops = [(i, eqn.lowering) for i, eqn in enumerate(body.eqns) if isinstance(eqn.lowering, While)]
        if len(loops) != 1:
            return None
        ((place, loop),) = loops
        first, eqn, last = body.eqns[:place], body.eqns[place], body.eqns[place + 1 :]
        consts = body.invars[: lowering.consts]
        kept = _read(last, body, {*consts, *eqn.outvars})
        before = Jaxpr(body.invars, (*eqn.invars, *kept), first, (), ())
        after = Jaxpr((*consts, *kept, *eqn.outvars), body.outvars, last, (), ())
        return Refill(writer, lowering, loop, before, after)

    def write(self, consts: Sequence[Numbers], xs: Sequence[Value], ys: Sequence[Value]) -> None:
        """From pointers to pointers."""
        f, registers, zero = self._f, self._registers, self._f.index(0)
        carried = registers.zeros(self._loop.body_jaxpr.out_avals)
        with f.whilst([zero, zero, registers.all_lanes(False), *Registers.values(carried)]) as loop:
            queue, turn, going, *values = loop.carry
            loop.test(registers.any(going) | self._has_rows(queue))
            queue, new = self._fill(going, queue, xs)
            operands, kept = self._begun(new, consts, Registers.numbers(values, carried))
            before = going | new
            turned = self._writer.turns(self._loop, operands, before, turn, self._patience(queue))
            turn, going, carry = self._finished(turned, operands[: self._loop.consts], queue)
            self._store(before & registers.inverted(going), [*consts, *kept, *carry], ys)
            loop.next = [queue, turn, going, *Registers.values(carry)]

    def _has_rows(self, queue: Value) -> Value:
        return self._f.icmp("slt", queue, self._length)

    def _patience(self, queue: Value) -> Patience:
        """Where rows wait, until it costs more to let lanes wait than to give them rows; then until few lanes are left."""
        f, are_rows = self._f, self._has_rows(queue)
        lost = int(self._registers.lanes * max(1, _REFILL // max(1, work(self._loop, None, IN_LANES))))
        few = min(_FEW, self._registers.lanes - 1)
        return Patience(f.select(are_rows, f.index(0), few), f.select(are_rows, f.index(lost), _FOREVER))

    # ---- rows come ----

    def _fill(self, going: Value, queue: Value, xs: Sequence[Value]) -> tuple[Value, Value]:
        """Give rows to lanes that have none to do, as long as there are rows; the next row, and the lanes that were given one."""
        f, registers = self._f, self._registers
        free = registers.bits(registers.inverted(going))
        with f.whilst([free, queue]) as loop:
            left, row = loop.carry
            loop.test(f.icmp("ne", left, 0) & self._has_rows(row))
            lane = _lowest(left)
            f.store(row, f.offset(self._number, lane, I64))
            places = (f.offset(x, row * aval.nbytes, I8) for x, aval in zip(xs, self._xs, strict=True))
            given = [self._one.load_lanes(place, aval) for place, aval in zip(places, self._xs, strict=True)]
            self._rows.store_one(lane, self._one, given)
            loop.next = [left & (left - 1), row + 1]
        left, row = loop.carry
        return row, registers.from_bits(free ^ left)

    def _begun(
        self, new: Value, consts: Sequence[Numbers], carried: Sequence[Numbers]
    ) -> tuple[list[Numbers], list[Numbers]]:
        """The loop's operands, of rows that are new or under way, and what is kept for the time after the loop."""
        with self._registers.under(new):
            found = self._writer.evaluate(self._before, [*consts, *self._rows.load()])
        first, end = self._loop.consts, self._loop.consts + len(carried)
        return [*found[:first], *self._registers.selected(new, found[first:end], carried)], found[end:]

    # ---- rows go ----

    def _finished(self, turned: Turned, fixed: Sequence[Numbers], queue: Value) -> Turned:
        """Where no rows wait and lanes are left, those are few: what there is when they have come to their end, too."""
        f, registers, loop = self._f, self._registers, self._loop
        operands = [*fixed, *turned.carry]

        def finished() -> list[Value]:
            avals = [*loop.cond_jaxpr.in_avals[: loop.cond_consts], *loop.body_jaxpr.in_avals]
            memory = LaneMemory(registers, [aval for aval, x in zip(avals, operands, strict=True) if x.place is None])
            memory.store([x for x in operands if x.place is None])
            shared = [
                self._one.load(x.place, aval) if x.place else None for aval, x in zip(avals, operands, strict=True)
            ]
            self._each_lane(turned.going, lambda lane: self._finish(memory, shared, lane))
            return [registers.all_lanes(False), *Registers.values(memory.load()[len(memory) - len(turned.carry) :])]

        are_left = registers.any(turned.going) & (self._has_rows(queue) ^ 1)
        going, *values = f.choose_all(are_left, finished, lambda: [turned.going, *Registers.values(turned.carry)])
        return turned._replace(going=going, carry=Registers.numbers(values, turned.carry))

    def _finish(self, memory: LaneMemory, shared: Sequence[Numbers | None], lane: Value) -> None:
        """The loop of a lane; what all lanes have is no part of its memory."""
        own = memory.load_one(lane, self._one)
        rest = iter(own)
        carry = Writer(self._f, self._one).apply(self._loop, [next(rest) if x is None else x for x in shared])
        memory.store_one(lane, self._one, [*own[: len(own) - len(carry)], *carry])

    def _store(self, done: Value, known: Sequence[Numbers], ys: Sequence[Value]) -> None:
        """Store the results of lanes that are done."""
        with self._registers.under(done):
            self._results.store(self._writer.evaluate(self._after, known))

        def store(lane: Value) -> None:
            row = self._f.load(self._f.offset(self._number, lane, I64), I64)
            for y, numbers, aval in zip(ys, self._results.load_one(lane, self._one), self._ys, strict=True):
                self._one.store_lanes(numbers, self._f.offset(y, row * aval.nbytes, I8))

        self._each_lane(done, store)

    def _each_lane(self, mask: Value, write: Callable[[Value], None]) -> None:
        """One lane of a mask after the other."""
        f = self._f
        with f.whilst([self._registers.bits(mask)]) as loop:
            (left,) = loop.carry
            loop.test(f.icmp("ne", left, 0))
            write(_lowest(left))
            loop.next = [left & (left - 1)]


def _lowest(bits: Value) -> Value:
    """The number of the lowest bit that is set."""
    f = bits.function
    return f.intrinsic("cttz", bits, f.const(1, I1))


def _read(last: Sequence[Eqn], body: Jaxpr, known: set[Var]) -> tuple[Var, ...]:
    """What is read after the loop, and is neither known nor made there."""
    made = {*known, *(var for eqn in last for var in eqn.outvars)}
    read = (atom for atoms in (*(eqn.invars for eqn in last), body.outvars) for atom in atoms)
    return tuple(dict.fromkeys(atom for atom in read if isinstance(atom, Var) and atom not in made))
