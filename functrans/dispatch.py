"""Recipes for jitted functions: one kind of call, from its arguments and what was read from outside to its results.

Loaded when a function is called again for the first time. Imports guards, static arguments and the machine code's side of calls;
start reading at `serve_calls`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from functrans.backends.executable import Executable
from functrans.backends.llvm.call import layout
from functrans.backends.llvm.call.functions import call_address
from functrans.backends.llvm.call.leaves import check_argument, check_same_array
from functrans.backends.llvm.call.program import write_captured, write_program
from functrans.backends.llvm.call.recipe import InexpressibleError, Recipe
from functrans.backends.llvm.call.trees import ResultTree, check_tree, is_immutable
from functrans.backends.llvm.loaded import Callee
from functrans.backends.vectorcall import Vectorcallable, serve
from functrans.core.aval import ShapedArray
from functrans.core.primitive import EVAL, TRACE
from functrans.disable import DISABLED
from functrans.guards import Guards, Watch, all_unchanged, open_container
from functrans.reads import MISSING, PARTS, PLAIN, cell_of, dict_of, owner_of, part_of
from functrans.static import Call, StaticArguments
from functrans.tree import TreeDef

__all__ = ["serve_calls"]

Flat: TypeAlias = "tuple[Sequence[Any], TreeDef[Any]]"  # Any: a leaf may be anything
"""Leaves and their tree."""


def serve_calls(
    function: Vectorcallable,
    call: Call,
    traced: Flat,
    static: StaticArguments,
    executable: Executable,
    guards: Guards,
    out_tree: TreeDef,
) -> bool:
    """Let machine code serve later calls that are like this one; whether it can.

    `traced` is what its traced arguments were when the program was found: since then the program has run, and what it called,
    or another thread, may have changed their containers.
    """
    callee = executable.program.callee if layout.is_as_expected() else None
    if callee is None:
        return False
    args, kwargs = call
    recipe = Recipe(len(args), tuple(kwargs))
    try:
        recipe.memory(len(callee.arguments) + len(callee.results) + 1)
        _check_context(recipe, {TRACE: EVAL, DISABLED: False})
        arguments = [*enumerate(callee.arguments)][len(executable.consts) :]
        _check_arguments(recipe, call, traced, static, arguments)
        _check_guards(recipe, guards)
        write_captured(recipe, executable.consts)
        serve(function, call_address(), _finished(recipe, callee, out_tree))
    except InexpressibleError:
        return False
    return True


def _finished(recipe: Recipe, callee: Callee, out_tree: TreeDef) -> Any:
    results = ResultTree(recipe, out_tree)
    write_program(recipe, callee, results.leaves)
    results.write()
    return recipe.finish(results.root)


def _check_context(recipe: Recipe, expected: dict[ContextVar[Any], object]) -> None:
    """No trace is current, and jit is not disabled."""
    for variable, value in expected.items():
        recipe.step("context", recipe.reference(variable), recipe.reference(value))


def _check_arguments(
    recipe: Recipe, call: Call, flattened: Flat, static: StaticArguments, arguments: Sequence[tuple[int, ShapedArray]]
) -> None:
    """The arguments have the same trees, types and shapes; `arguments` are those of the program that the leaves are."""
    args, kwargs = call
    fixed: Any  # what `split` gives: positions or names, kinds, values
    _, fixed = static.split(args, kwargs)
    flat, in_tree = flattened
    leaves, numbered = iter(flat), iter(arguments)
    places = {name: len(args) + i for i, name in enumerate(kwargs)}
    positional, named = in_tree.children()
    traced = [i for i in range(len(args)) if i not in static.nums]
    named_places = [places[name] for name in named.entries()]
    for spec, place in zip([*positional.children(), *named.children()], [*traced, *named_places], strict=True):
        check_tree(recipe, spec, place, leaves, lambda i, leaf: check_argument(recipe, i, leaf, *next(numbered)))
    for where, _, value in fixed:
        if not is_immutable(value):
            raise InexpressibleError
        recipe.step("identical", where if isinstance(where, int) else places[where], recipe.reference(value))


# ---- what was read from outside ----


def _check_guards(recipe: Recipe, guards: Guards) -> None:
    """What was read from outside is still the same; Python is asked about what machine code cannot read."""
    rest = []
    for watch in _check_functions(recipe, guards.watches):
        number = _find(recipe, watch)
        if number is None:
            rest.append(watch)
            continue
        value = watch.read(watch.name, MISSING)
        if not watch.unchanged(value):
            raise InexpressibleError
        _check_value(recipe, number, value)
    if rest:
        recipe.step("holds", recipe.reference(partial(all_unchanged, rest)), id(True))


def _check_functions(recipe: Recipe, watches: Sequence[Watch]) -> Sequence[Watch]:
    """Functions' code and defaults, as far as machine code can look at them; gives the other watches."""
    place = layout.function_parts()
    found = [(watch, part_of(watch.read)) for watch in watches]
    functions = {} if place is None else Counter(part[0] for _, part in found if part is not None)
    whole = {fun for fun, count in functions.items() if count == len(PARTS)}
    if not all(watch.unchanged(watch.read(watch.name, MISSING)) for watch, part in found if part and part[0] in whole):
        raise InexpressibleError
    for fun in whole:
        parts = [getattr(fun, name) for name in PARTS]
        words = [0 if part is None else recipe.reference(part) for part in parts]
        recipe.step("function", id(fun) + (place or 0), *words, watch=fun)
    return [watch for watch, part in found if part is None or part[0] not in whole]


def _find(recipe: Recipe, watch: Watch) -> int | None:
    """The number of the object that is found where a guard looks; None where machine code cannot look."""
    read, name = watch.read, watch.name
    if (namespace := dict_of(read)) is not None:
        number = recipe.objects(1)
        recipe.step("item", recipe.reference(namespace), recipe.reference(name), number)
    elif (closure := cell_of(read)) is not None:
        number = recipe.objects(1)
        recipe.step("cell", id(closure[1]), number, watch=closure[0])
    elif (owner := owner_of(read, name)) is not None:
        number = recipe.objects(1)
        recipe.step("attribute", id(owner), recipe.reference(name), number, watch=owner)
    else:
        return None
    return number


def _check_value(recipe: Recipe, number: int, value: Any) -> None:
    if isinstance(value, np.ndarray):
        check_same_array(recipe, number, value)
    elif isinstance(value, PLAIN):
        recipe.step("identical", number, recipe.reference(value))
    elif (opened := open_container(value)) is not None:
        leaves, spec = opened
        check_tree(recipe, spec, number, iter(leaves), lambda place, leaf: _check_value(recipe, place, leaf))
    else:
        recipe.step("identical", number, id(value), watch=value)
