"""Counts of random events: Poisson, binomial and multinomial numbers.

Small ones are counted one event after the other, large ones are proposed and accepted or rejected (W. Hörmann, 1993). All
numbers of a call take their turns together, with the keys that JAX makes for each turn. Imports control, `uniform` and
`sampling`; start reading at `poisson`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import functrans.numpy as fnp
from functrans.control.branch import cond
from functrans.control.loop import while_loop
from functrans.control.scan import scan
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.ops.broadcast import zeros
from functrans.ops.cast import convert_element_type
from functrans.ops.generate import full
from functrans.ops.special import lgamma
from functrans.random.sampling import ShapeLike, as_dtype, common_shape, floating, number, sample, spread
from functrans.random.threefry import split_key
from functrans.random.uniform import uniform_unit
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = ["binomial", "multinomial", "poisson"]

_SMALL_MEAN = 10
"""Below it events are counted."""
_Proposal = tuple[Array, Array]
"""Proposed numbers, and whether each is accepted."""


def _accepted(key: Array, shape: Shape, dtype: DType, propose: Callable[[Array, Array], _Proposal]) -> Array:
    """For each place the last number accepted in turns that go on until every place has one; u and v are in [0, 1)."""

    def turn(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        key, chosen, done = state
        key, key_u, key_v = split_key(key, (3,))
        u, v = (uniform_unit(one, shape=shape, dtype=dtype) for one in (key_u, key_v))
        found, fits = propose(u, v)
        return key, fnp.where(fits, found, chosen), fnp.logical_or(done, fits)

    start = key, full(shape, -1, dtype), zeros(shape, np.dtype(np.bool_))
    return while_loop(lambda state: ~fnp.all(state[2]), turn, start)[1]


def _where_needed(needed: Array, make: Callable[[], Array], shape: Shape, dtype: DType) -> Array:
    """What `make` gives, if any place needs it."""
    return cond(fnp.any(needed), make, lambda: zeros(shape, dtype))


# ---- Poisson ----


def poisson(key: ArrayLike, lam: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """Random numbers of events of which lam happen on average; of an integer dtype, int64 if none is given.

    The result has the shape that is given, or lam's; −1 where lam is NaN. It is computed in float32, as JAX does, where from
    some 10⁴ on rounding has a say in which numbers are accepted. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> poisson(random.key(0), 3.0, (5,))
    array([0, 0, 4, 4, 1])
    """
    kind, sizes = as_dtype("poisson", dtype, "iu", np.int64), common_shape("poisson", shape, lam)
    if aval_of(lam).dtype.kind not in "iuf":
        raise ParameterError("poisson", f"lam of type {aval_of(lam)}", "a real lam")
    return sample("poisson", _poisson, key, lam, shape=sizes, dtype=kind)


def _poisson(key: Array, lam: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    kind = np.dtype(np.float32)
    mean = fnp.broadcast_to(convert_element_type(lam, kind), shape)
    is_large = mean >= number(_SMALL_MEAN, kind)
    small = fnp.where(is_large, number(0, kind), mean)
    large = fnp.where(is_large, mean, number(1e5, kind))
    counted = _counted_poisson(key, small, dtype)
    rejected = _where_needed(is_large, lambda: convert_element_type(_proposed_poisson(key, large), dtype), shape, dtype)
    return fnp.where(mean == number(0, kind), number(0, dtype), fnp.where(is_large, rejected, counted))


def _counted_poisson(key: Array, lam: Array, dtype: DType) -> Array:
    """How many uniform numbers are multiplied before the product falls below e^−lam, less one."""

    def turn(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        key, count, log_product = state
        key, used = split_key(key)
        count = count + convert_element_type(log_product > -lam, dtype)
        return key, count, log_product + fnp.log(uniform_unit(used, shape=lam.shape, dtype=lam.dtype))

    start = key, zeros(lam.shape, dtype), zeros(lam.shape, lam.dtype)
    return while_loop(lambda state: fnp.any(state[2] > -lam), turn, start)[1] - number(1, dtype)


def _proposed_poisson(key: Array, lam: Array) -> Array:
    kind = lam.dtype

    def n(value: float) -> Array:
        return number(value, kind)

    b = n(0.931) + n(2.53) * fnp.sqrt(lam)
    a = n(-0.059) + n(0.02483) * b
    inverse_alpha, v_accepted = n(1.1239) + n(1.1328) / (b - n(3.4)), n(0.9277) - n(3.6224) / (b - n(2))
    log_lam = fnp.log(lam)

    def propose(u: Array, v: Array) -> _Proposal:
        u = u - n(0.5)
        edge = n(0.5) - fnp.abs(u)
        k = fnp.floor((n(2) * a / edge + b) * u + lam + n(0.43))
        is_inside = (edge >= n(0.07)) & (v <= v_accepted)
        is_outside = (k < n(0)) | ((edge < n(0.013)) & (v > edge))
        height = fnp.log(v * inverse_alpha / (a / (edge * edge) + b))
        is_below = height <= -lam + k * log_lam - lgamma(fnp.maximum(k, n(0)) + n(1))
        return k, is_inside | (~is_outside & is_below)

    return _accepted(key, lam.shape, kind, propose)


# ---- binomial ----


def binomial(
    key: ArrayLike, n: ArrayLike, p: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None
) -> Array:
    """Random numbers of successes in n trials, each a success with probability p; floating, float64 if no dtype is given.

    The result has the shape that is given, or the one that n and p broadcast to. It is computed in p's dtype (float64 for
    integers). NaN where p is negative or NaN, or n is negative. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> binomial(random.key(0), 10, 0.3, (5,))
    array([4., 1., 3., 4., 3.])
    """
    kind, sizes = floating("binomial", dtype), common_shape("binomial", shape, n, p)
    return sample("binomial", _binomial, key, n, p, shape=sizes, dtype=kind)


def _binomial(key: Array, n: ArrayLike, p: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    kind = aval_of(p).dtype if aval_of(p).dtype.kind == "f" else np.dtype(np.float64)
    trials, chance = spread("binomial", n, shape, kind), spread("binomial", p, shape, kind)
    zero, half = number(0, kind), number(0.5, kind)
    is_low = chance < half
    q = fnp.where(is_low, chance, number(1, kind) - chance)
    is_invalid = (trials != trials) | (trials < zero) | (q != q) | (q < zero)
    q = fnp.where((q != q) | (q < zero), number(0.01, kind), q)
    is_small = (trials != trials) | (trials < zero) | (trials * q <= number(_SMALL_MEAN, kind))
    whole = fnp.floor(trials)
    counted = _counted_binomial(key, fnp.where(is_small, whole, zero), q, dtype)
    large, large_q = fnp.where(is_small, number(1e4, kind), whole), fnp.where(is_small, half, q)
    rejected = _where_needed(
        ~is_small, lambda: convert_element_type(_proposed_binomial(key, large, large_q), dtype), shape, dtype
    )
    found = fnp.where(is_invalid, number(np.nan, dtype), fnp.where(is_small, counted, rejected))
    is_endless = fnp.isinf(trials)
    found = fnp.where(is_endless & ~is_invalid, number(np.inf, dtype), found)
    return fnp.where(is_low | is_invalid | is_endless, found, convert_element_type(whole, dtype) - found)


def _counted_binomial(key: Array, n: Array, p: Array, dtype: DType) -> Array:
    """How many geometric numbers add up to n trials, less one."""
    kind, shape = p.dtype, p.shape
    can_succeed = p > number(0, kind)
    log_failure = fnp.where(can_succeed, fnp.log1p(-p), number(-1, kind))

    def turn(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        key, count, total = state
        used, key = split_key(key)
        count = count + convert_element_type(total <= n, kind)
        trials = fnp.ceil(fnp.log(uniform_unit(used, shape=shape, dtype=kind)) / log_failure)
        return key, count, total + fnp.where(can_succeed, trials, number(np.inf, kind))

    start = key, zeros(shape, kind), zeros(shape, kind)
    count = while_loop(lambda state: fnp.any(state[2] <= n), turn, start)[1]
    return convert_element_type(count - number(1, kind), dtype)


def _proposed_binomial(key: Array, n: Array, p: Array) -> Array:
    kind = p.dtype

    def c(value: float) -> Array:
        return number(value, kind)

    deviation, odds = fnp.sqrt(n * p * (c(1) - p)), p / (c(1) - p)
    b = c(1.15) + c(2.53) * deviation
    a = c(-0.0873) + c(0.0248) * b + c(0.01) * p
    middle, v_accepted = n * p + c(0.5), c(0.92) - c(4.2) / b
    alpha, mode = (c(2.83) + c(5.1) / b) * deviation, fnp.floor((n + c(1)) * p)

    def propose(u: Array, v: Array) -> _Proposal:
        u = u - c(0.5)
        edge = c(0.5) - fnp.abs(u)
        k = fnp.floor((c(2) * a / edge + b) * u + middle)
        is_inside = (edge >= c(0.07)) & (v <= v_accepted)
        is_outside = (k < c(0)) | (k > n)
        height = fnp.log(v * alpha / (a / (edge * edge) + b))
        inside = fnp.clip(k, c(0), n)
        bound = (
            (mode + c(0.5)) * fnp.log((mode + c(1)) / (odds * (n - mode + c(1))))
            + (n + c(1)) * fnp.log((n - mode + c(1)) / (n - inside + c(1)))
            + (inside + c(0.5)) * fnp.log(odds * (n - inside + c(1)) / (inside + c(1)))
            + (_stirling_rest(mode) + _stirling_rest(n - mode))
            - (_stirling_rest(inside) + _stirling_rest(n - inside))
        )
        return k, is_inside | (~is_outside & (height <= bound))

    return _accepted(key, p.shape, kind, propose)


_STIRLING = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
)  # fmt: skip
"""Of 0 to 9."""


def _stirling_rest(k: Array) -> Array:
    """log k! less Stirling's formula for it in k + 1."""
    kind = k.dtype
    clipped = fnp.clip(k, number(0, kind), number(9, kind))
    square = (clipped + number(1, kind)) ** 2
    series = number(1 / 360, kind) - number(1 / 1260, kind) / square
    approximate = (number(1 / 12, kind) - series / square) / (clipped + number(1, kind))
    table = fnp.take(np.array(_STIRLING, kind), convert_element_type(fnp.floor(clipped), np.int64))
    return fnp.where(k <= number(9, kind), table, approximate)


