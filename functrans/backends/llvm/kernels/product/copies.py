"""Copies of operands in another order of axes, or in a wider type. Imports `ring`, `layout` and the builder."""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.kernels.product.layout import Copy
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["copied"]


def copied(f: Function, ring: Ring, source: Value, to: Value, copy: Copy) -> None:
    """Write the elements of an operand to `to` one after the other, in the order of the copy's axes."""
    _axis(f, ring, source, to, copy.sizes or (1,), copy.strides or (1,))


def _axis(f: Function, ring: Ring, source: Value, to: Value, sizes: tuple[int, ...], strides: tuple[int, ...]) -> None:
    if len(sizes) == 1:
        _innermost(f, ring, source, to, sizes[0], strides[0])
        return
    inner = 1
    for size in sizes[1:]:
        inner *= size
    with f.loop(0, sizes[0]) as loop:
        here = f.offset(source, loop.index * (strides[0] * ring.parts), ring.stored)
        there = f.offset(to, loop.index * (inner * ring.parts), ring.part)
        _axis(f, ring, here, there, sizes[1:], strides[1:])


def _innermost(f: Function, ring: Ring, source: Value, to: Value, size: int, stride: int) -> None:
    lanes = ring.lanes(f.module)
    parts, whole = size * ring.parts, 0
    if stride == 1 and parts >= lanes:
        whole = parts // lanes * lanes
        with f.loop(0, whole, lanes) as loop:
            _moved(f, ring, f.offset(source, loop.index, ring.stored), f.offset(to, loop.index, ring.part), lanes)
    if whole < parts:
        with f.loop(whole // ring.parts, size) as loop:
            here = f.offset(source, loop.index * (stride * ring.parts), ring.stored)
            _moved(f, ring, here, f.offset(to, loop.index * ring.parts, ring.part), ring.parts)


def _moved(f: Function, ring: Ring, source: Value, to: Value, lanes: int) -> None:
    x = f.load(source, ring.stored.vector(lanes), ring.stored.bytes)
    f.store(ring.widened(f, x) if ring.narrow else x, to, ring.part.bytes)
