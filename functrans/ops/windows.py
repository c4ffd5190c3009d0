"""Windows of arrays for NumPy, and their padding: what convolutions and reductions over windows have in common.

Imports core and `shape`; start reading at `patches`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functrans.core.lowering_windows import Window
from functrans.errors import ParameterError
from functrans.ops.axes import ints
from functrans.ops.shape import pad_p
from functrans.typing import Array, Shape

__all__ = ["Padding", "check_windows", "dilated", "padding_of", "patches", "per_axis", "transposed_padding"]

Padding = tuple[tuple[int, int], ...]


def per_axis(name: str, what: str, values: Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """A parameter with a number for each axis; ones if it is not given."""
    numbers = (1,) * rank if values is None else ints(values)
    if len(numbers) != rank or any(number < 1 for number in numbers):
        raise ParameterError(name, f"{what}={numbers} for {rank} axes", "a positive number for each axis")
    return numbers


def dilated(size: int, dilation: int) -> int:
    """The length of an axis whose elements are moved `dilation` apart."""
    return (size - 1) * dilation + 1 if size else 0


def padding_of(
    name: str, padding: str | Sequence[tuple[int, int]], sizes: Shape, reaches: Shape, strides: Shape
) -> Padding:
    """What is put before and after each axis: as given, or by the name "SAME", "SAME_LOWER" or "VALID".

    SAME gives as many windows as there are strides in the axis; of an odd number of zeros one more is after (SAME_LOWER:
    before).
    """
    if not isinstance(padding, str):
        pairs = tuple((lo, hi) for lo, hi in map(ints, padding))
        if len(pairs) != len(sizes):
            raise ParameterError(name, f"padding={pairs} for {len(sizes)} axes", "a pair (before, after) for each axis")
        return pairs
    kind = padding.upper()
    if kind == "VALID":
        return ((0, 0),) * len(sizes)
    if kind not in ("SAME", "SAME_LOWER"):
        raise ParameterError(name, f"padding={padding!r}", '"SAME", "SAME_LOWER", "VALID", or a pair for each axis')
    pairs = ()
    for size, reach, stride in zip(sizes, reaches, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        less, more = total // 2, total - total // 2
        pairs = (*pairs, (less, more) if kind == "SAME" else (more, less))
    return pairs


def check_windows(name: str, lengths: Shape, windows: Sequence[Window]) -> Shape:
    """How many windows each axis has; raises ParameterError where more is removed than there is."""
    if any(window.padded(length) < 0 for window, length in zip(windows, lengths, strict=True)):
        pairs = tuple((window.before, window.after) for window in windows)
        raise ParameterError(name, f"padding={pairs} for axes of lengths {lengths}",
                             "no more negative padding than there are elements")  # fmt: skip
    return tuple(window.count(length) for window, length in zip(windows, lengths, strict=True))


def patches(x: Array, windows: Sequence[Window], value: Array) -> Array:
    """A view of the last axes of an array as windows: (…, the number of windows of each, the elements of each).

    `value` is what stands around the elements and between them.
    """
    first = x.ndim - len(windows)
    config = (*((0, 0, 0),) * first, *((w.before, w.after, w.spread - 1) for w in windows))
    counts = tuple(w.count(length) for w, length in zip(windows, x.shape[first:], strict=True))
    if any(widths != (0, 0, 0) for widths in config):
        (x,) = pad_p.impl(x, value, padding_config=config)
    along = x.strides[first:]
    strides = [w.stride * step for w, step in zip(windows, along, strict=True)]
    within = [w.dilation * step for w, step in zip(windows, along, strict=True)]
    shape = (*x.shape[:first], *counts, *(w.size for w in windows))
    return np.lib.stride_tricks.as_strided(x, shape, (*x.strides[:first], *strides, *within), writeable=False)


def transposed_padding(window: Window, length: int, count: int) -> tuple[int, int]:
    """Of `count` cotangents, spread as far apart as windows are, over which windows go that give one for each of `length`."""
    before = window.reach - 1 - window.before
    return before, dilated(length, window.spread) + window.reach - 1 - dilated(count, window.stride) - before
