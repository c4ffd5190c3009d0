"""A jaxpr's structure as a short text that is the same in every process, for what is kept from one to the next.

As `Jaxpr.key`, it leaves out the names of variables and the values of consts. Start reading at `digest`. Imports `ir`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from functrans.core.aval import ShapedArray
from functrans.core.ir import Atom, Eqn, Jaxpr, Var
from functrans.core.primitive import Primitive
from functrans.record import Record, values

__all__ = ["digest", "sha256"]

_PLAIN = (int, bool, str, bytes, type(None))
"""Whose `repr` says all, and to which class it belongs."""
_OURS = ("functrans", "numpy")
"""Whose names mean the same in every process that has the same versions of them."""


class _UnknownError(Exception):
    """Something that means nothing in another process."""


def digest(jaxpr: Jaxpr) -> str | None:
    """The same for jaxprs of the same structure, in any process; None where a parameter means nothing in another one.

    What NumPy's backend calls may be such a parameter, a function of the user: it stands for itself, whatever it does.
    """
    writer = _Writer()
    try:
        writer.jaxpr(jaxpr)
    except _UnknownError:
        return None
    return sha256("".join(writer.parts).encode()).hexdigest()


class _Writer:
    """Writes a jaxpr as text, every part of which says where it ends."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._numbers: dict[Var, int] = {}
        self._avals: dict[ShapedArray, str] = {}
        self._primitives: dict[Primitive, str] = {}
        self._opaque: dict[Hashable, int] = {}

    def jaxpr(self, jaxpr: Jaxpr) -> None:
        put = self.parts.append
        put("{")
        self._define(jaxpr.constvars)
        self._define(jaxpr.invars)
        for eqn in jaxpr.eqns:
            self._eqn(eqn)
        put("in")
        self._read(jaxpr.outvars)
        put("}")

    def _eqn(self, eqn: Eqn) -> None:
        prim, put = eqn.prim, self.parts.append
        put(self._primitives.get(prim) or self._named(prim))
        for name, value in sorted(eqn.params.items()):
            put(f"{name}=")
            try:
                self._param(value)
            except _UnknownError:
                if prim.lower is not None:
                    raise
                put(f"#{self._number_of(value)};")
        self._read(eqn.invars)
        self._define(eqn.outvars)

    def _number_of(self, value: Hashable) -> int:
        """Of something that stands for itself: the same where it is equal."""
        try:
            return self._opaque.setdefault(value, len(self._opaque))
        except TypeError:
            raise _UnknownError from None

    def _named(self, prim: Primitive) -> str:
        functions: list[Callable[..., object]] = [prim.impl] if prim.lower is None else [prim.impl, prim.lower]
        made_of = [one for function in functions for one in (function, *_cells(function))]
        if not all(map(_is_ours, made_of)):
            raise _UnknownError
        name = self._primitives[prim] = "\n" + " ".join([prim.name, *map(_function, made_of), ""])
        return name

    def _define(self, variables: Sequence[Var]) -> None:
        numbers = self._numbers
        for var in variables:
            numbers[var] = len(numbers)
            self.parts.append(self._avals.get(var.aval) or self._typed(var.aval))
        self.parts.append(";")

    def _typed(self, aval: ShapedArray) -> str:
        text = self._avals[aval] = f":{_dtype(aval.dtype)}{aval.shape}{'*' if aval.weak else ''}"
        return text

    def _read(self, atoms: Sequence[Atom]) -> None:
        numbers, put = self._numbers, self.parts.append
        for atom in atoms:
            if isinstance(atom, Var):
                put(f" {numbers[atom]}")
            else:
                put(f" {atom.data!r}{self._typed(atom.aval)}")
        put(";")

    def _param(self, value: Any) -> None:  # Any: whatever a primitive has as a parameter
        kind, put = type(value), self.parts.append
        if kind in _PLAIN:
            put(f"{value!r};")
        elif kind is Jaxpr:
            self.jaxpr(value)
        elif isinstance(value, np.dtype):
            put(f"dtype {_dtype(value)};")
        elif isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            put(f"{_dtype(value.dtype)}{value.shape}{value.tobytes()!r};")
        elif kind in (float, complex):
            put(f"{kind.__name__}{np.asarray(value).tobytes()!r};")
        elif isinstance(value, tuple | list) and kind in (tuple, list):
            self._items(kind.__name__, value)
        elif isinstance(value, Mapping):
            self._items(kind.__name__, [part for item in sorted(value.items()) for part in item])
        elif isinstance(value, Enum) and _is_ours(kind):
            put(f"{kind.__qualname__}.{value.name};")
        elif isinstance(value, tuple) and _is_ours(kind):
            self._items(kind.__qualname__, value)
        elif isinstance(value, ShapedArray):
            put(self._typed(value))
        elif isinstance(value, Record) and _is_ours(kind) and "__eq__" in vars(kind):
            self._items(kind.__qualname__, values(value))
        else:
            raise _UnknownError

    def _items(self, kind: str, items: Sequence[Any]) -> None:  # Any: as for `_param`
        self.parts.append(f"{kind}(")
        for item in items:
            self._param(item)
        self.parts.append(")")


def _dtype(dtype: np.dtype[Any]) -> str:  # Any: of whatever elements
    return dtype.str if dtype.names is None else repr(dtype)


def _cells(f: Callable[..., object]) -> list[Callable[..., object]]:
    """The functions that a function closes over, and those that they do."""
    contents = [cell.cell_contents for cell in getattr(f, "__closure__", None) or ()]
    inner = [content for content in contents if callable(content)]
    return [one for content in inner for one in (content, *_cells(content))]


def _function(f: Callable[..., object]) -> str:
    return str(getattr(f, "__qualname__", None) or getattr(f, "__name__", type(f).__name__))


def _is_ours(x: type | Callable[..., object]) -> bool:
    return getattr(x, "__module__", "").partition(".")[0] in _OURS


# ---- SHA-256 by Python's own code: `hashlib` loads OpenSSL's, which takes as long as a first call from disk may ----


class _Digest(Protocol):
    """Of what was given so far."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


def _module() -> Any:  # Any: modules of Python's own that type checkers do not know
    try:
        return import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256")
    except ImportError:  # a Python that was built without it
        return import_module("hashlib")


_sha256 = _module().sha256


def sha256(data: bytes = b"") -> _Digest:
    """A digest that begins with some bytes."""
    made: _Digest = _sha256(data)
    return made
