"""functrans.numpy.linalg: NumPy's linear algebra, for stacks of matrices, for arrays and for tracers.

Operands are broadcast and converted as NumPy does, then a primitive of `ops` does the work; what can be written with others is.
Start reading at `solve`. Imports ops, `matrices`, `norms` and functrans.numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from operator import index
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
from numpy.linalg import LinAlgError
from numpy.linalg._linalg import EighResult, EigResult, QRResult, SlogdetResult, SVDResult

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy import creation, products, shapes
from functrans.numpy.dispatch import implements
from functrans.numpy.matrices import (
    check_square,
    check_stacked,
    from_double,
    in_double,
    is_empty,
    real_of,
    same_stack,
)
from functrans.numpy.norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from functrans.numpy.operands import shape_of, strong
from functrans.numpy.promotion import astype
from functrans.numpy.shapes import reshape, transpose
from functrans.ops import cholesky as ops_cholesky
from functrans.ops import eigen, generate
from functrans.ops import qr as ops_qr
from functrans.ops import solve as ops_solve
from functrans.ops import svd as ops_svd
from functrans.ops.matrices import adjoint
from functrans.ops.matrices import matmul as product_of
from functrans.ops.shape import expand_dims, slice_in_dim, squeeze
from functrans.typing import Array, ArrayLike, DType, DTypeLike

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq",
    "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr",
    "slogdet", "solve", "svd", "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip

_NOT_GIVEN: Any = np._NoValue

# ---- equations and inverses ----


@implements(np.linalg.solve)
def solve(a: ArrayLike, b: ArrayLike) -> Array:
    """The solutions x of a x = b, for square matrices a (…, m, m) and b (m,), or b (…, m, n); leading axes are broadcast.

    Raises numpy.linalg.LinAlgError for a singular matrix, in compiled programs too.

    >>> import functrans as ft
    >>> ft.jit(np.linalg.solve)(np.array([[2.0, 0.0], [0.0, 4.0]]), np.ones(2))
    array([0.5 , 0.25])
    """
    (x, y), dtype = in_double("solve", a, b)
    check_square(x)
    is_vector = aval_of(y).ndim == 1
    y = expand_dims(y, (1,)) if is_vector else y
    check_stacked(y)
    if shape_of(x)[-1] != shape_of(y)[-2]:
        raise ValueError(f"solve: {shape_of(x)[-1]} unknowns, and right sides of length {shape_of(y)[-2]}")
    out = from_double(ops_solve.solve(*same_stack("solve", x, y)), dtype)
    return squeeze(out, (aval_of(out).ndim - 1,)) if is_vector else out


@implements(np.linalg.inv)
def inv(a: ArrayLike) -> Array:
    """The inverses of square matrices. Raises numpy.linalg.LinAlgError for a singular one."""
    (x,), dtype = in_double("inv", a)
    check_square(x)
    return from_double(ops_solve.inv(x), dtype)


@implements(np.linalg.pinv)
def pinv(
    a: ArrayLike, rcond: float | None = None, hermitian: bool = False, *, rtol: Any = _NOT_GIVEN
) -> Array:  # Any: a number, None, or NumPy's mark of what is not given
    """The pseudo-inverses of matrices; singular values of at most rcond times the largest count as 0.

    The derivative is that at constant rank. `hermitian` changes nothing but NumPy's way of computing it.
    """
    if rcond is not None and rtol is not _NOT_GIVEN:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    (x,), dtype = in_double("pinv", a)
    check_stacked(x)
    relative = 1e-15 if rtol is _NOT_GIVEN else rtol
    if relative is None:
        relative = max(shape_of(x)[-2:]) * float(np.finfo(dtype).eps)
    if is_empty(x):
        return astype(shapes.matrix_transpose(x), dtype)
    return from_double(ops_svd.pinv(x, float(relative if rcond is None else rcond)), dtype)


@implements(np.linalg.lstsq)
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> tuple[Array, Array, Array, Array]:
    """The shortest x for which |b - a x| is least, with the squares of these lengths, the rank of a and its singular values.

    The squares are given for m > n, whatever the rank, as shapes do not depend on values; for m <= n there are none. Derivatives
    are those at constant rank. Raises numpy.linalg.LinAlgError for what are no matrices.
    """
    (x, y), dtype = in_double("lstsq", a, b)
    is_vector = aval_of(y).ndim == 1
    y = expand_dims(y, (1,)) if is_vector else y
    for one in (x, y):
        if aval_of(one).ndim != 2:
            raise LinAlgError(f"{aval_of(one).ndim}-dimensional array given. Array must be two-dimensional")
    m, n = shape_of(x)
    if m != shape_of(y)[0]:
        raise LinAlgError("Incompatible dimensions")
    relative = float(np.finfo(np.float64).eps) * max(m, n) if rcond is None else float(rcond)
    values = svdvals(x)
    solution = (
        product_of(ops_svd.pinv(x, relative), y) if min(m, n) else np.zeros((n, shape_of(y)[1]), aval_of(y).dtype)
    )
    rest = y - product_of(x, solution)
    squares = np.sum(np.abs(rest) ** 2, axis=0) if m > n else np.zeros(0)
    rank = astype(np.sum(values > relative * np.max(values, initial=0)), np.int32)
    found = from_double(solution, dtype)
    kind = real_of(dtype)
    return squeeze(found, (1,)) if is_vector else found, astype(squares, kind), rank, astype(values, kind)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: ArrayLike, b: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """The x for which the sum over x's axes, the last ones of a, is b; `axes` of a are moved to its end first."""
    x, y = strong(a, "tensorsolve"), strong(b, "tensorsolve")
    ndim = aval_of(x).ndim
    order = list(range(ndim))
    for axis in axes or ():
        order.remove(axis)
        order.append(axis)
    x = transpose(x, order)
    shape = shape_of(x)[aval_of(y).ndim :] if ndim > aval_of(y).ndim else ()
    count = prod(shape)
    if aval_of(x).size != count**2:
        raise LinAlgError("Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])")
    return reshape(solve(reshape(x, (count, count)), np.ravel(y)), shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: ArrayLike, ind: int = 2) -> Array:
    """The inverse of a as a linear map from its axes behind the first `ind` to these."""
    x = strong(a, "tensorinv")
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = shape_of(x)
    return reshape(inv(reshape(x, (prod(shape[ind:]), -1))), (*shape[ind:], *shape[:ind]))


