"""How often a loop asks whether a signal has come, so that it can be stopped from the keyboard. Imports the compiler's costs."""

from __future__ import annotations

from collections.abc import Sequence

from functrans.compiler.cost import seconds
from functrans.compiler.steps import Plan

__all__ = ["turns_between", "turns_between_checks"]

_PATIENCE = 0.02
"""Seconds after which it is time to ask. To ask takes Python's lock, for which other threads may let us wait some ms."""


def turns_between_checks(bodies: Sequence[Plan], turns: int | None) -> int | None:
    """After how many turns a loop asks; None: it is over before."""
    return turns_between(sum(map(seconds, bodies)), turns)


def turns_between(each: float, turns: int | None) -> int | None:
    """The same where a turn takes so many seconds: a power of two."""
    between = 1 << max(0, int(_PATIENCE / each)).bit_length()
    return None if turns is not None and turns < between else between
