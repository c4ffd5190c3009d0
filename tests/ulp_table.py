"""How far the native mathematics is from the exact results: the table of functions, and `python -m tests.ulp_table`.

`python -m tests.ulp_table 64` takes one of every 64 float32s there are instead: the largest error then was 1.74 ULP (log10;
log2 1.60, erf_inv 1.49, logistic 1.48, erf 1.44, tanh 1.37, erfc 1.35, all others at most 1.3).

An error is measured in ULP: units of the last digit of the exact result, which is mpmath's, or for float32 NumPy's in
float64. The points are the same in every run: spread over the bits of all floats of the domain, over its moderate numbers,
and close to the numbers where a function changes its ways. A row per function: start reading at `ROWS`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import mpmath
import numpy as np

from functrans.ops import special_kernels
from functrans.ops.exponential import logistic_difference_p
from tests.native_math import Array, compiled

Exact = Callable[..., Any]  # Any: mpmath's numbers
Span = tuple[float, float]
BITS = (32, 64)
COUNTS = {32: 400_000, 64: 1_000}  # of points of each of three kinds
INF = float("inf")
_FRACTION = {32: 24, 64: 53}
_SMALLEST_EXPONENT = {32: -149, 64: -1074}
_INFINITE = {32: 128, 64: 1024}

mp = mpmath.mp.clone()
mp.prec = 160


@dataclass(frozen=True)
class Row:
    """A function: its exact value, NumPy's, the operands, and the unit of its error where that is not the result's."""

    exact: Exact
    numpy: Callable[..., Any]
    span: dict[int, Span]
    """Of the operand; of the difference of the operands, if there are `pairs`."""
    near: tuple[float, ...] = (0.0,)
    pairs: "Callable[[Row, int], tuple[Array, Array]] | None" = None
    also_of: Callable[..., Array] | None = None
    """Operands, exact result → a number whose last digit may be the unit, as it is larger."""

    @property
    def arity(self) -> int:
        return 1 if self.pairs is None else 2

    def points(self, bits: int) -> tuple[Array, ...]:
        return (_points(self, bits),) if self.pairs is None else self.pairs(self, bits)


# ---- points ----


def spread(bits: int, span: Span, count: int) -> Array:
    """Floats between two, evenly over their bits: as many in each exponent."""
    dtype, rng = np.dtype(f"f{bits // 8}"), np.random.default_rng(bits)
    low, high = (_order(np.array(end, dtype)) for end in span)
    order = rng.integers(low, high, count, endpoint=True)
    size = np.abs(order).astype(f"i{bits // 8}").view(dtype)
    return np.where(order < 0, -size, size)


def _order(x: Array) -> int:
    """The place of a float among all floats; 0 of 0."""
    size = int(np.abs(x).view(f"i{x.itemsize}"))
    return -size if np.signbit(x) else size


def _points(row: Row, bits: int) -> Array:
    dtype, count = np.dtype(f"f{bits // 8}"), COUNTS[bits]
    rng = np.random.default_rng(bits)
    low, high = row.span[bits]
    step = 2.0 ** -rng.uniform(-1, _FRACTION[bits] + 3, count)
    close = rng.choice(row.near, count) + step * rng.choice([-1.0, 1.0], count)
    moderate = rng.uniform(max(low, -40), min(high, 40), count)
    some = np.concatenate([moderate, close]).astype(dtype)
    return np.concatenate([spread(bits, (low, high), count), some.clip(*np.array([low, high], dtype))])


def differing(row: Row, bits: int) -> tuple[Array, Array]:
    """Numbers, and others at a distance within the row's span."""
    rng = np.random.default_rng(bits)
    distance = _points(row, bits)
    x = rng.choice([0.01, 1.0, 30.0, 1e5], distance.size) * rng.uniform(-1, 1, distance.size)
    return x.astype(distance.dtype), (x.astype(distance.dtype) + distance).astype(distance.dtype)


def sides(row: Row, bits: int) -> tuple[Array, Array]:
    """Numbers of all sizes, and others of up to 2^30 times that."""
    rng = np.random.default_rng(bits)
    x = spread(bits, row.span[bits], 3 * COUNTS[bits])
    ratio = 2.0 ** rng.choice([rng.uniform(-30, 30, x.size), rng.uniform(-2, 2, x.size)])
    with np.errstate(over="ignore"):
        return x, (x * ratio).astype(x.dtype).clip(*np.array(row.span[bits], x.dtype))


