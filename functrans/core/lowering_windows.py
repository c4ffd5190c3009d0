"""Convolutions and what else is taken over windows of an array, to a compiler: how windows lie along each axis.

Imports typing only; start reading at `Window`. `lowering` gathers these with the other families.
"""

from __future__ import annotations

from math import gcd, prod
from typing import Literal, TypeAlias

from functrans.record import Record
from functrans.typing import Shape

__all__ = ["Convolve", "Phase", "ReduceWindow", "Specs", "Window", "WindowPosition", "Windowed"]

Axes = tuple[int, ...]
Specs = tuple[Axes, Axes, Axes]
"""Which axis of left, right and result plays which part: (batch, feature, *spatial), (out, in, *window), (batch, feature, …)."""


class Window(Record):
    """Windows along an axis: between its elements there are `spread` - 1 zeros, around them `before` and `after`.

    A window has `size` elements, `dilation` apart, and the next begins `stride` further. Negative padding removes elements.
    """

    size: int
    stride: int = 1
    before: int = 0
    after: int = 0
    spread: int = 1
    dilation: int = 1

    @property
    def reach(self) -> int:
        """From the first element of a window to behind its last."""
        return (self.size - 1) * self.dilation + 1 if self.size else 0

    @property
    def is_whole(self) -> bool:
        """Whether the windows are the elements themselves, one by one."""
        return self == Window(1)

    def padded(self, length: int) -> int:
        """The length of an axis with what is around and between its elements."""
        return (max(length - 1, 0) * self.spread + min(length, 1)) + self.before + self.after

    def count(self, length: int) -> int:
        """How many windows an axis of a length has."""
        room = self.padded(length) - self.reach
        return room // self.stride + 1 if room >= 0 else 0

    def phases(self, length: int) -> tuple[Phase, ...]:
        """The windows on an axis of a length in as many phases as meet different elements; what is between them is not met."""
        count, period = self.count(length), self.spread // gcd(self.stride, self.spread)
        return tuple(self._phase(first, period, length, count) for first in range(min(period, count)))

    def _phase(self, first: int, period: int, length: int, count: int) -> Phase:
        step = self.spread // gcd(self.dilation, self.spread)
        start = first * self.stride - self.before
        met = [i for i in range(min(step, self.size)) if (start + i * self.dilation) % self.spread == 0]
        element, size = (met[0], len(range(met[0], self.size, step))) if met else (0, 0)
        place = (start + element * self.dilation) // self.spread if met else 0
        stride, dilation = period * self.stride // self.spread, step * self.dilation // self.spread
        own = len(range(first, count, period))
        reach = (size - 1) * dilation + 1 if size else 0
        window = Window(size, stride, -place, (own - 1) * stride + reach + place - length, 1, dilation)
        return Phase(first, period, own, window, element, step)

    def is_full(self, length: int) -> bool:
        """Whether each window has an element of an axis of this length, and not padding alone."""
        places = {self.before + i * self.spread for i in range(length)} & {*range(self.padded(length))}
        starts = range(0, self.count(length) * self.stride, self.stride)
        return all(any(start + i * self.dilation in places for i in range(self.size)) for start in starts)


class Phase(Record):
    """Some windows on an axis whose elements are spread: of `count` from the `first` on, `apart` from each other, those of their
    elements that meet elements of the axis, which are the same for all: from number `element` on, `step` from each other.
    """

    first: int
    apart: int
    count: int
    window: Window
    """With as much padding as these windows reach; of size 0 where they meet nothing."""
    element: int
    step: int


class ReduceWindow(Record):
    """The elements of each window combined; there is a `Window` for each axis, and padding changes nothing."""

    windows: tuple[Window, ...]
    combine: Literal["add", "max", "min"]


class WindowPosition(Record):
    """Where the extremum of each window stands, the first of several or the first NaN; -1 in a window of padding.

    Places are counted in C order over the axes from `inner` on; on those before, windows are the elements themselves.
    """

    windows: tuple[Window, ...]
    extremum: Literal["max", "min"]
    inner: int


class Convolve(Record):
    """`(left, right) -> result`: for each window of the left the sum of its products with the right, over window and features.

    With groups the features of left and result (or the batch of the left and the features of the result) fall into as many
    equal parts, of which each meets its own part of the right.
    """

    windows: tuple[Window, ...]
    specs: Specs
    feature_groups: int
    batch_groups: int
    is_exact: bool = True
    """Whether only direct sums will do, and not others that need fewer products and round more."""

    @property
    def has_features_first(self) -> bool:
        """Whether the axes of the result are its batch, its features, its spatial axes."""
        return self.specs[2] == tuple(range(len(self.specs[2])))

    @property
    def has_features_last(self) -> bool:
        """Whether they are its batch, its spatial axes, its features."""
        last = len(self.specs[2]) - 1
        return self.specs[2] == (0, last, *range(1, last))

    def flops(self, right: Shape, results: int) -> int:
        """Multiplications and additions, for the right operand's shape and so many elements of the result."""
        return 2 * results * right[self.specs[1][1]] * prod(window.size for window in self.windows)


Windowed: TypeAlias = Convolve | ReduceWindow | WindowPosition
