"""Stacks: how many values a loop keeps that nobody can count before it has run.

A stack is a chain of records, each with the record below it: to push makes a new stack, and the old one is as it was. So a
stack is a value like any other, of the size of an address: loops carry stacks, batches have one per lane, records hold
stacks. Its type is a dtype of its own per types of what a record holds. NumPy keeps in it a Python object (None: it is
empty), machine code an address. Imports `aval`; start reading at `stack_dtype`, then `Record`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from functrans.core.aval import STACKED, ShapedArray, shaped
from functrans.record import NamedTuple
from functrans.typing import Array, DType, Shape

__all__ = ["Link", "Links", "blank", "is_stack", "links_of", "record_avals", "record_layout", "stack_dtype"]


def stack_dtype(avals: Sequence[ShapedArray]) -> DType:
    """The dtype of stacks whose records hold values of these types."""
    dtype: DType = np.dtype([(f"stack({', '.join(map(str, avals))})", object)])
    STACKED[dtype] = tuple(avals)
    return dtype


def is_stack(dtype: DType) -> bool:
    """Whether it is the dtype of stacks."""
    return dtype.kind == "V" and dtype in STACKED


def record_avals(dtype: DType, shape: Shape = ()) -> tuple[ShapedArray, ...]:
    """The types of the values of a record of stacks of a dtype; of an array of stacks, each with its axes in front."""
    return tuple(shaped((*shape, *aval.shape), aval.dtype) for aval in STACKED[dtype])


_WORD = 8
"""Bytes of an address, to which the values of a record are aligned in memory."""


def record_layout(dtype: DType) -> tuple[tuple[int, ...], int]:
    """Where each value lies in a record in memory, which begins with the address of the one below; the record's bytes."""
    places, end = [], _WORD
    for aval in record_avals(dtype):
        places.append(end)
        end += -(-aval.nbytes // _WORD) * _WORD
    return tuple(places), end


class Link(Protocol):
    """A record of a stack, to Python."""

    @property
    def below(self) -> Link | None: ...

    @property
    def values(self) -> Sequence[Array]: ...


class Links(NamedTuple):
    """A record that NumPy has made."""

    below: Link | None
    values: tuple[Array, ...]


def blank(aval: ShapedArray) -> Array:
    """An array to be written to, that starts with zeros, or with empty stacks."""
    return np.empty(aval.shape, aval.dtype) if is_stack(aval.dtype) else np.zeros(aval.shape, aval.dtype)


def links_of(stacks: Array) -> Any:  # Any: an array of objects, each a Link or None
    """The Python objects in an array of stacks."""
    whole = np.asarray(stacks)
    return whole[whole.dtype.names[0]]  # type: ignore[index]  # it has one


def positions(shape: Shape) -> Iterator[tuple[int, ...]]:
    """The index of each stack in an array of them."""
    return np.ndindex(*shape)
