"""Static arguments of a jitted function: which they are, and how a call is split into them and the traced rest.

Imports errors and the transforms' names for functions. Start reading at `StaticArguments.split`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from functrans.errors import StaticArgumentError
from functrans.transforms.arguments import function_name

__all__ = ["Call", "StaticArguments"]

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments."""


@dataclass(frozen=True)
class StaticArguments:
    """Which positions and names are static. A position that has a name is static either way it is passed."""

    function: str
    nums: frozenset[int]
    names: frozenset[str]

    @staticmethod
    def of(fun: Callable[..., Any], argnums: int | Sequence[int], argnames: str | Sequence[str]) -> StaticArguments:
        """From what the user gave to `jit`; raises StaticArgumentError for positions and names that `fun` does not have."""
        nums = {argnums} if isinstance(argnums, int) else set(argnums)
        names = {argnames} if isinstance(argnames, str) else set(argnames)
        name = function_name(fun)
        if not nums and not names:
            return StaticArguments(name, frozenset(), frozenset())
        try:
            parameters = list(inspect.signature(fun).parameters.values())
        except (TypeError, ValueError):  # a builtin without a signature: positions and names stand for themselves
            return StaticArguments(name, frozenset(nums), frozenset(names))
        positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        if any(not -len(positional) <= i < len(positional) for i in nums) and not variadic:
            raise StaticArgumentError(
                name, f"static_argnums={sorted(nums)}", f"it has {len(positional)} positional parameters"
            )
        keywords = any(p.kind is p.VAR_KEYWORD for p in parameters)
        unknown = sorted(names - {p.name for p in parameters})
        if unknown and not keywords:
            raise StaticArgumentError(
                name, f"static_argnames={unknown}", f"its parameters are {[p.name for p in parameters]}"
            )
        nums = {i % len(positional) if i < 0 else i for i in nums}
        names |= {positional[i] for i in nums if i < len(positional)}
        nums |= {i for i, parameter in enumerate(positional) if parameter in names}
        return StaticArguments(name, frozenset(nums), frozenset(names))

    def method(self) -> StaticArguments:
        """The same for the method that binds the first parameter."""
        return StaticArguments(self.function, frozenset(i - 1 for i in self.nums if i), self.names)

    def check_donated(self, argnums: int | Sequence[int]) -> tuple[int, ...]:
        """Donated positions, sorted; raises StaticArgumentError for one that is static too."""
        donated = {argnums} if isinstance(argnums, int) else set(argnums)
        if donated & self.nums:
            raise StaticArgumentError(
                self.function, f"donate_argnums={sorted(donated & self.nums)}", "they are static too"
            )
        return tuple(sorted(donated))

    def split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, Hashable]:
        """The traced part of a call, and the static part as a hashable key."""
        if not self.nums and not self.names:
            return (args, kwargs), ()
        fixed = [(i, arg) for i, arg in enumerate(args) if i in self.nums]
        fixed_kwargs = [(name, kwargs[name]) for name in sorted(self.names & kwargs.keys())]
        both: list[tuple[int | str, Any]] = [*fixed, *fixed_kwargs]
        for where, value in both:
            self._check_hashable(where, value)
        dynamic = tuple(arg for i, arg in enumerate(args) if i not in self.nums)
        dynamic_kwargs = {name: value for name, value in kwargs.items() if name not in self.names}
        key = tuple((where, type(value), value) for where, value in both)
        return (dynamic, dynamic_kwargs), key

    def join(self, dynamic: Call, key: Any) -> Call:
        """The whole call from the parts that `split` made."""
        args, kwargs = list(dynamic[0]), dict(dynamic[1])
        for where, _, value in key:
            if isinstance(where, int):
                args.insert(where, value)
            else:
                kwargs[where] = value
        return tuple(args), kwargs

    def _check_hashable(self, where: int | str, value: object) -> None:
        try:
            hash(value)
        except TypeError as error:
            shown = f"static argument {where!r}" if isinstance(where, str) else f"static argument number {where}"
            raise StaticArgumentError(
                self.function, shown, f"its value, of type {type(value).__name__}, is not hashable"
            ) from error
