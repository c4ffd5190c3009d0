"""Fixed points of functions of trees: `anderson`. Imports control and `solution`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from functrans.control.loop import while_loop
from functrans.control.root import custom_fixed_point
from functrans.core.primitive import aval_of
from functrans.ops.dynamic_slice import dynamic_update_index_in_dim
from functrans.solvers.solution import Solution, general_solve, is_small, over_vectors, positive_solve, tolerance
from functrans.typing import Array

__all__ = ["anderson"]

T = TypeVar("T")


def anderson(
    f: Callable[[T], T], x0: T, *, history: int = 5, tol: float | None = None, maxiter: int = 200
) -> Solution[T]:
    """A fixed point x = f(x) of a function of trees, from `x0` on, by Anderson's acceleration of x ← f(x).

    history: how many steps are combined; 0 iterates as it is. It ends where f(x) - x is at most `tol` (default: the square
    root of the precision) times x in norm, or after `maxiter` steps. Walker and Ni (2011), algorithm AA.

    >>> found = anderson(lambda x: np.cos(x), 1.0, tol=1e-12)
    >>> round(float(found.x), 12), bool(found.converged)
    (0.739085133215, True)
    """
    flat, start, unravel = over_vectors("anderson", f, x0)
    close = tolerance(tol, start)
    size, dtype = aval_of(start).size, aval_of(start).dtype

    def solve(f: Callable[[Array], Array], x: Array) -> tuple[Array, Any]:
        def combined(residual: Array, value: Array, steps: Array, changes: Array) -> Array:
            """f(x), less the part that the last steps' changes of f say."""
            gram = changes @ changes.T
            ridge = np.eye(history, dtype=dtype) * (np.trace(gram) * np.finfo(dtype).eps + np.finfo(dtype).tiny)
            return cast(Array, value - positive_solve(gram + ridge, changes @ residual) @ (steps + changes))

        def step(state: Any) -> Any:
            k, x, value, steps, changes = state
            new = combined(value - x, value, steps, changes) if history else value
            new_value = f(new)
            if history:
                place = k % history
                steps = dynamic_update_index_in_dim(steps, new - x, place, 0)
                changes = dynamic_update_index_in_dim(changes, new_value - new - (value - x), place, 0)
            return k + 1, new, new_value, steps, changes

        none = np.zeros((history, size), dtype)
        k, x, value, _, _ = while_loop(
            lambda state: ~is_small(state[2] - state[1], state[1], close) & (state[0] < maxiter),
            step,
            (0, x, f(x), none, none),
        )
        return value, (k, is_small(value - x, x, close))

    x, (steps, converged) = custom_fixed_point(flat, start, solve, general_solve, has_aux=True)
    return Solution(unravel(x), steps, converged)
