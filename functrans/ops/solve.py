"""`solve`, and determinants: what numpy.linalg computes by factors of general square matrices.

Start reading at `solve_p`. Imports core and `matrices`.
"""

from __future__ import annotations

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_loops import NumpyLoop, Solve
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.errors import OperandError
from functrans.ops.arithmetic import add, mul, neg, sub
from functrans.ops.broadcast import broadcast_in_dim, reduce_sum, zeros
from functrans.ops.complex import complex, imag, real, real_dtype
from functrans.ops.families import add_any
from functrans.ops.matrices import (
    as_dtype,
    batched_alike,
    check_matrices,
    diagonal,
    fold_columns,
    identity,
    matmul,
    swapped,
)
from functrans.ops.rules import as_value, by_argument
from functrans.typing import Array

__all__ = ["cofactor_p", "det", "det_p", "inv", "slogdet", "slogdet_p", "solve", "solve_p"]

# ---- equations ----


def _solve_aval(a: ShapedArray, b: ShapedArray) -> tuple[ShapedArray]:
    check_matrices("solve", a, b)
    if a.shape[-1] != b.shape[-2]:
        raise OperandError("solve", [str(a), str(b)], "as many rows as the matrix has")
    return (b.update(weak=False),)


def _solve_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    (a, _), (da, db) = primals, tangents
    outs = solve_p.bind(*primals)
    right = db
    if da is not None:
        moved = neg(matmul(da, outs[0]))
        right = moved if db is None else add_any(db, moved)
    return outs, (None if right is None else solve(a, right),)


solve_p: Primitive = Primitive(
    "solve",
    lambda a, b: (np.linalg.solve(a, b),),
    _solve_aval,
    by_argument(
        lambda: solve_p,
        lambda g, out, a, _b: neg(matmul(solve(swapped(a), g), swapped(out))),
        lambda g, _, a, _b: solve(swapped(a), g),
    ),
    _solve_jvp,
    fold_columns(lambda: solve_p),
    lower=lambda _avals, _params: Solve(),
)


def solve(a: Array, b: Array) -> Array:
    """The solutions X of A X = B, for square matrices A (…, m, m) and B (…, m, n), of float64 or complex128.

    Raises numpy.linalg.LinAlgError for a singular matrix.

    >>> solve(np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([[2.0], [3.0]]))
    array([[3.],
           [1.]])
    """
    return solve_p.bind(a, b)[0]


def inv(a: Array) -> Array:
    """The inverse of square matrices (…, m, m). Raises numpy.linalg.LinAlgError for a singular one."""
    return solve(a, identity(a))


# ---- determinants ----


def _det_aval(a: ShapedArray) -> tuple[ShapedArray]:
    check_matrices("det", a)
    return (shaped(a.shape[:-2], a.dtype),)


def _scaled(x: Array, by: Array) -> Array:
    """Each of a stack of matrices times a number."""
    aval = aval_of(x)
    return mul(x, broadcast_in_dim(as_dtype(by, aval.dtype), aval.shape, range(aval.ndim - 2)))


def _inner(x: Array, y: Array) -> Array:
    """The sums of the elements of each matrix times those of another."""
    ndim = aval_of(x).ndim
    return reduce_sum(mul(x, y), (ndim - 2, ndim - 1))


def _det_jvp(primals: Values, tangents: Maybes, _params: Params) -> tuple[Values, Maybes]:
    outs = det_p.bind(*primals)
    return outs, (None if tangents[0] is None else _inner(cofactor_p.bind(*primals)[0], tangents[0]),)


det_p: Primitive = Primitive(
    "det",
    lambda a: (np.linalg.det(a),),
    _det_aval,
    by_argument(lambda: det_p, lambda g, _, a: _scaled(cofactor_p.bind(a)[0], g)),
    _det_jvp,
    batched_alike(lambda: det_p),
    lower=lambda _avals, _params: NumpyLoop("linalg", "det", "(m,m)->()"),
)


def det(a: Array) -> Array:
    """The determinants of square matrices (…, m, m), of float64 or complex128.

    The first derivative is that of a polynomial, also at singular matrices; those of higher order need an inverse.
    """
    return det_p.bind(a)[0]


def _cofactor_aval(a: ShapedArray) -> tuple[ShapedArray]:
    check_matrices("cofactor", a)
    return (shaped(a.shape, a.dtype),)


