"""Rows for functrans.ops.linear_algebra."""

import numpy as np

from functrans.ops.linear_algebra import batch_matmul, dot, dot_general, dot_general_p
from functrans.typing import Array
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_TOLERANCE = 1e-12


def _row(name: str, lhs: str, rhs: str, out: str, dtypes: tuple[str, ...] = ("float32", "float64", "int32")) -> Case:
    """A product in einsum's notation, with axes a, b, … of lengths 2, 3, …."""
    batch = [axis for axis in out if axis in lhs and axis in rhs]
    contract = [axis for axis in lhs if axis in rhs and axis not in out]
    dims = tuple((tuple(map(lhs.index, axes)), tuple(map(rhs.index, axes))) for axes in (contract, batch))

    def product(x: Array, y: Array) -> Array:
        return dot_general(x, y, (dims[0], dims[1]))

    shapes = [tuple(2 + "abcdef".index(axis) for axis in operand) for operand in (lhs, rhs)]
    return Case(
        dot_general_p,
        product,
        lambda x, y: np.einsum(f"{lhs},{rhs}->{out}", x, y),
        (Operand(shapes[0]), Operand(shapes[1])),
        dtypes,
        name=name,
        rtol=_TOLERANCE,
    )


CASES = (
    Case(dot_general_p, dot, np.matmul, (Operand((2, 3)), Operand((3, 4))), _ANY, name="matrices", rtol=_TOLERANCE),
    Case(dot_general_p, dot, np.matmul, (Operand((3,)), Operand((3, 4))), _ANY, name="vector, matrix", rtol=_TOLERANCE),
    Case(dot_general_p, dot, np.matmul, (Operand((2, 3)), Operand((3,))), _ANY, name="matrix, vector", rtol=_TOLERANCE),
    Case(dot_general_p, dot, np.matmul, (Operand((3,)), Operand((3,))), _ANY, name="vectors", rtol=_TOLERANCE),
    Case(
        dot_general_p,
        batch_matmul,
        np.matmul,
        (Operand((2, 3, 4)), Operand((2, 4, 2))),
        _ANY,
        name="stacks",
        rtol=_TOLERANCE,
    ),
    _row("both transposed", "ba", "cb", "ac"),
    _row("right transposed", "ab", "cb", "ac"),
    _row("left transposed", "ba", "bc", "ac", ("float32", "float64", "complex128")),
    _row("two contracted", "abc", "bcd", "ad"),
    _row("two contracted, crossed", "abc", "cdb", "ad"),
    _row("contracted in the middle", "abc", "dbe", "acde"),
    _row("batch last", "abc", "dbc", "cad"),
    _row("batch only", "ab", "ab", "ab"),
    _row("batch and vectors", "ab", "ba", "a"),
    _row("two batch axes, crossed", "bac", "cab", "ab"),
    _row("two batch axes with free ones", "abcd", "bead", "abce"),
    _row("outer", "ab", "c", "abc", _ANY),
    _row("scaled", "", "ab", "ab"),
    _row("all free and batch", "abc", "bd", "bacd"),
    Case(
        dot_general_p,
        dot,
        np.matmul,
        (Operand((2, 0)), Operand((0, 3))),
        name="nothing contracted over",
        rtol=_TOLERANCE,
    ),
    Case(dot_general_p, dot, np.matmul, (Operand((0, 2)), Operand((2, 3))), name="empty", rtol=_TOLERANCE),
    Case(
        dot_general_p,
        lambda x, y: dot(x, y, preferred_element_type=np.float64),
        lambda x, y: np.matmul(x.astype(np.float64), y.astype(np.float64)),
        (Operand((2, 3)), Operand((3, 2))),
        ("float32", "int8"),
        name="wider result",
        rtol=_TOLERANCE,
    ),
    Case(
        dot_general_p,
        lambda x, y: dot(x, y, preferred_element_type=np.complex128),
        lambda x, y: np.matmul(x, y).astype(np.complex128),
        (Operand((2, 3)), Operand((3, 2))),
        ("float64",),
        name="complex result",
        rtol=_TOLERANCE,
    ),
    Case(
        dot_general_p,
        lambda x, y: dot(x, y, preferred_element_type=np.int32),
        lambda x, y: np.matmul(x, y).astype(np.int32),
        (Operand((2, 3)), Operand((3, 2))),
        ("int64",),
        name="narrower result",
        rtol=_TOLERANCE,
    ),
)
