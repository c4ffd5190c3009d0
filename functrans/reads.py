"""What functions read from outside: the slots that `Guards` watches.

A slot is a name in a namespace: a global, a closure cell, an attribute of an object, a function's own code or defaults, which
what reloads modules in place replaces. Followed are the user's functions, called by
name, and the attributes that their code names of the objects that they reach; not those of Python, NumPy and other installed
libraries. Start reading at `Reads`. Imports core only.
"""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from types import CellType, CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any
from weakref import ref

import numpy as np

from functrans.core.primitive import Tracer
from functrans.record import NamedTuple, Record

__all__ = ["MISSING", "PARTS", "PLAIN", "Reads", "Slot", "cell_of", "dict_of", "owner_of", "part_of"]

MISSING = object()
PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
"""Values that are compared by value."""
PARTS = ("__code__", "__defaults__", "__kwdefaults__")
"""What a function is made of, besides what it closes over."""

_LIBRARY = (
    os.path.dirname(os.path.realpath(os.__file__)),  # Python's own modules, and as a rule site-packages in them
    os.path.dirname(os.path.dirname(os.path.realpath(np.__file__))),  # wherever NumPy is installed
    os.path.dirname(os.path.realpath(__file__)),
    "<frozen",
)
_CLOSED = (*PLAIN, np.ndarray, np.ufunc, np.dtype, Tracer, CodeType)
_METHODS = (FunctionType, property, staticmethod, classmethod)


class Slot(NamedTuple):
    """Where a value was found, and the value: `read(name, default)` finds it again."""

    read: Callable[[str, object], Any]
    name: str
    value: Any


class _Names(Record):
    globals: frozenset[str]
    attributes: frozenset[str]


class Reads:
    """Everything that the functions, and the user's functions that they reach, read from outside: `slots`."""

    def __init__(self, functions: tuple[object, ...]) -> None:
        self.slots: list[Slot] = []
        self._pending: list[tuple[Any, Any]] = [(function, None) for function in functions]
        self._seen: dict[tuple[int, int], object] = {}  # the values are kept so that their ids stay their own
        self._objects: dict[int, Any] = {}
        self._attributes: set[str] = {"__call__"}
        self._read: set[tuple[int, str]] = set()
        while self._pending:
            while self._pending:
                self._visit(*self._pending.pop())
            self._open_objects()  # of every object, what any of the functions names

    def _visit(self, value: Any, owner: Any) -> None:
        """Follow a value; `owner` is the object on which it was found, to which its functions are bound."""
        if isinstance(value, _CLOSED) or (id(value), id(owner)) in self._seen:
            return
        self._seen[id(value), id(owner)] = (value, owner)
        follow = partial(self._follow, owner=owner)
        if isinstance(value, FunctionType):
            follow(getattr(value, "__wrapped__", None))
            if not value.__code__.co_filename.startswith(_LIBRARY):
                self._visit_function(value, owner)
        elif isinstance(value, list | tuple | dict):
            for item in value.values() if isinstance(value, dict) else value:
                self._follow(item)
        elif isinstance(value, partial):
            for item in (value.func, *value.args, *value.keywords.values()):
                self._follow(item)
        elif isinstance(value, property):
            follow(value.fget)
        elif isinstance(value, staticmethod | classmethod):
            follow(value.__func__)
        elif isinstance(value, MethodType) or (hasattr(value, "__func__") and hasattr(value, "__self__")):
            self._follow(value.__self__)
            self._follow(value.__func__, value.__self__)
        elif hasattr(value, "__wrapped__"):
            follow(value.__wrapped__)
        elif _is_users(value):
            self._objects[id(value)] = value

    def _follow(self, value: Any, owner: Any = None) -> None:
        self._pending.append((value, owner))

    def _visit_function(self, fun: FunctionType, owner: Any) -> None:
        self._follow(owner)
        names = _names(fun.__code__)
        self._attributes |= names.attributes
        for i, (cell, name) in enumerate(zip(fun.__closure__ or (), fun.__code__.co_freevars, strict=True)):
            self._add(partial(_read_cell, ref(fun), i), id(cell), name)
        for name in names.globals & fun.__globals__.keys():
            self._add(fun.__globals__.get, id(fun.__globals__), name)
        for part in PARTS:
            self._add(partial(_read_part, ref(fun), part), id(fun), f"{fun.__name__}.{part}")

    def _open_objects(self) -> None:
        for identity, value in list(self._objects.items()):
            if isinstance(value, ModuleType):
                read = vars(value).get
            else:
                read = partial(_read_attribute, _weakly(value))
            for name in self._attributes:
                self._add(read, identity, name, value)

    def _add(self, read: Callable[[str, object], Any], where: int, name: str, owner: Any = None) -> None:
        if (where, name) in self._read:
            return
        self._read.add((where, name))
        value = read(name, MISSING)
        if value is MISSING:
            return
        if not isinstance(value, ModuleType) and not _is_method(owner, name, value):
            self.slots.append(Slot(read, name, value))
        self._follow(value, owner)


