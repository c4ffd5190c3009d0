"""Pointers to C functions, in whatever object they come: ctypes', cffi's, numba's, SciPy's LowLevelCallable.

Start reading at `c_function`. Imports `c_types` and errors.
"""

from __future__ import annotations

import ctypes
import re
import sys
from _ctypes import CFuncPtr
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

import numpy as np

from functrans.c_types import SKIP_DISPATCH, Parameter, of_ctypes, of_text
from functrans.errors import ExternalFunctionError
from functrans.record import NamedTuple

__all__ = ["CFunction", "Pointer", "c_function"]

Object: TypeAlias = Any  # Any: of libraries that are not imported here


class _Signed(Protocol):
    """As scipy.LowLevelCallable is."""

    @property
    def signature(self) -> Any: ...  # Any: the library does not say


class _Holding(Protocol):
    """As numba's cfunc is."""

    @property
    def ctypes(self) -> Any: ...  # Any: as above


Pointer: TypeAlias = _Signed | _Holding
"""Pointers that cannot be called by Python, to type checkers."""
_NEEDS_PYTHON = 4
"""ctypes' flag of functions that are called with Python's lock held."""
_WRAP = "Call it through a Python function: external(lambda *args: f(*args), …)."
_WRITE = "Write a C function around it that {}, or call it through Python: external(lambda *args: f(*args), …)."


class CFunction(NamedTuple):
    """What is to be known of a C function to call it."""

    name: str
    address: int
    parameters: tuple[Parameter, ...]
    """Without those that `hidden` is for, which come last."""
    hidden: tuple[np.generic, ...]
    """Numbers that it gets besides."""
    returns: Parameter | None
    owner: object
    """While it lives, the address is that of the function."""

    @property
    def is_elementwise(self) -> bool:
        """Whether it takes and returns numbers only."""
        return self.returns is not None and not any(parameter.is_pointer for parameter in self.parameters)


def c_function(fun: Object) -> CFunction | None:
    """The C function that an object points to; None for what is none. Raises ExternalFunctionError for what cannot be called."""
    if isinstance(fun, CFuncPtr):
        return _of_ctypes(fun, fun)
    if isinstance(own := getattr(fun, "ctypes", None), CFuncPtr):  # numba's cfunc
        return _of_ctypes(own, fun)
    if "scipy" in sys.modules and isinstance(fun, getattr(sys.modules["scipy"], "LowLevelCallable", ())):
        return _of_capsule(fun)
    if "_cffi_backend" in sys.modules and isinstance(fun, sys.modules["_cffi_backend"].FFI.CData):
        return _of_cffi(fun, sys.modules["_cffi_backend"])
    return None


# ---- ctypes ----


def _of_ctypes(function: Object, owner: Object) -> CFunction:
    name = getattr(owner, "__name__", "") or type(function).__name__
    if function.argtypes is None:
        raise ExternalFunctionError(
            name,
            "nobody said which parameters it has: its argtypes are not set",
            "Write what its header says, as  f.argtypes, f.restype = [ctypes.c_double], ctypes.c_double",
        )
    if function._flags_ & _NEEDS_PYTHON:
        raise ExternalFunctionError(name, "it needs Python's lock, which compiled programs do not hold", _WRAP)
    if function.errcheck is not None:
        raise ExternalFunctionError(name, "its errcheck would not be called", f"Set it to None. {_WRAP}")
    if function.restype is not None and not isinstance(function.restype, type):
        raise ExternalFunctionError(name, "its restype is a Python function", _WRAP)
    returns = None if function.restype is None else _read(name, "what it returns", of_ctypes, function.restype)
    address = ctypes.cast(function, ctypes.c_void_p).value
    return _checked(CFunction(name, address or 0, _parameters(name, of_ctypes, function.argtypes), (), returns, owner))


# ---- SciPy ----


def _of_capsule(fun: Object) -> CFunction:
    capsule = tuple.__getitem__(fun, 0)
    signature = fun.signature
    found = re.fullmatch(r"(.*?)\s*\((.*)\)", signature)
    assert found is not None  # SciPy's own form
    declared = [text.strip() for text in found[2].split(",") if text.strip() not in ("", "void")]
    hidden: list[np.generic] = []
    if declared and declared[-1].split()[-1] == SKIP_DISPATCH:
        declared.pop()
        hidden.append(np.int32(0))
    if declared and re.fullmatch(r"void\s*\*(\s*\w+)?", declared[-1]):
        declared.pop()
        context = ctypes.pythonapi.PyCapsule_GetContext
        hidden.insert(0, np.uint64(_pointer(context, [ctypes.py_object])(capsule) or 0))
    returns = None if found[1] == "void" else _read(signature, "what it returns", of_text, found[1])
    get = _pointer(ctypes.pythonapi.PyCapsule_GetPointer, [ctypes.py_object, ctypes.c_char_p])
    address = get(capsule, signature.encode())
    parameters = _parameters(signature, of_text, declared)
    return _checked(CFunction(signature, address or 0, parameters, tuple(hidden), returns, fun))


def _pointer(function: Object, parameters: list[type]) -> Callable[..., int | None]:
    """A function of Python's own interface that returns a pointer; a copy, for others may use it with other types."""
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, *parameters)
    return prototype(ctypes.cast(function, ctypes.c_void_p).value or 0)


# ---- cffi ----


def _of_cffi(fun: Object, cffi: Object) -> CFunction | None:
    kind = cffi.typeof(fun)
    if kind.kind != "function":
        return None
    name = kind.cname
    if kind.ellipsis:
        raise ExternalFunctionError(name, "it takes any number of arguments", _WRAP)
    returns = None if kind.result.kind == "void" else _read(name, "what it returns", of_text, kind.result.cname)
    address = int(cffi.cast(cffi.new_primitive_type("uintptr_t"), fun))
    parameters = _parameters(name, of_text, (one.cname for one in kind.args))
    return _checked(CFunction(name, address, parameters, (), returns, fun))


# ---- all of them ----


def _parameters(name: str, read: Callable[[Any], Parameter], declared: Iterable[Any]) -> tuple[Parameter, ...]:
    return tuple(_read(name, f"its parameter {i}", read, one) for i, one in enumerate(declared))


def _read(name: str, what: str, read: Callable[[Any], Parameter], declared: Any) -> Parameter:  # Any: a type, or text
    try:
        return read(declared)
    except ValueError as error:
        raise ExternalFunctionError(
            name, f"{what} is {error}", _WRITE.format("takes numbers and pointers to them")
        ) from None


def _checked(function: CFunction) -> CFunction:
    if not function.address:
        raise ExternalFunctionError(function.name, "it is a null pointer", "Take it from a library that has it.")
    if function.returns is not None and function.returns.is_pointer:
        raise ExternalFunctionError(
            function.name, f"it returns a pointer, `{function.returns.text}`",
            _WRITE.format("copies the elements to where a parameter points"),
        )  # fmt: skip
    return function
