"""Value kernels of the special functions NumPy itself lacks: erf, erfc, erfinv, lgamma, digamma, polygamma, logistic.

Owns the numbers only: arrays in, arrays of the same shape and dtype out; differentiation and batching rules live with
the primitives that call these. May import NumPy and the standard library, nothing else (no SciPy at run time). Start
reading at `_blockwise`, which every public kernel goes through, then `_piecewise`, which sends each element to the
approximation of its range; below that each function stands next to its coefficients, listed highest power first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray  # half a millisecond of an import

__all__ = ["digamma", "erf", "erfc", "erfinv", "lgamma", "logistic", "polygamma"]

F64: TypeAlias = "NDArray[np.float64]"
FloatT = TypeVar("FloatT", bound="np.floating")
InexactT = TypeVar("InexactT", bound="np.inexact")
WorkT = TypeVar("WorkT", bound="np.inexact")

# One block of a kernel's temporaries (a handful of 64 kB arrays) stays in a core's second-level cache.
_BLOCK = 8192


def _blockwise(
    x: NDArray[InexactT] | InexactT, work: type[WorkT], kernel: Callable[[NDArray[WorkT]], NDArray[WorkT]]
) -> NDArray[InexactT] | InexactT:
    """Apply `kernel` in dtype `work` to blocks of `x`; result has x's shape and dtype, a NumPy scalar at rank 0."""
    array: NDArray[InexactT] = np.asarray(x)
    flat = array.reshape(-1)
    out = np.empty_like(flat)
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            out[block] = kernel(flat[block].astype(work, copy=False))
    # Indexing with () is what makes a rank-0 result a scalar; on any other rank it is a view.
    return out.reshape(array.shape)[()]


def _real_blockwise(name: str, x: NDArray[FloatT] | FloatT, kernel: Callable[[F64], F64]) -> NDArray[FloatT] | FloatT:
    """`_blockwise` in float64, for float16, float32 and float64 only."""
    if np.asarray(x).dtype.char not in "efd":
        raise TypeError(f"{name} takes float16, float32 or float64, got {np.asarray(x).dtype}")
    return _blockwise(x, np.float64, kernel)


def _piecewise(x: F64, key: F64, edges: tuple[float, ...], kernels: tuple[Callable[[F64], F64], ...]) -> F64:
    """`kernels[i](x)` where `edges[i-1] <= key < edges[i]`; a nan key goes to the last kernel.

    A block that lies in one range is passed whole, with no gather and scatter.
    """
    out = np.empty_like(x)
    seen = np.zeros(x.shape, np.bool_)
    for i, kernel in enumerate(kernels):
        below = key < edges[i] if i < len(edges) else np.ones(x.shape, np.bool_)
        inside = below & ~seen
        seen = below
        count = np.count_nonzero(inside)
        if count == x.size:
            return kernel(x)
        if count:
            where = np.flatnonzero(inside)
            out[where] = kernel(x[where])
    return out


def _horner(coefficients: tuple[float, ...], t: F64) -> F64:
    """The polynomial with these coefficients (highest power first) at `t`, in one buffer."""
    acc = t * coefficients[0]
    acc += coefficients[1]
    for coefficient in coefficients[2:]:
        acc *= t
        acc += coefficient
    return acc


# --- erf, erfc. Polynomials fitted for this file with mpmath.chebyfit at 50 digits; the tests check each fit.

