"""Switching `jit` off for a while. Imports nothing of functrans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["DISABLED", "disable_jit"]

DISABLED: ContextVar[bool] = ContextVar("functrans_disable_jit", default=False)
"""Whether jitted functions run as plain Python."""


@contextmanager
def disable_jit(disable: bool = True) -> Iterator[None]:
    """Inside the `with` block jitted functions run as plain Python, so that prints and debuggers see values.

    >>> import numpy as np
    >>> from functrans import jit
    >>> with disable_jit():
    ...     jit(lambda x: print("x is", x))(np.float64(1.0))
    x is 1.0
    """
    token = DISABLED.set(disable)
    try:
        yield
    finally:
        DISABLED.reset(token)
