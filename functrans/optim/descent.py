"""`descend`: gradient descent until the loss no longer changes, as the course has it. Imports jit, value_and_grad, optimisers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np

from functrans import tree
from functrans.errors import ParameterError
from functrans.jit import jit
from functrans.optim.optimizers import sgd
from functrans.optim.schedules import ScalarOrSchedule
from functrans.optim.transformation import GradientTransformation, apply_updates
from functrans.progress_bar import tqdm_for
from functrans.transforms.grad import value_and_grad
from functrans.typing import Array

__all__ = ["Descent", "descend"]

P = TypeVar("P")


class Descent(NamedTuple, Generic[P]):
    """Where a descent ended, and how."""

    params: P
    losses: Array
    """The loss before each step, float64."""
    ended: Literal["converged", "max_steps", "diverged"]
    """Because the loss no longer changed, after the largest number of steps, or because the loss was no finite number."""


def descend(
    fun: Callable[..., Any],
    params: P,
    *args: Any,
    learning_rate: ScalarOrSchedule | None = None,
    optimizer: GradientTransformation | None = None,
    epsilon: float = 1e-6,
    k: int = 1,
    max_steps: int = 10_000,
    progress: bool = False,
) -> Descent[P]:
    """Gradient descent on `fun(params, *args)`, a scalar, until |f(xᵗ⁺ᵏ) - f(xᵗ)| < epsilon: params ← params - η ∂f/∂params.

    learning_rate: η, by default 0.1, or a schedule of it; or else `optimizer`, say `adam(1e-3)`. max_steps: it ends then at
    the latest; progress: shows tqdm's bar with the loss. A step is one compiled program that works in place on copies of the
    parameters, and `args` are given to it each time, so that they may be large.

    Where the loss is not finite it ends, too, with the parameters that have this loss: `ended` is "diverged" then, and a
    smaller learning rate is called for. Raises ParameterError for a learning rate beside an optimiser, k or max_steps
    below 1, or a negative epsilon, and MissingPackageError for `progress` without tqdm.

    >>> found = descend(lambda x, a: np.sum((x - a) ** 2), np.zeros(2), np.array([1.0, 2.0]), epsilon=1e-12)
    >>> np.round(found.params, 4), found.ended, len(found.losses)
    (array([1., 2.]), 'converged', 66)
    """
    if learning_rate is not None and optimizer is not None:
        raise ParameterError(
            "descend", "a learning rate and an optimizer", "one of them: the optimizer has its own rate"
        )
    if k != int(k) or k < 1 or max_steps < 1 or not epsilon >= 0:
        what = f"k={k}, max_steps={max_steps} and epsilon={epsilon}"
        raise ParameterError("descend", what, "whole numbers from 1 on, and an epsilon that is not negative")
    rule = optimizer if optimizer is not None else sgd(0.1 if learning_rate is None else learning_rate)
    gradient_of = value_and_grad(fun)

    def step(state: tuple[Any, Any], *args: Any) -> tuple[tuple[Any, Any], Any]:
        params, memory = state
        value, gradient = gradient_of(params, *args)
        gradient = tree.map(np.conj, gradient)  # of complex parameters, `grad` gives the conjugate of the way uphill
        updates, memory = rule.update(gradient, memory, params)
        return (apply_updates(params, updates), memory), value

    compiled: Callable[..., Any] = jit(step, donate_argnums=0)
    own = tree.map(np.array, params)
    state = tree.map(np.array, (own, rule.init(own)))  # no array twice: each is updated in place
    losses: list[float] = []
    ended: Literal["converged", "max_steps", "diverged"] = "max_steps"
    bars = tqdm_for("descend(progress=True)") if progress else None
    with nullcontext() if bars is None else bars(total=max_steps, unit=" steps", mininterval=0.2) as bar:
        while len(losses) < max_steps:
            state, value = compiled(state, *args)
            losses.append(float(value))
            if bar is not None:
                bar.set_postfix(loss=f"{losses[-1]:.4g}", refresh=False)
                bar.update()
            if not np.isfinite(losses[-1]):
                ended = "diverged"
                break
            if len(losses) > k and abs(losses[-1] - losses[-1 - k]) < epsilon:
                ended = "converged"
                break
    return Descent(state[0], np.array(losses), ended)
