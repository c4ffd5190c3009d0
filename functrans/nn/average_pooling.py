"""Averages and power averages of windows. By torch.nn.functional's names.

Imports lax and `windows`; start reading at `_avg_pool`.
"""

from __future__ import annotations

import sys
from math import prod
from typing import cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.nn.checks import check_not_zero, check_range
from functrans.nn.windows import Numbers, Windows, images, params_of
from functrans.ops.arithmetic import add
from functrans.ops.reduce_window import reduce_window
from functrans.typing import Array, Shape

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d"]


def _avg_pool(
    name: str, rank: int, windows: Windows, x: Array, count_include_pad: bool = True, divisor: int | None = None
) -> Array:
    if divisor is not None:
        check_not_zero(name, "divisor_override", divisor)

    def run(x: Array) -> Array:
        params, aval = params_of(name, x, windows), aval_of(x)
        total = reduce_window(x, aval.dtype.type(0), add, *params)
        counts = divisor or _counts(windows, aval.shape[2:], params[2][2:], count_include_pad).astype(aval.dtype)
        return cast(Array, total / counts)

    return images(name, x, rank, run)


def _counts(windows: Windows, lengths: Shape, pairs: list[tuple[int, int]], with_padding: bool) -> Array:
    """How many elements each window has, but for what lies after the padding; if so wanted, but for the padding too."""
    counts: Array = np.ones((), int)
    for length, size, stride, before, pair in zip(lengths, *windows[:3], pairs, strict=True):
        starts = np.arange(0, length + sum(pair) - size + 1, stride) - before
        stops = np.minimum(starts + size, length + (before if with_padding else 0))
        own = stops - (starts if with_padding else np.maximum(starts, 0))
        counts = counts[..., np.newaxis] * own
    return counts


def avg_pool1d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The average of each window of images of 1 axis.

    input: (batch, features, length), or without the batch. stride: by default the window's size. With count_include_pad the
    zeros around the image count. With ceil_mode there are windows that end after the padding, of which what lies there does
    not count. Raises ParameterError for what does not fit.

    >>> avg_pool1d(np.array([[[1.0, 5.0, 2.0]]]), 2, stride=1)
    array([[[3. , 3.5]]])
    """
    windows = Windows.of("avg_pool1d", 1, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool1d", 1, windows, input, count_include_pad)


def avg_pool2d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The average of each window of images of 2 axes.

    divisor_override: what sums are divided by in place of the number of elements. All else as in `avg_pool1d`.

    >>> avg_pool2d(np.ones((1, 1, 2, 2)), 2, padding=1)
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    """
    windows = Windows.of("avg_pool2d", 2, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool2d", 2, windows, input, count_include_pad, divisor_override)


def avg_pool3d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The average of each window of images of 3 axes.

    divisor_override: what sums are divided by in place of the number of elements. All else as in `avg_pool1d`.

    >>> avg_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2)
    array([[[[[3.5]]]]])
    """
    windows = Windows.of("avg_pool3d", 3, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool3d", 3, windows, input, count_include_pad, divisor_override)


def _lp_pool(name: str, rank: int, x: Array, p: float, size: Numbers, stride: Numbers | None, ceil_mode: bool) -> Array:
    check_range(name, "norm_type", p, 0, sys.float_info.max, is_open=True)
    windows = Windows.of(name, rank, size, stride, 0, 1, ceil_mode)
    total = _avg_pool(name, rank, windows, x**p) * prod(windows.sizes)
    is_zero = total == 0  # where the derivative of the root is infinite, and that of the norm is 0
    return cast(Array, np.where(is_zero, total, np.where(is_zero, 1, total) ** (1 / p)))


def lp_pool1d(
    input: Array, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Array:
    """(∑ xᵖ)^(1/p) of each window of images of 1 axis, with p = norm_type; windows as in `avg_pool1d`.

    >>> lp_pool1d(np.array([[[3.0, 4.0]]]), 2.0, 2)
    array([[[5.]]])
    """
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Array, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Array:
    """(∑ xᵖ)^(1/p) of each window of images of 2 axes, with p = norm_type; windows as in `avg_pool2d`.

    >>> lp_pool2d(np.ones((1, 1, 2, 2)), 2.0, 2)
    array([[[[2.]]]])
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Array, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Array:
    """(∑ xᵖ)^(1/p) of each window of images of 3 axes, with p = norm_type; windows as in `avg_pool3d`.

    >>> lp_pool3d(np.ones((1, 1, 2, 2, 2)), 1.0, 2)
    array([[[[[8.]]]]])
    """
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)
