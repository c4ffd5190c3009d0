"""Losses that ask for a margin, by torch.nn.functional's names. Start reading at `margin_ranking_loss`. Imports `losses`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.activations import logsigmoid
from functrans.nn.checks import check_range, check_shape
from functrans.nn.distances import cosine_similarity, pairwise_distance
from functrans.nn.lookup import in_range, lookup
from functrans.nn.losses import Reduction, reduced, weighted
from functrans.typing import Array

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _hinge(x: Any) -> Any:
    """max(x, 0), with the derivative 0 at 0."""
    return np.where(x > 0, x, 0)


def margin_loss(x: Array, target: Array, margin: float = 1.0, reduction: Reduction = "mean") -> Array:
    """max(0, margin - target · x) for targets 1 and -1: Torch's MarginCriterion.

    >>> margin_loss(np.array([0.5, 0.5]), np.array([1.0, -1.0]), reduction="none")
    array([0.5, 1.5])
    """
    return reduced("margin_loss", _hinge(margin - target * x), reduction)


def soft_margin_loss(x: Array, target: Array, reduction: Reduction = "mean") -> Array:
    """log(1 + exp(-target · x)) for targets 1 and -1.

    >>> soft_margin_loss(np.array([0.0]), np.array([1.0])).round(4)
    np.float64(0.6931)
    """
    return reduced("soft_margin_loss", -logsigmoid(target * x), reduction)


def hinge_embedding_loss(x: Array, target: Array, margin: float = 1.0, reduction: Reduction = "mean") -> Array:
    """The distance x where the target is 1, max(0, margin - x) where it is -1.

    >>> hinge_embedding_loss(np.array([0.25, 0.25]), np.array([1, -1]), reduction="none")
    array([0.25, 0.75])
    """
    values = np.where(target != 1, _hinge(margin - x), 0) + np.where(target != -1, x, 0)
    return reduced("hinge_embedding_loss", values, reduction)


def margin_ranking_loss(
    x1: Array, x2: Array, target: Array, margin: float = 0.0, reduction: Reduction = "mean"
) -> Array:
    """max(0, margin - target · (x1 - x2)): x1 should rank above x2 where the target is 1, below where it is -1.

    >>> margin_ranking_loss(np.array([1.0]), np.array([3.0]), np.array([1.0]))
    np.float64(2.0)
    """
    return reduced("margin_ranking_loss", _hinge(margin - target * (x1 - x2)), reduction)


def multi_margin_loss(
    x: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """∑ max(0, margin - x[target] + x[i])ᵖ / C over the other classes i. x: (N, C) or (C,); target: integers.

    A class that is negative or out of range raises IndexError.

    >>> multi_margin_loss(np.array([[0.5, 1.0]]), np.array([1]))
    np.float64(0.25)
    """
    if p not in (1, 2):
        raise ParameterError("multi_margin_loss", f"p={p}", "1 or 2")
    *samples, classes = aval_of(x).shape
    check_shape("multi_margin_loss", "a target", target, tuple(samples))
    check_shape("multi_margin_loss", "a weight", weight, (classes,))
    target = in_range(target, classes)
    right = np.take_along_axis(x, np.expand_dims(target, -1), -1)
    hinges = _hinge(margin - right + x) ** p
    if weight is not None:
        hinges = hinges * np.expand_dims(lookup(weight, target), -1)
    is_other = np.arange(classes) != np.expand_dims(target, -1)
    return reduced("multi_margin_loss", np.sum(np.where(is_other, hinges, 0), -1) / classes, reduction)


def multilabel_margin_loss(x: Array, target: Array, reduction: Reduction = "mean") -> Array:
    """∑ max(0, 1 - x[j] + x[i]) / C over labels j and other classes i. target: labels in front, then -1, of x's shape.

    >>> multilabel_margin_loss(np.array([0.5, 1.0, 0.0]), np.array([1, -1, -1])).round(4)
    np.float64(0.1667)
    """
    classes = aval_of(x).shape[-1]
    check_shape("multilabel_margin_loss", "a target", target, aval_of(x).shape)
    target = np.where(target == -1, -1, in_range(np.where(target == -1, 0, target), classes))
    is_label = np.cumprod(target >= 0, axis=-1) != 0  # what comes after the first -1 does not count
    label = np.where(is_label, target, 0)
    named = np.expand_dims(label, -1) == np.arange(classes)
    has_class = np.any(named & np.expand_dims(is_label, -1), axis=-2)
    hinges = _hinge(1 - np.expand_dims(np.take_along_axis(x, label, -1), -1) + np.expand_dims(x, -2))
    counted = np.expand_dims(is_label, -1) & ~np.expand_dims(has_class, -2)
    return reduced("multilabel_margin_loss", np.sum(np.where(counted, hinges, 0), (-2, -1)) / classes, reduction)


def multilabel_soft_margin_loss(
    x: Array, target: Array, weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """The mean over the classes of `binary_cross_entropy_with_logits`, for targets 0 and 1.

    >>> multilabel_soft_margin_loss(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])).round(4)
    np.float64(0.6931)
    """
    values = weighted(-target * logsigmoid(x) - (1 - target) * logsigmoid(-x), weight)
    return reduced("multilabel_soft_margin_loss", np.mean(values, -1), reduction)


def cosine_embedding_loss(
    x1: Array, x2: Array, target: Array, margin: float = 0.0, reduction: Reduction = "mean"
) -> Array:
    """1 - cos of the angle where the target is 1, max(0, cos - margin) where it is -1. x1, x2: (N, D) or (D,).

    >>> cosine_embedding_loss(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([1]))
    np.float64(1.0)
    """
    cos = cosine_similarity(x1, x2, -1, 1e-12)
    return reduced("cosine_embedding_loss", np.where(target == 1, 1 - cos, _hinge(cos - margin)), reduction)


def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d being `pairwise_distance` (Balntas et al. 2016).

    swap: the nearer of anchor and positive stands for the anchor in the second distance.

    >>> triplet_margin_loss(np.array([[0.0]]), np.array([[1.0]]), np.array([[3.0]])).round(4)
    np.float64(0.0)
    """
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    distance_function: Callable[[Array, Array], Array] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    """`triplet_margin_loss` of another distance.

    >>> x = np.array([[0.0]])
    >>> triplet_margin_with_distance_loss(x, x, x, distance_function=lambda a, b: np.abs(a - b)[:, 0])
    np.float64(1.0)
    """
    check_range("triplet_margin_loss", "margin", margin, 0, is_open=True)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = np.minimum(far, distance(positive, negative))
    return reduced("triplet_margin_loss", _hinge(near - far + margin), reduction)
