"""What may go into a transformed function, and what comes out: checks shared by all transforms.

`check_leaves` turns away what is no array, with the key path of the offender; `owned` gives results that alias nothing.
Imports core, errors, tree.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from functrans import tree
from functrans.core.aval import FLOAT0, SCALAR_AVALS, changes_meaning
from functrans.core.primitive import Tracer
from functrans.core.recycled import is_recycled
from functrans.core.source import function_name
from functrans.errors import ArgnumsError, NonArrayInputError, NonArrayOutputError
from functrans.numpy.versions import copied
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = ["argument_paths", "check_leaves", "check_results", "function_name", "owned", "private", "select_arguments"]

_KINDS = "biufc"
_SCALARS = frozenset(SCALAR_AVALS) - {bool}
_DTYPES = frozenset(np.dtype(code) for code in np.typecodes["All"] if np.dtype(code).kind in _KINDS) | {FLOAT0}
"""The dtypes of numbers, in the machine's byte order, and that of tangents of integers."""


def check_leaves(leaves: list[Any], transform: str, paths: Callable[[], Sequence[str]]) -> list[Array]:
    """The leaves, each an ndarray or NumPy scalar of native byte order, a Python number or a tracer.

    Raises NonArrayInputError, which names the leaf by the path that `paths()` gives for it.
    """
    return _check(leaves, NonArrayInputError, transform, paths)


def check_results(leaves: list[Any], name: str, out_tree: TreeDef[Any]) -> list[Array]:
    """As `check_leaves`, for what the user's function `name` returned; raises NonArrayOutputError."""
    return _check(leaves, NonArrayOutputError, name, lambda: tree.paths(out_tree, "result"))


_Refusal: TypeAlias = type[NonArrayInputError] | type[NonArrayOutputError]


def _check(leaves: list[Any], refusal: _Refusal, name: str, paths: Callable[[], Sequence[str]]) -> list[Array]:
    for i, leaf in enumerate(leaves):
        kind = type(leaf)
        if (kind is np.ndarray and leaf.dtype in _DTYPES) or kind in _SCALARS or isinstance(leaf, Tracer):
            continue
        leaves[i] = _checked(leaf, lambda why="", i=i: refusal(name, paths()[i], leaves[i], why))
    return leaves


def _checked(leaf: object, refused: Callable[..., Exception]) -> Array:
    if changes_meaning(leaf):
        raise refused("subclasses of ndarray that change the meaning of operations are not traced")
    if isinstance(leaf, bool):
        return cast(Array, np.bool_(leaf))
    if isinstance(leaf, np.ndarray | np.generic):
        if leaf.dtype.kind not in _KINDS:
            raise refused(f"its dtype is {leaf.dtype}")
        native = leaf.astype(leaf.dtype.newbyteorder("="), copy=False)
        return cast(Array, native.view(np.ndarray) if isinstance(native, np.ndarray) else native)
    raise refused()


def argument_paths(
    fun: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    only: int | Sequence[int] | None = None,
) -> list[str]:
    """A pasteable path in the user's own names for every leaf of a call, or of the arguments `only`: `params[0]['w']`."""
    names = _parameter_names(fun, len(args))
    chosen = range(len(args)) if only is None else (only,) if isinstance(only, int) else only
    roots = [(names[i], args[i]) for i in chosen]
    paths: list[str] = []
    for root, arg in (*roots, *(kwargs or {}).items()):
        paths += tree.paths(tree.structure(arg), root)
    return paths


def select_arguments(
    transform: str, fun: Callable[..., Any], args: tuple[Any, ...], argnums: int | Sequence[int]
) -> tuple[Any, Callable[[Any], list[Any]]]:
    """The arguments that `argnums` chooses (one tree, or a tuple), and how to put others in their place.

    Raises ArgnumsError for numbers that the call has no positional argument for.
    """
    if isinstance(argnums, int):
        if not -len(args) <= argnums < len(args):
            raise ArgnumsError(transform, function_name(fun), argnums, len(args))
        first = argnums % len(args)
        return args[first], lambda replaced: [*args[:first], replaced, *args[first + 1 :]]
    chosen = tuple(argnums)
    in_range = all(-len(args) <= i < len(args) for i in chosen)
    if not chosen or not in_range or len({i % len(args) for i in chosen}) < len(chosen):
        raise ArgnumsError(transform, function_name(fun), argnums, len(args))

    def rebuild(replaced: Any) -> list[Any]:
        full = list(args)
        for i, replacement in zip(chosen, replaced, strict=True):
            full[i] = replacement
        return full

    return tuple(args[i] for i in chosen), rebuild


def _parameter_names(fun: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):  # builtins without a signature
        parameters = []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(count - len(names))]
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
    names += [f"argument {i}" for i in range(len(names), count)]
    return names[:count]


def private(values: Iterable[Array]) -> list[Array]:
    """The values, copied: what a derivative keeps for later must not change when the user's arrays do."""
    return [copied(value) for value in values]


def owned(values: Iterable[Array], foreign: Iterable[object] = (), given_up: Iterable[object] = ()) -> list[Array]:
    """The values, copied where they are views, read-only, one and the same object, or one of the `foreign` objects.

    Those that are `given_up` may be results once.

    Arrays of rank 0 become NumPy scalars, as in results of NumPy (float0, which has none, apart).
    """
    seen, ours = set(map(id, foreign)), set(map(id, given_up))
    results: list[Array] = []
    for value in values:
        if isinstance(value, np.ndarray):
            if not value.ndim and value.dtype != FLOAT0:
                results.append(value[()])
                continue
            flags = value.flags
            owns = flags.owndata or is_recycled(value) or id(value) in ours
            if not (owns and flags.writeable) or id(value) in seen:
                value = np.array(value)
            seen.add(id(value))
        results.append(value)
    return results
