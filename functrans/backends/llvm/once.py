"""Functions that are compiled once for a process, each in a module of its own, and called from any program.

A program calls such a function by its name, and is given the address when it is loaded (`Module.externals`). Imports the
engine; start reading at `compiled_once`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from functrans.backends.llvm.engine import made
from functrans.backends.llvm.image import Image, Library
from functrans.backends.llvm.ir import External, Module
from functrans.backends.llvm.stored import library
from functrans.backends.llvm.target import Target, host

__all__ = ["Write", "compiled_once"]

Write = Callable[[Module], object]
"""Writes a function into a module, exported."""


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
    where = "" if target == host() else f" for {target}"
    return library(f"{name}{where}", partial(_compiled, name, write, target)).address(name)


def _compiled(name: str, write: Write, target: Target) -> tuple[Library, Image | None]:
    return made(_text(write, target), target, (name,), {})
