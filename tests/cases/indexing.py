"""Rows for functrans.ops.gather and functrans.ops.dynamic_slice."""

from collections.abc import Callable
from typing import Any

import numpy as np

from functrans.ops import dynamic_slice as slices
from functrans.ops import gather as ops
from functrans.ops.gather import GatherDimensionNumbers, ScatterDimensionNumbers
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_NUMERIC = (*ALL_FLOATS, *COMPLEX, *INTS)
_ANY = (*_NUMERIC, *BOOL)
_REAL = (*ALL_FLOATS, *INTS)

# rows of a (5, 3) operand: index vectors of one element, windows of (1, 3)
_OPERAND = Operand((5, 3))
_ROWS = GatherDimensionNumbers((1,), (0,), (0,))
_TO_ROWS = ScatterDimensionNumbers((1,), (0,), (0,))
_REPEATED = Operand(value=np.array([[1], [4], [1], [0]]))
_DIFFERENT = Operand(value=np.array([[1], [4], [2], [0]]))
_NEGATIVE = Operand(value=np.array([[-1], [0], [-5], [-1]]))
_OUTSIDE = Operand(value=np.array([[1], [5], [-1], [9]]))
_NOTHING = Operand(value=np.zeros((0, 1), np.int64))
_UPDATES = Operand((4, 3))

# windows of (2, 2) at (row, column), whose result has the batch axis in the middle
_WINDOWS = GatherDimensionNumbers((0, 2), (), (1, 0))
_STARTS = Operand(value=np.array([[0, 1], [9, 2], [1, -3]]))

# a row of each matrix of a stack of four
_STACKED = GatherDimensionNumbers((1,), (1,), (1,), (0,), (0,))
_TO_STACKED = ScatterDimensionNumbers((1,), (1,), (1,), (0,), (0,))
_STACK = Operand((4, 5, 3))


def _fill(x: Any) -> Any:
    return {"f": np.nan, "c": np.nan, "b": True}.get(x.dtype.kind) or _extreme(x.dtype)


def _extreme(dtype: Any) -> int:
    return int(np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max)


def _filled(x: Any, fill: Any) -> Any:
    return np.stack([x[1], np.full(3, fill, x.dtype), np.full(3, fill, x.dtype), np.full(3, fill, x.dtype)])


def _windows(x: Any) -> Any:
    return np.stack([x[row : row + 2, column : column + 2] for row, column in ((1, 0), (2, 1), (0, 1))], 1)


def _by_numpy(ufunc: Any) -> Callable[..., Any]:
    def reference(x: Any, indices: Any, updates: Any) -> Any:
        out = x.copy()
        for i, update in zip(indices[:, 0], updates, strict=True):
            out[i] = update if ufunc is None else ufunc(out[i], update)
        return out

    return reference


def _within(ufunc: Any) -> Callable[..., Any]:
    """As `_by_numpy`, but what is out of bounds is dropped."""

    def reference(x: Any, indices: Any, updates: Any) -> Any:
        inside = (indices[:, 0] >= 0) & (indices[:, 0] < 5)
        return _by_numpy(ufunc)(x, indices[inside], updates[inside])

    return reference


def _stacked(x: Any, indices: Any, updates: Any) -> Any:
    out = x.copy()
    out[np.arange(4), indices[:, 0]] += updates
    return out


def _updated(x: Any, update: Any) -> Any:
    out = x.copy()
    out[1:3, 0:2] = update
    return out


_SCATTERS = (
    (ops.scatter_p, ops.scatter, None, _ANY),
    (ops.scatter_add_p, ops.scatter_add, np.add, _NUMERIC),
    (ops.scatter_min_p, ops.scatter_min, np.minimum, _REAL),
    (ops.scatter_max_p, ops.scatter_max, np.maximum, _REAL),
)


def _scatter_rows(prim: Any, function: Any, ufunc: Any, dtypes: tuple[str, ...]) -> tuple[Case, ...]:
    def by(mode: str, unique: bool = False) -> Callable[..., Any]:
        return lambda x, i, u: function(x, i, u, _TO_ROWS, mode=mode, unique_indices=unique)

    return (
        Case(prim, by("raise"), _by_numpy(ufunc), (_OPERAND, _REPEATED, _UPDATES), dtypes, name="repeated"),
        Case(prim, by("raise"), _by_numpy(ufunc), (_OPERAND, _NEGATIVE, _UPDATES), name="negative"),
        Case(prim, by("raise", True), _by_numpy(ufunc), (_OPERAND, _DIFFERENT, _UPDATES), name="unique"),
        Case(prim, by("drop"), _within(ufunc), (_OPERAND, _OUTSIDE, _UPDATES), name="dropped"),
        Case(prim, by("raise"), _by_numpy(ufunc), (_OPERAND, _NOTHING, Operand((0, 3))), name="no indices"),
    )


