"""A call of a C function, to a compiler: what each of its parameters gets. Start reading at `ForeignCall`.

Imports `aval`, typing and records.
"""

from __future__ import annotations

from typing import Literal

from functrans.core.aval import ShapedArray
from functrans.record import NamedTuple, Record
from functrans.typing import Shape

__all__ = ["ForeignCall", "Given"]


class Given(NamedTuple):
    """What a parameter gets: the value of an operand that is one number, or a pointer to an operand or a result; and which."""

    kind: Literal["value", "operand", "result"]
    number: int


class ForeignCall(Record):
    """`(address, *operands) -> results`: a C function called for each index of a loop, in order.

    The address is an operand, an uint64, so that code which calls it can be kept. Operands are numbered without it.
    """

    name: str
    given: tuple[Given, ...]
    """One for each parameter of the function."""
    returns: bool
    """Whether the first result is what it returns; all others are written through pointers."""
    copies: tuple[tuple[int, int], ...]
    """`(operand, result)`: the result is the operand before the function gets a pointer to it."""
    results: tuple[ShapedArray, ...]
    """Of one call."""
    mapped: tuple[tuple[bool, ...], ...]
    """For the address and each operand, along which of the loop's axes it has elements of its own; it has those axes first."""
    loop: Shape = ()
    """Results have all its axes first."""

    def __str__(self) -> str:
        return f"{self.name} for each of {' × '.join(map(str, self.loop))}" if self.loop else self.name
