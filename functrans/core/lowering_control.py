"""Loops and branches, to a compiler: the jaxprs that they run, and which operands those take. Start reading at `Scan`.

The fields have the names of the primitives' parameters, which `lower_to` takes them from. Imports nothing of
functrans but records; a jaxpr is a type here only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from functrans.record import Record

if TYPE_CHECKING:
    from functrans.core.ir import Jaxpr

__all__ = ["Branch", "Control", "Scan", "While", "lower_to"]


class Branch(Record):
    """`(index, *operands) -> results`: those of the branch that an int32, which is in range, chooses."""

    branches: tuple[Jaxpr, ...]
    """Each takes all operands."""

    @property
    def jaxprs(self) -> tuple[Jaxpr, ...]:
        return self.branches


class While(Record):
    """`(*cond_consts, *body_consts, *carry) -> carry`: replaced by what the body gives as long as the condition holds."""

    cond_jaxpr: Jaxpr
    """`(*cond_consts, *carry) -> bool`."""
    body_jaxpr: Jaxpr
    """`(*body_consts, *carry) -> carry`."""
    cond_consts: int
    body_consts: int

    @property
    def jaxprs(self) -> tuple[Jaxpr, ...]:
        return self.cond_jaxpr, self.body_jaxpr

    @property
    def consts(self) -> int:
        """How many operands come before what is carried."""
        return self.cond_consts + self.body_consts


class Scan(Record):
    """`(*consts, *carry, *xs) -> (*carry, *ys)`: the body for each row of the xs, which gives the next carry and a row of ys."""

    jaxpr: Jaxpr
    """`(*consts, *carry, *rows of xs) -> (*carry, *rows of ys)`."""
    length: int
    reverse: bool
    """From the last row to the first; each row of ys stands where the row of xs stood."""
    consts: int
    carry: int

    @property
    def jaxprs(self) -> tuple[Jaxpr, ...]:
        return (self.jaxpr,)


Control: TypeAlias = Branch | While | Scan


def lower_to(kind: type[Branch | While | Scan]) -> Callable[[object, Mapping[str, Any]], Control]:
    """The `lower` of a primitive that has parameters of the names of a kind's fields. Any: as a primitive's params."""
    return lambda _avals, params: kind(*(params[name] for name in kind._fields))
