"""`softmax`, its logarithm, and the sum that they divide by. By torch.nn.functional's names.

A number counts as one element along an axis, and nothing has the maximum -inf. Imports lax and numpy; start reading at `softmax`.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np

from functrans import lax
from functrans.core.primitive import aval_of
from functrans.typing import Array

__all__ = ["log_softmax", "logsumexp", "softmax", "softmin"]

Axis: TypeAlias = int | tuple[int, ...] | None


def _axis(x: Array, axis: Axis) -> Axis:
    """A number counts as one element along an axis, 0."""
    return None if axis in (0, -1) and not aval_of(x).shape else axis


def _most(x: Array, axis: Axis) -> Array:
    """The largest elements along an axis, of none -inf; a constant, for differentiation."""
    if not aval_of(x).size:
        return cast(Array, np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return lax.stop_gradient(np.max(x, axis=axis, keepdims=True))


def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """log ∑ exp(x) without overflow; -inf where all are -inf, or where there are none.

    >>> logsumexp(np.array([1000.0, 1000.0])).round(4)
    np.float64(1000.6931)
    """
    axis = _axis(x, axis)
    most = _most(x, axis)
    safe = np.where(np.isfinite(most), most, 0)
    parts = np.sum(np.exp(x - safe), axis=axis, keepdims=True)
    total: Any = np.where(parts > 0, np.log(np.where(parts > 0, parts, 1)) + safe, most)
    return cast(Array, total if keepdims else np.squeeze(total, axis)[()])


def softmax(x: Array, axis: Axis = -1) -> Array:
    """exp(x) / ∑ exp(x).

    >>> softmax(np.array([0.0, 0.0, -1000.0]))
    array([0.5, 0.5, 0. ])
    """
    axis = _axis(x, axis)
    e = np.exp(x - _most(x, axis))
    return cast(Array, e / np.sum(e, axis=axis, keepdims=True))


def softmin(x: Array, axis: Axis = -1) -> Array:
    """`softmax` of -x.

    >>> softmin(np.array([0.0, 0.0, 1000.0]))
    array([0.5, 0.5, 0. ])
    """
    return softmax(-x, axis)


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """The logarithm of `softmax`, without underflow.

    >>> log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    if not aval_of(x).size:
        return x  # a sum of nothing has no logarithm
    axis = _axis(x, axis)
    shifted = x - _most(x, axis)
    return cast(Array, shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))
