"""The part of a recipe that runs a program: memory for its results, the program, and the results as objects.

Imports the plan and recipes; start reading at `write_program`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from functrans.backends.llvm.call.callee import Callee
from functrans.backends.llvm.call.recipe import Recipe
from functrans.backends.llvm.call.result_steps import RUN_WORDS
from functrans.compiler.cost import seconds
from functrans.compiler.nodes import Node
from functrans.compiler.steps import Argument, Output, Plan
from functrans.core.aval import ShapedArray
from functrans.core.ir import Literal
from functrans.core.lowering_control import While
from functrans.core.lowering_foreign import ForeignCall
from functrans.core.primitive import strong
from functrans.core.recycled import empty, is_large
from functrans.typing import Array

__all__ = ["is_long", "write_captured", "write_program"]

_NUMBERS = {np.dtype(float): "new_float", np.dtype(np.int64): "new_int", np.dtype(complex): "new_complex"}
"""The steps that make Python numbers."""


_LONG = 20e-6
"""Seconds: in less time another thread would hardly have begun."""


def is_long(callee: Callee) -> bool:
    """Whether other threads are to run Python meanwhile: always where nobody knows how long it takes."""
    works = (step.work for step in callee.plan.all_steps())
    is_unknown = any(isinstance(work, Node) and isinstance(work.lowering, While | ForeignCall) for work in works)
    return is_unknown or seconds(callee.plan) >= _LONG


def write_program(recipe: Recipe, callee: Callee, is_long: bool, made: Sequence[int]) -> None:
    """The steps from the arguments' addresses, in the first words of memory, to the results, each an object of a number."""
    _check_given(recipe, callee.plan)
    results = _Results(recipe, callee, made)
    for i in range(len(made)):
        results.prepare(i)
    recipe.step("run", _run_table(recipe, callee, is_long))
    for i in range(len(made)):
        results.collect(i)


def _check_given(recipe: Recipe, plan: Plan) -> None:
    """The arrays that are to be results have their memory for themselves; no argument is a copy of what lies in it."""
    for number in recipe.arrays.values() if plan.given else ():
        recipe.step("ready", number)
    sizes = [var.aval.nbytes for var in plan.arguments]
    for i in sorted(plan.given):
        recipe.step("donated", recipe.arrays[i], i, sizes[i], len(sizes), recipe.table(sizes))


def _run_table(recipe: Recipe, callee: Callee, is_long: bool) -> int:
    first = len(callee.plan.arguments)
    recipe.reference(callee.keep)
    words = {
        "program": callee.address,
        "host": callee.host,
        "results": first,
        "warnings": first + len(callee.results),
        "arena": recipe.array(callee.arena),
        "arena_bytes": callee.plan.arena,
        "is_long": int(is_long),
        "afterwards": recipe.reference(callee.afterwards),
    }
    return recipe.table([words[name] for name in RUN_WORDS])


class _Results:
    """Where results come from, and the steps for them before and after the program runs."""

    def __init__(self, recipe: Recipe, callee: Callee, made: Sequence[int]) -> None:
        self._recipe = recipe
        self._callee = callee
        self._made = made
        self._given = set(callee.plan.given)
        self._first = len(callee.plan.arguments)

    def prepare(self, number: int) -> None:
        """Memory for what the program writes."""
        aval, recipe, address = self._callee.results[number], self._recipe, self._first + number
        if self._source(number) != address:
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
        source = self._source(number)
        if isinstance(source, Literal):
            value = strong(source.value)
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

    def _source(self, number: int) -> int | Literal:
        """The word of memory that has a result's address, or the constant that it is."""
        atom = self._callee.plan.results[number]
        if isinstance(atom, Literal):
            return atom
        place = self._callee.plan.places[atom]
        assert isinstance(place, Argument | Output)
        return place.index if isinstance(place, Argument) else self._first + place.index

    def _array(self, aval: ShapedArray) -> tuple[int, int, int, int]:
        return id(np.ndarray), self._recipe.reference(aval.dtype), *self._recipe.dims(aval.shape)


def write_captured(recipe: Recipe, consts: Sequence[Array]) -> None:
    """Steps that put the addresses of captured values, which are the first arguments, into memory."""
    for i, value in enumerate(consts):
        recipe.step("captured", recipe.array(np.ascontiguousarray(value)), i)
