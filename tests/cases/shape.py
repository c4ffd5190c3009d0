"""Rows for functrans.ops.shape."""

from typing import Any

import numpy as np

from functrans.ops import shape as ops
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_EMPTY, _RANK_0, _SCALAR = Operand((3, 0)), Operand(()), Operand(())


def _padded(x: Any, value: Any) -> Any:
    """Padding (2, 1, 1) on the first axis of a (3, 4) array and (-1, 2, 0) on the second."""
    out = np.full((8, 5), value, x.dtype)
    out[2:7:2, :3] = x[:, 1:]
    return out


def _cropped(x: Any, value: Any) -> Any:
    """Padding (-1, -2, 2) on the first axis of a (3, 4) array and (0, 0, 0) on the second."""
    out = np.full((4, 4), value, x.dtype)
    out[2] = x[1]
    return out


CASES = (
    Case(ops.reshape_p, lambda x: ops.reshape(x, (2, 6)), lambda x: x.reshape(2, 6), dtypes=_ANY),
    Case(ops.reshape_p, lambda x: ops.reshape(x, (1, 1)), lambda x: x.reshape(1, 1), (_RANK_0,), name="rank 0"),
    Case(ops.reshape_p, lambda x: ops.reshape(x, (0, 5)), lambda x: x.reshape(0, 5), (_EMPTY,), name="empty"),
    Case(ops.reshape_p, lambda x: ops.reshape(x, (12,), (1, 0)), lambda x: x.T.reshape(12), name="dimensions"),
    Case(ops.reshape_p, lambda x: ops.expand_dims(x, (0, -1)), lambda x: x[None, ..., None], name="expand_dims"),
    Case(ops.reshape_p, lambda x: ops.squeeze(x, (-1,)), lambda x: x[..., 0], (Operand((3, 1)),), name="squeeze"),
    Case(
        ops.transpose_p,
        lambda x: ops.transpose(x, (2, 0, 1)),
        lambda x: x.transpose(2, 0, 1),
        (Operand((2, 3, 4)),),
        dtypes=_ANY,
    ),
    Case(ops.transpose_p, lambda x: ops.transpose(x, ()), lambda x: x, (_RANK_0,), name="rank 0"),
    Case(ops.transpose_p, lambda x: ops.transpose(x, (1, 0)), lambda x: x.T, (_EMPTY,), name="empty"),
    Case(ops.rev_p, lambda x: ops.rev(x, (1,)), lambda x: x[:, ::-1], dtypes=_ANY),
    Case(ops.rev_p, lambda x: ops.rev(x, (0, 1)), lambda x: x[::-1, ::-1], (_EMPTY,), name="empty"),
    Case(ops.rev_p, lambda x: ops.rev(x, ()), lambda x: x, (_RANK_0,), name="rank 0"),
    Case(ops.slice_p, lambda x: ops.slice(x, (1, 0), (3, 3)), lambda x: x[1:3, :3], dtypes=_ANY),
    Case(ops.slice_p, lambda x: ops.slice(x, (0, 1), (3, 4), (2, 2)), lambda x: x[::2, 1::2], name="strides"),
    Case(ops.slice_p, lambda x: ops.slice(x, (2, 0), (2, 4)), lambda x: x[2:2], name="nothing"),
    Case(ops.slice_p, lambda x: ops.slice_in_dim(x, -3, None, 2, 1), lambda x: x[:, -3::2], name="one axis"),
    Case(ops.slice_p, lambda x: ops.slice(x, (), ()), lambda x: x, (_RANK_0,), name="rank 0"),
    Case(
        ops.pad_p,
        lambda x, value: ops.pad(x, value, ((2, 1, 1), (-1, 2, 0))),
        _padded,
        (Operand(), _SCALAR),
        dtypes=_ANY,
    ),
    Case(
        ops.pad_p,
        lambda x, value: ops.pad(x, value, ((-1, -2, 2), (0, 0, 0))),
        _cropped,
        (Operand(), _SCALAR),
        name="negative",
    ),
    Case(
        ops.pad_p,
        lambda x, value: ops.pad(x, value, ((0, 0, 3), (1, 1, 2))),
        lambda x, value: np.full((9, 2), value),
        (_EMPTY, _SCALAR),
        name="empty",
    ),
    Case(ops.pad_p, lambda x, value: ops.pad(x, value, ()), lambda x, value: x, (_RANK_0, _SCALAR), name="rank 0"),
    Case(ops.reshape_p, lambda x: ops.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), name="tile"),
    Case(ops.reshape_p, lambda x: ops.repeat(x, 3, 0), lambda x: np.repeat(x, 3, 0), name="repeat"),
)
