"""`eigh` and `eig`: eigenvalues and eigenvectors of Hermitian matrices, and of general ones.

Where two eigenvalues are equal, up to rounding, their eigenvectors are any basis: derivatives leave out how these would turn
among themselves, which functions that do not depend on the basis do not see. Start reading at `eigh_p`. Imports core and
`matrices`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_loops import NumpyLoop
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.ops.arithmetic import add, mul, reciprocal, sub
from functrans.ops.broadcast import broadcast_in_dim, zeros
from functrans.ops.comparison import le
from functrans.ops.complex import abs, complex_dtype, conj, real_dtype
from functrans.ops.matrices import (
    adjoint,
    as_dtype,
    batched_alike,
    check_matrices,
    columns_scaled,
    cotangent,
    diagonal,
    diagonal_matrix,
    gradient,
    hermitian_part,
    matmul,
)
from functrans.ops.reduce import reduce_max
from functrans.ops.select import select
from functrans.ops.solve import solve
from functrans.typing import Array

__all__ = ["eig", "eig_p", "eigh", "eigh_p", "inverse_differences"]


def inverse_differences(values: Array) -> Array:
    """At (i, j) 1 / (vⱼ - vᵢ), and 0 where both are equal up to rounding, as on the diagonal."""
    aval = aval_of(values)
    size, lead = aval.shape[-1], range(aval.ndim - 1)
    shape = (*aval.shape, size)
    last, first = (broadcast_in_dim(values, shape, (*lead, aval.ndim - 1 + i)) for i in (1, 0))
    difference = sub(last, first)
    magnitude = abs(difference)
    eps = float(np.finfo(aval_of(magnitude).dtype).eps)
    if not size:
        return difference
    bound = mul(reduce_max(abs(values), (aval.ndim - 1,)), size * eps)
    is_equal = le(magnitude, broadcast_in_dim(bound, shape, lead))
    one = broadcast_in_dim(aval.dtype.type(1), shape, ())
    return select(is_equal, zeros(shape, aval.dtype), reciprocal(select(is_equal, one, difference)))


# ---- Hermitian matrices ----


def _eigh_aval(a: ShapedArray, *, lower: bool, vectors: bool) -> tuple[ShapedArray, ...]:
    check_matrices("eigh", a)
    values = shaped(a.shape[:-1], real_dtype(a.dtype))
    return (values, shaped(a.shape, a.dtype)) if vectors else (values,)


def _eigh_impl(a: Array, *, lower: bool, vectors: bool) -> Values:
    triangle: Literal["L", "U"] = "L" if lower else "U"
    return tuple(np.linalg.eigh(a, triangle)) if vectors else (np.linalg.eigvalsh(a, triangle),)


def _eigh_lower(_avals: object, params: Params) -> NumpyLoop:
    ending = "lo" if params["lower"] else "up"
    if params["vectors"]:
        return NumpyLoop("linalg", f"eigh_{ending}", "(m,m)->(m),(m,m)", raises=True)
    return NumpyLoop("linalg", f"eigvalsh_{ending}", "(m,m)->(m)", raises=True)


def _whole(primals: Values, params: Params) -> tuple[Array, Array, int]:
    """Values and vectors, and how many of them are wanted."""
    w, v = eigh(primals[0], lower=params["lower"])
    return w, v, 1 + params["vectors"]


def _eigh_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    w, v, count = _whole(primals, params)
    if tangents[0] is None:
        return (w, v)[:count], (None, None)[:count]
    moved = matmul(adjoint(v), hermitian_part(tangents[0]), v)
    dw = as_dtype(diagonal(moved), aval_of(w).dtype)
    turn = mul(as_dtype(inverse_differences(w), aval_of(v).dtype), moved)
    return (w, v)[:count], (dw, matmul(v, turn))[:count]


def _eigh_vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    w, v, count = _whole(primals, params)

    def pullback(cts: Maybes) -> Maybes:
        dtype = aval_of(v).dtype
        inner = diagonal_matrix(as_dtype(gradient(cts[0], w), dtype))
        if len(cts) > 1 and cts[1] is not None:
            turn = matmul(adjoint(v), gradient(cts[1], v))
            inner = add(inner, mul(as_dtype(inverse_differences(w), dtype), turn))
        return (cotangent(hermitian_part(matmul(v, inner, adjoint(v))), dtype),)

    return (w, v)[:count], pullback


eigh_p: Primitive = Primitive(
    "eigh", _eigh_impl, _eigh_aval, _eigh_vjp, _eigh_jvp, batched_alike(lambda: eigh_p), lower=_eigh_lower
)


def eigh(a: Array, *, lower: bool = True) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors, in columns, of Hermitian matrices (…, m, m), of which one triangle is read.

    float64 or complex128. Derivatives are those of Hermitian matrices: tangents count by their Hermitian part, cotangents are
    Hermitian. Raises numpy.linalg.LinAlgError where LAPACK does not converge.

    >>> eigh(np.array([[2.0, 0.0], [0.0, 1.0]]))[0]
    array([1., 2.])
    """
    w, v = eigh_p.bind(a, lower=lower, vectors=True)
    return w, v


