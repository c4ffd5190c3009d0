"""Normalisations, by torch.nn.functional's names and arguments. Start reading at `layer_norm`. Imports numpy and errors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.checks import check_range, check_shape
from functrans.nn.windows import per_axis
from functrans.typing import Array, Shape

__all__ = [
    "BatchNorm",
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


def _centred(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Any, Any, Any]:
    """x without its mean and in units of its standard deviation over some axes; mean and variance."""
    mean = np.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    return centred / np.sqrt(variance + eps), mean, variance


def _scaled(
    function: str, x: Any, weight: Array | None, bias: Array | None, shape: Shape, wanted: Shape | None = None
) -> Array:
    """x times weight plus bias, which are of the shape `wanted` and broadcast as `shape`."""
    check_shape(function, "a weight", weight, shape if wanted is None else wanted)
    check_shape(function, "a bias", bias, shape if wanted is None else wanted)
    scaled = x if weight is None else x * np.reshape(weight, shape)
    return cast(Array, scaled if bias is None else scaled + np.reshape(bias, shape))


def _channels(x: Array) -> tuple[int, ...]:
    """The shape of one number for each channel, axis 1, that broadcasts against x."""
    shape = aval_of(x).shape
    return (shape[1], *(1 for _ in shape[2:]))


def _check_rank(function: str, x: Array, least: int, what: str) -> None:
    if len(aval_of(x).shape) < least:
        raise ParameterError(function, f"x of shape {aval_of(x).shape}", what)


def _check_count(function: str, x: Array, count: int) -> None:
    if count == 1:
        raise ParameterError(function, f"x of shape {aval_of(x).shape}", "more than one element of each channel")


def _last_axes(function: str, x: Array, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    wanted = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    shape = aval_of(x).shape
    if not wanted or shape[-len(wanted) :] != wanted:
        raise ParameterError(
            function, f"normalized_shape={wanted} for x of shape {shape}", "the sizes of x's last axes"
        )
    return tuple(range(-len(wanted), 0))


def layer_norm(
    x: Array,
    normalized_shape: int | Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Mean 0 and variance 1 over the last axes, whose sizes are `normalized_shape`; then times weight plus bias (Ba et al. 2016).

    weight, bias: of that shape.

    >>> layer_norm(np.array([[1.0, 3.0]]), 2).round(3)
    array([[-1.,  1.]])
    """
    axes = _last_axes("layer_norm", x, normalized_shape)
    normal, _, _ = _centred(x, axes, eps)
    return _scaled("layer_norm", normal, weight, bias, aval_of(x).shape[axes[0] :])


def rms_norm(
    x: Array, normalized_shape: int | Sequence[int], weight: Array | None = None, eps: float | None = None
) -> Array:
    """x over the root of its mean square along the last axes (Zhang and Sennrich 2019); eps: by default the dtype's.

    >>> rms_norm(np.array([[3.0, 4.0]]), 2).round(3)
    array([[0.849, 1.131]])
    """
    axes = _last_axes("rms_norm", x, normalized_shape)
    small = float(np.finfo(aval_of(x).dtype).eps) if eps is None else eps
    normal = x / np.sqrt(np.mean(x * x, axis=axes, keepdims=True) + small)
    return _scaled("rms_norm", normal, weight, None, aval_of(x).shape[axes[0] :])


class BatchNorm(NamedTuple):
    """What `batch_norm` gives: the normalised batch, and the new running statistics of each channel."""

    out: Array
    running_mean: Array | None
    running_var: Array | None


