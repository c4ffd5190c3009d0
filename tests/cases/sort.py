"""Rows for functrans.ops.sort."""

import numpy as np

from functrans.ops.sort import (
    argsort,
    argsort_p,
    put_along,
    put_along_p,
    sort,
    sort_p,
    take_along,
    take_along_p,
    top_k,
    top_k_p,
)
from functrans.typing import Array
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, FLOATS, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_REPEATED = np.array([[2, 0, -1, 2, 2], [1, 1, 0, 3, -4]])
_PERMUTATION = np.array([[2, 0, 3, 1], [0, 1, 2, 3], [3, 2, 1, 0]])


def _put(updates: Array, indices: Array, size: int) -> Array:
    out = np.zeros((len(updates), size), updates.dtype)
    for row, line, line_indices in zip(out, updates, indices, strict=True):
        np.add.at(row, line_indices, line)
    return out


def _top(x: Array, k: int) -> tuple[Array, Array]:
    order = np.argsort(-x, -1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order


def _by_keys(a: Array, b: Array, c: Array) -> tuple[Array, ...]:
    order = np.lexsort((b, a), 0)
    return tuple(np.take_along_axis(x, order, 0) for x in (a, b, c))


CASES = (
    Case(sort_p, lambda x: sort(x, 1), lambda x: np.sort(x, 1), (Operand(distinct=True),), _ANY, name="last axis"),
    Case(
        sort_p,
        lambda x: sort(x, 0, is_stable=False),
        lambda x: np.sort(x, 0),
        (Operand(distinct=True),),
        _ANY,
        name="unstable",
    ),
    Case(
        sort_p,
        lambda a, b: sort((a, b), 0),
        lambda a, b: tuple(np.take_along_axis(x, np.argsort(a, 0, kind="stable"), 0) for x in (a, b)),
        (Operand(distinct=True), Operand()),
        _ANY,
        name="key and value",
    ),
    Case(
        sort_p,
        lambda a, b, c: sort([a, b, c], 0, num_keys=2),
        _by_keys,
        (Operand((5, 2), dtype="int32", low=0, high=1), Operand((5, 2), distinct=True), Operand((5, 2))),
        name="two keys",
    ),
    Case(sort_p, lambda x: sort(x), np.sort, (Operand((3, 0)),), name="empty"),
    Case(argsort_p, lambda x: argsort(x, 1), lambda x: np.argsort(x, 1, kind="stable"), dtypes=_ANY, order=0),
    Case(
        argsort_p,
        lambda a, b: argsort((a, b), 0),
        lambda a, b: np.lexsort((b, a), 0),
        (Operand((6, 2), dtype="int8", low=0, high=1), Operand((6, 2))),
        order=0,
        name="two keys",
    ),
    Case(
        take_along_p,
        lambda x, i: take_along(x, i, 1),
        lambda x, i: np.take_along_axis(x, i, 1),
        (Operand((2, 4)), Operand(value=_REPEATED)),
        _ANY,
        name="repeated",
    ),
    Case(
        take_along_p,
        lambda x, i: take_along(x, i, -1, unique=True),
        lambda x, i: np.take_along_axis(x, i, 1),
        (Operand((3, 4)), Operand(value=_PERMUTATION)),
        _ANY,
        name="permutation",
    ),
    Case(
        take_along_p,
        lambda x: take_along(x, np.array([1, 1, 0]), 0),
        lambda x: x[[1, 1, 0]],
        (Operand((2,)),),
        name="vector",
    ),
    Case(
        put_along_p,
        lambda u, i: put_along(u, i, 1, 6),
        lambda u, i: _put(u, i, 6),
        (Operand((2, 5)), Operand(value=_REPEATED)),
        (*ALL_FLOATS, *COMPLEX, *INTS),
        name="repeated",
    ),
    Case(
        put_along_p,
        lambda u, i: put_along(u, i, 1, 5, unique=True),
        lambda u, i: _put(u, i, 5),
        (Operand((3, 4)), Operand(value=_PERMUTATION)),
        (*ALL_FLOATS, *COMPLEX, *INTS),
        name="permutation",
    ),
    Case(
        top_k_p,
        lambda x: top_k(x, 2),
        lambda x: _top(x, 2),
        (Operand(distinct=True),),
        (*FLOATS, "float16", "int32"),
        name="two",
    ),
    Case(top_k_p, lambda x: top_k(x, 0), lambda x: _top(x, 0), name="none"),
    Case(top_k_p, lambda x: top_k(x, 4), lambda x: _top(x, 4), (Operand((4,), distinct=True),), name="all"),
)
