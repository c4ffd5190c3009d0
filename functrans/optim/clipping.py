"""Bounds on gradients: `clip`, `clip_by_global_norm`, `adaptive_grad_clip`, `zero_nans`. Imports `transformation`, `scaling`."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from functrans import tree
from functrans.core.primitive import aval_of
from functrans.optim.scaling import abs_square
from functrans.optim.schedules import Scalar
from functrans.optim.transformation import GradientTransformation, as_dtype_of, leafwise, needs_params, stateless
from functrans.typing import Array, PyTree

__all__ = ["adaptive_grad_clip", "clip", "clip_by_global_norm", "global_norm", "zero_nans"]


def clip(max_delta: Scalar) -> GradientTransformation:
    """Each number between -max_delta and max_delta.

    >>> rule = clip(1.0)
    >>> rule.update(np.array([-3.0, 0.5]), rule.init(None))[0]
    array([-1. ,  0.5])
    """
    return stateless(lambda updates, _: leafwise(lambda g: (np.clip(g, -max_delta, max_delta),), 1, updates)[0])


def global_norm(of: PyTree) -> Array:
    """The Euclidean norm of all numbers of a tree together.

    >>> global_norm({"w": np.array([3.0]), "b": np.float64(4.0)})
    np.float64(5.0)
    """
    total: Any = sum(np.sum(abs_square(np.asarray(leaf) if np.isscalar(leaf) else leaf)) for leaf in tree.leaves(of))
    return cast(Array, np.sqrt(total))


def clip_by_global_norm(max_norm: Scalar) -> GradientTransformation:
    """The gradient as it is where its norm is below `max_norm`, and scaled to that norm where it is not (Pascanu et al. 2013)."""

    def clipped(updates: Any, _: Any) -> Any:
        norm = global_norm(updates)
        is_short = norm < max_norm
        divisor = np.where(is_short, 1, norm)
        return leafwise(
            lambda g: (np.where(is_short, g, g / as_dtype_of(g, divisor) * as_dtype_of(g, max_norm)),), 1, updates
        )[0]

    return stateless(clipped)


def adaptive_grad_clip(clipping: Scalar, eps: Scalar = 1e-3) -> GradientTransformation:
    """No unit's gradient is longer than `clipping` times its parameters, nor than `clipping` times `eps` (Brock et al. 2021).

    A unit: a vector; a column of a matrix; all of an array of higher rank along its last axis, as optax has them.
    """

    def norms(x: Array) -> Array:
        rank = len(aval_of(x).shape)
        axes = None if rank <= 1 else 0 if rank in (2, 3) else tuple(range(rank - 1))
        return cast(Array, np.sqrt(np.sum(abs_square(x), axis=axes, keepdims=True)))

    def rule(g: Array, param: Array) -> tuple[Array]:
        size, most = norms(g), clipping * np.maximum(norms(param), eps)
        return (np.where(size < most, g, g * (most / np.maximum(size, 1e-6))),)

    def clipped(updates: Any, params: Any) -> Any:
        return leafwise(rule, 1, updates, needs_params("adaptive_grad_clip", params))[0]

    return stateless(clipped)


def zero_nans() -> GradientTransformation:
    """0 in the place of NaN.

    >>> rule = zero_nans()
    >>> rule.update(np.array([np.nan, 2.0]), rule.init(None))[0]
    array([0., 2.])
    """
    return stateless(lambda updates, _: leafwise(lambda g: (np.where(np.isnan(g), 0, g),), 1, updates)[0])
