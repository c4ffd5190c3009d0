"""From a NumPy function to the implementation that traces it.

`TRACED` is the one table. `@implements(np.f)` puts an implementation in it and returns the public function of
`functrans.numpy`, which is NumPy's own `f` unless a tracer is among its arguments. Plain NumPy reaches the same table
through the tracers' `__array_function__` and `__array_ufunc__`, which call `traced`. Imports core, errors, `late` and `rewrite`;
start reading at `implements`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numpy as np

from functrans.core.primitive import Tracer
from functrans.core.source import user_source
from functrans.errors import OutArgumentError, UnsupportedArgumentError, UnsupportedFunctionError
from functrans.numpy.late import complete
from functrans.numpy.rewrite import replacing
from functrans.numpy.versions import is_alias, owned, store, view
from functrans.record import Record

__all__ = [
    "ELSEWHERE",
    "TRACED",
    "NumpyFunction",
    "has_tracer",
    "implements",
    "name_of",
    "signature_of",
    "traced",
    "where",
]

P = ParamSpec("P")
R = TypeVar("R")
NumpyFunction: TypeAlias = Callable[..., Any]  # Any: NumPy's functions have every signature

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NESTED = (list, tuple)


class Entry(Record):
    """A traced implementation, and which of the arguments that NumPy's function takes it takes too.

    positional: how many leading positional arguments mean the same to both.
    """

    implementation: Callable[..., Any]  # Any: as for NumpyFunction
    positional: int
    names: frozenset[str]


TRACED: dict[NumpyFunction, Callable[..., Any]] = {}  # Any: as for NumpyFunction
"""NumPy's function -> its traced implementation."""
ELSEWHERE: list[
    Callable[[NumpyFunction], Callable[..., Any] | None]
] = []  # filled by late.py, which imports this layer
"""Who knows traced implementations of ufuncs that are not NumPy's."""
VMAP: list[Callable[..., Any]] = []  # filled by transforms/vmap.py, which imports this layer


def implements(*functions: NumpyFunction, more: Sequence[str] = ()) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make the decorated function the traced implementation of these functions of NumPy (all meaning the same).

    The result is the public function: it calls the first of them, and nothing else, where no argument is or holds a
    tracer. The decorated function has NumPy's parameter names. It may lack some of NumPy's parameters (`out`, say): to
    give one raises UnsupportedArgumentError, unless it has NumPy's default value. It is called with tracers anywhere
    among its arguments, and so has to accept arrays and Python numbers too.

    more: parameters that NumPy's function does not have. With one of them given the public function is ours for arrays too.
    """

    def decorate(implementation: Callable[P, R]) -> Callable[P, R]:
        for function in functions:
            TRACED[function] = implementation
        return _public(functions[0], implementation, frozenset(more))

    return decorate


def _public(function: NumpyFunction, implementation: Callable[P, R], more: frozenset[str]) -> Callable[P, R]:
    @wraps(implementation)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not more.isdisjoint(kwargs):
            return implementation(*args, **kwargs)
        for arg in args:
            if isinstance(arg, Tracer) or (isinstance(arg, _NESTED) and has_tracer(arg)):
                return cast(R, traced(function, args, kwargs))
        for arg in kwargs.values():
            if isinstance(arg, Tracer) or (isinstance(arg, _NESTED) and has_tracer(arg)):
                return cast(R, traced(function, args, kwargs))
        return cast(R, function(*args, **kwargs))

    return call


def has_tracer(value: object) -> bool:
    """Whether the value is a tracer, or a list or tuple with one inside at any depth."""
    if isinstance(value, _NESTED):
        return any(isinstance(item, Tracer) or (isinstance(item, _NESTED) and has_tracer(item)) for item in value)
    return isinstance(value, Tracer)


def traced(function: NumpyFunction, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:  # Any: as for NumpyFunction
    """Call the traced implementation of NumPy's `function`.

    Raises UnsupportedFunctionError where there is none, UnsupportedArgumentError for an argument that it does not take.
    """
    entry, to = _entry(function), None
    if len(args) > entry.positional or not entry.names.issuperset(kwargs):
        args, kwargs, to = _adapted(function, entry, args, kwargs)
    out = entry.implementation(*args, **kwargs)
    if to is not None:
        return store(to, out, f"{name_of(function)}(..., out=...)")
    if function in _VIEWS:
        return _viewed(function, entry, args, kwargs, out)
    gives_itself = function in _SELF or kwargs.get("copy", True) is False
    if isinstance(out, Tracer) and not gives_itself and is_alias(out, args):
        return owned(cast(Any, out))  # there was nothing to do, but NumPy's result is a copy
    return out


_VIEWS: set[NumpyFunction] = {
    np.array_split, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_to, np.diagonal, np.dsplit, np.einsum,
    np.expand_dims, np.flip, np.fliplr, np.flipud, np.hsplit, np.imag, np.matrix_transpose, np.moveaxis, np.ravel,
    np.real, np.reshape, np.rollaxis, np.rot90, np.split, np.squeeze, np.swapaxes, np.transpose, np.unstack, np.vsplit,
    np.lib.stride_tricks.sliding_window_view,
}  # fmt: skip
"""What gives views of its first argument, or a view if strides allow it."""

_SELF: set[NumpyFunction] = {
    np.asarray, np.asanyarray, np.ascontiguousarray, np.broadcast_arrays, np.diff, np.linalg.matrix_power, np.polyder,
    np.polyint, np.real_if_close,
}  # fmt: skip
"""What else may give its argument itself."""


def _viewed(
    function: NumpyFunction, entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any
) -> Any:  # Any: as for NumpyFunction
    """The result of one of `_VIEWS`, which shares memory with the first argument where NumPy's does."""
    place = int(function is np.einsum and isinstance(args[0], str))  # behind the subscripts
    base, rest = args[place], args[place + 1 :]
    if not isinstance(base, Tracer) or not base.aval.shape or (isinstance(out, tuple) and rest and rest[0] is not None):
        return out
    if any(isinstance(arg, Tracer) for arg in rest):  # einsum of several
        return out
    if out is base:
        return owned(cast(Any, out)) if kwargs.get("copy") else out
    of: Callable[[Callable[..., Any]], Callable[[Any], Any]] = lambda f: lambda x: f(*args[:place], x, *rest, **kwargs)
    return view(base, out, of(entry.implementation), of(function))