# erf(x)/x - 1 for |x| <= 1, in x^2 - 0.75: small where erfc needs the accuracy, and where little cancels
_ERF_CENTRE = (
    -7.795898827002142e-10, 7.288448014500918e-09, -8.330291591392229e-08, 8.43692183054621e-07,
    -7.725321934364271e-06, 6.318505656713777e-05, -0.0004554912393435465, 0.0028472083348038903,
    -0.01513114470010183, 0.06691888796466584, -0.24458841374655807, -0.10010880203447824,
)  # fmt: skip
# 2 a exp(a^2) erfc(a) - 1 for 1 <= a <= 28, in (a-2)/(a+2), the variable of J. L. Schonfelder, Math. Comp. 32 (1978)
_ERFC_TAIL = (
    -6.131598822152014e-07, 3.89530755536448e-06, -8.346163987371055e-06, 5.303634561781719e-06,
    9.769476917908603e-07, 3.927447037446971e-06, 3.691980845185305e-06, -1.728156798347069e-05,
    -3.8034315445372536e-05, 1.2510869682081915e-05, 0.0001786352807334071, 0.00017883407874424276,
    -0.0006287023183048508, -0.0015003690506826869, 0.0022533159719880227, 0.009569797109869445,
    -0.015031476820474194, -0.05795289339608534, 0.24302986104915644, -0.4076885918577577, 0.33442202082821243,
    0.02158270524202298,
)  # fmt: skip


def _erf_centre(x: F64) -> F64:
    out = _horner(_ERF_CENTRE, x * x - 0.75)
    out *= x
    out += x
    return out


def _head(a: F64) -> F64:
    """The upper 26 bits of `a` (T. J. Dekker, Numer. Math. 18 (1971)): products of two heads are exact."""
    split = a * 134217729.0
    return split - (split - a)


def _erfc_tail(a: F64) -> F64:
    """erfc(a) for a >= 1. What the rounding of a^2 and of the quotient lose goes into the last, small term."""
    a = np.minimum(a, 28.0)  # erfc underflows before that, and the formula breaks at inf; nan stays nan
    head = _head(a)
    factor = _horner(_ERFC_TAIL, (a - 2.0) / (a + 2.0))
    rest = (head - a) * (head + a)
    rest += rest * rest * (0.5 + rest / 6.0)  # exp(rest) - 1: |rest| < 3e-5
    factor += rest + rest * factor
    half = np.exp(-head * head) * 0.5
    quotient = half / a
    high = _head(quotient)
    remainder = half - high * head - high * (a - head) - (quotient - high) * a
    return quotient + (quotient * factor + remainder / a)


def _erf_tail(x: F64) -> F64:
    return np.copysign(1.0 - _erfc_tail(np.abs(x)), x)


def _erfc_centre(x: F64) -> F64:
    # From 1/4 on, 1 - erf(x) would round in a higher binade; 1/4 - (erf(x) - 3/4) does not.
    shift = np.where(x < 0.25, 0.0, 0.75)
    return (1.0 - shift) - (x * _horner(_ERF_CENTRE, x * x - 0.75) + (x - shift))


def _erfc_signed_tail(x: F64) -> F64:
    tail = _erfc_tail(np.abs(x))
    return np.where(x < 0, 2.0 - tail, tail)


def erf(x: NDArray[FloatT] | FloatT) -> NDArray[FloatT] | FloatT:
    """Error function, elementwise; within 1.5 ULP in float64. erf(±0) = ±0, erf(±inf) = ±1.

    Source: x + x P(x^2) up to 1, 1 - erfc beyond, as W. J. Cody, Math. Comp. 23 (1969); polynomials fitted here.

    >>> float(erf(np.float64(0.5)))
    0.5204998778130465
    """
    return _real_blockwise("erf", x, lambda v: _piecewise(v, np.abs(v), (1.0,), (_erf_centre, _erf_tail)))


def erfc(x: NDArray[FloatT] | FloatT) -> NDArray[FloatT] | FloatT:
    """1 - erf(x) without the cancellation, elementwise; within 2 ULP in float64 where the result is not subnormal.

    Source: 1 - erf up to 1, exp(-x^2) (1 + P((x-2)/(x+2))) / 2x beyond (Schonfelder 1978), polynomials fitted here.

    >>> float(erfc(np.float64(0.5)))
    0.4795001221869535
    """
    return _real_blockwise("erfc", x, lambda v: _piecewise(v, np.abs(v), (1.0,), (_erfc_centre, _erfc_signed_tail)))


