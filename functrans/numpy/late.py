"""NumPy's submodules, which are imported when a program first uses them: linear algebra and Fourier transforms.

Start reading at `complete`. Imports nothing of functrans.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["complete", "late"]

_MODULES = ("fft", "linalg")


def complete(module: str) -> None:
    """See that what traces the functions of a module of NumPy's is there."""
    name = module.removeprefix("numpy.")
    if name in _MODULES:
        import_module(f"functrans.numpy.{name}")


def late(name: str) -> Any:  # Any: a module; the `__getattr__` of functrans.numpy
    """A public name that is not there yet."""
    if name in _MODULES:
        return import_module(f"functrans.numpy.{name}")
    raise AttributeError(f"module 'functrans.numpy' has no attribute {name!r}")
