"""The part of a recipe that runs a program: memory for its results, the program, and the results as objects.

Imports recipes; start reading at `write_program`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from functrans.backends.llvm.call.recipe import Recipe
from functrans.backends.llvm.call.words import RUN_WORDS
from functrans.backends.llvm.loaded import Callee
from functrans.core.aval import ShapedArray
from functrans.core.recycled import empty, is_large
from functrans.typing import Array

__all__ = ["write_captured", "write_program"]

_NUMBERS = {np.dtype(float): "new_float", np.dtype(np.int64): "new_int", np.dtype(complex): "new_complex"}
"""The steps that make Python numbers."""


def write_program(recipe: Recipe, callee: Callee, made: Sequence[int]) -> None:
    """The steps from the arguments' addresses, in the first words of memory, to the results, each an object of a number."""
    _check_given(recipe, callee)
    results = _Results(recipe, callee, made)
    for i in range(len(made)):
        results.prepare(i)
    recipe.step("run", _run_table(recipe, callee))
    for i in range(len(made)):
        results.collect(i)


def _check_given(recipe: Recipe, callee: Callee) -> None:
    """The arrays that are to be results have their memory for themselves; no argument is a copy of what lies in it."""
    for number in recipe.arrays.values() if callee.manifest.given else ():
        recipe.step("ready", number)
    sizes = [aval.nbytes for aval in callee.arguments]
    for i in callee.manifest.given:
        recipe.step("donated", recipe.arrays[i], i, sizes[i], len(sizes), recipe.table(sizes))


def _run_table(recipe: Recipe, callee: Callee) -> int:
    first = len(callee.arguments)
    recipe.reference(callee.keep)
    words = {
        "program": callee.address,
        "host": callee.host,
        "results": first,
        "warnings": first + len(callee.results),
        "arena": recipe.array(callee.arena),
        "arena_bytes": callee.manifest.arena,
        "is_long": int(callee.manifest.is_long),
        "afterwards": recipe.reference(callee.afterwards),
    }
    return recipe.table([words[name] for name in RUN_WORDS])


class _Results:
    """Where results come from, and the steps for them before and after the program runs."""

    def __init__(self, recipe: Recipe, callee: Callee, made: Sequence[int]) -> None:
        self._recipe = recipe
        self._callee = callee
        self._made = made
        self._given = set(callee.manifest.given)
        self._first = len(callee.arguments)

    def prepare(self, number: int) -> None:
        """Memory for what the program writes."""
        aval, recipe, address = self._callee.results[number], self._recipe, self._first + number
        if self._callee.manifest.results[number] != address:
            return
        if not aval.shape:
            recipe.step("place", address, recipe.memory(-(-aval.dtype.itemsize // 8)))
        elif is_large(aval.shape, aval.dtype):
            make = recipe.reference(partial(empty, aval.shape, aval.dtype))
            recipe.step("new_large_array", make, self._made[number], address)
        else:
            recipe.step("new_array", *self._array(aval), self._made[number], address)

    def collect(self, number: int) -> None:
        """The result as an object: what is no array that the program wrote."""
        aval, recipe, made = self._callee.results[number], self._recipe, self._made[number]
        source = self._callee.manifest.results[number]
        if isinstance(source, bytes):
            value = np.frombuffer(source, aval.dtype)[0]
            recipe.step("constant", recipe.reference(value.item() if aval.weak else value), made)
        elif not aval.shape:
            if aval.weak:
                recipe.step(_NUMBERS[aval.dtype], source, made)
            else:
                recipe.step("new_scalar", source, recipe.reference(aval.dtype), made)
        elif source in self._given:  # once
            self._given.remove(source)
            recipe.step("same", recipe.arrays[source], made)
        elif source != self._first + number:
            recipe.step("copy", *self._array(aval), made, source, aval.nbytes)

    def _array(self, aval: ShapedArray) -> tuple[int, int, int, int]:
        return id(np.ndarray), self._recipe.reference(aval.dtype), *self._recipe.dims(aval.shape)


def write_captured(recipe: Recipe, consts: Sequence[Array]) -> None:
    """Steps that put the addresses of captured values, which are the first arguments, into memory."""
    for i, value in enumerate(consts):
        recipe.step("captured", recipe.array(np.ascontiguousarray(value)), i)