# --- erfinv

# M. Giles, "Approximating the erfinv function", GPU Computing Gems Jade Edition (2012), ch. 10, double precision:
# erfinv(x) = x P(w - 3.125) with w = -log(1 - x^2) < 6.25.
_ERFINV_CENTRE = (
    -3.6444120640178197e-21, -1.6850591381820166e-19, 1.28584807152564e-18, 1.1157877678025181e-17,
    -1.333171662854621e-16, 2.0972767875968562e-17, 6.637638134358324e-15, -4.054566272975207e-14,
    -8.151934197605472e-14, 2.6335093153082323e-12, -1.2975133253453532e-11, -5.415412054294628e-11,
    1.0512122733215323e-09, -4.112633980346984e-09, -2.9070369957882005e-08, 4.2347877827932404e-07,
    -1.3654692000834679e-06, -1.3882523362786469e-05, 0.00018673420803405714, -0.000740702534166267,
    -0.006033670871430149, 0.24015818242558962, 1.6536545626831027,
)  # fmt: skip
# erfinv(x) to 1e-6 for w >= 6.25, in sqrt(w); fitted for this file, as above.
_ERFINV_GUESS = (
    -2.632501967766063e-06, 9.473990677862045e-05, -0.001477177985525339, 0.012999470956087283, -0.07017460052546914,
    0.23360112039188557, 0.5653866703370822, 0.17163533070828652,
)  # fmt: skip


def _erfinv_tail(x: F64, w: F64) -> F64:
    """One Halley step on erfc(y) = 1 - |x|, whose right side is exact here: cubic, so 1e-6 becomes full accuracy."""
    target = 1.0 - np.abs(x)
    y = _horner(_ERFINV_GUESS, np.sqrt(np.minimum(w, 37.0)))
    newton = (_erfc_tail(y) - target) * np.exp(y * y) * (math.sqrt(math.pi) / 2)
    y += newton / (1.0 - y * newton)
    y[target == 0] = np.inf
    return np.copysign(y, x)


def _erfinv(x: F64) -> F64:
    w = (1.0 - x) * (1.0 + x)  # each factor exact where it matters, which 1 - x*x is not
    np.negative(np.log(w, out=w), out=w)
    out = _horner(_ERFINV_CENTRE, w - 3.125)
    out *= x
    tail = np.flatnonzero(~(w < 6.25))  # nan, from |x| > 1, included
    if tail.size:
        out[tail] = _erfinv_tail(x[tail], w[tail])
    return out


def erfinv(x: NDArray[FloatT] | FloatT) -> NDArray[FloatT] | FloatT:
    """Inverse error function on [-1, 1], nan outside; within 4 ULP in float64. erfinv(±0) = ±0, erfinv(±1) = ±inf.

    Source: M. Giles, "Approximating the erfinv function" (2012), central polynomial; a Halley step for 1 - x^2 < 0.002.

    >>> float(erfinv(np.float64(1.0)))
    inf
    """
    return _real_blockwise("erfinv", x, _erfinv)


# --- lgamma, digamma: polynomials fitted for this file, as above.

