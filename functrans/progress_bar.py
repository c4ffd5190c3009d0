"""A progress bar that moves from inside compiled loops.

The body of a loop notes each step by an effect, so it counts under every transform as often as the program says, and not on
the way back of a derivative. Start reading at `progress`. Imports `debug`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

from functrans import debug
from functrans.core.effects import when_a_program_fails
from functrans.errors import MissingPackageError

__all__ = ["progress", "tqdm_for"]

P = ParamSpec("P")
R = TypeVar("R")

_PAUSE = 0.05
"""Seconds between two pictures of a bar, at least."""


class _Steps(threading.local):
    """Counts the steps of one loop at a time, in each thread, and shows them: tqdm's bar is there while a loop runs."""

    def __init__(self, total: int, make: Callable[[], Any]) -> None:
        self._total, self._make = total, make
        self._bar: Any = None  # Any: tqdm has no types
        self._count = self._shown = 0
        self._next = 0.0

    def one_more(self) -> None:
        if self._bar is None:
            self._bar = self._make()
            self._count = self._shown = 0
            when_a_program_fails(self.close)
        self._count += 1
        now = perf_counter()
        if now >= self._next:
            self._next = now + _PAUSE
            self._show()
        if self._count >= self._total:
            self.close()

    def close(self) -> None:
        """Also where a loop ends by an error: the bar stays as it is then."""
        if self._bar is not None:
            self._show()
            self._bar.close()
            self._bar = None

    def _show(self) -> None:
        self._bar.update(self._count - self._shown)
        self._shown = self._count


def tqdm_for(what: str) -> Callable[..., Any]:  # Any: tqdm has no types
    """tqdm's bar, or MissingPackageError that says what needs it."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise MissingPackageError(what, "tqdm", "progress") from None
    bar: Callable[..., Any] = tqdm
    return bar


def progress(n: int, desc: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The function that gives the body of a loop of `n` steps, for scan or fori_loop, a progress bar: tqdm's.

    n: how many steps the loop takes; desc: what to write before the bar. The bar moves at most 20 times a second, and a step
    costs about 2 µs more. It closes with the last step, and where the program raises. Raises MissingPackageError where tqdm
    is not installed.

    >>> import numpy as np
    >>> from functrans import jit, lax
    >>> step = lambda carry, x: (carry + x, None)
    >>> jit(lambda xs: lax.scan(progress(100)(step), 0.0, xs)[0])(np.ones(100))
    np.float64(100.0)
    """
    tqdm = tqdm_for("progress")
    steps = _Steps(n, lambda: tqdm(total=n, desc=desc, mininterval=0.0))

    def with_bar(body: Callable[P, R]) -> Callable[P, R]:
        @wraps(body, updated=())
        def counted(*args: P.args, **kwargs: P.kwargs) -> R:
            out = body(*args, **kwargs)
            debug.callback(steps.one_more)
            return out

        return counted

    return with_bar
