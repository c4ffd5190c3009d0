"""`ctc_loss`: connectionist temporal classification (Graves et al. 2006), by torch's name and arguments. Imports lax."""

from __future__ import annotations

from typing import Any

import numpy as np

from functrans import lax
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.checks import check_range
from functrans.nn.lookup import in_range
from functrans.nn.losses import Reduction, reduced
from functrans.typing import Array

__all__ = ["ctc_loss"]

_NEVER = -1e30
"""The logarithm of no chance at all: finite, so that differences of two of them are 0 and not NaN."""


def ctc_loss(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Array:
    """-log of the probability of all alignments of each target with the time steps.

    log_probs: (T, N, C), as `log_softmax` gives; targets: (N, S) classes but `blank`, of which the first `target_lengths`
    count; input_lengths, target_lengths: (N,). The mean is over samples, each loss over the length of its target, as in
    torch. Infinite where a target does not fit into its time steps; zero_infinity: 0 there. Lengths beyond T and S
    raise IndexError.

    >>> even = np.log(np.full((2, 1, 2), 0.5))
    >>> ctc_loss(even, np.array([[1]]), np.array([2]), np.array([1])).round(4)
    np.float64(0.2877)
    """
    steps, count, classes = aval_of(log_probs).shape
    check_range("ctc_loss", "blank", blank, 0, classes - 1)
    if len(aval_of(targets).shape) != 2 or aval_of(targets).shape[0] != count:
        what = f"targets of shape {aval_of(targets).shape} for log_probs of shape {aval_of(log_probs).shape}"
        raise ParameterError("ctc_loss", what, f"targets of shape ({count}, S)")
    input_lengths = in_range(input_lengths, steps + 1)
    target_lengths = in_range(target_lengths, aval_of(targets).shape[1] + 1)
    labels = _with_blanks(targets, blank)
    emitted = np.take_along_axis(log_probs, np.broadcast_to(labels, (steps, *labels.shape)), 2)
    before_last = np.pad(labels, ((0, 0), (2, 0)), constant_values=blank)[:, : labels.shape[1]]
    can_skip = (labels != blank) & (labels != before_last)

    place = np.arange(labels.shape[1])
    first = np.where(place <= 1, emitted[0], _NEVER)

    def step(alpha: Array, given: tuple[Array, Array]) -> tuple[Array, None]:
        scores, is_on = given
        stay, one, two = alpha, _moved(alpha, 1), np.where(can_skip, _moved(alpha, 2), _NEVER)
        most = lax.stop_gradient(np.maximum(np.maximum(stay, one), two))
        total = sum(np.exp(way - most) for way in (stay, one, two))
        return np.where(np.expand_dims(is_on, 1), most + np.log(total) + scores, alpha), None

    is_on = np.expand_dims(np.arange(1, steps), 1) < np.expand_dims(input_lengths, 0)
    alpha, _ = lax.scan(step, first, (emitted[1:], is_on))
    ends = np.expand_dims(2 * target_lengths, 1)
    is_end = (place == ends) | (place == ends - 1)
    values = -_logsumexp(np.where(is_end, alpha, _NEVER))
    is_possible = values < -_NEVER / 2
    values = np.where(is_possible, values, 0 if zero_infinity else np.inf)
    if reduction == "mean":
        values = values / np.maximum(target_lengths, 1).astype(aval_of(log_probs).dtype)
    return reduced("ctc_loss", values, reduction)


def _with_blanks(targets: Array, blank: int) -> Any:
    """Each target with a blank before, between and after its classes: (N, 2 S + 1)."""
    count, size = aval_of(targets).shape
    between = np.stack([np.full((count, size), blank, aval_of(targets).dtype), targets], axis=2)
    return np.pad(np.reshape(between, (count, 2 * size)), ((0, 0), (0, 1)), constant_values=blank)


def _moved(alpha: Array, by: int) -> Any:
    """Each place's value of `by` places before."""
    return np.pad(alpha, ((0, 0), (by, 0)), constant_values=_NEVER)[:, : aval_of(alpha).shape[1]]


def _logsumexp(x: Any) -> Any:
    most = lax.stop_gradient(np.max(x, axis=1, keepdims=True))
    return np.log(np.sum(np.exp(x - most), axis=1)) + most[:, 0]
