"""Rows for functrans.ops.stacks: what is pushed is what is popped, in the reverse order."""

from typing import Any

import numpy as np

from functrans.core.primitive import aval_of
from functrans.core.stacks import stack_dtype
from functrans.ops.stacks import add_stacks, add_stacks_p, empty_stack, empty_stack_p, pop, pop_p, push, push_p
from functrans.typing import Array
from tests.cases.case import COMPLEX, FLOATS, Case, Operand

_PAIR = (Operand((3,)), Operand((3,)))


def stack_of(*values: Array) -> Array:
    """A stack of one value a record."""
    stack = empty_stack(stack_dtype([aval_of(values[0])]))
    for value in values:
        stack = push(stack, value)
    return stack


def _both(x: Array, y: Array) -> Any:
    below, top = pop(stack_of(x, y * x))
    return top, pop(below)[1]


def _of_stacks(x: Array, y: Array) -> Any:
    """A stack on a stack, of records of two values."""
    inner = stack_of(x, y)
    outer = push(empty_stack(stack_dtype([aval_of(inner), aval_of(x)])), inner, x * y)
    _, found, product = pop(outer)
    return pop(found)[1], product


def _summed(x: Array, y: Array) -> Any:
    """Of different heights."""
    below, top = pop(add_stacks(stack_of(x, y), stack_of(x * x)))
    return top, pop(below)[1]


def _of_many(x: Array, y: Array) -> Any:
    """An array of stacks, each with a record of its own."""
    stacks = empty_stack(stack_dtype([aval_of(np.zeros((), aval_of(x).dtype))]), (3,))
    below, top = pop(push(push(stacks, x), x * y))
    return top, pop(below)[1]


CASES = (
    Case(push_p, _both, lambda x, y: (y * x, x), _PAIR, (*FLOATS, *COMPLEX)),
    Case(pop_p, _of_stacks, lambda x, y: (y, x * y), _PAIR, name="of stacks"),
    Case(pop_p, _of_many, lambda x, y: (x * y, x), _PAIR, name="of many"),
    Case(add_stacks_p, _summed, lambda x, y: (y + x * x, x), _PAIR),
    Case(
        empty_stack_p,
        lambda x: x + pop(empty_stack(stack_dtype([aval_of(x)])))[1],
        lambda x: x,
    ),
)
