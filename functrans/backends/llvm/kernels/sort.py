"""`Sort` and `Argsort`: numbers by the merge sort itself, all else by the order of the keys. Start reading at `emit`.

Imports `lines`, `ordering`, `merge_sort`, `sort_keys`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.elements import is_known
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I32, I64, PTR, Module, Type, Value
from functrans.backends.llvm.kernels.lines import Lines
from functrans.backends.llvm.kernels.merge_sort import MergeSort, buffer_bytes, emit_merge_sort
from functrans.backends.llvm.kernels.merging import largest
from functrans.backends.llvm.kernels.ordering import (
    aligned,
    any_bits,
    emit_order,
    for_vectors,
    order_bytes,
    pad,
    with_rest,
)
from functrans.backends.llvm.kernels.sort_keys import element_of, key, load_bits, raw_type, store_bits
from functrans.backends.llvm.scalars import Scalars
from functrans.core.aval import ShapedArray
from functrans.core.lowering_order import Argsort, Sort
from functrans.typing import DType

__all__ = ["emit", "scratch_bytes", "supports"]


def supports(spec: Sort | Argsort, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    return all(is_known(aval.dtype) for aval in ins) and ins[0].shape[spec.axis] < 1 << 31


def scratch_bytes(spec: Sort | Argsort, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    lines = Lines.along(ins[0].shape, spec.axis)
    copies = lines.scratch_bytes([aval.dtype for aval in (*ins, *outs)])
    if _is_of_numbers(spec, ins):
        return copies + 2 * buffer_bytes(_number_type(ins[0].dtype), lines.length)
    order = aligned(8 * lines.length) if isinstance(spec, Sort) else 0
    return copies + order + order_bytes(_keys(spec, ins), lines.length)


def emit(
    module: Module, name: str, spec: Sort | Argsort, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]
) -> Function:
    """`i64 (ptr in …, ptr out …, ptr scratch)`, 0."""
    lines = Lines.along(ins[0].shape, spec.axis)
    dtypes = [aval.dtype for aval in (*ins, *outs)]
    line = _line(module, spec, ins, lines.length) if lines.outer * lines.length * lines.inner else None
    f = Function(module, name, [*((f"a{k}", PTR) for k in range(len(dtypes))), ("scratch", PTR)], I64)
    *pointers, scratch = f.args
    arrays = list(zip(pointers, dtypes, strict=True))
    rest = f.offset(scratch, lines.scratch_bytes(dtypes), I8)
    if line is not None:
        lines.each(f, arrays[: len(ins)], arrays[len(ins) :], scratch, lambda given: f.call(line, *given, rest))
    f.ret(f.index(0))
    return f


def _keys(spec: Sort | Argsort, ins: Sequence[ShapedArray]) -> list[DType]:
    return [aval.dtype for aval in (ins[: spec.keys] if isinstance(spec, Sort) else ins)]


def _is_of_numbers(spec: Sort | Argsort, ins: Sequence[ShapedArray]) -> bool:
    return isinstance(spec, Sort) and len(ins) == 1 and ins[0].dtype.kind != "c"


def _line(module: Module, spec: Sort | Argsort, ins: Sequence[ShapedArray], count: int) -> Function:
    """`void (ptr in …, ptr out …, ptr scratch)`, of one line."""
    keys = _keys(spec, ins)
    if isinstance(spec, Argsort):
        return emit_order(module, keys, count)
    if _is_of_numbers(spec, ins):
        return _numbers(module, keys[0], count)
    return _operands(module, keys, [aval.dtype for aval in ins], count)


# ---- one operand of real numbers ----


def _number_type(dtype: DType) -> Type:
    """What the keys are sorted as."""
    return I64 if dtype.itemsize == 8 else I32


def _numbers(module: Module, dtype: DType, count: int) -> Function:
    name = f"sort_{dtype.kind}{dtype.itemsize}_{count}"
    return module.shared(name, lambda: _emit_numbers(module, name, dtype, count))


def _emit_numbers(module: Module, name: str, dtype: DType, count: int) -> Function:
    plan = MergeSort.plan(module, _number_type(dtype), count)
    sort = emit_merge_sort(module, plan)
    f = Function(module, name, [("x", PTR), ("out", PTR), ("scratch", PTR)])
    x, out, data = f.args
    spare = f.offset(data, buffer_bytes(plan.kind, count), I8)

    def encode(b: Scalars, index: Value) -> Value:
        (bits,) = load_bits(b, x, index, dtype)
        keys = f.cast("sext", key(f, bits, dtype, zeros_equal=False), plan.kind)
        keys = with_rest(b, keys, largest(plan.kind))
        f.store(keys, f.offset(data, index, plan.kind))
        return f.cast("sext", f.icmp("eq", keys, -1), plan.kind) if dtype.kind == "f" else f.zero(keys.type)

    pad(f, (data, spare), plan)
    has_negative_zero = any_bits(f, count, module.lanes(plan.kind), plan.kind, encode)
    f.call(sort, data, spare)
    found = spare if plan.in_spare else data

    def decode(b: Scalars, index: Value) -> None:
        keys = f.load(f.offset(found, index, plan.kind), plan.kind.vector(b.lanes))
        store_bits(b, element_of(f, f.cast("trunc", keys, raw_type(dtype)), dtype), out, index, dtype)

    for_vectors(f, count, module.lanes(plan.kind), decode)
    if dtype.kind == "f":
        with f.when(has_negative_zero):
            _restore_zeros(f, x, out, dtype, count)
    f.ret()
    return f


def _restore_zeros(f: Function, x: Value, out: Value, dtype: DType, count: int) -> None:
    """The zeros stand together, the negative ones first: write them again in the order in which they came."""
    kind, zero = raw_type(dtype), f.index(0)
    with f.loop(0, count, carry=[zero]) as loop:
        negative = f.icmp("slt", key(f, f.load(f.offset(x, loop.index, kind), kind), dtype), 0)
        loop.next = [loop.carry[0] + f.cast("zext", negative, I64)]
    place = f.stack(I64, 1)
    f.store(loop.results[0], place)
    with f.loop(0, count) as loop:
        bits = f.load(f.offset(x, loop.index, kind), kind)
        with f.when(f.icmp("eq", key(f, bits, dtype), 0)):
            at = f.load(place, I64)
            f.store(bits, f.offset(out, at, kind))
            f.store(at + 1, place)


# ---- several operands, or complex ones ----


def _operands(module: Module, keys: Sequence[DType], dtypes: Sequence[DType], count: int) -> Function:
    name = "_".join(["sort_operands", *(dtype.str[1:] for dtype in dtypes), str(len(keys)), str(count)])
    return module.shared(name, lambda: _emit_operands(module, name, keys, dtypes, count))


def _emit_operands(module: Module, name: str, keys: Sequence[DType], dtypes: Sequence[DType], count: int) -> Function:
    order_of = emit_order(module, keys, count)
    f = Function(module, name, [*((f"a{k}", PTR) for k in range(2 * len(dtypes))), ("scratch", PTR)])
    *arrays, order = f.args
    f.call(order_of, *arrays[: len(keys)], order, f.offset(order, aligned(8 * count), I8))
    for source, target, dtype in zip(arrays, arrays[len(dtypes) :], dtypes, strict=False):
        kind, align = raw_type(dtype), min(dtype.itemsize, 8)
        with f.loop(0, count) as loop:
            element = f.load(f.offset(source, f.load(f.offset(order, loop.index, I64), I64), kind), kind, align)
            f.store(element, f.offset(target, loop.index, kind), align)
    f.ret()
    return f
