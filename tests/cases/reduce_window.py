"""Rows for functrans.ops.reduce_window."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from functrans.ops.arithmetic import add, mul
from functrans.ops.extrema import max, min
from functrans.ops.reduce_window import (
    reduce_window,
    reduce_window_argmax,
    reduce_window_argmax_p,
    reduce_window_argmin,
    reduce_window_argmin_p,
    reduce_window_max_p,
    reduce_window_min_p,
    reduce_window_sum_p,
)
from functrans.ops.shape import pad_p
from functrans.typing import Array
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, FLOATS, INTS, Case, Operand

Reduce = Callable[[Array, Array], Any]
"""Of a window's elements and which of them are the array's."""


def windowed(
    x: Array,
    reduce: Reduce,
    size: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    base: Sequence[int],
    apart: Sequence[int],
) -> Array:
    """Window by window, from the definition; `padding` is not negative."""
    shape = [(n - 1) * d + 1 + lo + hi for n, d, (lo, hi) in zip(x.shape, base, padding, strict=True)]
    padded, there = np.zeros(shape, x.dtype), np.zeros(shape, bool)
    inner = tuple(slice(lo, lo + n * d, d) for n, d, (lo, _) in zip(x.shape, base, padding, strict=True))
    padded[inner], there[inner] = x, True
    reaches = [(n - 1) * d + 1 for n, d in zip(size, apart, strict=True)]
    counts = [(n - r) // s + 1 for n, r, s in zip(shape, reaches, strides, strict=True)]
    out = np.zeros(counts, x.dtype)
    for place in np.ndindex(*counts):
        window = tuple(slice(p * s, p * s + r, d) for p, s, r, d in zip(place, strides, reaches, apart, strict=True))
        out[place] = reduce(padded[window], there[window])
    return out


WINDOWS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "image": ((2, 5, 4), {"size": (1, 3, 2), "strides": (1, 2, 1), "padding": ((0, 0), (1, 0), (0, 1))}),
    "apart": ((6,), {"size": (2,), "apart": (3,), "padding": ((0, 2),)}),
    "spread": ((3, 2), {"size": (2, 2), "base": (2, 1), "padding": ((1, 1), (0, 0)), "strides": (1, 2)}),
}
"""Operands' shapes and what is not 1 or 0."""


def rows(prim: Any, name: str, fun: Callable[..., Any], reduce: Reduce, dtypes: tuple[str, ...]) -> list[Case]:
    cases = []
    for title, (shape, given) in WINDOWS.items():
        ones = (1,) * len(shape)
        size, strides, base, apart = (given.get(key, ones) for key in ("size", "strides", "base", "apart"))
        padding = given.get("padding", ((0, 0),) * len(shape))
        cases.append(
            Case(
                prim,
                partial(_call, fun, (size, strides, padding, base, apart)),
                partial(windowed, reduce=reduce, size=size, strides=strides, padding=padding, base=base, apart=apart),
                (Operand(shape, distinct=name != "sum"),),
                dtypes if title == "image" else FLOATS,
                name=title,
                rtol=1e-13,
            )
        )
    return cases


def _call(fun: Callable[..., Any], params: tuple[Any, ...], x: Any) -> Any:
    return fun(x, *params)


def least(x: Any, largest: bool) -> Any:
    """The identity of min (largest) or max, of an operand's dtype."""
    dtype = np.dtype(x.dtype)
    if dtype.kind == "f":
        return dtype.type(np.inf if largest else -np.inf)
    if dtype.kind == "b":
        return np.bool_(largest)
    return dtype.type(np.iinfo(dtype).max if largest else np.iinfo(dtype).min)


def _extremum(window: Array, there: Array, largest: bool) -> Any:
    inside = window[there]
    return (np.max if largest else np.min)(inside) if inside.size else least(window, not largest)


def _argument(x: Array, largest: bool, shape: tuple[int, ...], **given: Any) -> Array:
    """The place of each window's extremum: found by its value, of which there is one."""
    best = windowed(x, partial(_extremum, largest=largest), **given)
    inner = next(axis for axis, n in enumerate(given["size"]) if n > 1)
    flat, found = x.reshape((*shape[:inner], -1)), np.full(best.shape, -1)
    for place in np.ndindex(*best.shape):
        where = np.flatnonzero(flat[place[:inner]] == best[place])
        found[place] = where[0] if where.size else -1
    return found


def places(prim: Any, fun: Callable[..., Any], largest: bool) -> list[Case]:
    cases = []
    for title, (shape, given) in WINDOWS.items():
        ones = (1,) * len(shape)
        full = {"strides": ones, "base": ones, "apart": ones, "padding": ((0, 0),) * len(shape)} | given
        params = tuple(full[key] for key in ("size", "strides", "padding", "base", "apart"))
        reference = partial(_argument, largest=largest, shape=shape, **full)
        cases.append(
            Case(prim, partial(_call, fun, params), reference, (Operand(shape, distinct=True),), order=0, name=title)
        )
    return cases


_REAL = (*ALL_FLOATS, *INTS)

CASES = (
    *rows(
        reduce_window_sum_p,
        "sum",
        lambda x, *params: reduce_window(x, 0, add, *params),
        lambda window, there: np.sum(window[there], dtype=window.dtype),
        (*_REAL, *COMPLEX),
    ),
    *rows(
        reduce_window_max_p,
        "max",
        lambda x, *params: reduce_window(x, least(x, False), max, *params),
        partial(_extremum, largest=True),
        (*_REAL, *BOOL),
    ),
    *rows(
        reduce_window_min_p,
        "min",
        lambda x, *params: reduce_window(x, least(x, True), min, *params),
        partial(_extremum, largest=False),
        (*_REAL, *BOOL),
    ),
    *places(reduce_window_argmax_p, reduce_window_argmax, True),
    *places(reduce_window_argmin_p, reduce_window_argmin, False),
    Case(
        pad_p,
        lambda x: reduce_window(x, np.float64(1.5), mul, (2, 2), (1, 2), "SAME"),
        lambda x: windowed(
            x, lambda window, there: 1.5 * np.prod(window[there]), (2, 2), (1, 2), ((0, 1), (0, 0)), (1, 1), (1, 1)
        ),
        (Operand((3, 4)),),
        ("float64",),
        name="window by a computation",
    ),
)
