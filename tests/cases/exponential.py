"""Rows for functrans.ops.exponential."""

import numpy as np

from functrans.ops import exponential as ops
from tests.cases.case import ALL_FLOATS, COMPLEX, Case, Operand

_INEXACT = (*ALL_FLOATS, *COMPLEX)
_PAIR = (Operand(), Operand())
_POSITIVE = (Operand(low=0.5, high=3.0),)
_SPECIAL = (
    Operand(value=np.array([np.inf, -np.inf, -np.inf, 1.0, 700.0])),
    Operand(value=np.array([np.inf, -np.inf, 1.0, -np.inf, -700.0])),
)

CASES = (
    Case(ops.exp_p, ops.exp, np.exp, dtypes=_INEXACT),
    Case(ops.exp_p, ops.exp, np.exp, (Operand(()),), _INEXACT, name="rank 0"),
    Case(ops.exp2_p, ops.exp2, np.exp2, dtypes=_INEXACT),
    Case(ops.expm1_p, ops.expm1, np.expm1, dtypes=_INEXACT),
    Case(ops.log_p, ops.log, np.log, _POSITIVE, _INEXACT),
    Case(ops.log2_p, ops.log2, np.log2, _POSITIVE, _INEXACT),
    Case(ops.log10_p, ops.log10, np.log10, _POSITIVE, _INEXACT),
    Case(ops.log1p_p, ops.log1p, np.log1p, (Operand(low=-0.4),), _INEXACT),
    Case(ops.logistic_p, ops.logistic, lambda x: 1 / (1 + np.exp(-x)), dtypes=_INEXACT),
    Case(
        ops.logistic_difference_p,
        ops.logistic_difference,
        lambda x, y: 1 / (1 + np.exp(y - x)),
        _PAIR,
        ALL_FLOATS,
        rtol=8e-15,
    ),
    Case(ops.logaddexp_p, ops.logaddexp, np.logaddexp, _PAIR, ALL_FLOATS),
    Case(ops.logaddexp_p, ops.logaddexp, np.logaddexp, _SPECIAL, ("float64",), wrt=(), name="special"),
    Case(ops.logaddexp2_p, ops.logaddexp2, np.logaddexp2, _PAIR, ALL_FLOATS),
)
