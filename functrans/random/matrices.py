"""Random vectors and matrices that take linear algebra: multivariate normal ones, orthogonal ones.

NumPy's LAPACK does it, also for compiled programs, which call back. Imports external, `normal` and `sampling`; start reading
at `multivariate_normal`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any, Literal, cast

import numpy as np

import functrans.numpy as fnp
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.external_function import external
from functrans.random.normal import standard_normal
from functrans.random.sampling import ShapeLike, as_dtype, as_shape, common_shape, number, sample, spread
from functrans.transforms.make_jaxpr import ShapeDtypeStruct
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = ["multivariate_normal", "orthogonal"]

Method = Literal["cholesky", "eigh", "svd"]

# ---- factors ----


def _like(matrix: ShapeDtypeStruct) -> ShapeDtypeStruct:
    return ShapeDtypeStruct(matrix.shape, matrix.dtype)


def _transposed(x: Array) -> Array:
    return fnp.swapaxes(x, -1, -2)


_inverse = external(
    np.linalg.inv,
    result_shape=_like,
    vmap="vectorized",
    vjp=lambda ct, out, x: (-_transposed(out) @ ct @ _transposed(out),),
    jvp=lambda tangents, out, x: -out @ tangents[0] @ out,
)


def _lower_half(x: Array) -> Array:
    """The lower triangle, with half of the diagonal."""
    size, dtype = x.shape[-1], x.dtype
    return fnp.multiply(x, np.tri(size, dtype=dtype) - np.eye(size, dtype=dtype) / number(2, dtype))


def _push_cholesky(tangents: tuple[Array], out: Array, _matrix: Array) -> Array:
    inverse = _inverse(out)
    return out @ _lower_half(inverse @ tangents[0] @ _transposed(inverse))


def _pull_cholesky(ct: Array, out: Array, _matrix: Array) -> tuple[Array]:
    inverse = _inverse(out)
    pulled = _transposed(inverse) @ _lower_half(_transposed(out) @ ct) @ inverse
    return ((pulled + _transposed(pulled)) * number(0.5, out.dtype),)


_cholesky = external(np.linalg.cholesky, result_shape=_like, vmap="vectorized", vjp=_pull_cholesky, jvp=_push_cholesky)


def _root(values: Array, vectors: Array) -> Array:
    return vectors * np.sqrt(values)[..., None, :]


_eigen_factor = external(lambda matrix: _root(*np.linalg.eigh(matrix)), result_shape=_like, vmap="vectorized")
_singular_factor = external(lambda matrix: _root(*np.linalg.svd(matrix)[1::-1]), result_shape=_like, vmap="vectorized")
# Any: of external functions, whose wrapped ones have overloads
_FACTORS: dict[str, Callable[..., Any]] = {"cholesky": _cholesky, "eigh": _eigen_factor, "svd": _singular_factor}

# ---- multivariate normal ----


def multivariate_normal(
    key: ArrayLike,
    mean: ArrayLike,
    cov: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike | None = None,
    method: Method = "cholesky",
) -> Array:
    """Random normal vectors, along the last axis, with a mean of shape (…, n) and a covariance matrix of shape (…, n, n).

    The result has `shape`, or the shape that the other axes broadcast to, and then n. The dtype is floating: the one that
    mean and cov have in common if none is given. method: how a factor of cov is found: "cholesky" of one that is positive
    definite (else numpy.linalg.LinAlgError), "eigh" or "svd" also of a singular one; only the first has a derivative by cov.
    Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> multivariate_normal(random.key(0), np.zeros(2), np.eye(2))
    array([-0.20584214, -0.78476578])
    """
    name, (vector, matrix) = "multivariate_normal", (aval_of(mean), aval_of(cov))
    if not vector.shape or matrix.shape[-2:] != vector.shape[-1:] * 2 or method not in _FACTORS:
        got = f"a mean of type {vector}, a covariance of type {matrix} and method={method!r}"
        raise ParameterError(name, got, 'a vector and a square matrix, and "cholesky", "eigh" or "svd"')
    common = np.result_type(vector.dtype, matrix.dtype)
    kind = as_dtype(name, dtype, "f", common if common.kind == "f" else np.float64)
    batches = (np.empty(batch, np.bool_) for batch in (vector.shape[:-1], matrix.shape[:-2]))
    sizes = common_shape(name, shape, *batches)
    return sample(name, _multivariate_normal, key, mean, cov, shape=sizes, dtype=kind, method=method)


def _multivariate_normal(
    key: Array, mean: ArrayLike, cov: ArrayLike, *, shape: Shape, dtype: DType, method: Method
) -> Array:
    center, matrix = (spread("multivariate_normal", x, aval_of(x).shape, dtype) for x in (mean, cov))
    factor: Array = _FACTORS[method]((matrix + _transposed(matrix)) / number(2, dtype))
    draws = standard_normal(key, shape=(*shape, center.shape[-1]), dtype=dtype)
    return fnp.add(center, (factor @ draws[..., None])[..., 0])


# ---- orthogonal ----


def _factors(matrix: Array) -> Array:
    q, r = np.linalg.qr(matrix)
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)
    return cast(Array, q * np.sign(diagonal)[..., None, :])


_orthonormal = external(_factors, result_shape=_like, vmap="vectorized")


def orthogonal(
    key: ArrayLike, n: int, shape: ShapeLike = (), dtype: DTypeLike | None = None, m: int | None = None
) -> Array:
    """Random orthogonal matrices, unitary ones for a complex dtype, each as likely as any other: of shape (*shape, n, m).

    m is n if it is not given; of two that differ the longer axis holds orthonormal vectors' elements. float64 if no dtype
    is given. From the QR factors of normal numbers, of which R's diagonal is made positive (F. Mezzadri, 2007). Raises
    ParameterError for what does not fit.

    >>> from functrans import random
    >>> q = orthogonal(random.key(0), 3)
    >>> bool(np.allclose(q @ q.T, np.eye(3)))
    True
    """
    rows, columns = as_shape("orthogonal", (index(n), index(n if m is None else m)))
    kind = as_dtype("orthogonal", dtype, "fc", np.float64)
    sizes = as_shape("orthogonal", shape)
    return sample("orthogonal", _orthogonal, key, shape=sizes, rows=rows, columns=columns, dtype=kind)


def _orthogonal(key: Array, *, shape: Shape, rows: int, columns: int, dtype: DType) -> Array:
    tall = (*shape, max(rows, columns), min(rows, columns))
    q = _orthonormal(standard_normal(key, shape=tall, dtype=dtype))
    return _transposed(q) if rows < columns else q
