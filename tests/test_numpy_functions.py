"""NumPy's functions that are not ufuncs, traced, against NumPy itself: value, dtype, shape, errors and derivatives.

Every row is a call as a user writes it, run three times: by NumPy on arrays, by NumPy on tracers (`__array_function__`),
and by functrans.numpy on tracers. Lower-case names are traced operands; names in capitals are constants. Start reading at
`ROWS`.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import functrans.numpy as fnp
from functrans.core.primitive import Tracer
from functrans.errors import FunctransError
from functrans.jit import jit
from functrans.numpy import scimath, sets, value_dependent, writing
from functrans.numpy.dispatch import TRACED
from functrans.transforms.grad import grad
from functrans.transforms.make_jaxpr import make_jaxpr
from functrans.transforms.vmap import vmap
from tests.derivatives import check_derivatives
from tests.identity_trace import through_identity

_rng = np.random.default_rng(7)


def _spaced(shape: tuple[int, ...]) -> Any:
    """Values that are well apart, from each other and from integers, halves and zero."""
    size = int(np.prod(shape))
    return _rng.permutation(np.linspace(-2.13, 2.09, size)).reshape(shape) if size else np.zeros(shape)


OPERANDS: dict[str, Any] = {
    "x": _spaced((3, 4)),
    "y": _spaced((3, 4)),
    "a": _spaced((4, 3)),
    "q": _spaced((3, 3)),
    "t": _spaced((2, 3, 4)),
    "o": _spaced((2, 4, 3)),
    "v": _spaced((4,)),
    "w": _spaced((4,)),
    "u": _spaced((3,)),
    "r": _spaced((1, 4)),
    "s": np.float64(0.7),
    "p": np.abs(_spaced((3, 4))) + 0.3,
    "c": _spaced((3, 4)) + 1j * _spaced((3, 4)),
    "d": _spaced((4,)) + 1j * _spaced((4,)),
    "n": np.where(_rng.random((3, 4)) < 0.3, np.nan, _spaced((3, 4))),
    "e": _spaced((0, 4)),
    "f": _spaced((3, 4)).astype(np.float32),
    "h": _spaced((3, 4)).astype(np.float16),
    "i": _rng.integers(-5, 6, (3, 4)).astype(np.int8),
    "j": _rng.integers(0, 5, (3, 4)).astype(np.uint8),
    "k": _rng.integers(-50, 60, (4,)),
    "b": _rng.random((3, 4)) < 0.5,
    "l": np.array([0, 2, 1]),
    "g": np.array([[0, 1, -1], [2, 0, 1], [1, 1, 0]]),
    "z": np.array([1.0, 0.0, np.nan, np.inf, -np.inf, -0.0]),
    "A": np.array([[True, False, True, True], [False, True, True, False], [True, True, False, False]]),
    "M": np.array([True, False, True, True]),
    "K": np.array([2, 0, 1, 2]),
    "W": np.array([0.5, 1.0, 2.0]),
    "V": np.array([0.1, 0.5, 1.5, 1.7]),
}


class Row(NamedTuple):
    call: str
    rtol: float = 0.0
    """Relative tolerance; 0: NumPy's value to the bit."""
    plain: bool = True
    """Whether plain NumPy hands the call on to tracers (it does not for np.array, np.full, …)."""
    order: int = 1
    """How often the call is differentiated; 0: its value is locally constant, or has no derivative at these points."""


def rows(*calls: str, rtol: float = 0.0, plain: bool = True, order: int = 1) -> list[Row]:
    return [Row(call, rtol, plain, order) for call in calls]


METHODS = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull", "linear",
    "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest",
)  # fmt: skip


