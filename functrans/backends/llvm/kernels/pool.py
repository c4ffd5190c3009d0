"""Reductions over windows and where their extrema stand: the kernels of `ReduceWindow` and `WindowPosition`.

Along the last axis windows go side by side, a vector of them at a time; the operand is padded in a copy if it must be. A
position is found as the extremum is, next to which a vector of places is kept. Imports `blocks` and `scalars`; start reading at
`emit`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from typing import TypeAlias

import numpy as np

from functrans.backends.llvm.elements import Element, register_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I32, Module, Value
from functrans.backends.llvm.kernels.assemble import kept
from functrans.backends.llvm.kernels.blocks import Axis, byte_strides, copy_block, fill_block, kernel, nest, pattern_at
from functrans.backends.llvm.kernels.extremum_position import bytes_of
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.scalars import supports as has_operation
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Combine
from functrans.core.lowering_windows import ReduceWindow, WindowPosition
from functrans.record import Record
from functrans.typing import DType, Shape

__all__ = ["emit", "scratch_bytes", "supports"]

Avals: TypeAlias = Sequence[ShapedArray]
State: TypeAlias = list[Value]

_UNROLLED = 32
"""Elements of a window up to which each has code of its own."""
_INDEX = np.dtype(np.int32)


def supports(spec: ReduceWindow | WindowPosition, ins: Avals, outs: Avals) -> bool:
    """Whether there is native code for these types."""
    dtype = ins[0].dtype
    if isinstance(spec, ReduceWindow):
        return has_operation(spec.combine, [dtype, dtype], {})
    return prod(ins[0].shape[spec.inner :]) < 1 << 31


def scratch_bytes(spec: ReduceWindow | WindowPosition, ins: Avals, outs: Avals) -> int:
    """How much memory the function of `emit` wants besides operand and result."""
    return _Layout.of(spec, ins[0]).end


def emit(module: Module, name: str, spec: ReduceWindow | WindowPosition, ins: Avals, outs: Avals) -> Function:
    """`i64 name(ptr in, ptr out, ptr scratch)`, which gives 0."""
    f = kernel(module, name, ins, outs)
    if outs[0].size:
        layout = _Layout.of(spec, ins[0])
        if isinstance(spec, ReduceWindow):
            _Reduction(f, spec, layout, ins[0], outs[0]).write()
        else:
            _Position(f, spec, layout, ins[0], outs[0]).write()
    f.ret(f.index(0))
    return f


class _Layout(Record):
    """How the axes from `inner` on are read: as they lie, or padded."""

    inner: int
    padded: Shape
    is_copied: bool
    places: int
    """Where the places lie in the scratch memory, after a padded copy."""
    end: int

    @staticmethod
    def of(spec: ReduceWindow | WindowPosition, x: ShapedArray) -> _Layout:
        inner = next((axis for axis, window in enumerate(spec.windows) if not window.is_whole), x.ndim - 1)
        inner = max(inner, 0) if isinstance(spec, ReduceWindow) else spec.inner
        windows = spec.windows[inner:]
        padded = tuple(window.padded(length) for window, length in zip(windows, x.shape[inner:], strict=True))
        is_copied = padded != x.shape[inner:] or any(window.before or window.spread > 1 for window in windows)
        places = -(-prod(padded) * x.dtype.itemsize // 64) * 64 if is_copied else 0
        return _Layout(inner, padded, is_copied, places, places + prod(padded) * _INDEX.itemsize)


class _Windows:
    """Goes through all windows; what is done with their elements is said by `begin`, `step` and `end`."""

    def __init__(
        self, f: Function, spec: ReduceWindow | WindowPosition, layout: _Layout, x: ShapedArray, out: ShapedArray
    ) -> None:
        self.f = f
        self.layout = layout
        self.x, self.out = x, out
        self.dtype = x.dtype
        self.windows = spec.windows[layout.inner :]
        self.lead = prod(x.shape[: layout.inner])
        self.counts = out.shape[layout.inner :]
        most = f.module.lanes(register_type(bytes_of(self.dtype)))
        last = self.counts[-1] if self.counts else 1
        self.lanes = min(most, 1 << last.bit_length() - 1)
        self.b = Scalars(f, self.lanes)

    @abstractmethod
    def begin(self) -> State:
        """What there is before the first element of a window."""

    @abstractmethod
    def step(self, state: State, pointers: tuple[Value, ...]) -> State:
        """With one more element."""

    @abstractmethod
    def end(self, state: State, out: Value) -> None:
        """Store what there is after the last one."""

    @abstractmethod
    def filling(self) -> Element:
        """What stands around the elements."""

    def arrays(self, x: Value) -> list[tuple[Value, int]]:
        """What the windows are taken of, at the same places, and the bytes of an element."""
        return [(x, self.dtype.itemsize)]

    def write(self) -> None:
        f, size = self.f, self.x.size // self.lead * self.dtype.itemsize
        x, out, scratch = f.args
        if self.layout.is_copied:
            self._fill(scratch, self.dtype, self.filling())
        with f.loop(0, self.lead) as loop:
            plane = f.offset(x, loop.index * size, I8)
            if self.layout.is_copied:
                self._copy(plane, scratch, self.dtype.itemsize)
                plane = scratch
            there = f.offset(out, loop.index * (prod(self.counts) * self.out.dtype.itemsize), I8)
            self._plane(self.arrays(plane), there)

    def _fill(self, to: Value, dtype: DType, filling: Element) -> None:
        f, size = self.f, dtype.itemsize
        space = f.stack(I8, 16)
        Scalars(f, 1).store(filling, space)
        fill_block(f, [Axis(prod(self.layout.padded), (size,))], size, to, pattern_at(f, space, size))

    def _copy(self, of: Value, to: Value, size: int) -> None:
        """The elements of a plane, to their places among what is around them."""
        f, axes = self.f, []
        shape = self.x.shape[self.layout.inner :]
        steps = zip(byte_strides(self.layout.padded, size), byte_strides(shape, size), strict=True)
        for window, length, total, (into, step) in zip(self.windows, shape, self.layout.padded, steps, strict=True):
            first, count, place, apart = kept(length, total, (window.before, window.after, window.spread - 1))
            to, of = f.offset(to, place * into, I8), f.offset(of, first * step, I8)
            axes.append(Axis(count, (apart * into, step)))
        copy_block(f, axes, size, to, of)

    def _plane(self, arrays: Sequence[tuple[Value, int]], out: Value) -> None:
        """All windows of a plane, a row of them after the other; the last vector of a row ends where the row does."""
        f, strides = self.f, [byte_strides(self.layout.padded, size) for _, size in arrays]
        outs = byte_strides(self.counts, self.out.dtype.itemsize)
        axes = [
            Axis(count, (outs[i], *(window.stride * step[i] for step in strides)))
            for i, (count, window) in enumerate(zip(self.counts, self.windows, strict=True))
        ]
        within = [
            Axis(window.size, tuple(window.dilation * step[i] for step in strides))
            for i, window in enumerate(self.windows)
        ]
        is_unrolled = prod(axis.size for axis in within) <= _UNROLLED
        with nest(f, axes[:-1], out, *(pointer for pointer, _ in arrays)) as rows:
            count, steps = (axes[-1].size, axes[-1].strides) if axes else (1, (0,) * len(rows))
            with f.loop(0, count, self.lanes) as loop:
                at = f.minimum(loop.index, f.index(count - self.lanes))
                to, *places = (f.offset(row, at * step, I8) for row, step in zip(rows, steps, strict=True))
                self.end(_folded(f, within, tuple(places), self.begin(), self.step, is_unrolled), to)

    @property
    def stride(self) -> int:
        """From window to window along the last axis."""
        return self.windows[-1].stride if self.windows else 1


def _folded(
    f: Function,
    axes: Sequence[Axis],
    pointers: tuple[Value, ...],
    state: State,
    step: Callable[[State, tuple[Value, ...]], State],
    is_unrolled: bool,
) -> State:
    """The state after all elements of a window, in C order."""
    if not axes:
        return step(state, pointers)
    first, *rest = axes

    def at(index: Value | int) -> tuple[Value, ...]:
        distances = [index * stride for stride in first.strides]
        return tuple(f.offset(p, distance, I8) for p, distance in zip(pointers, distances, strict=True))

    if is_unrolled:
        for i in range(first.size):
            state = _folded(f, rest, at(i), state, step, is_unrolled)
        return state
    with f.loop(0, first.size, carry=state, certain=True) as loop:
        loop.next = _folded(f, rest, at(loop.index), loop.carry, step, is_unrolled)
    return loop.results


class _Reduction(_Windows):
    def __init__(self, f: Function, spec: ReduceWindow, layout: _Layout, x: ShapedArray, out: ShapedArray) -> None:
        super().__init__(f, spec, layout, x, out)
        self.combine: Combine = spec.combine

    def filling(self) -> Element:
        return Scalars(self.f, 1).identity(self.combine, self.dtype)

    def begin(self) -> State:
        return [*self.b.identity(self.combine, self.dtype).parts]

    def step(self, state: State, pointers: tuple[Value, ...]) -> State:
        element = self.b.load(pointers[0], self.dtype, 0, self.stride)
        return [*self.b.combine(self.combine, Element(self.dtype, tuple(state)), element).parts]

    def end(self, state: State, out: Value) -> None:
        self.b.store(Element(self.dtype, tuple(state)), out)


class _Position(_Windows):
    """The state: the extremum so far, its place, -1 while there is none."""

    def __init__(self, f: Function, spec: WindowPosition, layout: _Layout, x: ShapedArray, out: ShapedArray) -> None:
        super().__init__(f, spec, layout, x, out)
        self.dtype = bytes_of(x.dtype)
        self.better = "gt" if spec.extremum == "max" else "lt"

    def filling(self) -> Element:
        return Scalars(self.f, 1).constant(0, self.dtype)

    def write(self) -> None:
        self._number_places()
        super().write()

    def arrays(self, x: Value) -> list[tuple[Value, int]]:
        return [*super().arrays(x), (self._places(), _INDEX.itemsize)]

    def _places(self) -> Value:
        return self.f.offset(self.f.args[-1], self.layout.places, I8)

    def _number_places(self) -> None:
        """The number of each element where the element stands, -1 around them."""
        f, places = self.f, self._places()
        if self.layout.is_copied:
            self._fill(places, _INDEX, Scalars(f, 1).constant(-1, _INDEX))
        shape = self.x.shape[self.layout.inner :]
        axes, count = [], 1
        steps = list(byte_strides(self.layout.padded, _INDEX.itemsize))
        for window, length, total, into in reversed(
            list(zip(self.windows, shape, self.layout.padded, steps, strict=True))
        ):
            first, many, place, apart = kept(length, total, (window.before, window.after, window.spread - 1))
            axes.append((Axis(many, (apart * into, count)), place * into, first * count))
            count *= length
        to = f.offset(places, sum(start for _, start, _ in axes), I8)
        number = f.offset(f.null(), sum(start for *_, start in axes), I8)
        with nest(f, [axis for axis, *_ in reversed(axes)], to, number) as (there, distance):
            f.store(f.cast("ptrtoint", distance, I32), there)

    def begin(self) -> State:
        return [self.b.constant(0, self.dtype).value, self.b.constant(-1, _INDEX).value]

    def step(self, state: State, pointers: tuple[Value, ...]) -> State:
        f, b, (best, place) = self.f, self.b, state
        x = b.load(pointers[0], self.dtype, 0, self.stride)
        at = b.load(pointers[1], _INDEX, 0, self.stride).value
        old = Element(self.dtype, (best,))
        better = b.call(self.better, x, old).value
        if self.dtype.kind == "f":
            better |= b.call("is_nan", x).value & (b.call("is_nan", old).value ^ 1)
        chosen = f.icmp("sge", at, 0) & (f.icmp("slt", place, 0) | better)
        return [f.select(chosen, x.value, best), f.select(chosen, at, place)]

    def end(self, state: State, out: Value) -> None:
        place = state[1]
        wanted = register_type(self.out.dtype)
        if wanted.bits != place.type.bits:
            place = self.f.cast("sext" if wanted.bits > place.type.bits else "trunc", place, wanted)
        self.b.store(Element(self.out.dtype, (place,)), out)
