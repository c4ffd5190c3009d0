"""What machine code asks Python to run: the steps that have no native code, and callbacks of the user.

Machine code calls one function with the number of a step and the addresses of its operands and results. Start reading at
`HostCalls`. Imports core.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import partial
from threading import get_ident

from functrans.backends.llvm.buffers import view
from functrans.core.ir import Eqn
from functrans.typing import Array

__all__ = ["HostCalls"]


class HostCalls:
    """The steps of one program that Python runs, by number."""

    def __init__(self, eqns: Mapping[int, Eqn]) -> None:
        self._steps = {number: _Step(eqn) for number, eqn in eqns.items()}
        self._raised: dict[int, BaseException] = {}
        """By thread."""
        self.run: Callable[[int, int], int] = self._run
        """What machine code calls, with a step's number and the address of its pointers: it gives 0, or 1 where Python raised.
        This one object, whose address machine code has."""

    def twin(self) -> HostCalls:
        """The same steps, for another program: what they raise is kept apart."""
        other = object.__new__(HostCalls)
        other._steps, other._raised = self._steps, {}
        other.run = other._run
        return other

    def error(self) -> BaseException | None:
        """What Python raised in this thread, if machine code ended for that; once."""
        return self._raised.pop(get_ident(), None)

    def _run(self, number: int, pointers: int) -> int:
        """No trace is current: a program runs only then."""
        try:
            self._steps[number](pointers)
        except BaseException as error:  # a key pressed meanwhile, too
            self._raised[get_ident()] = error
            return 1
        return 0


_MOST_VIEWS = 8


class _Step:
    """One equation, run by its primitive's NumPy implementation."""

    def __init__(self, eqn: Eqn) -> None:
        self._implementation = partial(eqn.prim.impl, **eqn.params) if eqn.params else eqn.prim.impl
        self._avals = [atom.aval for atom in (*eqn.invars, *eqn.outvars)]
        self._inputs, self._table = len(eqn.invars), ctypes.c_void_p * len(self._avals)
        self._views: dict[tuple[int | None, ...], tuple[list[Array], list[Array]]] = {}
        """Memory as arrays, by addresses: a loop calls with the same ones again."""

    def __call__(self, pointers: int) -> None:
        addresses = tuple(self._table.from_address(pointers))
        operands, results = self._views.get(addresses) or self._view_all(addresses)
        outs = self._implementation(*[x if x.ndim else x[()] for x in operands])
        for result, out in zip(results, outs, strict=True):
            result[...] = out

    def _view_all(self, addresses: tuple[int | None, ...]) -> tuple[list[Array], list[Array]]:
        if len(self._views) >= _MOST_VIEWS:
            self._views.clear()
        arrays = [view(address, aval) for address, aval in zip(addresses, self._avals, strict=True)]
        views = self._views[addresses] = arrays[: self._inputs], arrays[self._inputs :]
        return views
