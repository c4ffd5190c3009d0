"""Roots: `bisect` of elementwise functions, `newton` of functions of trees. Imports control and `solution`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from functrans.control.loop import while_loop
from functrans.control.root import custom_root
from functrans.core.primitive import aval_of
from functrans.solvers.solution import Solution, backtrack, general_solve, is_small, norm, over_vectors, tolerance
from functrans.transforms.jvp import jvp
from functrans.typing import Array, ArrayLike

__all__ = ["bisect", "newton"]

T = TypeVar("T")


def bisect(
    f: Callable[[Array], Array], low: ArrayLike, high: ArrayLike, *, tol: float = 0.0, maxiter: int = 2000
) -> Solution[Array]:
    """Roots of an elementwise function between `low` and `high`, at which it has opposite signs, by halving.

    low, high: floating arrays that broadcast against each other; the roots have their common shape. It ends where all
    intervals are at most `tol` long, or have no number in between. `converged` is said of each root: whether the signs
    differed. Derivatives of the roots are those in what f closes over.

    >>> found = bisect(lambda x: x**2 - np.array([2.0, 9.0]), 0.0, 10.0)
    >>> found.x, found.converged
    (array([1.41421356, 3.        ]), array([ True,  True]))
    """
    dtype = np.result_type(aval_of(low).dtype, aval_of(high).dtype, np.float32)
    shape = np.broadcast_shapes(aval_of(low).shape, aval_of(high).shape, aval_of(f(cast(Array, low))).shape)
    ends = [np.broadcast_to(np.asarray(end).astype(dtype), shape) for end in (low, high)]

    def solve(f: Callable[[Array], Array], low: Array) -> tuple[Array, Any]:
        first = np.sign(f(low))
        differ = first * np.sign(f(ends[1])) <= 0

        def middle(a: Array, b: Array) -> Array:
            return cast(Array, a + (b - a) / 2)

        def goes_on(state: Any) -> Array:
            k, a, b = state
            m = middle(a, b)
            return cast(Array, (k < maxiter) & np.any((np.abs(b - a) > tol) & (m != a) & (m != b)))

        def halve(state: Any) -> Any:
            k, a, b = state
            m = middle(a, b)
            is_left = np.sign(f(m)) == first
            return k + 1, np.where(is_left, m, a), np.where(is_left, b, m)

        steps, a, b = while_loop(goes_on, halve, (0, low, ends[1]))
        found = np.where(f(low) == 0, low, middle(a, b))
        return found, (steps, differ & np.isfinite(found))

    x, (steps, converged) = custom_root(f, ends[0], solve, lambda g, y: y / g(np.ones(shape, dtype)), has_aux=True)
    return Solution(x[()], steps, converged)


def newton(f: Callable[[T], T], x0: T, *, tol: float | None = None, maxiter: int = 100) -> Solution[T]:
    """A root of a function of trees near `x0`, by Newton's method; steps that do not make |f| smaller are halved.

    It ends after a step of at most `tol` (default: the square root of the precision) times the norm of x, or `maxiter`
    steps. The equations of a step are solved by GMRES, with products of the Jacobian and vectors.

    >>> found = newton(lambda v: {"x": v["x"] ** 2 - v["y"], "y": v["x"] + v["y"] - 6.0}, {"x": 1.0, "y": 1.0})
    >>> round(float(found.x["x"]), 10), round(float(found.x["y"]), 10), bool(found.converged)
    (2.0, 4.0, True)
    """
    flat, start, unravel = over_vectors("newton", f, x0)
    close = tolerance(tol, start)

    def solve(f: Callable[[Array], Array], x: Array) -> tuple[Array, Any]:
        def step(state: Any) -> Any:
            k, x, _, _ = state
            value = f(x)
            dx = _direction(lambda v: jvp(f, (x,), (v,))[1], -value)
            before = norm(value)
            t = backtrack(lambda v: norm(f(v)), x, dx, before, -before)
            return k + 1, x + t * dx, is_small(dx, x, close), t == 0

        k, x, converged, _ = while_loop(
            lambda state: ~(state[2] | state[3]) & (state[0] < maxiter), step, (0, x, np.False_, np.False_)
        )
        return x, (k, converged)

    x, (steps, converged) = custom_root(flat, start, solve, general_solve, has_aux=True)
    return Solution(unravel(x), steps, converged)


def _direction(g: Callable[[Array], Array], y: Array) -> Array:
    """Where g(x) = y says to go; where a single slope is zero it says nothing, and any way may be tried."""
    if aval_of(y).size > 1:
        return general_solve(g, y)
    slope = g(np.ones((1,), aval_of(y).dtype))
    return y / np.where(slope == 0, 1, slope)
