"""functrans.scipy.sparse.linalg: `cg`, `bicgstab` and `gmres`, with JAX's signatures.

Each solves A x = b for a matrix or a linear function, and right-hand sides that are trees; derivatives in both modes are
solutions of such equations again, by the same method (`custom_linear_solve`). The methods work on flat vectors. Start reading
at `_solved`. Imports control, flatten_util.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from functrans import tree
from functrans.control.linear_solve import custom_linear_solve
from functrans.control.loop import fori_loop, while_loop
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.flatten_util import ravel_pytree
from functrans.numpy.promotion import as_operand, astype
from functrans.ops.dynamic_slice import (
    dynamic_index_in_dim,
    dynamic_slice_in_dim,
    dynamic_update_index_in_dim,
    dynamic_update_slice_in_dim,
)
from functrans.transforms.linear_transpose import linear_transpose
from functrans.typing import Array, ArrayLike

__all__ = ["as_floats", "bicgstab", "cg", "gmres"]

T = TypeVar("T")
Linear: TypeAlias = Callable[[Array], Array]
Method: TypeAlias = Callable[[Linear, Array, Array, Linear], tuple[Array, Array]]
"""`(A, b, x0, M) -> (x, info)`, on flat vectors."""


def _solved(method: Method, a: Any, b: T, x0: T | None, m: Any, is_symmetric: bool) -> tuple[T, Array]:
    right, unravel = ravel_pytree(tree.map(as_floats, b))
    start = np.zeros_like(right) if x0 is None else ravel_pytree(x0)[0].astype(right.dtype)

    def flat(operator: Any) -> Linear:
        if operator is None:
            return lambda v: v
        apply = operator if callable(operator) else lambda v: operator @ v
        return lambda v: ravel_pytree(apply(unravel(v)))[0]

    def backwards(matvec: Linear, ct: Array) -> tuple[Array, Array]:
        condition = flat(m)
        return method(matvec, ct, np.zeros_like(ct), lambda v: linear_transpose(condition, v)(v)[0])

    x, info = custom_linear_solve(
        flat(a),
        right,
        lambda matvec, right: method(matvec, right, start, flat(m)),
        None if is_symmetric else backwards,
        symmetric=is_symmetric,
        has_aux=True,
    )
    return unravel(x), info


def as_floats(leaf: ArrayLike) -> Array:
    """An array as it is, or in float64 where it holds integers."""
    operand = as_operand(leaf)
    return operand if aval_of(operand).dtype.kind in "fc" else astype(operand, np.dtype(np.float64))


def _limit(maxiter: int | None, b: Array) -> int:
    return 10 * aval_of(b).size if maxiter is None else maxiter


def _square(v: Array) -> Array:
    return cast(Array, np.vdot(v, v).real)


def _unless_zero(denominator: ArrayLike) -> Array:
    """The denominator, or one where it is zero: what is divided is zero then, or not used."""
    return cast(Array, np.where(denominator == 0, 1, denominator))


def _done(residual: Array, bound: Array, steps: ArrayLike) -> Array:
    """SciPy's info: 0, or the number of steps that were not enough; of a NaN at least 1."""
    return cast(Array, np.where(residual <= bound, 0, np.maximum(steps, 1))[()])


# ---- conjugate gradients ----


