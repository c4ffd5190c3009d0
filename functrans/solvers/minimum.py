"""Minima of smooth functions of trees: `bfgs` and `l_bfgs`. Imports control and `solution`; start reading at `_minimum`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from functrans.control.loop import fori_loop, while_loop
from functrans.control.root import custom_root
from functrans.core.primitive import aval_of
from functrans.ops.dynamic_slice import dynamic_index_in_dim, dynamic_update_index_in_dim
from functrans.solvers.solution import Solution, flattened, symmetric_solve, tolerance
from functrans.transforms.grad import grad, value_and_grad
from functrans.typing import Array

__all__ = ["Dense", "Found", "History", "bfgs", "l_bfgs", "minimum"]

T = TypeVar("T")
Objective = Callable[[Array], tuple[Array, Array]]
"""`x -> (value, gradient)`."""


class Found(NamedTuple):
    """How a minimum was found."""

    steps: Array
    calls: Array
    converged: Array
    memory: Any
    """What is known of the inverse of the Hessian."""


def minimum(fun: Callable[[T], Array], x0: T, memory: Dense | History, tol: float, maxiter: int) -> tuple[T, Found]:
    """A point near `x0` at which no component of the gradient is larger than `tol`, with implicit derivatives."""
    start, unravel = flattened(x0)
    objective = value_and_grad(lambda v: fun(unravel(v)))

    def solve(_: Callable[[Array], Array], x: Array) -> tuple[Array, Any]:
        def step(state: Any) -> Any:
            k, calls, x, value, gradient, known, _ = state
            p = -memory.times(known, gradient)
            p = np.where(gradient @ p < 0, p, -gradient)
            t, tried, new, new_gradient = _step_length(objective, x, value, gradient, p)
            is_flatter = np.max(np.abs(new_gradient)) < np.max(np.abs(gradient))
            is_better = (new < value) | (is_flatter & (new <= value + _slack(value)))
            s, y = t * p, new_gradient - gradient
            known = memory.learned(known, k, s, y, is_better & (s @ y > 0))
            x, value = np.where(is_better, x + s, x), np.where(is_better, new, value)
            return k + 1, calls + tried, x, value, np.where(is_better, new_gradient, gradient), known, ~is_better

        def goes_on(state: Any) -> Array:
            return cast(Array, (np.max(np.abs(state[4])) > tol) & (state[0] < maxiter) & ~state[-1])

        first: tuple[Any, ...] = (0, 1, x, *objective(x), memory.empty(x), np.False_)
        k, calls, x, _, slopes, known, _ = while_loop(goes_on, step, first)
        return x, Found(k, calls, np.max(np.abs(slopes)) <= tol, known)

    x, found = custom_root(grad(lambda v: fun(unravel(v))), start, solve, symmetric_solve, has_aux=True)
    return unravel(x), found


def _slack(value: Array) -> Array:
    """What rounding makes of a value: near the minimum only the gradient still tells points apart."""
    return cast(Array, 4 * np.finfo(aval_of(value).dtype).eps * np.abs(value))


def _step_length(
    objective: Objective, x: Array, value: Array, gradient: Array, p: Array
) -> tuple[Array, Any, Array, Array]:
    """A step length by the weak conditions of Wolfe, found by doubling and halving; how many were tried; value and gradient.

    Lewis and Overton (2013), algorithm 2.6.
    """
    slope = gradient @ p

    def judge(t: Array) -> tuple[Array, Array, Array, Array]:
        new, new_gradient = objective(x + t * p)
        is_long = ~(new <= value + 1e-4 * t * slope + _slack(value))  # true of NaN, too
        return new, new_gradient, is_long, ~is_long & (new_gradient @ p < 0.9 * slope)

    def step(state: Any) -> Any:
        tried, t, low, high, _, _, is_long, _ = state
        low, high = np.where(is_long, low, t), np.where(is_long, t, high)
        t = np.where(np.isinf(high), 2 * t, (low + high) / 2)
        return tried + 1, t, low, high, *judge(t)

    one = np.ones((), aval_of(value).dtype)[()]
    start = (1, one, 0 * one, np.inf * one, *judge(one))
    tried, t, _, _, new, new_gradient, _, _ = while_loop(
        lambda state: (state[-1] | state[-2]) & (state[0] < 40), step, start
    )
    return t, tried, new, new_gradient


# ---- what is known of the inverse of the Hessian ----


class Dense:
    """All of it, as a matrix."""

    def empty(self, x: Array) -> Array:
        return np.eye(aval_of(x).size, dtype=aval_of(x).dtype)

    def times(self, known: Array, gradient: Array) -> Array:
        return known @ gradient

    def learned(self, known: Array, k: Array, s: Array, y: Array, is_valid: Array) -> Array:
        """Nocedal and Wright (2006), equations 6.17 and 6.20."""
        sy = np.where(is_valid, s @ y, 1)
        known = np.where((k == 0) & is_valid, known * (sy / np.where(is_valid, y @ y, 1)), known)
        ky = known @ y
        new = known + ((1 + y @ ky / sy) * np.outer(s, s) - np.outer(ky, s) - np.outer(s, ky)) / sy
        return np.where(is_valid, new, known)


class History:
    """What the last steps have said of it."""

    def __init__(self, length: int) -> None:
        self._length = length

    def empty(self, x: Array) -> Any:
        none = np.zeros((self._length, aval_of(x).size), aval_of(x).dtype)
        return none, none, np.zeros(self._length, none.dtype), np.ones((), none.dtype)[()], 0

    def times(self, known: Any, gradient: Array) -> Array:
        """Nocedal and Wright (2006), algorithm 7.4: the newest step lies at `place`, older ones before it."""
        steps, changes, weights, scale, place = known
        length = self._length

        def row(of: Array, i: Any) -> Array:
            return dynamic_index_in_dim(of, (place - i) % length, 0, False)

        def forth(i: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
            q, parts = state
            part = row(weights, i) * (row(steps, i) @ q)
            return q - part * row(changes, i), dynamic_update_index_in_dim(parts, part, i, 0)

        def back(j: Any, r: Array) -> Array:
            i = length - 1 - j
            part = dynamic_index_in_dim(parts, i, 0, False) - row(weights, i) * (row(changes, i) @ r)
            return cast(Array, r + part * row(steps, i))

        q, parts = fori_loop(0, length, forth, (gradient, np.zeros_like(weights)))
        return fori_loop(0, length, back, scale * q)

    def learned(self, known: Any, k: Array, s: Array, y: Array, is_valid: Array) -> Any:
        steps, changes, weights, _, place = known
        sy = np.where(is_valid, s @ y, 1)
        new = (place + 1) % self._length
        learned = (
            dynamic_update_index_in_dim(steps, s, new, 0),
            dynamic_update_index_in_dim(changes, y, new, 0),
            dynamic_update_index_in_dim(weights, 1 / sy, new, 0),
            sy / np.where(is_valid, y @ y, 1),
            new,
        )
        return tuple(np.where(is_valid, one, old) for one, old in zip(learned, known, strict=True))


# ---- the public functions ----


def bfgs(fun: Callable[[T], Array], x0: T, *, tol: float | None = None, maxiter: int | None = None) -> Solution[T]:
    """A local minimum of a scalar function of trees near `x0`, by the method of Broyden, Fletcher, Goldfarb and Shanno.

    It ends where no component of the gradient is larger than `tol` (default: the square root of the precision), where no
    step makes the value smaller, or after `maxiter` steps (default: 200 for each unknown). It keeps a matrix with a row for
    each unknown. Derivatives of the minimum need a positive definite Hessian there.

    >>> found = bfgs(lambda p: (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2, {"x": -1.0, "y": 1.0})
    >>> round(float(found.x["x"]), 6), round(float(found.x["y"]), 6), bool(found.converged)
    (1.0, 1.0, True)
    """
    return _solution(fun, x0, Dense(), tol, maxiter)


def l_bfgs(
    fun: Callable[[T], Array], x0: T, *, history: int = 10, tol: float | None = None, maxiter: int | None = None
) -> Solution[T]:
    """As `bfgs`, from the last `history` steps alone, so that there may be many unknowns.

    >>> found = l_bfgs(lambda x: np.sum((x - np.arange(3.0)) ** 4 + (x - np.arange(3.0)) ** 2), np.ones(3))
    >>> np.round(found.x, 6) + 0.0
    array([0., 1., 2.])
    """
    return _solution(fun, x0, History(history), tol, maxiter)


def _solution(
    fun: Callable[[T], Array], x0: T, memory: Dense | History, tol: float | None, maxiter: int | None
) -> Solution[T]:
    start, _ = flattened(x0)
    limit = 200 * aval_of(start).size if maxiter is None else maxiter
    x, found = minimum(fun, x0, memory, tolerance(tol, start), limit)
    return Solution(x, found.steps, found.converged)
