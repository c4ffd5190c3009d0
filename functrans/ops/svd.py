"""`svd` and `pinv`: singular values and vectors, and the pseudo-inverse, of matrices of any shape.

Where singular values are equal, up to rounding, derivatives leave out how their vectors would turn among themselves; of
vectors of singular value 0 also how they would leave their space. Start reading at `svd_p`. Imports core, `matrices`, `eigen`.
"""

from __future__ import annotations

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_loops import NumpyLoop
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.ops.arithmetic import add, mul, neg, reciprocal, square, sub
from functrans.ops.broadcast import broadcast_in_dim, zeros
from functrans.ops.comparison import gt
from functrans.ops.complex import complex, imag, real_dtype
from functrans.ops.eigen import inverse_differences
from functrans.ops.joining import concatenate
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
    identity,
    matmul,
    rows_scaled,
)
from functrans.ops.reduce import reduce_max
from functrans.ops.select import select
from functrans.ops.shape import slice_in_dim
from functrans.typing import Array

__all__ = ["pinv", "pinv_p", "svd", "svd_p"]


def _aval(a: ShapedArray, *, full: bool, vectors: bool) -> tuple[ShapedArray, ...]:
    check_matrices("svd", a, square=False)
    *lead, m, n = a.shape
    k = min(m, n)
    s = shaped((*lead, k), real_dtype(a.dtype))
    if not vectors:
        return (s,)
    return shaped((*lead, m, m if full else k), a.dtype), s, shaped((*lead, n if full else k, n), a.dtype)


def _impl(a: Array, *, full: bool, vectors: bool) -> Values:
    return tuple(np.linalg.svd(a, full)) if vectors else (np.linalg.svd(a, compute_uv=False),)


def _lower(_avals: object, params: Params) -> NumpyLoop:
    if not params["vectors"]:
        return NumpyLoop("linalg", "svd", "(m,n)->(p)", raises=True)
    if params["full"]:
        return NumpyLoop("linalg", "svd_f", "(m,n)->(m,m),(p),(n,n)", raises=True)
    return NumpyLoop("linalg", "svd_s", "(m,n)->(m,p),(p),(p,n)", raises=True)


class _Parts:
    """What the derivatives are made of: thin factors, the vectors beyond them if there are any, and inverses."""

    def __init__(self, u: Array, s: Array, vh: Array) -> None:
        axis, k = aval_of(u).ndim, aval_of(s).shape[-1]
        self.dtype, self.s = aval_of(u).dtype, s
        v = adjoint(vh)
        self.u, self.v = (slice_in_dim(x, 0, k, axis=axis - 1) for x in (u, v))
        self.beyond = [slice_in_dim(x, k, None, axis=axis - 1) for x in (u, v)]
        self.apart = as_dtype(inverse_differences(square(s)), self.dtype)
        self.inverse = _inverse(s)

    def across(self, x: Array, vectors: Array) -> Array:
        """The part of columns that is not in the space of orthonormal vectors, each divided by its singular value."""
        return columns_scaled(sub(x, matmul(vectors, matmul(adjoint(vectors), x))), self.inverse)

    def phases(self, turn: Array) -> Array:
        """The imaginary parts of a diagonal, divided by the singular values, as a matrix; zeros for real numbers."""
        if self.dtype.kind != "c":
            return zeros(aval_of(turn).shape, self.dtype)
        angle = mul(imag(diagonal(turn)), self.inverse)
        return diagonal_matrix(complex(zeros(aval_of(angle).shape, aval_of(angle).dtype), angle))


def _inverse(s: Array) -> Array:
    """1 / s, and 0 for what is 0 up to rounding."""
    aval = aval_of(s)
    if not aval.shape[-1]:
        return s
    bound = mul(reduce_max(s, (aval.ndim - 1,)), aval.shape[-1] * float(np.finfo(aval.dtype).eps))
    is_there = gt(s, broadcast_in_dim(bound, aval.shape, range(aval.ndim - 1)))
    one = broadcast_in_dim(aval.dtype.type(1), aval.shape, ())
    return select(is_there, reciprocal(select(is_there, s, one)), zeros(aval.shape, aval.dtype))


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    u, s, vh = svd(primals[0], full=params["full"])
    outs = (u, s, vh) if params["vectors"] else (s,)
    (da,) = tangents
    if da is None:
        return outs, (None,) * len(outs)
    p = _Parts(u, s, vh)
    change = matmul(adjoint(p.u), da, p.v)
    ds = as_dtype(diagonal(change), aval_of(s).dtype)
    if not params["vectors"]:
        return outs, (ds,)
    right, left = columns_scaled(change, s), rows_scaled(change, s)
    du = matmul(p.u, add(mul(p.apart, add(right, adjoint(right))), p.phases(change)))
    dv = matmul(p.v, mul(p.apart, add(left, adjoint(left))))
    du, dv = add(du, p.across(matmul(da, p.v), p.u)), add(dv, p.across(matmul(adjoint(da), p.u), p.v))
    if params["full"]:
        du, dv = (_with_beyond(d, x, more) for d, x, more in zip((du, dv), (p.u, p.v), p.beyond, strict=True))
    return outs, (du, ds, adjoint(dv))