def cg(
    A: Any,  # JAX's and SciPy's name
    b: T,
    x0: T | None = None,
    *,
    tol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
) -> tuple[T, Array]:
    """The solution of A x = b for a symmetric (or Hermitian) positive definite A, by conjugate gradients; and SciPy's info.

    A: a matrix, or a linear function of trees like b. M: an approximate inverse of A, as a matrix or a function. It ends where
    the norm of b - A x is at most max(tol |b|, atol), or after maxiter steps (default: ten times the number of unknowns).
    info is 0, or the number of steps if those were not enough. Hestenes and Stiefel (1952).

    >>> x, info = cg(np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0]), tol=1e-10)
    >>> np.round(x, 6), int(info)
    (array([0.090909, 0.636364]), 0)
    """

    def method(a: Linear, b: Array, x: Array, m: Linear) -> tuple[Array, Array]:
        bound = np.maximum(tol * tol * _square(b), atol * atol)
        limit = _limit(maxiter, b)

        def step(state: Any) -> Any:
            k, x, r, p, gamma = state
            ap = a(p)
            alpha = gamma / _unless_zero(np.vdot(p, ap).real)
            x, r = x + alpha * p, r - alpha * ap
            z = m(r)
            new = np.vdot(r, z).real
            return k + 1, x, r, z + new / _unless_zero(gamma) * p, new

        r = b - a(x)
        p = m(r)
        start = (0, x, r, p, np.vdot(r, p).real)
        k, x, r, _, _ = while_loop(lambda state: (_square(state[2]) > bound) & (state[0] < limit), step, start)
        return x, _done(_square(r), bound, k)

    return _solved(method, A, b, x0, M, aval_of(ravel_pytree(b)[0]).dtype.kind != "c")


# ---- biconjugate gradients ----


def bicgstab(
    A: Any,
    b: T,
    x0: T | None = None,
    *,
    tol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
) -> tuple[T, Array]:
    """The solution of A x = b for any regular A, by stabilised biconjugate gradients; parameters and results as for `cg`.

    It also ends where the method breaks down. van der Vorst (1992).

    >>> x, info = bicgstab(np.array([[4.0, 1.0], [-1.0, 3.0]]), np.array([1.0, 2.0]), tol=1e-10)
    >>> np.round(x, 6), int(info)
    (array([0.076923, 0.692308]), 0)
    """

    def method(a: Linear, b: Array, x: Array, m: Linear) -> tuple[Array, Array]:
        bound = np.maximum(tol * tol * _square(b), atol * atol)
        limit = _limit(maxiter, b)
        shadow = b - a(x)

        def step(state: Any) -> Any:
            k, x, r, p, q, (rho, alpha, omega), _ = state
            new = np.vdot(shadow, r)
            beta = new / _unless_zero(rho) * alpha / _unless_zero(omega)
            p = r + beta * (p - omega * q)
            p_hat = m(p)
            q = a(p_hat)
            alpha = new / _unless_zero(np.vdot(shadow, q))
            s = r - alpha * q
            s_hat = m(s)
            t = a(s_hat)
            omega = np.vdot(t, s) / _unless_zero(np.vdot(t, t))
            x = x + alpha * p_hat + omega * s_hat
            return k + 1, x, s - omega * t, p, q, (new, alpha, omega), (new == 0) | (omega == 0)

        zero, one = np.zeros_like(b), np.ones((), b.dtype)[()]
        start = (0, x, shadow, zero, zero, (one, one, one), np.False_)
        k, x, r, *_ = while_loop(
            lambda state: (_square(state[2]) > bound) & (state[0] < limit) & ~state[-1], step, start
        )
        return x, _done(_square(r), bound, np.maximum(k, 1))

    return _solved(method, A, b, x0, M, False)


# ---- generalised minimal residuals ----


