"""A merge sort of signed integers in vector registers, the engine of every ordering kernel. Imports `ir`, `function`.

Blocks of a few registers are sorted by networks, then runs of equal length are merged a register at a time, from both
ends at once: the lower half of a merge and its upper half are independent, and no run can end before its half is full.
All is minimum, maximum and fixed shuffles, so it follows from the target's vector width. Start reading at `emit_merge_sort`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I1, I64, PTR, Module, Type, Value

__all__ = ["MergeSort", "buffer_bytes", "emit_merge_sort", "largest"]

_CHUNK_BYTES = 128 << 10
"""Merged completely before the next chunk is begun: with its spare half of a common level-2 cache."""


@dataclass(frozen=True, slots=True)
class MergeSort:
    """How many numbers are sorted, and how they lie in two buffers of `capacity` numbers each."""

    kind: Type
    """Of one number: a signed integer."""
    count: int
    lanes: int
    registers: int
    """In a run that a network sorts."""
    levels: int
    """Of merges."""

    @staticmethod
    def plan(module: Module, kind: Type, count: int) -> MergeSort:
        lanes, rows = module.lanes(kind), module.target.vector_registers // 2
        levels = 0
        while -(-count // (lanes << levels)) > rows:
            levels += 1
        return MergeSort(kind, count, lanes, max(-(-count // (lanes << levels)), 2), levels)

    @property
    def run(self) -> int:
        return self.lanes * self.registers

    @property
    def capacity(self) -> int:
        """The numbers in each of the two buffers; those after `count` must be `largest`."""
        return self.run << self.levels

    @property
    def in_spare(self) -> bool:
        """Whether the second buffer holds the result."""
        return self.levels % 2 == 1


def buffer_bytes(kind: Type, count: int) -> int:
    """Enough for one of the two buffers on any machine: runs of more than four registers, each at most of 64 bytes."""
    return -(-(count + count // 4) * kind.bytes // 64) * 64 + 128


def largest(kind: Type) -> int:
    """The number after which none comes."""
    return (1 << (kind.bits - 1)) - 1


def emit_merge_sort(module: Module, plan: MergeSort) -> Function:
    """`void (ptr data, ptr spare)`: sort what is in `data`, by way of `spare`."""
    name = f"merge_sort_{plan.kind.suffix}_{plan.run}_{plan.levels}"
    return module.shared(name, lambda: _merge_sort(module, name, plan))


def _merge_sort(module: Module, name: str, plan: MergeSort) -> Function:
    block = _emit_block(module, plan)
    f = Function(module, name, [("data", PTR), ("spare", PTR)])
    data, spare = f.args
    inner = plan.levels
    while plan.run * plan.kind.bytes << inner > _CHUNK_BYTES and inner > 0:
        inner -= 1
    with f.loop(0, 1 << (plan.levels - inner)) as chunk:
        at = chunk.index * (plan.run << inner)
        first, other = f.offset(data, at, plan.kind), f.offset(spare, at, plan.kind)
        with f.loop(0, 1 << inner) as run:
            f.call(block, f.offset(first, run.index * plan.run, plan.kind))
        _merge_levels(f, plan, first, other, 0, inner, 1 << inner)
    if inner % 2:
        data, spare = spare, data
    _merge_levels(f, plan, data, spare, inner, plan.levels, 1 << (plan.levels - inner))
    f.ret()
    return f


def _merge_levels(f: Function, plan: MergeSort, data: Value, spare: Value, start: int, stop: int, runs: int) -> None:
    """Merge neighbouring runs until one is left, from one buffer into the other and back."""
    if start == stop:
        return
    two, one = (_emit_merge(f.module, plan.kind, plan.lanes, pairs) for pairs in (2, 1))
    length, pairs = f.index(plan.run << start), f.index(runs // 4)
    with f.loop(start, stop - 1, carry=[data, spare, length, pairs]) as level:
        source, target, length, pairs = level.carry
        with f.loop(0, pairs) as pair:
            at = pair.index * length * 4
            f.call(two, f.offset(source, at, plan.kind), f.offset(target, at, plan.kind), length)
        level.next = [target, source, length * 2, f.integer("lshr", pairs, 1)]
    source, target, length, _ = level.results
    f.call(one, source, target, length)


# ---- comparing registers ----


def _ordered(f: Function, x: Value, y: Value) -> tuple[Value, Value]:
    """The smaller and the larger, lane by lane."""
    less = f.icmp("slt", x, y)
    return f.select(less, x, y), f.select(less, y, x)


def _exchange(f: Function, x: Value, y: Value, stride: int) -> Value:
    """The larger of the two in the lanes whose number has the bit `stride`, the smaller in the others."""
    upper = f.vector_const([bool(lane & stride) for lane in range(x.type.lanes)], I1)
    if x.type.bits == 64:  # rarely has a minimum of its own: compare once
        return f.select(f.icmp("slt", x, y) ^ upper, x, y)
    low, high = _ordered(f, x, y)
    return f.select(upper, high, low)


def _swapped(f: Function, x: Value, y: Value, stride: int) -> tuple[Value, Value]:
    """The lanes with the bit `stride` of x change places with those without it of y. Its own inverse."""
    lanes = range(x.type.lanes)
    low = [lane ^ stride | len(lanes) if lane & stride else lane for lane in lanes]
    high = [lane | len(lanes) if lane & stride else lane | stride for lane in lanes]
    return f.shuffle(x, y, low), f.shuffle(x, y, high)


def _cleaned(f: Function, x: Value, y: Value, group: int) -> tuple[Value, Value]:
    """Two registers in which every `group` lanes rise and then fall, or fall and then rise: the groups sorted.

    Strides that are whole quadwords compare the two registers with each other after a swap; shorter ones a register
    with itself, as their swaps would be several instructions.
    """
    strides = [1 << bit for bit in reversed(range(group.bit_length() - 1))]
    swaps = [stride for stride in strides if stride * x.type.bytes >= 8]
    for stride in swaps:
        x, y = _ordered(f, *_swapped(f, x, y, stride))
    for stride in strides[len(swaps) :]:
        order = [lane ^ stride for lane in range(x.type.lanes)]
        x, y = (_exchange(f, one, f.shuffle(one, one, order), stride) for one in (x, y))
    for stride in reversed(swaps):
        x, y = _swapped(f, x, y, stride)
    return x, y


def _merged(f: Function, x: Value, y: Value) -> tuple[Value, Value]:
    """Two sorted registers merged: the lower and the upper half."""
    lanes = x.type.lanes
    return _cleaned(f, *_ordered(f, x, f.shuffle(y, y, range(lanes)[::-1])), lanes)


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


def _emit_block(module: Module, plan: MergeSort) -> Function:
    """`void (ptr run)`: sort a run in place."""
    name = f"sort_block_{plan.kind.suffix}_{plan.run}"
    return module.shared(name, lambda: _block(module, name, plan))


def _block(module: Module, name: str, plan: MergeSort) -> Function:
    f = Function(module, name, [("run", PTR)])
    vector = plan.kind.vector(plan.lanes)
    where = [f.offset(f.args[0], row * plan.lanes, plan.kind) for row in range(plan.registers)]
    rows = [f.load(pointer, vector) for pointer in where]
    rows += [f.const(largest(plan.kind), vector)] * ((1 << (plan.registers - 1).bit_length()) - plan.registers)
    for low, high in _network(len(rows)):
        rows[low], rows[high] = _ordered(f, rows[low], rows[high])
    columns = 1
    while columns < plan.lanes:
        rows = _merged_columns(f, rows, columns)
        columns *= 2
    for row, pointer in zip(_transposed(f, rows), where, strict=False):
        f.store(row, pointer)
    f.ret()
    return f


def _merged_columns(f: Function, rows: list[Value], columns: int) -> list[Value]:
    """Every `columns` columns of the registers are sorted, down each and then to the next: twice as many, sorted."""
    mirror = [lane ^ (2 * columns - 1) for lane in range(rows[0].type.lanes)]
    mirrored = [f.shuffle(row, row, mirror) for row in reversed(rows)]
    rows = [_exchange(f, row, other, columns) for row, other in zip(rows, mirrored, strict=True)]
    for first in range(0, len(rows), 2):
        rows[first], rows[first + 1] = _cleaned(f, rows[first], rows[first + 1], columns)
    stride = len(rows) // 2
    while stride:
        for low in range(len(rows)):
            if not low & stride:
                rows[low], rows[low + stride] = _ordered(f, rows[low], rows[low + stride])
        stride //= 2
    return rows


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


def _emit_merge(module: Module, kind: Type, lanes: int, pairs: int) -> Function:
    """`void (ptr runs, ptr target, i64 length)`: merge neighbouring runs of a length, in so many pairs at a time.

    One merge waits for its own last result most of the time, and two together do not.
    """
    name = f"merge_{kind.suffix}_{pairs}"
    return module.shared(name, lambda: _merge(module, name, kind, lanes, pairs))


def _merge(module: Module, name: str, kind: Type, lanes: int, pairs: int) -> Function:
    f = Function(module, name, [("runs", PTR), ("target", PTR), ("length", I64)], noalias=("runs", "target"))
    runs, target, length = f.args
    vector = kind.vector(lanes)
    merges = []
    for pair in range(pairs):
        at = length * (2 * pair)
        merges.append(_Merge(f, vector, f.offset(runs, at, kind), f.offset(target, at, kind), length))
    with f.loop(lanes, length, lanes, carry=[value for merge in merges for value in merge.state]) as step:
        states = [step.carry[k : k + 6] for k in range(0, len(step.carry), 6)]
        step.next = [
            value for merge, state in zip(merges, states, strict=True) for value in merge.step(step.index, state)
        ]
    f.ret()
    return f


class _Merge:
    """The merge of one pair, a register from below and one from above in each step.

    Its state: where the two runs go on from below, what was read but not written there; the same from above.
    """

    def __init__(self, f: Function, vector: Type, runs: Value, target: Value, length: Value) -> None:
        self._f, self._vector, self._back = f, vector, -vector.lanes
        second, kind = f.offset(runs, length, vector), vector.scalar
        lasts = [f.offset(f.offset(run, length, kind), self._back, kind) for run in (runs, second)]
        self._bottom, self._top = target, f.offset(f.offset(target, length * 2, kind), self._back, kind)
        low, high = _merged(f, f.load(runs, vector), f.load(second, vector))
        f.store(low, self._bottom)
        self.state = [f.offset(runs, vector.lanes, kind), f.offset(second, vector.lanes, kind), high]
        low, high = _merged(f, f.load(lasts[0], vector), f.load(lasts[1], vector))
        f.store(high, self._top)
        self.state += [*(f.offset(last, self._back, kind) for last in lasts), low]

    def step(self, index: Value, state: list[Value]) -> list[Value]:
        f, vector = self._f, self._vector
        kind, lanes = vector.scalar, vector.lanes
        a, b, kept, c, d, kept_back = state
        first = f.icmp("sle", f.load(a, kind), f.load(b, kind))
        low, kept = _merged(f, kept, f.load(f.select(first, a, b), vector))
        f.store(low, f.offset(self._bottom, index, kind))
        ends = [f.load(f.offset(pointer, lanes - 1, kind), kind) for pointer in (c, d)]
        last = f.icmp("sle", *ends)
        kept_back, high = _merged(f, kept_back, f.load(f.select(last, d, c), vector))
        f.store(high, f.offset(self._top, -index, kind))
        following = [f.select(first, f.offset(a, lanes, kind), a), f.select(first, b, f.offset(b, lanes, kind))]
        before = [f.select(last, c, f.offset(c, -lanes, kind)), f.select(last, f.offset(d, -lanes, kind), d)]
        return [*following, kept, *before, kept_back]
