"""Rows for functrans.ops.cumulative."""

import numpy as np

from functrans.core.primitive import Primitive
from functrans.ops.cumulative import (
    cumlogsumexp,
    cumlogsumexp_p,
    cummax,
    cummax_p,
    cummin,
    cummin_p,
    cumprod,
    cumprod_p,
    cumsum,
    cumsum_p,
    linear_recurrence,
    linear_recurrence_p,
)
from functrans.typing import Array
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, FLOATS, INTS, Case, Operand

_NUMERIC = (*ALL_FLOATS, *COMPLEX, *INTS)


def _backwards(ufunc: np.ufunc, x: Array, axis: int) -> Array:
    return np.flip(ufunc.accumulate(np.flip(x, axis), axis, dtype=x.dtype), axis)


def _rows(
    prim: Primitive, fun: object, ufunc: np.ufunc, dtypes: tuple[str, ...], distinct: bool = False
) -> tuple[Case, ...]:
    assert callable(fun)
    return (
        Case(
            prim,
            lambda x: fun(x, 1),
            lambda x: ufunc.accumulate(x, 1, dtype=x.dtype),
            (Operand(distinct=distinct),),
            dtypes,
            name="forwards",
        ),
        Case(
            prim,
            lambda x: fun(x, 0, reverse=True),
            lambda x: _backwards(ufunc, x, 0),
            (Operand((4, 2), distinct=distinct),),
            dtypes,
            name="backwards",
        ),
        Case(prim, lambda x: fun(x, 0), lambda x: x, (Operand((0, 3)),), dtypes, name="empty"),
    )


def _recurrence(a: Array, b: Array, axis: int) -> Array:
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    out = b.copy()
    for i in range(1, len(b)):
        out[i] = a[i] * out[i - 1] + b[i]
    return np.moveaxis(out, 0, axis)


CASES = (
    *_rows(cumsum_p, cumsum, np.add, _NUMERIC),
    *_rows(cumprod_p, cumprod, np.multiply, _NUMERIC),
    *_rows(cummax_p, cummax, np.maximum, (*_NUMERIC, *BOOL), distinct=True),
    *_rows(cummin_p, cummin, np.minimum, (*_NUMERIC, *BOOL), distinct=True),
    *_rows(cumlogsumexp_p, cumlogsumexp, np.logaddexp, ALL_FLOATS),
    Case(
        cumprod_p,
        lambda x: cumprod(x, 1),
        lambda x: np.cumprod(x, 1),
        (Operand(value=np.array([[2.0, 0.0, -1.5, 3.0], [0.0, 0.5, 0.0, -1.0]])),),
        ("float64",),
        name="zeros",
    ),
    Case(
        linear_recurrence_p,
        lambda a, b: linear_recurrence(a, b, 1),
        lambda a, b: _recurrence(a, b, 1),
        (Operand(), Operand()),
        (*FLOATS, *COMPLEX),
        name="few lines",
        rtol=1e-14,
    ),
    Case(
        linear_recurrence_p,
        lambda a, b: linear_recurrence(a, b, 0),
        lambda a, b: _recurrence(a, b, 0),
        (Operand((3, 14)), Operand((3, 14))),
        (*FLOATS, *COMPLEX),
        name="many lines",
        rtol=1e-14,
    ),
    Case(
        linear_recurrence_p,
        lambda a, b: linear_recurrence(a, b, 1, reverse=True),
        lambda a, b: np.flip(_recurrence(np.flip(a, 1), np.flip(b, 1), 1), 1),
        (Operand(), Operand()),
        name="backwards",
        rtol=1e-14,
    ),
)
