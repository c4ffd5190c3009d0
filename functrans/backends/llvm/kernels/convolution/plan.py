"""How to do a convolution: as a product of matrices of which the left one is not there, but is read where its elements lie.

A row is a place of the result (of an image), a column an output feature; along k go input features and the window. The
element at (row, k) lies in the padded images as far from their beginning as the row says and as k says, both by tables. So one
kernel serves any number of axes, strides, dilations, and gradients. Only numbers; start reading at `plan_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple, TypeAlias

from functrans.backends.llvm.ir import Module
from functrans.backends.llvm.kernels.assemble import kept
from functrans.backends.llvm.kernels.blocks import Axis, byte_strides, collapse
from functrans.backends.llvm.kernels.convolution.tiles import BESIDE, SCATTERED, TURNED, VECTORS, rows_of
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.compiler.cost import product_nanoseconds, worthwhile_parts
from functrans.core.aval import ShapedArray
from functrans.core.lowering_windows import Convolve, Window
from functrans.record import Record

__all__ = ["Near", "Path", "Plan", "Planes", "Regions", "Steps", "plan_of"]

Path: TypeAlias = Literal["tiles", "runs", "sums"]
"""By tiles of places and features; of few features, by vectors of places, or where those are few, by vectors of terms."""

_SHORT = 4
"""Places of a row, or terms, that are too few for vectors."""
_TOGETHER = 1 << 19
"""Bytes of padded images that are gone through at once: half a second cache, next to a panel of windows."""
_ENOUGH = 256
"""Rows for which a panel is worth being read from far: with 18 of a weight gradient it took 1.5 times as long as with 81."""
_MOST = 8
"""Parts for threads, each of which has padded images of its own."""
_ROWS = 4096
"""And so many rows of the result, for which there are tables."""
_NEAR = 256
"""Rows whose sums an epilogue takes up together: with the features of a panel as much as the first cache holds. With 1024 a
depthwise convolution took 1.08 of its time, for the epilogue wrote much at once and nothing in between."""


class Steps(NamedTuple):
    """From one to the next, in bytes: in an operand or a copy of it, and in the result or the other operand."""

    left: int
    right: int


class Planes(Record):
    """The images as they are read: where they lie, or padded."""

    padded: bool
    strides: tuple[int, ...]
    """Of image, feature and spatial axes, in bytes."""
    size: int
    """Bytes of the images of a block, if they are padded."""
    copied: tuple[Axis, ...]
    """The axes of an image that are copied: strides in the padded one and in the operand."""
    to: int
    """Where what is copied begins in the padded image."""
    of: int
    """And in the operand; or where the first window begins there, if it is read as it is."""


class Near(Record):
    """Sums that an epilogue waits for: of a panel's features, at all places of some images or at some places of one."""

    images: int
    places: int
    """Of each image."""
    strides: tuple[int, int, int]
    """From image to image, feature to feature and place to place, in bytes."""
    size: int
    """Bytes that they take."""
    rows_are_features: bool
    """Whether the rows of an epilogue are features, of an image, and the columns places; else it is the other way round."""

    def columns(self, features: int, width: int, places: int) -> tuple[int, ...]:
        """The numbers of columns that there may be at a time."""
        whole, each = (places, self.places) if self.rows_are_features else (features, width)
        return tuple(dict.fromkeys(n for n in (min(each, whole), whole % each) if n))


class Regions(NamedTuple):
    """Where what lies in the scratch memory begins, in bytes."""

    rows: int
    outs: int
    terms: int
    panels: int
    near: int
    planes: int
    end: int


class Plan(Record):
    """Sizes are those of a group."""

    ring: Ring
    path: Path
    groups: int
    images: int
    features: int
    """Of the result."""
    places: int
    """Of an image of the result."""
    terms: int
    block: int
    """Images that are gone through at once."""
    parts: int
    """Of all blocks of all groups, for threads; they follow from the sizes alone."""
    each: int
    """Blocks of a part."""
    width: int
    """Features of a panel."""
    panel_bytes: int
    """Of a group's panels."""
    planes: Planes
    image_steps: Steps
    """In the left operand and in the result."""
    group_steps: tuple[int, int, int]
    """In the left operand, in the right one, in the result."""
    feature_steps: Steps
    """Of output features: in the right operand and in the result."""
    rows: tuple[Axis, ...]
    """The places of an image: strides as it is read and in the result."""
    along: tuple[Axis, ...]
    """Input features and window: strides in the images as they are read and in the right operand."""
    how: int
    """How the result lies (`tiles`)."""
    near: Near | None
    """Where sums go, if an epilogue waits for them; then all steps in the result are steps in it."""
    regions: Regions


class _Axis(NamedTuple):
    size: int
    step: int


