"""The largest elements of windows, and where they stand. By torch.nn.functional's names.

Imports lax and `windows`; start reading at `_max_pool`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Literal, Protocol, cast, overload

import numpy as np

from functrans.core.primitive import aval_of
from functrans.nn.windows import Numbers, Windows, images, params_of
from functrans.ops.extrema import max as max_
from functrans.ops.reduce_window import reduce_window, reduce_window_argmax
from functrans.ops.sort import take_along
from functrans.typing import Array, Shape

__all__ = ["max_pool1d", "max_pool2d", "max_pool3d", "picked"]


def _pooled_max(name: str, rank: int, windows: Windows, x: Array) -> Array:
    """The largest element of each window; NaN counts as the largest."""

    def run(x: Array) -> Array:
        return reduce_window(x, _least(x), max_, *params_of(name, x, windows))

    return images(name, x, rank, run)


def _pooled_places(name: str, rank: int, windows: Windows, x: Array) -> Array:
    """Where in its image that stands, counted in C order: the first of several, or the first NaN."""

    def run(x: Array) -> Array:
        shape, params = aval_of(x).shape, params_of(name, x, windows)
        trivial = (1, 1, (0, 0))
        first = next((axis for axis, n in enumerate(zip(*params[:3], strict=True)) if n != trivial), len(shape))
        return _in_image(reduce_window_argmax(x, *params), shape, first)

    return images(name, x, rank, run)


def picked(x: Array, places: Array, rank: int) -> Array:
    """The elements of images at places in each."""
    flat, at = (np.reshape(a, (*aval_of(a).shape[:-rank], prod(aval_of(a).shape[-rank:]))) for a in (x, places))
    return np.reshape(take_along(flat, at, aval_of(flat).ndim - 1), aval_of(places).shape)


def _least(x: Array) -> np.generic:
    dtype = aval_of(x).dtype
    return cast(np.generic, dtype.type(-np.inf if dtype.kind == "f" else np.iinfo(dtype).min))


def _in_image(found: Array, shape: Shape, axis: int) -> Array:
    """Places counted from an axis on (see `reduce_window_argmax`), counted from the first spatial axis on."""
    if axis == 2:
        return found
    starts = np.arange(prod(shape[2:axis])) * prod(shape[axis:])
    return cast(Array, found + starts.reshape((*shape[2:axis], *(1,) * (len(shape) - axis))))


class _MaxPool(Protocol):
    """The signature of all three, for type checkers: with indices there are two arrays."""

    @overload
    def __call__(
        self,
        input: Array,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        dilation: Numbers = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
    ) -> Array: ...
    @overload
    def __call__(
        self,
        input: Array,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        dilation: Numbers = 1,
        ceil_mode: bool = False,
        *,
        return_indices: Literal[True],
    ) -> tuple[Array, Array]: ...


def _typed(fun: Callable[..., Any]) -> _MaxPool:
    return fun


@_typed
def max_pool1d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The largest element of each window of images of 1 axis.

    input: (batch, features, length), or without the batch. stride: by default the window's size; padding is never the
    largest; with ceil_mode there are windows that end after the padding. return_indices: also give where in the image each
    element stands, the first of several. Raises ParameterError for what does not fit.

    >>> max_pool1d(np.array([[[1.0, 5.0, 2.0, 4.0]]]), 2, return_indices=True)
    (array([[[5., 4.]]]), array([[[1, 3]]]))
    """
    windows = Windows.of("max_pool1d", 1, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool1d", 1, windows, return_indices, input)


@_typed
def max_pool2d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The largest element of each window of images of 2 axes.

    All else as in `max_pool1d`.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    windows = Windows.of("max_pool2d", 2, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool2d", 2, windows, return_indices, input)


@_typed
def max_pool3d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The largest element of each window of images of 3 axes.

    All else as in `max_pool1d`.

    >>> max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2)
    array([[[[[7.]]]]])
    """
    windows = Windows.of("max_pool3d", 3, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool3d", 3, windows, return_indices, input)


def _max_pool(name: str, rank: int, windows: Windows, return_indices: bool, x: Array) -> Array | tuple[Array, Array]:
    if not return_indices:
        return _pooled_max(name, rank, windows, x)
    places = _pooled_places(name, rank, windows, x)
    if max(windows.dilation) == 1:
        return picked(x, places, rank), places
    inside = places >= 0  # else all that the window meets is padding
    return np.where(inside, picked(x, np.maximum(places, 0), rank), _least(x)), places