def batch_norm(
    x: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> BatchNorm:
    """Mean 0 and variance 1 of each channel, axis 1, over all other axes (Ioffe and Szegedy 2015); then times weight plus bias.

    training: with the batch's own statistics, of which the share `momentum` goes into the running ones (the variance there
    is that with n - 1); otherwise with the running ones. torch changes running_mean and running_var in place: here they
    are returned, as they were without training, for an empty batch, or where none were given. All are of shape (C,). Raises
    ParameterError for a batch of one element of each channel, which has no variance.

    >>> batch_norm(np.array([[1.0], [3.0]]), np.zeros(1), np.ones(1), training=True)
    BatchNorm(out=array([[-0.999995],
           [ 0.999995]]), running_mean=array([0.2]), running_var=array([1.1]))
    """
    _check_rank("batch_norm", x, 2, "a batch (N, C, ...)")
    check_range("batch_norm", "eps", eps, 0)
    check_shape("batch_norm", "a running mean", running_mean, aval_of(x).shape[1:2])
    check_shape("batch_norm", "a running variance", running_var, aval_of(x).shape[1:2])
    shape = _channels(x)
    if not training:
        if running_mean is None or running_var is None:
            raise ParameterError("batch_norm", "no running statistics without training", "them, or training=True")
        normal = (x - np.reshape(running_mean, shape)) / np.sqrt(np.reshape(running_var, shape) + eps)
        return BatchNorm(_scaled("batch_norm", normal, weight, bias, shape, shape[:1]), running_mean, running_var)
    if not aval_of(x).size:  # nothing is learnt from nothing
        return BatchNorm(_scaled("batch_norm", x, weight, bias, shape, shape[:1]), running_mean, running_var)
    count = aval_of(x).size // shape[0]
    _check_count("batch_norm", x, count)
    axes = tuple(axis for axis in range(len(aval_of(x).shape)) if axis != 1)
    normal, mean, variance = _centred(x, axes, eps)

    def renewed(running: Array | None, value: Any) -> Array | None:
        return None if running is None else cast(Array, (1 - momentum) * running + momentum * np.reshape(value, -1))

    out = _scaled("batch_norm", normal, weight, bias, shape, shape[:1])
    return BatchNorm(out, renewed(running_mean, mean), renewed(running_var, variance * (count / (count - 1))))


def instance_norm(x: Array, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5) -> Array:
    """Mean 0 and variance 1 of each channel of each sample: x of shape (N, C, ...) over the axes from 2 on (Ulyanov et al. 2016).

    >>> instance_norm(np.array([[[1.0, 3.0]]])).round(3)
    array([[[-1.,  1.]]])
    """
    _check_rank("instance_norm", x, 3, "a batch (N, C, ...) with at least one more axis")
    _check_count("instance_norm", x, prod(aval_of(x).shape[2:]))
    normal, _, _ = _centred(x, tuple(range(2, len(aval_of(x).shape))), eps)
    return _scaled("instance_norm", normal, weight, bias, _channels(x), aval_of(x).shape[1:2])


def group_norm(
    x: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Mean 0 and variance 1 over each group of channels of each sample: x of shape (N, C, ...) (Wu and He 2018).

    >>> group_norm(np.array([[1.0, 3.0, 5.0, 9.0]]), 2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    _check_rank("group_norm", x, 2, "a batch (N, C, ...)")
    shape = aval_of(x).shape
    if num_groups < 1 or shape[1] % num_groups:
        raise ParameterError("group_norm", f"{num_groups} groups of {shape[1]} channels", "groups of equal size")
    normal, _, _ = _centred(np.reshape(x, (shape[0], num_groups, prod(shape[1:]) // num_groups)), (2,), eps)
    return _scaled("group_norm", np.reshape(normal, shape), weight, bias, _channels(x), shape[1:2])


def local_response_norm(x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """x / (k + alpha · mean of squares of `size` neighbouring channels, axis 1)ᵝ (Krizhevsky, Sutskever and Hinton 2012).

    >>> local_response_norm(np.array([[[3.0], [4.0]]]), 2, alpha=2.0, beta=0.5, k=0.0).round(4)
    array([[[1. ],
            [0.8]]])
    """
    _check_rank("local_response_norm", x, 3, "a batch (N, C, ...) with at least one more axis")
    per_axis("local_response_norm", "size", size, 1)
    channels = aval_of(x).shape[1]
    widths = [(0, 0) for _ in aval_of(x).shape]
    widths[1] = (size // 2, (size - 1) // 2)
    padded = np.pad(x * x, widths)
    total = sum(padded[:, i : i + channels] for i in range(size))
    return cast(Array, x / (total * (alpha / size) + k) ** beta)
