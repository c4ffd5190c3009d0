"""What a recipe needs to know of a compiled program. Imports the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from functrans.compiler.steps import Plan
from functrans.core.aval import ShapedArray
from functrans.typing import Array

__all__ = ["Callee"]


class Callee(NamedTuple):
    """A loaded program, as a recipe calls it."""

    plan: Plan
    results: tuple[ShapedArray, ...]
    address: int
    host: int
    afterwards: Callable[[int, int], bool]
    """`(status, warnings)`: says what happened; whether NumPy's backend is to run the program for its error."""
    arena: Array
    """A word: the address of memory for temporaries, or 0 while a call works in it."""
    keep: object
    """What must live as long as these addresses are used."""