def plan_of(
    module: Module, ring: Ring, spec: Convolve, ins: Sequence[ShapedArray], out: ShapedArray, *, finished: bool
) -> Plan:
    """For operands and a result in C order; `finished`: with an epilogue."""
    x, w, y = (_axes(aval, axes) for aval, axes in zip((*ins, out), spec.specs, strict=True))
    windows, groups = spec.windows, spec.feature_groups * spec.batch_groups
    outputs, inputs, images = w[0].size // groups, w[1].size, y[0].size
    counts = [axis.size for axis in y[2:]]
    places, terms = prod(counts), inputs * prod(window.size for window in windows)
    wanted = min(_MOST, worthwhile_parts(_nanoseconds(module, ring, ins, out, terms)))
    block, planes = _planes(ring, windows, x, -(-images // -(-max(wanted, 1) // max(groups, 1))), inputs, places)
    blocks = max(groups * -(-images // block), 1)
    each = -(-blocks // max(min(wanted, blocks), 1))
    _, inner, *spatial = planes.strides
    how = _how(ring, counts, y)
    rows = tuple(
        Axis(n, (v.stride * step, to.step)) for n, v, step, to in zip(counts, windows, spatial, y[2:], strict=True)
    )
    along = (
        Axis(inputs, (inner, w[1].step)),
        *(Axis(v.size, (v.dilation * step, of.step)) for v, step, of in zip(windows, spatial, w[2:], strict=True)),
    )
    path = _path(module, ring, outputs, rows, collapse(along))
    width = VECTORS * ring.elements(module)
    near = None
    if finished:
        unit = counts[-1] if path == "runs" else rows_of(module)
        near = _near(ring, block, counts, min(width, outputs), unit, rows_are_features=how != BESIDE)
        images_apart, features_apart, place = near.strides
        y = [_Axis(0, images_apart), _Axis(0, features_apart), *map(_Axis, counts, byte_strides(tuple(counts), place))]
        rows = tuple(Axis(axis.size, (axis.strides[0], to.step)) for axis, to in zip(rows, y[2:], strict=True))
    panels = (-(-outputs // width) * terms + ring.elements(module)) * width * ring.bytes if path != "sums" else 0
    starts = [0]
    parts = -(-blocks // each)
    waiting = near.size if near is not None else 0
    for size in (
        block * places * 8, block * places * 8, terms * 8, groups * panels, parts * waiting, parts * planes.size,
    ):  # fmt: skip
        starts.append(-(-(starts[-1] + size) // 64) * 64)
    of_group = x[1].step * inputs if spec.feature_groups > 1 else x[0].step * images
    return Plan(
        ring, path, groups, images, outputs, places, terms, block, parts, each, width, panels, planes,
        Steps(x[0].step, y[0].step),
        (of_group, w[0].step * outputs, y[1].step * outputs),
        Steps(w[0].step, y[1].step),
        rows, along, how, near, Regions(*starts),
    )  # fmt: skip


def _near(ring: Ring, block: int, counts: Sequence[int], width: int, unit: int, *, rows_are_features: bool) -> Near:
    """As many whole images as have some rows, or parts of one that are whole units; where places are columns, features lie so far
    apart that they do not meet in the cache.
    """
    places = prod(counts)
    images = max(min(_NEAR // places, block), 1)
    parts = -(-places // _NEAR)
    each = min(-(-places // (parts * unit)) * unit, places)
    if not rows_are_features:
        row = width * ring.bytes
        return Near(images, each, (each * row, ring.bytes, row), images * each * row, rows_are_features)
    feature = (-(-each * ring.bytes // 64) | 1) * 64
    return Near(images, each, (width * feature, feature, ring.bytes), images * width * feature, rows_are_features)


def _path(module: Module, ring: Ring, features: int, rows: Sequence[Axis], along: Sequence[Axis]) -> Path:
    """Of so few features that tiles would compute most in vain: along what lies side by side, in the images and before or
    after.
    """
    if ring.parts > 1 or ring.narrow or ring.boolean or features > ring.lanes(module) // 2:
        return "tiles"
    beside = [axes[-1].size if axes and axes[-1].strides[1] == ring.bytes else 0 for axes in (rows, along)]
    return "tiles" if max(beside) < _SHORT else "runs" if beside[0] >= beside[1] else "sums"


def _nanoseconds(module: Module, ring: Ring, ins: Sequence[ShapedArray], out: ShapedArray, terms: int) -> float:
    """About what it takes."""
    moved = sum(aval.nbytes for aval in (*ins, out))
    return product_nanoseconds(out.size * terms * ring.parts**2, module.lanes(ring.part), moved)


def _axes(aval: ShapedArray, axes: Sequence[int]) -> list[_Axis]:
    strides = byte_strides(aval.shape, aval.dtype.itemsize)
    return [_Axis(aval.shape[axis], strides[axis]) for axis in axes]


def _planes(
    ring: Ring, windows: Sequence[Window], x: Sequence[_Axis], images: int, inputs: int, places: int
) -> tuple[int, Planes]:
    """How many images to go through at once, `images` at most, and how they are read."""
    block = max(min(images, _ROWS // max(places, 1)), 1)
    if not ring.narrow and all(v.spread == 1 and v.before <= 0 and v.after <= 0 for v in windows):
        first = sum(-v.before * axis.step for v, axis in zip(windows, x[2:], strict=True))
        return block, Planes(False, tuple(axis.step for axis in x), 0, (), 0, first)
    padded = tuple(v.padded(axis.size) for v, axis in zip(windows, x[2:], strict=True))
    plane = prod(padded) * ring.bytes
    block = max(min(block, max(_TOGETHER // max(inputs * plane, 1), -(-_ENOUGH // max(places, 1)))), 1)
    outer = (inputs * plane, plane) if x[0].step >= x[1].step else (plane, block * plane)
    strides = (*outer, *byte_strides(padded, ring.bytes))
    copied, to, of = [Axis(inputs, (strides[1], x[1].step))], 0, 0
    for v, axis, total, step in zip(windows, x[2:], padded, strides[2:], strict=True):
        first, count, place, apart = kept(axis.size, total, (v.before, v.after, v.spread - 1))
        copied.append(Axis(count, (apart * step, axis.step)))
        to, of = to + place * step, of + first * axis.step
    return block, Planes(True, strides, block * inputs * plane, tuple(copied), to, of)


def _how(ring: Ring, counts: Sequence[int], y: Sequence[_Axis]) -> int:
    if ring.parts > 1 or ring.narrow:
        return SCATTERED
    if y[1].step == ring.bytes:
        return BESIDE
    is_dense = [axis.step for axis in y[2:]] == list(byte_strides(tuple(counts), ring.bytes))
    return TURNED if is_dense and ring.bytes in (4, 8) else SCATTERED
