"""Convolutions that are products of matrices as they lie: windows of one element, and gradients by such windows. Only numbers.

A window of one element makes of all input features at a place all output features there. The gradient by it takes, for each pair
of features, the sum over all places of all images. Imports `layout` of products; start reading at `layout_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from functrans.backends.llvm.kernels.blocks import Axis, byte_strides, collapse
from functrans.backends.llvm.kernels.convolution.planes import Extent
from functrans.backends.llvm.kernels.product.layout import Layout, Loop, Operand
from functrans.core.aval import ShapedArray
from functrans.core.lowering_windows import Convolve, Window

__all__ = ["layout_of"]


def layout_of(spec: Convolve, ins: Sequence[ShapedArray], out: ShapedArray) -> Layout | None:
    """The products, if that is what it is: rows or columns are places, the others are features, loops are the rest.

    Where what is summed over is no one axis, the outer ones are loops too, whose products are added up.
    """
    x, w, y = (_axes(aval, axes) for aval, axes in zip((*ins, out), spec.specs, strict=True))
    taps, places = prod(axis.size for axis in w[2:]), prod(axis.size for axis in y[2:])
    is_empty = not out.size or not taps * w[1].size
    if is_empty or (taps > 1 and places > 1) or not all(map(_is_plain, spec.windows)):
        return None
    strided = list(zip(spec.windows, x[2:], w[2:], y[2:], strict=True))
    rows = [Axis(y[0].size, (x[0].step, y[0].step))]
    rows += [Axis(to.size, (window.stride * of.step, to.step)) for window, of, _, to in strided]
    terms = [Axis(w[1].size, (x[1].step, w[1].step))]
    terms += [Axis(by.size, (window.dilation * of.step, by.step)) for window, of, by, _ in strided]
    *around, row = collapse(sorted(rows, key=lambda axis: -axis.strides[1])) or [Axis(1, (1, 1))]
    *summed, term = collapse(terms) or [Axis(1, (1, 1))]
    groups = spec.feature_groups * spec.batch_groups
    features = w[0].size // groups
    of_group = x[1].step * w[1].size if spec.feature_groups > 1 else x[0].step * y[0].size
    loops = [Loop(groups, (of_group, w[0].step * features, y[1].step * features))] if groups > 1 else []
    loops += [Loop(axis.size, (axis.strides[0], 0, axis.strides[1])) for axis in around]
    loops += [Loop(axis.size, (axis.strides[0], axis.strides[1], 0)) for axis in summed]
    left = Operand(ins[0].size, row.strides[0], term.strides[0])
    right = Operand(ins[1].size, w[0].step, term.strides[1])
    if any(1 not in (operand.free, operand.contracted) for operand in (left, right)):
        return None
    if y[1].step == 1:
        frame = (out.size // y[1].size, y[1].size)
        return Layout(row.size, features, term.size, left, right, row.strides[1], tuple(loops), frame, True)
    if row.strides[1] != 1:
        return None
    turned = tuple(Loop(loop.size, (loop.strides[1], loop.strides[0], loop.strides[2])) for loop in loops)
    frame = (out.size // row.size, row.size)
    return Layout(features, row.size, term.size, right, left, y[1].step, turned, frame, True, swapped=True)


def _axes(aval: ShapedArray, axes: Sequence[int]) -> list[Extent]:
    """With steps in elements."""
    strides = byte_strides(aval.shape, 1)
    return [Extent(aval.shape[axis], strides[axis]) for axis in axes]


def _is_plain(window: Window) -> bool:
    """Whether there is nothing around elements nor between them, and windows begin with the first."""
    return window.spread == 1 and window.before == 0 and window.after <= 0
