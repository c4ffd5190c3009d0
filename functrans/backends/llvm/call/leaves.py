"""Leaves in recipes: the steps that check an array or a number and find its data. Start reading at `check_argument`."""

from __future__ import annotations

from typing import Any

import numpy as np

from functrans.backends.llvm.call.recipe import InexpressibleError, Recipe
from functrans.core.aval import SCALAR_AVALS, ShapedArray

__all__ = ["check_argument", "check_same_array"]

_NUMBERS = {float: "float", int: "int", complex: "complex", bool: "bool"}


def check_argument(recipe: Recipe, number: int, leaf: Any, index: int, aval: ShapedArray) -> None:
    # Any: a leaf may be anything
    """The steps for a leaf that is argument `index` of a program: an array or a number of the type that it takes."""
    kind = type(leaf)
    if kind is np.ndarray:
        if not leaf.dtype.isnative or (leaf.shape, leaf.dtype) != (aval.shape, aval.dtype):
            raise InexpressibleError
        recipe.step("array", number, *_array(recipe, leaf), recipe.objects(1), index)
        recipe.arrays[index] = number
        return
    if kind not in SCALAR_AVALS or (aval.shape, aval.dtype) != ((), SCALAR_AVALS[kind].dtype):
        raise InexpressibleError
    place = recipe.memory(-(-aval.dtype.itemsize // 8))
    more = (id(True),) if kind is bool else ()
    recipe.step(_NUMBERS.get(kind, "numpy_scalar"), number, recipe.reference(kind), index, place, *more)


def check_same_array(recipe: Recipe, number: int, array: np.ndarray[Any, Any]) -> None:
    """The steps for what must be this very array, of the same shape; it is not kept alive."""
    recipe.step("identical", number, id(array), watch=array)
    recipe.step("watched_array", number, *_array(recipe, array))


def _array(recipe: Recipe, array: np.ndarray[Any, Any]) -> tuple[int, int, int, int]:
    """The words of a type, a dtype and a shape."""
    return id(np.ndarray), recipe.reference(array.dtype), *recipe.dims(array.shape)
