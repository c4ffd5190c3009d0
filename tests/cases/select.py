"""Rows for functrans.ops.select."""

import numpy as np

from functrans.ops.select import select, select_n, select_n_p
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_PRED = Operand(dtype="bool")
_NUMBERS = np.array([[0, 2, 1, 1], [2, 2, 0, 0], [1, 0, 2, 1]], np.int32)

CASES = (
    Case(select_n_p, select, np.where, (_PRED, Operand(), Operand()), _ANY),
    Case(
        select_n_p,
        select,
        np.where,
        (Operand((0, 2), dtype="bool"), Operand((0, 2)), Operand((0, 2))),
        _ANY,
        name="empty",
    ),
    Case(
        select_n_p,
        select,
        lambda pred, x, y: x if pred else y,
        (Operand((), dtype="bool"), Operand(()), Operand(())),
        _ANY,
        name="rank 0",
    ),
    Case(select_n_p, select, np.where, (Operand((), dtype="bool"), Operand(), Operand()), _ANY, name="one predicate"),
    Case(
        select_n_p,
        lambda pred, x: select(pred, x, 0),
        lambda pred, x: np.where(pred, x, x.dtype.type(0)),
        (_PRED, Operand()),
        (*ALL_FLOATS, *COMPLEX, *INTS),
        name="constant",
    ),
    Case(
        select_n_p,
        select_n,
        lambda which, *cases: np.choose(which, cases),
        (Operand(value=_NUMBERS), Operand(), Operand(), Operand()),
        _ANY,
        name="three cases",
    ),
)
