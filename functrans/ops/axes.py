"""Parameters that are integers or name axes, as tuples that the primitives can be bound with.

Imports errors and typing only.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

from functrans.errors import ParameterError

__all__ = ["ints", "positive_axes"]


def ints(values: Sequence[int]) -> tuple[int, ...]:
    """A parameter as a tuple of Python ints; TypeError for anything that is no integer, as in NumPy."""
    return tuple(map(operator.index, values))


def positive_axes(name: str, axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Different axes of a rank, none negative any more; raises ParameterError."""
    positive = tuple(axis + ndim if axis < 0 else axis for axis in ints(axes))
    if len(set(positive)) != len(positive) or any(not 0 <= axis < ndim for axis in positive):
        raise ParameterError(name, f"dimensions={tuple(axes)} for rank {ndim}", f"different axes in [{-ndim}, {ndim})")
    return positive
