"""Polynomials as vectors of coefficients, the highest power first: their values, sums, products, derivatives, roots and fits.

NumPy takes zeros off the front of a product's factors and of a remainder, and off both ends before it looks for roots. How many
there are depends on values: where these are not known, `trim_leading_zeros=False` or `strip_zeros=False` leaves them on. Imports
the promotion rules, `products` and `linalg`; start reading at `polyval`.
"""

from __future__ import annotations

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ValueDependentShapeError
from functrans.numpy.creation import vander
from functrans.numpy.dispatch import implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.joining import concatenate
from functrans.numpy.linalg import eigvals, lstsq
from functrans.numpy.operands import known, shape_of, strong
from functrans.numpy.products import convolve
from functrans.numpy.promotion import astype
from functrans.numpy.shapes import reshape
from functrans.typing import Array, ArrayLike

__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots"]

_TRIMS = ("trim_leading_zeros",)


def _coefficients(p: ArrayLike, name: str) -> Array:
    x = strong(p, name)
    return x if aval_of(x).ndim else reshape(x, (1,))


@implements(np.polyval)
def polyval(p: ArrayLike, x: ArrayLike) -> Array:
    """The polynomial at `x`, by Horner's rule.

    >>> import functrans as ft
    >>> float(ft.grad(np.polyval, argnums=1)(np.array([1.0, 0.0, 2.0]), 3.0))  # of x² + 2
    6.0
    """
    p, x = strong(p, "polyval"), strong(x, "polyval")
    y: Array = np.zeros(shape_of(x), aval_of(x).dtype)
    for coefficient in p:
        y = y * x + coefficient
    return y


def _aligned(a1: ArrayLike, a2: ArrayLike, name: str) -> tuple[Array, Array]:
    """With zeros in front of the shorter one."""
    first, second = _coefficients(a1, name), _coefficients(a2, name)
    most = max(len(first), len(second))
    padded = [
        concatenate([np.zeros(most - len(a), aval_of(a).dtype), a]) if len(a) < most else a for a in (first, second)
    ]
    return padded[0], padded[1]


