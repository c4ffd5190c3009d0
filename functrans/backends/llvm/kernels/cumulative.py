"""`Cumulative` and `LinearRecurrence`: each result from the one before it, in NumPy's order, so equal to NumPy's bit for bit.

Along the last axis a few lines go side by side, as each waits for its own last result (integers go by registers); along
another axis a row follows the row before it. Start reading at `emit`. Imports `lines`, `extremum_position`, `scalars`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from functrans.backends.llvm.elements import Element, memory_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.extremum_position import bytes_of, in_columns, pointer_at
from functrans.backends.llvm.kernels.lines import Lines
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.scalars import supports as has_operation
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Combine
from functrans.core.lowering_order import Cumulative, LinearRecurrence
from functrans.typing import DType

__all__ = ["emit", "scratch_bytes", "supports"]

_TOGETHER = 4
"""Lines that go side by side."""
_ROW = 1024
"""Elements of a row after which the next row is begun: the last ones are still in the nearest cache."""

Step: TypeAlias = Callable[[Scalars, Element, Sequence[Element]], Element]
"""`(b, the result before, the operands here) -> result`."""


def supports(spec: Cumulative | LinearRecurrence, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    dtype = bytes_of(ins[0].dtype)
    needed = (spec.combine,) if isinstance(spec, Cumulative) else ("add", "mul")
    return all(has_operation(name, [dtype, dtype], {}) for name in needed)


def scratch_bytes(spec: Cumulative | LinearRecurrence, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    return 0


def emit(
    module: Module,
    name: str,
    spec: Cumulative | LinearRecurrence,
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
) -> Function:
    """`i64 (ptr in …, ptr out, ptr scratch)`, 0."""
    dtype, lines = bytes_of(ins[0].dtype), Lines.along(ins[0].shape, spec.axis)
    names = [*(f"a{k}" for k in range(len(ins))), "out", "scratch"]
    f = Function(module, name, [(p, PTR) for p in names], I64, noalias=names[:-1])
    if outs[0].size:
        recurrence = _Recurrence(f, lines, spec.reverse, dtype, _step(spec))
        if lines.inner > 1:
            recurrence.across()
        elif isinstance(spec, Cumulative) and spec.combine != "logaddexp" and _pays(module, dtype):
            _Scan(f, spec.combine, spec.reverse, dtype).along(lines)
        else:
            recurrence.along()
    f.ret(f.index(0))
    return f


def _pays(module: Module, dtype: DType) -> bool:
    """Whether elements go by registers: integers, of which there are enough in one to be worth the shuffles."""
    return dtype.kind in "iu" and module.lanes(memory_type(dtype)) > 4


def _step(spec: Cumulative | LinearRecurrence) -> Step:
    if isinstance(spec, LinearRecurrence):
        return lambda b, before, here: b.call("add", b.call("mul", here[0], before), here[1])
    name = spec.combine
    return lambda b, before, here: b.call(name, before, here[0])


class _Scan:
    """Integers along lines, a register at a time: they give the same in whatever order they are combined."""

    def __init__(self, f: Function, combine: Combine, reverse: bool, dtype: DType) -> None:
        self._f, self._reverse, self._dtype = f, reverse, dtype
        self._combine: Combine = combine
        self._lanes = f.module.lanes(memory_type(dtype))

    def along(self, lines: Lines) -> None:
        f, dtype, lanes, length = self._f, self._dtype, self._lanes, lines.length
        whole = length - length % lanes
        with f.loop(0, lines.outer) as outer:
            x, out = (pointer_at(f, p, outer.index * length, dtype) for p in f.args[:2])
            b = Scalars(f, lanes)
            carried = b.identity(self._combine, dtype).value
            with f.loop(0, whole, lanes, carry=[carried]) as loop:
                at = f.index(length - lanes) - loop.index if self._reverse else loop.index
                loop.next = [self._register(b, x, out, at, loop.carry[0])]
            if whole < length:
                rest = f.index(0 if self._reverse else whole)
                self._register(Scalars(f, lanes, valid=length - whole), x, out, rest, loop.results[0])

    def _register(self, b: Scalars, x: Value, out: Value, at: Value, carried: Value) -> Value:
        """Each lane with all before it, by steps of 1, 2, 4 … lanes, and then with what was carried; what to carry on."""
        f, dtype, lanes = self._f, self._dtype, self._lanes
        identity = b.identity(self._combine, dtype)
        here = b.select_lanes(b.valid, b.load(x, dtype, at), identity)
        for distance in (1 << bit for bit in range(lanes.bit_length() - 1)):
            sources = [lane + (distance if self._reverse else -distance) for lane in range(lanes)]
            order = [lane if lane in range(lanes) else lanes for lane in sources]
            here = b.combine(self._combine, here, Element(dtype, (f.shuffle(here.value, identity.value, order),)))
        before, last = Element(dtype, (carried,)), [0 if self._reverse else lanes - 1] * lanes
        b.store(b.combine(self._combine, before, here), out, at)
        total = Element(dtype, (f.shuffle(here.value, here.value, last),))
        return b.combine(self._combine, before, total).value  # one step from the last one, however long this was


class _Recurrence:
    """Writes the loops of one kernel, whose operands and result are the function's first parameters."""

    def __init__(self, f: Function, lines: Lines, reverse: bool, dtype: DType, step: Step) -> None:
        self._f, self._lines, self._reverse, self._dtype, self._step = f, lines, reverse, dtype, step
        *self._operands, self._out = f.args[:-1]

    def _index(self, place: Value, inner: Value) -> Value:
        """Of the element at a place along the axis, counted from where the recurrence begins."""
        along = self._f.index(self._lines.length - 1) - place if self._reverse else place
        return along * self._lines.inner + inner

    def _load(self, b: Scalars, pointers: Sequence[Value], index: Value) -> list[Element]:
        return [b.load(pointer, self._dtype, index) for pointer in pointers]

    # ---- along lines ----

    def along(self) -> None:
        """The last results are carried in registers."""
        f, lines = self._f, self._lines
        whole = lines.outer - lines.outer % _TOGETHER
        for start, stop, together in ((0, whole, _TOGETHER), (whole, lines.outer, 1)):
            if start < stop:
                with f.loop(start, stop, together) as outer:
                    self._together(outer.index, together)

    def _together(self, outer: Value, count: int) -> None:
        f, b, zero = self._f, Scalars(self._f, 1), self._f.index(0)
        lines = [
            [pointer_at(f, p, (outer + k) * self._lines.length, self._dtype) for p in (*self._operands, self._out)]
            for k in range(count)
        ]
        first = self._index(zero, zero)
        results = []
        for *operands, out in lines:
            results.append(self._load(b, operands, first)[-1])
            b.store(results[-1], out, first)
        with f.loop(1, self._lines.length, carry=[part for x in results for part in x.parts]) as loop:
            here, width = self._index(loop.index, zero), len(results[0].parts)
            following: list[Value] = []
            for k, (*operands, out) in enumerate(lines):
                before = Element(self._dtype, tuple(loop.carry[k * width : (k + 1) * width]))
                result = self._step(b, before, self._load(b, operands, here))
                b.store(result, out, here)
                following += result.parts
            loop.next = following

    # ---- across lines ----

    def across(self) -> None:
        """The last row of results is read again from memory."""
        f, lines = self._f, self._lines
        size = lines.length * lines.inner
        whole = lines.inner - lines.inner % _ROW
        with f.loop(0, lines.outer) as outer:
            for start, stop, row in ((0, whole, _ROW), (whole, lines.inner, lines.inner - whole)):
                if start < stop:
                    with f.loop(start, stop, row) as block:
                        at = outer.index * size + block.index
                        pointers = [pointer_at(f, p, at, self._dtype) for p in (*self._operands, self._out)]
                        self._rows(pointers[:-1], pointers[-1], row)

    def _rows(self, operands: Sequence[Value], out: Value, width: int) -> None:
        f, zero = self._f, self._f.index(0)
        lanes = 2 * f.module.lanes(I64 if self._dtype.itemsize >= 8 else I32)

        def begin(b: Scalars, column: Value) -> None:
            index = self._index(zero, column)
            b.store(self._load(b, operands, index)[-1], out, index)

        in_columns(f, width, lanes, begin)
        with f.loop(1, self._lines.length) as loop:

            def follow(b: Scalars, column: Value) -> None:
                (before,) = self._load(b, [out], self._index(loop.index - 1, column))
                here = self._index(loop.index, column)
                b.store(self._step(b, before, self._load(b, operands, here)), out, here)

            in_columns(f, width, lanes, follow)
