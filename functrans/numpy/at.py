"""Updates of arrays without changing them: `at(x)[i].set(v)` is a copy of x in which x[i] is v.

Tracers have it as the property `x.at`; `at` gives it for plain arrays too. Subscripts mean what they mean in NumPy: an
index out of bounds raises IndexError unless `mode` says otherwise. Imports ops and `promotion`; start reading at `at`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functrans.core.primitive import aval_of
from functrans.numpy.promotion import as_operand, astype
from functrans.ops.indexing import index, index_update
from functrans.typing import Array, ArrayLike

__all__ = ["At", "Place", "at"]


def at(x: ArrayLike) -> At:
    """What `x.at` is for a traced array, for every array: subscript it, then say what to do there.

    >>> x = np.zeros(4)
    >>> at(x)[1:3].set(5.0)
    array([0., 5., 5., 0.])
    >>> at(x)[[0, 0, 3]].add(1.0)  # an index given twice counts twice
    array([2., 0., 0., 1.])
    >>> x
    array([0., 0., 0., 0.])
    """
    operand = as_operand(x, "at")
    return At(astype(operand, aval_of(operand).dtype))


class At:
    """An array waiting for its subscript."""

    __slots__ = ("_array",)

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, idx: Any) -> Place:  # Any: all that NumPy takes as a subscript
        return Place(self._array, idx)


class Place:
    """Elements of an array, addressed by a subscript. Methods return new arrays of the array's dtype.

    Values broadcast to the shape of what is addressed; their dtype must cast to the array's by NumPy's rule "same_kind".
    mode: what an index out of bounds does: "raise" IndexError (the default), be moved inside by "clip", or, by
    "fill" or "drop", read as `fill_value` and not be written. unique_indices promises that no element is
    addressed twice; indices_are_sorted promises an order, of which no use is made.
    """

    __slots__ = ("_array", "_idx")

    def __init__(self, array: Array, idx: Any) -> None:  # Any: see At
        self._array, self._idx = array, idx

    def _update(self, how: str, values: ArrayLike, mode: str | None, unique: bool) -> Array:
        operand = as_operand(values, f"at[].{how}")
        return index_update(self._array, self._idx, operand, how, mode=mode or "raise", unique_indices=unique)

    def get(
        self,
        *,
        mode: str | None = None,
        fill_value: complex | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The elements themselves, x[idx]."""
        return index(self._array, self._idx, mode=mode or "raise", fill_value=fill_value)

    def set(
        self,
        values: ArrayLike,
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with the values in place of the elements."""
        return self._update("set", values, mode, unique_indices)

    def add(
        self,
        values: ArrayLike,
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with the values added to the elements, as often as each is addressed."""
        return self._update("add", values, mode, unique_indices)

    def subtract(
        self,
        values: ArrayLike,
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with the values subtracted from the elements, as often as each is addressed."""
        negative: ArrayLike = np.negative(values)
        return self._update("add", negative, mode, unique_indices)

    def multiply(
        self,
        values: ArrayLike,
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with the elements multiplied by the values, as often as each is addressed."""
        return self._update("multiply", values, mode, unique_indices)

    mul = multiply

    def divide(
        self,
        values: ArrayLike,
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with the elements divided by the values, as often as each is addressed; floating or complex."""
        divisors = self._ones()._update("multiply", values, mode, unique_indices)
        return np.true_divide(self._array, divisors, dtype=aval_of(self._array).dtype)

    def power(
        self,
        values: ArrayLike,
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with the elements raised to the values, as often as each is addressed."""
        exponents = self._ones()._update("multiply", values, mode, unique_indices)
        powers: Array = np.power(self._array, exponents)
        return powers

    def min(
        self,
        values: ArrayLike,
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with the smaller of element and value in the elements' place."""
        return self._update("min", values, mode, unique_indices)

    def max(
        self,
        values: ArrayLike,
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with the greater of element and value in the elements' place."""
        return self._update("max", values, mode, unique_indices)

    def apply(
        self,
        function: Callable[[Array], Array],
        *,
        mode: str | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> Array:
        """The array with function(x[idx]) in place of the elements, each once however often it is addressed."""
        return self._update("set", function(self.get(mode=mode)), mode, unique_indices)

    def _ones(self) -> Place:
        aval = aval_of(self._array)
        return Place(np.ones(aval.shape, aval.dtype), self._idx)
