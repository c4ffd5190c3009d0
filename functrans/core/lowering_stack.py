"""What is done with stacks, to a compiler: records in memory that grows while a program runs. Imports nothing.

A record has the address of the one below it first, then each of its values in whole words. An address of zero is an empty
stack. Start reading at `Push`.
"""

from __future__ import annotations

from typing import TypeAlias

from functrans.record import Record

__all__ = ["AddStacks", "EmptyStack", "Pop", "Push", "StackStep"]


class EmptyStack(Record):
    """`() -> stacks`: all of them empty."""


class Push(Record):
    """`(stacks, *values) -> stacks`: each with a record more, of the values at its place."""


class Pop(Record):
    """`stacks -> (stacks, *values)`: each without its newest record, and that; zeros where it is empty."""


class AddStacks(Record):
    """`(stacks, stacks) -> stacks`: values of records that are equally far from the top, added; others as they are."""


StackStep: TypeAlias = EmptyStack | Push | Pop | AddStacks
