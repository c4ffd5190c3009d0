"""Machine code on disk: programs, found by what a jaxpr says, before it is planned, with what is known of them beside the code;
and libraries, the functions that programs share, by a name that says all that they depend on.

Start reading at `StoredProgram`, then `library`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from functrans.backends.llvm import kept
from functrans.backends.llvm.image import Image, Library, placed
from functrans.backends.llvm.loaded import LoadedProgram, Manifest
from functrans.compiler.options import Options
from functrans.core.digest import digest
from functrans.core.ir import Jaxpr
from functrans.record import values

__all__ = ["StoredProgram", "library"]


class StoredProgram:
    """What the programs of one jaxpr are on disk, for all processes; nothing where a parameter means something in one only."""

    def __init__(self, jaxpr: Jaxpr, options: Options) -> None:
        self._jaxpr = jaxpr
        structure = digest(jaxpr) if kept.is_open() else None
        self._key = None if structure is None else ("program", structure, repr(options))

    def load(self, optimized: Callable[[], Jaxpr]) -> LoadedProgram | None:
        """The program that an earlier process has compiled, if it can run here; `optimized` gives the jaxpr after all passes."""
        found = None if self._key is None else kept.find(*self._key)
        if found is None:
            return None
        manifest, image, libraries, structure = Manifest(*found[0]), Image(*found[1]), found[2], found[3]
        if manifest.called_back and digest(optimized()) != structure:  # the numbers are those of other equations
            return None
        try:
            library = placed(image, {name: _address(name) for name in libraries})
        except (OSError, AttributeError):  # a system that refuses, a library that is gone
            return None
        return LoadedProgram(manifest, library, (self._jaxpr.in_avals, self._jaxpr.out_avals), optimized)

    def save(self, manifest: Manifest, image: Image, libraries: Iterable[str], optimized: Jaxpr) -> bool:
        """Keep a program that calls these libraries; whether others can find it."""
        if self._key is None:
            return False
        structure = digest(optimized) if manifest.called_back else None
        kept.keep((values(manifest), values(image), tuple(libraries), structure), *self._key)
        return True


def _address(name: str) -> int:
    """Of the function that a library is named for."""
    library = _found(name)
    if library is None:
        raise AttributeError(name)
    return library.address(name)


_libraries: dict[str, Library] = {}


def _found(name: str) -> Library | None:
    """The library of a name, if this process or an earlier one has made it."""
    known = _libraries.get(name)
    if known is None and (found := kept.find("library", name)) is not None:
        try:
            known = _libraries.setdefault(name, placed(Image(*found), {}))
        except (OSError, AttributeError):  # a system that refuses, or has become another one
            return None
    return known


def library(name: str, make: Callable[[], tuple[Library, Image | None]]) -> Library:
    """The library of a name; `make` compiles it for this machine, and says which image it is, if it is one."""
    known = _found(name)
    if known is None:
        made, image = make()
        known = _libraries.setdefault(name, made)  # the first stays, where several threads make one
        if image is not None:
            kept.keep(values(image), "library", name)
    return known
