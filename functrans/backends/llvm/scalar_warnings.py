"""What native code notes of integer operations, in the bits of one i64, and NumPy's message for each bit. Imports nothing."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["say_again", "DIVIDE", "FAILED", "INVALID", "OVERFLOW", "WARNINGS", "warning_bit"]

DIVIDE: Final = "divide by zero"
OVERFLOW: Final = "overflow"
INVALID: Final = "invalid value"

# (the primitive, what happened, the name of NumPy's function)
_NOTED = (
    ("floor_divide", DIVIDE, "floor_divide"),
    ("floor_divide", OVERFLOW, "floor_divide"),
    ("remainder", DIVIDE, "remainder"),
    ("rem", DIVIDE, "fmod"),
    ("reciprocal", DIVIDE, "reciprocal"),
    ("reciprocal", INVALID, "reciprocal"),
)

WARNINGS: dict[int, str] = {1 << i: f"{event} encountered in {name}" for i, (_, event, name) in enumerate(_NOTED)}
"""The messages of NumPy's RuntimeWarnings by bit."""

FAILED: Final = 1 << 62
"""The bit that says that NumPy's implementation would have raised: it is to be run, for its message."""


def say_again(flags: int) -> None:
    """Let NumPy warn of what was noted, as the user's `np.errstate` has it."""
    for bit, (_, event, name) in zip(WARNINGS, _NOTED, strict=True):
        if flags & bit:
            ufunc, zero = getattr(np, name), np.int64(0)
            if name == "reciprocal":
                ufunc(zero)
            else:
                ufunc(*((np.iinfo(np.int64).min, np.int64(-1)) if event == OVERFLOW else (np.int64(1), zero)))


def warning_bit(primitive: str, event: str) -> int:
    """The bit to set when an event happens in a primitive."""
    return next(1 << i for i, (name, what, _) in enumerate(_NOTED) if (name, what) == (primitive, event))
