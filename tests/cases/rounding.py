"""Rows for functrans.ops.rounding."""

import numpy as np

from functrans.ops import rounding as ops
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_REAL = (*ALL_FLOATS, *INTS, *BOOL)
_HALVES = np.array([0.5, -0.5, 1.5, -2.5, 0.49999999999999994, 2.0**52 + 1, -0.0, np.inf, np.nan])
_AWAY = np.array([1.0, -1.0, 2.0, -3.0, 0.0, 2.0**52 + 1, -0.0, np.inf, np.nan])

CASES = (
    Case(ops.floor_p, ops.floor, np.floor, dtypes=_REAL, order=0),
    Case(ops.ceil_p, ops.ceil, np.ceil, dtypes=_REAL, order=0),
    Case(ops.trunc_p, ops.trunc, np.trunc, dtypes=_REAL, order=0),
    Case(ops.rint_p, ops.rint, np.rint, dtypes=(*ALL_FLOATS, *COMPLEX), order=0),
    Case(
        ops.rint_p,
        lambda x: ops.round(x, ops.RoundingMethod.TO_NEAREST_EVEN),
        np.rint,
        (Operand(value=_HALVES),),
        ("float64",),
        order=0,
        wrt=(),
        name="halves",
    ),
    Case(ops.round_away_p, ops.round, lambda x: np.trunc(x + np.copysign(0.5, x)), dtypes=("float64",), order=0),
    Case(
        ops.round_away_p,
        ops.round,
        lambda x: _AWAY,
        (Operand(value=_HALVES),),
        ("float64",),
        order=0,
        wrt=(),
        name="halves",
    ),
    Case(ops.round_away_p, ops.round, np.rint, (Operand((), exclude=(-0.5, 0.5)),), ALL_FLOATS, order=0, name="rank 0"),
)
