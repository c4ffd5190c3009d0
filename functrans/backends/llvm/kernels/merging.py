"""What a merge sort is made of: a run sorted in registers by a network, and two runs merged a register at a time.

Runs of equal length are merged from both ends at once: the lower half of a merge and its upper half are independent, and
no run can end before its half is full. All is minimum, maximum and fixed shuffles, so it follows from the target's vector
width. Both functions depend on the numbers' type and the machine only: they are compiled once for a process. Imports
`once`, `ir`, `function`; start reading at `sort_block`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I1, I64, PTR, Module, Type, Value
from functrans.backends.llvm.once import compiled_once

__all__ = ["largest", "merge_runs", "sort_block"]


def largest(kind: Type) -> int:
    """The number after which none comes."""
    return (1 << (kind.bits - 1)) - 1


# ---- compiled once ----


def sort_block(f: Function, kind: Type, registers: int, run: Value) -> None:
    """Sort a run of so many registers in place."""
    _call(f, kind, registers, run)


def merge_runs(f: Function, kind: Type, runs: Value, target: Value, length: Value | int, apart: Value | int) -> None:
    """Merge two neighbouring runs of a length, and the two runs that are `apart`; see `_emit_merge`."""
    _call(f, kind, 0, runs, target, f.like(length, f.index(0)), f.like(apart, f.index(0)))


def _call(f: Function, kind: Type, registers: int, *args: Value) -> None:
    name = f"functrans_sort_{registers}_{kind.suffix}" if registers else f"functrans_merge_{kind.suffix}"
    write = partial(_emit_block, count=registers) if registers else _emit_merge
    f.call_symbol(compiled_once(f.module, name, partial(write, name=name, kind=kind)), None, *args)


# ---- comparing registers ----


class _Registers:
    """Compares registers of a type with each other, and the lanes of one."""

    def __init__(self, f: Function, vector: Type) -> None:
        self._f = f
        self._lanes = vector.lanes
        self._upper = [self._lanes_with(bit) for bit in range(vector.lanes.bit_length() - 1)]
        self._has_minimum = vector.bits < 64 or self._has_masks

    @property
    def _has_masks(self) -> bool:
        return self._f.module.target.vector_bytes == 64

    def _lanes_with(self, bit: int) -> Value:
        """The mask of the lanes whose number has a bit.

        Where masks have registers of their own it comes from memory: constant, LLVM would take it for a shuffle and try to
        merge it with those around it, which takes twice as long to compile and gives slower code.
        """
        f, lanes = self._f, self._lanes
        has_bit = [bool(lane >> bit & 1) for lane in range(lanes)]
        if not self._has_masks:
            return f.vector_const(has_bit, I1)
        kind, name = Type("i", lanes), f"lanes_with_bit{bit}_of_{lanes}"
        f.module.table(name, [sum(1 << lane for lane in range(lanes) if has_bit[lane])], kind)
        return f.value(I1.vector(lanes), f"bitcast {f.load(f.address(name), kind).typed()} to {I1.vector(lanes)}")

    def ordered(self, x: Value, y: Value) -> tuple[Value, Value]:
        """The smaller and the larger, lane by lane."""
        less = self._f.icmp("slt", x, y)
        return self._f.select(less, x, y), self._f.select(less, y, x)

    def exchange(self, x: Value, y: Value, bit: int) -> Value:
        """The larger of the two in the lanes whose number has the bit, the smaller in the others."""
        if not self._has_minimum:  # compare once
            return self._f.select(self._f.icmp("slt", x, y) ^ self._upper[bit], x, y)
        low, high = self.ordered(x, y)
        return self._f.select(self._upper[bit], high, low)

    def cleaned(self, x: Value, bits: int) -> Value:
        """A register in which every 2**bits lanes rise and then fall, or fall and then rise: these groups sorted."""
        for bit in reversed(range(bits)):
            x = self.exchange(x, self._f.shuffle(x, x, [lane ^ 1 << bit for lane in range(self._lanes)]), bit)
        return x

    def merged(self, x: Value, y: Value) -> tuple[Value, Value]:
        """Two sorted registers merged: the lower and the upper half."""
        low, high = self.ordered(x, self._f.shuffle(y, y, range(self._lanes)[::-1]))
        bits = len(self._upper)
        return self.cleaned(low, bits), self.cleaned(high, bits)

    def merged_columns(self, rows: list[Value], bit: int) -> list[Value]:
        """Every 2**bit columns of the registers are sorted, down each and then to the next: twice as many, sorted."""
        mirror = [lane ^ ((2 << bit) - 1) for lane in range(self._lanes)]
        mirrored = [self._f.shuffle(row, row, mirror) for row in reversed(rows)]
        rows = [self.exchange(row, other, bit) for row, other in zip(rows, mirrored, strict=True)]
        rows = [self.cleaned(row, bit) for row in rows]
        stride = len(rows) // 2
        while stride:
            for low in range(len(rows)):
                if not low & stride:
                    rows[low], rows[low + stride] = self.ordered(rows[low], rows[low + stride])
            stride //= 2
        return rows


# ---- a run in registers ----


def _network(rows: int) -> Iterator[tuple[int, int]]:
    """Batcher's odd-even merge sort of a power of two: the pairs to put in order, in sequence."""
    p = 1
    while p < rows:
        k = p
        while k >= 1:
            for j in range(k % p, rows - k, 2 * k):
                for i in range(min(k, rows - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        yield i + j, i + j + k
            k //= 2
        p *= 2


def _emit_block(module: Module, name: str, kind: Type, count: int) -> Function:
    """`void (ptr run)`: sort a run of so many registers in place."""
    f = Function(module, name, [("run", PTR)], exported=True)
    lanes = module.lanes(kind)
    vector = kind.vector(lanes)
    where = [f.offset(f.args[0], row * lanes, kind) for row in range(count)]
    rows = [f.load(pointer, vector) for pointer in where]
    rows += [f.const(largest(kind), vector)] * ((1 << (count - 1).bit_length()) - count)
    registers = _Registers(f, vector)
    for low, high in _network(len(rows)):
        rows[low], rows[high] = registers.ordered(rows[low], rows[high])
    for bit in range(lanes.bit_length() - 1):
        rows = registers.merged_columns(rows, bit)
    for row, pointer in zip(_transposed(f, rows), where, strict=False):
        f.store(row, pointer)
    f.ret()
    return f


def _transposed(f: Function, rows: list[Value]) -> list[Value]:
    """Registers that hold a matrix down its columns, so that they hold it along."""
    lanes = rows[0].type.lanes
    low = [lane // 2 + lanes * (lane % 2) for lane in range(lanes)]
    high = [lane + lanes // 2 for lane in low]
    half = len(rows) // 2
    for _ in range(half.bit_length()):  # each turns the position, row and lane, by one bit
        pairs = zip(rows[:half], rows[half:], strict=True)
        rows = [f.shuffle(x, y, order) for x, y in pairs for order in (low, high)]
    return rows


# ---- merging runs in memory ----


def _emit_merge(module: Module, name: str, kind: Type) -> Function:
    """`void (ptr runs, ptr target, i64 length, i64 apart)`: merge two neighbouring runs, and the two runs that are `apart`.

    One merge waits for its own last result most of the time, and two together do not: with `apart` 0 the same one is done
    twice over, in little more time.
    """
    params = [("runs", PTR), ("target", PTR), ("length", I64), ("apart", I64)]
    f = Function(module, name, params, noalias=("runs", "target"), exported=True)
    runs, target, length, apart = f.args
    vector = kind.vector(module.lanes(kind))
    registers = _Registers(f, vector)
    merges = [
        _Merge(f, registers, vector, f.offset(runs, at, kind), f.offset(target, at, kind), length)
        for at in (f.index(0), apart)
    ]
    carry = [value for merge in merges for value in merge.state]
    with f.loop(0, length, vector.lanes, carry=carry, certain=True) as step:
        first, second = (merge.step(step.index, step.carry[k : k + 6]) for k, merge in zip((0, 6), merges, strict=True))
        step.next = first + second
    f.ret()
    return f


class _Merge:
    """The merge of one pair of runs, a register from below and one from above in each step.

    Its state: where the two runs go on from below, what was read but not written there; the same from above. A run that
    is read to its end is met there by the place in the other one, so that what is compared and read lies in one of them.
    """

    def __init__(
        self, f: Function, registers: _Registers, vector: Type, runs: Value, target: Value, length: Value
    ) -> None:
        self._f, self._registers, self._vector = f, registers, vector
        kind, lanes = vector.scalar, vector.lanes
        second, end = f.offset(runs, length, kind), f.offset(runs, length * 2 - lanes, kind)
        self._bottom, self._top = target, f.offset(target, length * 2 - lanes, kind)
        self.state = [f.offset(runs, lanes, kind), second, f.load(runs, vector)]
        self.state += [f.offset(second, -lanes, kind), f.offset(end, -lanes, kind), f.load(end, vector)]

    def step(self, index: Value, state: list[Value]) -> list[Value]:
        f, vector = self._f, self._vector
        kind, lanes = vector.scalar, vector.lanes
        a, b, kept, c, d, kept_back = state
        first = f.icmp("sle", f.load(a, kind), f.load(b, kind))
        low, kept = self._registers.merged(kept, f.load(f.select(first, a, b), vector))
        f.store(low, f.offset(self._bottom, index, kind))
        last = f.icmp("sle", *(f.load(f.offset(pointer, lanes - 1, kind), kind) for pointer in (c, d)))
        kept_back, high = self._registers.merged(kept_back, f.load(f.select(last, d, c), vector))
        f.store(high, f.offset(self._top, -index, kind))
        following = [f.select(first, f.offset(a, lanes, kind), a), f.select(first, b, f.offset(b, lanes, kind))]
        before = [f.select(last, c, f.offset(c, -lanes, kind)), f.select(last, f.offset(d, -lanes, kind), d)]
        return [*following, kept, *before, kept_back]
