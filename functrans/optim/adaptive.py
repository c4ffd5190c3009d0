"""The rules that scale each number of a gradient by what its past was like. Start reading at `scale_by_adam`.

Imports `transformation` and `scaling`; `optimizers` makes optimisers of them.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from functrans import tree
from functrans.optim.scaling import abs_square, moment, seen, unbiased
from functrans.optim.schedules import Scalar
from functrans.optim.transformation import GradientTransformation, as_dtype_of, remembering, zeros
from functrans.typing import Array, DTypeLike

__all__ = [
    "AdaDeltaState",
    "AdamState",
    "AmsgradState",
    "LionState",
    "RmsState",
    "RpropState",
    "RssState",
    "StddevState",
    "scale_by_adadelta",
    "scale_by_adam",
    "scale_by_adamax",
    "scale_by_amsgrad",
    "scale_by_lion",
    "scale_by_radam",
    "scale_by_rms",
    "scale_by_rprop",
    "scale_by_rss",
    "scale_by_stddev",
]

T = TypeVar("T")


def _squares(params: T, fill: Scalar = 0.0) -> T:
    """Room for squares of gradients, which are real."""
    return zeros(tree.map(np.real, params), fill=fill)


def _root(square: Array, eps: Scalar, eps_in_sqrt: bool) -> Any:
    return np.sqrt(square + eps) if eps_in_sqrt else np.sqrt(square) + eps


# ---- sums and averages of squares ----


class RssState(NamedTuple):
    """How many steps were made, and the sum of squares of all gradients."""

    steps: Array
    sum_of_squares: Any


def scale_by_rss(initial_accumulator_value: Scalar = 0.1, eps: Scalar = 1e-7) -> GradientTransformation:
    """Divide by the root of the sum of squares of all gradients so far (Duchi, Hazan and Singer 2011); 0 of 0 is 0."""

    def rule(_: Array, g: Array, total: Array) -> tuple[Array, Array]:
        total = total + abs_square(g)
        return g * np.where(total > 0, 1 / np.sqrt(np.where(total > 0, total, 1) + eps), 0), total

    return remembering(RssState, rule, lambda params: _squares(params, initial_accumulator_value))


class RmsState(NamedTuple):
    """How many steps were made, and the average of squares."""

    steps: Array
    nu: Any


def scale_by_rms(
    decay: Scalar = 0.9, eps: Scalar = 1e-8, initial_scale: Scalar = 0.0, eps_in_sqrt: bool = True
) -> GradientTransformation:
    """Divide by the root of the moving average of squares (Tieleman and Hinton 2012)."""

    def rule(_: Array, g: Array, v: Array) -> tuple[Array, Array]:
        v = moment(abs_square(g), v, decay)
        return g / _root(v, eps, eps_in_sqrt), v

    return remembering(RmsState, rule, lambda params: _squares(params, initial_scale))


class StddevState(NamedTuple):
    """How many steps were made, and the averages of gradients and of their squares."""

    steps: Array
    mu: Any
    nu: Any


def scale_by_stddev(
    decay: Scalar = 0.9, eps: Scalar = 1e-8, initial_scale: Scalar = 0.0, eps_in_sqrt: bool = True
) -> GradientTransformation:
    """Divide by the moving standard deviation (Graves 2013)."""

    def rule(_: Array, g: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
        m, v = moment(g, m, decay), moment(abs_square(g), v, decay)
        return g / _root(v - abs_square(m), eps, eps_in_sqrt), m, v

    return remembering(StddevState, rule, zeros, lambda params: _squares(params, initial_scale))


class AdaDeltaState(NamedTuple):
    """How many steps were made, and the averages of squares of gradients and of updates."""

    steps: Array
    e_g: Any
    e_x: Any


def scale_by_adadelta(rho: Scalar = 0.9, eps: Scalar = 1e-6) -> GradientTransformation:
    """Scale to the size of past updates over that of past gradients (Zeiler 2012)."""

    def rule(_: Array, g: Array, gradients: Array, moves: Array) -> tuple[Array, Array, Array]:
        gradients = moment(abs_square(g), gradients, rho)
        move = np.sqrt(moves + eps) / np.sqrt(gradients + eps) * g
        return move, gradients, moment(abs_square(move), moves, rho)

    return remembering(AdaDeltaState, rule, _squares, _squares)


# ---- Adam and its kin ----


class AdamState(NamedTuple):
    """How many steps were made, and the averages of gradients and of their squares (Adamax: sizes)."""

    steps: Array
    mu: Any
    nu: Any


def scale_by_adam(
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike | None = None,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """The average of gradients over the root of that of their squares, both without bias (Kingma and Ba 2015).

    mu_dtype: the dtype that the average of gradients is kept in. nesterov: looks one step ahead (Dozat 2016).
    """

    def numbers(steps: Array) -> tuple[Array, Array, Array]:
        return seen(b1, steps), seen(b2, steps), seen(b1, steps + 1)

    def rule(weights: tuple[Array, Array, Array], g: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
        first, second, following = weights
        m, v = moment(g, m, b1), moment(abs_square(g), v, b2)
        m_hat = moment(unbiased(g, first), unbiased(m, following), b1) if nesterov else unbiased(m, first)
        return m_hat / (np.sqrt(unbiased(v, second) + eps_root) + eps), m, v

    return remembering(AdamState, rule, partial(zeros, dtype=mu_dtype), _squares, numbers=numbers)


def scale_by_adamax(b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-8) -> GradientTransformation:
    """As `scale_by_adam`, over the largest of the past sizes, which fade away (Kingma and Ba 2015, section 7)."""

    def rule(weight: Array, g: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
        m, v = moment(g, m, b1), np.maximum(np.abs(g) + eps, b2 * v)
        return unbiased(m, weight) / v, m, v

    return remembering(AdamState, rule, zeros, _squares, numbers=partial(seen, b1))


class AmsgradState(NamedTuple):
    """As Adam's, and the largest average of squares so far."""

    steps: Array
    mu: Any
    nu: Any
    nu_max: Any


