"""Effects that are had once, though a program is run twice.

Where machine code meets operands that NumPy refuses, NumPy runs the whole program again, for its error. What effects the
program has had by then, and what they gave, is written in a journal, and read from it in the second run. And what is to be
done when a program ends by an error. Start reading at `Journal`. Imports `primitive`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import local

from functrans.core.primitive import Values
from functrans.typing import Array

__all__ = ["Journal", "once", "program_failed", "when_a_program_fails"]


class Journal:
    """What the effects of one run of a program gave, in order."""

    def __init__(self) -> None:
        self._results: list[Values] = []
        self._read: int | None = None
        """How many of them the second run has read; None in the first."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        """In the `with` block is the first run."""
        token = _journal.set(self)
        try:
            yield
        finally:
            _journal.reset(token)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """In the `with` block is the second run. What the first has not come to is done now."""
        self._read = 0
        with self.writing():
            yield

    def result(self, effect: Callable[..., Values], args: tuple[Array, ...]) -> Values:
        if self._read is not None and self._read < len(self._results):
            self._read += 1
            return self._results[self._read - 1]
        token = _journal.set(None)  # what the effect itself may run has effects of its own
        try:
            results = effect(*args)
        finally:
            _journal.reset(token)
        if self._read is None:
            self._results.append(results)
        return results


_journal: ContextVar[Journal | None] = ContextVar("functrans_journal", default=None)


def once(effect: Callable[..., Values], *args: Array) -> Values:
    """What an effect gives: it is had now, unless this is the second run of a program and it has been had."""
    journal = _journal.get()
    return effect(*args) if journal is None else journal.result(effect, args)


class _Waiting(local):
    """What waits for a program of this thread to fail."""

    def __init__(self) -> None:
        self.calls: dict[Callable[[], None], None] = {}


_waiting = _Waiting()


def when_a_program_fails(call: Callable[[], None]) -> None:
    """Call a function when the next program of this thread ends by an error; once, however often it is asked for."""
    _waiting.calls[call] = None


def program_failed() -> None:
    """A program of this thread ends by an error."""
    while _waiting.calls:
        _waiting.calls.popitem()[0]()
