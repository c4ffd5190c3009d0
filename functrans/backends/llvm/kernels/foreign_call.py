"""`ForeignCall`: a loop that calls a C function by its address. Imports the builder and `blocks`; start reading at `emit`.

Nobody knows what such a function does: it runs in the thread that runs the program, for one element after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.elements import memory_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I32, PTR, Module, Value
from functrans.backends.llvm.kernels.blocks import Axis, byte_strides, collapse, kernel, nest
from functrans.core.aval import ShapedArray
from functrans.core.lowering_foreign import ForeignCall
from functrans.typing import DType

__all__ = ["emit", "scratch_bytes", "supports"]


def supports(spec: ForeignCall, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    return True


def scratch_bytes(spec: ForeignCall, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    return 0


def emit(
    module: Module, name: str, spec: ForeignCall, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]
) -> Function:
    """`i64 (ptr address, ptr operand …, ptr result …, ptr scratch)`, 0."""
    f = kernel(module, name, ins, outs)
    mapped = [*spec.mapped, *((True,) * len(spec.loop) for _ in outs)]
    strides = [_strides(aval, axes) for aval, axes in zip((*ins, *outs), mapped, strict=True)]
    axes = [Axis(size, tuple(one[i] for one in strides)) for i, size in enumerate(spec.loop)]
    with nest(f, collapse(axes), *f.args[:-1]) as places:
        _call(f, spec, [aval.dtype for aval in ins[1:]], places[: len(ins)], places[len(ins) :])
    f.ret(f.index(0))
    return f


def _strides(aval: ShapedArray, mapped: Sequence[bool]) -> list[int]:
    """How many bytes a step along each axis of the loop goes."""
    own = iter(byte_strides(aval.shape, aval.dtype.itemsize))
    return [next(own) if has else 0 for has in mapped]


def _call(f: Function, spec: ForeignCall, dtypes: Sequence[DType], ins: Sequence[Value], outs: Sequence[Value]) -> None:
    address, *operands = ins
    for operand, result in spec.copies:
        f.copy(outs[result], operands[operand], f.index(spec.results[result].nbytes))
    places = {"operand": operands, "result": outs}
    given = [
        _number(f, operands[number], dtypes[number]) if kind == "value" else places[kind][number]
        for kind, number in spec.given
    ]
    function = f.load(address, PTR)
    if not spec.returns:
        f.call_pointer(function, None, *given)
        return
    kind = memory_type(spec.results[0].dtype)
    returned = f.call_pointer(function, kind, *given)
    if spec.results[0].dtype.kind == "b":
        returned = f.cast("zext", f.icmp("ne", returned, 0), I8)
    f.store(returned, outs[0])


def _number(f: Function, place: Value, dtype: DType) -> Value:
    """As C passes it: integers of less than 32 bits in as many."""
    kind = memory_type(dtype)
    number = f.load(place, kind)
    if kind.kind == "i" and kind.bits < I32.bits:
        return f.cast("sext" if dtype.kind == "i" else "zext", number, I32)
    return number
