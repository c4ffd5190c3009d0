"""Rows for functrans.ops.special; the values themselves are held against mpmath in tests/test_special_kernels.py."""

import math
from typing import Any

import numpy as np

from functrans.ops import special as ops
from functrans.ops import special_kernels as kernels
from tests.cases.case import ALL_FLOATS, Case, Operand

_POSITIVE = (Operand(low=0.5, high=6.0),)


def _by_math(fun: Any) -> Any:
    """A function of the standard library, elementwise in float64 and rounded to the operand's dtype."""
    return lambda x: np.vectorize(fun, otypes=[np.float64])(x.astype(np.float64)).astype(x.dtype)


CASES = (
    Case(ops.erf_p, ops.erf, _by_math(math.erf), dtypes=ALL_FLOATS),
    Case(ops.erfc_p, ops.erfc, _by_math(math.erfc), dtypes=ALL_FLOATS),
    Case(ops.erf_inv_p, ops.erf_inv, kernels.erfinv, (Operand(low=-0.7, high=0.7),), ALL_FLOATS),
    Case(ops.lgamma_p, ops.lgamma, _by_math(math.lgamma), _POSITIVE, ALL_FLOATS, rtol=1e-13),
    Case(ops.digamma_p, ops.digamma, kernels.digamma, _POSITIVE, ALL_FLOATS),
    Case(
        ops.polygamma_p,
        lambda x: ops.polygamma(1, x),
        lambda x: kernels.polygamma(1, x),
        (Operand(low=1.0, high=6.0),),
        ALL_FLOATS,
    ),
    Case(
        ops.polygamma_p,
        lambda x: ops.polygamma(2, x),
        lambda x: kernels.polygamma(2, x),
        (Operand((), low=1.0, high=6.0),),
        name="rank 0",
    ),
)
