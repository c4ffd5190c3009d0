"""A merge sort of signed integers in vector registers, the engine of every ordering kernel. Imports `merging`, `function`.

Runs of a few registers are sorted, then neighbouring runs of equal length are merged until one is left. Start reading at
`emit_merge_sort`.
"""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import PTR, Module, Type, Value
from functrans.backends.llvm.kernels.merging import merge_runs, sort_block
from functrans.record import Record

__all__ = ["MergeSort", "buffer_bytes", "emit_merge_sort"]

_CHUNK_BYTES = 128 << 10
"""Merged completely before the next chunk is begun: with its spare half of a common level-2 cache."""
_REGISTERS = 4
"""In a run that a network sorts. Twice as many sort 5 % faster, and compile twice as long."""
_ALONE = 8
"""In a line that needs no merge: as long to compile, twice as fast as two runs and their merge."""


class MergeSort(Record):
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
        lanes, levels = module.lanes(kind), 0
        while -(-count // (lanes << levels)) > (_REGISTERS if levels else _ALONE):
            levels += 1
        return MergeSort(kind, count, lanes, max(-(-count // (lanes << levels)), 2), levels)

    @property
    def run(self) -> int:
        return self.lanes * self.registers

    @property
    def capacity(self) -> int:
        """The numbers in each of the two buffers; those after `count` must be `largest`, in both."""
        return self.run << self.levels

    @property
    def in_spare(self) -> bool:
        """Whether the second buffer holds the result."""
        return self.levels % 2 == 1


def buffer_bytes(kind: Type, count: int) -> int:
    """Enough for one of the two buffers on any machine: runs of more than two registers, each at most of 64 bytes."""
    return -(-(count + count // 2) * kind.bytes // 64) * 64 + 128


def emit_merge_sort(module: Module, plan: MergeSort) -> Function:
    """`void (ptr data, ptr spare)`: sort what is in `data`, by way of `spare`; both were padded."""
    name = f"merge_sort_{plan.kind.suffix}_{plan.run}_{plan.levels}"
    return module.shared(name, lambda: _merge_sort(module, name, plan))


def _merge_sort(module: Module, name: str, plan: MergeSort) -> Function:
    """Chunk by chunk until two runs are left of each, as two pairs are merged at a time; then all chunks together."""
    f = Function(module, name, [("data", PTR), ("spare", PTR)])
    data, spare = f.args
    inner = plan.levels
    while plan.run * plan.kind.bytes << inner > _CHUNK_BYTES and inner > 1:
        inner -= 1
    size = plan.run << inner
    with f.loop(0, -(-plan.count // size)) as chunk:
        at = chunk.index * size
        first, other = f.offset(data, at, plan.kind), f.offset(spare, at, plan.kind)
        count = f.minimum(f.index(plan.count) - at, f.index(size))
        with f.loop(0, _pieces(f, count, plan.run), certain=True) as run:
            sort_block(f, plan.kind, plan.registers, f.offset(first, run.index * plan.run, plan.kind))
        _merge_levels(f, plan, first, other, 0, inner - 1, count)
    if inner > 1 and inner % 2 == 0:
        data, spare = spare, data
    data, spare = _merge_levels(f, plan, data, spare, max(inner - 1, 0), plan.levels - 1, f.index(plan.count))
    if plan.levels:
        merge_runs(f, plan.kind, data, spare, plan.capacity // 2, 0)
    f.ret()
    return f


def _pieces(f: Function, count: Value, size: int) -> Value:
    """How many pieces of a size hold the numbers."""
    return f.integer("udiv", count + (size - 1), size)


def _merge_levels(
    f: Function, plan: MergeSort, data: Value, spare: Value, start: int, stop: int, count: Value
) -> list[Value]:
    """Merge neighbouring runs, two pairs at a time, from one buffer into the other and back; where they are at the end.

    After `count` numbers both buffers are equal: there is nothing to merge.
    """
    if start >= stop:
        return [data, spare]
    fours = _pieces(f, count, plan.run << start + 2)
    with f.loop(start, stop, carry=[data, spare, f.index(plan.run << start), fours]) as level:
        source, target, length, fours = level.carry
        with f.loop(0, fours, certain=True) as four:
            at = four.index * length * 4
            runs, merged = f.offset(source, at, plan.kind), f.offset(target, at, plan.kind)
            merge_runs(f, plan.kind, runs, merged, length, length * 2)
        level.next = [target, source, length * 2, f.integer("lshr", fours + 1, 1)]
    return level.results[:2]
