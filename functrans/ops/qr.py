"""`qr`: the factors Q, with orthonormal columns, and R, upper triangular, of matrices with at least as many rows as columns.

Start reading at `qr_p`. Imports core, `matrices` and `cholesky`.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_loops import QrLoops
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.errors import OperandError
from functrans.ops.arithmetic import add, neg, sub
from functrans.ops.broadcast import zeros
from functrans.ops.cholesky import triangular_solve
from functrans.ops.complex import complex, imag
from functrans.ops.joining import concatenate
from functrans.ops.matrices import (
    adjoint,
    batched_alike,
    check_matrices,
    cotangent,
    diagonal,
    diagonal_matrix,
    gradient,
    lower_triangle,
    matmul,
    swapped,
)
from functrans.ops.shape import slice_in_dim
from functrans.typing import Array

__all__ = ["qr", "qr_p"]


def _aval(a: ShapedArray, *, full: bool) -> tuple[ShapedArray, ShapedArray]:
    check_matrices("qr", a, square=False)
    *lead, m, n = a.shape
    if m < n:
        raise OperandError("qr", [str(a)], "at least as many rows as columns")
    k = m if full else n
    return shaped((*lead, m, k), a.dtype), shaped((*lead, k, n), a.dtype)


def _impl(a: Array, *, full: bool) -> Values:
    return cast(Values, tuple(np.linalg.qr(a, "complete" if full else "reduced")))


def _thin(q: Array, r: Array) -> tuple[Array, Array, Array]:
    """The columns of Q that A's are made of, the square part of R, and Q's other columns."""
    axis, n = aval_of(q).ndim - 1, aval_of(r).shape[-1]
    return slice_in_dim(q, 0, n, axis=axis), slice_in_dim(r, 0, n, axis=axis - 1), slice_in_dim(q, n, None, axis=axis)


def _divided(x: Array, r: Array, *, by_adjoint: bool = False) -> Array:
    """X R⁻¹, or X R⁻ᴴ."""
    if by_adjoint:
        return adjoint(triangular_solve(r, adjoint(x), lower=False))
    return swapped(triangular_solve(r, swapped(x), lower=False, transposed=True))


def _phases(x: Array) -> Array:
    """The imaginary parts of the diagonal, as a matrix."""
    if aval_of(x).dtype.kind != "c":
        return zeros(aval_of(x).shape, aval_of(x).dtype)
    angle = imag(diagonal(x))
    return diagonal_matrix(complex(zeros(aval_of(angle).shape, aval_of(angle).dtype), angle))


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    outs = qr_p.bind(*primals, **params)
    if tangents[0] is None:
        return outs, (None, None)
    q, r, more = _thin(*outs)
    x = _divided(tangents[0], r)
    inner = matmul(adjoint(q), x)
    below = lower_triangle(inner, -1)
    turn = sub(add(sub(below, adjoint(below)), _phases(inner)), inner)
    dq, dr = add(matmul(q, turn), x), neg(matmul(turn, r))
    if params["full"]:
        axis = aval_of(dq).ndim - 1
        dq = concatenate([dq, neg(matmul(q, matmul(adjoint(dq), more)))], axis)
        shape, dtype = aval_of(outs[1]).shape, aval_of(dr).dtype
        dr = concatenate([dr, zeros((*shape[:-2], shape[-2] - shape[-1], shape[-1]), dtype)], axis - 1)
    return outs, (dq, dr)


def _vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    outs = qr_p.bind(*primals, **params)

    def pullback(cts: Maybes) -> Maybes:
        q, r, more = _thin(*outs)
        of_q, of_r, of_more = _thin(gradient(cts[0], outs[0]), gradient(cts[1], outs[1]))
        if params["full"]:
            of_q = sub(of_q, matmul(more, matmul(adjoint(of_more), q)))
        w = sub(matmul(adjoint(q), of_q), matmul(of_r, adjoint(r)))
        inner = sub(add(lower_triangle(sub(w, adjoint(w)), -1), _phases(w)), w)
        return (cotangent(_divided(add(of_q, matmul(q, inner)), r, by_adjoint=True), aval_of(q).dtype),)

    return outs, pullback


qr_p: Primitive = Primitive(
    "qr", _impl, _aval, _vjp, _jvp, batched_alike(lambda: qr_p), lower=lambda _avals, params: QrLoops(params["full"])
)


def qr(a: Array, *, full: bool = False) -> tuple[Array, Array]:
    """Q (…, m, n) and R (…, n, n) with A = Q R, for matrices (…, m, n), m >= n, of float64 or complex128.

    full: Q is square, and R has rows of zeros besides. Derivatives are for columns that are linearly independent.

    >>> q, r = qr(np.array([[3.0], [4.0]]))
    >>> np.round(q @ r, 12)
    array([[3.],
           [4.]])
    """
    q, r = qr_p.bind(a, full=full)
    return q, r
