"""`pad`: elements around images, by torch's name. Imports ops and errors; start reading at `pad`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, SupportsIndex

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.ops.joining import concatenate
from functrans.ops.shape import pad as pad_with
from functrans.ops.shape import rev, slice_in_dim
from functrans.typing import Array

__all__ = ["pad"]

Mode = Literal["constant", "reflect", "replicate", "circular"]


def pad(input: Array, pad: Sequence[int], mode: Mode = "constant", value: float = 0.0) -> Array:
    """Elements added before and after along the last axes; a negative number cuts that many off.

    pad: (before, after) for the last axis, then for the one before it, and so on. mode: `value`, the image reflected at its
    edge elements, those repeated, or the image from its other end. Raises ParameterError where the image has not so many.

    >>> pad(np.array([1.0, 2.0, 3.0]), (2, 1), "reflect")
    array([3., 2., 1., 2., 3., 2.])
    >>> pad(np.ones((1, 2)), (1, 0, 0, 1))
    array([[0., 1., 1.],
           [0., 0., 0.]])
    """
    rank, pairs = aval_of(input).ndim, list(zip(pad[::2], pad[1::2], strict=False))
    if len(pad) % 2 or len(pairs) > rank or not all(isinstance(n, SupportsIndex) for n in pad):
        what = f"pad={tuple(pad)} for {rank} axes"
        raise ParameterError("pad", what, "a pair of whole numbers for each of the last axes, the last axis first")
    if mode == "constant":
        config = [(0, 0, 0)] * (rank - len(pairs)) + [(before, after, 0) for before, after in reversed(pairs)]
        return pad_with(input, aval_of(input).dtype.type(value), config)
    if mode not in ("reflect", "replicate", "circular"):
        raise ParameterError("pad", f"mode={mode!r}", '"constant", "reflect", "replicate" or "circular"')
    for number, pair in enumerate(pairs, 1):
        input = _padded(input, rank - number, pair, mode)
    return input


def _padded(x: Array, axis: int, pair: tuple[int, int], mode: Mode) -> Array:
    """As torch has it, what is cut off is still seen in a mirror, but not at the other end."""
    if mode == "circular":
        x = _cut(x, axis, pair)
    size = aval_of(x).shape[axis]
    before, after = (max(n, 0) for n in pair)
    most = {"reflect": size - 1, "replicate": before + after if size else 0, "circular": size}[mode]
    if max(before, after) > max(most, 0):
        raise ParameterError("pad", f"{pair} elements around an axis of length {size}", f"at most {most} for {mode!r}")
    if mode == "reflect":
        first = rev(slice_in_dim(x, 1, before + 1, axis=axis), (axis,))
        last = rev(slice_in_dim(x, max(size - 1 - after, 0), max(size - 1, 0), axis=axis), (axis,))
    elif mode == "circular":
        first, last = slice_in_dim(x, size - before, size, axis=axis), slice_in_dim(x, 0, after, axis=axis)
    else:
        first, last = (
            np.broadcast_to(slice_in_dim(x, at, at + min(n, 1), axis=axis), _resized(x, axis, n))
            for at, n in ((0, before), (max(size - 1, 0), after))
        )
    whole = concatenate([first, x, last], axis)
    return whole if mode == "circular" else _cut(whole, axis, pair)


def _cut(x: Array, axis: int, pair: tuple[int, int]) -> Array:
    """Without as many elements at both ends as the numbers are negative."""
    size = aval_of(x).shape[axis]
    before, after = (max(-n, 0) for n in pair)
    if before + after > size:
        raise ParameterError("pad", f"{pair} elements around an axis of length {size}", "no more to be cut off")
    return slice_in_dim(x, before, size - after, axis=axis) if before or after else x


def _resized(x: Array, axis: int, size: int) -> tuple[int, ...]:
    shape = aval_of(x).shape
    return (*shape[:axis], size, *shape[axis + 1 :])
