"""Convolutions with weights of their own at each place, or between some features alone, for which torch has no name.

Imports `folding`; start reading at `conv_local`.
"""

from __future__ import annotations

from math import prod
from typing import cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.checks import check_shape
from functrans.nn.folding import unfold
from functrans.nn.lookup import in_range
from functrans.nn.windows import Numbers, images
from functrans.numpy.at import at
from functrans.typing import Array

__all__ = ["connected", "conv_local"]


def conv_local(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    dilation: Numbers = 1,
) -> Array:
    """A convolution with weights of their own for each window: Torch's SpatialConvolutionLocal, for any number of axes.

    input: (batch, features, *spatial), or without the batch. weight: (*windows, outputs, features, *window), the first axes being
    those of the result; bias: (outputs, *windows). Raises ParameterError for what does not fit.

    >>> conv_local(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[[1.0, 1.0]]], [[[0.0, 10.0]]]]))
    array([[[ 3., 40.]]])
    """
    rank = (aval_of(weight).ndim - 2) // 2
    *windows, outputs, features = aval_of(weight).shape[: rank + 2]
    window = aval_of(weight).shape[rank + 2 :]

    def run(x: Array) -> Array:
        columns = unfold(x, window, dilation, padding, stride)
        size, count = features * prod(window), prod(windows)
        if aval_of(x).shape[1] != features or aval_of(columns).shape[2] != count or len(window) != rank:
            what = f"weights of shape {aval_of(weight).shape} for an input of shape {aval_of(x).shape}"
            raise ParameterError(
                "conv_local", what, "(*windows, outputs, features, *window), with as many windows as there are"
            )
        flat = np.reshape(weight, (count, outputs, size))
        out = np.reshape(np.einsum("nkl,lok->nol", columns, flat), (aval_of(x).shape[0], outputs, *windows))
        check_shape("conv_local", "a bias", bias, aval_of(out).shape[1:])
        return out if bias is None else cast(Array, out + bias)

    return images("conv_local", input, rank, run)


def connected(weight: Array, connections: Array, outputs: int, features: int) -> Array:
    """The weights of a convolution in which not all features are connected: (outputs, features, *window).

    weight: a window for each connection; connections: (connections, 2), the feature that each leads to and the one from which it
    comes, counted from 0. All others have zeros; a connection given twice counts twice. With `conv2d` that is Torch's
    SpatialConvolutionMap, with `conv_transpose2d`, whose weights have the features first, its SpatialFullConvolutionMap.

    >>> connected(np.array([[1.0], [2.0]]), np.array([[0, 1], [1, 0]]), 2, 2)[..., 0]
    array([[0., 1.],
           [2., 0.]])
    """
    shape = aval_of(weight).shape
    if aval_of(connections).shape != (shape[0], 2):
        what = f"connections of shape {aval_of(connections).shape} for weights of shape {shape}"
        raise ParameterError("connected", what, f"two features for each, ({shape[0]}, 2)")
    to, source = in_range(connections[:, 0], outputs), in_range(connections[:, 1], features)
    return at(np.zeros((outputs, features, *shape[1:]), aval_of(weight).dtype))[to, source].add(weight)