ROWS = [
    # ---- reductions ----
    *rows(
        "np.sum(x)", "np.sum(x, axis=0)", "np.sum(t, axis=(0, -1))", "np.sum(x, 1, keepdims=True)", "np.sum(i)",
        "np.sum(j, 0)", "np.sum(b)", "np.sum(b, dtype=bool)", "np.sum(f)", "np.sum(h, axis=1)",
        "np.sum(i, dtype=np.float32)", "np.sum(e)", "np.sum(e, axis=0)", "np.sum(s)", "np.sum(c)",
        "np.sum(x, initial=2.5)", "np.sum(i, initial=1.5)", "np.sum(x, where=A)", "np.sum(n, where=~np.isnan(n))",
        "np.sum(x, axis=0, where=M)", "np.sum(x, axis=())", "np.sum(x, None, np.float32)",
    ),
    *rows(
        "np.prod(x)", "np.prod(x, axis=0)", "np.prod(t, axis=(0, 2), keepdims=True)", "np.prod(i, axis=0)",
        "np.prod(j)", "np.prod(b, axis=1)", "np.prod(b, dtype=bool)", "np.prod(f, 1)", "np.prod(e)",
        "np.prod(x, initial=2.0)", "np.prod(x, where=A)", "np.prod(c, axis=0)", rtol=1e-12,
    ),
    *rows(
        "np.max(x)", "np.max(x, axis=0)", "np.max(t, axis=(0, 2))", "np.max(x, 1, keepdims=True)", "np.max(i)",
        "np.max(b)", "np.max(n, axis=0)", "np.max(x, initial=0.5)", "np.max(x, axis=1, initial=-0.1, where=A)",
        "np.max(e, axis=1)", "np.max(e, axis=0, initial=1.0)", "np.amax(x, axis=-1)", "np.min(x)", "np.min(x, axis=0)",
        "np.min(t, axis=(1, 2))", "np.min(x, 1, keepdims=True)", "np.min(j, axis=0)", "np.min(x, initial=0.5)",
        "np.min(x, axis=0, initial=9, where=A)", "np.amin(f)", "np.amin(x)", "np.ptp(x)", "np.ptp(x, axis=1)",
        "np.ptp(x, axis=0, keepdims=True)", "np.max(h)",
    ),
    *rows(
        "np.all(x)", "np.all(b, axis=0)", "np.all(b, axis=(0, 1), keepdims=True)", "np.all(i, 1)", "np.all(b, where=A)",
        "np.any(x)", "np.any(b, axis=1)", "np.any(b, keepdims=True)", "np.any(n)", "np.any(b, axis=0, where=A)",
        "np.any(e)", "np.argmax(x)", "np.argmax(x, axis=1)", "np.argmax(x, axis=0, keepdims=True)",
        "np.argmax(x, keepdims=True)", "np.argmin(x)", "np.argmin(i, axis=-1)", "np.argmin(n, axis=0)",
        "np.argmin(x, 0, keepdims=True)", "np.count_nonzero(i, axis=0)", "np.count_nonzero(b, axis=1, keepdims=True)",
        "np.count_nonzero(x, axis=(0, 1))", order=0,
    ),
    # ---- statistics ----
    *rows(
        "np.mean(x)", "np.mean(x, axis=0)", "np.mean(t, axis=(0, 2), keepdims=True)", "np.mean(i)",
        "np.mean(b, axis=1)", "np.mean(f, axis=0)", "np.mean(h)", "np.mean(h, axis=1)", "np.mean(x, dtype=np.float32)",
        "np.mean(c, axis=0)", "np.mean(x, where=A)", "np.mean(x, axis=1, where=A)", "np.mean(j, dtype=int)",
        "np.mean(h, dtype=np.float16)", "np.var(x)", "np.var(x, axis=0)", "np.var(x, axis=1, ddof=1)",
        "np.var(x, axis=1, correction=1)", "np.var(i)", "np.var(f, axis=0, keepdims=True)", "np.var(h, axis=1)",
        "np.var(c)", "np.var(x, where=A)", "np.var(x, dtype=np.float32)",
        "np.var(x, 0, mean=np.mean(x, 0, keepdims=True))", "np.var(x, axis=0, where=A)", "np.std(x)",
        "np.std(x, axis=0, ddof=1)", "np.std(f, keepdims=True)", "np.std(c, axis=1)", "np.std(j)",
        "np.std(x, axis=1, where=A)", "np.std(x, correction=0.5)", "np.average(x)", "np.average(x, axis=0)",
        "np.average(x, weights=p)", "np.average(x, axis=0, weights=W)",
        "np.average(x, axis=0, weights=W, returned=True)", "np.average(i, axis=1, keepdims=True)",
        "np.average(t, axis=(1, 0), weights=o[:, 0].T)", "np.average(x, returned=True)", "np.median(x)",
        "np.median(x, axis=0)", "np.median(x, axis=1, keepdims=True)", "np.median(t, axis=(0, 2))", "np.median(i)",
        "np.median(n, axis=1)", "np.median(u)", "np.median(f)", "np.median(j, axis=0)", rtol=1e-13,
    ),
    *rows(
        *(f"np.quantile(x, 0.4, method='{method}')" for method in METHODS),
        *(f"np.nanquantile(n, V[:2], axis=1, method='{method}')" for method in METHODS),
        "np.quantile(x, 0.3, axis=0)", "np.quantile(t, V[:2] / 2, axis=(0, 2))", "np.quantile(t, V[:2], (0, 2), keepdims=True)",
        "np.quantile(f, 0.3)", "np.quantile(f, W[:2], axis=0)", "np.quantile(i, 0.25)", "np.quantile(i, 1)",
        "np.quantile(x, 0, 1)",
        "np.quantile(n, 0.3, axis=1)", "np.quantile(h, 0.5, axis=1)", "np.quantile(u, 1.0)", "np.quantile(z, 0.2)",
        "np.quantile(x, 0.4, weights=p, method='inverted_cdf')", "np.quantile(x, V[:2], 1, weights=v**2, method='inverted_cdf')",
        "np.quantile(n, 0.4, weights=p, method='inverted_cdf')", "np.nanquantile(n, 0.4, 0, weights=p, method='inverted_cdf')",
        "np.quantile(x, p[0, :2] / 4, axis=1)", "np.percentile(x, 30)", "np.percentile(f, [20.0, 70.0], axis=0)",
        "np.percentile(x, 30.0, method='nearest')", "np.nanpercentile(n, 30, axis=0)", "np.nanpercentile(i, 30)",
        "np.nanquantile(n, 0.7)", "np.nanquantile(n, 0.7, axis=(1, 0), keepdims=True)", "np.nanquantile(x, 0.7)",
        "np.nanmedian(n)", "np.nanmedian(n, axis=0)", "np.nanmedian(n, axis=1, keepdims=True)", "np.nanmedian(i)",
        "np.nanmedian(z)", rtol=1e-12,
    ),
    *rows(
        "np.cov(x)", "np.cov(x, rowvar=False)", "np.cov(x, y)", "np.cov(v, w)", "np.cov(v)", "np.cov(c)", "np.cov(x, bias=True)",
        "np.cov(x, ddof=2)", "np.cov(x, fweights=K)", "np.cov(x, aweights=v**2)", "np.cov(x, fweights=K, aweights=v**2)",
        "np.cov(x, aweights=v**2, ddof=0)", "np.cov(f)", "np.cov(i)", "np.cov(x, v)", "np.cov(a, v, False)",
        "np.corrcoef(x)", "np.corrcoef(x, y)", "np.corrcoef(x, rowvar=False)", "np.corrcoef(c)", "np.corrcoef(v)", rtol=1e-12,
    ),
    *rows("np.cov(f, dtype=np.float32)", rtol=1e-5),
    # ---- polynomials, and functions of parts ----
    *rows(
        "np.polyval(v, x)", "np.polyval(v, 0.5)", "np.polyval(i[0], v)", "np.polyval([1, 2], c)", "np.polyval(v, i)",
        "np.polyadd(v, u)", "np.polyadd(u, v)", "np.polyadd(k, s)", "np.polysub(v, w)", "np.polysub(u, d)",
        "np.polyder(v)", "np.polyder(v, 2)", "np.polyder(k)", "np.polyder(v, m=0)",
        "np.polyint(v)", "np.polyint(v, 2)", "np.polyint(v, 2, k=s)", "np.polyint(v, 2, u)", "np.polyint(v, 0)", rtol=1e-13,
    ),
    *rows(
        "np.poly(v)", "np.poly(d)", "np.poly(i[0])", "np.polyfit(v, w, 2)", "np.polyfit(v, w, 1, w=p[0])",
        "np.polyfit(v, a, 2)", "np.polyfit(k, w, 1, 1e-8)", rtol=1e-9,
    ),
    *rows(
        "np.apply_along_axis(np.sort, 0, x)", "np.apply_along_axis(lambda v: np.outer(v, v), 1, t)",
        "np.apply_along_axis(np.sum, -1, x)", "np.apply_along_axis(np.dot, 1, x, w)", "np.apply_along_axis(lambda v: 1.0, 1, x)",
        "np.apply_over_axes(np.sum, t, [0, 2])", "np.apply_over_axes(np.max, t, 1)", "np.apply_over_axes(np.cumsum, x, (0, 1))",
        "np.piecewise(x, [x < 0, x > 1], [np.sin, 2.0])", "np.piecewise(x, [x < 0], [lambda x: -x, lambda x, p=2: x**2])",
        "np.piecewise(v, v > 0, [np.sqrt])", "np.piecewise(v, M, [lambda v, k: k * v, 0], 3.0)",
        "np.piecewise(s, s > 0, [np.log])",
        "np.piecewise(i, [i > 0, i > 2], [1, lambda i: i * 2])", "np.piecewise(v, [M, ~M], [np.cos, s])", rtol=1e-13,
    ),
    *rows(
        "np.sort_complex(v)", "np.sort_complex(i)", "np.sort_complex(f)", "np.packbits(b)",
        "np.packbits(b, axis=1)", "np.packbits(i, 0, 'little')", "np.packbits(b, bitorder='little')", "np.unpackbits(j)",
        "np.unpackbits(j, axis=0)", "np.unpackbits(j, 1, count=20)", "np.unpackbits(j, count=-5)",
        "np.unpackbits(j, axis=1, count=40, bitorder='little')", "np.diag_indices_from(q)", "np.tril_indices_from(x, -1)",
        "np.triu_indices_from(x, 1)", "np.min_scalar_type(x)", "np.ix_(k, M, [])", "np.ix_(l, l)",
        order=0,
    ),
    *rows("np.asfortranarray(x)", "np.require(x, np.float32, 'C')", "np.require(x, None, 'C')", plain=False),
    # ---- searching and counting ----
    *rows(
        "np.searchsorted(V, x)", "np.searchsorted(V, x, side='right')", "np.searchsorted(V, z)", "np.searchsorted(np.sort(v), w)",
        "np.searchsorted(np.sort(v), x, 'right')", "np.searchsorted(v, w, sorter=np.argsort(v))",
        "np.searchsorted(np.sort(k), i)", "np.searchsorted(np.sort(z), z)", "np.searchsorted(np.sort(z), z, 'right')",
        "np.searchsorted(V, s)",
        "np.searchsorted(V[:0], x)", "np.searchsorted(np.sort(d), d)", "np.searchsorted(np.sort(f[0]), f)",
        "np.digitize(x, V)", "np.digitize(x, V, right=True)", "np.digitize(x, V[::-1])", "np.digitize(x, -V, right=True)",
        "np.digitize(x, np.sort(v))", "np.digitize(x, -np.sort(v))", "np.digitize(i, K * 0 + np.arange(4))", "np.digitize(z, V)",
        "np.isin(i, K)", "np.isin(x, x[0])", "np.isin(i, j, invert=True)", "np.isin(z, z)",
        "np.isin(x, [])", "np.isin(b, [True])",
        "np.lexsort((x, y))", "np.lexsort((i, j))", "np.lexsort((x, y), axis=0)", "np.lexsort(t)", "np.lexsort((b, i))",
        "np.histogram(x)", "np.histogram(x, 4)", "np.histogram(x, 3, (-1, 1))", "np.histogram(x, V)", "np.histogram(i, 5)",
        "np.histogram(f, 4)", "np.histogram(x, np.sort(v))", "np.histogram(x, 3, density=True)", "np.histogram(e, 2)",
        "np.histogram(s, 2)", "np.histogram(b.astype(int), 2)", "np.histogram_bin_edges(x, 4)", "np.histogram_bin_edges(i, 3)",
        "np.histogram_bin_edges(x, 3, (-1.0, 1.0))", "np.histogram_bin_edges(x, V)", "np.histogram2d(v, w, 3)",
        "np.histogram2d(v, w, [V, 2], range=[None, [-2, 2]])", "np.histogram2d(v, w, V, density=True)",
        "np.histogramdd(a, 2)", "np.histogramdd((v, w, v), [2, V, 3])", "np.histogramdd(a, 2, weights=W[K])",
        "np.bincount(K, v)", "np.bincount(K, v, 5)", "np.bincount(K, i[0])", rtol=1e-12, order=0,
    ),
    *rows(
        "np.histogram(V, 3, weights=v)", "np.histogram(V, W, weights=d)", "np.histogram(V, W, density=True, weights=v)",
        "np.histogram2d(V, V, 2, weights=v)", "np.histogramdd(V[:, None], 2, weights=v)",
        "np.histogram_bin_edges(x, 4)", "np.bincount(K, v, 5)", "np.bincount(K, f[0])", rtol=1e-12,
    ),
    # ---- reductions without NaN ----
    *rows(
        "np.nansum(n)", "np.nansum(n, axis=0)", "np.nansum(i)", "np.nansum(n, 1, keepdims=True)",
        "np.nansum(n, initial=3, where=A)", "np.nanprod(n)", "np.nanprod(n, axis=1)", "np.nancumsum(n)",
        "np.nancumsum(n, axis=1)", "np.nancumprod(n, axis=0)", "np.nanmax(n)", "np.nanmax(n, axis=0)",
        "np.nanmax(i, axis=1)", "np.nanmax(n, 0, keepdims=True)", "np.nanmax(n, axis=1, initial=0.1, where=A)",
        "np.nanmin(n)", "np.nanmin(n, axis=1)", "np.nanmin(n, keepdims=True)", "np.nanmean(n)", "np.nanmean(n, axis=0)",
        "np.nanmean(i, axis=1)", "np.nanmean(n, 1, keepdims=True)", "np.nanmean(n, where=A)", "np.nanvar(n)",
        "np.nanvar(n, axis=0)", "np.nanvar(n, ddof=1)", "np.nanvar(i)", "np.nanvar(n, axis=1, keepdims=True)",
        "np.nanstd(n)", "np.nanstd(n, axis=1)", "np.nanstd(n, correction=1)", "np.nanvar(n, where=A, mean=0.25)",
        rtol=1e-12,
    ),
    *rows(
        "np.nanargmax(n)", "np.nanargmax(n, axis=0)", "np.nanargmin(n, axis=1)", "np.nanargmin(n, 0, keepdims=True)",
        order=0,
    ),
    # ---- running totals and differences ----
    *rows(
        "np.cumsum(x)", "np.cumsum(x, axis=0)", "np.cumsum(i, 1)", "np.cumsum(b)", "np.cumsum(x, dtype=np.float32)",
        "np.cumsum(s)", "np.cumprod(x)", "np.cumprod(x, axis=1)", "np.cumprod(j, axis=0)", "np.cumulative_sum(v)",
        "np.cumulative_sum(x, axis=1)", "np.cumulative_sum(x, axis=0, include_initial=True)",
        "np.cumulative_prod(x, axis=1, include_initial=True)", "np.cumulative_prod(v, dtype=np.float64)", "np.diff(x)",
        "np.diff(x, axis=0)", "np.diff(x, n=2)", "np.diff(b)", "np.diff(x, prepend=0.0)",
        "np.diff(x, axis=0, append=r)", "np.diff(x, n=0)", "np.diff(i, append=i)", "np.diff(u, n=5)", "np.ediff1d(x)",
        "np.ediff1d(x, to_end=s)", "np.ediff1d(x, [1.0, 2.0], v)", "np.trapezoid(x)", "np.trapezoid(x, dx=0.5)",
        "np.trapezoid(x, V)", "np.trapezoid(x, W, axis=0)", "np.trapezoid(x, x=y, axis=1)", "np.gradient(v)",
        "np.gradient(x)", "np.gradient(x, axis=0)", "np.gradient(x, 0.5, axis=1, edge_order=2)", "np.gradient(x, W, V)",
        "np.gradient(v, V, edge_order=2)", "np.gradient(i, 2.0, 3.0)", "np.unwrap(x * 5)",
        "np.unwrap(x * 5, axis=0, period=3.0)", "np.unwrap(x, discont=2.0, period=2.1)", "np.unwrap(k, period=100)",
        "np.gradient(f)", "np.unwrap(f)", rtol=1e-12,
    ),
    # ---- shape ----
    *rows(
        "np.reshape(x, (2, 6))", "np.reshape(x, -1)", "np.reshape(x, (4, -1), order='F')",
        "np.reshape(e, (4, 0))", "np.reshape(x, 12, copy=True)", "np.ravel(x)",
        "np.ravel(x, 'F')", "np.ravel(e)", "np.ravel(s)", "np.transpose(x)", "np.transpose(t, (1, 0, -1))",
        "np.permute_dims(t, [2, 0, 1])", "np.matrix_transpose(t)", "np.swapaxes(t, 0, -1)", "np.moveaxis(t, 0, -1)",
        "np.moveaxis(t, [0, 1], [-1, 0])", "np.rollaxis(t, 2)", "np.rollaxis(t, 0, 2)", "np.rollaxis(t, 1, -1)",
        "np.expand_dims(x, 1)", "np.expand_dims(x, (0, -1))", "np.squeeze(r)", "np.squeeze(r, 0)",
        "np.squeeze(r, axis=(0,))", "np.ix_(v, u)",
        "np.atleast_1d(s)", "np.atleast_2d(v)", "np.atleast_3d(v)", "np.atleast_3d(x)",
        "np.atleast_1d(s, x)", "np.atleast_3d(s, t)", "np.broadcast_to(v, (3, 4))", "np.broadcast_to(s, 3)",
        "np.broadcast_to(r, (2, 3, 4))", "np.broadcast_arrays(x, v, s)", "np.flip(x)", "np.flip(x, 0)",
        "np.flip(t, (0, 2))", "np.fliplr(x)", "np.flipud(x)", "np.rot90(x)", "np.rot90(x, 2)", "np.rot90(x, -1)",
        "np.rot90(t, 1, (1, 2))", "np.rot90(x, 4)", "np.roll(x, 1)", "np.roll(x, -2, axis=1)",
        "np.roll(x, (1, 2), axis=(0, 1))", "np.roll(x, 5, 0)", "np.roll(e, 1, 0)", "np.roll(x, (1, 2), 1)",
        "np.copy(x)", "np.astype(x, np.float32)", "np.astype(x, complex)", "np.atleast_2d(i)",
    ),
    *rows(
        "np.shape(x)", "np.ndim(t)", "np.size(t)", "np.size(t, 1)", "np.size(t, (0, 2))", "np.astype(x, int)", order=0,
    ),
    # ---- joining and splitting ----
    *rows(
        "np.concatenate([x, y])", "np.concatenate((x, y), axis=1)", "np.concatenate([x, y, v], axis=None)",
        "np.concat([x, r])", "np.concatenate([x, f, i])", "np.concatenate([f, h], dtype=np.float64)",
        "np.concatenate([i, b], axis=-1)", "np.concatenate([x, e])",
        "np.concatenate([x, y], dtype=np.float32, casting='same_kind')", "np.concatenate([W, u])", "np.stack([x, y])",
        "np.stack([v, w], axis=-1)", "np.stack([s, s])", "np.stack([v, w], 1, dtype=np.float32)", "np.vstack([v, w])",
        "np.vstack([x, v])", "np.vstack([v, w], dtype=np.float32)", "np.hstack([v, u])", "np.hstack([x, y])",
        "np.dstack([v, w])", "np.dstack([x, y])", "np.column_stack([u, x])", "np.column_stack([v, w])",
        "np.append(x, s)", "np.append(x, r, axis=0)", "np.block([[x, y], [y, x]])", "np.block([v, w])",
        "np.block([[s, r], [s, r]])", "np.split(x, 2, axis=1)", "np.split(v, [1, 3])", "np.array_split(v, 3)",
        "np.array_split(x, [1, 5], 0)", "np.split(v, [-2])", "np.hsplit(x, 2)", "np.hsplit(v, 2)", "np.vsplit(x, 3)",
        "np.dsplit(t, 2)", "np.unstack(x)", "np.unstack(t, axis=-1)", "np.array_split(v, [3, 1])",
    ),
    # ---- repeating and editing ----
    *rows(
        "np.tile(v, 2)", "np.tile(x, (2, 3))", "np.tile(x, (2, 1, 1))", "np.tile(t, 2)", "np.tile(s, 3)",
        "np.repeat(x, 2)", "np.repeat(x, 3, axis=0)", "np.repeat(x, [1, 0, 2], axis=0)", "np.repeat(x, K, 1)",
        "np.resize(x, (2, 4))", "np.resize(v, 9)", "np.pad(x, 1)", "np.pad(x, ((1, 2), (0, 3)))",
        "np.pad(x, (1, 2), constant_values=5)", "np.pad(x, 1, constant_values=s)",
        "np.pad(x, ((1, 2), (3, 1)), constant_values=((1, 2), (3, 4)))", "np.pad(x, 2, 'edge')",
        "np.pad(x, ((2, 0), (1, 5)), 'reflect')", "np.pad(x, ((2, 4), (1, 1)), mode='symmetric')",
        "np.pad(x, ((4, 2), (0, 1)), 'wrap')", "np.pad(x, {1: (1, 2)})", "np.pad(i, 1, constant_values=3)",
        "np.delete(x, 1)", "np.delete(x, 1, axis=0)", "np.delete(x, [0, -1], 1)",
        "np.delete(x, slice(None, None, 2), 1)", "np.delete(x, M, axis=1)", "np.insert(v, 1, s)",
        "np.insert(x, 1, 5, axis=1)", "np.insert(x, 1, v, axis=0)", "np.insert(x, [1, 3], u[:, None], axis=1)",
        "np.insert(x, 2, [[1.0], [2.0]], axis=0)", "np.insert(x, [1, 1, 3], [[1.0, 2.0, 3.0]], axis=1)",
        "np.insert(x, 3, [9, 8, 7])", "np.insert(i, -1, 3, axis=0)",
    ),
    # ---- making arrays ----
    *rows(
        "np.zeros_like(x)", "np.zeros_like(x, dtype=int)", "np.ones_like(f)", "np.ones_like(x, shape=(2, 2))",
        "np.full_like(x, 3)", "np.empty_like(x) * 0", "np.zeros(3, like=x)", "np.ones((2, 3), int, like=x)",
        "np.empty(2, like=x) * 0", order=0,
    ),
    *rows(
        "np.full_like(x, s)", "np.full_like(f, s, shape=3)", "np.linspace(s, 3.0, 5)", "np.linspace(v, w, 4)",
        "np.linspace(v, w, 4, axis=-1)", "np.linspace(s, 2, 5, endpoint=False)", "np.linspace(s, 2, 5, retstep=True)",
        "np.linspace(s, 9, 4, dtype=np.float32)", "np.linspace(s, 2, 1)", "np.linspace(s, 2, 0)",
        "np.logspace(s, 2.0, 4)", "np.geomspace(s, 90.0, 5)", "np.geomspace(-s, -W, 4, axis=-1)",
        "np.geomspace(s, 9, 3, endpoint=False)", "np.logspace(s, 2.0, 4, base=2.0, endpoint=False)", "np.diag(v)",
        "np.diag(v, 1)",
        "np.diag(v, -2)", "np.diag(x)", "np.diag(x, 2)", "np.diag(x, -1)", "np.diagflat(x)", "np.diagonal(x)",
        "np.diagonal(t, 1, 1, 2)", "np.diagonal(t, -1, 2, 0)", "np.trace(x)", "np.trace(t, 1, axis1=1, axis2=2)",
        "np.trace(i)", "np.trace(x, dtype=np.float32)", "np.tril(x)", "np.tril(x, 1)", "np.tril(v)", "np.triu(x)",
        "np.triu(t, -1)", "np.triu(b)", "np.meshgrid(v, u)", "np.meshgrid(v, u, s, indexing='ij')",
        "np.meshgrid(v, u, sparse=True)", "np.vander(v)", "np.vander(v, 3)", "np.vander(v, 5, increasing=True)",
        "np.vander(k[:2], 3)", rtol=1e-13,
    ),
    *rows(
        "np.array([s, 1.0, s])", "np.array([[s, 2], [v[0], 3]])", "np.array([v, w])", "np.array(x, dtype=np.float32)",
        "np.array(v, ndmin=2)", "np.asarray([v, w], dtype=np.float32)", "np.asarray([v, w])", "np.full((2, 2), s)",
        "np.full(3, s, np.float32)", "np.asanyarray(x)", "np.ascontiguousarray(s)",
        "np.array([np.array([s, s]), [1.0, 2.0]])", plain=False,
    ),
    # ---- products ----
    *rows(
        "np.dot(x, a)", "np.dot(v, w)", "np.dot(x, v)", "np.dot(s, x)", "np.dot(x, 2.0)", "np.dot(x, o)",
        "np.dot(b, b.T)", "np.matmul(x, a)", "np.matmul(v, w)", "np.matmul(t, o)", "np.matmul(x, o)", "np.matmul(t, a)",
        "np.matmul(v, o)", "np.matmul(t, v)", "np.matmul(b, b.T)", "np.matmul(f, a)", "np.matmul(c, c.T)",
        "np.matmul(i, i.T)", "np.matmul(x, V)", "x @ a", "A @ v", "np.vdot(x, y)", "np.vdot(c, c + 1)",
        "np.inner(x, y)", "np.inner(v, x)", "np.inner(s, v)", "np.outer(v, u)", "np.outer(x, s)", "np.tensordot(x, y)",
        "np.tensordot(x, a, axes=1)", "np.tensordot(t, o, axes=([0, 2], [0, 1]))", "np.tensordot(v, u, axes=0)",
        "np.tensordot(x, a, (1, 0))", "np.kron(x, a)", "np.kron(v, x)", "np.kron(s, v)", "np.cross(u, W)",
        "np.cross(q, u)", "np.cross(a, a[::-1], axis=-1)", "np.cross(q, q.T, 0, 1, 0)", "np.vecdot(x, y)",
        "np.vecdot(c, c.conj() + 1)", "np.vecdot(t, v)", "np.vecdot(x, y, axis=0)", "np.matvec(t, v)",
        "np.matvec(x[None], t)", "np.vecmat(u, x)", "np.vecmat(d, a)", "np.convolve(v, u)", "np.convolve(v, u, 'same')",
        "np.convolve(u, v, 'valid')", "np.convolve(v, w, 'same')", "np.correlate(v, u)", "np.correlate(u, v, 'full')",
        "np.correlate(v, w, mode='same')", "np.correlate(d, v[:2], 'full')", "np.correlate(v[:2], d, 'same')",
        rtol=1e-12,
    ),
    *rows(
        "np.einsum('ij,jk->ik', x, a)", "np.einsum('ij,jk', x, a)", "np.einsum('ij->ji', x)", "np.einsum('ij->', x)",
        "np.einsum('ii->i', q)", "np.einsum('ii', q)", "np.einsum('ij,ij->i', x, y)", "np.einsum('i,j->ij', v, u)",
        "np.einsum('bij,bjk->bik', t, o)", "np.einsum('...ij,...jk->...ik', t, a)", "np.einsum('...j,j', t, v)",
        "np.einsum('ij,jk,kl->il', x, a, x)", "np.einsum('ij,jk,kl', x, a, x, optimize=True)",
        "np.einsum(x, [0, 1], a, [1, 2], [0, 2])", "np.einsum(x, [0, 1])", "np.einsum('ij,kj->ik', x, r)",
        "np.einsum('ij,ij->ij', x, r)", "np.einsum('i,i,i->i', v, w, V)", "np.einsum('i,i,i', v, w, v)",
        "np.einsum('iij->j', t[:, :2])", "np.einsum('ij,j->i', i, k)", "np.einsum('ij,jk->ik', f, a)",
        "np.einsum('ij,j', c, v)", "np.einsum('ij,jk,kl->il', x, a, x, optimize='optimal')", "np.einsum(',ij', s, x)",
        "np.einsum('i...->...', x)", "np.einsum(' i j , j -> i ', x, v)", "np.einsum('ij->i', f, dtype=np.float64)",
        "np.einsum('ab,cd->abcd', x, q)", "np.einsum('ij,ik->', x, q)", rtol=1e-12,
    ),
    # ---- choosing and sorting ----
    *rows(
        "np.where(A, x, y)", "np.where(b, x, 0.0)", "np.where(A, 1, f)", "np.where(x > 0, x, v)", "np.where(x, y, s)",
        "np.where(M, i, 3)", "np.where(b, i, f)", "np.select([x > 1, A], [x, y])",
        "np.select([A, ~A], [x, v], default=s)", "np.select([M], [i], 1)", "np.choose(l, [u, W, 1.0])",
        "np.choose(g, [u, s, u], mode='wrap')", "np.choose(g, (u, 2 * u), mode='clip')", "np.clip(x, -1, 1)",
        "np.clip(x, None, s)", "np.clip(x, y, None)", "np.clip(x, a_min=-0.5, a_max=v)", "np.clip(i, -2, 2)",
        "np.clip(x, min=0.1)", "np.clip(f, min=-1.0, max=1.0)", "np.clip(i, -1000, 3)", "np.take(x, l)",
        "np.take(x, l, axis=1)", "np.take(x, K, axis=0)", "np.take(x, 1, axis=0)", "np.take(x, -1)",
        "np.take(t, g, axis=1)", "np.take(x, g + 7, axis=0, mode='wrap')", "np.take(x, g * 5, 1, mode='clip')",
        "np.take(v, [[0, 1], [3, 2]])", "np.take_along_axis(x, g, axis=1)",
        "np.take_along_axis(x, np.argsort(x, 1), axis=1)", "np.take_along_axis(x, K, None)",
        "np.take_along_axis(x, K[None], 0)", "np.take_along_axis(r, g, 1)", "np.compress(M, x, axis=1)",
        "np.compress([True, False, True], x)", "np.sort(x)", "np.sort(x, axis=0)", "np.sort(x, axis=None)",
        "np.sort(n)", "np.sort(i, kind='stable')", "np.sort(c, 0)", "np.sort(f, stable=True)",
        "np.sort(x, kind='mergesort')", "np.partition(x, 2)[:, 2]", "np.sort_complex(c)",
    ),
    *rows(
        "np.argsort(x)", "np.argsort(x, axis=0)", "np.argsort(x, axis=None)", "np.argsort(i, kind='stable')",
        "np.argsort(b, stable=True)", "np.argsort(n)", "np.partition(x, 1)[:, 1]", "np.argpartition(x, 2)[:, 2]",
        order=0,
    ),
    # ---- elementwise ----
    *rows(
        "np.real(c)", "np.real(x)", "np.imag(c)", "np.imag(x)", "np.angle(c)", "np.angle(c, deg=True)", "np.angle(x)",
        "np.real_if_close(x)", "np.nan_to_num(n)", "np.nan_to_num(z)",
        "np.nan_to_num(z, nan=1.0, posinf=2.0, neginf=-3.0)", "np.nan_to_num(i)", "np.nan_to_num(c)",
        "np.nan_to_num(f, nan=s)", "np.sinc(x)", "np.sinc(i)", "np.sinc(f)", "np.interp(x, V, w)",
        "np.interp(V, np.cumsum(p[0]), w)", "np.interp(x, V, v, left=s, right=2.0)", "np.interp(k, V, d)",
        "np.interp(s, V[:1], v[:1])", "np.interp(x, V, v, period=1.3)", "np.interp(x, V[::-1], v, period=-3.0, left=s)",
        "np.interp(z, V, W[K])", rtol=1e-14,
    ),
    *rows(
        "np.round(x)", "np.round(x, 1)", "np.around(f, 2)", "np.round(i)", "np.round(k, -1)", "np.round(c, 1)",
        "np.round(x * 100, -1)", "np.round(b)", "np.fix(x)", "np.isreal(c)", "np.isreal(x)", "np.iscomplex(c)",
        "np.isposinf(z)", "np.isneginf(z)", "np.iscomplexobj(c)", "np.isrealobj(c)", "np.isrealobj(x)",
        "np.can_cast(f, np.float64)", "np.can_cast(c, float, casting='same_kind')",
        "np.einsum_path('ij,jk,kl->il', x, a, x)[0]", "np.result_type(f, 1.0)",
        "np.result_type(i, np.float32)", "np.common_type(f, i)", "np.isclose(x, x + 1e-9)",
        "np.isclose(z, z)", "np.isclose(z, z, equal_nan=True)", "np.isclose(i, i + 1, atol=1)",
        "np.isclose(x, y, rtol=0.5)", "np.allclose(x, x)", "np.allclose(x, y, rtol=1.0, atol=s)",
        "np.array_equal(x, x)", "np.array_equal(x, v)", "np.array_equal(z, z)", "np.array_equal(z, z, equal_nan=True)",
        "np.array_equiv(x, x)", "np.array_equiv(r, x)", "np.array_equiv(x, u)", order=0,
    ),
]  # fmt: skip

