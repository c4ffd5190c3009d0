"""`scale_by_lbfgs`: gradients times what the last steps say of the inverse of the Hessian. Imports solvers' `History`."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np

from functrans.flatten_util import ravel_pytree
from functrans.optim.transformation import GradientTransformation, needs_params
from functrans.solvers.minimum import History
from functrans.typing import Array, PyTree

__all__ = ["LBFGSState", "scale_by_lbfgs"]

T = TypeVar("T")


class LBFGSState(NamedTuple):
    """How many steps were made, the last one's parameters and gradients as vectors, and what the last steps have said."""

    steps: Any
    params: Array
    updates: Array
    known: Any


def scale_by_lbfgs(memory_size: int = 10) -> GradientTransformation:
    """Multiply by what the last `memory_size` steps say of the inverse of the Hessian (Nocedal and Wright 2006, algorithm 7.4).

    The first step is the gradient, at most 1 long. For real parameters. No step length is searched for:
    `functrans.solvers.l_bfgs` does that.
    """
    history = History(memory_size)

    def init(params: PyTree) -> LBFGSState:
        flat = np.zeros_like(ravel_pytree(params)[0])
        return LBFGSState(np.int64(0), flat, flat, history.empty(flat))

    def update(updates: T, state: Any, params: Any = None) -> tuple[T, Any]:
        gradient, unravel = ravel_pytree(updates)
        x = ravel_pytree(needs_params("scale_by_lbfgs", params))[0]
        s, y = x - state.params, gradient - state.updates
        known = history.learned(state.known, state.steps, s, y, (state.steps > 0) & (s @ y > 0))
        first = gradient / np.maximum(np.sqrt(gradient @ gradient), 1)
        direction = np.where(state.steps == 0, first, history.times(known, gradient))
        return unravel(direction), LBFGSState(state.steps + 1, x, gradient, known)

    return GradientTransformation(init, update)
