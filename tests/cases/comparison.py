"""Rows for functrans.ops.comparison."""

import numpy as np

from functrans.ops import comparison as ops
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_PAIR = (Operand(), Operand())
_MIXED = (Operand(value=np.array([-1, 0, 2**62])), Operand(value=np.array([2**64 - 1, 0, 2**63], np.uint64)))
_SPECIAL = Operand(value=np.array([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan]))
_COMPARISONS = (
    (ops.eq_p, ops.eq, np.equal),
    (ops.ne_p, ops.ne, np.not_equal),
    (ops.lt_p, ops.lt, np.less),
    (ops.le_p, ops.le, np.less_equal),
    (ops.gt_p, ops.gt, np.greater),
    (ops.ge_p, ops.ge, np.greater_equal),
)
_PREDICATES = (
    (ops.is_finite_p, ops.is_finite, np.isfinite),
    (ops.is_inf_p, ops.is_inf, np.isinf),
    (ops.is_nan_p, ops.is_nan, np.isnan),
)

CASES = (
    *(Case(p, fun, reference, _PAIR, _ANY, order=0) for p, fun, reference in _COMPARISONS),
    *(Case(p, fun, reference, _MIXED, ("int64",), order=0, name="mixed") for p, fun, reference in _COMPARISONS),
    *(Case(p, fun, reference, dtypes=_ANY, order=0) for p, fun, reference in _PREDICATES),
    *(Case(p, fun, ref, (_SPECIAL,), ("float64",), order=0, name="special") for p, fun, ref in _PREDICATES),
    Case(ops.signbit_p, ops.signbit, np.signbit, dtypes=ALL_FLOATS, order=0),
    Case(ops.signbit_p, ops.signbit, np.signbit, (_SPECIAL,), ("float64",), order=0, name="special"),
)
