"""Distances and similarities of vectors, by torch.nn.functional's names. Imports numpy."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.checks import check_range
from functrans.numpy.selection import take
from functrans.typing import Array

__all__ = ["cosine_similarity", "normalize", "p_norm", "pairwise_distance", "pdist"]


def p_norm(x: Array, p: float, axis: int = -1, keepdims: bool = False) -> Array:
    """(∑ |x|ᵖ)^(1/p), the largest of the sizes for p = inf, how many are not 0 for p = 0; the derivative at 0 is 0.

    >>> p_norm(np.array([3.0, -4.0]), 2.0)
    np.float64(5.0)
    """
    size = np.abs(x)
    if p == 0:
        return cast(Array, np.sum(x != 0, axis=axis, keepdims=keepdims).astype(aval_of(x).dtype))
    if p == np.inf:
        return cast(Array, np.max(size, axis=axis, keepdims=keepdims))
    if p == 1:
        return cast(Array, np.sum(size, axis=axis, keepdims=keepdims))
    total = np.sum(x * x if p == 2 else np.where(size > 0, size, 1) ** p * (size > 0), axis=axis, keepdims=keepdims)
    safe = np.where(total > 0, total, 1)
    return cast(Array, np.where(total > 0, np.sqrt(safe) if p == 2 else safe ** (1 / p), 0)[()])


def pairwise_distance(x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> Array:
    """The `p_norm` of x1 - x2 + eps along the last axis.

    >>> pairwise_distance(np.array([0.0, 0.0]), np.array([3.0, 4.0]), eps=0.0)
    np.float64(5.0)
    """
    return p_norm(x1 - x2 + eps, p, -1, keepdims)


def cosine_similarity(x1: Array, x2: Array, axis: int = 1, eps: float = 1e-8) -> Array:
    """x1·x2 / (max(|x1|, eps) · max(|x2|, eps)) along an axis.

    >>> cosine_similarity(np.array([[1.0, 0.0]]), np.array([[2.0, 0.0]]))
    array([1.])
    """
    check_range("cosine_similarity", "eps", eps, 0)
    sizes = (np.maximum(p_norm(x, 2.0, axis), eps) for x in (x1, x2))
    first, second = sizes
    return cast(Array, np.sum(x1 * x2, axis=axis) / (first * second))


def pdist(x: Array, p: float = 2.0) -> Array:
    """The distances of each two rows: of 0 and 1, 0 and 2, ..., 1 and 2, ...

    >>> pdist(np.array([[0.0], [1.0], [3.0]]))
    array([1., 3., 2.])
    """
    check_range("pdist", "p", p, 0)
    if aval_of(x).ndim != 2:
        raise ParameterError("pdist", f"x of shape {aval_of(x).shape}", "rows, an array of rank 2")
    first, second = np.triu_indices(aval_of(x).shape[0], 1)
    return p_norm(take(x, first, 0) - take(x, second, 0), p)


def normalize(x: Array, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Array:
    """x over its `p_norm` along an axis, which is taken as at least eps.

    >>> normalize(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    size: Any = np.maximum(p_norm(x, p, axis, keepdims=True), eps)
    return cast(Array, x / size)