IDS = [row.call for row in ROWS]


def function_of(call: str, module: Any) -> tuple[Callable[..., Any], list[str]]:
    """The call as a function of its operands, and their names."""
    code = compile(call, call, "eval")
    names = [name for name in code.co_names if name in OPERANDS]
    fixed = {name: OPERANDS[name] for name in names if name.isupper()}
    free = [name for name in names if not name.isupper()]
    return lambda *args: eval(code, {"np": module, **fixed, **dict(zip(free, args, strict=True))}), free


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


def assert_same(got: Any, expected: Any, rtol: float) -> None:
    if isinstance(expected, list | tuple) and not isinstance(expected, np.ndarray):
        assert type(got) is type(expected)
        assert len(got) == len(expected)
        for item, like in zip(got, expected, strict=True):
            assert_same(item, like, rtol)
        return
    if type(expected) is bool:  # NumPy has a Python bool, which a traced one is not
        assert np.shape(got) == ()
        assert got == expected
    elif isinstance(expected, np.ndarray | np.generic):
        assert_same_array(np.asarray(got), np.asarray(expected), rtol)
    else:
        assert got == expected
        assert type(got) is type(expected)


def assert_same_array(got: Any, expected: Any, rtol: float) -> None:
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    if rtol:
        eps = float(np.finfo(expected.dtype).eps) if expected.dtype.kind in "fc" else 0.0
        tolerance = rtol * max(eps / 2**-52, 1.0)
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_value(row: Row) -> None:
    expected, names = function_of(row.call, np)
    operands = [OPERANDS[name] for name in names]
    with np.errstate(all="ignore"):
        wanted = expected(*operands)
    for module in (np, fnp) if row.plain else (fnp,):
        function, _ = function_of(row.call, module)
        assert_same(through_identity(function, *operands), wanted, row.rtol)


