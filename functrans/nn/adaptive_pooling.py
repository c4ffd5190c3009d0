"""Pooling to a size, whatever the size of the images. By torch.nn.functional's names.

Bin i of n along an axis of length L goes from ⌊iL/n⌋ to ⌈(i + 1)L/n⌉. An average over bins is one along each axis.
Imports numpy and `max_pooling`; start reading at `_bins`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any, Literal, Protocol, cast, overload

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.max_pooling import picked
from functrans.nn.windows import images
from functrans.numpy.selection import take
from functrans.ops.reduce import argmax
from functrans.ops.sort import take_along
from functrans.typing import Array, Shape

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "adaptive_average",
]  # fmt: skip

Sizes = int | None | Sequence[int | None]
"""The number of bins for each spatial axis, or one for all; None: as many as there are elements."""
Numbers = np.ndarray[Any, np.dtype[np.intp]]


def _bins(length: int, count: int) -> list[range]:
    return [range(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def _sizes(name: str, output_size: Sizes, lengths: Shape) -> Shape:
    given = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * len(lengths)
    sizes = tuple(n if size is None else size for size, n in zip(given, lengths, strict=False))
    if len(given) != len(lengths) or any(size < 1 for size in sizes) or any(n < 1 for n in lengths):
        raise ParameterError(
            name, f"output_size={output_size} for images of shape {lengths}", "positive sizes, one for each axis"
        )
    return sizes


# ---- average ----


def adaptive_average(name: str, rank: int, x: Array, output_size: Sizes) -> Array:
    """The averages of bins along each of the last axes of images with or without a batch axis."""

    def run(x: Array) -> Array:
        lengths = aval_of(x).shape[2:]
        for axis, size in enumerate(_sizes(name, output_size, lengths), 2):
            x = _average(x, axis, size)
        return x

    return images(name, x, rank, run)


def _average(x: Array, axis: int, count: int) -> Array:
    """Each bin has its own elements alone: what is not finite does not spread to others."""
    shape, dtype = aval_of(x).shape, aval_of(x).dtype
    if count == shape[axis]:
        return x
    if shape[axis] % count == 0:
        return cast(
            Array, np.mean(np.reshape(x, (*shape[:axis], count, shape[axis] // count, *shape[axis + 1 :])), axis + 1)
        )
    bins = _bins(shape[axis], count)
    places = np.arange(max(map(len, bins)))[:, np.newaxis] + np.array([one.start for one in bins])
    is_inside = places < np.array([one.stop for one in bins])
    along = (1,) * (len(shape) - axis - 1)
    elements = take(x, np.minimum(places, shape[axis] - 1), axis)
    total = np.sum(np.where(is_inside.reshape(*places.shape, *along), elements, 0), axis)
    return cast(Array, total / is_inside.sum(0).astype(dtype).reshape(count, *along))


def adaptive_avg_pool1d(input: Array, output_size: Sizes) -> Array:
    """The averages of `output_size` bins along each of the last 1 axes, of images with or without a batch axis.

    >>> adaptive_avg_pool1d(np.array([[[1.0, 2.0, 6.0]]]), 2)
    array([[[1.5, 4. ]]])
    """
    return adaptive_average("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Array, output_size: Sizes) -> Array:
    """The averages of `output_size` bins along each of the last 2 axes, of images with or without a batch axis.

    >>> adaptive_avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), (1, 2))
    array([[[[6.5, 8.5]]]])
    """
    return adaptive_average("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Array, output_size: Sizes) -> Array:
    """The averages of `output_size` bins along each of the last 3 axes, of images with or without a batch axis.

    >>> adaptive_avg_pool3d(np.ones((1, 2, 3, 4, 5)), 1).ravel()
    array([1., 1.])
    """
    return adaptive_average("adaptive_avg_pool3d", 3, input, output_size)


# ---- maximum ----


def _places(name: str, rank: int, x: Array, output_size: Sizes) -> Array:
    """Where in its image the largest element of each bin stands, the first of several."""

    def run(x: Array) -> Array:
        shape = aval_of(x).shape
        lengths = shape[2:]
        sizes = _sizes(name, output_size, lengths)
        table = _table(lengths, sizes)
        flat = np.reshape(x, (*shape[:2], prod(lengths)))
        best = argmax(flat[:, :, table], 3)
        rows = np.broadcast_to(table, (*shape[:2], *table.shape))
        found = take_along(rows, np.expand_dims(best, 3), 3)
        return np.reshape(found, (*shape[:2], *sizes))

    return images(name, x, rank, run)


def _table(lengths: Shape, sizes: Shape) -> Numbers:
    """For each bin the places of its elements; of those that have fewer, the last one again, which is then not the first."""
    numbers = np.arange(prod(lengths)).reshape(lengths)
    each = [_bins(length, size) for length, size in zip(lengths, sizes, strict=True)]
    inside = [numbers[np.ix_(*bins)].ravel() for bins in product(*each)]
    most = max(map(len, inside))
    return np.stack([np.pad(places, (0, most - len(places)), "edge") for places in inside])


def _maximum(name: str, rank: int, x: Array, output_size: Sizes, return_indices: bool) -> Array | tuple[Array, Array]:
    places = _places(name, rank, x, output_size)
    out = picked(x, places, rank)
    return (out, places) if return_indices else out


class _MaxPool(Protocol):
    """The signature of all three, for type checkers: with indices there are two arrays."""

    @overload
    def __call__(self, input: Array, output_size: Sizes, return_indices: Literal[False] = False) -> Array: ...
    @overload
    def __call__(self, input: Array, output_size: Sizes, return_indices: Literal[True]) -> tuple[Array, Array]: ...


def _typed(fun: Callable[..., Any]) -> _MaxPool:
    return fun


@_typed
def adaptive_max_pool1d(input: Array, output_size: Sizes, return_indices: bool = False) -> Array | tuple[Array, Array]:
    """The largest elements of `output_size` bins along each of the last 1 axes; and where they stand in the image.

    >>> adaptive_max_pool1d(np.array([[[1.0, 6.0, 2.0]]]), 2, return_indices=True)
    (array([[[6., 6.]]]), array([[[1, 1]]]))
    """
    return _maximum("adaptive_max_pool1d", 1, input, output_size, return_indices)


@_typed
def adaptive_max_pool2d(input: Array, output_size: Sizes, return_indices: bool = False) -> Array | tuple[Array, Array]:
    """The largest elements of `output_size` bins along each of the last 2 axes; and where they stand in the image.

    >>> adaptive_max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), (1, 2))
    array([[[[13., 15.]]]])
    """
    return _maximum("adaptive_max_pool2d", 2, input, output_size, return_indices)


@_typed
def adaptive_max_pool3d(input: Array, output_size: Sizes, return_indices: bool = False) -> Array | tuple[Array, Array]:
    """The largest elements of `output_size` bins along each of the last 3 axes; and where they stand in the image.

    >>> adaptive_max_pool3d(np.arange(60.0).reshape(1, 1, 3, 4, 5), 1)
    array([[[[[59.]]]]])
    """
    return _maximum("adaptive_max_pool3d", 3, input, output_size, return_indices)
