"""What `functrans` imports when it is first asked for: networks, optimisers, random numbers, pictures. Start reading at `late`.

Each costs milliseconds that a program which does not use it need not spend. Imports core; `late` is the `__getattr__` of
`functrans/__init__`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from functrans.core.ir import DRAW

__all__ = ["late"]

_MODULES = ("nn", "optim", "random", "scipy", "solvers")
_DRAWING = ("Drawing", "draw")


def late(name: str) -> Any:  # Any: a module, a class or a function
    """A public name that is not there yet."""
    if name in _MODULES:
        return import_module(f"functrans.{name}")
    if name in _DRAWING:
        return getattr(import_module("functrans.drawing"), name)
    raise AttributeError(f"module 'functrans' has no attribute {name!r}")


def _drawn(what: Any) -> str | None:  # Any: see DRAW
    picture: str | None = import_module("functrans.drawing").drawn(what)
    return picture


DRAW.append(_drawn)