# ---- determinants ----


@implements(np.linalg.det)
def det(a: ArrayLike) -> Array:
    """The determinants of square matrices; the derivative exists at singular ones too.

    >>> import functrans as ft
    >>> ft.grad(np.linalg.det)(np.array([[1.0, 2.0], [2.0, 4.0]])).round(12)
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    (x,), dtype = in_double("det", a)
    check_square(x)
    return from_double(ops_solve.det(x), dtype)


@implements(np.linalg.slogdet)
def slogdet(a: ArrayLike) -> SlogdetResult:
    """Sign and logarithm of the magnitude of the determinants of square matrices; 0 and -inf for singular ones.

    Differentiating at a singular matrix raises numpy.linalg.LinAlgError.
    """
    (x,), dtype = in_double("slogdet", a)
    check_square(x)
    sign, log = ops_solve.slogdet(x)
    return SlogdetResult(from_double(sign, dtype), astype(log, real_of(dtype)))


# ---- factors ----


@implements(np.linalg.cholesky)
def cholesky(a: ArrayLike, /, *, upper: bool = False) -> Array:
    """The lower L with L Lᴴ = a, or the upper U with Uᴴ U = a, of positive definite matrices, of which one triangle is read.

    Derivatives are those of Hermitian matrices. Raises numpy.linalg.LinAlgError for others that are not positive definite, in
    compiled programs too.
    """
    (x,), dtype = in_double("cholesky", a)
    check_square(x)
    factor = from_double(ops_cholesky.cholesky(adjoint(x) if upper else x), dtype)
    return adjoint(factor) if upper else factor


Mode = Literal["reduced", "complete", "r", "raw"]


@overload
def _qr(a: ArrayLike, mode: Literal["reduced", "complete"] = "reduced") -> QRResult: ...
@overload
def _qr(a: ArrayLike, mode: Literal["r"]) -> Array: ...
@overload
def _qr(a: ArrayLike, mode: Mode) -> QRResult | Array: ...
def _qr(a: ArrayLike, mode: Mode = "reduced") -> QRResult | Array:
    """Q with orthonormal columns and upper triangular R, whose product is a; Q square for mode "complete"; "r": R alone.

    Of a matrix with more columns than rows the first ones decide on Q. Mode "raw", LAPACK's own, is not for traced values.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ParameterError("qr", f"mode={mode!r} for a traced value", '"reduced", "complete" or "r"')
    (x,), dtype = in_double("qr", a)
    check_stacked(x)
    m, n = shape_of(x)[-2:]
    axis = aval_of(x).ndim - 1
    square = x if m >= n else slice_in_dim(x, 0, m, axis=axis)
    q, r = ops_qr.qr(square, full=mode == "complete")
    if m < n:
        r = np.concatenate([r, product_of(adjoint(q), slice_in_dim(x, m, None, axis=axis))], axis)
    return from_double(r, dtype) if mode == "r" else QRResult(from_double(q, dtype), from_double(r, dtype))


