"""Which convolutions are done by Winograd's sums, and how: tiles, blocks, and where what lies. Only numbers.

There are two kinds. `places`: windows of a few taps, as forwards and in the gradient by images; `taps`: results of a few places
and windows as large as images, as in the gradient by windows. A stride s is taken out first: s × s features for one, of every
s-th row and column, and windows of 1/s as many taps. Start reading at `plan_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, TypeAlias

from functrans.backends.llvm.ir import Module
from functrans.backends.llvm.kernels.blocks import byte_strides
from functrans.backends.llvm.kernels.product.microkernel import best_tile
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.compiler.cost import worthwhile_parts
from functrans.core.aval import ShapedArray
from functrans.core.lowering_windows import Convolve
from functrans.record import NamedTuple, Record

__all__ = ["CHAIN", "TOGETHER", "Kind", "Picture", "Plan", "Regions", "plan_of", "up"]

Kind: TypeAlias = Literal["places", "taps"]

_PLACES = {3: 4, 4: 3, 5: 4}
"""Of a tile along each axis, for so many taps."""
_TILES = {6: 256, 8: 96}
"""Tiles that are gone through at once, for so many products along an axis: what they are made into stays near the caches."""
CHAIN = {6: 64, 8: 32}
"""Products that are added up before their sum is added to those before: with 64 errors are half of those with 192; with 32 they
are two thirds, in about 1.1 of the time."""
_PADDING = 80
"""Numbers between the memory of points, which else lay at one place of the caches."""
_MOST = 8
"""Parts for threads, each of which has room of its own."""
TOGETHER = 32
"""Input features whose windows are transformed together."""
_STRIDES = (1, 2, 4)


class Picture(NamedTuple):
    """How images lie: the sizes of the axes of image, feature, row and column, and the steps along them in numbers."""

    sizes: tuple[int, int, int, int]
    steps: tuple[int, int, int, int]

    @property
    def is_laid_out(self) -> bool:
        """Whether the numbers of a row lie side by side, or the features of a place."""
        return 1 in (self.steps[1], self.steps[3])


class Regions(NamedTuple):
    """Where what lies in the scratch memory begins, in bytes: matrices at points, and room for tiles."""

    left: int
    right: int
    out: int
    room: int
    end: int


class Plan(Record):
    ring: Ring
    kind: Kind
    places: int
    """Of a tile along each axis; for `taps`, taps of the images that are the windows."""
    taps: int
    """Of a window along each axis, where the stride is taken out; for `taps`, places."""
    stride: int
    before: tuple[int, int]
    """Rows and columns of zeros before the images."""
    lanes: int
    width: int
    """Output features of a panel."""
    left: Picture
    right: Picture
    """Windows: the first axis is that of output features, the second of input features. For `taps`, of images that are windows:
    the first is that of images."""
    out: Picture
    """For `taps`: the first axis is that of input features, the second of output features."""
    bands: int
    """Parts of an image that are gone through as if they were images."""
    grid: tuple[int, int]
    """Rows and columns of tiles in a band."""
    block: int
    """Bands that are gone through at once."""
    parts: int
    apart: tuple[int, int, int]
    """From point to point in the left, the right and the result, in numbers."""
    room: int
    """Numbers of a part's room."""
    regions: Regions

    @property
    def size(self) -> int:
        """Products along an axis of a tile."""
        return self.places + self.taps - 1

    @property
    def side(self) -> int:
        """Taps of a window along each axis, with zeros where the stride does not divide them."""
        return self.taps * self.stride

    @property
    def together(self) -> int:
        """Input features whose windows are transformed together, at most."""
        return min(self.inputs, TOGETHER)

    @property
    def is_by_taps(self) -> bool:
        """Whether the windows' input features lie side by side, and neither their output features nor their taps."""
        return self.right.steps[1] == 1 and 1 not in (self.right.steps[0], self.right.steps[3])

    @property
    def window_steps(self) -> tuple[int, int]:
        """From input feature to input feature and from tap to tap, where windows wait to be transformed."""
        return (1, self.together) if self.is_by_taps else (self.side**2, 1)

    @property
    def inputs(self) -> int:
        """Features of the images."""
        return self.left.sizes[1]

    @property
    def channels(self) -> int:
        """And where the stride is taken out."""
        return self.inputs * self.stride**2

    @property
    def outputs(self) -> int:
        return self.out.sizes[1]

    @property
    def left_row(self) -> int:
        """Numbers from tile to tile in the left matrices."""
        return up(self.channels, self.lanes)

    @property
    def out_row(self) -> int:
        """Numbers of a row of the results."""
        return up(self.outputs, self.width)

    @property
    def out_columns(self) -> int:
        """Columns of a row of tiles of the result."""
        return self.grid[1] * self.places

    @property
    def near_row(self) -> int:
        """Numbers from feature to feature where an epilogue waits for a row of tiles: they do not meet in the cache."""
        return near_row(self.places, self.out.sizes[3])

    @property
    def is_beside(self) -> bool:
        """Whether the features of a place of the result lie side by side."""
        return self.out.steps[1] == 1 != self.out.steps[3]

    @property
    def finished(self) -> tuple[int, ...]:
        """The numbers of columns that an epilogue may take up at a time: of features, or of places of a row of tiles."""
        size, each = (self.outputs, self.lanes) if self.is_beside else (self.out.sizes[2], self.places)
        columns = 1 if self.is_beside else self.out.sizes[3]
        return tuple(dict.fromkeys(n * columns for n in (min(each, size), size % each) if n))

    @property
    def tiles(self) -> int:
        return prod(self.grid)

    @property
    def all_bands(self) -> int:
        return self.left.sizes[0] * self.bands

    @property
    def title(self) -> str:
        """As `explain` says it."""
        places, taps = (self.places, self.taps) if self.kind == "places" else (self.taps, self.places)
        apart = "" if self.stride == 1 else f", of {self.channels} features for {self.inputs}"
        return f"Winograd F({places}, {taps}){apart}"


