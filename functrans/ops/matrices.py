"""What the primitives of linear algebra share: products, transposes, triangles and diagonals of stacks of matrices.

The last two axes are a matrix's. A derivative rule gets a cotangent g that is paired by Re(g · t) with tangents; formulas of the
literature are of conj(g), whose pairing is an inner product: `gradient` and `cotangent` go from one to the other. Imports core
and ops; start reading at `batched_alike`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functrans.core.aval import ShapedArray
from functrans.core.primitive import BatchRule, Params, Primitive, Values, aval_of
from functrans.errors import OperandError
from functrans.ops.arithmetic import add, mul
from functrans.ops.broadcast import broadcast_batch, broadcast_in_dim, reduce_sum, zeros
from functrans.ops.cast import convert_element_type
from functrans.ops.complex import conj, real
from functrans.ops.linear_algebra import batch_matmul
from functrans.ops.select import select
from functrans.ops.shape import reshape, transpose
from functrans.typing import Array, DType

__all__ = [
    "adjoint", "as_dtype", "batched_alike", "check_matrices", "columns_scaled", "cotangent", "diagonal", "diagonal_matrix",
    "fold_columns", "gradient", "hermitian_part", "identity", "lower_triangle", "matmul", "rows_scaled", "swapped",
    "upper_triangle",
]  # fmt: skip

_DTYPES = frozenset(np.dtype(code) for code in "dD")


def check_matrices(name: str, *avals: ShapedArray, square: bool = True) -> None:
    """Raise OperandError for what is no stack of matrices in double precision; the first operand's are square."""
    is_square = not square or (avals[0].ndim > 1 and avals[0].shape[-1] == avals[0].shape[-2])
    if not is_square or any(aval.ndim < 2 or aval.dtype not in _DTYPES for aval in avals):
        needs = "square matrices" if square else "matrices"
        raise OperandError(name, [str(aval) for aval in avals], f"{needs} of float64 or complex128")
    if any(aval.dtype != avals[0].dtype or aval.shape[:-2] != avals[0].shape[:-2] for aval in avals):
        raise OperandError(name, [str(aval) for aval in avals], "operands of one dtype with the same leading axes")


def batched_alike(prim: Callable[[], Primitive]) -> BatchRule:
    """The batching rule of a primitive on stacks: one more leading axis of all operands."""

    def batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
        given = (x if has else broadcast_batch(size, x) for x, has in zip(args, batched, strict=True))
        outs = prim().bind(*given, **params)
        return outs, (True,) * len(outs)

    return batch


def fold_columns(prim: Callable[[], Primitive]) -> BatchRule:
    """The batching rule of a primitive that solves A X = B: for one A all right sides become columns of one B."""

    def batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
        if batched[0]:
            return batched_alike(prim)(size, args, batched, params)
        *lead, m, n = aval_of(args[1]).shape[1:]
        rows = len(lead) + 1  # the axis of the rows, with the batch axis before them
        moved = transpose(args[1], (*range(1, rows + 1), 0, rows + 1))
        (out,) = prim().bind(args[0], reshape(moved, (*lead, m, size * n)), **params)
        return (transpose(reshape(out, (*lead, m, size, n)), (rows, *range(rows), rows + 1)),), (True,)

    return batch


# ---- products and transposes ----


def matmul(*factors: Array) -> Array:
    """The product of stacks of matrices that have the same leading axes."""
    product, *others = factors
    for factor in others:
        product = batch_matmul(product, factor)
    return product


def swapped(x: Array) -> Array:
    """The transposed matrices."""
    ndim = aval_of(x).ndim
    return transpose(x, (*range(ndim - 2), ndim - 1, ndim - 2))


def adjoint(x: Array) -> Array:
    """The conjugated and transposed matrices."""
    return conj(swapped(x))


def hermitian_part(x: Array) -> Array:
    """Half the sum of a matrix and its adjoint."""
    return mul(add(x, adjoint(x)), 0.5)


def as_dtype(x: Array, dtype: DType) -> Array:
    """Real or complex, whichever is asked for: of complex numbers the real part."""
    if aval_of(x).dtype.kind == "c" and dtype.kind == "f":
        x = real(x)
    return convert_element_type(x, dtype)


def gradient(ct: Array | None, like: Array) -> Array:
    """The gradient in the sense of inner products that a cotangent is; zeros for none."""
    aval = aval_of(like)
    return zeros(aval.shape, aval.dtype) if ct is None else conj(ct)


def cotangent(gradient: Array, dtype: DType) -> Array:
    """The cotangent that a gradient in the sense of inner products is, for a primal of a dtype."""
    return conj(as_dtype(gradient, dtype))


# ---- parts of matrices ----


def _kept(x: Array, mask: Array) -> Array:
    """The elements where a matrix of booleans is true, zeros elsewhere."""
    aval = aval_of(x)
    full = broadcast_in_dim(mask, aval.shape, (aval.ndim - 2, aval.ndim - 1))
    return select(full, x, zeros(aval.shape, aval.dtype))


def _tri(x: Array, offset: int) -> Array:
    rows, columns = aval_of(x).shape[-2:]
    return np.tri(rows, columns, offset, dtype=np.bool_)


def lower_triangle(x: Array, offset: int = 0) -> Array:
    """What is on and below the diagonal, or the one that is `offset` to the right."""
    return _kept(x, _tri(x, offset))


def upper_triangle(x: Array, offset: int = 0) -> Array:
    """What is on and above the diagonal, or the one that is `offset` to the right."""
    return _kept(x, ~_tri(x, offset - 1))


def diagonal(x: Array) -> Array:
    """The diagonals of square matrices."""
    aval = aval_of(x)
    return reduce_sum(_kept(x, np.eye(aval.shape[-1], dtype=np.bool_)), (aval.ndim - 1,))


def diagonal_matrix(x: Array) -> Array:
    """Matrices with these diagonals, zeros elsewhere."""
    aval = aval_of(x)
    size = aval.shape[-1]
    return _kept(broadcast_in_dim(x, (*aval.shape, size), range(aval.ndim)), np.eye(size, dtype=np.bool_))


def identity(like: Array) -> Array:
    """The identity for each of a stack of square matrices."""
    aval = aval_of(like)
    return broadcast_in_dim(np.eye(aval.shape[-1], dtype=aval.dtype), aval.shape, (aval.ndim - 2, aval.ndim - 1))


def rows_scaled(x: Array, by: Array) -> Array:
    """Each row times an element of a vector."""
    aval = aval_of(x)
    return mul(x, broadcast_in_dim(as_dtype(by, aval.dtype), aval.shape, range(aval.ndim - 1)))


def columns_scaled(x: Array, by: Array) -> Array:
    """Each column times an element of a vector."""
    aval = aval_of(x)
    axes = (*range(aval.ndim - 2), aval.ndim - 1)
    return mul(x, broadcast_in_dim(as_dtype(by, aval.dtype), aval.shape, axes))
