"""What a process leaves on disk for later ones, by a key that needs neither a plan nor a compiler.

The key holds all that machine code follows from besides its own description: the machine, the versions of what makes code, and
each file of functrans that makes it, as they were when this process imported them: where one was changed since, nothing is kept.
Imports the store; start reading at `find`.
"""

from __future__ import annotations

import marshal
import os
import sys
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy._core import multiarray

from functrans.backends.executable import IMPORTED
from functrans.backends.llvm.disk_cache import key_of, store

__all__ = ["MAKE_JAXPRS", "find", "is_open", "keep"]

MAKE_JAXPRS = frozenset({"errors", "nn", "numpy", "optim", "scipy", "solvers", "transforms"})
"""The parts of functrans that machine code does not follow from, once there is a jaxpr."""


def is_open() -> bool:
    """Whether anything is kept: the user has not switched it off, and all is known that code follows from."""
    return store() is not None and bool(_surroundings())


def find(*parts: str) -> Any:  # Any: what `keep` was given
    """What was kept under these parts of a key, by these versions and on such a machine; None where there is nothing."""
    kept = store()
    if kept is None or not _surroundings():
        return None
    found = kept.get(key_of((_surroundings(), *parts)))
    return None if found is None else marshal.loads(found)


def keep(content: tuple[Any, ...], *parts: str) -> None:  # Any: tuples, numbers, text and bytes
    """Keep something under these parts of a key, if what made it is what the key says."""
    kept = store()
    if kept is not None and _surroundings() and _is_as_before(len(sys.modules)):
        kept.put(key_of((_surroundings(), *parts)), marshal.dumps(content))


@cache
def _surroundings() -> str:
    """A digest of all that code follows from besides its own description; empty where that is not known, as on other systems."""
    return _digest()


@cache
def _is_as_before(_modules: int) -> bool:
    """Whether the files are still those of the key; asked again when more modules were imported, which may be newer."""
    return _digest() == _surroundings()


def _digest() -> str:
    if sys.platform != "linux":
        return ""
    try:
        return key_of((repr(_software()), repr(_machine())))
    except OSError:
        return ""


def _software() -> tuple[object, ...]:
    """What makes code: Python's and NumPy's versions, and the files of llvmlite, which is not imported here, and functrans."""
    layout = sys.version, sys.abiflags, object.__basicsize__, tuple.__basicsize__
    spec = find_spec("llvmlite")
    folder = "" if spec is None or spec.origin is None else os.path.dirname(spec.origin)
    compiler = [_facts(path, os.stat(path)) for path in (f"{folder}/_version.py", f"{folder}/binding/libllvmlite.so")]
    ours = os.path.dirname(__file__).removesuffix("/backends/llvm")
    return layout, np.__version__, os.environ.get("FUNCTRANS_MATMUL"), compiler, _sources([ours])


def _sources(folders: list[str]) -> list[tuple[str, int, int]]:
    """The modules in folders and all below them."""
    found: list[tuple[str, int, int]] = []
    for folder in folders:  # to which those below are added
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    found.append(_facts(entry.path, entry.stat()))
                elif entry.name not in _NO_CODE and entry.is_dir():
                    folders.append(entry.path)
    return sorted(found)


_NO_CODE = MAKE_JAXPRS | {"__pycache__"}


def _facts(path: str, file: os.stat_result) -> tuple[str, int, int]:
    """Of a file: when it was written last, and its size. Raises OSError for one that has changed since this process loaded it."""
    if file.st_ctime_ns > IMPORTED:
        raise OSError(f"{path} is newer than what was imported from it")
    return path, file.st_mtime_ns, file.st_size


def _machine() -> tuple[object, ...]:
    """What the machine has: as the kernel says, and as NumPy found."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        first, _, _ = file.read(1 << 13).partition("\n\n")
    told = [line for line in first.splitlines() if line.startswith(_TOLD)]
    features: dict[str, bool] = getattr(getattr(multiarray, "_multiarray_umath", None), "__cpu_features__", {})
    return os.uname().machine, told, [name for name, there in features.items() if there]


_TOLD = ("vendor_id", "cpu family", "model", "stepping", "flags", "cache size")
"""What does not change from one moment to the next."""
