"""Convolutions and their transposes, by torch.nn.functional's names. Imports lax; start reading at `_conv`."""

from __future__ import annotations

from typing import cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.checks import check_shape
from functrans.nn.windows import Numbers, images, per_axis
from functrans.ops.convolution import conv_general_dilated
from functrans.ops.convolution_numbers import PrecisionLike
from functrans.ops.shape import rev
from functrans.typing import Array

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def _conv(
    name: str, rank: int, x: Array, weight: Array, bias: Array | None, stride: Numbers, padding: Numbers | str,
    dilation: Numbers, groups: int, precision: PrecisionLike,
) -> Array:  # fmt: skip
    steps, apart = per_axis(name, "stride", stride, rank), per_axis(name, "dilation", dilation, rank)
    if isinstance(padding, str):
        if padding == "same" and any(step != 1 for step in steps):
            raise ParameterError(name, f'padding="same" with stride={stride}', "a stride of 1")
        pairs: str | list[tuple[int, int]] = padding
    else:
        pairs = [(n, n) for n in per_axis(name, "padding", padding, rank, 0)]

    def run(x: Array) -> Array:
        out = conv_general_dilated(
            x, weight, steps, pairs, None, apart, feature_group_count=groups, precision=precision
        )
        return _biased(name, _whole(name, out, x, weight), bias)

    return images(name, x, rank, run)


def _whole(name: str, out: Array, x: Array, weight: Array) -> Array:
    """The images, or ParameterError where nothing is left of ones that there were."""
    if 0 in aval_of(out).shape[2:] and 0 not in aval_of(x).shape[2:]:
        shapes = f"an input of shape {aval_of(x).shape} and windows of shape {aval_of(weight).shape}"
        raise ParameterError(name, shapes, "images that are, with their padding, as large as a window at least")
    return out


def _biased(name: str, out: Array, bias: Array | None) -> Array:
    if bias is None:
        return out
    check_shape(name, "a bias", bias, aval_of(out).shape[1:2])
    return cast(Array, out + np.reshape(bias, (-1, *(1,) * (aval_of(out).ndim - 2))))


def _conv_transpose(
    name: str, rank: int, x: Array, weight: Array, bias: Array | None, stride: Numbers, padding: Numbers,
    output_padding: Numbers, groups: int, dilation: Numbers, precision: PrecisionLike,
) -> Array:  # fmt: skip
    """The convolution of the spread input with reversed windows, whose input and output features are exchanged."""
    steps, apart = per_axis(name, "stride", stride, rank), per_axis(name, "dilation", dilation, rank)
    before, more = (
        per_axis(name, "padding", padding, rank, 0),
        per_axis(name, "output_padding", output_padding, rank, 0),
    )
    if any(extra >= max(step, space) for extra, step, space in zip(more, steps, apart, strict=True)):
        raise ParameterError(name, f"output_padding={output_padding}", "less than the stride or the dilation")
    inputs, outputs, *window = aval_of(weight).shape
    if groups < 1 or inputs % groups:
        raise ParameterError(name, f"groups={groups} for {inputs} input features", "a number that divides them")
    parts = np.reshape(weight, (groups, inputs // groups, outputs, *window))
    windows = np.reshape(np.swapaxes(parts, 1, 2), (groups * outputs, inputs // groups, *window))
    pairs = []
    for size, space, cut, extra in zip(window, apart, before, more, strict=True):
        reach = (size - 1) * space
        pairs.append((reach - cut, reach - cut + extra))

    def run(x: Array) -> Array:
        flipped = rev(windows, range(2, 2 + rank))
        out = conv_general_dilated(
            x, flipped, (1,) * rank, pairs, steps, apart, feature_group_count=groups, precision=precision
        )
        return _biased(name, _whole(name, out, x, weight), bias)

    return images(name, x, rank, run)


def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    *,
    precision: PrecisionLike = None,
) -> Array:
    """The convolution of images of 1 axis, in `groups` of features.

    input: (batch, features, length), or without the batch. weight: (outputs, features / groups, *window). bias: (outputs,).
    stride, dilation: a number or one for each axis. padding: as many zeros before as after, or "same" (for stride 1) or
    "valid". Raises ParameterError for what does not fit. The window is not reversed. With precision="highest" no sums are used
    that round more than direct ones: see `lax.conv_general_dilated`.

    >>> conv1d(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, -1.0]]]), np.array([0.5]))
    array([[[-0.5, -1.5]]])
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups, precision)


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    *,
    precision: PrecisionLike = None,
) -> Array:
    """The convolution of images of 2 axes, in `groups` of features.

    input: (batch, features, height, width), or without the batch; all else as in `conv1d`.

    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=1)
    array([[[[4., 6., 4.],
             [6., 9., 6.],
             [4., 6., 4.]]]])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups, precision)


def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    *,
    precision: PrecisionLike = None,
) -> Array:
    """The convolution of images of 3 axes, in `groups` of features.

    input: (batch, features, depth, height, width), or without the batch; all else as in `conv1d`.

    >>> conv3d(np.ones((1, 2, 3, 3, 3)), np.ones((4, 2, 3, 3, 3)))[0, :, 0, 0, 0]
    array([54., 54., 54., 54.])
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups, precision)


def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
    *,
    precision: PrecisionLike = None,
) -> Array:
    """What `conv1d` with these parameters does to cotangents: each element spread over a window, all added up.

    input: (batch, features, length), or without the batch. weight: (features, outputs / groups, *window). bias: (outputs,).
    padding is cut off on both sides, output_padding is added at the end of each axis, `precision` is that of `conv1d`. Raises
    ParameterError for what does not fit.

    >>> conv_transpose1d(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 1.0]]]), stride=2)
    array([[[1., 1., 2., 2.]]])
    """
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation, precision
    )


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
    *,
    precision: PrecisionLike = None,
) -> Array:
    """What `conv2d` with these parameters does to cotangents: each element spread over a window, all added up.

    input: (batch, features, height, width), or without the batch; all else as in `conv_transpose1d`.

    >>> conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)))
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]])
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation, precision
    )


def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
    *,
    precision: PrecisionLike = None,
) -> Array:
    """What `conv3d` with these parameters does to cotangents: each element spread over a window, all added up.

    input: (batch, features, depth, height, width), or without the batch; all else as in `conv_transpose1d`.

    >>> conv_transpose3d(np.ones((1, 1, 1, 1, 1)), np.ones((1, 2, 2, 2, 2)), stride=2, output_padding=1).shape
    (1, 2, 3, 3, 3)
    """
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation, precision
    )