def gmres(
    A: Any,
    b: T,
    x0: T | None = None,
    *,
    tol: float = 1e-5,
    atol: float = 0.0,
    restart: int = 20,
    maxiter: int | None = None,
    M: Any = None,
    solve_method: str = "batched",
) -> tuple[T, Array]:
    """The solution of A x = b for any regular A, by generalised minimal residuals, begun anew after every `restart` steps.

    Parameters and results as for `cg`, but that maxiter counts restarts, and so does info. solve_method: JAX's "batched" or
    "incremental"; here they are the same. Raises ParameterError for another one. Saad and Schultz (1986).

    >>> x, info = gmres(np.array([[0.0, 1.0], [-1.0, 3.0]]), np.array([1.0, 2.0]), tol=1e-10)
    >>> np.round(x, 6), int(info)
    (array([1., 1.]), 0)
    """
    if solve_method not in ("batched", "incremental"):
        raise ParameterError("gmres", f"solve_method={solve_method!r}", '"batched" or "incremental"')

    def method(a: Linear, b: Array, x: Array, m: Linear) -> tuple[Array, Array]:
        size, limit = min(restart, aval_of(b).size), _limit(maxiter, b)
        norm = np.sqrt(_square(b))
        bound = np.sqrt(_square(m(b))) * np.minimum(1.0, np.maximum(tol, atol / _unless_zero(norm)))

        def step(state: Any) -> Any:
            k, x, r, length = state
            x = x + _least_residual(lambda v: m(a(v)), r, length, size)
            r = m(b - a(x))
            return k + 1, x, r, np.sqrt(_square(r))

        r = m(b - a(x))
        start = (0, x, r, np.sqrt(_square(r)))
        k, x, _, length = while_loop(lambda state: (state[3] > bound) & (state[0] < limit), step, start)
        return x, _done(length, bound, k)

    return _solved(method, A, b, x0, M, False)


def _least_residual(a: Linear, r: Array, length: Array, size: int) -> Array:
    """The vector v of r, A r, … `size` of them, for which r - A v is shortest; `length` is that of r."""
    basis = np.zeros((size + 1, aval_of(r).size), r.dtype)
    basis = dynamic_update_index_in_dim(basis, r / _unless_zero(length), 0, 0)

    def extend(k: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
        basis, columns = state
        w = a(dynamic_index_in_dim(basis, k, 0, False))
        before = np.sqrt(_square(w))
        parts = np.conj(basis) @ w
        w = w - parts @ basis
        again = np.conj(basis) @ w  # once more, for what rounding has left
        w = w - again @ basis
        rest = np.sqrt(_square(w))
        rest = np.where(rest <= np.finfo(r.dtype).eps * before, 0, rest)  # nothing new: the solution is found
        basis = dynamic_update_index_in_dim(basis, np.where(rest == 0, 0, w / _unless_zero(rest)), k + 1, 0)
        column = dynamic_update_index_in_dim(parts + again, rest.astype(r.dtype), k + 1, 0)
        return basis, dynamic_update_index_in_dim(columns, column, k, 0)

    basis, columns = fori_loop(0, size, extend, (basis, np.zeros((size, size + 1), r.dtype)))
    right = dynamic_update_index_in_dim(np.zeros(size + 1, r.dtype), length.astype(r.dtype), 0, 0)
    return _hessenberg(columns.T, right, size) @ basis[:size]


def _hessenberg(h: Array, right: Array, size: int) -> Array:
    """The y for which `right - h y` is shortest; below its diagonal h has one more that is not zero, and is real."""

    def rotate(k: Any, both: Array) -> Array:
        pair = dynamic_slice_in_dim(both, k, 2, 0)
        a, b = dynamic_index_in_dim(pair, k, 1, False)[:2]
        length = np.sqrt(np.abs(a) ** 2 + np.abs(b) ** 2)
        c = np.where(length == 0, 1, a / _unless_zero(length))
        s = b / _unless_zero(length)
        turned = np.stack([np.conj(c) * pair[0] + np.conj(s) * pair[1], c * pair[1] - s * pair[0]])
        return dynamic_update_slice_in_dim(both, turned, k, 0)

    both = fori_loop(0, size, rotate, np.concatenate([h, right[:, None]], 1))
    upper, right = both[:size, :size], both[:size, size]

    def substitute(i: Any, y: Array) -> Array:
        k = size - 1 - i
        row = dynamic_index_in_dim(upper, k, 0, False)
        diagonal = dynamic_index_in_dim(row, k, 0, False)
        value = (dynamic_index_in_dim(right, k, 0, False) - row @ y) / _unless_zero(diagonal)
        return dynamic_update_index_in_dim(y, np.where(diagonal == 0, 0, value), k, 0)

    return fori_loop(0, size, substitute, np.zeros_like(right))