def scale_by_amsgrad(
    b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-8, eps_root: Scalar = 0.0
) -> GradientTransformation:
    """As `scale_by_adam`, over the largest of the averages of squares so far (Reddi, Kale and Kumar 2018)."""

    def rule(
        weights: tuple[Array, Array], g: Array, m: Array, v: Array, most: Array
    ) -> tuple[Array, Array, Array, Array]:
        first, second = weights
        m, v = moment(g, m, b1), moment(abs_square(g), v, b2)
        most = np.maximum(most, unbiased(v, second))
        return unbiased(m, first) / (np.sqrt(most + eps_root) + eps), m, v, most

    def numbers(steps: Array) -> tuple[Array, Array]:
        return seen(b1, steps), seen(b2, steps)

    return remembering(AmsgradState, rule, zeros, _squares, _squares, numbers=numbers)


def scale_by_radam(
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    threshold: Scalar = 5.0,
) -> GradientTransformation:
    """As `scale_by_adam`, without the division until the average of squares has seen enough (Liu et al. 2020)."""
    limit: Any = 2 / (1 - b2) - 1

    def numbers(steps: Array) -> tuple[Array, Array, Array, Array]:
        first, second = seen(b1, steps), seen(b2, steps)
        length = limit - 2 * steps * b2**steps / second
        is_enough = length >= threshold
        known = np.where(is_enough, length, limit)  # before, the root would be one of a negative number
        return (
            first,
            second,
            is_enough,
            np.sqrt((known - 4) * (known - 2) * limit / ((limit - 4) * (limit - 2) * known)),
        )

    def rule(given: tuple[Array, Array, Array, Array], g: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
        first, second, is_enough, factor = given
        m, v = moment(g, m, b1), moment(abs_square(g), v, b2)
        m_hat = unbiased(m, first)
        scaled = as_dtype_of(v, factor) * m_hat / (np.sqrt(unbiased(v, second) + eps_root) + eps)
        return np.where(is_enough, scaled, m_hat), m, v

    return remembering(AdamState, rule, zeros, _squares, numbers=numbers)


# ---- by signs ----


class LionState(NamedTuple):
    """How many steps were made, and the average of gradients."""

    steps: Array
    mu: Any


def scale_by_lion(b1: Scalar = 0.9, b2: Scalar = 0.99, mu_dtype: DTypeLike | None = None) -> GradientTransformation:
    """The sign of a mixture of the gradient and the average of the past ones (Chen et al. 2023)."""

    def rule(_: Array, g: Array, m: Array) -> tuple[Array, Array]:
        return np.sign(moment(g, m, b1)), moment(g, m, b2)

    return remembering(LionState, rule, lambda params: zeros(params, mu_dtype))


class RpropState(NamedTuple):
    """How many steps were made, the step sizes, and the last steps, 0 where the sign had turned."""

    steps: Array
    step_sizes: Any
    previous: Any


def scale_by_rprop(
    learning_rate: Scalar,
    eta_minus: Scalar = 0.5,
    eta_plus: Scalar = 1.2,
    min_step_size: Scalar = 1e-6,
    max_step_size: Scalar = 50.0,
) -> GradientTransformation:
    """The gradient's sign times a step size, which grows while the sign stays and shrinks where it turns.

    learning_rate: the first step size. Where the sign turns no step is made. Riedmiller and Braun (1993).
    """

    def rule(_: Array, g: Array, size: Array, previous: Array) -> tuple[Array, Array, Array]:
        agreement = g * previous
        changed = np.clip(size * np.where(agreement > 0, eta_plus, eta_minus), min_step_size, max_step_size)
        size = np.where(agreement == 0, size, changed)
        step = np.where(agreement < 0, 0, size * np.sign(g))
        return step, size, step

    return remembering(RpropState, rule, lambda params: zeros(params, fill=learning_rate), zeros)
