"""Stacks of loops that are kept in registers: a stack is an address there, and records go from registers to memory and back.

Imports `register_values`, `tape` and the lowering data; start reading at `compute_stacks`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functrans.backends.llvm.elements import Element
from functrans.backends.llvm.ir import I8, I64, PTR, Value
from functrans.backends.llvm.register_values import Numbers, Registers
from functrans.backends.llvm.tape import Tape
from functrans.core.aval import ShapedArray
from functrans.core.lowering_stack import EmptyStack, Pop, Push
from functrans.core.stacks import record_avals, record_layout
from functrans.typing import DType

__all__ = ["compute_stacks"]

_ADDRESS = np.dtype(np.uint64)


def compute_stacks(
    registers: Registers,
    tape: Tape | None,
    lowering: EmptyStack | Push | Pop,
    operands: Sequence[Numbers],
    outs: Sequence[ShapedArray],
) -> list[Numbers]:
    """The results of a step over stacks."""
    size, dtype = outs[0].size, outs[0].dtype
    if isinstance(lowering, EmptyStack):
        return [registers.constants([0] * size, _ADDRESS)]
    if isinstance(lowering, Push):
        assert tape is not None
        new = [_pushed(registers, tape, dtype, operands, number) for number in range(size)]
        return [_joined(registers, new)]
    rows = [_popped(registers, dtype, operands[0], number) for number in range(size)]
    return [_joined(registers, column) for column in zip(*rows, strict=True)]


def _joined(registers: Registers, rows: Sequence[Numbers]) -> Numbers:
    return registers.arranged([(row, i) for row in rows for i in range(row.size)], rows[0].dtype)


def _address(registers: Registers, stacks: Numbers, number: int) -> Value:
    return registers.taken(stacks, [number]).runs[0].value


def _stack(address: Value) -> Numbers:
    return Numbers(1, _ADDRESS, (Element(_ADDRESS, (address,)),))


def _pushed(registers: Registers, tape: Tape, dtype: DType, operands: Sequence[Numbers], number: int) -> Numbers:
    f, (stacks, *values) = registers.f, operands
    places, size = record_layout(dtype)
    record = tape.record(size)
    f.store(_address(registers, stacks, number), record)
    for value, at, aval in zip(values, places, record_avals(dtype), strict=True):
        row = registers.taken(value, range(number * aval.size, (number + 1) * aval.size))
        registers.store(row, f.offset(record, at, I8))
    return _stack(f.cast("ptrtoint", record, I64))


def _popped(registers: Registers, dtype: DType, stacks: Numbers, number: int) -> list[Numbers]:
    """The stack below, and the values; an empty stack is as if there were a record of zeros on it."""
    f = registers.f
    places, size = record_layout(dtype)
    nothing = f.address(f.module.constant(f"no_record{size}", bytes(size)))
    address = _address(registers, stacks, number)
    is_empty = f.icmp("eq", address, 0)
    record = f.select(is_empty, nothing, f.cast("inttoptr", address, PTR))
    avals = record_avals(dtype)
    values = [registers.load(f.offset(record, at, I8), aval) for at, aval in zip(places, avals, strict=True)]
    return [_stack(f.load(record, I64)), *values]
