"""Methods of objects that are no pytrees: a jitted function for each instance, which does not keep the instance alive.

Imports only the standard library. Start reading at `Methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from inspect import signature
from types import MethodType
from typing import Any
from weakref import finalize, ref

__all__ = ["BoundMethod", "Methods"]

Function = Callable[..., Any]
"""Of any signature: a method has lost its first parameter, which no type can say of a wrapper."""


class BoundMethod:
    """A function that holds its instance weakly, and the instance."""

    def __init__(self, instance: object, method: Function) -> None:
        self.__self__ = instance
        self.__wrapped__ = method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


class _WeakMethod:
    """A bound method that does not keep its instance alive."""

    def __init__(self, function: Callable[..., Any], instance: object) -> None:
        self.__func__ = function
        self._instance = ref(instance)
        update_wrapper(self, function, updated=())
        self.__signature__ = signature(MethodType(function, instance))

    @property
    def __self__(self) -> object:
        return self._instance()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self._instance(), *args, **kwargs)


class Methods:
    """The jitted methods of the living instances of a class, by identity."""

    def __init__(self, function: Callable[..., Any], make: Callable[[Callable[..., Any]], Function]) -> None:
        self._function = function
        self._make = make
        self._known: dict[int, Function] = {}

    def of(self, instance: object) -> Function:
        method = self._known.get(id(instance))
        if method is None:
            try:
                method = self._make(_WeakMethod(self._function, instance))
                finalize(instance, self._known.pop, id(instance), None)
            except TypeError:  # no weak references to it: nothing can be remembered
                return self._make(MethodType(self._function, instance))
            self._known[id(instance)] = method
        return method

    def clear(self) -> None:
        """Forget the methods, and with them what they have compiled."""
        self._known.clear()
