"""Factors, learning rates, weight decay, momentum and averages: the transformations that do not look at sizes.

Start reading at `scale_by_learning_rate` and `trace`. Imports `transformation` and `schedules`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from functrans.core.primitive import aval_of
from functrans.optim.schedules import Scalar, ScalarOrSchedule, Schedule
from functrans.optim.transformation import (
    EmptyState,
    GradientTransformation,
    as_dtype_of,
    leafwise,
    masked,
    needs_params,
    remembering,
    stateless,
    zeros,
)
from functrans.typing import Array, DTypeLike

__all__ = [
    "EmaState",
    "ScheduleState",
    "TraceState",
    "abs_square",
    "add_decayed_weights",
    "ema",
    "moment",
    "scale",
    "scale_by_learning_rate",
    "scale_by_schedule",
    "scale_by_trust_ratio",
    "seen",
    "trace",
    "unbiased",
]

T = TypeVar("T")


# ---- arithmetic of one leaf ----


def abs_square(x: Any) -> Any:  # Any: an array, for whose dtype type checkers know no real part
    """|x|², in real arithmetic of complex numbers, too."""
    return x.real**2 + x.imag**2 if aval_of(x).dtype.kind == "c" else x * x


def moment(new: Any, old: Any, decay: Scalar) -> Any:
    """An exponential moving average after one more value."""
    return decay * old + (1 - decay) * new


def seen(decay: Scalar, steps: Array) -> Any:
    """What the weights of `steps` values in a moving average sum to; the rest is the zero that it began at."""
    return 1 - decay**steps


def unbiased(average: Array, weight: Array) -> Any:
    """An average of what it has `seen` alone."""
    return average / as_dtype_of(average, weight)


# ---- factors ----


def scale(factor: Scalar) -> GradientTransformation:
    """Multiply by a number, which may be traced."""
    return stateless(lambda updates, _: leafwise(lambda g: (g * as_dtype_of(g, factor),), 1, updates)[0])


class ScheduleState(NamedTuple):
    """How many steps were made."""

    steps: Array


def scale_by_schedule(schedule: Schedule) -> GradientTransformation:
    """Multiply by `schedule(number of steps made before)`."""

    def update(updates: T, state: Any, params: Any = None) -> tuple[T, Any]:
        scaled, _ = scale(schedule(state.steps)).update(updates, EmptyState(), params)  # asked once, not for each leaf
        return scaled, ScheduleState(state.steps + 1)

    return GradientTransformation(lambda _: ScheduleState(np.asarray(0)[()]), update)


def scale_by_learning_rate(learning_rate: ScalarOrSchedule, *, flip_sign: bool = True) -> GradientTransformation:
    """Multiply by minus the learning rate, so that adding the updates goes downhill."""
    sign = -1 if flip_sign else 1
    if callable(learning_rate):
        return scale_by_schedule(lambda steps: sign * learning_rate(steps))
    return scale(sign * learning_rate)


def scale_by_trust_ratio(trust_coefficient: Scalar = 1.0, eps: Scalar = 0.0) -> GradientTransformation:
    """Scale each leaf to the norm of its parameters (You et al. 2020); as it is where either norm is zero."""

    def rule(g: Array, param: Array) -> tuple[Array]:
        size, step = (np.sqrt(np.sum(abs_square(x))) for x in (param, g))
        is_zero = (size == 0) | (step == 0)
        ratio = trust_coefficient * size / (np.where(is_zero, 1, step) + eps)
        return (g * np.where(is_zero, 1, ratio),)

    def scaled(updates: Any, params: Any) -> Any:
        return leafwise(rule, 1, updates, needs_params("scale_by_trust_ratio", params))[0]

    return stateless(scaled)


def add_decayed_weights(weight_decay: Scalar = 0.0, mask: Any = None) -> GradientTransformation:
    """Add `weight_decay` times the parameters, or those that the mask holds for (see `masked`).

    After a scaling it is decoupled weight decay (Loshchilov and Hutter 2019), before it the gradient of an L2 penalty.

    >>> rule = add_decayed_weights(0.1)
    >>> rule.update(np.array([1.0]), rule.init(None), np.array([5.0]))[0]
    array([1.5])
    """

    def add(updates: Any, params: Any) -> Any:
        known = needs_params("add_decayed_weights", params)
        return leafwise(lambda g, p: (g + as_dtype_of(g, weight_decay) * p,), 1, updates, known)[0]

    return stateless(add) if mask is None else masked(stateless(add), mask)


# ---- memories of gradients ----


class TraceState(NamedTuple):
    """How many steps were made, and the velocity."""

    steps: Array
    trace: Any


def trace(decay: Scalar, nesterov: bool = False, accumulator_dtype: DTypeLike | None = None) -> GradientTransformation:
    """Momentum: velocity ← gradient + decay · velocity; with `nesterov` one step of that ahead (Sutskever et al. 2013)."""

    def rule(_: Array, g: Array, velocity: Array) -> tuple[Array, Array]:
        new = g + decay * velocity
        return (g + decay * new if nesterov else new), new

    return remembering(TraceState, rule, lambda params: zeros(params, accumulator_dtype))


class EmaState(NamedTuple):
    """How many values were averaged, and their average as it began at zero."""

    steps: Array
    ema: Any


def ema(decay: Scalar, debias: bool = True, accumulator_dtype: DTypeLike | None = None) -> GradientTransformation:
    """The exponential moving average of the updates; debias: without the weight of the zero that it begins at.

    >>> average = ema(0.5)
    >>> state = average.init(np.zeros(1))
    >>> for value in (1.0, 4.0):
    ...     shown, state = average.update(np.array([value]), state)
    >>> shown
    array([3.])
    """

    def rule(weight: Array, g: Array, old: Array) -> tuple[Array, Array]:
        average = moment(g, old, decay)
        return (unbiased(average, weight) if debias else average), average

    room = partial(zeros, dtype=accumulator_dtype)
    return remembering(EmaState, rule, room, numbers=partial(seen, decay))
