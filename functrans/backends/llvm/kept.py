"""What a process leaves on disk for later ones, by a key that needs neither a plan nor a compiler.

The key holds all that machine code follows from besides its own description: the machine, the versions of what makes code, and
each file of functrans. Imports the store and the machine; start reading at `find`.
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

from functrans.backends.llvm.disk_cache import key_of, store
from functrans.backends.llvm.target import cache_bytes

__all__ = ["find", "is_open", "keep"]


def is_open() -> bool:
    """Whether anything is kept: the user has not switched it off, and all is known that code follows from."""
    return store() is not None and bool(_surroundings())


def find(*parts: str) -> Any:  # Any: what `keep` was given
    """What was kept under these parts of a key, by these versions and on such a machine; None where there is nothing."""
    kept, around = store(), _surroundings()
    if kept is None or not around:
        return None
    found = kept.get(key_of((around, *parts)))
    return None if found is None else marshal.loads(found)


def keep(content: tuple[Any, ...], *parts: str) -> None:  # Any: tuples, numbers, text and bytes
    """Keep something under these parts of a key."""
    kept, around = store(), _surroundings()
    if kept is not None and around:
        kept.put(key_of((around, *parts)), marshal.dumps(content))


@cache
def _surroundings() -> str:
    """All that code follows from besides its own description; empty where that is not known, as on other systems."""
    if sys.platform != "linux":
        return ""
    try:
        return repr((_software(), _machine()))
    except OSError:
        return ""


def _software() -> tuple[object, ...]:
    """What makes code: Python's and NumPy's versions, and the files of llvmlite, which is not imported here, and functrans."""
    spec = find_spec("llvmlite")
    compiler = [] if spec is None else [*(spec.submodule_search_locations or ())]
    ours = os.path.dirname(__file__).removesuffix(os.path.join(os.sep, "backends", "llvm"))
    layout = sys.version, sys.abiflags, object.__basicsize__, tuple.__basicsize__
    return layout, np.__version__, os.environ.get("FUNCTRANS_MATMUL"), _files([*compiler, ours])


def _files(folders: list[str]) -> list[tuple[str, int, int]]:
    """The files in folders and all below them: when they were written last, and their sizes."""
    found: list[tuple[str, int, int]] = []
    for folder in folders:  # to which those below are added
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith((".py", ".so")):
                    facts = entry.stat()
                    found.append((entry.path, facts.st_mtime_ns, facts.st_size))
                elif entry.name not in _NO_CODE and entry.is_dir():
                    folders.append(entry.path)
    return sorted(found)


_NO_CODE = ("__pycache__", "tests")


def _machine() -> tuple[object, ...]:
    """What the machine has: as the kernel says, as NumPy found, and the sizes of its caches."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        first, _, _ = file.read(1 << 13).partition("\n\n")
    told = [line for line in first.splitlines() if line.startswith(_TOLD)]
    features: dict[str, bool] = getattr(getattr(multiarray, "_multiarray_umath", None), "__cpu_features__", {})
    return os.uname().machine, told, [name for name, there in features.items() if there], cache_bytes()


_TOLD = ("vendor_id", "cpu family", "model", "stepping", "flags")
"""What does not change from one moment to the next."""
