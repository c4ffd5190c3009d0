"""Least squares of functions of trees: `gauss_newton` and `levenberg_marquardt`. Imports control and `solution`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from functrans.control.loop import while_loop
from functrans.control.root import custom_root
from functrans.core.primitive import aval_of
from functrans.solvers.solution import (
    Solution,
    backtrack,
    flattened,
    is_small,
    positive_solve,
    symmetric_solve,
    tolerance,
)
from functrans.transforms.grad import grad
from functrans.transforms.jacobian import jacfwd
from functrans.typing import Array, PyTree

__all__ = ["gauss_newton", "levenberg_marquardt"]

T = TypeVar("T")
Step = Callable[[Callable[[Array], Array], Array, Array], tuple[Array, Array, Array]]
"""`(residual, x, damping) -> (the step that was tried, what it was cut to, the damping of the next one)`."""


def _cost(residual: Array) -> Array:
    return cast(Array, np.vdot(residual, residual) / 2)


def _equations(residual: Callable[[Array], Array], x: Array) -> tuple[Array, Array, Array]:
    """JᵀJ, Jᵀr and r."""
    r, jacobian = residual(x), jacfwd(residual)(x)
    return jacobian.T @ jacobian, jacobian.T @ r, r


def _least(step: Step, residual: Callable[[T], PyTree], x0: T, tol: float | None, maxiter: int) -> Solution[T]:
    start, unravel = flattened(x0)
    close = tolerance(tol, start)

    def flat(v: Array) -> Array:
        return flattened(residual(unravel(v)))[0]

    def solve(_: Callable[[Array], Array], x: Array) -> tuple[Array, Any]:
        def advance(state: Any) -> Any:
            k, x, damping, _ = state
            tried, dx, damping = step(flat, x, damping)
            return k + 1, x + dx, damping, is_small(tried, x, close)

        first: tuple[Any, ...] = (0, x, np.asarray(1e-3, aval_of(x).dtype)[()], np.False_)
        k, x, _, converged = while_loop(lambda state: ~state[3] & (state[0] < maxiter), advance, first)
        return x, (k, converged)

    x, (steps, converged) = custom_root(grad(lambda v: _cost(flat(v))), start, solve, symmetric_solve, has_aux=True)
    return Solution(unravel(x), steps, converged)


def gauss_newton(
    residual: Callable[[T], PyTree], x0: T, *, tol: float | None = None, maxiter: int = 100
) -> Solution[T]:
    """The tree x near `x0` that makes the sum of squares of `residual(x)`, a tree too, least, by Gauss and Newton's method.

    Steps that do not make it smaller are halved. It ends after a step of at most `tol` (default: the square root of the
    precision) times the norm of x, or `maxiter` steps. The Jacobian must have full column rank.

    >>> t = np.linspace(0.0, 1.0, 5)
    >>> found = gauss_newton(lambda p: p["a"] * np.exp(p["k"] * t) - 2 * np.exp(-t), {"a": 1.0, "k": 0.0})
    >>> round(float(found.x["a"]), 8), round(float(found.x["k"]), 8)
    (2.0, -1.0)
    """

    def step(residual: Callable[[Array], Array], x: Array, damping: Array) -> tuple[Array, Array, Array]:
        matrix, gradient, r = _equations(residual, x)
        dx = positive_solve(matrix, -gradient)
        t = backtrack(lambda v: _cost(residual(v)), x, dx, _cost(r), gradient @ dx)
        return t * dx, t * dx, damping

    return _least(step, residual, x0, tol, maxiter)


def levenberg_marquardt(
    residual: Callable[[T], PyTree], x0: T, *, tol: float | None = None, maxiter: int = 200
) -> Solution[T]:
    """As `gauss_newton`, by the method of Levenberg and Marquardt: steps are damped as far as the last ones asked for.

    It does not need a Jacobian of full rank. Moré (1978), with Marquardt's scaling.

    >>> t = np.linspace(0.0, 1.0, 5)
    >>> found = levenberg_marquardt(lambda p: p["a"] * np.exp(p["k"] * t) - 2 * np.exp(-t), {"a": 1.0, "k": 0.0})
    >>> round(float(found.x["a"]), 8), round(float(found.x["k"]), 8)
    (2.0, -1.0)
    """

    def step(residual: Callable[[Array], Array], x: Array, damping: Array) -> tuple[Array, Array, Array]:
        matrix, gradient, r = _equations(residual, x)
        scale = np.maximum(np.diagonal(matrix), np.finfo(aval_of(x).dtype).tiny)
        dx = positive_solve(matrix + damping * np.eye(aval_of(x).size, dtype=aval_of(x).dtype) * scale, -gradient)
        is_better = _cost(residual(x + dx)) < _cost(r)
        return dx, np.where(is_better, dx, 0), np.where(is_better, damping / 5, damping * 4)

    return _least(step, residual, x0, tol, maxiter)
