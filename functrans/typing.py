"""The types that users and the library annotate with.

`Array` is `numpy.ndarray` to a type checker, so annotated functions keep working in plain NumPy; at run time it is an ABC
that arrays, NumPy scalars and tracers are instances of. This module may be imported by every other; it imports only NumPy.
"""

from __future__ import annotations

from abc import ABCMeta
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

__all__ = ["Array", "ArrayLike", "DType", "DTypeLike", "PyTree", "Shape"]

Shape: TypeAlias = tuple[int, ...]
DType: TypeAlias = "np.dtype[Any]"  # Any: the scalar type of a traced array is a run-time value
PyTree: TypeAlias = Any  # Any: a tree of unknown nesting has no finite type

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]  # Any: shape and dtype are checked at run time by the traces
    ArrayLike: TypeAlias = Array | np.generic | bool | int | float | complex
    DTypeLike: TypeAlias = npt.DTypeLike
else:

    class Array(metaclass=ABCMeta):  # noqa: B024  # nothing derives from it: others are registered
        """`numpy.ndarray` to a type checker; at run time `isinstance` also holds for NumPy scalars and tracers."""

    Array.register(np.ndarray)
    Array.register(np.generic)
    ArrayLike = Array | bool | int | float | complex
    DTypeLike = Any
