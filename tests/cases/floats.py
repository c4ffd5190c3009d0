"""Rows for functrans.ops.floats."""

import numpy as np

from functrans.ops import floats as ops
from tests.cases.case import ALL_FLOATS, Case, Operand

_SIGNED = Operand(exclude=(0.0,))
_BETWEEN = Operand(value=np.array([2.5, -1.4, 0.3, -0.7]))  # neither integers nor powers of two
_SPECIAL = Operand(value=np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324]))
_INT = Operand(dtype="int32")

CASES = (
    Case(ops.copysign_p, ops.copysign, np.copysign, (_SIGNED, _SIGNED), ALL_FLOATS),
    Case(ops.heaviside_p, ops.heaviside, np.heaviside, (_SIGNED, Operand()), ALL_FLOATS),
    Case(
        ops.heaviside_p,
        lambda y: ops.heaviside(np.zeros(3), y),
        lambda y: y,
        (Operand((3,)),),
        ("float64",),
        name="at 0",
    ),
    Case(ops.nextafter_p, ops.nextafter, np.nextafter, (_SIGNED, Operand()), ALL_FLOATS),
    Case(ops.spacing_p, ops.spacing, np.spacing, dtypes=ALL_FLOATS, order=0),
    Case(ops.ldexp_p, ops.ldexp, np.ldexp, (Operand(), _INT), ALL_FLOATS),
    Case(ops.ldexp_p, lambda x: ops.ldexp(x, 3), lambda x: np.ldexp(x, 3), dtypes=ALL_FLOATS, name="constant"),
    Case(ops.frexp_mantissa_p, ops.frexp, np.frexp, (_BETWEEN,), ("float64",)),
    Case(ops.frexp_mantissa_p, ops.frexp, np.frexp, dtypes=ALL_FLOATS, wrt=(), name="values"),
    Case(
        ops.frexp_exponent_p,
        lambda x: ops.frexp(x)[1],
        lambda x: np.frexp(x)[1],
        (_SPECIAL,),
        ("float64",),
        order=0,
        wrt=(),
    ),
    Case(ops.modf_fraction_p, ops.modf, np.modf, (_BETWEEN,), ("float64",)),
    Case(ops.modf_fraction_p, ops.modf, np.modf, (_SPECIAL,), ("float64",), wrt=(), name="special"),
)