def powers(row: Row, bits: int) -> tuple[Array, Array]:
    """Bases of all sizes or close to 1, and exponents for results of all sizes; some are small whole numbers."""
    rng = np.random.default_rng(bits)
    base = np.concatenate([spread(bits, row.span[bits], COUNTS[bits]), *[_close_to_one(bits)] * 2])
    limit = {32: 152.0, 64: 1077.0}[bits]
    with np.errstate(divide="ignore", over="ignore"):
        exponent = rng.uniform(-limit, limit, base.size) / np.log2(base.astype(np.float64))
        exponent[::3] = rng.uniform(-4, 4, exponent[::3].size)
        exponent[::9] = np.round(exponent[::9])
        exponent = exponent.astype(base.dtype)
    usable = np.isfinite(exponent)
    return base[usable], exponent[usable]


def _close_to_one(bits: int) -> Array:
    rng = np.random.default_rng(bits + 1)
    step = 2.0 ** -rng.uniform(-1, _FRACTION[bits], COUNTS[bits])
    return np.asarray(1 + step * rng.choice([-0.4, 1.0], step.size), f"f{bits // 8}")


# ---- errors ----


@cache
def errors(name: str, bits: int) -> tuple[tuple[Array, ...], Array]:
    """The points, and the error at each of them in ULP."""
    row = ROWS[name]
    points = row.points(bits)
    with np.errstate(all="ignore"):
        return points, measure(row, bits, points, compiled(name, bits, row.arity)(*points))


def measure(row: Row, bits: int, points: tuple[Array, ...], got: Array) -> Array:
    """The error of results in ULP; infinite where one is NaN."""
    exact, unit = (_exact32 if bits == 32 else _exact64)(row, points)
    if row.also_of is not None:
        larger = row.also_of(*(x.astype(np.float64) for x in points), np.array(exact, np.float64))
        unit = np.maximum(unit, _units(larger, bits))
    # In units of their last digits the numbers are at most 2^53, and what is left of an exact one fits a float.
    whole, rest = (np.ldexp(exact, -unit), 0.0) if bits == 32 else _in_units(exact, unit)
    got = got.astype(np.float64)
    infinite = np.isinf(got)  # counts as the first number that is too large
    found = np.ldexp(np.where(infinite, np.copysign(1.0, got), got), np.where(infinite, _INFINITE[bits], 0) - unit)
    error = np.abs((found - whole) - rest)
    return np.where(np.isnan(error), INF, error)


def _exact32(row: Row, points: tuple[Array, ...]) -> tuple[Any, Array]:
    exact = row.numpy(*(x.astype(np.float64) for x in points)).clip(-(2.0**128), 2.0**128)
    return exact, _units(exact, 32)


def _exact64(row: Row, points: tuple[Array, ...]) -> tuple[Any, Array]:  # Any: mpmath's numbers
    limit = mp.mpf(2) ** 1024
    given = zip(*(x.tolist() for x in points), strict=True)
    exact = [max(-limit, min(limit, row.exact(*map(mp.mpf, numbers)))) for numbers in given]
    return exact, np.array([_unit(value) for value in exact])


def _unit(value: Any) -> int:  # Any: mpmath's numbers
    exponent = int(mp.frexp(value)[1]) if value else 0
    return max(exponent - _FRACTION[64], _SMALLEST_EXPONENT[64])


def _units(values: Array, bits: int) -> Array:
    return np.asarray(np.maximum(np.frexp(values)[1] - _FRACTION[bits], _SMALLEST_EXPONENT[bits]))


def _in_units(exact: list[Any], unit: Array) -> tuple[Array, Array]:  # Any: mpmath's numbers
    scaled = [mp.ldexp(value, -int(exponent)) for value, exponent in zip(exact, unit, strict=True)]
    whole = np.array([float(mp.nint(value)) for value in scaled])
    rest = [float(value - mp.mpf(near)) for value, near in zip(scaled, whole, strict=True)]
    return whole, np.array(rest)


