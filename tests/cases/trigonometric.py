"""Rows for functrans.ops.trigonometric."""

import numpy as np

from functrans.ops import trigonometric as ops
from tests.cases.case import ALL_FLOATS, COMPLEX, Case, Operand

_INEXACT = (*ALL_FLOATS, *COMPLEX)
_UNIT = (Operand(low=0.1, high=0.7),)

CASES = (
    Case(ops.sin_p, ops.sin, np.sin, dtypes=_INEXACT),
    Case(ops.sin_p, ops.sin, np.sin, (Operand(()),), _INEXACT, name="rank 0"),
    Case(ops.cos_p, ops.cos, np.cos, dtypes=_INEXACT),
    Case(ops.tan_p, ops.tan, np.tan, (Operand(low=-1.0, high=1.0),), _INEXACT),
    Case(ops.asin_p, ops.asin, np.arcsin, _UNIT, _INEXACT),
    Case(ops.acos_p, ops.acos, np.arccos, _UNIT, _INEXACT),
    Case(ops.atan_p, ops.atan, np.arctan, _UNIT, _INEXACT),
    Case(ops.atan2_p, ops.atan2, np.arctan2, (Operand(low=0.5), Operand()), ALL_FLOATS),
    Case(ops.sinh_p, ops.sinh, np.sinh, dtypes=_INEXACT),
    Case(ops.cosh_p, ops.cosh, np.cosh, dtypes=_INEXACT),
    Case(ops.tanh_p, ops.tanh, np.tanh, (Operand(low=-1.0, high=1.0),), _INEXACT),
    Case(ops.asinh_p, ops.asinh, np.arcsinh, (Operand(low=0.2),), _INEXACT),
    Case(ops.acosh_p, ops.acosh, np.arccosh, (Operand(low=1.5, high=3.0),), _INEXACT),
    Case(
        ops.acosh_p,
        ops.acosh,
        np.arccosh,
        (Operand(low=-3.0, high=-1.5),),
        COMPLEX,
        name="left half plane",
    ),
    Case(ops.atanh_p, ops.atanh, np.arctanh, _UNIT, _INEXACT),
    Case(ops.deg2rad_p, ops.deg2rad, np.deg2rad, (Operand(high=360.0),), ALL_FLOATS),
    Case(ops.rad2deg_p, ops.rad2deg, np.rad2deg, dtypes=ALL_FLOATS),
)