def _is_method(owner: Any, name: str, value: object) -> bool:
    """Whether this comes from the object's class, whose methods are taken not to be replaced."""
    if owner is None or isinstance(owner, type | ModuleType):
        return False
    return isinstance(value, _METHODS) and name not in getattr(owner, "__dict__", ())


def _read_cell(holder: Callable[[], Any], i: int, _name: str, default: object) -> Any:
    """What is in a closure cell of a function, which is held weakly: what it closes over may hold the guard."""
    fun = holder()
    try:
        return default if fun is None else fun.__closure__[i].cell_contents
    except ValueError:  # empty
        return default


def _read_part(holder: Callable[[], Any], part: str, _name: str, default: object) -> Any:
    """What a function, which is held weakly, is made of."""
    fun = holder()
    return default if fun is None else getattr(fun, part)


def _read_attribute(holder: Callable[[], Any], name: str, default: object) -> Any:
    """An attribute as it is stored, without running properties or `__getattr__`."""
    owner = holder()
    if isinstance(owner, type):
        classes, bound = owner.__mro__, None
    else:
        found = getattr(owner, "__dict__", {}).get(name, MISSING)
        if found is not MISSING:
            return found
        classes, bound = type(owner).__mro__, owner
    for kind in classes:
        if name in vars(kind) and not _is_library_class(kind):
            value = vars(kind)[name]
            if bound is None or not isinstance(value, MemberDescriptorType):
                return value
            try:
                return value.__get__(bound)  # one of `__slots__`
            except AttributeError:
                return default
    return default


# ---- where readers look, for machine code ----


def dict_of(read: Callable[[str, object], Any]) -> dict[str, Any] | None:
    """The namespace that a reader looks into, if that is all it does."""
    namespace = getattr(read, "__self__", None)
    return namespace if type(namespace) is dict else None


def cell_of(read: Callable[[str, object], Any]) -> tuple[FunctionType, CellType] | None:
    """The function and its closure cell that a reader looks into."""
    if not isinstance(read, partial) or read.func is not _read_cell:
        return None
    fun = read.args[0]()
    return None if fun is None else (fun, fun.__closure__[read.args[1]])


def part_of(read: Callable[[str, object], Any]) -> tuple[FunctionType, str] | None:
    """The function of which a reader reads a part, and which."""
    if not isinstance(read, partial) or read.func is not _read_part:
        return None
    fun = read.args[0]()
    return None if fun is None else (fun, read.args[1])


def owner_of(read: Callable[[str, object], Any], name: str) -> object | None:
    """The object whose own dictionary has what a reader finds."""
    if not isinstance(read, partial) or read.func is not _read_attribute:
        return None
    owner = read.args[0]()
    if owner is None or isinstance(owner, type) or name not in getattr(owner, "__dict__", ()):
        return None
    usual = all(isinstance(vars(kind).get("__dict__"), GetSetDescriptorType | None) for kind in type(owner).__mro__)
    return owner if usual else None


def _weakly(value: object) -> Callable[[], Any]:
    try:
        return ref(value)
    except TypeError:  # it has no weak references
        return lambda: value


@lru_cache(maxsize=1024)
def _names(code: CodeType) -> _Names:
    """The globals and the attributes that code names, functions defined in it included."""
    found: dict[str, set[str]] = {"GLOBAL": set(), "NAME": set(), "ATTR": set(), "METHOD": set(), "SUPER_ATTR": set()}
    for nested in _codes(code):
        for instruction in dis.get_instructions(nested):
            kind = instruction.opname.removeprefix("LOAD_")
            if kind in found:
                found[kind].add(instruction.argval)
    return _Names(
        frozenset(found["GLOBAL"] | found["NAME"]), frozenset(found["ATTR"] | found["METHOD"] | found["SUPER_ATTR"])
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _is_users(value: object) -> bool:
    """Whether the attributes of this object may be the user's: not a library's module, class or function."""
    if isinstance(value, ModuleType):
        return not (getattr(value, "__file__", None) or "<frozen").startswith(_LIBRARY)
    if isinstance(value, type):
        return not _is_library_class(value)
    return hasattr(value, "__dict__") or not _is_library_class(type(value))


def _is_library_class(kind: type) -> bool:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file.startswith(_LIBRARY) if file else kind.__module__ in sys.builtin_module_names