# lgamma(z)/((z-1)(z-2)) and digamma(z)/(z - root) for 1 <= z <= 4, in v = (z-2)/(z+2), |v| <= 1/3. The map sends the
# singularities z <= 0 as far from the interval (|v| >= 1) as a Moebius map can, so one polynomial serves.
_LGAMMA_NEAR = (
    0.039697020247753484, -0.043639617356169086, 0.02031049928847939, -0.022809549221611214, 0.028465438865300136,
    -0.032212269705912344, 0.03118496424320746, -0.03595942375674712, 0.035707024679024923, -0.04215942394467004,
    0.04164042934304404, -0.050833713066348034, 0.04993339614117678, -0.06410726112038183, 0.06232322452845549,
    -0.08715639048948134, 0.0829380601534237, -0.13897748719634181, 0.12617080324107732, -0.40126920669741545,
    0.42278433509846713,
)  # fmt: skip
_DIGAMMA_NEAR = (
    -1.3734729491754483, 1.3717503058572427, -0.45797768415775003, 0.4570751884033721, -0.7251403398149787,
    0.7236891394641163, -0.6805600540205081, 0.6788028760750019, -0.6855437126543539, 0.6832739088323245,
    -0.6855507865574868, 0.6825183270074475, -0.6861045310286941, 0.6818509593039033, -0.6870423209725484,
    0.6806799427943391, -0.689017790882757, 0.6787474775357434, -0.6950676766151554, 0.6777531348968711,
    -0.7262245808990327, 0.7010428535500504, -1.0429558187320056, 0.7853075386041053,
)  # fmt: skip
# x (lgamma(x) - Stirling's leading terms) and x^2 (log x - 1/2x - digamma(x)) for x >= 4, in 1/x^2 (DLMF 5.11.1-2).
_LGAMMA_FAR = (
    0.03686739114470535, -0.018529842349409912, 0.005842830219816524, -0.0018988790775843355, 0.0008413741438815142,
    -0.0005952337085914222, 0.0007936507676291937, -0.0027777777777176055, 0.08333333333333331,
)  # fmt: skip
_DIGAMMA_FAR = (
    0.5365319953712206, -0.25668496075487657, 0.07392821575261915, -0.020787300608348224, 0.007569628806402783,
    -0.004166595597256864, 0.003968253547733588, -0.008333333332362195, 0.08333333333333295,
)  # fmt: skip
_HALF_LOG_2PI_MINUS_HALF = 0.4189385332046727
_DIGAMMA_ROOT, _DIGAMMA_ROOT_LOW = 1.4616321449683622, 9.549995429965697e-17
_GAMMA_EDGES = (0.0, 1.0, 4.0)


def _lgamma_near(from_one: F64, from_two: F64) -> F64:
    """lgamma(z) for 1 <= z <= 4 from z - 1 and z - 2, so that its zeros there keep their relative accuracy."""
    out = _horner(_LGAMMA_NEAR, from_two / (from_two + 4.0))
    out *= from_one * from_two
    out += 0.0  # at 1 that was -0.0
    return out


def _lgamma_far(x: F64) -> F64:
    # (x - 1/2)(log x - 1), not (x - 1/2) log x - x: nothing cancels for x >= e.
    inverse = 1.0 / x
    out = _horner(_LGAMMA_FAR, inverse * inverse)
    out *= inverse
    out += _HALF_LOG_2PI_MINUS_HALF
    out += (x - 0.5) * (np.log(x) - 1.0)
    return out


def _lgamma_unit(x: F64) -> F64:
    return _lgamma_near(x, x - 1.0) - np.log(x)


def _lgamma_negative(x: F64) -> F64:
    """Reflection, DLMF 5.5.3: log(pi/|sin pi x|) - lgamma(1 - x)."""
    offset = np.abs(x - np.rint(x))
    sine = np.sin(np.pi * offset)
    sine /= np.pi
    np.copyto(sine, offset, where=offset < 1e-9)  # keeps subnormal x, where sin(pi x)/pi would lose its bits
    out = -np.log(sine) - _lgamma_positive(1.0 - x)
    out[(offset == 0) | np.isneginf(x)] = np.inf  # where the other term is infinite too, they gave nan
    return out


def _lgamma_positive(x: F64) -> F64:
    kernels = (_lgamma_unit, lambda v: _lgamma_near(v - 1.0, v - 2.0), _lgamma_far)
    return _piecewise(x, x, _GAMMA_EDGES[1:], kernels)