qr = implements(np.linalg.qr)(_qr)


@implements(np.linalg.svd)
def svd(
    a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> SVDResult | Array:
    """U, s and Vᴴ of matrices, s descending; U and Vᴴ square, or thin with full_matrices=False; s alone with compute_uv=False.

    Derivatives are for functions that do not depend on what is arbitrary in the vectors: signs or phases, and the basis where
    singular values are equal.

    >>> import functrans as ft
    >>> ft.grad(lambda a: np.linalg.svd(a, compute_uv=False).sum())(np.diag([3.0, 3.0]))
    array([[1., 0.],
           [0., 1.]])
    """
    (x,), dtype = in_double("svd", a)
    if hermitian:
        return _hermitian_svd(astype(x, dtype), compute_uv)
    check_stacked(x)
    if not compute_uv:
        return _values(x, dtype)
    u, s, vh = ops_svd.svd(x, full=full_matrices)
    return SVDResult(from_double(u, dtype), astype(s, real_of(dtype)), from_double(vh, dtype))


def _values(x: Array, dtype: DType) -> Array:
    return astype(ops_svd.svd_p.bind(x, full=False, vectors=False)[0], real_of(dtype))


def _hermitian_svd(x: Array, compute_uv: bool) -> SVDResult | Array:
    """By eigenvalues, whose signs go to V."""
    if not compute_uv:
        return np.sort(np.abs(eigvalsh(x)))[..., ::-1]
    values, vectors = eigh(x)
    sign = np.copysign(np.ones_like(values), values)
    order = np.argsort(np.abs(values), axis=-1)[..., ::-1]
    sign, s = (np.take_along_axis(v, order, -1) for v in (sign, np.abs(values)))
    u = np.take_along_axis(vectors, order[..., None, :], -1)
    return SVDResult(u, s, adjoint(u * sign[..., None, :]))


@implements(np.linalg.svdvals)
def svdvals(x: ArrayLike, /) -> Array:
    """The singular values of matrices, descending."""
    (array,), dtype = in_double("svdvals", x)
    check_stacked(array)
    return _values(array, dtype)


# ---- eigenvalues ----

Triangle = Literal["L", "U", "l", "u"]


def _is_lower(triangle: str) -> bool:
    if triangle.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return triangle.upper() == "L"


@implements(np.linalg.eigh)
def eigh(a: ArrayLike, UPLO: Triangle = "L") -> EighResult:
    """Eigenvalues, ascending, and eigenvectors, in columns, of Hermitian matrices, of which one triangle is read.

    Derivatives are those of Hermitian matrices, for functions that do not depend on what is arbitrary in the vectors.
    """
    lower = _is_lower(UPLO)
    (x,), dtype = in_double("eigh", a)
    check_square(x)
    w, v = eigen.eigh(x, lower=lower)
    return EighResult(astype(w, real_of(dtype)), from_double(v, dtype))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: ArrayLike, UPLO: Triangle = "L") -> Array:
    """The eigenvalues, ascending, of Hermitian matrices."""
    lower = _is_lower(UPLO)
    (x,), dtype = in_double("eigvalsh", a)
    check_square(x)
    return astype(eigen.eigh_p.bind(x, lower=lower, vectors=False)[0], real_of(dtype))


@implements(np.linalg.eig)
def eig(a: ArrayLike) -> EigResult:
    """Eigenvalues and eigenvectors of square matrices.

    Of traced matrices they are always complex: NumPy makes them real where all of a stack are, which depends on values.
    """
    (x,), dtype = in_double("eig", a)
    check_square(x)
    w, v = (astype(out, _complex_of(dtype)) for out in eigen.eig(x))
    return EigResult(w, v)


@implements(np.linalg.eigvals)
def eigvals(a: ArrayLike) -> Array:
    """The eigenvalues of square matrices; of traced ones always complex, as in `eig`."""
    (x,), dtype = in_double("eigvals", a)
    check_square(x)
    return astype(eigen.eig_p.bind(x, vectors=False)[0], _complex_of(dtype))


def _complex_of(dtype: np.dtype[np.generic]) -> type[np.complexfloating]:
    return np.complex64 if real_of(dtype) == np.float32 else np.complex128