def _with_beyond(change: Array, vectors: Array, beyond: Array) -> Array:
    """The tangent of vectors with that of the ones beyond them, which stay orthogonal to them and turn no more than that."""
    own = neg(matmul(vectors, matmul(adjoint(change), beyond)))
    return concatenate([change, own], aval_of(change).ndim - 1)


def _without_beyond(found: Array, vectors: Array, beyond: Array) -> Array:
    """The transpose: the gradient of vectors for that of all."""
    axis, k = aval_of(found).ndim - 1, aval_of(vectors).shape[-1]
    thin, more = slice_in_dim(found, 0, k, axis=axis), slice_in_dim(found, k, None, axis=axis)
    return sub(thin, matmul(beyond, matmul(adjoint(more), vectors)))


def _vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    u, s, vh = svd(primals[0], full=params["full"])
    has_vectors, is_full = params["vectors"], params["full"]

    def pullback(cts: Maybes) -> Maybes:
        p = _Parts(u, s, vh)
        inner = diagonal_matrix(as_dtype(gradient(cts[has_vectors], s), p.dtype))
        if not has_vectors:
            return (cotangent(matmul(p.u, inner, adjoint(p.v)), p.dtype),)
        of_u, of_v = gradient(cts[0], u), adjoint(gradient(cts[2], vh))
        if is_full:
            of_u, of_v = (
                _without_beyond(g, x, more) for g, x, more in zip((of_u, of_v), (p.u, p.v), p.beyond, strict=True)
            )
        left, right = matmul(adjoint(p.u), of_u), matmul(adjoint(p.v), of_v)
        x, y = mul(p.apart, left), mul(p.apart, right)
        inner = add(inner, columns_scaled(add(x, adjoint(x)), s))
        inner = add(inner, rows_scaled(add(y, adjoint(y)), s))
        found = matmul(p.u, add(inner, p.phases(left)), adjoint(p.v))
        found = add(found, matmul(p.across(of_u, p.u), adjoint(p.v)))
        return (cotangent(add(found, matmul(p.u, adjoint(p.across(of_v, p.v)))), p.dtype),)

    return (u, s, vh) if has_vectors else (s,), pullback


svd_p: Primitive = Primitive("svd", _impl, _aval, _vjp, _jvp, batched_alike(lambda: svd_p), lower=_lower)


def svd(a: Array, *, full: bool = False) -> tuple[Array, Array, Array]:
    """U, s and Vᴴ with A = U diag(s) Vᴴ for matrices (…, m, n) of float64 or complex128, s descending.

    U and Vᴴ have min(m, n) columns and rows; full: they are square. Derivatives are for functions that do not depend on phases,
    nor on the choice of a basis where there is one. Raises numpy.linalg.LinAlgError where LAPACK does not converge.

    >>> svd(np.array([[3.0, 0.0]]))[1]
    array([3.])
    """
    u, s, vh = svd_p.bind(a, full=full, vectors=True)
    return u, s, vh


# ---- pseudo-inverse ----


def _pinv_aval(a: ShapedArray, *, rtol: float) -> tuple[ShapedArray]:
    check_matrices("pinv", a, square=False)
    *lead, m, n = a.shape
    return (shaped((*lead, n, m), a.dtype),)


def _left_over(a: Array, b: Array) -> Array:
    """1 - a b."""
    product = matmul(a, b)
    return sub(identity(product), product)


def _pinv_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    (a,), (da,) = primals, tangents
    (p,) = outs = pinv_p.bind(a, **params)
    if da is None:
        return outs, (None,)
    moved = neg(matmul(p, da, p))
    moved = add(moved, matmul(p, adjoint(p), adjoint(da), _left_over(a, p)))
    return outs, (add(moved, matmul(_left_over(p, a), adjoint(da), adjoint(p), p)),)


def _pinv_vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    (a,) = primals
    (p,) = outs = pinv_p.bind(a, **params)

    def pullback(cts: Maybes) -> Maybes:
        g, ph = gradient(cts[0], p), adjoint(p)
        found = neg(matmul(ph, g, ph))
        found = add(found, matmul(_left_over(a, p), adjoint(g), p, ph))
        return (cotangent(add(found, matmul(ph, p, adjoint(g), _left_over(p, a))), aval_of(a).dtype),)

    return outs, pullback


pinv_p: Primitive = Primitive(
    "pinv",
    lambda a, *, rtol: (np.linalg.pinv(a, rtol),),
    _pinv_aval,
    _pinv_vjp,
    _pinv_jvp,
    batched_alike(lambda: pinv_p),
)


def pinv(a: Array, rtol: float) -> Array:
    """The pseudo-inverses (…, n, m) of matrices (…, m, n) of float64 or complex128.

    Singular values of at most rtol times the largest count as 0. The derivative is that at constant rank (G. H. Golub and
    V. Pereyra, 1973).
    """
    return pinv_p.bind(a, rtol=rtol)[0]
