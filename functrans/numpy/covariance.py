"""How variables go together: cov, corrcoef. Imports ops, the promotion rules and `statistics`; start reading at `cov`."""

from __future__ import annotations

import numpy as np

from functrans.core.primitive import aval_of, is_concrete
from functrans.numpy.creation import diagonal
from functrans.numpy.dispatch import implements
from functrans.numpy.joining import concatenate
from functrans.numpy.operands import FLOAT64, shape_of, strong
from functrans.numpy.products import matmul
from functrans.numpy.promotion import as_operand, astype
from functrans.numpy.reductions import sum
from functrans.numpy.selection import clip
from functrans.numpy.shapes import expand_dims, reshape, squeeze, transpose
from functrans.numpy.statistics import average
from functrans.ops.complex import imag, real
from functrans.typing import Array, ArrayLike, DType, DTypeLike

__all__ = ["corrcoef", "cov"]


def _variables(a: ArrayLike, dtype: DType, rowvar: bool, name: str) -> Array:
    """The variables as rows of a matrix; a vector is one variable."""
    x = strong(a, "cov")
    if aval_of(x).ndim > 2:
        raise ValueError(f"{name} has more than 2 dimensions")
    rows = astype(reshape(x, (1, -1)) if aval_of(x).ndim < 2 else x, dtype)
    is_row = aval_of(x).ndim == 1 if name == "m" else shape_of(rows)[0] == 1
    return rows if rowvar or is_row else transpose(rows)


def _weights(given: ArrayLike, count: int, name: str) -> Array:
    """`fweights` or `aweights` as float64; raises what NumPy does, for values where they are known."""
    weights = astype(as_operand(given), FLOAT64)
    if is_concrete(weights) and name == "fweights" and not np.all(weights == np.around(weights)):
        raise TypeError("fweights must be integer")
    if aval_of(weights).ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if shape_of(weights) != (count,):
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    if is_concrete(weights) and np.any(weights < 0):
        raise ValueError(f"{name} cannot be negative")
    return weights


@implements(np.cov)
def cov(
    m: ArrayLike,
    y: ArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Array:
    """The covariances of variables, which are the rows of `m` and `y` (the columns, unless `rowvar`).

    Divided by the number of observations less `ddof`, which is 1, or 0 with `bias`; `fweights` say how often each was made,
    `aweights` how much it counts.

    >>> import functrans as ft
    >>> ft.grad(lambda x: np.cov(x, np.array([1.0, 2.0]))[0, 1])(np.array([0.0, 3.0]))
    array([-0.5,  0.5])
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    given = [("m", m), *([] if y is None else [("y", y)])]
    to = (
        np.dtype(dtype)
        if dtype is not None
        else np.result_type(*(aval_of(strong(v, "cov")).dtype for _, v in given), FLOAT64)
    )
    parts = [_variables(value, to, rowvar, name) for name, value in given]
    if not shape_of(parts[0])[0]:
        return np.empty((0, 0))
    x = concatenate(parts, 0)
    count = shape_of(x)[1]
    often = None if fweights is None else _weights(fweights, count, "fweights")
    much = None if aweights is None else _weights(aweights, count, "aweights")
    weights = often if much is None else much if often is None else often * much
    center, total = average(x, 1, weights, returned=True)
    centered = x - expand_dims(center, (1,))
    scaled = centered if weights is None else centered * weights
    less: Array | int = (0 if bias else 1) if ddof is None else ddof
    if much is not None and less:
        less = less * sum(weights * much) / total[0]
    degrees = (count if weights is None else real(total[0])) - less
    products = matmul(centered, np.conj(transpose(scaled)))
    covariances: Array = astype(products * np.true_divide(1, np.maximum(degrees, 0)), to)
    return squeeze(covariances)


@implements(np.corrcoef)
def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True, *, dtype: DTypeLike | None = None) -> Array:
    """The coefficients of correlation of variables, whose covariances `cov` gives: from -1 to 1."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(c):
        one: Array = c / c  # NaN where that says nothing
        return one
    deviation = np.sqrt(real(diagonal(c)))
    c = c / expand_dims(deviation, (1,)) / expand_dims(deviation, (0,))
    if aval_of(c).dtype.kind != "c":
        return clip(c, -1, 1)
    both: Array = clip(real(c), -1, 1) + 1j * clip(imag(c), -1, 1)
    return both
