"""Images as a convolution reads them: where they lie, or copied among zeros; some at a time. Only numbers.

Imports `blocks` and the rings; start reading at `planes_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from functrans.backends.llvm.kernels.assemble import kept
from functrans.backends.llvm.kernels.blocks import Axis, byte_strides
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.core.lowering_windows import Phase as AxisPhase
from functrans.core.lowering_windows import Window
from functrans.record import Record, replace

__all__ = ["ROWS", "Extent", "Planes", "planes_of", "thinned"]

_TOGETHER = 1 << 19
"""Bytes of padded images that are gone through at once: half a second cache, next to a panel of windows."""
_ENOUGH = 256
"""Rows for which a panel is worth being read from far: with 18 of a weight gradient it took 1.5 times as long as with 81."""
ROWS = 4096
"""And so many rows of the result at most, for which there are tables."""


class Extent(NamedTuple):
    """An axis: its length, and the bytes from one to the next."""

    size: int
    step: int


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


def thinned(phases: Sequence[AxisPhase], axis: Extent) -> tuple[Sequence[AxisPhase], Extent, int]:
    """The same windows on what they meet of an axis, if that lies apart: single elements, or one window; and where it begins."""
    (phase, *others), window = phases, phases[0].window
    apart = window.stride if window.size == 1 else window.dilation
    wanted = phase.count if window.size == 1 else window.size
    last = (axis.size - 1 + window.before) // apart
    first = -(-max(window.before, 0) // apart)
    count = min(wanted - 1, last) - first + 1
    if others or apart == 1 or count < 1 or 1 not in (window.size, phase.count):
        return phases, axis, 0
    dense = replace(phase, window=Window(window.size, 1, first, wanted - first - count))
    return [dense], Extent(count, axis.step * apart), (first * apart - window.before) * axis.step


def planes_of(
    ring: Ring,
    padding: Sequence[tuple[int, int]],
    x: Sequence[Extent],
    images: int,
    inputs: int,
    places: int,
    side: int,
    width: int,
    *,
    copied_anyway: bool,
) -> tuple[int, Planes]:
    """How many images to go through at once, `images` at most, and how they are read: with padding of each spatial axis.

    `side` elements lie side by side and are read together, `width` at a time: what lies behind the last ones must be memory.
    Features that lie side by side stay so. `copied_anyway`: what is read again and again lies apart.
    """
    block = max(min(images, ROWS // max(places, 1)), 1)
    is_readable = not (ring.narrow or copied_anyway) and side % width == 0
    if is_readable and all(before <= 0 and after <= 0 for before, after in padding):
        first = sum(-before * axis.step for (before, _), axis in zip(padding, x[2:], strict=True))
        return block, Planes(False, tuple(axis.step for axis in x), 0, (), 0, first)
    padded = tuple(axis.size + before + after for (before, after), axis in zip(padding, x[2:], strict=True))
    is_last = side == 1 and x[1].step == ring.stored_bytes
    beside, apart = (inputs, 1) if is_last else (side, inputs)
    plane = prod(padded) * beside * ring.bytes
    size = apart * plane
    block = max(min(block, max(_TOGETHER // max(size, 1), -(-_ENOUGH // max(places, 1)))), 1)
    outer = (size, plane) if x[0].step >= x[1].step else (plane, block * plane)
    outer = (size, ring.bytes) if is_last else outer
    strides = (*outer, *byte_strides(padded, beside * ring.bytes))
    copied, to, of = [Axis(apart, (strides[1], x[1].step))], 0, 0
    for (before, after), axis, total, step in zip(padding, x[2:], padded, strides[2:], strict=True):
        first, count, place, _ = kept(axis.size, total, (before, after, 0))
        copied.append(Axis(count, (step, axis.step)))
        to, of = to + place * step, of + first * axis.step
    copied.append(Axis(beside, (ring.bytes, ring.stored_bytes)))
    return block, Planes(True, strides, block * size + (width - 1) * ring.bytes, tuple(copied), to, of)
