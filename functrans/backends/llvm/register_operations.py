"""What an equation does to arrays whose elements are all at hand, in registers. Start reading at `compute`.

What only moves elements is written as the numbers of those that it takes. Imports `register_values` and the lowering data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from functrans.backends.llvm.elements import is_half
from functrans.backends.llvm.register_tables import read
from functrans.backends.llvm.register_values import Numbers, Registers
from functrans.compiler.layout import Layout
from functrans.core.aval import ShapedArray
from functrans.core.ir import Jaxpr, Var
from functrans.core.lowering import (
    Barrier,
    Combine,
    Contract,
    Emit,
    Lowering,
    Pointwise,
    Reduce,
    Remap,
    Reshape,
    Strided,
    View,
)
from functrans.core.lowering_data import Concatenate, DynamicSlice, Gather, Iota, Pad
from functrans.typing import Shape

__all__ = ["compute", "is_computed", "prepare"]

Indices: TypeAlias = npt.NDArray[np.intp]
"""Which of the elements stands where."""


def is_computed(lowering: Lowering, ins: Sequence[ShapedArray]) -> bool:
    """Whether `compute` does it; for operands of these types."""
    if isinstance(lowering, Reduce):
        return not (is_half(ins[0].dtype) and lowering.combine in ("add", "mul"))
    if isinstance(lowering, Contract):
        return ins[0].dtype == ins[1].dtype and ins[0].dtype.kind in "iuf" and not is_half(ins[0].dtype)
    return isinstance(lowering, Pointwise | View | Barrier | Concatenate | Pad | Iota)


def compute(
    registers: Registers,
    lowering: Lowering,
    operands: Sequence[Numbers],
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
) -> list[Numbers]:
    """The results."""
    out = outs[0] if outs else None
    if isinstance(lowering, View):
        pairs = zip(lowering.results, outs, strict=True)
        return [registers.taken(operands[0], _seen(ins[0].shape, view, aval.shape).ravel()) for view, aval in pairs]
    if isinstance(lowering, Barrier):
        return [*operands]
    assert out is not None
    if isinstance(lowering, Pointwise):
        return [_pointwise(registers, lowering.emit, operands, out)]
    if isinstance(lowering, Reduce):
        return [_reduced(registers, lowering, operands[0], ins[0])]
    if isinstance(lowering, Contract):
        return [_contracted(registers, lowering, operands, ins)]
    if isinstance(lowering, Iota):
        return [registers.constants(range(out.size), out.dtype)]
    if isinstance(lowering, Gather | DynamicSlice):
        return [read(registers, lowering, operands, ins, out)]
    together = [(numbers, i) for numbers in operands for i in range(numbers.size)]
    indices = _joined(lowering, [aval.shape for aval in ins], out.shape)
    return [registers.arranged([together[i] for i in indices.ravel()], out.dtype)]


def _pointwise(registers: Registers, emit: Emit, operands: Sequence[Numbers], out: ShapedArray) -> Numbers:
    whole = [x if x.size == out.size else registers.taken(x, [0] * out.size) for x in operands]
    made = [emit(registers.scalars(run), *(x.runs[i] for x in whole)) for i, run in enumerate(registers.runs(out.size))]
    return Numbers(out.size, out.dtype, tuple(made))


def _seen(shape: Shape, view: Remap | Strided | Reshape, result: Shape) -> Indices:
    layout = Layout.contiguous(shape).seen(view, result)
    assert layout is not None
    return layout.offset + sum(
        (index * stride for index, stride in zip(np.indices(result), layout.strides, strict=True)),
        start=np.zeros(result, np.intp),
    )


def _joined(lowering: Lowering, shapes: Sequence[Shape], result: Shape) -> Indices:
    """Of operands one after the other."""
    ends = np.cumsum([prod(shape) for shape in shapes])
    parts = [np.arange(end - prod(shape), end).reshape(shape) for shape, end in zip(shapes, ends, strict=True)]
    if isinstance(lowering, Concatenate):
        return np.concatenate(parts, lowering.axis)
    assert isinstance(lowering, Pad)
    padded = np.full(result, parts[1])
    for index in np.ndindex(shapes[0]):
        there = tuple(
            before + i * (between + 1) for i, (before, _, between) in zip(index, lowering.widths, strict=True)
        )
        if all(0 <= i < n for i, n in zip(there, result, strict=True)):
            padded[there] = parts[0][index]
    return padded


# ---- sums ----


def _combine(registers: Registers, combine: Combine, x: Numbers, y: Numbers) -> Numbers:
    rows = zip(registers.runs(x.size), x.runs, y.runs, strict=True)
    return x._replace(runs=tuple(registers.scalars(run).combine(combine, a, b) for run, a, b in rows))


def _reduced(registers: Registers, lowering: Reduce, numbers: Numbers, aval: ShapedArray) -> Numbers:
    """All results at once: one element of each after the other, as NumPy adds up what does not lie together."""
    shape = aval.shape
    kept = [axis for axis in range(len(shape)) if axis not in lowering.axes]
    columns = np.arange(numbers.size).reshape(shape).transpose([*lowering.axes, *kept])
    columns = columns.reshape(_size(shape, lowering.axes), _size(shape, kept))
    identity = registers.scalars(*registers.runs(1)).identity(lowering.combine, aval.dtype)
    start = registers.taken(Numbers(1, aval.dtype, (identity,)), [0] * columns.shape[1])
    is_sum = lowering.combine == "add" and aval.dtype.kind in "fc"
    lies_together = [*kept, *lowering.axes] == [*range(len(shape))]
    found = [registers.taken(numbers, column) for column in columns]
    if is_sum and lies_together and len(found) >= _TOGETHER:
        found = _by_eights(registers, numbers, columns)
    return _folded(registers, lowering.combine, [start, *found] if is_sum or not found else found)


_TOGETHER = 8


def _by_eights(registers: Registers, numbers: Numbers, columns: Indices) -> list[Numbers]:
    """The sum as NumPy adds up what lies together: eight sums of every eighth element each, then what is left."""
    whole = len(columns) // _TOGETHER * _TOGETHER
    blocks = columns[:whole].reshape(-1, _TOGETHER * columns.shape[1])
    sums = _folded(registers, "add", [registers.taken(numbers, block) for block in blocks])
    while sums.size > columns.shape[1]:
        pairs = np.arange(sums.size).reshape(-1, 2, columns.shape[1])
        sums = _combine(registers, "add", *(registers.taken(sums, pairs[:, k].ravel()) for k in (0, 1)))
    return [_folded(registers, "add", [sums, *(registers.taken(numbers, column) for column in columns[whole:])])]


def _size(shape: Shape, axes: Sequence[int]) -> int:
    return prod(shape[axis] for axis in axes)


def _folded(registers: Registers, combine: Combine, arrays: Sequence[Numbers]) -> Numbers:
    total, *rest = arrays
    for numbers in rest:
        total = _combine(registers, combine, total, numbers)
    return total


def _contracted(
    registers: Registers, lowering: Contract, operands: Sequence[Numbers], ins: Sequence[ShapedArray]
) -> Numbers:
    """Sums of products, in order, of all results at once."""
    left, right = (_grouped(lowering, side, aval) for side, aval in enumerate(ins))
    size = left.shape[0] * left.shape[1] * right.shape[1]
    total = registers.constants([0] * size, ins[0].dtype) if left.shape[2] == 0 else None
    for pair in zip(*(_terms(registers, lowering, side, operands[side], ins) for side in (0, 1)), strict=True):
        product = _combine(registers, "mul", *pair)
        total = product if total is None else _combine(registers, "add", total, product)
    assert total is not None
    return total


def _terms(
    registers: Registers, lowering: Contract, side: int, numbers: Numbers, ins: Sequence[ShapedArray]
) -> Iterator[Numbers]:
    """The factors of one side, each for all results at once."""
    left, right = (_grouped(lowering, number, aval) for number, aval in enumerate(ins))
    shape = (left.shape[0], left.shape[1], right.shape[1])
    own = right[:, None] if side else left[:, :, None]
    for k in range(left.shape[2]):
        yield registers.taken(numbers, np.broadcast_to(own[..., k], shape).ravel())


def prepare(registers: Registers, jaxpr: Jaxpr, consts: Sequence[Numbers]) -> None:
    """Take before a loop what its products take in every turn of what is the same in all: a matrix's columns, one by one."""
    known = dict(zip(jaxpr.invars, consts, strict=False))
    with registers.keeping():
        for eqn in jaxpr.eqns:
            ins, lowering = [atom.aval for atom in eqn.invars], eqn.lowering
            steady = [
                (side, known[atom]) for side, atom in enumerate(eqn.invars) if isinstance(atom, Var) and atom in known
            ]
            if isinstance(lowering, View) and steady:
                found = compute(registers, lowering, [steady[0][1]], ins, [var.aval for var in eqn.outvars])
                known.update(zip(eqn.outvars, found, strict=True))
            elif isinstance(lowering, Contract) and is_computed(lowering, ins):
                for side, numbers in steady:
                    list(_terms(registers, lowering, side, numbers, ins))


def _grouped(lowering: Contract, side: int, aval: ShapedArray) -> Indices:
    """The elements of an operand, by batch, by its own axes, and by those that are summed over."""
    axes = [lowering.batch[side], lowering.free[side], lowering.contracted[side]]
    indices = np.arange(aval.size).reshape(aval.shape).transpose([axis for some in axes for axis in some])
    return indices.reshape([_size(aval.shape, some) for some in axes])
