"""`cholesky` and `triangular_solve`: the factor of positive definite matrices, and equations whose matrices are triangular.

Start reading at `triangular_solve_p`. Imports core and `matrices`.
"""

from __future__ import annotations

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_loops import Cholesky, TriangularSolve
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.errors import OperandError
from functrans.ops.arithmetic import mul, neg, sub
from functrans.ops.complex import conj
from functrans.ops.families import add_any
from functrans.ops.matrices import (
    adjoint,
    batched_alike,
    check_matrices,
    cotangent,
    diagonal,
    diagonal_matrix,
    fold_columns,
    gradient,
    hermitian_part,
    lower_triangle,
    matmul,
    swapped,
    upper_triangle,
)
from functrans.ops.rules import LocalRule, by_argument
from functrans.typing import Array

__all__ = ["cholesky", "cholesky_p", "triangular_solve", "triangular_solve_p"]

# ---- triangular_solve ----


def _solve_impl(a: Array, b: Array, *, lower: bool, transposed: bool, unit: bool) -> tuple[Array]:
    """Row after row, for all matrices at once; a zero on the diagonal makes infinities."""
    a = np.swapaxes(a, -1, -2) if transposed else a
    size, downward = a.shape[-1], lower != transposed
    out = np.zeros(b.shape, b.dtype)
    with np.errstate(all="ignore"):
        for i in range(size) if downward else reversed(range(size)):
            known = slice(0, i) if downward else slice(i + 1, size)
            row = b[..., i, :] - np.matmul(a[..., i, None, known], out[..., known, :])[..., 0, :]
            out[..., i, :] = row if unit else row / a[..., i, i, None]
    return (out,)


def _solve_aval(a: ShapedArray, b: ShapedArray, *, lower: bool, transposed: bool, unit: bool) -> tuple[ShapedArray]:
    check_matrices("triangular_solve", a, b)
    if a.shape[-1] != b.shape[-2]:
        raise OperandError("triangular_solve", [str(a), str(b)], "as many rows as the matrix has")
    return (b.update(weak=False),)


def _triangle(x: Array, lower: bool, unit: bool) -> Array:
    """The part that is read."""
    return lower_triangle(x, -unit) if lower else upper_triangle(x, unit)


def _of_matrix(g: Array, out: Array, a: Array, _b: Array, *, lower: bool, transposed: bool, unit: bool) -> Array:
    right = triangular_solve(a, g, lower=lower, transposed=not transposed, unit=unit)
    product = matmul(out, swapped(right)) if transposed else matmul(right, swapped(out))
    return neg(_triangle(product, lower, unit))


def _solve_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    (a, _), (da, db) = primals, tangents
    outs = triangular_solve_p.bind(*primals, **params)
    right = db
    if da is not None:
        part = _triangle(da, params["lower"], params["unit"])
        moved = neg(matmul(swapped(part) if params["transposed"] else part, outs[0]))
        right = moved if db is None else add_any(db, moved)
    return outs, (None if right is None else triangular_solve(a, right, **params),)


_RULES: tuple[LocalRule, LocalRule] = (
    _of_matrix,
    lambda g, _, a, _b, *, lower, transposed, unit: triangular_solve(
        a, g, lower=lower, transposed=not transposed, unit=unit
    ),
)

triangular_solve_p: Primitive = Primitive(
    "triangular_solve",
    _solve_impl,
    _solve_aval,
    by_argument(lambda: triangular_solve_p, *_RULES),
    _solve_jvp,
    fold_columns(lambda: triangular_solve_p),
    lower=lambda _avals, params: TriangularSolve(**params),
)


def triangular_solve(a: Array, b: Array, *, lower: bool = True, transposed: bool = False, unit: bool = False) -> Array:
    """The solutions X of A X = B, or of Aᵀ X = B, for triangular matrices A (…, m, m) and B (…, m, n).

    Only the triangle that `lower` says is read; unit: its diagonal is all ones, whatever stands there. float64 or complex128.
    A zero on the diagonal makes infinities and NaN.

    >>> triangular_solve(np.array([[2.0, 9.0], [1.0, 1.0]]), np.array([[2.0], [3.0]]))
    array([[1.],
           [2.]])
    """
    return triangular_solve_p.bind(a, b, lower=lower, transposed=transposed, unit=unit)[0]


# ---- cholesky ----


def _cholesky_aval(a: ShapedArray) -> tuple[ShapedArray]:
    check_matrices("cholesky", a)
    return (shaped(a.shape, a.dtype),)


def _half(x: Array) -> Array:
    """The lower triangle, with half of the diagonal."""
    return sub(lower_triangle(x), mul(diagonal_matrix(diagonal(x)), 0.5))


def _divided(factor: Array, x: Array, *, transposed: bool) -> Array:
    """L⁻¹ X L⁻ᴴ, or L⁻ᴴ X L⁻¹, of a lower factor."""

    def left(y: Array) -> Array:
        return triangular_solve(conj(factor) if transposed else factor, y, transposed=transposed)

    return adjoint(left(adjoint(left(x))))


def _cholesky_vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    (factor,) = outs = cholesky_p.bind(*primals, **params)

    def pullback(cts: Maybes) -> Maybes:
        pulled = _half(matmul(adjoint(factor), gradient(cts[0], factor)))
        found = hermitian_part(_divided(factor, pulled, transposed=True))
        return (cotangent(found, aval_of(factor).dtype),)

    return outs, pullback


def _cholesky_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    (factor,) = outs = cholesky_p.bind(*primals, **params)
    if tangents[0] is None:
        return outs, (None,)
    return outs, (matmul(factor, _half(_divided(factor, hermitian_part(tangents[0]), transposed=False))),)


cholesky_p: Primitive = Primitive(
    "cholesky",
    lambda a: (np.linalg.cholesky(a),),
    _cholesky_aval,
    _cholesky_vjp,
    _cholesky_jvp,
    batched_alike(lambda: cholesky_p),
    lower=lambda _avals, _params: Cholesky(),
)


def cholesky(a: Array) -> Array:
    """The lower triangular L with L Lᴴ = A, for positive definite matrices (…, m, m), of which the lower triangle is read.

    float64 or complex128. Derivatives are those of Hermitian matrices: tangents count by their Hermitian part, cotangents are
    Hermitian. Raises numpy.linalg.LinAlgError for a matrix that is not positive definite.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    return cholesky_p.bind(a)[0]
