"""Where in the user's code an equation comes from.

A `Source` is a code object and an instruction offset, which costs a frame walk and no more; file, line and columns are
worked out when somebody asks. `trimmed` takes the library's frames out of an error's traceback. Imports errors.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np

from functrans.errors import FunctransError
from functrans.errors.base import LOCATE
from functrans.record import Record

__all__ = [
    "Source", "bare_name", "current_source", "function_name", "function_place", "last_name", "say_where", "trimmed",
    "use_source", "user_source", "user_stacklevel",
]  # fmt: skip

_HIDDEN = tuple(os.path.dirname(path) + os.sep for path in (os.path.dirname(__file__), np.__file__))
_hidden: dict[str, bool] = {}
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>")


class Source(Record):
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
        """The qualified name of the function, also for a comprehension in it, which has a frame of its own in Python 3.11."""
        name = self.code.co_qualname
        while name.endswith(_COMPREHENSIONS):
            name = name.rpartition("<")[0].removesuffix("<locals>.").rstrip(".")
        return name or "<module>"

    @property
    def text(self) -> str:
        """The line of code itself, stripped; empty where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({last_name(self.function)})"

    @property
    def place(self) -> str:
        """For the second paragraph of a message: file, line, function, and the line itself."""
        text = self.text
        return f"at {self}: {text}" if text else f"at {self}"


def last_name(qualname: str) -> str:
    """`Model.loss` of `main.<locals>.Model.loss`: the part of a qualified name that tells a reader something."""
    return qualname.rpartition("<locals>.")[2]


def _unwrapped(fun: Callable[..., Any]) -> Any:  # Any: a function, or whatever else can be called
    return inspect.unwrap(getattr(fun, "func", fun))


def bare_name(fun: Callable[..., Any]) -> str:
    """The name of a function, whatever kind of callable it is."""
    inner = _unwrapped(fun)
    named = getattr(inner, "__qualname__", None) or getattr(inner, "__name__", None)  # a ufunc has the second only
    return last_name(str(named or type(inner).__qualname__))


def function_name(fun: Callable[..., Any]) -> str:
    """The name of a function for messages; of a lambda, which has none, where it is."""
    name = bare_name(fun)
    code = getattr(_unwrapped(fun), "__code__", None) if name == "<lambda>" else None
    return name if code is None else f"<lambda> at {os.path.basename(code.co_filename)}:{code.co_firstlineno}"


def function_place(fun: Callable[..., Any]) -> str:
    """The file and line where a function is defined; empty for one that is not written in Python."""
    code = getattr(_unwrapped(fun), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


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
        hidden = _hidden.get(code.co_filename)  # not by a call: this runs for every equation
        if not (_is_hidden(code.co_filename) if hidden is None else hidden):
            return Source(code, frame.f_lasti)
        frame = frame.f_back
    return None


def user_stacklevel() -> int:
    """What the caller is to give `warnings.warn`, so that the warning is of the user's line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and _is_hidden(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    return level


def _place() -> str:
    source = current_source()
    return "" if source is None else source.place


LOCATE.append(_place)


def say_where(error: BaseException, primitive: str, source: Source | None) -> None:
    """Let an error that a compiled program raised name the line of the equation that it comes from."""
    if isinstance(error, FunctransError) and not error.is_placed:
        if source is not None:
            error.where, error.is_placed = source.place, True
    else:
        error.add_note(f"in `{primitive}`, called at {source}")


def trimmed(error: FunctransError) -> FunctransError:
    """The error with the frames of functrans and NumPy taken out of its traceback, so that it ends at the user's line.

    With the environment variable FUNCTRANS_TRACEBACK=full it stays as it is.
    """
    if os.environ.get("FUNCTRANS_TRACEBACK") == "full":
        return error
    entries: list[TracebackType] = []
    traceback = error.__traceback__
    while traceback is not None:
        if not _is_hidden(traceback.tb_frame.f_code.co_filename):
            entries.append(traceback)
        traceback = traceback.tb_next
    kept: TracebackType | None = None
    for entry in reversed(entries):
        kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return error.with_traceback(kept)


def _is_hidden(filename: str) -> bool:
    hidden = _hidden.get(filename)
    if hidden is None:
        hidden = _hidden[filename] = filename.startswith(_HIDDEN) or filename.startswith("<__array_function__")
    return hidden