def name_of(function: NumpyFunction) -> str:
    """`numpy.linalg.svd`: how a user writes NumPy's function."""
    module = getattr(function, "__module__", None)
    return f"{module or 'numpy'}.{function.__name__}"


def where() -> str:
    """The user's line, for the second paragraph of an error message."""
    source = user_source()
    return "" if source is None else source.place


def _signature(function: NumpyFunction, implementation: Callable[..., Any]) -> inspect.Signature:
    """NumPy's signature; the implementation's for a function in C that has none to show."""
    try:
        signature = signature_of(function)
    except ValueError:
        return inspect.signature(implementation)
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    opaque = kinds == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]
    return inspect.signature(implementation) if opaque else signature


def signature_of(function: NumpyFunction) -> inspect.Signature:
    """As `inspect` gives it. What a function in C shows as text is read as the head of a function in Python: `inspect` makes a
    tokenizer for that, which takes longer than to trace a small program."""
    text = getattr(inspect.unwrap(function), "__text_signature__", None)
    if text is not None:
        try:
            return inspect.signature(eval(f"(lambda {text[1:-1]}: None)", {}))
        except (SyntaxError, NameError):  # a default that is no expression, or the name of one
            pass
    return inspect.signature(function)


@cache  # signatures are dear to read: none is before its function is traced
def _entry(function: NumpyFunction) -> Entry:
    complete(function)
    implementation = TRACED.get(function) or next(filter(None, (find(function) for find in ELSEWHERE)), None)
    if implementation is None:
        raise UnsupportedFunctionError(name_of(function), where())
    ours = list(inspect.signature(implementation).parameters.values())
    names = frozenset(p.name for p in ours if p.kind is not p.VAR_POSITIONAL)
    if any(p.kind is p.VAR_POSITIONAL for p in ours):
        return Entry(implementation, sys.maxsize, names)
    if isinstance(function, np.ufunc):  # its operands have no names
        return Entry(implementation, len(ours), names)
    theirs = _signature(function, implementation).parameters.values()
    count = 0
    for mine, its in zip(ours, theirs, strict=False):
        if mine.kind not in _POSITIONAL or (mine.name != its.name and mine.kind is not mine.POSITIONAL_ONLY):
            break
        count += 1
    return Entry(implementation, count, names)


def _adapted(
    function: NumpyFunction, entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any], Any]:
    """The arguments bound by NumPy's signature, without those left at its defaults; all but the first ones by name; and what
    was given as `out`, if that is traced."""
    signature = _signature(function, entry.implementation)
    bound = signature.bind(*args, **kwargs)  # raises TypeError for a call that is wrong in NumPy too
    more = bound.arguments.pop("kwargs", {})
    given = {**bound.arguments, **more}
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    out: Any = None
    places = {name: place for place, name in enumerate(signature.parameters)}
    for name, value in given.items():
        parameter = signature.parameters.get(name)
        if parameter is not None and parameter.kind is parameter.VAR_POSITIONAL:
            positional.extend(value)
        elif places.get(name) == len(positional) < entry.positional and parameter and parameter.kind in _POSITIONAL:
            positional.append(value)
        elif name in entry.names:
            keywords[name] = value
        elif name == "out" and has_tracer(value):
            out = value
        elif parameter is None or not _is_default(value, parameter.default):
            raise _unsupported(function, name, entry)
    return positional, keywords, out


def _is_default(value: object, default: object) -> bool:
    return value is default or (isinstance(value, str | int) and type(value) is type(default) and value == default)


def _unsupported(function: NumpyFunction, argument: str, entry: Entry) -> Exception:
    if argument == "out":
        return OutArgumentError(name_of(function), where(), replacing())
    takes = sorted(entry.names)
    return UnsupportedArgumentError(name_of(function), argument, takes, where())
