"""Rows for functrans.ops.extrema."""

from typing import Any

import numpy as np

from functrans.ops import extrema as ops
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
# The first of each pair is at a distance from the second that finite differences do not bridge.
_APART = (Operand((40,), distinct=True), Operand((40,), low=-2.1, high=1.7, distinct=True))
_NAN = (
    Operand(value=np.array([np.nan, 1.0, np.nan, -0.0, 2.0])),
    Operand(value=np.array([1.0, np.nan, np.nan, 0.0, 1.0])),
)
_PAIRS = (
    (ops.max_p, ops.max, np.maximum),
    (ops.min_p, ops.min, np.minimum),
    (ops.fmax_p, ops.fmax, np.fmax),
    (ops.fmin_p, ops.fmin, np.fmin),
)


def _clip(lower: Any, x: Any, upper: Any) -> Any:
    return np.clip(x, lower, upper)


CASES = (
    *(Case(p, fun, reference, (Operand(), Operand()), _ANY) for p, fun, reference in _PAIRS),
    *(Case(p, fun, reference, _NAN, ("float64",), wrt=(), name="nan") for p, fun, reference in _PAIRS),
    Case(ops.max_p, lambda x: ops.max(x, 0), lambda x: np.maximum(x, 0), dtypes=(*ALL_FLOATS, *INTS), name="constant"),
    Case(
        ops.pick_greater_p,
        ops.pick_greater,
        lambda x, y, a, b: np.where(x > y, a, np.where(x < y, b, (a + b) / 2)),
        (*_APART, Operand((40,)), Operand((40,))),
        (*ALL_FLOATS, *COMPLEX),
    ),
    Case(
        ops.min_p,
        ops.clamp,
        _clip,
        (Operand(high=-1.0), Operand(), Operand(low=1.0)),
        (*ALL_FLOATS, "int8", "int64"),
        name="clamp",
    ),
)
