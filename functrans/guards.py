"""What a traced function read from outside its arguments: globals, closure cells, attributes of `self`.

A jitted function bakes such values in. `Guards` notices when one of them was replaced, so that the function is traced again
instead of giving a stale answer. Not noticed: an array changed in place (its values were snapshotted), and what is reached
through objects other than functions, modules of the user and containers. Start reading at `Guards`.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from functrans import tree
from functrans.core.primitive import Tracer

__all__ = ["Guards"]

_LIBRARY = tuple(str(Path(sysconfig.get_paths()[name]).resolve()) for name in ("stdlib", "platlib", "purelib"))
_MISSING = object()
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)

Slot = tuple[dict[str, Any], str] | Any
"""A namespace and a name in it, or a closure cell."""


class Guards:
    """The values a function reads from outside, as they were; `hold()` tells whether they still are."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        self._entries = [(slot, value, _mark(value)) for slot, value in _outside(fun) if _matters(value)]

    def hold(self) -> bool:
        """Whether every value is still the same object, or an equal number or string, with arrays' shapes unchanged."""
        for slot, value, mark in self._entries:
            now = _read(slot)
            if now is not value and not _equal(now, value):
                return False
            if mark is not None and mark != _mark(now):
                return False
        return True


def _read(slot: Slot) -> Any:
    if isinstance(slot, tuple):
        return slot[0].get(slot[1], _MISSING)
    try:
        return slot.cell_contents
    except ValueError:  # an empty cell
        return _MISSING


def _matters(value: object) -> bool:
    return isinstance(value, (*_PLAIN, np.ndarray, FunctionType, list, tuple, dict)) and not isinstance(value, Tracer)


def _mark(value: object) -> object:
    """What may change while the object stays the same: an array's shape and dtype, a container's leaves."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype
    if isinstance(value, list | tuple | dict):
        leaves, structure = tree.flatten(value)
        return structure, [leaf if isinstance(leaf, _PLAIN) else (id(leaf), _mark(leaf)) for leaf in leaves]
    return None


def _equal(now: object, value: object) -> bool:
    return type(now) is type(value) and isinstance(value, _PLAIN) and bool(now == value)


def _outside(fun: Callable[..., Any]) -> Iterator[tuple[Slot, Any]]:
    """Every slot that the function, and the user's functions that it calls by name, read from outside."""
    pending: list[Any] = [fun]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        for slot in _slots(current):
            value = _read(slot)
            if value is not _MISSING:
                yield slot, value
                if _is_users(value):
                    pending.append(value)


def _slots(fun: Any) -> Iterator[Slot]:
    if isinstance(fun, FunctionType):
        yield from fun.__closure__ or ()
        for name in sorted(_names(fun.__code__)):
            if name in fun.__globals__:
                yield fun.__globals__, name
                value = fun.__globals__[name]
                if isinstance(value, ModuleType) and _is_users(value):
                    yield from ((vars(value), other) for other in _names(fun.__code__) if other in vars(value))
        if hasattr(fun, "__wrapped__"):
            yield from _slots(fun.__wrapped__)
    elif hasattr(fun, "func"):  # functools.partial
        yield from _slots(fun.func)
    elif hasattr(fun, "__func__"):  # a bound method
        yield from _slots(fun.__func__)
        yield from ((vars(fun.__self__), name) for name in getattr(fun.__self__, "__dict__", ()))
    elif isinstance(call := getattr(type(fun), "__call__", None), FunctionType):
        yield from _slots(call)
        yield from ((vars(fun), name) for name in getattr(fun, "__dict__", ()))


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            names |= _names(const)
    return names


def _is_users(value: object) -> bool:
    """Whether this is a function or module that is neither Python's, NumPy's nor another installed library's."""
    if isinstance(value, FunctionType):
        return not value.__code__.co_filename.startswith(_LIBRARY) and not _ours(value.__module__)
    if isinstance(value, ModuleType):
        return not (getattr(value, "__file__", None) or _LIBRARY[0]).startswith(_LIBRARY) and not _ours(value.__name__)
    return False


def _ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] in ("functrans", "numpy") or module in sys.builtin_module_names
