"""Memory for the records of stacks, which grows while a program runs and is free when it ends.

It comes in chunks, each twice as large as the one before, the first on the machine's stack; records are never moved. Four words
say where the next record goes. What a turn of a loop has pushed and does not let out, the next one writes over. Start reading
at `Tape`. Imports the builder and `services`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.service_table import OUT_OF_MEMORY
from functrans.backends.llvm.services import python
from functrans.compiler.nodes import Node
from functrans.compiler.stacks import lets_records_out, pushes
from functrans.core.aval import ShapedArray
from functrans.core.ir import Jaxpr
from functrans.core.lowering_stack import EmptyStack, Pop, Push
from functrans.core.stacks import is_stack, record_avals, record_layout
from functrans.typing import DType

__all__ = ["Tape", "newest_chunk", "open_tape", "turn_of", "write_stack_step"]

_TOP, _END, _CHUNK, _SIZE = range(4)
"""Where the next record goes, the end of the chunk, the chunk (null: the first), and its size."""
_WORDS = 4
_FIRST = 4096
"""Bytes on the machine's stack, which short loops do with."""
_HEAD = 16
"""Bytes at a chunk's beginning: the chunk before it."""


class Tape:
    """The memory, in a function that is being written."""

    def __init__(self, f: Function, words: Value, services: Value) -> None:
        self.function = f
        self.words = words
        self._services = services

    def record(self, size: int) -> Value:
        """Memory for a record; the program ends where there is none left."""
        f = self.function
        place = f.call(f.module.shared("new_record", lambda: _emit_new(f.module)), self.words, self._services, size)
        f.leave_if(f.icmp("eq", place, f.null()), OUT_OF_MEMORY)
        return place

    def add(self, dtype: DType, x: Value, y: Value, to: Value) -> None:
        """Add two stacks. x, y, to: where they lie, and where the sum is to lie."""
        f = self.function
        status = f.call(adder(f.module, dtype), self.words, self._services, x, y, to)
        f.leave_if(f.icmp("ne", status, 0), status)

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """What is pushed inside is gone afterwards."""
        f, words = self.function, self.words
        before = [f.load(f.offset(words, i, PTR), PTR) for i in range(_WORDS)]
        yield
        self.release(before[_CHUNK])
        for i, word in enumerate(before):
            f.store(word, f.offset(words, i, PTR))

    def release(self, until: Value) -> None:
        """Give back the chunks that came after one of them."""
        f = self.function
        f.call(f.module.shared("release", lambda: _emit_release(f.module)), self.words, self._services, until)


def open_tape(f: Function, services: Value, *, lasting: bool) -> Tape:
    """A tape without records. lasting: records are for others when the function has ended."""
    words = f.stack(PTR, _WORDS)
    first = f.null() if lasting else f.stack(I8, _FIRST)
    end = f.null() if lasting else f.offset(first, _FIRST, I8)
    for i, word in enumerate((first, end, f.null(), f.cast("inttoptr", f.index(_FIRST), PTR))):
        f.store(word, f.offset(words, i, PTR))
    return Tape(f, words, services)


@contextmanager
def turn_of(tape: Tape | None, body: Jaxpr) -> Iterator[None]:
    """What a turn of a loop pushes is gone after it, unless its results let it out."""
    if tape is None or not pushes(body) or lets_records_out(body):
        yield
    else:
        with tape.forgetting():
            yield


def newest_chunk(f: Function, tape: Tape) -> Value:
    """The chunk that leads to all others, or null."""
    return f.load(f.offset(tape.words, _CHUNK, PTR), PTR)


def _emit_new(module: Module) -> Function:
    """`ptr new_record(ptr words, ptr services, i64 size)`: null where there is no memory."""
    f = Function(module, "new_record", [("words", PTR), ("services", PTR), ("size", I64)], PTR)
    words, services, size = f.args
    top, end, chunk, last = (f.offset(words, i, PTR) for i in (_TOP, _END, _CHUNK, _SIZE))
    left = f.cast("ptrtoint", f.load(end, PTR), I64) - f.cast("ptrtoint", f.load(top, PTR), I64)
    with f.when(f.icmp("slt", left, size)):
        twice, least = f.load(last, I64) * 2, size + _HEAD
        much = f.select(f.icmp("slt", twice, least), least, twice)
        new = f.call_pointer(python(f, services, "PyMem_RawMalloc"), PTR, much)
        f.leave_if(f.icmp("eq", new, f.null()), f.null())
        f.store(f.load(chunk, PTR), new)
        f.store(new, chunk)
        f.store(much, last)
        f.store(f.offset(new, _HEAD, I8), top)
        f.store(f.offset(new, much, I8), end)
    place = f.load(top, PTR)
    f.store(f.offset(place, size, I8), top)
    f.ret(place)
    return f


