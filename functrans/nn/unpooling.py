"""Back from the largest elements of windows to images, and windows of random places. By torch.nn.functional's names.

Imports random, `lookup` and `max_pooling`; start reading at `_unpooled` and `_fractional`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Literal, Protocol, cast, overload

import numpy as np

from functrans import random
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.lookup import in_range
from functrans.nn.max_pooling import picked
from functrans.nn.windows import Numbers, images, per_axis
from functrans.numpy.at import at
from functrans.ops.reduce import argmax
from functrans.ops.sort import take_along
from functrans.typing import Array, Shape

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d"]

# ---- unpooling ----


def max_unpool1d(
    input: Array,
    indices: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Zeros, but the elements of the input where `indices` say, as `max_pool1d` with these windows gives them.

    output_size: the length of the images, which several lengths might have been; by default the least. Of several elements for
    one place the last stays. An index that is negative or out of range raises IndexError.

    >>> max_unpool1d(np.array([[[5.0, 4.0]]]), np.array([[[1, 3]]]), 2)
    array([[[0., 5., 0., 4.]]])
    """
    return _unpooled("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Array,
    indices: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Zeros, but the elements of the input where `indices` say, as `max_pool2d` gives them; see `max_unpool1d`.

    >>> max_unpool2d(np.array([[[5.0]]]), np.array([[[1]]]), 2)
    array([[[0., 5.],
            [0., 0.]]])
    """
    return _unpooled("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Array,
    indices: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Zeros, but the elements of the input where `indices` say, as `max_pool3d` gives them; see `max_unpool1d`.

    >>> max_unpool3d(np.array([[[[5.0]]]]), np.array([[[[7]]]]), 2).ravel()
    array([0., 0., 0., 0., 0., 0., 0., 5.])
    """
    return _unpooled("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


def _unpooled(
    name: str, rank: int, x: Array, indices: Array, size: Numbers, stride: Numbers | None, padding: Numbers,
    output_size: Sequence[int] | None,
) -> Array:  # fmt: skip
    shape = aval_of(x).shape
    if aval_of(indices).shape != shape or len(shape) not in (rank + 1, rank + 2):
        what = f"an input of shape {shape} and indices of shape {aval_of(indices).shape}"
        raise ParameterError(
            name, what, f"both of one shape, (batch, features, …) or (features, …) with {rank} spatial axes"
        )
    sizes = per_axis(name, "kernel_size", size, rank)
    steps = per_axis(name, "stride", size if stride is None else stride, rank)
    cut = per_axis(name, "padding", padding, rank, 0)
    least = [(n - 1) * step - 2 * less + k for n, step, less, k in zip(shape[-rank:], steps, cut, sizes, strict=True)]
    lengths = tuple(least if output_size is None else output_size)[-rank:]
    if len(lengths) != rank or any(abs(n - m) >= step for n, m, step in zip(lengths, least, steps, strict=True)):
        raise ParameterError(name, f"output_size={output_size}", f"sizes less than a stride from {tuple(least)}")
    lines = prod(shape[:-rank])
    numbers = np.reshape(in_range(indices, prod(lengths)), (lines, prod(shape[-rank:])))
    flat = at(np.zeros((lines, prod(lengths)), aval_of(x).dtype))
    placed = flat[np.arange(lines)[:, np.newaxis], numbers].set(np.reshape(x, (lines, prod(shape[-rank:]))))
    return np.reshape(placed, (*shape[:-rank], *lengths))


# ---- fractional pooling ----


class _FractionalMaxPool(Protocol):
    """The signature of both, for type checkers: with indices there are two arrays."""

    @overload
    def __call__(
        self,
        input: Array,
        kernel_size: Numbers,
        output_size: Numbers | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: Literal[False] = False,
        _random_samples: Array | None = None,
        *,
        key: Array | None = None,
    ) -> Array: ...
    @overload
    def __call__(
        self,
        input: Array,
        kernel_size: Numbers,
        output_size: Numbers | None = None,
        output_ratio: float | Sequence[float] | None = None,
        *,
        return_indices: Literal[True],
        _random_samples: Array | None = None,
        key: Array | None = None,
    ) -> tuple[Array, Array]: ...


def _typed(fun: Callable[..., Any]) -> _FractionalMaxPool:
    return fun


@_typed
def fractional_max_pool2d(
    input: Array,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
    *,
    key: Array | None = None,
) -> Array | tuple[Array, Array]:
    """The largest elements of `output_size` windows along each axis, which lie at random distances (Graham 2015).

    input: (batch, features, height, width), or without the batch. output_size: how many windows there are, or output_ratio: which
    part of the lengths that is. Where they lie follows from a random number for each axis of each feature, which is drawn by the
    key or given as _random_samples: (batch, features, 2), the last axis first. return_indices: also give where in the image each
    element stands. Raises ParameterError for what does not fit.

    >>> image = np.arange(16.0).reshape(1, 4, 4)
    >>> fractional_max_pool2d(image, 2, 2, _random_samples=np.full((1, 1, 2), 0.5))
    array([[[ 5.,  7.],
            [13., 15.]]])
    """
    return _fractional(
        "fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples, key
    )


@_typed
def fractional_max_pool3d(
    input: Array,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
    *,
    key: Array | None = None,
) -> Array | tuple[Array, Array]:
    """The largest elements of `output_size` windows along each axis of (batch, features, depth, height, width).

    _random_samples: (batch, features, 3), here the first axis first. All else as in `fractional_max_pool2d`.

    >>> from functrans import random
    >>> fractional_max_pool3d(np.ones((1, 3, 3, 3)), 2, output_ratio=0.7, key=random.key(0)).shape
    (1, 2, 2, 2)
    """
    return _fractional(
        "fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples, key
    )


def _fractional(
    name: str, rank: int, x: Array, kernel_size: Numbers, output_size: Numbers | None,
    output_ratio: float | Sequence[float] | None, return_indices: bool, samples: Array | None, key: Array | None,
) -> Array | tuple[Array, Array]:  # fmt: skip
    sizes = per_axis(name, "kernel_size", kernel_size, rank)

    def places(x: Array) -> Array:
        shape = aval_of(x).shape
        lengths = shape[2:]
        counts = _counts(name, lengths, sizes, output_size, output_ratio)
        each = _samples(name, x, rank, samples, key)
        starts = [_starts(each[..., axis], *line) for axis, line in enumerate(zip(lengths, counts, sizes, strict=True))]
        table = _elements(starts, lengths, sizes)
        flat = np.reshape(x, (*shape[:2], prod(lengths)))
        elements = take_along(flat, np.reshape(table, (*shape[:2], prod(aval_of(table).shape[2:]))), 2)
        best = argmax(np.reshape(elements, aval_of(table).shape), 3)
        found = take_along(table, np.expand_dims(best, 3), 3)
        return np.reshape(found, (*shape[:2], *counts))

    found = images(name, x, rank, places)
    return (picked(x, found, rank), found) if return_indices else picked(x, found, rank)


def _counts(
    name: str, lengths: Shape, sizes: Shape, output_size: Numbers | None, ratio: float | Sequence[float] | None
) -> Shape:
    """How many windows there are along each axis."""
    if (output_size is None) == (ratio is None):
        raise ParameterError(name, f"output_size={output_size} and output_ratio={ratio}", "one of them")
    if ratio is not None:
        ratios = tuple(ratio) if isinstance(ratio, Sequence) else (ratio,) * len(lengths)
        if len(ratios) != len(lengths) or not all(0 < one < 1 for one in ratios):
            raise ParameterError(name, f"output_ratio={ratio}", f"a number between 0 and 1, or {len(lengths)}")
        output_size = [int(n * one) for n, one in zip(lengths, ratios, strict=True)]
    counts = per_axis(name, "output_size", cast(Numbers, output_size), len(lengths))
    if any(count + size - 1 > length for count, size, length in zip(counts, sizes, lengths, strict=True)):
        what = f"{counts} windows of size {sizes} for images of shape {lengths}"
        raise ParameterError(name, what, "windows that begin at different elements")
    return counts


def _samples(name: str, x: Array, rank: int, samples: Array | None, key: Array | None) -> Array:
    """A random number for each spatial axis, in order, of each feature of each sample."""
    aval = aval_of(x)
    if samples is None and key is None:
        raise ParameterError(name, "neither a key nor _random_samples", "one of them")
    if samples is None:
        return random.uniform(cast(Array, key), (*aval.shape[:2], rank), aval.dtype)
    if aval_of(samples).shape != (*aval.shape[:2], rank):
        what = f"_random_samples of shape {aval_of(samples).shape} for images of shape {aval.shape}"
        raise ParameterError(name, what, f"{(*aval.shape[:2], rank)}")
    return samples[..., ::-1] if rank == 2 else samples


def _starts(sample: Array, length: int, count: int, size: int) -> Any:
    """Where along an axis windows begin, the last one so that it ends with the image: (batch, features, count)."""
    dtype = aval_of(sample).dtype
    step = dtype.type((length - size) / (count - 1) if count > 1 else 0)
    moved = np.expand_dims(sample, 2)
    first = ((np.arange(count - 1).astype(dtype) + moved) * step).astype(np.intp) - (moved * step).astype(np.intp)
    last = np.full((*aval_of(sample).shape, 1), length - size)
    return np.concatenate([first, last], 2)


def _elements(starts: list[Any], lengths: Shape, sizes: Shape) -> Any:
    """Where in the image the elements of each window are: (batch, features, windows, elements)."""
    rank, table = len(lengths), np.zeros((), np.intp)
    for axis, (start, length, size) in enumerate(zip(starts, lengths, sizes, strict=True)):
        count = aval_of(start).shape[2]
        along = [1] * (2 * rank)
        along[axis], along[rank + axis] = count, size
        inside = np.expand_dims(start, 3) + np.arange(size)
        table = table * length + np.reshape(inside, (*aval_of(start).shape[:2], *along))
    shape = aval_of(table).shape
    return np.reshape(table, (*shape[:2], prod(shape[2 : 2 + rank]), prod(shape[2 + rank :])))
