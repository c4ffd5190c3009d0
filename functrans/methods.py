"""Jitted methods: of pytrees, which are traced as the first argument, and of other objects: a jitted function for each instance,
which does not keep the instance alive.

Imports only the standard library. Start reading at `Methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from inspect import signature
from types import MethodType
from typing import Any
from weakref import finalize, ref

__all__ = ["BoundMethod", "Methods", "TreeMethod"]

Function = Callable[..., Any]
"""Of any signature: a method has lost its first parameter, which no type can say of a wrapper."""


class TreeMethod(partial[Any]):
    """A jitted function, and a pytree as its first argument; `partial` because C calls it."""

    @property
    def __self__(self) -> object:
        return self.args[0]

    @property
    def __func__(self) -> Function:
        return self.func

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]  # that of the class is a string
        return self.func.__doc__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeMethod) and self.func == other.func and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((self.func, id(self.__self__)))

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """As the function's, for this instance, which what it compiles to takes first."""
        jitted: Any = self.func  # Any: `jit` imports this module
        return jitted.lower(*self.args, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # that has one more parameter
            raise AttributeError(name)
        return getattr(self.func, name)


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
