"""Recipes for programs by themselves: arrays and numbers in, a tuple of results out.

Loaded when a program is called again for the first time. Start reading at `serve_program`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from functrans.backends.llvm.call import layout
from functrans.backends.llvm.call.functions import call_address
from functrans.backends.llvm.call.leaves import check_argument
from functrans.backends.llvm.call.program import write_program
from functrans.backends.llvm.call.recipe import InexpressibleError, Recipe
from functrans.backends.vectorcall import serve
from functrans.record import replace
from functrans.typing import Array

if TYPE_CHECKING:
    from functrans.backends.llvm.loaded import LoadedProgram

__all__ = ["serve_program"]


def serve_program(program: LoadedProgram, args: Sequence[Array]) -> None:
    """Let machine code serve later calls of a program with arguments of these types."""
    callee = program.callee if layout.is_as_expected() else None
    if callee is None:
        return
    recipe, count = Recipe(len(args)), len(callee.results)
    recipe.memory(len(args) + count + 1)
    try:
        for i, arg in enumerate(args):
            check_argument(recipe, i, arg, i, callee.arguments[i])
        root = recipe.objects(1)
        first = recipe.objects(count)
        strong = replace(callee, results=tuple(aval.update(weak=False) for aval in callee.results))
        write_program(recipe, strong, range(first, first + count))
        recipe.step("new_tuple", first, count, root)
        serve(program, call_address(), recipe.finish(root))
    except InexpressibleError:
        return
