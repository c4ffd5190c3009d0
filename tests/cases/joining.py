"""Rows for functrans.ops.joining."""

import numpy as np

from functrans.ops import joining as ops
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)

CASES = (
    Case(
        ops.concatenate_p,
        lambda x, y, z: ops.concatenate([x, y, z], 1),
        lambda x, y, z: np.concatenate([x, y, z], 1),
        (Operand((3, 2)), Operand((3, 0)), Operand((3, 1))),
        dtypes=_ANY,
    ),
    Case(ops.concatenate_p, lambda x: ops.concatenate([x], -1), lambda x: x, name="one operand"),
    Case(
        ops.split_p,
        lambda x: ops.split(x, (1, 0, 3), 1),
        lambda x: (x[:, :1], x[:, 1:1], x[:, 1:]),
        dtypes=_ANY,
    ),
    Case(ops.split_p, lambda x: ops.split(x, (3,)), lambda x: (x,), name="one part"),
)