def lgamma(x: NDArray[FloatT] | FloatT) -> NDArray[FloatT] | FloatT:
    """log |Gamma(x)|, elementwise; +inf at 0, -1, -2, ... and at ±inf.

    float64: within 3 ULP for x > 0 (zeros at 1 and 2 included), 5 for x < 0 away from the zeros between the poles,
    near which the error is a few ULP of the two terms of the reflection formula.

    Source: DLMF 5.11.1 (Stirling) from 4 on, 5.5.3 (reflection) below 0; in between polynomials fitted for this file.

    >>> float(lgamma(np.float64(3.0)))
    0.6931471805599453
    """
    return _real_blockwise("lgamma", x, lambda v: _piecewise(v, v, (0.0,), (_lgamma_negative, _lgamma_positive)))


def _digamma_near(z: F64) -> F64:
    out = _horner(_DIGAMMA_NEAR, (z - 2.0) / (z + 2.0))
    out *= (z - _DIGAMMA_ROOT) - _DIGAMMA_ROOT_LOW
    return out


def _digamma_far(x: F64) -> F64:
    inverse = 1.0 / x
    square = inverse * inverse
    return np.log(x) - (0.5 * inverse + square * _horner(_DIGAMMA_FAR, square))


def _digamma_unit(x: F64) -> F64:
    return _digamma_near(x + 1.0) - 1.0 / x


def _digamma_positive(x: F64) -> F64:
    return _piecewise(x, x, _GAMMA_EDGES[1:], (_digamma_unit, _digamma_near, _digamma_far))


def _digamma_negative(x: F64) -> F64:
    """Reflection, DLMF 5.5.4: digamma(1 - x) - pi cot(pi x), nan at the poles."""
    offset = x - np.rint(x)
    out = _digamma_positive(1.0 - x) - np.pi / np.tan(np.pi * offset)
    out[offset == 0] = np.nan
    return out


def digamma(x: NDArray[FloatT] | FloatT) -> NDArray[FloatT] | FloatT:
    """Logarithmic derivative of Gamma, elementwise; -inf at +0, +inf at -0, nan at -1, -2, ... and at -inf.

    float64: relative error a few ULP for x > 0 (the zero at 1.46 included) and for x < 0 away from its zeros.

    Source: DLMF 5.11.2 (asymptotic) from 4 on, 5.5.4 (reflection) below 0; in between polynomials fitted for this file.

    >>> float(digamma(np.float64(1.0)))
    -0.5772156649015329
    """
    return _real_blockwise("digamma", x, lambda v: _piecewise(v, v, (0.0,), (_digamma_negative, _digamma_positive)))


# --- polygamma: zeta(s, x) by Euler-Maclaurin summation

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
_MAX_ORDER = 1000


def _power(base: F64, exponent: int, factor: float) -> F64:
    """factor * base**exponent, where only the product need be in range. Trigamma's square is faster than pow."""
    if exponent == -2:
        return factor / (base * base)
    half = exponent // 2
    return factor * np.power(base, float(half)) * np.power(base, float(exponent - half))


def _polygamma_positive(x: F64, n: int) -> F64:
    """(-1)^(n+1) n! zeta(n+1, x) for x >= 0, by Euler-Maclaurin summation (DLMF 25.11.5 with the remainder dropped).

    All powers are of x/scale with scale a power of two near (n!)^(1/n), lest n! or x^-n leave the range of float64
    where their product does not.
    """
    order, shift = n + 1, 12 + n
    log_scale = max(0, round(math.log2((n + 1) / math.e)))
    factor: float = (-1.0) ** order * (math.factorial(n) / 2 ** (n * log_scale))
    scale: float = 2.0**log_scale
    near = np.flatnonzero(x < shift)
    start = x.copy()
    start[near] += shift
    inverse = 1.0 / start
    series = [b * math.perm(order + 2 * j, 2 * j + 1) / math.factorial(2 * j + 2) for j, b in enumerate(_BERNOULLI)]
    out = _horner((*series[::-1], 0.0), inverse * inverse)
    out += 0.5 * inverse
    out += 1.0 / n
    out *= _power(start / scale, -n, factor)
    if near.size:
        few, total = x[near], out[near]
        for k in range(shift - 1, -1, -1):  # the smallest terms first
            total += _power((few + k) / scale if k else few / scale, -order, factor / scale)
        out[near] = total
    return out


