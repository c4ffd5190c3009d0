"""functrans.scipy.linalg: SciPy's linear algebra as JAX has it, in functions that can be traced: factors, equations, `expm`.

What numpy.linalg has too is that. Matrices are the last two axes. Imports functrans.numpy.linalg, ops and control; start reading
at `solve_triangular`.
"""

from __future__ import annotations

from functools import reduce
from typing import Literal

import numpy as np

import functrans.numpy as fnp
from functrans.control.loop import fori_loop
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy import linalg
from functrans.numpy.linalg import det, inv
from functrans.numpy.matrices import check_square, check_stacked, from_double, in_double, same_stack
from functrans.numpy.operands import shape_of, strong
from functrans.ops.cholesky import triangular_solve
from functrans.ops.complex import conj
from functrans.ops.matrices import identity, matmul
from functrans.ops.shape import expand_dims, squeeze
from functrans.typing import Array, ArrayLike

__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "det", "expm", "inv", "solve", "solve_triangular", "toeplitz",
]  # fmt: skip

# ---- equations ----

Trans = Literal[0, 1, 2, "N", "T", "C"]


def solve_triangular(
    a: ArrayLike, b: ArrayLike, trans: Trans = 0, lower: bool = False, unit_diagonal: bool = False
) -> Array:
    """The x with a x = b (trans 0 or "N"), aᵀ x = b (1, "T") or aᴴ x = b (2, "C"), for triangular a (…, m, m).

    b is (m,), or (…, m, n); leading axes are broadcast. Only one triangle of a is read. A zero on the diagonal makes infinities
    and NaN, where SciPy raises an error.

    >>> solve_triangular(np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([2.0, 3.0]), lower=True)
    array([1., 2.])
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ParameterError("solve_triangular", f"trans={trans!r}", '0, 1, 2, "N", "T" or "C"')
    (x, y), dtype = in_double("solve_triangular", a, b)
    check_square(x)
    is_vector = aval_of(y).ndim == 1
    y = expand_dims(y, (1,)) if is_vector else y
    check_stacked(y)
    x, y = same_stack("solve_triangular", conj(x) if trans in (2, "C") else x, y)
    out = from_double(triangular_solve(x, y, lower=lower, transposed=trans not in (0, "N"), unit=unit_diagonal), dtype)
    return squeeze(out, (aval_of(out).ndim - 1,)) if is_vector else out


def cholesky(a: ArrayLike, lower: bool = False) -> Array:
    """The upper U with Uᴴ U = a, or the lower L with L Lᴴ = a, of positive definite matrices, of which that triangle is read."""
    return linalg.cholesky(a, upper=not lower)


def cho_factor(a: ArrayLike, lower: bool = False) -> tuple[Array, bool]:
    """What `cho_solve` takes: the factor, and which one it is."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: tuple[ArrayLike, bool], b: ArrayLike) -> Array:
    """The x with a x = b, by the factor of a.

    >>> cho_solve(cho_factor(np.diag([4.0, 1.0])), np.ones(2))
    array([0.25, 1.  ])
    """
    factor, lower = c_and_lower
    first, then = ("N", "C") if lower else ("C", "N")
    return solve_triangular(factor, solve_triangular(factor, b, first, lower), then, lower)  # type: ignore[arg-type]  # of Trans


def solve(
    a: ArrayLike, b: ArrayLike, lower: bool = False, assume_a: Literal["gen", "sym", "her", "pos"] = "gen"
) -> Array:
    """The x with a x = b: by Cholesky's factor if `assume_a` is "pos", of which the triangle that `lower` says is read.

    "sym" and "her" are done as "gen": what is promised of a saves nothing. Raises numpy.linalg.LinAlgError for a singular matrix.
    """
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ParameterError("solve", f"assume_a={assume_a!r}", '"gen", "sym", "her" or "pos"')
    return cho_solve(cho_factor(a, lower), b) if assume_a == "pos" else linalg.solve(a, b)


# ---- functions of matrices ----

_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
    670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
"""Of the quotient of two polynomials of degree 13 that is the exponential to double precision up to the norm below."""
_NORM = 5.371920351148152


def expm(A: ArrayLike) -> Array:
    """The exponential of square matrices (…, n, n), by scaling, a Padé approximant of degree 13 and squaring (N. Higham, 2005).

    >>> expm(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]])
    """
    (x,), dtype = in_double("expm", A)
    check_square(x)
    if not shape_of(x)[-1]:
        return strong(A, "expm")
    norm = fnp.max(fnp.sum(fnp.abs(x), -2))
    ratio = fnp.log2(fnp.maximum(norm, _NORM) / _NORM)
    squarings = fnp.astype(fnp.ceil(fnp.where(fnp.isfinite(ratio), ratio, 0.0)), np.int64)
    scaled = x / fnp.exp2(fnp.astype(squarings, np.float64))
    out: Array = fori_loop(0, squarings, lambda _, power: matmul(power, power), _quotient(scaled))
    return from_double(out, dtype)


def _quotient(x: Array) -> Array:
    """The approximant q(-x)⁻¹ q(x), of which even and odd powers are taken apart."""
    one, x2 = identity(x), matmul(x, x)
    x4 = matmul(x2, x2)
    x6 = matmul(x4, x2)

    def part(first: int) -> Array:
        """Every other term of the polynomial, without a factor x for odd ones."""
        low = [_PADE[first + 2 * i] * power for i, power in enumerate((one, x2, x4, x6))]
        high = [_PADE[first + 8 + 2 * i] * power for i, power in enumerate((x2, x4, x6))]
        total: Array = reduce(np.add, low) + matmul(x6, reduce(np.add, high))
        return total

    odd, even = matmul(x, part(1)), part(0)
    return linalg.solve(even - odd, even + odd)


# ---- matrices made of parts ----


def block_diag(*arrs: ArrayLike) -> Array:
    """The matrix with these ones along its diagonal, zeros elsewhere; vectors are rows.

    >>> block_diag(np.ones((1, 2)), 3.0)
    array([[1., 1., 0.],
           [0., 0., 3.]])
    """
    blocks = [x if aval_of(x).ndim > 1 else fnp.reshape(x, (1, -1)) for x in (strong(x, "block_diag") for x in arrs)]
    blocks = blocks or [np.zeros((1, 0))]
    widths = [shape_of(x)[1] for x in blocks]
    rows = []
    for i, x in enumerate(blocks):
        if aval_of(x).ndim != 2:
            raise ParameterError("block_diag", f"an array of shape {shape_of(x)}", "at most two dimensions")
        before, after = sum(widths[:i]), sum(widths[i + 1 :])
        rows.append(fnp.pad(x, ((0, 0), (before, after))))
    return fnp.concatenate(rows)


def toeplitz(c: ArrayLike, r: ArrayLike | None = None) -> Array:
    """The matrix with constant diagonals whose first column is c, and whose first row is r but for its first element.

    >>> toeplitz(np.array([1.0, 2.0]), np.array([9.0, 3.0, 4.0]))
    array([[1., 3., 4.],
           [2., 1., 3.]])
    """
    column = fnp.ravel(c)
    row = fnp.conj(column) if r is None else fnp.ravel(r)
    m, n = aval_of(column).size, aval_of(row).size
    values = fnp.concatenate([fnp.flip(column), row[1:]])
    return fnp.take(values, np.arange(m)[::-1, None] + np.arange(n))
