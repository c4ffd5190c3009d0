"""Static arguments of a jitted function: which they are, and how a call is split into them and the traced rest.

Imports errors and the transforms' names for functions. Start reading at `StaticArguments.split`.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from functrans import tree
from functrans.core.primitive import Tracer
from functrans.errors import StaticArgumentError
from functrans.record import Record, as_dict
from functrans.transforms.arguments import function_name

__all__ = ["Call", "Nums", "StaticArguments", "positions"]

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments."""

Nums = int | Sequence[int]
"""Positions."""
_PLAIN = (str, int, bool, type(None))


class StaticArguments(Record):
    """Which positions and names are static. A position that has a name is static either way it is passed."""

    function: str
    nums: frozenset[int]
    names: frozenset[str]
    positional: tuple[str, ...] = ()
    """The names of the positional parameters, where they are known."""

    @staticmethod
    def of(fun: Callable[..., Any], argnums: Nums, argnames: str | Sequence[str]) -> StaticArguments:
        """From what the user gave to `jit`; raises StaticArgumentError for positions and names that `fun` does not have."""
        names = {argnames} if isinstance(argnames, str) else set(argnames)
        name = function_name(fun)
        if not names and argnums == ():
            return StaticArguments(name, frozenset(), frozenset())
        nums, positional = positions(fun, name, argnums, "static_argnums")
        parameters = _parameters(fun)
        if parameters is None:
            return StaticArguments(name, nums, frozenset(names))
        keywords = any(p.kind is p.VAR_KEYWORD for p in parameters)
        unknown = sorted(names - {p.name for p in parameters})
        if unknown and not keywords:
            raise StaticArgumentError(
                name, f"static_argnames={unknown}", f"its parameters are {[p.name for p in parameters]}"
            )
        names |= {positional[i] for i in nums if i < len(positional)}
        nums |= {i for i, parameter in enumerate(positional) if parameter in names}
        return StaticArguments(name, nums, frozenset(names), positional)

    def method(self) -> StaticArguments:
        """The same for the method that binds the first parameter."""
        return StaticArguments(self.function, frozenset(i - 1 for i in self.nums if i), self.names, self.positional[1:])

    def split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, Hashable]:
        """The traced part of a call, and the static part as a hashable key."""
        if not self.nums and not self.names:
            return (args, kwargs), ()
        fixed: list[tuple[int | str, Any]] = [(i, arg) for i, arg in enumerate(args) if i in self.nums]
        fixed += [(name, kwargs[name]) for name in sorted(self.names & kwargs.keys())]
        dynamic = tuple(arg for i, arg in enumerate(args) if i not in self.nums)
        dynamic_kwargs = {name: value for name, value in kwargs.items() if name not in self.names}
        return (dynamic, dynamic_kwargs), tuple((where, self._kind(where, value), value) for where, value in fixed)

    def join(self, dynamic: Call, key: Any) -> Call:
        """The whole call from the parts that `split` made."""
        args, kwargs = list(dynamic[0]), dict(dynamic[1])
        for where, _, value in key:
            if isinstance(where, int):
                args.insert(where, value)
            else:
                kwargs[where] = value
        return tuple(args), kwargs

    def _kind(self, where: int | str, value: object) -> object:
        """What tells apart static values that are equal; raises StaticArgumentError for one that is no key."""
        kind = type(value)
        if kind in _PLAIN:
            return kind
        for leaf in tree.leaves(value):
            if isinstance(leaf, Tracer):
                raise self._error(where, f"it holds {leaf.describe()}, whose value nobody knows yet")
        try:
            hash(value)
        except TypeError as error:
            raise self._error(where, f"its value, of type {kind.__name__}, is not hashable") from error
        return _kind(value)

    def name(self, where: int | str) -> int | str:
        """The name of a static argument, or its position where it has none."""
        return self.positional[where] if isinstance(where, int) and where < len(self.positional) else where

    def _error(self, where: int | str, problem: str) -> StaticArgumentError:
        name = self.name(where)
        shown = f"static argument {name!r}" if isinstance(name, str) else f"static argument number {name}"
        return StaticArgumentError(self.function, shown, problem)


def _kind(value: Any) -> object:
    """The type of a hashable value and of what is in it, and the signs of its zeros: 1 == 1.0 == True and 0.0 == -0.0."""
    kind = type(value)
    if isinstance(value, float):
        return kind if value else (kind, math.copysign(1.0, value))
    if isinstance(value, complex):
        return kind, _kind(value.real), _kind(value.imag)
    if isinstance(value, tuple):
        return kind, *map(_kind, value)
    if isinstance(value, frozenset):
        return kind, frozenset((_kind(item), item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return kind, *(_kind(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Record):
        return kind, *map(_kind, as_dict(value).values())
    return kind


def positions(fun: Callable[..., Any], name: str, argnums: Nums, option: str) -> tuple[frozenset[int], tuple[str, ...]]:
    """Positions counted from the front, and the names of all positional parameters; raises StaticArgumentError."""
    nums = {operator.index(argnums)} if not isinstance(argnums, Sequence) else set(map(operator.index, argnums))
    parameters = _parameters(fun)
    if parameters is None:  # positions stand for themselves
        return frozenset(nums), ()
    positional = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    count = len(positional)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if any(i < 0 if variadic else not -count <= i < count for i in nums):
        has = f"{count} positional parameters" + (", then any number: count from the front" if variadic else "")
        raise StaticArgumentError(name, f"{option}={sorted(nums)}", f"it has {has}")
    return frozenset(i % count if i < 0 else i for i in nums), positional


def _parameters(fun: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature
        return None
