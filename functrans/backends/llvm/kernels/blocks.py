"""Blocks of memory: loops over axes with strides, copies and fills, whatever the dtype. All distances are in bytes.

Axes are merged where memory allows, so that what is copied at once is as long as it can be. Imports the builder; start
reading at `nest`, then `copy_block`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Type, Value
from functrans.core.aval import ShapedArray
from functrans.record import Record
from functrans.typing import Shape

__all__ = ["Axis", "byte_strides", "collapse", "copy_block", "fill_block", "kernel", "nest", "pattern", "pattern_at"]

_UNROLLED = 4


def kernel(module: Module, name: str, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Function:
    """A function of the common signature: pointers to operands, results and scratch; it gives 0, or 1 for NumPy's turn."""
    names = [*(f"in{i}" for i in range(len(ins))), *(f"out{i}" for i in range(len(outs))), "scratch"]
    return Function(module, name, [(name, PTR) for name in names], I64)


# ---- axes ----


class Axis(Record):
    """How many steps there are along it, and how far each goes in each of several arrays."""

    size: int
    strides: tuple[int, ...]


def byte_strides(shape: Shape, itemsize: int) -> tuple[int, ...]:
    """Of an array in C order."""
    return tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))


def collapse(axes: Sequence[Axis]) -> list[Axis]:
    """The same steps along fewer axes: none of length 1, and one for two where the outer goes on where the inner ends."""
    merged: list[Axis] = []
    for axis in axes:
        if axis.size == 1:
            continue
        if merged and merged[-1].strides == tuple(axis.size * stride for stride in axis.strides):
            axis = Axis(merged.pop().size * axis.size, axis.strides)
        merged.append(axis)
    return merged


@contextmanager
def nest(f: Function, axes: Sequence[Axis], *pointers: Value) -> Iterator[tuple[Value, ...]]:
    """Loops over all axes, the last one innermost; gives where each pointer has come to."""
    with ExitStack() as loops:
        for axis in axes:
            index = loops.enter_context(f.loop(0, axis.size)).index
            pointers = tuple(
                f.offset(pointer, index * stride, I8) if stride else pointer
                for pointer, stride in zip(pointers, axis.strides, strict=True)
            )
        yield pointers


# ---- copies ----


def copy_block(f: Function, axes: Sequence[Axis], itemsize: int, to: Value, of: Value) -> None:
    """Copy the elements of a block, whose axes have strides in `to` and in `of`."""
    axes, run = _run(collapse(axes), itemsize)
    if all(axis.size for axis in axes) and run:
        with nest(f, axes, to, of) as (there, here):
            f.copy(there, here, f.index(run))


def _run(axes: list[Axis], itemsize: int) -> tuple[list[Axis], int]:
    """The last axis taken away if its elements lie side by side, and how many bytes do."""
    if axes and all(stride == itemsize for stride in axes[-1].strides):
        return axes[:-1], axes[-1].size * itemsize
    return axes, itemsize


# ---- fills ----


def pattern(f: Function, element: bytes) -> Value:
    """An element as bits, repeated through a vector register, for `fill_block`."""
    kind, parts = _pattern_type(len(element)), len(element) // 8 or 1
    width = len(element) // parts
    words = [int.from_bytes(element[i * width : (i + 1) * width], "little") for i in range(parts)]
    lanes = f.module.lanes(kind)
    return f.vector_const([words[lane % parts] for lane in range(max(lanes, parts))], kind)


def pattern_at(f: Function, place: Value, itemsize: int) -> Value:
    """`pattern` of an element in memory."""
    kind, parts = _pattern_type(itemsize), itemsize // 8 or 1
    lanes = max(f.module.lanes(kind), parts)
    if parts == 1:
        return f.splat(f.load(place, kind), lanes)
    words = f.load(place, kind.vector(parts), 8)
    return f.shuffle(words, words, [lane % parts for lane in range(lanes)])


def _pattern_type(itemsize: int) -> Type:
    return Type("i", 8 * min(itemsize, 8))


def fill_block(f: Function, axes: Sequence[Axis], itemsize: int, to: Value, filling: Value) -> None:
    """Fill the elements of a block, whose axes have strides in `to`."""
    axes, run = _run(collapse(axes), itemsize)
    if all(axis.size for axis in axes) and run:
        with nest(f, axes, to) as (there,):
            _fill(f, there, run, filling)


def _fill(f: Function, to: Value, size: int, filling: Value) -> None:
    """Whole vectors, then the largest power of two of lanes that is left, and so on."""
    kind, lanes = filling.type.scalar, filling.type.lanes
    count = size // kind.bytes
    whole, start = count // lanes, 0
    if whole > _UNROLLED:
        with f.loop(0, whole * lanes, lanes) as loop:
            f.store(filling, f.offset(to, loop.index, kind), kind.bytes)
        start = whole * lanes
    while start < count:
        piece = min(1 << (count - start).bit_length() - 1, lanes)
        part = filling if piece == lanes else f.shuffle(filling, filling, range(piece))
        f.store(f.extract(filling, 0) if piece == 1 else part, f.offset(to, start, kind), kind.bytes)
        start += piece
