"""Rows for functrans.ops.identity."""

from functrans.ops.identity import stop_gradient, stop_gradient_p
from tests.cases.case import ALL_FLOATS, COMPLEX, Case, Operand

CASES = (
    Case(stop_gradient_p, stop_gradient, lambda x: x, dtypes=(*ALL_FLOATS, *COMPLEX), order=0),
    Case(stop_gradient_p, stop_gradient, lambda x: x, (Operand(()),), order=0, name="rank 0"),
    Case(stop_gradient_p, stop_gradient, lambda x: x, (Operand((0, 2)),), order=0, name="empty"),
)
