"""Callables that machine code can serve: a base class with room for what Python's vectorcall protocol reads.

An instance is an ordinary object with a `__call__` in Python until `serve` is given a first recipe for it; from then on calls go
to machine code, and to `__call__` where no recipe fits. Imports nothing of functrans. Start reading at `serve`.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

__all__ = ["Recipe", "Vectorcallable", "forget", "new_calls", "recipes_of", "serve", "twin"]

_MOST_RECIPES = 8
_WORD = struct.calcsize("P")
_ENTRY = object.__basicsize__
"""Where in an instance vectorcall's function is; after it, what that function reads."""

# From Python's headers: flags of types, numbers of slots, kinds of members.
_BASETYPE, _HAVE_VECTORCALL = 1 << 10, 1 << 11
_TP_CALL, _TP_MEMBERS = 50, 72
_SSIZE, _READONLY = 19, 1


class Recipe(Protocol):
    """What machine code follows for one kind of call: a tuple that begins with an array of words."""

    @property
    def calls(self) -> int: ...


class _Slot(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int), ("value", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    ]


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_keep: list[object] = []
"""What the types that were made refer to."""


def _new_type(name: str, size: int, flags: int, slots: dict[int, int], bases: tuple[type, ...]) -> type:
    table = (_Slot * (len(slots) + 1))(*(_Slot(*slot) for slot in slots.items()))
    spec = _Spec(name.encode(), size, 0, flags, ctypes.addressof(table))
    _keep.extend((table, spec))
    make = ctypes.pythonapi.PyType_FromSpecWithBases
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object]
    made: type = make(ctypes.addressof(spec), bases)
    return made


if TYPE_CHECKING:

    class Vectorcallable:
        """Base class of what machine code may serve."""
else:
    Vectorcallable = _new_type(f"{__name__}.Vectorcallable", _ENTRY + 2 * _WORD, _BASETYPE, {}, (object,))


V = TypeVar("V", bound=Vectorcallable)


@cache
def _served(kind: type) -> type:
    """The subclass of a class whose instances are called by vectorcall."""
    members = (_Member * 2)(_Member(b"__vectorcalloffset__", _SSIZE, _ENTRY, _READONLY, None))
    _keep.append(members)
    call = ctypes.cast(ctypes.pythonapi.PyVectorcall_Call, ctypes.c_void_p).value or 0
    slots = {_TP_CALL: call, _TP_MEMBERS: ctypes.addressof(members)}
    return _new_type(f"{kind.__module__}.{kind.__qualname__}", 0, _HAVE_VECTORCALL, slots, (kind,))


class _Served:
    """The recipes of one callable, newest first, and the words that machine code finds them by."""

    __slots__ = ("dropped", "recipes", "told", "words")

    def __init__(self, slow: object) -> None:
        self.recipes: list[Recipe] = []
        self.words = np.array([id(self.recipes), id(slow)], np.int64)
        self.dropped = 0
        """The calls that recipes served which are no longer there."""
        self.told = 0

    def replace(self, recipes: list[Recipe]) -> None:
        """Put others in their place, in the one list that machine code reads, and in one instruction."""
        kept = set(map(id, recipes))
        self.dropped += sum(recipe.calls for recipe in self.recipes if id(recipe) not in kept)
        self.recipes[:] = recipes


def serve(function: Vectorcallable, call: int, recipe: Recipe) -> None:
    """Let calls of `function` go to machine code at `call`, which tries this recipe first."""
    served = _state(function)
    if served is None:
        kind = type(function)
        served = vars(function).setdefault(_STATE, _Served(kind.__call__))  # another thread may have been first
        words = (ctypes.c_void_p * 2).from_address(id(function) + _ENTRY)
        words[1], words[0] = int(served.words.__array_interface__["data"][0]), call
        function.__class__ = _served(kind)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    served.replace([recipe, *served.recipes[: _MOST_RECIPES - 1]])


_STATE = "_served"


def _state(function: Vectorcallable) -> _Served | None:
    found: _Served | None = vars(function).get(_STATE)
    return found


def twin(function: V) -> V:
    """Another callable with the same attributes, for which machine code has no recipe."""
    kind: Any = type(function) if _state(function) is None else type(function).__mro__[1]  # Any: of V either way
    other: V = object.__new__(kind)
    vars(other).update((name, value) for name, value in vars(function).items() if name != _STATE)
    return other


def recipes_of(function: Vectorcallable) -> tuple[Recipe, ...]:
    """The recipes that machine code tries, newest first."""
    served = _state(function)
    return () if served is None else tuple(served.recipes)


def new_calls(function: Vectorcallable) -> int:
    """How many calls machine code has served since this was asked last."""
    served = _state(function)
    if served is None:
        return 0
    calls = served.dropped + sum(recipe.calls for recipe in served.recipes)
    new, served.told = calls - served.told, calls
    return new


def forget(function: Vectorcallable) -> None:
    """Let go of all recipes, and of what they counted."""
    served = _state(function)
    if served is not None:
        served.replace([])
        new_calls(function)
