"""Rows for functrans.ops.generate."""

import numpy as np

from functrans.ops.arithmetic import add
from functrans.ops.broadcast import broadcast_in_dim_p
from functrans.ops.generate import broadcasted_iota, eye, full, iota, iota_p, tri
from tests.cases.case import Case, Operand

CASES = (
    Case(iota_p, lambda: iota(np.int32, 5), lambda: np.arange(5, dtype=np.int32), (), order=0),
    Case(iota_p, lambda: iota(np.float32, 0), lambda: np.arange(0, dtype=np.float32), (), order=0, name="empty"),
    Case(
        iota_p,
        lambda x: add(x, broadcasted_iota(np.float64, (3, 4), 0)),
        lambda x: x + np.arange(3.0)[:, None],
        (Operand((3, 4)),),
        ("float64",),
        name="next to an operand",
    ),
    Case(iota_p, lambda: eye(np.float64, (3, 4), 1), lambda: np.eye(3, 4, 1), (), order=0, name="eye"),
    Case(iota_p, lambda: tri(np.int8, (3, 4), -1), lambda: np.tri(3, 4, -1, np.int8), (), order=0, name="tri"),
    Case(broadcast_in_dim_p, lambda x: full((2, 3), x), lambda x: np.full((2, 3), x), (Operand(()),), name="full"),
)
