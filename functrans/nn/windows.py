"""What convolutions and pooling have in common: numbers for each axis, images with and without a batch, windows.

Imports core and errors; start reading at `Windows`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.ops.axes import ints
from functrans.typing import Array, Shape

__all__ = ["Numbers", "Params", "Windows", "images", "params_of", "per_axis"]

Numbers = int | Sequence[int]
"""One for each spatial axis, or one for all."""


def per_axis(name: str, what: str, given: Numbers, rank: int, least: int = 1) -> tuple[int, ...]:
    """A number for each of `rank` axes, none smaller than `least`."""
    try:
        several = ints(given) if isinstance(given, Sequence) else ints((given,)) * rank
    except TypeError:
        several = ()
    if len(several) != rank or any(n < least for n in several):
        needs = f"a whole number, or {rank}, not smaller than {least}"
        raise ParameterError(name, f"{what}={given}", needs)
    return several


def images(name: str, x: Array, rank: int, fun: Callable[[Array], Array]) -> Array:
    """`fun` of images (batch, features, *spatial); without a batch axis, of one image."""
    shape = aval_of(x).shape
    if len(shape) == rank + 1:
        return np.squeeze(fun(np.expand_dims(x, 0)), 0)
    if len(shape) != rank + 2:
        raise ParameterError(
            name, f"an input of shape {shape}", f"(batch, features, …) or (features, …) with {rank} spatial axes"
        )
    return fun(x)


class Windows(NamedTuple):
    """How windows lie along each spatial axis; a window that begins in the padding after the image is left out."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool

    @staticmethod
    def of(
        name: str,
        rank: int,
        size: Numbers,
        stride: Numbers | None,
        padding: Numbers,
        dilation: Numbers,
        ceil_mode: bool,
    ) -> Windows:
        sizes = per_axis(name, "kernel_size", size, rank)
        cut = per_axis(name, "padding", padding, rank, 0)
        if any(2 * n > k for n, k in zip(cut, sizes, strict=True)):
            raise ParameterError(name, f"padding={padding} for kernel_size={size}", "half of the window at most")
        strides = per_axis(name, "stride", size if stride is None else stride, rank)
        apart = per_axis(name, "dilation", dilation, rank)
        apart = tuple(1 if size == 1 else n for size, n in zip(sizes, apart, strict=True))  # one element is not apart
        return Windows(sizes, strides, cut, apart, ceil_mode)

    def pairs(self, lengths: Shape) -> list[tuple[int, int]]:
        """The padding before and after each axis, for no more and no fewer windows than there are."""
        pairs = []
        for length, size, stride, before, apart in zip(lengths, *self[:4], strict=True):
            reach = (size - 1) * apart + 1
            room = length + 2 * before - reach
            count = (room + (stride - 1 if self.ceil_mode else 0)) // stride + 1
            if self.ceil_mode and (count - 1) * stride >= length + before:
                count -= 1
            pairs.append((before, (count - 1) * stride + reach - length - before))
        return pairs


Params = tuple[Shape, Shape, list[tuple[int, int]], None, Shape]


def params_of(name: str, x: Array, windows: Windows) -> Params:
    """What `reduce_window` is to be told of images (batch, features, *spatial)."""
    lengths = aval_of(x).shape[2:]
    pairs = windows.pairs(lengths)
    for length, pair, size, apart in zip(lengths, pairs, windows.sizes, windows.dilation, strict=True):
        if length + sum(pair) < (size - 1) * apart + 1:
            raise ParameterError(name, f"an input of shape {aval_of(x).shape} for kernel_size={windows.sizes}",
                                 "images at least as large as a window")  # fmt: skip
    whole = (1, 1)
    return (
        (*whole, *windows.sizes),
        (*whole, *windows.strides),
        [(0, 0), (0, 0), *pairs],
        None,
        (*whole, *windows.dilation),
    )