# ---- products ----


@implements(np.linalg.matrix_power)
def matrix_power(a: ArrayLike, n: SupportsIndex) -> Array:
    """Square matrices to a power, by squaring; a negative one takes the inverse."""
    x = strong(a, "matrix_power")
    check_square(x)
    try:
        power = index(n)
    except TypeError:
        raise TypeError("exponent must be an integer") from None
    if power == 0:
        shape = shape_of(x)
        return products.matmul(np.zeros_like(x), x) + generate.eye(aval_of(x).dtype, shape[-2:])
    if power < 0:
        x, power = inv(x), -power
    out = None
    while power:
        if power & 1:
            out = x if out is None else products.matmul(out, x)
        power >>= 1
        x = products.matmul(x, x) if power else x
    assert out is not None
    return out


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[ArrayLike]) -> Array:
    """The product of several matrices, in the order that takes the fewest multiplications; the ends may be vectors."""
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    factors = [strong(x, "multi_dot") for x in arrays]
    is_row, is_column = (aval_of(factors[i]).ndim == 1 for i in (0, -1))
    if len(factors) == 2:
        return products.dot(*factors)
    factors[0] = expand_dims(factors[0], (0,)) if is_row else factors[0]
    factors[-1] = expand_dims(factors[-1], (1,)) if is_column else factors[-1]
    for x in factors:
        if aval_of(x).ndim != 2:
            raise LinAlgError(f"{aval_of(x).ndim}-dimensional array given. Array must be two-dimensional")
    out = _chain(factors)
    return squeeze(out, [axis for axis, gone in enumerate((is_row, is_column)) if gone])


def _chain(factors: Sequence[Array]) -> Array:
    """The product by dynamic programming: for each run of factors its cost and where it is cut last."""
    sizes = [shape_of(factors[0])[0], *(shape_of(x)[1] for x in factors)]
    costs: dict[tuple[int, int], tuple[float, int]] = {(i, i): (0.0, i) for i in range(len(factors))}
    for length in range(1, len(factors)):
        for i in range(len(factors) - length):
            j = i + length
            costs[i, j] = (inf, i)
            for k in range(i, j):
                cost = costs[i, k][0] + costs[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                costs[i, j] = min(costs[i, j], (cost, k), key=lambda found: found[0])

    def product(i: int, j: int) -> Array:
        k = costs[i, j][1]
        return factors[i] if i == j else products.dot(product(i, k), product(k + 1, j))

    return product(0, len(factors) - 1)


# ---- NumPy's names for functions that stand elsewhere too ----

matmul = implements(np.linalg.matmul)(products.matmul)
matrix_transpose = implements(np.linalg.matrix_transpose)(shapes.matrix_transpose)
vecdot = implements(np.linalg.vecdot)(products.vecdot)


@implements(np.linalg.tensordot)
def tensordot(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    *,
    axes: int | tuple[SupportsIndex | Sequence[int], SupportsIndex | Sequence[int]] = 2,
) -> Array:
    """The product summed over the last axes of x1 with the first of x2, or over pairs of axes."""
    return products.tensordot(x1, x2, axes)


@implements(np.linalg.outer)
def outer(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The products of all pairs of elements of two vectors."""
    x, y = strong(x1, "outer"), strong(x2, "outer")
    if aval_of(x).ndim != 1 or aval_of(y).ndim != 1:
        raise ValueError(
            f"Input arrays must be one-dimensional, but they are x1.ndim={aval_of(x).ndim} and x2.ndim={aval_of(y).ndim}."
        )
    return products.outer(x, y)


@implements(np.linalg.cross)
def cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Array:
    """The cross products of vectors of three components along an axis."""
    x, y = strong(x1, "cross"), strong(x2, "cross")
    sizes = shape_of(x)[axis], shape_of(y)[axis]
    if sizes != (3, 3):
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
            f"{sizes[0]} and {sizes[1]} dimensional instead."
        )
    return products.cross(x, y, axis=axis)


@implements(np.linalg.trace)
def trace(x: ArrayLike, /, *, offset: SupportsIndex = 0, dtype: DTypeLike | None = None) -> Array:
    """The sums of the diagonals of matrices, the last two axes."""
    return creation.trace(x, index(offset), -2, -1, dtype)


@implements(np.linalg.diagonal)
def diagonal(x: ArrayLike, /, *, offset: SupportsIndex = 0) -> Array:
    """The diagonals of matrices, the last two axes."""
    return creation.diagonal(x, index(offset), -2, -1)