def _cotangent_derivative(n: int) -> tuple[float, ...]:
    """p with (d/dx)^n (pi cot pi x) = n! u^((n+1) % 2) p(u^2), u = pi cot(pi x): from u' = -(pi^2 + u^2)."""
    low_first = [0.0, 1.0]
    for k in range(1, n + 1):
        slope = [i * c / k for i, c in enumerate(low_first)][1:]
        low_first = [-(np.pi**2 * a + b) for a, b in zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)]
    return tuple(low_first[(n + 1) % 2 :: 2][::-1])


def _polygamma_negative(x: F64, n: int) -> F64:
    """Reflection, DLMF 5.15.6; nan at the poles where the two sides differ in sign (even n), +inf there for odd n."""
    offset = x - np.rint(x)
    cotangent = np.pi / np.tan(np.pi * offset)
    pole_part = _horner(_cotangent_derivative(n), cotangent * cotangent)
    if n % 2 == 0:
        pole_part *= cotangent
        pole_part[offset == 0] = np.nan
    pole_part *= float(math.factorial(n)) if n <= 170 else np.inf
    return (-1.0) ** n * _polygamma_positive(1.0 - x, n) - pole_part


def polygamma(n: int, x: NDArray[FloatT] | FloatT) -> NDArray[FloatT] | FloatT:
    """The n-th derivative of digamma, elementwise, for 0 <= n <= 1000 (ValueError outside); n = 0 is digamma itself.

    At 0, -1, -2, ...: +inf for odd n; for even n -inf at +0, +inf at -0 and nan at the others.
    float64: relative error a few ULP (n ULP for large n) away from zeros, which only even n and x < 0 have.

    Source: Hurwitz zeta by Euler-Maclaurin summation, DLMF 25.11.5 and 25.11.12; reflection, DLMF 5.15.6.

    >>> float(polygamma(1, np.float64(1.0)))
    1.6449340668482264
    """
    if not 0 <= n <= _MAX_ORDER:
        raise ValueError(f"polygamma takes an order n with 0 <= n <= {_MAX_ORDER}, got n = {n}")
    if n == 0:
        return digamma(x)
    kernels = (partial(_polygamma_negative, n=n), partial(_polygamma_positive, n=n))
    return _real_blockwise("polygamma", x, lambda v: _piecewise(v, v, (0.0,), kernels))


# --- logistic


def _logistic(x: NDArray[WorkT]) -> NDArray[WorkT]:
    """exp only of what has a real part <= 0: it cannot overflow, and neither tail cancels."""
    left = x.real < 0
    tail = np.exp(np.where(left, x, -x))
    out = np.where(left, tail, tail.dtype.type(1))
    tail += 1
    out /= tail
    return out


_LOGISTIC_WORK: dict[str, type[np.inexact]] = {c: np.dtype(w).type for c, w in zip("efdFD", "ffdFD", strict=True)}


def logistic(x: NDArray[InexactT] | InexactT) -> NDArray[InexactT] | InexactT:
    """Sigmoid 1/(1 + exp(-x)) of real or complex x, without overflow; within 2 ULP in float64. 0 and 1 at ±inf.

    Source: the definition, written as exp(x)/(1 + exp(x)) where Re x < 0. Works in x's own dtype (float32 for float16).

    >>> float(logistic(np.float64(-800.0))), float(logistic(np.float64(0.0)))
    (0.0, 0.5)
    """
    if (work := _LOGISTIC_WORK.get(np.asarray(x).dtype.char)) is None:
        raise TypeError(f"logistic takes float16/32/64 or complex64/128, got {np.asarray(x).dtype}")
    return _blockwise(x, work, _logistic)