# ---- derivatives and batching ----


def _is_smooth(row: Row, names: list[str]) -> bool:
    return row.order > 0 and all(np.isfinite(OPERANDS[name]).all() for name in names)


def _leaves(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple(leaf for item in value for leaf in _leaves(item))
    return (value,)


def _double(call: str) -> list[str]:
    """The operands of a call that finite differences can be taken by, if none is of a lower precision."""
    names = function_of(call, np)[1]
    kinds = {np.asarray(OPERANDS[name]).dtype.char for name in names}
    return [name for name in names if np.asarray(OPERANDS[name]).dtype.char in "dD"] if not kinds & {"f", "e"} else []


SMOOTH = [row for row in ROWS if _is_smooth(row, _double(row.call)) and _double(row.call) and "float32" not in row.call]


@pytest.mark.parametrize("row", SMOOTH, ids=[row.call for row in SMOOTH])
def test_derivatives(row: Row) -> None:
    """Forward and reverse mode against finite differences and each other."""
    function, names = function_of(row.call, np if row.plain else fnp)
    wrt = _double(row.call)

    def of_wrt(*args: Any) -> tuple[Any, ...]:
        given = dict(zip(wrt, args, strict=True))
        outs = _leaves(function(*(given.get(name, OPERANDS[name]) for name in names)))
        return tuple(out for out in outs if np.asarray(0, out.dtype).dtype.kind in "fc")

    primals = tuple(np.asarray(OPERANDS[name]) for name in wrt)
    if any(np.size(out) for out in of_wrt(*primals)):
        check_derivatives(of_wrt, primals, row.order, np.random.default_rng(zlib.crc32(row.call.encode())))


TracedOrArray = (np.ndarray, np.generic, Tracer)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_vmap_is_a_loop(row: Row) -> None:
    """Batched over the first operand."""
    function, names = function_of(row.call, np if row.plain else fnp)
    first, *rest = (OPERANDS[name] for name in names)
    stacked = np.stack([np.flip(first), first, np.flip(first)])
    batched = vmap(lambda x: [out for out in _leaves(function(x, *rest)) if isinstance(out, TracedOrArray)])

    expected = [_leaves(function_of(row.call, np)[0](x, *rest)) for x in stacked]
    arrays: list[list[Any]] = [
        [out for out in outs if isinstance(out, TracedOrArray) or type(out) is bool] for outs in expected
    ]
    arrays = arrays if all(len(outs) == len(arrays[0]) for outs in arrays) else []
    got = batched(stacked)
    tolerance = max(row.rtol, 1e-12)
    for i, out in enumerate(got):
        assert_same(out, np.stack([outs[i] for outs in arrays]), tolerance)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_jit_is_eager(row: Row) -> None:
    """Staged, compiled and run, results that are arrays are those of NumPy."""
    function, names = function_of(row.call, np if row.plain else fnp)
    compiled = jit(lambda *args: [out for out in _leaves(function(*args)) if isinstance(out, TracedOrArray)])
    operands = [OPERANDS[name] for name in names]
    leaves = _leaves(function_of(row.call, np)[0](*operands))
    for got, expected in zip(compiled(*operands), [x for x in leaves if isinstance(x, TracedOrArray)], strict=False):
        assert_same(got, expected, max(row.rtol, 1e-13))


# ---- errors ----

ERRORS = [
    # NumPy's kind of error for what NumPy rejects
    ("np.sum(x, axis=2)", np.exceptions.AxisError, "axis 2 is out of bounds"),
    ("np.sum(x, axis=(0, 0))", ValueError, "repeated axis"),
    ("np.max(e)", ValueError, "e"),
    ("np.argmax(e)", ValueError, "at least one element"),
    ("np.max(x, where=A)", ValueError, "initial="),
    ("np.var(x, ddof=1, correction=1)", ValueError, "ddof"),
    ("np.average(x, weights=V)", TypeError, "[Aa]xis"),
    ("np.average(x, axis=0, weights=V)", ValueError, "weights"),
    ("np.average(x, axis=0, weights=W - W)", ZeroDivisionError, "zero"),
    ("np.polyint(v, -1)", ValueError, "positive"),
    ("np.polyint(v, 3, u[:2])", ValueError, "scalar"),
    ("np.ix_(x)", ValueError, "dimensional"),
    ("np.polyfit(v, w, -1)", ValueError, "deg"),
    ("np.polyfit(v, u, 1)", TypeError, "same length"),
    ("np.poly(x)", ValueError, "square"),
    ("np.polyder(v, -1)", ValueError, "positive"),
    ("np.piecewise(x, [x > 0], [1, 2, 3])", ValueError, "functions are expected"),
    ("np.apply_along_axis(np.sum, 2, x)", np.exceptions.AxisError, "axis 2"),
    ("np.packbits(x)", TypeError, "integer"),
    ("np.unpackbits(i)", TypeError, "unsigned byte"),
    ("np.diag_indices_from(x)", ValueError, "equal length"),
    ("np.tril_indices_from(t)", ValueError, "2-d"),
    ("np.searchsorted(V, x, 'middle')", ValueError, "middle"),
    ("np.searchsorted(x, v)", ValueError, "depth"),
    ("np.searchsorted(v, w, sorter=K[:2])", ValueError, "sorter"),
    ("np.digitize(x, V[K])", ValueError, "monotonic"),
    ("np.digitize(c, V)", TypeError, "complex"),
    ("np.lexsort((x, v))", ValueError, "same shape"),
    ("np.bincount(v)", TypeError, "integers"),
    ("np.bincount(K, u)", ValueError, "length"),
    ("np.histogram(x, V[::-1])", ValueError, "monotonic"),
    ("np.histogram(x, 0)", ValueError, "positive"),
    ("np.histogram(x, weights=v)", ValueError, "same shape"),
    ("np.histogramdd(a, [2, 2])", ValueError, "dimension"),
    ("np.quantile(x, 1.5)", ValueError, "range"),
    ("np.percentile(x, -1)", ValueError, "range"),
    ("np.quantile(x, 0.5, method='middle')", ValueError, "middle"),
    ("np.quantile(c, 0.5)", TypeError, "real"),
    ("np.quantile(x, 0.5, weights=p)", ValueError, "inverted_cdf"),
    ("np.cov(t)", ValueError, "dimensions"),
    ("np.cov(x, ddof=0.5)", ValueError, "integer"),
    ("np.cov(x, fweights=V)", TypeError, "integer"),
    ("np.cov(x, aweights=W)", RuntimeError, "samples"),
    ("np.cumulative_sum(x)", ValueError, "axis="),
    ("np.diff(x, n=-1)", ValueError, "n=-1"),
    ("np.gradient(x, 1.0, 2.0, 3.0)", (TypeError, ValueError), "spacings"),
    ("np.gradient(v, edge_order=3)", ValueError, "edge_order"),
    ("np.reshape(x, (5, -1))", ValueError, "12 elements"),
    ("np.reshape(x, 12, order='Z')", ValueError, "order='Z'"),
    ("np.transpose(x, (0, 0))", ValueError, "repeated axis"),
    ("np.squeeze(x, 0)", ValueError, "length 1"),
    ("np.moveaxis(t, [0, 1], 0)", ValueError, "source"),
    ("np.broadcast_to(x, (2, 4))", ValueError, "broadcast"),
    ("np.broadcast_to(x, (4,))", ValueError, "shape"),
    ("np.concatenate([x, v])", (TypeError, ValueError), "dimension"),
    ("np.concatenate([x, a])", (TypeError, ValueError), "dimension"),
    ("np.concatenate([x, c], dtype=float)", TypeError, "same_kind"),
    ("np.stack([x, v])", (TypeError, ValueError), "one shape"),
    ("np.split(x, 2)", ValueError, "equal division"),
    ("np.vsplit(v, 2)", ValueError, "dimensions"),
    ("np.pad(x, -1)", ValueError, "negative"),
    ("np.pad(x, 1.5)", TypeError, "integral"),
    ("np.matmul(x, y)", ValueError, "equal lengths"),
    ("np.matmul(x, 2.0)", ValueError, "scalars"),
    ("np.dot(x, y)", ValueError, "equal lengths"),
    ("np.tensordot(x, y, axes=1)", ValueError, "equal lengths"),
    ("np.cross(v, v)", ValueError, "2 or 3"),
    ("np.einsum('ij,jk', x, y)", ValueError, "lengths 4 and 3 of the label 'j'"),
    ("np.einsum('ij', v)", ValueError, "1 dimensions"),
    ("np.einsum('ij->ik', x)", ValueError, "'ik'"),
    ("np.take(x, 12)", IndexError, "out of bounds"),
    ("np.take(x, [4], axis=1)", IndexError, "out of bounds"),
    ("np.take(x, v)", TypeError, "integer"),
    ("np.take_along_axis(x, x, 0)", IndexError, "integers"),
    ("np.partition(x, 7)", ValueError, "kth"),
    ("np.sort(x, kind='bubble')", ValueError, "bubble"),
    ("np.where(A, x)", ValueError, "x and y"),
    ("np.select([A], [x, y])", ValueError, "conditions"),
    ("np.select([i], [x])", TypeError, "boolean"),
    ("np.linspace(s, 1, -2)", ValueError, "num=-2"),
    ("np.geomspace(s, 0.0)", ValueError, "zero"),
    ("np.diag(t)", ValueError, "dimensions"),
    ("np.interp(x, V, W)", ValueError, "one length"),
]
ONLY_TRACED = [
    # what NumPy takes and a traced program cannot: an error that names the argument, or what to write
    ("np.reshape(x, (6, 2), order='A')", ValueError, "lies in memory"),
    ("np.ravel(x, 'K')", ValueError, "lies in memory"),
    ("np.sum(x, out=W)", TypeError, "out="),
    ("np.median(x, overwrite_input=True)", NotImplementedError, "overwrite_input"),
    ("np.sort(x, order='f')", NotImplementedError, "order"),
    ("np.nan_to_num(x, copy=False)", NotImplementedError, "copy"),
    ("np.pad(x, 1, 'linear_ramp')", NotImplementedError, "linear_ramp"),
    ("np.pad(x, 1, 'reflect', reflect_type='odd')", NotImplementedError, "reflect_type"),
    ("np.pad(x, 1, 'maximum', stat_length=2)", (NotImplementedError, TypeError), "stat_length"),
    ("np.where(x > 0)", TypeError, r"where\(condition, x, y\)"),
    ("np.nonzero(x)", TypeError, "depends on the values of `a`"),
    ("np.unique(x)", TypeError, "size=n"),
    ("np.union1d(x, y)", TypeError, "size=n"),
    ("np.polymul(v, w)", TypeError, "trim_leading_zeros"),
    ("np.polydiv(v, u)", TypeError, "trim_leading_zeros"),
    ("np.roots(v)", TypeError, "strip_zeros"),
    ("np.bincount(l)", TypeError, "length=n"),
    ("np.trim_zeros(v)", TypeError, "concrete"),
    ("np.histogram(x, 'auto')", TypeError, "number of bins"),
    ("np.compress(b[0], x, 1)", TypeError, "condition"),
    ("np.extract(b, x)", TypeError, "condition"),
    ("np.repeat(x, j[0], axis=1)", TypeError, "repeats"),
    ("np.delete(x, l)", TypeError, "obj"),
    ("np.put_along_axis(x, g, 1.0, 1)", TypeError, "an argument of a function"),
    ("np.roll(x, l[1])", TypeError, "shift"),
]


@pytest.mark.parametrize(
    ("call", "error", "says"), [*ERRORS, *ONLY_TRACED], ids=[row[0] for row in [*ERRORS, *ONLY_TRACED]]
)
def test_error(call: str, error: Any, says: str) -> None:
    function, names = function_of(call, np)
    operands = [OPERANDS[name] for name in names]
    if (call, error, says) in ERRORS:
        with pytest.raises(error):
            function(*operands)
    with pytest.raises(error, match=says):
        through_identity(function, *operands)


def test_arange_of_a_tracer_says_how_to_write_it() -> None:
    with pytest.raises(FunctransError, match="arange") as error:
        through_identity(lambda s: fnp.arange(s), 3.0)
    assert "np.arange(n)" in str(error.value)


# ---- parts of arrays ----


@pytest.mark.parametrize(
    "parts",
    [
        lambda x: np.split(x, [1, 3]),
        lambda x: np.array_split(x, 3),
        np.unstack,
        lambda x: [*x],
        lambda x: np.vsplit(x[:, None], 5),
    ],
)
def test_the_cotangents_of_parts_are_joined_at_once(parts: Callable[[Any], Any]) -> None:
    loss: Callable[[Any], Any] = lambda x: sum(np.sum((i + 1) * part**2) for i, part in enumerate(parts(x)))
    gradient, x = grad(loss), np.arange(5.0)
    text = str(make_jaxpr(gradient)(x))
    assert "concatenate" in text
    assert "pad" not in text
    for function in (gradient, jit(gradient)):
        np.testing.assert_array_equal(
            function(x), 2 * x * np.concatenate([(i + 1) * np.ones(np.size(p)) for i, p in enumerate(parts(x))])
        )


# ---- what there is ----


def test_every_function_has_a_row() -> None:
    """A row, or an error, for every traced implementation that is no ufunc."""
    calls = " ".join(row.call for row in ROWS) + " ".join(call for call, *_ in [*ERRORS, *ONLY_TRACED])
    tried = {getattr(np, name) for name in re.findall(r"np\.(\w+)", calls)}
    elsewhere = {getattr(np, name) for name in (*value_dependent.__all__, *sets.__all__, *writing.__all__)} | {
        np.arange
    }
    elsewhere |= {getattr(np.emath, name) for name in scimath.__all__} | {np.lib.stride_tricks.sliding_window_view}
    elsewhere |= {np.polymul, np.polydiv}
    elsewhere |= {
        function for function in TRACED if function.__module__ in ("numpy.fft", "numpy.linalg")
    }  # once imported
    missing = [function.__name__ for function in TRACED if function not in tried | elsewhere]
    assert not missing


def test_without_a_tracer_it_is_numpys_function() -> None:
    x = np.arange(6.0).reshape(2, 3)
    out = np.empty(3)
    numpys_call: Any = fnp.sum
    assert numpys_call(x, 0, None, out) is out
    assert isinstance(fnp.einsum("ij->", x), np.float64)
    assert fnp.unique(np.array([1, 1, 2])).tolist() == [1, 2]