def scanned(name: str, stride: int) -> tuple[float, float]:
    """Where a function of one float32 errs most, and by how much, of one in `stride` floats in the order of their bits."""
    row, rng, worst = ROWS[name], np.random.default_rng(0), (0.0, 0.0)
    low, high = (np.float32(end) for end in row.span[32])
    for start in range(0, 2**32, stride << 18):
        bits = np.arange(start, min(start + (stride << 18), 2**32), stride, dtype=np.uint64)
        x = (bits + rng.integers(stride, size=bits.size, dtype=np.uint64)).astype(np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            x = x[(x >= low) & (x <= high) & ~np.isnan(row.numpy(x))]  # at a pole between two infinities it is NaN
            error = measure(row, 32, (x,), compiled(name, 32, 1)(x)) if x.size else np.zeros(1)
        worst = max(worst, (float(error.max()), float(x[error.argmax()]) if x.size else 0.0))
    return worst[1], worst[0]


# ---- the table ----

_MAX = {32: float(np.finfo(np.float32).max), 64: float(np.finfo(np.float64).max)}
_TINY = {32: 2.0**-149, 64: 2.0**-1074}
_BELOW_ONE = {32: 1 - 2.0**-24, 64: 1 - 2.0**-53}


def spans(of32: Span, of64: Span) -> dict[int, Span]:
    return {32: of32, 64: of64}


ALL = spans((-_MAX[32], _MAX[32]), (-_MAX[64], _MAX[64]))
POSITIVE = spans((_TINY[32], _MAX[32]), (_TINY[64], _MAX[64]))
FROM_ONE = spans((1.0, _MAX[32]), (1.0, _MAX[64]))
WITHIN_ONE = spans((-_BELOW_ONE[32], _BELOW_ONE[32]), (-_BELOW_ONE[64], _BELOW_ONE[64]))
EXP = spans((-106.0, 90.0), (-750.0, 712.0))
LN2 = float(mp.ln2)
PI = float(mp.pi)
LOGISTIC = spans((-106.0, 120.0), (-750.0, 800.0))


def _larger(x: Array, y: Array, out: Array) -> Array:
    larger = np.maximum(x, y)
    return np.asarray(np.maximum(np.abs(larger), np.abs(out - larger)))


def _log_of_sum(base: Any, x: Any, y: Any) -> Any:  # Any: mpmath's numbers
    return max(x, y) + mp.log1p(base ** -abs(x - y)) / mp.log(base)


def _erf_inv(x: Any) -> Any:  # Any: mpmath's numbers
    """A Halley step from NumPy's result."""
    y = mp.mpf(float(special_kernels.erfinv(np.float64(float(x)))))
    rest = mp.erf(y) - x if abs(x) < 0.5 else mp.sign(x) * ((1 - abs(x)) - mp.erfc(abs(y)))
    step = rest * mp.exp(y * y) * mp.sqrt(mp.pi) / 2
    return y - step / (1 + y * step)


def _lgamma(x: Any) -> Any:  # Any: mpmath's numbers
    if x > 0:
        return mp.loggamma(x)
    return mp.inf if mp.isint(x) else mp.log(mp.pi / abs(mp.sinpi(x))) - mp.loggamma(1 - x)


def _digamma(x: Any) -> Any:  # Any: mpmath's numbers
    return mp.digamma(x) if x > 0 else mp.digamma(1 - x) - mp.pi * mp.cospi(x) / mp.sinpi(x)


def _reflected(function: Callable[[Array], Array], x: Array, out: Array) -> Array:
    """Below 0, what two terms give of which this is one; they cancel at zeros between the poles."""
    return np.where(x < 0, np.abs(function(1 - x)), np.abs(out))


def _difference(x: Array, y: Array) -> Array:
    (share,) = logistic_difference_p.impl(x, y)
    return np.asarray(share)


def _logistic(x: Any) -> Any:  # Any: mpmath's numbers
    return 1 / (1 + mp.exp(-x))


def _cube_root(x: Any) -> Any:  # Any: mpmath's numbers
    return mp.sign(x) * mp.cbrt(abs(x))


def _power(x: Any, y: Any) -> Any:  # Any: mpmath's numbers
    return mp.exp(max(mp.mpf(-2000), min(y * mp.log(x), mp.mpf(2000))))


ROWS: dict[str, Row] = {
    # ---- exponential ----
    "exp": Row(mp.exp, np.exp, EXP, (0.0, LN2 / 2)),
    "exp2": Row(partial(mp.power, 2), np.exp2, spans((-152.0, 130.0), (-1080.0, 1026.0)), (0.0, 0.5, 1.0)),
    "expm1": Row(mp.expm1, np.expm1, EXP, (0.0, LN2 / 2, -LN2 / 2, 3 * LN2 / 2)),
    # ---- logarithm ----
    "log": Row(mp.log, np.log, POSITIVE, (1.0, 2**0.5, 0.5**0.5)),
    "log2": Row(lambda x: mp.log(x) / mp.ln2, np.log2, POSITIVE, (1.0, 2**0.5, 0.5**0.5, 2.0)),
    "log10": Row(lambda x: mp.log(x) / mp.ln10, np.log10, POSITIVE, (1.0, 2**0.5, 0.5**0.5, 10.0)),
    "log1p": Row(
        mp.log1p, np.log1p, spans((-_BELOW_ONE[32], _MAX[32]), (-_BELOW_ONE[64], _MAX[64])), (0.0, -0.292, 0.414)
    ),
    "asinh": Row(mp.asinh, np.arcsinh, ALL, (0.0, 0.28, 1.0, 2.0**13, 2.0**28)),
    "acosh": Row(mp.acosh, np.arccosh, FROM_ONE, (1.0, 2.0, 2.0**13, 2.0**28)),
    "atanh": Row(mp.atanh, np.arctanh, WITHIN_ONE, (0.0, 0.17, 1.0)),
    # ---- hyperbolic ----
    "sinh": Row(mp.sinh, np.sinh, spans((-90.0, 90.0), (-712.0, 712.0)), (0.0, LN2 / 2)),
    "cosh": Row(mp.cosh, np.cosh, spans((-90.0, 90.0), (-712.0, 712.0)), (0.0, LN2 / 2)),
    "tanh": Row(mp.tanh, np.tanh, ALL, (0.0, LN2 / 4, LN2 * 3 / 4)),
    "logistic": Row(_logistic, special_kernels.logistic, LOGISTIC),
    "logistic_difference": Row(lambda x, y: _logistic(x - y), _difference, LOGISTIC, pairs=differing),
    "logaddexp": Row(partial(_log_of_sum, mp.e), np.logaddexp, LOGISTIC, pairs=differing, also_of=_larger),
    "logaddexp2": Row(partial(_log_of_sum, 2), np.logaddexp2, LOGISTIC, pairs=differing, also_of=_larger),
    # ---- trigonometric ----
    "sin": Row(mp.sin, np.sin, ALL, (0.0, PI / 4, PI / 2, PI, 100 * PI)),
    "cos": Row(mp.cos, np.cos, ALL, (0.0, PI / 4, PI / 2, PI, 100.5 * PI)),
    "tan": Row(mp.tan, np.tan, ALL, (0.0, PI / 4, PI / 2, PI, 100 * PI)),
    "asin": Row(mp.asin, np.arcsin, WITHIN_ONE, (0.0, 0.5, 1.0, -1.0)),
    "acos": Row(mp.acos, np.arccos, WITHIN_ONE, (0.0, 0.5, 1.0, -1.0)),
    "atan": Row(mp.atan, np.arctan, ALL, (0.0, 2**0.5 - 1, 1.0, 2**0.5 + 1)),
    "atan2": Row(mp.atan2, np.arctan2, ALL, pairs=sides),
    # ---- error function ----
    "erf": Row(mp.erf, special_kernels.erf, ALL, (0.0, 0.5, 1.0, 2.0)),
    "erfc": Row(mp.erfc, special_kernels.erfc, spans((-6.0, 11.0), (-8.0, 28.0)), (0.0, 0.5, 1.0, 2.0)),
    "erf_inv": Row(_erf_inv, special_kernels.erfinv, WITHIN_ONE, (0.0, 0.5, 0.998, 1.0, -1.0)),
    # ---- gamma function ----
    "lgamma": Row(
        _lgamma,
        special_kernels.lgamma,
        ALL,
        (0.0, 1.0, 2.0, 4.0, -2.457, -3.955),
        also_of=partial(_reflected, special_kernels.lgamma),
    ),
    "digamma": Row(
        _digamma,
        special_kernels.digamma,
        spans((-39.5, _MAX[32]), (-39.5, _MAX[64])),
        (0.0, 1.0, 1.4616321449683622, 4.0, -0.504, -1.573),
        also_of=partial(_reflected, special_kernels.digamma),
    ),
    # ---- power ----
    "pow": Row(_power, np.power, POSITIVE, pairs=powers),
    "cbrt": Row(_cube_root, np.cbrt, ALL, (1.0, 2.0, 4.0, 8.0)),
    "hypot": Row(lambda x, y: mp.sqrt(x * x + y * y), np.hypot, ALL, pairs=sides),
}
SAME = {"float_power": "pow", "complex_abs": "hypot"}
"""Names in FUNCTIONS that stand for the function of another."""


def table() -> str:
    """The largest and the mean error of every function, as text."""
    lines = [f"{'ULP':20} {'float32 max':>12} {'mean':>6} {'float64 max':>12} {'mean':>6}"]
    for name in ROWS:
        found = [errors(name, bits)[1] for bits in BITS]
        lines.append(f"{name:20} " + " ".join(f"{error.max():12.3f} {error.mean():6.3f}" for error in found))
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        for name in (name for name in ROWS if ROWS[name].arity == 1):
            x, error = scanned(name, int(sys.argv[1]))
            sys.stdout.write(f"{name:20} {error:12.3f} at {x}\n")
    else:
        sys.stdout.write(table() + "\n")
