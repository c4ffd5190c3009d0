"""A program on disk: found by what a jaxpr says, before it is planned, with what is known of it beside its code.

Start reading at `StoredProgram`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from functrans.backends.llvm import kept
from functrans.backends.llvm.image import Image, placed
from functrans.backends.llvm.libraries import find_library
from functrans.backends.llvm.loaded import LoadedProgram, Manifest
from functrans.compiler.options import Options
from functrans.core.digest import digest
from functrans.core.ir import Jaxpr
from functrans.record import values

__all__ = ["StoredProgram"]


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

    def save(self, manifest: Manifest, image: Image, libraries: Iterable[str], optimized: Jaxpr) -> None:
        """Keep a program that calls these libraries."""
        if self._key is not None:
            structure = digest(optimized) if manifest.called_back else None
            kept.keep((values(manifest), values(image), tuple(libraries), structure), *self._key)


def _address(name: str) -> int:
    """Of the function that a library is named for."""
    library = find_library(name)
    if library is None:
        raise AttributeError(name)
    return library.address(name)
