"""How a gamma number moves with its parameter: the derivative of x by a where the distribution function P(a, x) stays.

It is −∂P/∂a over the density. With x^a e⁻ˣ / Γ(a) taken out, P is the sum S of a series and 1 − P a continued fraction C
(Abramowitz and Stegun, 6.5.29 and 6.5.31); both are derived by a along the way. Imports control; start reading at
`gamma_gradient`.
"""

from __future__ import annotations

import numpy as np

import functrans.numpy as fnp
from functrans.control.branch import cond
from functrans.control.loop import while_loop
from functrans.ops.special import digamma, lgamma
from functrans.random.sampling import number
from functrans.transforms.vmap import vmap
from functrans.typing import Array

__all__ = ["gamma_gradient", "incomplete"]

_SMALL = float(np.finfo(np.float64).eps) / 8


def gamma_gradient(a: Array, x: Array) -> Array:
    """The derivative of gamma numbers x by their parameters a, arrays of one floating dtype and one axis."""
    wide = np.dtype(np.float64)
    found = vmap(_one)(a.astype(wide), x.astype(wide))
    return found.astype(a.dtype)


def incomplete(a: Array, x: Array) -> tuple[Array, Array]:
    """P(a, x) and 1 − P(a, x) of positive numbers, float64 of one axis; each is exact where it is the smaller one."""
    return vmap(_both_parts)(a, x)


def _both_parts(a: Array, x: Array) -> tuple[Array, Array]:
    is_far, value, _ = _parts(a, x)
    part = value * _prefactor(a, x)
    rest = number(1, a.dtype) - part
    return fnp.where(is_far, rest, part), fnp.where(is_far, part, rest)


_LARGE = 10.0
"""From here on Γ(a) is taken by Stirling's series: x^a and Γ(a) cancel."""
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)


def _prefactor(a: Array, x: Array) -> Array:
    """x^a e⁻ˣ / Γ(a)."""
    is_large = a >= _LARGE
    b = fnp.where(is_large, a, number(_LARGE, a.dtype))
    stirling = sum(c * b ** (-2 * k - 1) for k, c in enumerate(_STIRLING))
    large = fnp.sqrt(b / (2 * np.pi)) * fnp.exp(b * _log1p_less((x - b) / b) - stirling)
    c = fnp.where(is_large, number(1, a.dtype), a)
    return fnp.where(is_large, large, fnp.exp(c * fnp.log(x) - x - lgamma(c)))


def _log1p_less(m: Array) -> Array:
    """log(1 + m) − m, exact where they cancel: by the series of the inverse hyperbolic tangent."""
    is_near = fnp.abs(m) < 0.4
    near = fnp.where(is_near, m, number(0, m.dtype))
    r = near / (2 + near)
    square, total = r * r, r * 0
    for k in range(16, 0, -1):
        total = (total + 1 / (2 * k + 1)) * square
    far = fnp.where(is_near, number(0, m.dtype), m)
    return fnp.where(is_near, 2 * r * total - near * r, fnp.log1p(far) - far)


def _parts(a: Array, x: Array) -> tuple[Array, Array, Array]:
    """Whether it is C and not S, this and its derivative by a."""
    is_far = x > fnp.maximum(number(1, a.dtype), a)
    value, slope = cond(is_far, _continued_fraction, _series, a, x)
    return is_far, value, slope


def _one(a: Array, x: Array) -> Array:
    is_far, value, slope = _parts(a, x)
    moved = x * (value * (fnp.log(x) - digamma(a)) + slope)
    return fnp.where(is_far, moved, -moved)


def _series(a: Array, x: Array) -> tuple[Array, Array]:
    """S = Σ xⁿ / a(a + 1)…(a + n), and its derivative by a."""
    one = number(1, a.dtype)

    def add(state: tuple[Array, ...]) -> tuple[Array, ...]:
        n, term, slope, total, total_slope = state
        factor = x / (a + n)
        slope = (slope - term / (a + n)) * factor
        term = term * factor
        return n + one, term, slope, total + term, total_slope + slope

    first = one / a
    start: tuple[Array, ...] = (one, first, -first * first, first, -first * first)
    end = while_loop(lambda s: _goes_on(s[1:3], s[3:]), add, start)
    return end[3], end[4]


def _continued_fraction(a: Array, x: Array) -> tuple[Array, Array]:
    """C = 1 / (x + 1 − a − 1(1 − a) / (x + 3 − a − …)) and its derivative by a, by the quotients of neighbours."""
    one, two = number(1, a.dtype), number(2, a.dtype)

    def add(state: tuple[Array, ...]) -> tuple[Array, ...]:
        n, last, last_slope, term, slope, total, total_slope = state
        numerator = n * (a - n)
        denominator = x + one - a + two * n
        inverse = one / (denominator + numerator * last)
        inverse_slope = -(n * last + numerator * last_slope - one) * inverse * inverse
        factor = denominator * inverse - one
        factor_slope = denominator * inverse_slope - inverse
        slope = slope * factor + term * factor_slope
        term = term * factor
        return n + one, inverse, inverse_slope, term, slope, total + term, total_slope + slope

    first = one / (x + one - a)
    start: tuple[Array, ...] = (one, first, first * first, first, first * first, first, first * first)
    end = while_loop(lambda s: _goes_on(s[3:5], s[5:]), add, start)
    return end[5], end[6]


def _goes_on(terms: tuple[Array, ...], totals: tuple[Array, ...]) -> Array:
    """Whether one of the last terms still matters to its sum."""
    (term, slope), (total, total_slope) = terms, totals
    return fnp.logical_or(fnp.abs(term) > _SMALL * fnp.abs(total), fnp.abs(slope) > _SMALL * fnp.abs(total_slope))
