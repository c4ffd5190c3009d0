"""`NumpyLoop`: one call of a loop of NumPy's, for all matrices or vectors of a stack. Start reading at `emit`.

A loop that failed leaves the processor's flag of invalid operations set, by which NumPy knows it too. Imports the builder,
`blocks` and `numpy_loops`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod

from functrans.backends.llvm.elements import memory_type, part_dtype
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, I64, External, Module, Value
from functrans.backends.llvm.kernels.blocks import byte_strides, kernel
from functrans.backends.llvm.numpy_loops import DATA, has_loop, loop_address, loop_name
from functrans.core.aval import ShapedArray
from functrans.core.lowering_loops import NumpyLoop

__all__ = ["call_loop", "emit", "scratch_bytes", "supports"]

_INVALID = 1
"""FE_INVALID of C's fenv.h, on all machines that there is code for."""


def supports(spec: NumpyLoop, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    return has_loop(_name(spec, ins, outs)) and all(aval.size for aval in (*ins, *outs))


def scratch_bytes(spec: NumpyLoop, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    return 0


def emit(
    module: Module, name: str, spec: NumpyLoop, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]
) -> Function:
    """`i64 (ptr operand …, ptr result …, ptr scratch)`: 0, or 1 where NumPy would raise."""
    f = kernel(module, name, ins, outs)
    f.ret(call_loop(f, spec, ins, outs, f.args[:-1]))
    return f


def call_loop(
    f: Function, spec: NumpyLoop, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], pointers: Sequence[Value]
) -> Value:
    """Call the loop for arrays that lie at these places; whether it failed, 1 or 0."""
    loop = _name(spec, ins, outs)
    places = [*pointers[: len(ins)], *_number(f, spec, ins), *pointers[len(ins) :]]
    arrays = [_Array(aval, core) for aval, core in zip(_with_number(spec, ins, outs), spec.cores, strict=True)]
    lengths: dict[str, int] = {}
    for array in arrays:
        lengths.update(zip(array.letters, array.core, strict=True))
    steps = [array.step for array in arrays] + [stride for array in arrays for stride in array.strides]
    count = max(array.count for array in arrays)
    tables = [_table(f, [f.index(n) for n in numbers]) for numbers in ([count, *lengths.values()], steps)]
    f.module.externals[loop] = External(partial(loop_address, loop), None)
    if spec.raises:
        f.call_symbol("feclearexcept", I32, f.const(_INVALID, I32))
    f.call_symbol(loop, None, _table(f, places), *tables, _data(f, f"{loop}{DATA}"))
    if not spec.raises:
        return f.index(0)
    found = f.call_symbol("fetestexcept", I32, f.const(_INVALID, I32))
    return f.cast("zext", f.icmp("ne", found, 0), I64)


class _Array:
    """How an operand or result lies: how many cores there are, the core's lengths, and the strides in bytes."""

    def __init__(self, aval: ShapedArray | None, letters: tuple[str, ...]) -> None:
        shape = () if aval is None else aval.shape
        lead = len(shape) - len(letters)
        self.letters = letters
        self.core = shape[lead:]
        self.count = prod(shape[:lead])
        itemsize = 0 if aval is None else aval.dtype.itemsize
        self.strides = byte_strides(self.core, itemsize)
        self.step = 0 if aval is None else itemsize * prod(self.core)


def _with_number(spec: NumpyLoop, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> list[ShapedArray | None]:
    return [*ins, *([] if spec.factor is None else [None]), *outs]


def _name(spec: NumpyLoop, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> str:
    number = "" if spec.factor is None else part_dtype(ins[0].dtype).char
    types = "".join(aval.dtype.char for aval in ins) + number + "".join(aval.dtype.char for aval in outs)
    return loop_name(spec.module, spec.ufunc, types)


def _number(f: Function, spec: NumpyLoop, ins: Sequence[ShapedArray]) -> list[Value]:
    """Where the factor is."""
    if spec.factor is None:
        return []
    kind = memory_type(part_dtype(ins[0].dtype))
    place = f.stack(kind, 1)
    f.store(f.const(spec.factor, kind), place)
    return [place]


def _table(f: Function, values: Sequence[Value]) -> Value:
    kind = values[0].type
    table = f.stack(kind, len(values))
    for i, value in enumerate(values):
        f.store(value, f.offset(table, i, kind))
    return table


def _data(f: Function, name: str) -> Value:
    """Where a loop's data are. They are declared as a function, as all that has a name elsewhere."""
    if not has_loop(name):
        return f.null()
    f.module.externals[name] = External(partial(loop_address, name), None)
    f.module.declare(name, None, [])
    return f.address(name)