CASES = (
    Case(
        ops.gather_p,
        lambda x, i: ops.gather(x, i, _ROWS, (1, 3), mode="raise"),
        lambda x, i: x[i[:, 0]],
        (_OPERAND, _NEGATIVE),
        _ANY,
        name="raise",
    ),
    Case(
        ops.gather_p,
        lambda x, i: ops.gather(x, i, _ROWS, (1, 3), mode="clip"),
        lambda x, i: x[np.clip(i[:, 0], 0, 4)],
        (_OPERAND, _OUTSIDE),
        name="clip",
    ),
    Case(
        ops.gather_p,
        lambda x, i: ops.gather(x, i, _ROWS, (1, 3), fill_value=7),
        lambda x, i: _filled(x, 7),
        (_OPERAND, _OUTSIDE),
        name="fill value",
    ),
    Case(
        ops.gather_p,
        lambda x, i: ops.gather(x, i, _ROWS, (1, 3)),
        lambda x, i: _filled(x, _fill(x)),
        (_OPERAND, _OUTSIDE),
        ("int8", "uint64", "bool"),
        name="default fill",
    ),
    Case(
        ops.gather_p,
        lambda x, i: ops.gather(x, i, _ROWS, (1, 3), mode="promise_in_bounds"),
        lambda x, i: x[:0],
        (_OPERAND, _NOTHING),
        name="no indices",
    ),
    Case(
        ops.gather_p,
        lambda x, i: ops.gather(x, i, _WINDOWS, (2, 2), mode="clip"),
        lambda x, i: _windows(x),
        (Operand((4, 3)), _STARTS),
        name="windows",
    ),
    Case(
        ops.gather_p,
        lambda x, i: ops.gather(x, i, _STACKED, (1, 1, 3), mode="raise"),
        lambda x, i: x[np.arange(4), i[:, 0]],
        (_STACK, _REPEATED),
        name="batching dimensions",
    ),
    *(case for row in _SCATTERS for case in _scatter_rows(*row)),
    Case(
        ops.scatter_add_p,
        lambda x, i, u: ops.scatter_add(x, i, u, _TO_STACKED, mode="raise"),
        _stacked,
        (_STACK, _REPEATED, _UPDATES),
        name="batching dimensions",
    ),
    Case(
        ops.scatter_mul_p,
        lambda x, i, u: ops.scatter_mul(x, i, u, _TO_ROWS, mode="raise", unique_indices=True),
        _by_numpy(np.multiply),
        (_OPERAND, _DIFFERENT, _UPDATES),
        _NUMERIC,
        name="unique",
    ),
    Case(
        ops.scatter_mul_p,
        lambda x, i, u: ops.scatter_mul(x, i, u, _TO_ROWS, mode="raise"),
        _by_numpy(np.multiply),
        (_OPERAND, _REPEATED, _UPDATES),
        wrt=(0,),
        name="repeated",
    ),
    Case(
        slices.dynamic_slice_p,
        lambda x, i, j: slices.dynamic_slice(x, (i, j), (2, 2)),
        lambda x, i, j: x[1:3, 1:3],
        (Operand((4, 3)), Operand(value=np.int64(1)), Operand(value=np.int32(9))),
        _ANY,
        name="clamped",
    ),
    Case(
        slices.dynamic_slice_p,
        lambda x, i: slices.dynamic_slice_in_dim(x, i, 2, -1),
        lambda x, i: x[:, 1:3],
        (Operand((4, 3)), Operand(value=np.int64(-2))),
        name="negative",
    ),
    Case(
        slices.dynamic_slice_p,
        lambda x, i: slices.dynamic_index_in_dim(x, i, 0, False),
        lambda x, i: x[2],
        (Operand((4, 3)), Operand(value=np.uint8(2))),
        name="index",
    ),
    Case(
        slices.dynamic_slice_p,
        lambda x: slices.dynamic_slice(x, (), ()),
        lambda x: x,
        (Operand(()),),
        name="rank 0",
    ),
    Case(
        slices.dynamic_update_slice_p,
        lambda x, update, i: slices.dynamic_update_slice(x, update, (i, 0)),
        lambda x, update, i: _updated(x, update),
        (Operand((4, 3)), Operand((2, 2)), Operand(value=np.int64(1))),
        _ANY,
    ),
    Case(
        slices.dynamic_update_slice_p,
        lambda x, update, i: slices.dynamic_update_index_in_dim(x, update, i, 1),
        lambda x, update, i: np.concatenate([x[:, :2], update[:, None]], 1),
        (Operand((4, 3)), Operand((4,)), Operand(value=np.int64(9))),
        name="index",
    ),
)
