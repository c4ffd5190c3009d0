"""Losses, by torch.nn.functional's names, with `reduction` "mean", "sum" or "none". Start reading at `cross_entropy`.

Predictions come first, targets second; all are compositions of NumPy functions. Those of margins are in `margins`.
Imports activations and numpy.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast

import numpy as np

from functrans import lax
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.activations import logsigmoid
from functrans.nn.checks import check_range, check_shape
from functrans.nn.lookup import lookup
from functrans.nn.softmax import log_softmax
from functrans.transforms.custom import custom_jvp
from functrans.typing import Array

__all__ = [
    "Reduction",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "reduced",
    "smooth_l1_loss",
    "weighted",
]

Reduction: TypeAlias = Literal["mean", "sum", "none"]


def reduced(loss: str, values: Any, reduction: str) -> Array:
    """The mean, the sum, or all of the values."""
    if reduction == "mean":
        return cast(Array, np.mean(values))
    if reduction == "sum":
        return cast(Array, np.sum(values))
    if reduction != "none":
        raise ParameterError(loss, f"reduction={reduction!r}", '"mean", "sum" or "none"')
    return cast(Array, values)


def weighted(values: Any, weight: Array | None) -> Any:
    """The values times their weights, if there are any."""
    return values if weight is None else values * weight


# ---- regression ----


def mse_loss(x: Array, target: Array, reduction: Reduction = "mean", weight: Array | None = None) -> Array:
    """The squares of the errors.

    >>> mse_loss(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    np.float64(2.0)
    """
    return reduced("mse_loss", weighted((x - target) ** 2, weight), reduction)


def l1_loss(x: Array, target: Array, reduction: Reduction = "mean", weight: Array | None = None) -> Array:
    """The sizes of the errors; the derivative at 0 is 0.

    >>> l1_loss(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    np.float64(1.0)
    """
    return reduced("l1_loss", weighted(np.abs(x - target), weight), reduction)


def smooth_l1_loss(x: Array, target: Array, reduction: Reduction = "mean", beta: float = 1.0) -> Array:
    """|error| - beta/2, below beta error² / (2 beta) (Girshick 2015); beta = 0: `l1_loss`.

    >>> smooth_l1_loss(np.array([0.5, 3.0]), np.zeros(2), "none")
    array([0.125, 2.5  ])
    """
    check_range("smooth_l1_loss", "beta", beta, 0)
    if beta == 0:
        return l1_loss(x, target, reduction)
    return reduced("smooth_l1_loss", _huber(x - target, beta) / beta, reduction)


def huber_loss(x: Array, target: Array, reduction: Reduction = "mean", delta: float = 1.0) -> Array:
    """error² / 2, above delta · (|error| - delta/2) (Huber 1964).

    >>> huber_loss(np.array([0.5, 3.0]), np.zeros(2), "none", 2.0)
    array([0.125, 4.   ])
    """
    check_range("huber_loss", "delta", delta, 0, is_open=True)
    return reduced("huber_loss", _huber(x - target, delta), reduction)


def _huber(error: Any, delta: float) -> Any:
    size = np.abs(error)
    return np.where(size < delta, error**2 / 2, delta * (size - delta / 2))


def gaussian_nll_loss(
    x: Array,
    target: Array,
    var: Array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Array:
    """-log N(target | x, var), with the constant if `full` (Nix and Weigend 1994).

    Below eps, var counts as eps, but has its derivative all the same.

    >>> gaussian_nll_loss(np.array([1.0]), np.array([3.0]), np.array([1.0]))
    np.float64(2.0)
    """
    variance = var + lax.stop_gradient(np.maximum(var, eps) - var)  # torch's: clamped without a part in the derivative
    values = (np.log(variance) + (x - target) ** 2 / variance) / 2
    return reduced("gaussian_nll_loss", values + 0.5 * float(np.log(2 * np.pi)) if full else values, reduction)


def poisson_nll_loss(
    x: Array,
    target: Array,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Array:
    """-log Poisson(target | rate) without log target!, which `full` has in Stirling's formula; x is the rate or its logarithm.

    >>> poisson_nll_loss(np.array([0.0]), np.array([2.0]))
    np.float64(1.0)
    """
    values = np.exp(x) - target * x if log_input else x - target * np.log(x + eps)
    if full:
        many = np.where(target > 1, target, 2)
        values = values + np.where(target > 1, many * np.log(many) - many + 0.5 * np.log(2 * np.pi * many), 0)
    return reduced("poisson_nll_loss", values, reduction)


# ---- classes ----


def cross_entropy(
    x: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """-log softmax(x) of the target's class. x: logits (N, C, ...) or (C,).

    target: classes, integers of shape (N, ...) or (), or probabilities like x. weight: of each class; ignore_index: a class
    that does not count; label_smoothing: how much of the target is spread evenly (Szegedy et al. 2016). The mean is weighted.

    >>> cross_entropy(np.array([[0.0, 0.0]]), np.array([1])).round(4)
    np.float64(0.6931)
    """
    check_range("cross_entropy", "label_smoothing", label_smoothing, 0, 1)
    axis = _class_axis("cross_entropy", x, target, weight)
    logs = log_softmax(x, axis)
    if aval_of(target).dtype.kind == "f":
        return _soft_cross_entropy(logs, target, weight, axis, reduction, label_smoothing)
    if label_smoothing == 0:
        return nll_loss(logs, target, weight, ignore_index, reduction)
    classes = aval_of(x).shape[axis]
    each = np.ones(classes, aval_of(x).dtype) if weight is None else weight
    spread = -np.sum(logs * _along(each, logs, axis), axis)
    is_counted = target != ignore_index
    right, counted = _picked(logs, target, each, axis, is_counted)
    values = (1 - label_smoothing) * right + label_smoothing / classes * np.where(is_counted, spread, 0)
    return _mean_over(values, np.sum(counted), reduction, "cross_entropy")


def _soft_cross_entropy(
    logs: Array, target: Array, weight: Array | None, axis: int, reduction: Reduction, smoothing: float
) -> Array:
    target = target * (1 - smoothing) + smoothing / aval_of(logs).shape[axis]
    scaled = logs if weight is None else logs * _along(weight, logs, axis)
    values = -np.sum(scaled * target, axis)
    return _mean_over(values, aval_of(values).size, reduction, "cross_entropy")


def nll_loss(
    x: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Array:
    """-x of the target's class, times its weight. x: log-probabilities (N, C, ...) or (C,); target: integers (N, ...) or ().

    The mean is over the weights of what counts. A class out of range, or a negative one that is not ignore_index,
    raises IndexError.

    >>> nll_loss(np.log(np.array([[0.25, 0.75], [0.5, 0.5]])), np.array([1, -100])).round(4)
    np.float64(0.2877)
    """
    axis = _class_axis("nll_loss", x, target, weight)
    each = np.ones(aval_of(x).shape[axis], aval_of(x).dtype) if weight is None else weight
    values, counted = _picked(x, target, each, axis, target != ignore_index)
    return _mean_over(values, np.sum(counted), reduction, "nll_loss")


def _picked(x: Array, target: Array, weight: Array, axis: int, is_counted: Any) -> tuple[Any, Any]:
    """-weight · x of the target's class and the weight, 0 where it does not count."""
    classes = np.where(is_counted, target, 0)
    counted = np.where(is_counted, lookup(weight, classes), 0)
    values = np.squeeze(np.take_along_axis(x, np.expand_dims(classes, axis), axis), axis)
    return -np.where(is_counted, values * counted, 0), counted


def _mean_over(values: Any, total: Any, reduction: str, loss: str) -> Array:
    return cast(Array, np.sum(values) / total) if reduction == "mean" else reduced(loss, values, reduction)


def _class_axis(loss: str, x: Array, target: Array, weight: Array | None) -> int:
    """The axis of the classes; raises ParameterError for shapes that do not go together."""
    shape = aval_of(x).shape
    if not shape:
        raise ParameterError(loss, "a scalar", "predictions of shape (N, C, ...) or (C,)")
    axis = min(1, len(shape) - 1)
    has_probabilities = loss == "cross_entropy" and aval_of(target).dtype.kind == "f"
    check_shape(loss, "a target", target, shape if has_probabilities else (*shape[:axis], *shape[axis + 1 :]))
    check_shape(loss, "a weight", weight, shape[axis : axis + 1])
    return axis


def _along(weight: Array, like: Array, axis: int) -> Any:
    """The weights of the classes, to be broadcast."""
    return np.reshape(weight, (-1, *(1 for _ in aval_of(like).shape[axis + 1 :])))


def kl_div(x: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """target · (log target - x), x being log-probabilities; "batchmean" is the sum over the size of axis 0, the divergence.

    >>> kl_div(np.log(np.array([[0.5, 0.5]])), np.array([[1.0, 0.0]]), "batchmean").round(4)
    np.float64(0.6931)
    """
    if log_target:
        values = np.exp(target) * (target - x)
    else:
        positive = np.where(target > 0, target, 1)
        values = np.where(target > 0, target * np.log(positive), 0) - target * x
    if reduction == "batchmean":
        return cast(Array, np.sum(values) / aval_of(x).shape[0])
    return reduced("kl_div", values, reduction)


def binary_cross_entropy(x: Array, target: Array, weight: Array | None = None, reduction: Reduction = "mean") -> Array:
    """-target · log x - (1 - target) · log(1 - x); the logarithms are at least -100.

    The derivative by x is (x - target) / (x (1 - x)), that product taken as at least 1e-12, as in torch. NaN for x beyond 0
    and 1.

    >>> binary_cross_entropy(np.array([0.5, 0.0]), np.array([1.0, 0.0]), reduction="none").round(4)
    array([ 0.6931, -0.    ])
    """
    check_shape("binary_cross_entropy", "a target", target, aval_of(x).shape)
    return reduced("binary_cross_entropy", weighted(_binary_cross_entropy(x, target), weight), reduction)


@custom_jvp
def _binary_cross_entropy(x: Any, target: Any) -> Any:
    return -(target * _log(x) + (1 - target) * _log(1 - x))


@_binary_cross_entropy.defjvp
def _binary_cross_entropy_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    (x, target), (x_dot, target_dot) = primals, tangents
    by_x = (x - target) / np.maximum(x * (1 - x), 1e-12)
    return _binary_cross_entropy(x, target), by_x * x_dot + (_log(1 - x) - _log(x)) * target_dot


def _log(p: Any) -> Any:
    is_tiny = (p >= 0) & (p <= 3.7200759760208356e-44)  # exp(-100)
    return np.where(is_tiny, -100, np.log(np.where(is_tiny, 1, p)))


def binary_cross_entropy_with_logits(
    x: Array,
    target: Array,
    weight: Array | None = None,
    reduction: Reduction = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """`binary_cross_entropy` of sigmoid(x), without overflow; pos_weight: of the positive targets.

    >>> binary_cross_entropy_with_logits(np.array([0.0, -1000.0]), np.array([1.0, 0.0]), reduction="none").round(4)
    array([0.6931, 0.    ])
    """
    check_shape("binary_cross_entropy_with_logits", "a target", target, aval_of(x).shape)
    positive = target if pos_weight is None else target * pos_weight
    values = -positive * logsigmoid(x) - (1 - target) * logsigmoid(-x)
    return reduced("binary_cross_entropy_with_logits", weighted(values, weight), reduction)