# ---- multinomial ----


def multinomial(
    key: ArrayLike,
    n: ArrayLike,
    p: ArrayLike,
    *,
    shape: ShapeLike | None = None,
    dtype: DTypeLike | None = None,
    unroll: int | bool = 1,  # noqa: ARG001  # JAX has it
) -> Array:
    """Random numbers of each outcome in n trials, along the last axis, where p holds the outcomes' probabilities.

    n broadcasts to the other axes. shape: the result's, whose last axis is p's; p's if it is not given. The dtype is
    floating: float64 if none is given. A binomial number for each outcome in turn, of the trials that are left. `unroll`
    changes nothing. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> multinomial(random.key(0), 10, np.array([0.2, 0.3, 0.5]))
    array([1., 4., 5.])
    """
    sizes = common_shape("multinomial", shape, p)
    if not sizes:
        raise ParameterError("multinomial", f"p of type {aval_of(p)}", "an array of at least one axis")
    common_shape("multinomial", sizes[:-1], n)
    return sample("multinomial", _multinomial, key, n, p, shape=sizes, dtype=floating("multinomial", dtype))


def _multinomial(key: Array, n: ArrayLike, p: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    common = np.result_type(*(aval_of(x).dtype for x in (n, p)))
    kind = common if common.kind == "f" else np.dtype(np.float64)
    chances = fnp.moveaxis(spread("multinomial", p, shape, kind), -1, 0)
    left = fnp.flip(fnp.cumsum(fnp.flip(chances, 0), 0), 0)
    shares = fnp.clip(chances / fnp.where(left == number(0, kind), number(1, kind), left), 0, 1)

    def step(trials: Array, share_and_key: tuple[Array, Array]) -> tuple[Array, Array]:
        share, key = share_and_key
        count = _binomial(key, trials, share, shape=shape[:-1], dtype=kind)
        return trials - count, count

    trials = spread("multinomial", n, shape[:-1], kind)
    _, counts = scan(step, trials, (shares, split_key(key, (shape[-1],))))
    return convert_element_type(fnp.moveaxis(counts, 0, -1), dtype)
