"""Machine code with a name that says all it depends on: made once in a process, and once for all that share a disk.

Imports `kept` and `image`; start reading at `library`.
"""

from __future__ import annotations

from collections.abc import Callable

from functrans.backends.llvm import kept
from functrans.backends.llvm.image import Image, Library, placed
from functrans.record import values

__all__ = ["find_library", "library"]

_libraries: dict[str, Library] = {}
_KIND = "library"


def find_library(name: str) -> Library | None:
    """The library of a name, if this process or an earlier one has made it."""
    known = _libraries.get(name)
    if known is None and (found := kept.find(_KIND, name)) is not None:
        try:
            known = _libraries.setdefault(name, placed(Image(*found), {}))
        except (OSError, AttributeError):  # a system that refuses, or has become another one
            return None
    return known


def library(name: str, make: Callable[[], tuple[Library, Image | None]]) -> Library:
    """The library of a name; `make` compiles it for this machine, and says which image it is, if it is one."""
    known = find_library(name)
    if known is None:
        made, image = make()
        known = _libraries.setdefault(name, made)  # the first stays, where several threads make one
        if image is not None:
            kept.keep(values(image), _KIND, name)
    return known