def _cofactor_impl(a: Array) -> tuple[Array]:
    if not a.size:
        return (a,)
    u, s, vh = np.linalg.svd(a)
    others = np.ones(s.shape)
    if s.shape[-1] > 1:
        before = np.cumprod(s[..., :-1], -1)
        after = np.cumprod(s[..., :0:-1], -1)[..., ::-1]
        others[..., 1:] *= before
        others[..., :-1] *= after
    phase = np.linalg.det(np.matmul(u, vh))[..., None, None]
    return (phase * np.conj(np.matmul(u * others[..., None, :], vh)),)


def _cofactor_change(a: Array, left: Array, of: Array) -> Array:
    """The derivative of the cofactors, which is symmetric, along a matrix."""
    inverse = swapped(inv(a))
    change = sub(_scaled(inverse, _inner(inverse, of)), matmul(inverse, swapped(of), inverse))
    return _scaled(change, left)


def _cofactor_jvp(primals: Values, tangents: Maybes, _params: Params) -> tuple[Values, Maybes]:
    outs, (a,) = cofactor_p.bind(*primals), primals
    return outs, (None if tangents[0] is None else _cofactor_change(a, det(a), tangents[0]),)


cofactor_p: Primitive = Primitive(
    "cofactor",
    _cofactor_impl,
    _cofactor_aval,
    by_argument(lambda: cofactor_p, lambda g, _, a: _cofactor_change(a, det(a), g)),
    _cofactor_jvp,
    batched_alike(lambda: cofactor_p),
)
"""The cofactors, the derivative of the determinant, by singular values: also of singular matrices."""


def _slogdet_aval(a: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
    check_matrices("slogdet", a)
    return shaped(a.shape[:-2], a.dtype), shaped(a.shape[:-2], real_dtype(a.dtype))


def _slogdet_impl(a: Array) -> Values:
    sign, log = np.linalg.slogdet(a)
    return as_value(sign), as_value(log)


def _turned(change: Array, sign: Array) -> Array | None:
    """The tangent of the sign for one of the logarithm of the determinant; None for real ones, whose sign is constant."""
    if aval_of(sign).dtype.kind != "c":
        return None
    angle = imag(change)
    return mul(sign, complex(zeros(aval_of(angle).shape, aval_of(angle).dtype), angle))


def _slogdet_jvp(primals: Values, tangents: Maybes, _params: Params) -> tuple[Values, Maybes]:
    outs = slogdet_p.bind(*primals)
    if tangents[0] is None:
        return outs, (None, None)
    change = reduce_trace(solve(primals[0], tangents[0]))
    return outs, (_turned(change, outs[0]), real(change))


def reduce_trace(x: Array) -> Array:
    """The sums of the diagonals of square matrices."""
    return reduce_sum(diagonal(x), (aval_of(x).ndim - 2,))


def _slogdet_vjp(primals: Values, _wanted: tuple[bool, ...], _params: Params) -> tuple[Values, Pullback]:
    outs, (a,) = slogdet_p.bind(*primals), primals

    def pullback(cts: Maybes) -> Maybes:
        of_sign, of_log = cts
        dtype = aval_of(a).dtype
        total = None if of_log is None else as_dtype(of_log, dtype)
        if of_sign is not None and dtype.kind == "c":
            angle = imag(mul(of_sign, outs[0]))
            turn = complex(zeros(aval_of(angle).shape, aval_of(angle).dtype), angle)
            total = turn if total is None else add(total, turn)
        return (None if total is None else _scaled(swapped(inv(a)), total),)

    return outs, pullback


slogdet_p: Primitive = Primitive(
    "slogdet",
    _slogdet_impl,
    _slogdet_aval,
    _slogdet_vjp,
    _slogdet_jvp,
    batched_alike(lambda: slogdet_p),
    lower=lambda _avals, _params: NumpyLoop("linalg", "slogdet", "(m,m)->(),()"),
)


def slogdet(a: Array) -> tuple[Array, Array]:
    """Sign and logarithm of the magnitude of the determinants of square matrices (…, m, m), of float64 or complex128.

    A singular matrix has 0 and -inf; its derivative raises numpy.linalg.LinAlgError.
    """
    sign, log = slogdet_p.bind(a)
    return sign, log
