"""The reference backend: a jaxpr run equation by equation with each primitive's NumPy implementation.

It runs everywhere and is the oracle of the tests. Imports core only; start reading at `Program`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

from functrans.core.effects import program_failed
from functrans.core.ir import Atom, Jaxpr, Var
from functrans.core.primitive import EVAL, Values, reset_trace, set_trace, strong
from functrans.core.source import say_where, trimmed
from functrans.errors import FunctransError
from functrans.typing import Array

__all__ = ["Program"]


class Program:
    """A jaxpr as a list of steps over numbered slots, each slot emptied after its last use."""

    callee = None
    """There is no machine code to call."""
    overwritten: frozenset[int] = frozenset()
    """It writes over no argument, donated or not."""

    def __init__(self, jaxpr: Jaxpr) -> None:
        slots: dict[Var, int] = {}
        initial: list[Any] = [None] * len(jaxpr.invars)  # Any: arrays, or None for an empty slot
        for var in jaxpr.invars:
            slots[var] = len(slots)

        def slot(atom: Atom) -> int:
            if isinstance(atom, Var):
                return slots[atom]
            initial.append(strong(atom.value))
            slots[Var(atom.aval)] = number = len(slots)
            return number

        self._original: Callable[[], Jaxpr] = lambda: jaxpr
        self._weak = tuple(i for i, var in enumerate(jaxpr.invars) if var.aval.weak)
        self._steps: list[tuple[Callable[..., Values], tuple[int, ...], slice, tuple[int, ...]]] = []
        for eqn, dying in zip(jaxpr.eqns, jaxpr.dying, strict=True):
            operands = tuple(map(slot, eqn.invars))
            for var in eqn.outvars:
                slots[var] = len(slots)
                initial.append(None)
            outputs = slice(len(slots) - len(eqn.outvars), len(slots))
            run = partial(eqn.prim.impl, **eqn.params) if eqn.params else eqn.prim.impl
            if any(var.aval.weak for var in eqn.outvars):
                run = _strong_results(run)
            self._steps.append((run, operands, outputs, tuple(slots[var] for var in dying)))
        self._results = tuple(map(slot, jaxpr.outvars))
        self._rest = initial[len(jaxpr.invars) :]

    def __call__(self, *args: Array) -> Values:
        """The results for concrete arguments."""
        slots = [*args, *self._rest]
        for i in self._weak:  # Python numbers: promotion is done, what runs are NumPy scalars
            slots[i] = strong(slots[i])
        token = set_trace(EVAL)
        number = -1
        try:
            for run, operands, outputs, dying in self._steps:
                number += 1
                slots[outputs] = run(*map(slots.__getitem__, operands))
                for i in dying:
                    slots[i] = None
        except BaseException as error:  # a key pressed in a callback, too
            self._say_where(error, number)
            program_failed()
            if isinstance(error, FunctransError):
                raise trimmed(error)  # noqa: B904  # FUNCTRANS_TRACEBACK=full shows all frames
            raise
        finally:
            reset_trace(token)
        return tuple(map(slots.__getitem__, self._results))

    def of(self, original: Callable[[], Jaxpr]) -> Program:
        """The same program for another jaxpr of the same structure, whose lines are those to name in errors."""
        other = copy(self)
        other._original = original
        return other

    def _say_where(self, error: BaseException, number: int) -> None:
        eqn = self._original().eqns[number]
        say_where(error, eqn.prim.name, eqn.source)


def _strong_results(run: Callable[..., Values]) -> Callable[..., Values]:
    return lambda *operands: tuple(map(strong, run(*operands)))
