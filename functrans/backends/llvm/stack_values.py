"""Stacks that go into a compiled program and come out of it: addresses there, Python objects here.

What a program leaves in memory stays as long as an object refers to it, and what a program is given likewise. Stacks that
NumPy has made are written to memory first. Start reading at `StackExchange`. Imports `buffers` and core.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from functrans.backends.llvm.buffers import address, view
from functrans.core.aval import ShapedArray
from functrans.core.stacks import Link, is_stack, links_of, record_avals, record_layout
from functrans.typing import Array, DType

__all__ = ["StackExchange"]

_ADDRESS = np.dtype(np.uint64)
_free = ctypes.pythonapi.PyMem_RawFree


class _Memory:
    """The chunks that a program has left, and what its records may refer to besides; it goes with its last record."""

    __slots__ = ("newest", "others")

    def __init__(self, others: Sequence[object]) -> None:
        self.newest = np.zeros(1, _ADDRESS)
        """Where the program writes the address of its newest chunk, which begins with that of the one before."""
        self.others = others

    def __del__(self) -> None:
        chunk = int(self.newest[0])
        while chunk:
            before = ctypes.c_size_t.from_address(chunk).value
            _free(ctypes.c_void_p(chunk))
            chunk = before


class _NativeLink:
    """A record that a program has made."""

    __slots__ = ("address", "dtype", "memory")

    def __init__(self, address: int, dtype: DType, memory: object) -> None:
        self.address = address
        self.dtype = dtype
        self.memory = memory

    @property
    def below(self) -> Link | None:
        return _link(ctypes.c_size_t.from_address(self.address).value, self.dtype, self.memory)

    @property
    def values(self) -> list[Array]:
        places, _ = record_layout(self.dtype)
        pairs = zip(record_avals(self.dtype), places, strict=True)
        return [_read(self.address + place, aval, self.memory) for aval, place in pairs]


def _link(place: int, dtype: DType, memory: object) -> _NativeLink | None:
    return _NativeLink(place, dtype, memory) if place else None


def _read(place: int, aval: ShapedArray, memory: object) -> Array:
    if not is_stack(aval.dtype):
        return np.array(view(place, aval))
    return _stacks(view(place, ShapedArray(aval.shape, _ADDRESS, False)), aval.dtype, memory)


def _stacks(addresses: Array, dtype: DType, memory: object) -> Array:
    """Addresses as stacks."""
    stacks = np.empty(addresses.shape, dtype)
    links_of(stacks)[...] = np.frompyfunc(lambda place: _link(place, dtype, memory), 1, 1)(addresses)
    return stacks


class StackExchange:
    """What one call of a program is given, and what it leaves."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._owners: list[object] = []
        self._written: dict[int, int] = {}
        """Where in memory links of NumPy are, by identity."""
        self.arguments = [self._addresses(x) if is_stack(x.dtype) else x for x in arrays]
        self._memory = _Memory(self._owners)
        self.newest = self._memory.newest

    def results(self, outs: Sequence[Array], avals: Sequence[ShapedArray]) -> list[Array]:
        """The results, addresses as stacks."""
        pairs = zip(outs, avals, strict=True)
        return [
            _stacks(out, aval.dtype, self._memory) if is_stack(aval.dtype) and out.shape == aval.shape else out
            for out, aval in pairs
        ]

    # ---- arguments ----

    def _addresses(self, stacks: Array) -> Array:
        links = links_of(stacks)
        found = np.zeros(links.shape, _ADDRESS)
        for i in np.ndindex(*links.shape):
            found[i] = self._address(links[i], stacks.dtype)
        return found

    def _address(self, link: Link | None, dtype: DType) -> int:
        """Of a record, which is written to memory together with those below it if it is not there yet."""
        new: list[Link] = []
        while link is not None and not isinstance(link, _NativeLink) and id(link) not in self._written:
            new.append(link)
            link = link.below
        place = 0 if link is None else link.address if isinstance(link, _NativeLink) else self._written[id(link)]
        self._owners.append(link.memory if isinstance(link, _NativeLink) else link)
        for one in reversed(new):
            place = self._written[id(one)] = self._write(one, place, dtype)
        return place

    def _write(self, link: Link, below: int, dtype: DType) -> int:
        places, size = record_layout(dtype)
        record = np.zeros(size, np.uint8)
        record[:8].view(_ADDRESS)[0] = below
        for value, place, aval in zip(link.values, places, record_avals(dtype), strict=True):
            held = self._addresses(value) if is_stack(aval.dtype) else np.asarray(value, aval.dtype)
            record[place : place + aval.nbytes] = np.frombuffer(held.tobytes(), np.uint8)
        self._owners += [record, link]
        return address(record)