# ---- general matrices ----


def _eig_aval(a: ShapedArray, *, vectors: bool) -> tuple[ShapedArray, ...]:
    check_matrices("eig", a)
    dtype = complex_dtype(real_dtype(a.dtype))
    return (shaped(a.shape[:-1], dtype), shaped(a.shape, dtype))[: 1 + vectors]


def _eig_impl(a: Array, *, vectors: bool) -> Values:
    """Always complex, as a result's dtype does not depend on values."""
    outs = tuple(np.linalg.eig(a)) if vectors else (np.linalg.eigvals(a),)
    return tuple(out.astype(np.complex128, copy=False) for out in outs)


def _eig_lower(_avals: object, params: Params) -> NumpyLoop:
    if params["vectors"]:
        return NumpyLoop("linalg", "eig", "(m,m)->(m),(m,m)", raises=True)
    return NumpyLoop("linalg", "eigvals", "(m,m)->(m)", raises=True)


def _eig_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    count = 1 + params["vectors"]
    w, v = eig(primals[0])
    if tangents[0] is None:
        return (w, v)[:count], (None, None)[:count]
    moved = solve(v, matmul(as_dtype(tangents[0], aval_of(v).dtype), v))
    turned = matmul(v, mul(inverse_differences(w), moved))
    along = diagonal(matmul(adjoint(v), turned))  # of the change that leaves the norm as it is, and the phase
    return (w, v)[:count], (diagonal(moved), sub(turned, columns_scaled(v, along)))[:count]


def _eig_vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    w, v = eig(primals[0])

    def pullback(cts: Maybes) -> Maybes:
        inner = diagonal_matrix(gradient(cts[0], w))
        if len(cts) > 1 and cts[1] is not None:
            turn = matmul(adjoint(v), gradient(cts[1], v))
            turn = sub(turn, columns_scaled(matmul(adjoint(v), v), diagonal(turn)))
            inner = add(inner, mul(conj(inverse_differences(w)), turn))
        return (cotangent(solve(adjoint(v), matmul(inner, adjoint(v))), aval_of(primals[0]).dtype),)

    return (w, v)[: 1 + params["vectors"]], pullback


eig_p: Primitive = Primitive(
    "eig", _eig_impl, _eig_aval, _eig_vjp, _eig_jvp, batched_alike(lambda: eig_p), lower=_eig_lower
)


def eig(a: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors, in columns of norm 1, of square matrices (…, m, m) of float64 or complex128; complex128.

    Derivatives are for functions that do not depend on the eigenvectors' phases. Raises numpy.linalg.LinAlgError where LAPACK
    does not converge, and for infinities and NaN.
    """
    w, v = eig_p.bind(a, vectors=True)
    return w, v