def _emit_release(module: Module) -> Function:
    """`void release(ptr words, ptr services, ptr until)`."""
    f = Function(module, "release", [("words", PTR), ("services", PTR), ("until", PTR)])
    words, services, until = f.args
    with f.whilst([f.load(f.offset(words, _CHUNK, PTR), PTR)]) as loop:
        (chunk,) = loop.carry
        loop.test(f.icmp("ne", chunk, until))
        loop.next = [f.load(chunk, PTR)]
        f.call_pointer(python(f, services, "PyMem_RawFree"), None, chunk)
    return f


# ---- what is done with stacks ----


def write_stack_step(f: Function, tape: Tape | None, node: Node, pointers: Sequence[Value]) -> None:
    """Write a step over stacks in memory. pointers: of its operands, then of its results."""
    out = node.outs[0].aval
    if isinstance(node.lowering, EmptyStack):
        f.fill(pointers[0], 0, f.index(out.nbytes))
        return
    with _each(f, prod(out.shape)) as number:
        if isinstance(node.lowering, Pop):
            _pop(f, out.dtype, number, pointers)
        else:
            assert tape is not None
            if isinstance(node.lowering, Push):
                _push(f, tape, out.dtype, number, pointers)
            else:
                x, y, to = (f.offset(pointer, number, PTR) for pointer in pointers)
                tape.add(out.dtype, x, y, to)


@contextmanager
def _each(f: Function, count: int) -> Iterator[Value]:
    if count == 1:
        yield f.index(0)
    else:
        with f.loop(0, count) as loop:
            yield loop.index


def _push(f: Function, tape: Tape, dtype: DType, number: Value, pointers: Sequence[Value]) -> None:
    stacks, *values, new = pointers
    places, size = record_layout(dtype)
    record = tape.record(size)
    f.store(f.load(f.offset(stacks, number, PTR), PTR), record)
    for value, at, aval in zip(values, places, record_avals(dtype), strict=True):
        _copy(f, f.offset(record, at, I8), f.offset(value, number * aval.nbytes, I8), aval.nbytes)
    f.store(record, f.offset(new, number, PTR))


def _pop(f: Function, dtype: DType, number: Value, pointers: Sequence[Value]) -> None:
    stacks, below, *values = pointers
    places, _ = record_layout(dtype)
    record = f.load(f.offset(stacks, number, PTR), PTR)
    rows = [f.offset(x, number * aval.nbytes, I8) for x, aval in zip(values, record_avals(dtype), strict=True)]
    with f.when(f.icmp("ne", record, f.null())) as branch:
        f.store(f.load(record, PTR), f.offset(below, number, PTR))
        for row, at, aval in zip(rows, places, record_avals(dtype), strict=True):
            _copy(f, row, f.offset(record, at, I8), aval.nbytes)
        branch.otherwise()
        f.store(f.null(), f.offset(below, number, PTR))
        for row, aval in zip(rows, record_avals(dtype), strict=True):
            f.fill(row, 0, f.index(aval.nbytes))


def _copy(f: Function, to: Value, of: Value, size: int) -> None:
    if size:
        f.copy(to, of, f.index(size))


# ---- sums ----


def adder(module: Module, dtype: DType) -> Function:
    """`i64 add_stacks(ptr words, ptr services, ptr x, ptr y, ptr to)`, of one dtype of stacks: 0, or OUT_OF_MEMORY."""
    name = f"add_stacks_{dtype.names[0].translate(_NAME)}"  # type: ignore[index]  # it has one
    return module.shared(name, lambda: _emit_adder(module, name, dtype))


_NAME = str.maketrans("()[], *", "_______")


def _emit_adder(module: Module, name: str, dtype: DType) -> Function:
    """Records are made from the top to the bottom: each is written into the one before it when it is there."""
    f = Function(module, name, [(p, PTR) for p in ("words", "services", "x", "y", "to")], I64)
    words, services, x, y, to = f.args
    tape = Tape(f, words, services)
    places, size = record_layout(dtype)
    with f.whilst([f.load(x, PTR), f.load(y, PTR), to]) as loop:
        left, right, place = loop.carry
        are_both = f.icmp("ne", left, f.null()) & f.icmp("ne", right, f.null())
        loop.test(are_both)
        record = tape.record(size)
        f.store(record, place)
        for at, aval in zip(places, record_avals(dtype), strict=True):
            _add_values(tape, aval, *(f.offset(one, at, I8) for one in (left, right, record)))
        loop.next = [f.load(left, PTR), f.load(right, PTR), record]
    left, right, place = loop.carry
    f.store(f.select(f.icmp("eq", left, f.null()), right, left), place)
    f.ret(f.index(0))
    return f


def _add_values(tape: Tape, aval: ShapedArray, x: Value, y: Value, to: Value) -> None:
    f = tape.function
    with _each(f, aval.size) as number:
        if is_stack(aval.dtype):
            tape.add(aval.dtype, *(f.offset(one, number, PTR) for one in (x, y, to)))
        else:
            scalars = Scalars(f, 1)
            total = scalars.call("add", *(scalars.load(one, aval.dtype, number) for one in (x, y)))
            scalars.store(total, to, number)
