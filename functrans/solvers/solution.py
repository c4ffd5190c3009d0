"""What solvers give, and what they share. Imports control, flatten_util, scipy.sparse.linalg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np

from functrans import tree
from functrans.control.loop import fori_loop, while_loop
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.flatten_util import ravel_pytree
from functrans.ops.dynamic_slice import dynamic_index_in_dim, dynamic_update_index_in_dim
from functrans.scipy.sparse.linalg import as_floats, cg, gmres
from functrans.typing import Array

__all__ = [
    "Solution",
    "backtrack",
    "flattened",
    "general_solve",
    "is_small",
    "norm",
    "over_vectors",
    "positive_solve",
    "symmetric_solve",
    "tolerance",
]

T = TypeVar("T")
Vector = Callable[[Array], Array]


class Solution(NamedTuple, Generic[T]):
    """A solution, the number of steps that found it, and whether it is one up to the tolerance."""

    x: T
    steps: Array
    converged: Array


def flattened(x0: T) -> tuple[Array, Callable[[Array], T]]:
    """A tree as a floating vector, and the function that makes one a tree again; integers become float64."""
    return ravel_pytree(tree.map(as_floats, x0))


def over_vectors(
    solver: str, f: Callable[[T], T], x0: T
) -> tuple[Callable[[Array], Array], Array, Callable[[Array], T]]:
    """A function from trees like x0 to such trees as one of vectors, x0 as a vector, and what makes vectors trees again."""
    start, unravel = flattened(x0)

    def flat(v: Array) -> Array:
        value = f(unravel(v))
        given, wanted = (tree.map(lambda leaf: str(aval_of(leaf).shape), one) for one in (value, x0))
        if given != wanted:
            raise ParameterError(solver, f"a function whose values have shapes {given}", f"shapes as x0 has: {wanted}")
        return flattened(value)[0]

    return flat, start, unravel


def tolerance(tol: float | None, x: Array) -> float:
    """The tolerance itself, or the square root of the precision: of a method that then takes one step more than it needs."""
    return float(np.sqrt(np.finfo(aval_of(x).dtype).eps)) if tol is None else tol


def is_small(step: Array, x: Array, close: float) -> Array:
    """Whether a step changes a vector by no more than the tolerance says."""
    return norm(step) <= close * (norm(x) + close)


def norm(v: Array) -> Array:
    """The Euclidean norm of a vector."""
    return cast(Array, np.sqrt(np.vdot(v, v).real))


# ---- linear equations ----


def general_solve(g: Vector, y: Array) -> Array:
    """The solution of g(x) = y for any regular linear g, to nearly the precision of the dtype."""
    size, dtype = aval_of(y).size, aval_of(y).dtype
    if size == 1:
        return y / g(np.ones((1,), dtype))
    return gmres(g, y, tol=float(10 * np.finfo(dtype).eps), restart=min(size, 60), maxiter=20)[0]


def symmetric_solve(g: Vector, y: Array) -> Array:
    """The solution of g(x) = y for a symmetric positive definite g."""
    return cg(g, y, tol=float(10 * np.finfo(aval_of(y).dtype).eps))[0]


def positive_solve(matrix: Array, right: Array) -> Array:
    """The solution of `matrix @ x = right` for a symmetric positive definite matrix, by elimination without pivots."""
    size = aval_of(right).size

    def eliminate(k: Any, both: Array) -> Array:
        row = dynamic_index_in_dim(both, k, 0, False)
        pivot = dynamic_index_in_dim(row, k, 0, False)
        row = row / np.where(pivot == 0, 1, pivot)
        rest = both - dynamic_index_in_dim(both, k, 1, False)[:, None] * row
        return dynamic_update_index_in_dim(rest, row, k, 0)

    return fori_loop(0, size, eliminate, np.concatenate([matrix, right[:, None]], 1))[:, size]


# ---- step lengths ----


def backtrack(merit: Callable[[Array], Array], x: Array, step: Array, before: Array, slope: Array) -> Array:
    """The largest of 1, 1/2, 1/4, … by which the step makes the merit smaller in proportion; 0 where none does.

    slope: the derivative of the merit along the step.
    """

    def is_bad(t: Array) -> Array:
        after = merit(x + t * step)
        return cast(Array, ~(after <= before + 1e-4 * t * slope))  # true of NaN, too

    least = float(np.finfo(aval_of(x).dtype).eps)
    t = while_loop(lambda t: is_bad(t) & (t > least), lambda t: t / 2, np.ones((), aval_of(before).dtype)[()])
    return cast(Array, np.where(t > least, t, 0))