def up(size: int, of: int) -> int:
    return -(-size // of) * of


def near_row(places: int, columns: int) -> int:
    """An odd number of lines of the cache, of which each holds 16 numbers."""
    return (-(-places * columns // 16) | 1) * 16


# ---- what can be done so ----


class _Given(NamedTuple):
    """A convolution that can."""

    kind: Kind
    stride: int
    taps: int
    before: tuple[int, int]
    left: Picture
    right: Picture
    out: Picture


def plan_of(module: Module, ring: Ring, spec: Convolve, ins: Sequence[ShapedArray], out: ShapedArray) -> Plan | None:
    """For operands and a result in C order; None where the sums cannot be used, or do not pay."""
    if ring.name != "f32" or spec.is_exact or out.ndim != 4 or spec.feature_groups * spec.batch_groups > 1:
        return None
    if not out.size or not all(aval.size for aval in ins):
        return None
    left, right, result = (_picture(aval, axes) for aval, axes in zip((*ins, out), spec.specs, strict=True))
    found = _places(spec, left, right, result) or _taps(spec, left, right, result)
    if found is None or not _pays(found, module, ring):
        return None
    return _planned(module, ring, found)


def _picture(aval: ShapedArray, axes: Sequence[int]) -> Picture:
    strides = byte_strides(aval.shape, 1)
    n, c, h, w = axes
    return Picture(
        (aval.shape[n], aval.shape[c], aval.shape[h], aval.shape[w]), (strides[n], strides[c], strides[h], strides[w])
    )


def _places(spec: Convolve, left: Picture, right: Picture, out: Picture) -> _Given | None:
    high, wide = spec.windows
    if (high.size, high.stride) != (wide.size, wide.stride) or any(v.spread * v.dilation > 1 for v in spec.windows):
        return None
    return _given("places", high.stride, high.size, (high.before, wide.before), left, right, out)


def _taps(spec: Convolve, left: Picture, right: Picture, out: Picture) -> _Given | None:
    """The features of the left are the images, those of the result that go with them the inputs."""
    high, wide = spec.windows
    if high.dilation != wide.dilation or any(v.spread * v.stride > 1 for v in spec.windows):
        return None
    if out.sizes[2] != out.sizes[3]:
        return None
    left, right = _exchanged(left), _exchanged(right)
    return _given("taps", high.dilation, out.sizes[2], (high.before, wide.before), left, right, out)


def _exchanged(picture: Picture) -> Picture:
    (n, c, *sizes), (image, feature, *steps) = picture
    return Picture((c, n, sizes[0], sizes[1]), (feature, image, steps[0], steps[1]))


def _given(
    kind: Kind, stride: int, size: int, before: tuple[int, int], left: Picture, right: Picture, out: Picture
) -> _Given | None:
    taps = -(-size // stride)
    is_known = taps in _PLACES and stride in _STRIDES and (stride == 1 or left.steps[3] == 1)
    if not is_known or not all(picture.is_laid_out or picture is right for picture in (left, right, out)):
        return None
    if kind == "places" and 1 not in (*right.steps[:2], right.steps[3]):
        return None
    if kind == "taps" and not right.is_laid_out:
        return None
    return _Given(kind, stride, taps, before, left, right, out)


# ---- whether it pays ----

_TRANSFORMED = 14.0
"""A vector of a tile is transformed and stored in the time of so many multiply-adds of vectors."""
_FEWER = 0.75
"""The time of these for each multiply-add of the direct sums, which wait for more memory."""
_NEAR = 6 << 20
"""Bytes of transformed windows that stay in the caches."""
_FAR: dict[Kind, float] = {"places": 0.6, "taps": 0.8}
"""Multiply-adds in the time in which a byte more is written and read, or added to: with one image of 13 × 13, 384 to 256
features took 1.3 times as long as directly."""
_WORTH = 0.9
"""Of the time of the direct sums, which are the more exact ones."""


def _pays(given: _Given, module: Module, ring: Ring) -> bool:
    points = (_PLACES[given.taps] + given.taps - 1) ** 2
    windows = points * given.left.sizes[1] * given.stride**2 * given.out.sizes[1] * ring.bytes
    taken = _FEWER * _vectors(given, module, ring) + _FAR[given.kind] * max(windows - _NEAR, 0)
    return taken < _WORTH * _direct(given, module, ring)


def _direct(given: _Given, module: Module, ring: Ring) -> float:
    """Multiply-adds of vectors of the direct sums."""
    lanes, places = ring.lanes(module), given.out if given.kind == "places" else given.right
    size = given.right.sizes[2] * given.right.sizes[3] if given.kind == "places" else prod(given.out.sizes[2:])
    images, inputs, outputs = given.left.sizes[0], given.left.sizes[1], given.out.sizes[1]
    return images * inputs * up(outputs, 2 * lanes) / lanes * prod(places.sizes[2:]) * size


def _vectors(given: _Given, module: Module, ring: Ring) -> float:
    """And of the products, with what the transforms take."""
    lanes, places = ring.lanes(module), _PLACES[given.taps]
    points = (places + given.taps - 1) ** 2
    picture = given.out if given.kind == "places" else given.right
    tiles = given.left.sizes[0] * prod(-(-n // places) for n in picture.sizes[2:])
    channels, outputs = given.left.sizes[1] * given.stride**2, up(given.out.sizes[1], 2 * lanes)
    products = tiles * channels * outputs / lanes
    moved = tiles * (up(channels, lanes) + outputs) / lanes + channels * outputs / lanes
    return points * (products + _TRANSFORMED * moved)


# ---- how ----


def _planned(module: Module, ring: Ring, given: _Given) -> Plan:
    lanes, width = ring.lanes(module), best_tile(module, ring).columns(module, ring)
    places, taps = _PLACES[given.taps], given.taps
    size = places + taps - 1
    picture = given.out if given.kind == "places" else given.right
    rows, columns = (-(-n // places) for n in picture.sizes[2:])
    at_once = _TILES[size]
    bands = -(-rows // max(at_once // columns, 1))
    grid = (-(-rows // bands), columns)
    bands = -(-rows // grid[0])
    all_bands = given.left.sizes[0] * bands
    blocks = -(-all_bands // max(at_once // prod(grid), 1))
    block = -(-all_bands // blocks)
    tiles, channels = block * prod(grid), given.left.sizes[1] * given.stride**2
    inner, outer = up(channels, lanes), up(given.out.sizes[1], width)
    rows_of_tile = best_tile(module, ring).rows
    if given.kind == "places":
        sizes = tiles * inner, channels * outer, up(tiles, rows_of_tile) * outer
    else:
        sizes = tiles * inner, tiles * outer, up(channels, rows_of_tile) * outer
    apart = tuple(up(n, 1024) + _PADDING for n in sizes)
    room = _room(given, grid, places, lanes, width)
    parts = max(1, min(_MOST, worthwhile_parts(_vectors(given, module, ring) / 3 / blocks)))
    starts = [0]
    for count in (*(size**2 * n for n in apart), parts * room):
        starts.append(up(starts[-1] + count * ring.bytes, 4096))
    return Plan(
        ring, given.kind, places, taps, given.stride, given.before, lanes, width, given.left, given.right, given.out,
        bands, grid, block, parts, (apart[0], apart[1], apart[2]), room, Regions(*starts),
    )  # fmt: skip


def _room(given: _Given, grid: tuple[int, int], places: int, lanes: int, width: int) -> int:
    """For tiles of a vector of features before they are transformed, or after; copies write a square of lanes further."""
    taps, more = given.taps, width * lanes
    high, wide = (n * places + taps - 1 for n in grid)
    windows = min(given.left.sizes[1], TOGETHER) * (taps * given.stride) ** 2
    outputs = places * wide * lanes + lanes * near_row(places, wide)
    return up(max(high * wide * lanes + wide * given.stride + more, windows * width + more, outputs), 16)
