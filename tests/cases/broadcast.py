"""Rows for functrans.ops.broadcast."""

import numpy as np

from functrans.ops.broadcast import broadcast_in_dim, broadcast_in_dim_p, reduce_sum, reduce_sum_p
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_NUMERIC = (*ALL_FLOATS, *COMPLEX, *INTS)

CASES = (
    Case(
        broadcast_in_dim_p,
        lambda x: broadcast_in_dim(x, (2, 3, 4), (1, 2)),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        dtypes=_ANY,
        name="new axis",
    ),
    Case(
        broadcast_in_dim_p,
        lambda x: broadcast_in_dim(x, (3, 5, 4), (0, 1)),
        lambda x: np.broadcast_to(x[:, :, None], (3, 5, 4)),
        (Operand((3, 1)),),
        name="stretched axis",
    ),
    Case(
        broadcast_in_dim_p,
        lambda x: broadcast_in_dim(x, (2,), ()),
        lambda x: np.full(2, x),
        (Operand(()),),
        name="rank 0",
    ),
    Case(
        broadcast_in_dim_p,
        lambda x: broadcast_in_dim(x, (0, 4), (1,)),
        lambda x: np.broadcast_to(x, (0, 4)),
        (Operand((4,)),),
        name="empty",
    ),
    Case(
        reduce_sum_p,
        lambda x: reduce_sum(x, (0,)),
        lambda x: np.sum(x, 0, dtype=x.dtype),
        dtypes=_NUMERIC,
        name="one axis",
    ),
    Case(
        reduce_sum_p,
        lambda x: reduce_sum(x, (0, 1)),
        lambda x: np.sum(x, dtype=x.dtype),
        dtypes=_NUMERIC,
        name="all axes",
    ),
    Case(reduce_sum_p, lambda x: reduce_sum(x, (1,)), lambda x: np.sum(x, 1), (Operand((3, 0)),), name="empty"),
)