@implements(np.polyadd)
def polyadd(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The sum of two polynomials."""
    first, second = _aligned(a1, a2, "polyadd")
    return first + second


@implements(np.polysub)
def polysub(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The difference of two polynomials."""
    first, second = _aligned(a1, a2, "polysub")
    return first - second


def _unknown(name: str, argument: str, keyword: str) -> Exception:
    fix = f"Write functrans.numpy.{name}(…, {keyword}=False): what is zero there then stays."
    return ValueDependentShapeError(name, argument, fix, user_line())


def _trimmed(p: Array, is_zero: Array, name: str, argument: str) -> Array:
    """Without the zeros in front; the last coefficient stays."""
    told = known(is_zero)
    if told is None:
        raise _unknown(name, argument, _TRIMS[0])
    rest = np.flatnonzero(~told)
    return p[int(rest[0]) if len(rest) else len(p) - 1 :]


@implements(np.polymul, more=_TRIMS)
def polymul(a1: ArrayLike, a2: ArrayLike, *, trim_leading_zeros: bool = True) -> Array:
    """The product of two polynomials."""
    factors = [_coefficients(a, "polymul") for a in (a1, a2)]
    if trim_leading_zeros:
        factors = [_trimmed(a, a == 0, "polymul", "a1, a2") for a in factors]
    return convolve(factors[0], factors[1])


@implements(np.polydiv, more=_TRIMS)
def polydiv(u: ArrayLike, v: ArrayLike, *, trim_leading_zeros: bool = True) -> tuple[Array, Array]:
    """The quotient of two polynomials and the remainder."""
    u, v = _coefficients(u, "polydiv") + 0.0, _coefficients(v, "polydiv") + 0.0
    dtype = np.result_type(aval_of(u).dtype, aval_of(v).dtype)
    degree, scale, rest = len(v) - 1, 1.0 / v[0], astype(u, dtype)
    quotient = []
    for _ in range(len(u) - degree):
        quotient.append(scale * rest[0])
        rest = concatenate([rest[: degree + 1] - quotient[-1] * v, rest[degree + 1 :]])[1:]
    count = len(quotient)
    rest = concatenate([np.zeros(count, dtype), rest]) if count else rest
    q = np.stack(quotient).astype(dtype) if count else np.zeros(1, dtype)
    if trim_leading_zeros:
        rest = _trimmed(rest, np.abs(rest) <= 1e-8, "polydiv", "u, v")
    return q, rest


@implements(np.polyder)
def polyder(p: ArrayLike, m: int = 1) -> Array:
    """The m-th derivative of a polynomial."""
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    x = strong(p, "polyder")
    for _ in range(m):
        x = x[:-1] * np.arange(len(x) - 1, 0, -1)
    return x


@implements(np.polyint)
def polyint(p: ArrayLike, m: int = 1, k: ArrayLike | None = None) -> Array:
    """The m-th integral of a polynomial; `k` are the constants of integration, one for each, or one for all."""
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(max(m, 1)) if k is None else _coefficients(k, "polyint")
    if len(constants) < m and len(constants) != 1:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    x = strong(p, "polyint")
    for i in range(m):
        constant = constants[i if len(constants) > 1 else 0]
        x = concatenate([x / np.arange(len(x), 0, -1), constant[None]])
    return x


# ---- roots and fits ----


@implements(np.roots, more=("strip_zeros",))
def roots(p: ArrayLike, *, strip_zeros: bool = True) -> Array:
    """The roots of a polynomial, complex as those of traced matrices are: the eigenvalues of its companion matrix.

    Zeros in front and at the end are taken off; where values are not known `strip_zeros=False` leaves them.

    >>> import functrans as ft
    >>> ft.jacfwd(lambda c: np.sort(np.real(np.roots(np.array([1.0, 0.0, 0.0]) - c * np.array([0.0, 0.0, 1.0])))))(4.0)
    array([-0.25,  0.25])
    """
    x = _coefficients(p, "roots")
    if aval_of(x).ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    zeros = 0
    if strip_zeros:
        told = known(x != 0)
        if told is None:
            raise _unknown("roots", "p", "strip_zeros")
        places = np.flatnonzero(told)
        if not len(places):
            return np.zeros(0)
        zeros = len(told) - 1 - int(places[-1])
        x = x[int(places[0]) : len(told) - zeros]
    if len(x) < 2:
        return np.zeros(zeros)
    below = np.eye(len(x) - 2, len(x) - 1)
    found = eigvals(concatenate([(-x[1:] / x[0])[None], below]))
    return concatenate([found, np.zeros(zeros, aval_of(found).dtype)]) if zeros else found


@implements(np.poly)
def poly(seq_of_zeros: ArrayLike) -> Array:
    """The coefficients of the polynomial that has these zeros, or of a matrix's characteristic polynomial.

    NumPy makes them real where zeros come in conjugate pairs, which depends on values: those of complex zeros stay complex.
    """
    x = _coefficients(seq_of_zeros, "poly")
    shape = shape_of(x)
    if len(shape) == 2 and shape[0] == shape[1] != 0:
        x = eigvals(x)
    elif len(shape) != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    x = x if aval_of(x).dtype.char in "fdFD" else astype(x, np.float64)
    one = np.ones(1, aval_of(x).dtype)
    coefficients: Array = one
    for zero in x:
        coefficients = convolve(coefficients, concatenate([one, -zero[None]]))
    return coefficients if len(x) else coefficients[0]


@implements(np.polyfit)
def polyfit(x: ArrayLike, y: ArrayLike, deg: int, rcond: float | None = None, *, w: ArrayLike | None = None) -> Array:
    """The polynomial of degree `deg` that comes nearest to `y` at `x`, by least squares with weights `w`."""
    points, values = strong(x, "polyfit") + 0.0, strong(y, "polyfit") + 0.0
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if aval_of(points).ndim != 1 or not len(points):
        raise TypeError("expected non-empty vector for x")
    if aval_of(values).ndim not in (1, 2) or len(values) != len(points):
        raise TypeError("expected x and y to have same length")
    matrix = vander(points, deg + 1)
    if w is not None:
        weights = strong(w, "polyfit") + 0.0
        if shape_of(weights) != shape_of(points):
            raise TypeError("expected w and y to have the same length")
        matrix = matrix * weights[:, None]
        values = values * (weights[:, None] if aval_of(values).ndim == 2 else weights)
    scale: Array = np.sqrt(np.sum(matrix * matrix, axis=0))
    cutoff = len(points) * float(np.finfo(aval_of(points).dtype).eps) if rcond is None else rcond
    solution = lstsq(matrix / scale, values, cutoff)[0]
    return (solution.T / scale).T
