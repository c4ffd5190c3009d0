"""Windows of images as columns and back, and elements moved between channels and space. By torch.nn.functional's names.

Imports numpy and `windows`; start reading at `unfold`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.windows import Numbers, images, per_axis
from functrans.numpy.at import at
from functrans.numpy.selection import take
from functrans.ops.shape import slice_in_dim
from functrans.typing import Array, Shape

__all__ = ["channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]

Table = np.ndarray[Any, np.dtype[np.intp]]


# ---- columns ----


def unfold(
    input: Array, kernel_size: Numbers, dilation: Numbers = 1, padding: Numbers = 0, stride: Numbers = 1
) -> Array:
    """The elements of each window as a column: (batch, features · window, windows). Torch's im2col.

    input: (batch, features, height, width), or without the batch; with a kernel_size of one number or of three numbers
    there are as many spatial axes (vol2col). Raises ParameterError for what does not fit.

    >>> unfold(np.arange(6.0).reshape(1, 1, 2, 3), 2)
    array([[[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]]])
    """
    rank = len(kernel_size) if isinstance(kernel_size, Sequence) else 2
    around = per_axis("unfold", "padding", padding, rank, 0)

    def run(x: Array) -> Array:
        padded = np.pad(x, ((0, 0), (0, 0), *((n, n) for n in around)))
        batch, features, *lengths = aval_of(padded).shape
        table = _table("unfold", tuple(lengths), kernel_size, dilation, stride)
        columns = take(np.reshape(padded, (batch, features, prod(lengths))), table, 2)
        return cast(Array, np.reshape(columns, (batch, features * table.shape[0], table.shape[1])))

    return images("unfold", input, rank, run)


def fold(
    input: Array,
    output_size: Numbers,
    kernel_size: Numbers,
    dilation: Numbers = 1,
    padding: Numbers = 0,
    stride: Numbers = 1,
) -> Array:
    """Images of columns, as `unfold` gives them of images of `output_size`; where windows overlap they add up. Torch's col2im.

    input: (batch, features · window, windows), or without the batch.

    >>> fold(unfold(np.ones((1, 1, 2, 3)), 2), (2, 3), 2)
    array([[[[1., 2., 1.],
             [1., 2., 1.]]]])
    """
    rank = next((len(n) for n in (output_size, kernel_size) if isinstance(n, Sequence)), 2)
    sizes = per_axis("fold", "output_size", output_size, rank)
    around = per_axis("fold", "padding", padding, rank, 0)
    lengths = tuple(n + 2 * more for n, more in zip(sizes, around, strict=True))
    table = _table("fold", lengths, kernel_size, dilation, stride)

    def run(x: Array) -> Array:
        aval = aval_of(x)
        batch, rows, columns = aval.shape
        if rows % table.shape[0] or columns != table.shape[1]:
            needs = f"({table.shape[0]} · features, {table.shape[1]}) after the batch"
            raise ParameterError("fold", f"an input of shape {aval.shape}", needs)
        each = np.reshape(x, (batch, rows // table.shape[0], *table.shape))
        flat = at(np.zeros((*aval_of(each).shape[:2], prod(lengths)), aval.dtype))[:, :, table].add(each)
        whole = np.reshape(flat, (*aval_of(each).shape[:2], *lengths))
        for axis, (size, more) in enumerate(zip(sizes, around, strict=True), 2):
            whole = slice_in_dim(whole, more, more + size, axis=axis)
        return whole

    return images("fold", input, 1, run)


def _table(name: str, lengths: Shape, kernel_size: Numbers, dilation: Numbers, stride: Numbers) -> Table:
    """Where in a flat image each element (axis 0) of each window (axis 1) stands."""
    rank = len(lengths)
    each = (per_axis(name, what, given, rank) for what, given in
            (("kernel_size", kernel_size), ("dilation", dilation), ("stride", stride)))  # fmt: skip
    places: Any = np.zeros((), np.intp)
    for length, size, apart, step in zip(lengths, *each, strict=True):
        starts = np.arange(0, length - (size - 1) * apart, step)
        if not starts.size:
            raise ParameterError(name, f"kernel_size={kernel_size} for images of shape {lengths}",
                                 "images that are, with their padding, as large as a window at least")  # fmt: skip
        places = places[..., np.newaxis, np.newaxis] * length + (np.arange(size)[:, np.newaxis] * apart + starts)
    elements, windows = places.shape[::2], places.shape[1::2]
    order = (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2))
    return cast(Table, places.transpose(order).reshape(prod(elements), prod(windows)))


# ---- channels and space ----


def pixel_shuffle(input: Array, upscale_factor: int) -> Array:
    """Channels (..., C · r², H, W) as pixels (..., C, H · r, W · r) (Shi et al. 2016).

    >>> pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), 2)
    array([[[0., 1.],
            [2., 3.]]])
    """
    shape, (r,) = aval_of(input).shape, per_axis("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if len(shape) < 3 or shape[-3] % (r * r):
        raise ParameterError("pixel_shuffle", f"an input of shape {shape}", f"(..., {r * r} · channels, height, width)")
    *first, channels, height, width = shape
    split = np.reshape(input, (*first, channels // (r * r), r, r, height, width))
    moved = np.transpose(split, (*range(len(first) + 1), *(len(first) + i for i in (3, 1, 4, 2))))
    return np.reshape(moved, (*first, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Array, downscale_factor: int) -> Array:
    """What `pixel_shuffle` makes pixels of: (..., C, H · r, W · r) -> (..., C · r², H, W).

    >>> pixel_unshuffle(np.arange(4.0).reshape(1, 2, 2), 2).ravel()
    array([0., 1., 2., 3.])
    """
    shape, (r,) = aval_of(input).shape, per_axis("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if len(shape) < 3 or shape[-2] % r or shape[-1] % r:
        raise ParameterError("pixel_unshuffle", f"an input of shape {shape}", f"a height and a width divisible by {r}")
    *first, channels, height, width = shape
    split = np.reshape(input, (*first, channels, height // r, r, width // r, r))
    moved = np.transpose(split, (*range(len(first) + 1), *(len(first) + i for i in (2, 4, 1, 3))))
    return np.reshape(moved, (*first, channels * r * r, height // r, width // r))


def channel_shuffle(input: Array, groups: int) -> Array:
    """The channels, axis 1, dealt out: the first of each group, then the second of each, and so on (Zhang et al. 2018).

    >>> channel_shuffle(np.arange(4.0).reshape(1, 4, 1), 2).ravel()
    array([0., 2., 1., 3.])
    """
    shape, (parts,) = aval_of(input).shape, per_axis("channel_shuffle", "groups", groups, 1)
    if len(shape) < 3 or shape[1] % parts:
        raise ParameterError("channel_shuffle", f"an input of shape {shape}", f"(batch, {parts} · channels, ...)")
    split = np.reshape(input, (shape[0], parts, shape[1] // parts, *shape[2:]))
    return np.reshape(np.swapaxes(split, 1, 2), shape)
