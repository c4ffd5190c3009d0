"""Schedules: functions from the number of steps made to a learning rate, by optax's names. They can be traced.

Start reading at `polynomial_schedule`. Imports errors and typing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from functrans.errors import ParameterError
from functrans.typing import Array

__all__ = [
    "Scalar",
    "ScalarOrSchedule",
    "Schedule",
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "polynomial_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]

Schedule: TypeAlias = Callable[[Any], Any]
"""From a count, an integer that may be traced, to a number."""
Scalar: TypeAlias = float | Array
"""A hyperparameter: a Python number, a NumPy scalar, or a traced one."""
ScalarOrSchedule: TypeAlias = Scalar | Schedule


def _check_positive(schedule: str, parameter: str, steps: int) -> None:
    if steps <= 0:
        raise ParameterError(schedule, f"{parameter}={steps}", "at least one step")


def constant_schedule(value: Scalar) -> Schedule:
    """The same at every step.

    >>> constant_schedule(0.1)(1000)
    0.1
    """
    return lambda count: value


def polynomial_schedule(
    init_value: Scalar, end_value: Scalar, power: Scalar, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """From one value to another: (init - end)(1 - t)**power + end, t going from 0 to 1 in `transition_steps`.

    >>> schedule = polynomial_schedule(1.0, 0.0, 2, 4)
    >>> [float(schedule(count)) for count in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """
    _check_positive("polynomial_schedule", "transition_steps", transition_steps)

    def schedule(count: Any) -> Any:
        left = 1 - np.clip(count - transition_begin, 0, transition_steps) / transition_steps
        return (init_value - end_value) * left**power + end_value

    return schedule


def linear_schedule(
    init_value: Scalar, end_value: Scalar, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """From one value to another in equal steps.

    >>> float(linear_schedule(1.0, 0.0, 10)(3))
    0.7
    """
    return polynomial_schedule(init_value, end_value, 1, transition_steps, transition_begin)


def exponential_decay(
    init_value: Scalar,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: Scalar | None = None,
) -> Schedule:
    """Times `decay_rate` in `transition_steps`, evenly or (staircase) at once; end_value: no further than that.

    >>> schedule = exponential_decay(1.0, 2, 0.25)
    >>> [float(schedule(count)) for count in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    _check_positive("exponential_decay", "transition_steps", transition_steps)
    if decay_rate <= 0:
        raise ParameterError("exponential_decay", f"decay_rate={decay_rate}", "a positive rate")

    def schedule(count: Any) -> Any:
        turns = np.maximum(count - transition_begin, 0) / transition_steps
        value = init_value * decay_rate ** (np.floor(turns) if staircase else turns)
        if end_value is None:
            return value
        return (np.maximum if decay_rate < 1 else np.minimum)(value, end_value)

    return schedule


def cosine_decay_schedule(
    init_value: Scalar, decay_steps: int, alpha: Scalar = 0.0, exponent: Scalar = 1.0
) -> Schedule:
    """Half a wave of the cosine, down to `alpha` times the first value (Loshchilov and Hutter 2017).

    >>> schedule = cosine_decay_schedule(1.0, 4)
    >>> [round(float(schedule(count)), 3) for count in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    _check_positive("cosine_decay_schedule", "decay_steps", decay_steps)

    def schedule(count: Any) -> Any:
        wave = 0.5 * (1 + np.cos(np.pi * np.minimum(count, decay_steps) / decay_steps))
        return init_value * ((1 - alpha) * wave**exponent + alpha)

    return schedule


def piecewise_constant_schedule(init_value: Scalar, boundaries_and_scales: Mapping[int, float]) -> Schedule:
    """A value that is multiplied by a factor after each of some counts.

    >>> schedule = piecewise_constant_schedule(1.0, {2: 0.5, 4: 0.1})
    >>> [float(schedule(count)) for count in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.05, 0.05]
    """

    def schedule(count: Any) -> Any:
        value: Any = init_value
        for boundary, factor in sorted(boundaries_and_scales.items()):
            value = value * np.where(count < boundary, 1.0, factor)
        return value

    return schedule


def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """One schedule after the other, each from its boundary on and counting from there.

    >>> schedule = join_schedules([linear_schedule(0.0, 1.0, 2), constant_schedule(1.0)], [2])
    >>> [float(schedule(count)) for count in range(4)]
    [0.0, 0.5, 1.0, 1.0]
    """
    if len(boundaries) != len(schedules) - 1:
        what = f"{len(schedules)} schedules and {len(boundaries)} boundaries"
        raise ParameterError("join_schedules", what, "a boundary between each two")

    def schedule(count: Any) -> Any:
        value = schedules[0](count)
        for boundary, later in zip(boundaries, schedules[1:], strict=True):
            value = np.where(count < boundary, value, later(count - boundary))
        return value

    return schedule


def warmup_cosine_decay_schedule(
    init_value: Scalar,
    peak_value: Scalar,
    warmup_steps: int,
    decay_steps: int,
    end_value: Scalar = 0.0,
    exponent: Scalar = 1.0,
) -> Schedule:
    """In `warmup_steps` up to the peak, then half a wave of the cosine down, until `decay_steps` from the very beginning."""
    up = linear_schedule(init_value, peak_value, warmup_steps)
    down = cosine_decay_schedule(peak_value, decay_steps - warmup_steps, cast(Any, end_value) / peak_value, exponent)
    return join_schedules([up, down], [warmup_steps])


def warmup_exponential_decay_schedule(
    init_value: Scalar,
    peak_value: Scalar,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: Scalar | None = None,
) -> Schedule:
    """In `warmup_steps` up to the peak, then as `exponential_decay`."""
    up = linear_schedule(init_value, peak_value, warmup_steps)
    down = exponential_decay(peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value)
    return join_schedules([up, down], [warmup_steps])


def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: Scalar,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Up to the peak, down to where it began, and further down, in straight lines (Smith and Topin 2018)."""
    start = cast(Any, peak_value) / div_factor
    turns = [(pct_start, peak_value), (pct_final, start), (1.0, start / final_div_factor)]
    return _through("linear_onecycle_schedule", start, turns, transition_steps, lambda t: t)


def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: Scalar,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Up to the peak and down, in half waves of the cosine (Smith and Topin 2018)."""
    start = cast(Any, peak_value) / div_factor
    turns = [(pct_start, peak_value), (1.0, start / final_div_factor)]
    return _through("cosine_onecycle_schedule", start, turns, transition_steps, lambda t: (1 - np.cos(np.pi * t)) / 2)


def _through(
    name: str, start: Any, turns: Sequence[tuple[float, Any]], steps: int, way: Callable[[Any], Any]
) -> Schedule:
    """Values between `start` and those of the turns, each at a part of all steps; `way` goes from 0 to 1 as its argument does."""
    _check_positive(name, "transition_steps", steps)

    def schedule(count: Any) -> Any:
        value, begin, before = start, 0, start
        for part, goal in turns:
            end = int(part * steps)
            value = value + (goal - before) * way(np.clip((count - begin) / max(end - begin, 1), 0, 1))
            begin, before = end, goal
        return value

    return schedule
