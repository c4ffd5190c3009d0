"""What native code notes of elements, in the bits of one i64, and how NumPy says it afterwards. Imports the user's lines."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np

from functrans.core.source import user_stacklevel

__all__ = ["DIVIDE", "FAILED", "OVERFLOW", "say_again", "warning_bit"]

DIVIDE: Final = "divide by zero"
OVERFLOW: Final = "overflow"
_INVALID: Final = "invalid value"

_MODES = {DIVIDE: "divide", OVERFLOW: "over", _INVALID: "invalid"}

FAILED: Final = 1 << 62
"""The bit that says that NumPy's implementation would have raised: it is to be run, for its message."""

_LOWEST = int(np.iinfo(np.int64).min)
_NOTED: tuple[tuple[str, tuple[str, ...], np.ufunc, tuple[int, ...]], ...] = (
    # the primitive, what happened and what NumPy calls it besides, NumPy's function, integers for which it says so
    ("floor_divide", (DIVIDE,), np.floor_divide, (1, 0)),
    ("floor_divide", (OVERFLOW,), np.floor_divide, (_LOWEST, -1)),
    ("remainder", (DIVIDE,), np.remainder, (1, 0)),
    ("rem", (DIVIDE,), np.fmod, (1, 0)),
    ("reciprocal", (DIVIDE, _INVALID), np.reciprocal, (0,)),
)


def warning_bit(primitive: str, event: str) -> int:
    """The bit to set when an event happens in a primitive."""
    return next(1 << i for i, (name, what, *_) in enumerate(_NOTED) if name == primitive and what[0] == event)


def say_again(noted: int) -> None:
    """Warn, raise or keep silent, as `np.errstate` says, of what was noted. A warning is of the line that called us."""
    modes: Mapping[str, object] = np.geterr()
    for i, (_, events, function, operands) in enumerate(_NOTED):
        if noted & 1 << i:
            said = [event for event in events if modes[_MODES[event]] == "warn"]
            for event in said:
                warnings.warn(f"{event} encountered in {function.__name__}", RuntimeWarning, user_stacklevel())
            if len(said) < len(events):
                quiet: list[Literal["ignore"] | None] = ["ignore" if event in said else None for event in _MODES]
                divide, over, invalid = quiet
                with np.errstate(divide=divide, over=over, invalid=invalid):
                    function(*map(np.int64, operands))
