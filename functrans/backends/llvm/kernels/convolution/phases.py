"""The places of a convolution's result in phases, whose windows meet the same elements of spread images. Only numbers.

For the gradient of a convolution with strides, images are the cotangents with zeros between them. A place meets these with
some elements of its window alone, and so do those a stride further: each such phase is a convolution of the images as they are
with those elements. Images that are not spread have one phase. Imports `planes`; start reading at `phases_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from functrans.backends.llvm.kernels.blocks import Axis
from functrans.backends.llvm.kernels.convolution.planes import Extent
from functrans.core.lowering_windows import Phase as AxisPhase
from functrans.record import Record

__all__ = ["Phase", "Tables", "padding_of", "phases_of"]


class Tables(NamedTuple):
    """Where in the scratch memory is what a phase has for itself, in bytes: the tables of its rows as they are read, of its rows
    in the result and of its terms; and the panels of windows, of which a group has so many bytes.
    """

    rows: int
    outs: int
    terms: int
    panels: int
    panel_bytes: int


class Phase(Record):
    """Some places of an image of the result."""

    places: int
    terms: int
    """None where the places meet nothing."""
    rows: tuple[Axis, ...]
    """The places: strides as an image is read and in the result."""
    along: tuple[Axis, ...]
    """Input features and window, in the order of the images as they are read: strides in these and in the right operand."""
    row: tuple[int, int]
    """Where the first of the rows begins."""
    term: int
    """Where the first of the terms lies in the right operand."""
    tables: Tables


def padding_of(phases: Sequence[Sequence[AxisPhase]]) -> list[tuple[int, int]]:
    """The padding of each axis that all its phases need."""
    each = [[phase.window for phase in axis if phase.window.size] for axis in phases]
    return [
        (max((window.before for window in axis), default=0), max((window.after for window in axis), default=0))
        for axis in each
    ]


def phases_of(
    phases: Sequence[Sequence[AxisPhase]],
    planes: Sequence[int],
    inputs: Axis,
    w: Sequence[Extent],
    y: Sequence[Extent],
) -> list[Phase]:
    """All phases, from those of each spatial axis; still without tables.

    planes: strides of the axes of images as they are read. inputs: the features of these, w, y: the axes of the window and the
    places of the result.
    """
    before = [first for first, _ in padding_of(phases)]
    found = []
    for each in product(*phases):
        rows, along, row, out, term = [], [inputs], 0, 0, 0
        for phase, first, step, of, to in zip(each, before, planes, w, y, strict=True):
            window = phase.window
            rows.append(Axis(phase.count, (window.stride * step, phase.apart * to.step)))
            along.append(Axis(window.size, (window.dilation * step, phase.step * of.step)))
            row, out = row + (first - window.before) * step, out + phase.first * to.step
            term += phase.element * of.step
        along.sort(key=lambda axis: -axis.strides[0])
        places, terms = prod(axis.size for axis in rows), prod(axis.size for axis in along)
        found.append(Phase(places, terms, tuple(rows), tuple(along), (row, out), term, Tables(0, 0, 0, 0, 0)))
    return found
