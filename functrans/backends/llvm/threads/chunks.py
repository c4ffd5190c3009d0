"""Which loop nests are run in chunks, and how a program runs one so.

The chunks of a nest follow from its sizes alone, so that results do not depend on the number of threads. A chunk is some
turns of the nest's outermost loop. Where a nest adds up over its outer loops, each chunk has sums of its own, which are added
up in order: then it is cut whatever the number of threads. Imports the compiler's data and the builder; start reading at
`chunk_count`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.compiler.cost import nest_nanoseconds, worthwhile_parts
from functrans.compiler.nest import Nest

__all__ = ["GRAIN", "axis", "call_chunks", "chunk_count", "column_unit", "emit_chunk", "is_always_cut"]

GRAIN = 1024
"""Elements that a chunk of a single loop is a multiple of: whole turns of the unrolled loop of any element, whole cache lines."""
_MOST = 64
_MOST_SUMS = 8
"""So many chunks of a nest that adds up over its outer loops, at most: each has memory for all its sums. For layer norm's
gradient one thread takes 1.03 times as long with 8 as at once, 1.08 times with 16."""
_ROWS = 64
"""And so many rows each of them has, at least: then what is done for each chunk is little."""


def axis(nest: Nest) -> tuple[int, int]:
    """The size of the loop that is cut, 0 where none is; and the unit of which a chunk has a multiple."""
    if nest.lead:
        return nest.lead[0], 1
    if nest.is_column:
        return nest.last[0], column_unit(nest) if len(nest.last) == 1 else 1
    if len(nest.passes) != 1 or any(op.reduces for op in nest.ops) or not nest.inner:
        return 0, 1
    return nest.inner[0], GRAIN if len(nest.inner) == 1 else 1


def column_unit(nest: Nest) -> int:
    """Columns that a chunk of a column nest is a multiple of: two pages of a row. In memory that is far, to go down so many
    took 1.1 times as long as twice as many, down one page 1.25 times, down half a page 1.7 times.
    """
    widest = max((access.base.aval.dtype.itemsize for access in nest.reads), default=4)
    return 8192 // max(widest, 4)


def chunk_count(nest: Nest) -> int:
    """How many chunks a nest is cut into; 1: it is run at once."""
    size, unit = axis(nest)
    most = min(_MOST_SUMS, prod(nest.lead) // _ROWS) if _adds_up(nest) else _MOST
    return max(1, min(size // unit, most, worthwhile_parts(nest_nanoseconds(nest))))


def is_always_cut(nest: Nest) -> bool:
    """Whether its chunks are run one by one where there is one thread, too: what they add up depends on where it is cut."""
    return _adds_up(nest) and chunk_count(nest) > 1


def _adds_up(nest: Nest) -> bool:
    return any(op.is_across for op in nest.ops)


def bounds(f: Function, nest: Nest, chunks: int, chunk: Value) -> tuple[Value, Value]:
    """The turns of a chunk; the last chunk has the rest that is no whole unit."""
    size, unit = axis(nest)
    each = -(-(size // unit) // chunks) * unit
    start = f.minimum(chunk * each, f.index(size))
    stop = f.select(f.icmp("eq", chunk, chunks - 1), size, f.minimum(start + each, f.index(size)))
    return start, stop


def emit_chunk(module: Module, step: Function, nest: Nest, chunks: int, scratch: Sequence[int]) -> Function:
    """`void NAME_chunk(ptr pointers, i64 chunk)`: calls a nest's function for a chunk.

    The pointers are those of its parameters; those with a number of bytes in `scratch` are a chunk's own.
    """
    f = Function(module, f"{step.name}_chunk", [("pointers", PTR), ("chunk", I64)])
    table, chunk = f.args
    given = [f.load(f.offset(table, i, PTR), PTR) for i in range(len(step.args) - 2)]
    own = [f.offset(p, chunk * size, I8) if size else p for p, size in zip(given, scratch, strict=True)]
    f.call(step, *own, *bounds(f, nest, chunks, chunk))
    f.ret()
    return f


def call_chunks(
    f: Function,
    chunk: Function,
    pointers: Sequence[Value],
    chunks: int,
    parallel: Value,
    alone: Callable[[], object] | None = None,
) -> None:
    """Run all chunks: by `parallel`, a function's address, or where it is null, by `alone`, else one after the other."""
    workers = f.index(chunks if f.module.threads is None else f.module.threads - 1)
    table = f.stack(PTR, len(pointers))
    for i, pointer in enumerate(pointers):
        f.store(pointer, f.offset(table, i, PTR), 8)
    with f.when(f.icmp("ne", f.cast("ptrtoint", parallel, I64), 0)) as branch:
        f.call_pointer(parallel, None, f.address(chunk.name), table, f.index(chunks), workers)
        branch.otherwise()
        if alone is not None:
            alone()
        else:
            with f.loop(0, chunks) as loop:
                f.call(chunk, table, loop.index)
