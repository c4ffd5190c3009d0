"""Rows for functrans.ops.power."""

import numpy as np

from functrans.ops import power as ops
from tests.cases.case import ALL_FLOATS, COMPLEX, INTS, Case, Operand

_INEXACT = (*ALL_FLOATS, *COMPLEX)
_POSITIVE = Operand(low=0.5, high=3.0)

CASES = (
    Case(ops.sqrt_p, ops.sqrt, np.sqrt, (_POSITIVE,), _INEXACT),
    Case(ops.rsqrt_p, ops.rsqrt, lambda x: 1 / np.sqrt(x), (_POSITIVE,), _INEXACT),
    Case(ops.cbrt_p, ops.cbrt, np.cbrt, (Operand(low=-3.0, high=-0.5),), ALL_FLOATS),
    Case(ops.hypot_p, ops.hypot, np.hypot, (Operand(low=0.5), Operand()), ALL_FLOATS),
    Case(ops.pow_p, ops.pow, np.power, (_POSITIVE, Operand()), _INEXACT),
    Case(ops.pow_p, ops.pow, np.power, (Operand((), low=0.5), Operand(())), _INEXACT, name="rank 0"),
    Case(ops.pow_p, lambda x: ops.pow(x, 2.5), lambda x: x**2.5, (_POSITIVE,), _INEXACT, name="constant exponent"),
    Case(ops.pow_p, lambda x: ops.pow(x, 0.0), np.ones_like, (_POSITIVE,), _INEXACT, name="exponent 0"),
    Case(
        ops.pow_p,
        lambda y: ops.pow(2.0, y),
        lambda y: np.asarray(2.0, y.dtype) ** y,
        dtypes=_INEXACT,
        name="constant base",
    ),
    Case(
        ops.pow_p,
        lambda x: ops.pow(x, np.arange(-2, 2)),
        lambda x: x ** np.arange(-2.0, 2.0, dtype=x.dtype),
        (Operand((4,), low=0.5),),
        ("float64", "complex128"),
        name="integer exponents",
    ),
    Case(ops.pow_p, ops.pow, np.power, (Operand(), Operand(low=0.0)), INTS, name="integers"),
    Case(ops.float_power_p, ops.float_power, np.float_power, (_POSITIVE, Operand()), ("float64", "complex128")),
)
