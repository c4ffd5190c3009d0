"""Where in the user's code an equation comes from.

A `Source` is a code object and an instruction offset, which costs a frame walk and no more; file, line and columns are
worked out when somebody asks. Imports only the standard library.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FrameType

import numpy as np

__all__ = ["Source", "current_source", "use_source", "user_source"]

_HIDDEN = tuple(os.path.dirname(path) + os.sep for path in (os.path.dirname(__file__), np.__file__))
_hidden: dict[str, bool] = {}


@dataclass(frozen=True, slots=True)
class Source:
    """A place in the user's code: `str(source)` is `file.py:12 (function)`."""

    code: CodeType
    instruction: int

    @property
    def file(self) -> str:
        return self.code.co_filename

    @property
    def line(self) -> int:
        position = next(islice(self.code.co_positions(), self.instruction // 2, None), (None,))
        return position[0] or self.code.co_firstlineno

    @property
    def function(self) -> str:
        return self.code.co_qualname

    @property
    def text(self) -> str:
        """The line of code itself, stripped; empty where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.function})"


_override: ContextVar[Source | None] = ContextVar("functrans_source", default=None)


@contextmanager
def use_source(source: Source | None) -> Iterator[None]:
    """Let equations recorded inside the `with` block name `source`; used when a jaxpr is run again by a transform."""
    token = _override.set(source)
    try:
        yield
    finally:
        _override.reset(token)


def current_source() -> Source | None:
    """The source for an equation that is recorded now: the one set by `use_source`, or else the user's frame."""
    return _override.get() or user_source()


def user_source() -> Source | None:
    """The innermost frame on the stack that is neither functrans' nor NumPy's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        hidden = _hidden.get(code.co_filename)
        if hidden is None:
            hidden = _hidden[code.co_filename] = _is_hidden(code.co_filename)
        if not hidden:
            return Source(code, frame.f_lasti)
        frame = frame.f_back
    return None


def _is_hidden(filename: str) -> bool:
    return filename.startswith(_HIDDEN) or filename.startswith("<__array_function__")
