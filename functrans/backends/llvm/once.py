"""Functions that are compiled once for a process, each in a module of its own, and called from any program.

A program calls such a function by its name, and is given the address when it is loaded (`Module.externals`). Imports the
engine; start reading at `compiled_once`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from functrans.backends.llvm.engine import Library, load
from functrans.backends.llvm.ir import External, Module
from functrans.backends.llvm.target import Target

__all__ = ["Write", "compiled_once"]

Write = Callable[[Module], object]
"""Writes a function into a module, exported."""

_libraries: dict[tuple[str, Target], Library] = {}


def compiled_once(module: Module, name: str, write: Write) -> str:
    """Make a function known to a module; gives its name, which says all that `write` depends on besides the target."""
    target = module.target
    module.externals[name] = External(partial(_address, name, write, target), partial(_text, write, target))
    return name


def _text(write: Write, target: Target) -> str:
    module = Module(target)
    write(module)
    return module.text()


def _address(name: str, write: Write, target: Target) -> int:
    library = _libraries.get((name, target))
    if library is None:
        library = _libraries.setdefault((name, target), load(_text(write, target), target, (name,)))
    return library.address(name)
