"""How to do a convolution: as a product of matrices of which the left one is not there, but is read where its elements lie.

A row is a place of the result (of an image), a column an output feature; along k go input features and the window. The
element at (row, k) lies in the padded images as far from their beginning as the row says and as k says, both by tables. So one
kernel serves any number of axes, strides, dilations, and gradients. Of images that are spread, as for the gradient of a strided
convolution, the places fall into phases, which meet different elements of the window: nothing is multiplied with the zeros
between. Only numbers; start reading at `plan_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple, TypeAlias

from functrans.backends.llvm.ir import Module
from functrans.backends.llvm.kernels.blocks import Axis, byte_strides, collapse
from functrans.backends.llvm.kernels.convolution.phases import Phase, Tables, padding_of, phases_of
from functrans.backends.llvm.kernels.convolution.planes import Extent, Planes, planes_of, thinned
from functrans.backends.llvm.kernels.convolution.tiles import BESIDE, SCATTERED, TURNED, rows_of, vectors_of
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.compiler.cost import product_nanoseconds, worthwhile_parts
from functrans.core.aval import ShapedArray
from functrans.core.lowering_windows import Convolve
from functrans.core.lowering_windows import Phase as AxisPhase
from functrans.record import Record, replace

__all__ = ["Near", "Path", "Plan", "Regions", "Steps", "plan_of"]

Path: TypeAlias = Literal["tiles", "runs", "sums"]
"""By tiles of places and features; of few features, by vectors of places, or where those are few, by vectors of terms."""

_SHORT = 4
"""Places of a row, or terms, that are too few for vectors."""
_FILLED = 0.85
"""So much of the vectors of a row is filled at least."""
_MOST = 8
"""Parts for threads, each of which has padded images of its own."""
_NEAR = 256
"""Rows whose sums an epilogue takes up together: with the features of a panel as much as the first cache holds. With 1024 a
depthwise convolution took 1.08 of its time, for the epilogue wrote much at once and nothing in between."""


class Steps(NamedTuple):
    """From one to the next, in bytes: in an operand or a copy of it, and in the result or the other operand."""

    left: int
    right: int


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
    """Where what the parts of the work have for themselves begins in the scratch memory, in bytes; what phases have is before."""

    near: int
    planes: int
    end: int


class Plan(Record):
    """Sizes are those of a group."""

    ring: Ring
    path: Path
    by_lane: bool
    """Whether each feature is made of elements of its own, which lie side by side."""
    groups: int
    images: int
    features: int
    """Of the result."""
    places: int
    """Of an image of the result."""
    block: int
    """Images that are gone through at once."""
    parts: int
    """Of all blocks of all groups, for threads; they follow from the sizes alone."""
    each: int
    """Blocks of a part."""
    vectors: int
    width: int
    """Features of a panel: so many vectors."""
    planes: Planes
    image_steps: Steps
    """In the left operand and in the result."""
    image_row: int
    """From an image to the next where sums go: in the result, or where an epilogue waits for them."""
    group_steps: tuple[int, int, int]
    """In the left operand, in the right one, in the result."""
    feature_steps: Steps
    """Of output features: in the right operand and in the result."""
    spatial: tuple[Axis, ...]
    """The places of an image where sums go."""
    phases: tuple[Phase, ...]
    how: int
    """How the result lies (`tiles`)."""
    near: Near | None
    """Where sums go, if an epilogue waits for them; then all steps in the result are steps in it."""
    regions: Regions

    @property
    def finished(self) -> tuple[int, ...]:
        """The numbers of columns that an epilogue may take up at a time."""
        assert self.near is not None
        return self.near.columns(self.features, self.width, self.places)

    @property
    def title(self) -> str:
        """As `explain` says it."""
        return f"direct sums in {_TITLES[self.path]}"


_TITLES: dict[Path, str] = {
    "tiles": "tiles of places and features",
    "runs": "vectors of places",
    "sums": "vectors of terms",
}


def plan_of(
    module: Module, ring: Ring, spec: Convolve, ins: Sequence[ShapedArray], out: ShapedArray, *, finished: bool
) -> Plan:
    """For operands and a result in C order; `finished`: with an epilogue."""
    sizes = _sizes(ring, spec, ins, out)
    groups, outputs, y, places = sizes.groups, sizes.outputs, sizes.y, sizes.places
    vectors = vectors_of(outputs, ring.elements(module))
    width = vectors * ring.elements(module)
    by_axis = [window.phases(axis.size) for window, axis in zip(spec.windows, sizes.x[2:], strict=True)]
    wanted = min(_MOST, worthwhile_parts(_nanoseconds(module, ring, ins, out, sizes.inputs, by_axis)))
    met, block, planes = _read(ring, sizes, by_axis, wanted, width)
    blocks = max(groups * -(-sizes.images // block), 1)
    each = -(-blocks // max(min(wanted, blocks), 1))
    phases = _phases(sizes, met, planes, y)
    path = "tiles" if sizes.by_lane else _path(module, ring, outputs, phases, y)
    steps, near = y, None
    if finished:
        unit = places if len(phases) > 1 else y[-1].size if path == "runs" else rows_of(module, vectors)
        near = _near(ring, block, places, min(width, outputs), unit, rows_are_features=sizes.how != BESIDE)
        image, feature, place = near.strides
        counts = [axis.size for axis in y[2:]]
        spatial = map(Extent, counts, byte_strides(tuple(counts), place))
        steps = [Extent(sizes.images, image), Extent(outputs, feature), *spatial]
        phases = _phases(sizes, met, planes, steps)
    panel = (-(-outputs // width), ring.elements(module), width * ring.bytes) if path != "sums" else (0, 0, 0)
    phases, end = _with_tables(phases, block, groups, *panel)
    parts = -(-blocks // each)
    regions = Regions(*_starts(end, (parts * near.size if near is not None else 0, parts * planes.size)))
    return Plan(
        ring, path, sizes.by_lane, groups, sizes.images, outputs, places, block, parts, each, vectors, width, planes,
        Steps(sizes.x[0].step, y[0].step), steps[0].step,
        (sizes.of_group, sizes.w[0].step * outputs, y[1].step * outputs),
        Steps(sizes.w[0].step, steps[1].step),
        tuple(Axis(axis.size, (axis.step,)) for axis in steps[2:]),
        tuple(phases), sizes.how, near, regions,
    )  # fmt: skip


class _Sizes(NamedTuple):
    """The axes of both operands and of the result, and what follows from them."""

    x: Sequence[Extent]
    w: Sequence[Extent]
    y: Sequence[Extent]
    groups: int
    outputs: int
    of_group: int
    """From group to group of the left operand, in bytes."""
    how: int
    by_lane: bool

    @property
    def inputs(self) -> int:
        return self.w[1].size

    @property
    def images(self) -> int:
        return self.y[0].size

    @property
    def places(self) -> int:
        return prod(axis.size for axis in self.y[2:])


def _sizes(ring: Ring, spec: Convolve, ins: Sequence[ShapedArray], out: ShapedArray) -> _Sizes:
    """Groups of one feature that lie side by side are gone through as the features of one group."""
    x, w, y = (_axes(aval, axes) for aval, axes in zip((*ins, out), spec.specs, strict=True))
    groups = spec.feature_groups * spec.batch_groups
    outputs, how = w[0].size // groups, _how(ring, [axis.size for axis in y[2:]], y)
    of_group = x[1].step * w[1].size if spec.feature_groups > 1 else x[0].step * y[0].size
    by_lane = groups > 1 == outputs and how == BESIDE and of_group == ring.bytes
    return _Sizes(x, w, y, 1 if by_lane else groups, groups if by_lane else outputs, of_group, how, by_lane)


def _read(
    ring: Ring, sizes: _Sizes, phases: Sequence[Sequence[AxisPhase]], wanted: int, width: int
) -> tuple[list[Sequence[AxisPhase]], int, Planes]:
    """The phases on what is met of each axis, how many images to go through at once, and how they are read."""
    x = sizes.x
    dense = [thinned(own, axis) if own else (own, axis, 0) for own, axis in zip(phases, x[2:], strict=True)]
    met, axes = [own for own, *_ in dense], [axis for _, axis, _ in dense]
    most = -(-sizes.images // -(-max(wanted, 1) // max(sizes.groups, 1)))
    block, planes = planes_of(
        ring, padding_of(met), [*x[:2], *axes], most, sizes.inputs, sizes.places,
        *((sizes.outputs, width) if sizes.by_lane else (1, 1)), copied_anyway=axes != list(x[2:]),
    )  # fmt: skip
    return met, block, replace(planes, of=planes.of + sum(start for *_, start in dense))


def _phases(sizes: _Sizes, met: Sequence[Sequence[AxisPhase]], planes: Planes, to: Sequence[Extent]) -> list[Phase]:
    features = Axis(sizes.inputs, (planes.strides[1], sizes.w[1].step))
    return phases_of(met, planes.strides[2:], features, sizes.w[2:], to[2:])


def _with_tables(
    phases: Sequence[Phase], block: int, groups: int, panels: int, room: int, row: int
) -> tuple[list[Phase], int]:
    """Phases with their places in the scratch memory, and where that ends. A group has so many panels, with some rows more."""
    placed, end = [], 0
    for phase in phases:
        rows, panel = block * phase.places * 8, (panels * phase.terms + room) * row
        *starts, end = _starts(end, (rows, rows, phase.terms * 8, groups * panel))
        placed.append(replace(phase, tables=Tables._make((*starts, panel))))
    return placed, end


def _starts(start: int, sizes: Sequence[int]) -> list[int]:
    """Where each of some pieces of memory begins, each on a line, and where the last one ends."""
    starts = [start]
    for size in sizes:
        starts.append(-(-(starts[-1] + size) // 64) * 64)
    return starts


def _near(ring: Ring, block: int, places: int, width: int, unit: int, *, rows_are_features: bool) -> Near:
    """As many whole images as have some rows, or parts of one that are whole units; where places are columns, features lie so far
    apart that they do not meet in the cache.
    """
    images = max(min(_NEAR // places, block), 1)
    parts = -(-places // _NEAR)
    each = min(-(-places // (parts * unit)) * unit, places)
    if not rows_are_features:
        row = width * ring.bytes
        return Near(images, each, (each * row, ring.bytes, row), images * each * row, rows_are_features)
    feature = (-(-each * ring.bytes // 64) | 1) * 64
    return Near(images, each, (width * feature, feature, ring.bytes), images * width * feature, rows_are_features)


def _path(module: Module, ring: Ring, features: int, phases: Sequence[Phase], y: Sequence[Extent]) -> Path:
    """Of so few features that tiles would compute most in vain: along what lies side by side, in the result (those of a phase by
    strides) or in the right operand. Of up to a vector of them along rows that fill vectors, which takes 0.85 of the time.
    """
    lanes = ring.lanes(module)
    if ring.parts > 1 or ring.narrow or ring.boolean or features > lanes or not phases:
        return "tiles"
    first = phases[0]
    run = first.rows[-1].size if first.rows and y[-1].step == ring.bytes else 0
    if features > lanes // 2:
        return "runs" if run >= _FILLED * (-(-run // lanes) * lanes) > 0 else "tiles"
    terms = collapse(first.along)
    sums = terms[-1].size if terms and terms[-1].strides[1] == ring.bytes else 0
    return "tiles" if max(run, sums) < _SHORT else "runs" if run >= sums else "sums"


def _nanoseconds(
    module: Module,
    ring: Ring,
    ins: Sequence[ShapedArray],
    out: ShapedArray,
    inputs: int,
    phases: Sequence[Sequence[AxisPhase]],
) -> float:
    """About what it takes."""
    moved = sum(aval.nbytes for aval in (*ins, out))
    met = prod(sum(phase.count * phase.window.size for phase in axis) for axis in phases)
    places = prod(sum(phase.count for phase in axis) for axis in phases)
    return product_nanoseconds(
        out.size // max(places, 1) * met * inputs * ring.parts**2, module.lanes(ring.part), moved
    )


def _axes(aval: ShapedArray, axes: Sequence[int]) -> list[Extent]:
    strides = byte_strides(aval.shape, aval.dtype.itemsize)
    return [Extent(aval.shape[axis], strides[axis]) for axis in axes]


def _how(ring: Ring, counts: Sequence[int], y: Sequence[Extent]) -> int:
    if ring.parts > 1 or ring.narrow:
        return SCATTERED
    if y[1].step == ring.bytes:
        return BESIDE
    is_dense = [axis.step for axis in y[2:]] == list(byte_strides(tuple(counts), ring.bytes))
    return TURNED if is_dense and ring.bytes in (4, 8) else SCATTERED
