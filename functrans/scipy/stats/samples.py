"""Functions of samples: mode, rankdata, sem. Imports functrans.numpy and vmap; start reading at `sem`."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

import functrans.numpy as fnp
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy.promotion import as_operand
from functrans.transforms.vmap import vmap
from functrans.typing import Array, ArrayLike

__all__ = ["ModeResult", "mode", "rankdata", "sem"]

RankMethod = Literal["average", "min", "max", "dense", "ordinal"]


def _sample(name: str, a: ArrayLike, axis: int | None, nan_policy: str) -> tuple[Array, int]:
    """The sample, flat for axis None, and its axis."""
    if nan_policy != "propagate":
        raise ParameterError(name, f"nan_policy={nan_policy!r}", "nan_policy='propagate': it takes no look at values")
    x = fnp.asarray(as_operand(a, name))
    return (fnp.ravel(x), 0) if axis is None else (x, axis)


def sem(
    a: ArrayLike, axis: int | None = 0, ddof: int = 1, nan_policy: str = "propagate", *, keepdims: bool = False
) -> Array:
    """The standard error of the mean along an axis, or of all: the standard deviation over √n.

    >>> float(sem([1.0, 3.0]))
    1.0
    """
    x, along = _sample("sem", a, axis, nan_policy)
    count = fnp.shape(x)[along]
    out = fnp.std(x, axis=along, ddof=ddof, keepdims=keepdims) / np.sqrt(count)
    return fnp.reshape(out, (1,) * aval_of(as_operand(a, "sem")).ndim) if keepdims and axis is None else out


class ModeResult(NamedTuple):
    """The most frequent values and how often they are there."""

    mode: Array
    count: Array  # type: ignore[assignment]  # SciPy's name, though tuples have a method of it


def _mode(x: Array) -> tuple[Array, Array]:
    """Of a vector; the least of several, NaN last and equal to itself."""
    ordered = fnp.sort(x)
    counts = fnp.searchsorted(ordered, ordered, side="right") - fnp.searchsorted(ordered, ordered)
    first = fnp.argmax(counts)
    return ordered[first], counts[first]


def mode(a: ArrayLike, axis: int | None = 0, nan_policy: str = "propagate", keepdims: bool = False) -> ModeResult:
    """The most frequent value along an axis, or of all, the least of several, and how often it is there.

    >>> most = mode([3, 1, 3, 2])
    >>> int(most.mode), int(most.count)
    (3, 2)
    """
    x, along = _sample("mode", a, axis, nan_policy)
    rows = fnp.moveaxis(x, along, -1)
    value, count = vmap(_mode)(rows.reshape(-1, fnp.shape(rows)[-1]))
    shape = list(fnp.shape(rows)[:-1])
    if keepdims:
        ndim = aval_of(as_operand(a, "mode")).ndim
        shape = [1] * ndim if axis is None else [*shape[: axis % ndim], 1, *shape[axis % ndim :]]
    return ModeResult(value.reshape(shape), count.reshape(shape))


def _ranks(x: Array, method: str) -> Array:
    """Of a vector without NaN."""
    if method == "ordinal":
        places: Array = fnp.argsort(fnp.argsort(x, kind="stable"), kind="stable")
        return places + 1
    ordered = fnp.sort(x)
    before = fnp.searchsorted(ordered, x)
    if method == "dense":
        is_new = fnp.concatenate([np.ones(1, bool), ordered[1:] != ordered[:-1]])
        numbers: Array = fnp.cumsum(is_new)[before]
        return numbers
    last = fnp.searchsorted(ordered, x, side="right")
    ranks: Array = before + 1 if method == "min" else last if method == "max" else (before + 1 + last) / 2
    return ranks


def rankdata(
    a: ArrayLike, method: RankMethod = "average", *, axis: int | None = None, nan_policy: str = "propagate"
) -> Array:
    """Ranks from 1 on, along an axis or of the flattened array, as float64; NaN where there is a NaN among the numbers.

    Equal numbers have their average rank, the least (min), the largest (max), that among different numbers (dense), or
    the rank by which comes first (ordinal).

    >>> rankdata([0.5, 2.0, 0.5]).tolist()
    [1.5, 3.0, 1.5]
    """
    if method not in get_args(RankMethod):
        raise ParameterError("rankdata", f"method={method!r}", f"one of {', '.join(get_args(RankMethod))}")
    x, along = _sample("rankdata", a, axis, nan_policy)
    rows = fnp.moveaxis(x, along, -1)
    flat = rows.reshape(-1, fnp.shape(rows)[-1])
    ranks = vmap(lambda row: _ranks(row, method))(flat).astype(np.float64)
    ranks = fnp.where(fnp.any(fnp.isnan(flat), axis=-1, keepdims=True), fnp.nan, ranks)
    return fnp.moveaxis(ranks.reshape(fnp.shape(rows)), -1, along)
