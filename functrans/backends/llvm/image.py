"""Machine code as it lies in memory: an `Image` is made once of object code, and can be placed in any process.

No page of it can be written and run at the same time. Imports where NumPy has its functions; start reading at `placed`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TypeAlias
from weakref import finalize

from functrans.backends.llvm.call.layout import NUMPY_FUNCTIONS, NUMPY_LOOPS, array_function, python_function
from functrans.record import Record

__all__ = ["WORD", "Image", "Library", "placed", "process_symbol", "whole_pages"]

WORD, _PAGE = 8, 4096
_READ, _WRITE, _EXECUTE, _PRIVATE, _ANONYMOUS = 1, 2, 4, 2, 32
"""Linux's numbers; Python's module that has them takes a while to load."""

Places: TypeAlias = "tuple[tuple[str, int], ...]"
"""Names, each with its distance from the image's beginning, in bytes."""


class Image(Record):
    """Code, its constants, and words for addresses. Nothing but these words depends on where it lies."""

    code: bytes
    memory: int
    """How many zeroed bytes, which can be written, follow on pages of their own."""
    exports: Places
    imports: Places
    """The words for addresses, of what it exports or of what others define."""


class Library:
    """Loaded machine code; unloaded when nothing refers to this object, but not by the end of the interpreter: threads that
    nobody waits for may be running it.
    """

    def __init__(self, addresses: Mapping[str, int], unload: Callable[[], object]) -> None:
        self._addresses = addresses
        finalize(self, unload).atexit = False

    def address(self, name: str) -> int:
        """Of an exported function."""
        return self._addresses[name]


def placed(image: Image, symbols: Mapping[str, int]) -> Library:
    """An image in memory. What it does not define is among the symbols, or of NumPy, Python or the C library.

    Raises OSError where the system refuses, AttributeError for what there is not.
    """
    size = whole_pages(len(image.code))
    start = _pages(size + image.memory)
    known = {name: start + place for name, place in image.exports}
    library = Library(known, partial(_system().munmap, start, size + image.memory))
    ctypes.memmove(start, image.code, len(image.code))
    for name, place in image.imports:
        address = known.get(name) or symbols.get(name) or process_symbol(name)
        ctypes.c_uint64.from_address(start + place).value = address
    if _system().mprotect(start, size, _READ | _EXECUTE):
        raise OSError(ctypes.get_errno(), "machine code cannot be made executable")
    return library


def _pages(size: int) -> int:
    """Where new memory is, which can be written."""
    start: int | None = _system().mmap(None, size, _READ | _WRITE, _PRIVATE | _ANONYMOUS, -1, 0)
    if start is None or start == _FAILED:
        raise OSError(ctypes.get_errno(), "there is no memory for machine code")
    return start


_FAILED = ctypes.c_size_t(-1).value


@cache
def _system() -> ctypes.CDLL:
    """The C library, with the types of what is called here."""
    library, size, number = ctypes.CDLL(None, use_errno=True), ctypes.c_size_t, ctypes.c_int
    library.mmap.argtypes = [ctypes.c_void_p, size, number, number, number, ctypes.c_long]
    library.mmap.restype = ctypes.c_void_p
    library.mprotect.argtypes, library.munmap.argtypes = [ctypes.c_void_p, size, number], [ctypes.c_void_p, size]
    return library


def whole_pages(size: int) -> int:
    """The bytes of as many pages as so many bytes take."""
    return -(-size // _PAGE) * _PAGE


def process_symbol(name: str) -> int:
    """The address of a function of NumPy, of Python, or of the C library. Raises AttributeError where there is none."""
    if name.startswith(NUMPY_LOOPS):
        # Here and not above: few programs call one.
        from functrans.backends.llvm.numpy_loops import loop_address

        return loop_address(name)
    return array_function(name) if name in NUMPY_FUNCTIONS else python_function(name)
