"""What an equation does to arrays whose elements are all at hand, each in a register. Start reading at `compute`.

What only moves elements is written as the numbers of those that it takes. Imports `scalars` and the lowering data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from functrans.backends.llvm.elements import Element, is_half
from functrans.backends.llvm.scalars import Scalars
from functrans.compiler.layout import Layout
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Barrier, Contract, Lowering, Pointwise, Reduce, Remap, Reshape, Strided, View
from functrans.core.lowering_data import Concatenate, Iota, Pad
from functrans.typing import Shape

__all__ = ["Numbers", "compute", "is_computed"]

Numbers: TypeAlias = list[Element]
"""The elements of an array, in C order."""
Combiner: TypeAlias = Callable[[Element, Element], Element]
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
    scalars: Scalars,
    lowering: Lowering,
    operands: Sequence[Numbers],
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
) -> list[Numbers]:
    """The results."""
    out = outs[0] if outs else None
    if isinstance(lowering, View):
        pairs = zip(lowering.results, outs, strict=True)
        return [_taken(operands[0], _seen(ins[0].shape, view, aval.shape)) for view, aval in pairs]
    if isinstance(lowering, Barrier):
        return [*operands]
    assert out is not None
    if isinstance(lowering, Pointwise):
        rows = zip(*([*x] * out.size if len(x) < out.size else x for x in operands), strict=True)
        return [[lowering.emit(scalars, *row) for row in rows]]
    if isinstance(lowering, Reduce):
        return [_reduced(scalars, lowering, operands[0], ins[0])]
    if isinstance(lowering, Contract):
        return [_contracted(scalars, lowering, operands, ins)]
    if isinstance(lowering, Iota):
        return [[scalars.constant(i, out.dtype) for i in range(out.size)]]
    together = [element for numbers in operands for element in numbers]
    return [_taken(together, _joined(lowering, [aval.shape for aval in ins], out.shape))]


def _taken(numbers: Numbers, indices: Indices) -> Numbers:
    return [numbers[i] for i in indices.flat]


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


def _reduced(scalars: Scalars, lowering: Reduce, numbers: Numbers, aval: ShapedArray) -> Numbers:
    shape = aval.shape
    kept = [axis for axis in range(len(shape)) if axis not in lowering.axes]
    rows = np.arange(len(numbers)).reshape(shape).transpose([*kept, *lowering.axes])
    rows = rows.reshape(_size(shape, kept), _size(shape, lowering.axes))
    start = scalars.identity(lowering.combine, aval.dtype)
    is_sum = lowering.combine == "add" and aval.dtype.kind in "fc"
    lies_together = [*kept, *lowering.axes] == [*range(len(shape))]
    combine = partial(scalars.combine, lowering.combine)

    def combined(row: Indices) -> Element:
        elements = [numbers[i] for i in row]
        if is_sum and lies_together:
            elements = _by_eights(combine, elements)
        return _folded(combine, [start, *elements] if is_sum or not elements else elements)

    return [combined(row) for row in rows]


def _by_eights(combine: Combiner, elements: Numbers) -> Numbers:
    """The sum as NumPy adds up what lies together: eight sums of every eighth element each, then what is left."""
    whole = len(elements) // 8 * 8
    if not whole:
        return elements
    sums = [_folded(combine, elements[k:whole:8]) for k in range(8)]
    while len(sums) > 1:
        sums = [combine(x, y) for x, y in zip(sums[::2], sums[1::2], strict=True)]
    return [_folded(combine, [*sums, *elements[whole:]])]


def _size(shape: Shape, axes: Sequence[int]) -> int:
    return prod(shape[axis] for axis in axes)


def _folded(combine: Combiner, elements: Sequence[Element]) -> Element:
    total, *rest = elements
    for element in rest:
        total = combine(total, element)
    return total


def _contracted(
    scalars: Scalars, lowering: Contract, operands: Sequence[Numbers], ins: Sequence[ShapedArray]
) -> Numbers:
    """Sums of products, in order."""
    sides: list[Indices] = []
    for side, aval in enumerate(ins):
        axes = [lowering.batch[side], lowering.free[side], lowering.contracted[side]]
        order = [axis for some in axes for axis in some]
        grouped = np.arange(aval.size).reshape(aval.shape).transpose(order)
        sides.append(grouped.reshape([_size(aval.shape, some) for some in axes]))
    left, right = sides

    def times(x: int, y: int) -> Element:
        return scalars.call("mul", operands[0][x], operands[1][y])

    def summed(row: Indices, column: Indices) -> Element:
        products = [times(x, y) for x, y in zip(row, column, strict=True)]
        return _folded(partial(scalars.combine, "add"), products or [scalars.constant(0, ins[0].dtype)])

    return [summed(row, column) for batch in range(len(left)) for row in left[batch] for column in right[batch]]
