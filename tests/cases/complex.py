"""Rows for functrans.ops.complex."""

import numpy as np

from functrans.ops import complex as ops
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, FLOATS, INTS, Case, Operand

_REAL = (*ALL_FLOATS, *INTS)
_AWAY = (Operand(low=0.5),)
_SIGNED = (Operand(exclude=(0.0,)),)

CASES = (
    Case(ops.real_p, ops.real, np.real, dtypes=COMPLEX),
    Case(ops.real_p, ops.real, np.real, (Operand(()),), COMPLEX, name="rank 0"),
    Case(ops.imag_p, ops.imag, np.imag, dtypes=COMPLEX),
    Case(ops.conj_p, ops.conj, np.conj, dtypes=COMPLEX),
    Case(
        ops.complex_p,
        ops.complex,
        lambda x, y: (x + 1j * y).astype(np.result_type(x, np.complex64)),
        (Operand(), Operand()),
        FLOATS,
    ),
    Case(ops.complex_p, ops.complex, lambda x, y: x + 1j * y, (Operand(()), Operand(())), ("float64",), name="rank 0"),
    Case(ops.sign_p, ops.sign, np.sign, _SIGNED, _REAL, order=0),
    Case(ops.complex_sign_p, ops.sign, np.sign, _AWAY, COMPLEX),
    Case(ops.abs_p, ops.abs, np.abs, _SIGNED, (*_REAL, *BOOL)),
    Case(ops.abs_p, ops.abs, np.abs, (Operand(()),), _REAL, name="rank 0"),
    Case(ops.complex_abs_p, ops.abs, np.abs, _AWAY, COMPLEX),
)
