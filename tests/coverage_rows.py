"""The rows of the test tables as programs: which function of NumPy each is about, and how to run it.

Imports the tables of the tests of functions, ufuncs, linear algebra, Fourier transforms, updates in place and functions whose
result's shape depends on values. Start reading at `programs`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import functrans.numpy as fnp
from functrans.numpy import writing
from functrans.numpy.dispatch import name_of
from tests.test_elementwise import signatures
from tests.test_fft import KEYWORDS, OF_REALS
from tests.test_fft import X as SIGNAL
from tests.test_in_place import WRITES
from tests.test_linalg import CALLS
from tests.test_numpy_functions import OPERANDS, ROWS, function_of
from tests.test_value_dependent import EMATH, KNOWN, SIZED_CALLS, WINDOWS

__all__ = ["Program", "programs"]


class Program(NamedTuple):
    """A call in plain NumPy, or of functrans.numpy where NumPy does not hand it on, and its operands."""

    functions: frozenset[str]
    text: str
    call: Callable[..., Any]
    operands: tuple[Any, ...]
    expected: Callable[..., Any]
    """The same call by NumPy."""
    sized: str = ""
    """The argument that says how many elements its result has, which NumPy's function lacks."""
    smooth: bool = True
    """Whether to look at derivatives: values may be locally constant, or at a jump."""
    homogeneous: bool = False
    """Whether f(a · x) = a · f(x): finite differences may not serve where shapes depend on values."""
    symmetric: bool = False
    """Whether only the Hermitian part of the operand is to vary."""
    up_to_phases: bool = False
    """Whether the phases of vectors in the result are as LAPACK chooses."""


def programs() -> Iterator[Program]:
    """All rows of all tables."""
    yield from _functions()
    for name, types in (parameter.values for parameter in signatures()):
        yield _ufunc(getattr(np, str(name)), str(types))
    for name, call, args in CALLS:
        program = _plain(f"np.linalg: {name}", lambda *xs, call=call: call(np.linalg, *xs), args)
        symmetric, phases = (bool(re.search(words, name)) for words in ("cholesky|eigh|eigvalsh|hermitian", "eig|svd"))
        yield program._replace(symmetric=symmetric, up_to_phases=phases)
    for name, several in KEYWORDS.items():
        for keywords in several:
            x = SIGNAL if name in OF_REALS else SIGNAL + 1j * SIGNAL[::-1]
            transform: Callable[..., Any] = getattr(np.fft, name)
            yield _plain(f"np.fft.{name}(x, **{keywords})", lambda x, f=transform, k=keywords: f(x, **k), (x,))
    yield from _of_values()
    for name, write in WRITES.items():
        function = re.split("[, ]", name)[0]
        if function in writing.__all__:
            updated, operands = _written(write), (np.linspace(-2.1, 2.3, 6).reshape(2, 3), np.arange(3.0) + 0.5)
            yield Program(frozenset({f"numpy.{function}"}), f"in place: {name}", updated, operands, updated)


def _of_values() -> Iterator[Program]:
    """Functions whose result's shape or dtype depends on values."""
    for known, x in KNOWN[:-1]:  # the last indexes by a mask
        text = re.search(r"lambda x: (.*), [XM].*\),$", inspect.getsource(known).strip())
        assert text is not None
        yield _plain(text[1], known, (x,))._replace(homogeneous=True)
    for name, on_known, number in EMATH:
        yield _plain(f"np.emath.{name} of a {type(number).__name__}", on_known, (number,))
    for name, (sized, x) in SIZED_CALLS.items():
        argument = {"roots": "strip_zeros=False"}.get(name, "trim_leading_zeros=False" if "poly" in name else "size=")
        names = frozenset({f"numpy.{name}"})
        yield Program(names, f"{name}, {argument}", sized, (x,), sized, sized=argument, homogeneous=True)
    windows = np.lib.stride_tricks.sliding_window_view
    for x, shape, axis in WINDOWS:
        yield _plain(f"sliding_window_view, {shape}, {axis}", lambda x, s=shape, a=axis: windows(x, s, a), (x,))


def _written(write: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, v: Any) -> Any:
        y = x * 1.5
        write(y, v)
        return y

    return call


def _functions() -> Iterator[Program]:
    for row in ROWS:
        numpys, names = function_of(row.call, np)
        operands = tuple(OPERANDS[name] for name in names)
        if row.plain:
            yield _plain(row.call, numpys, operands)._replace(smooth=row.order > 0)
        else:
            ours = function_of(row.call, fnp)[0]
            yield Program(frozenset({f"numpy.{row.call[3:].split('(')[0]}"}), row.call, ours, operands, numpys)


def _plain(text: str, call: Callable[..., Any], operands: Sequence[Any]) -> Program:
    begin = re.match(r"np\.(\w+)\(", text)
    names = {name_of(getattr(np, begin[1]))} if begin else functions_of(call, operands)
    return Program(frozenset(names), text, call, tuple(operands), call)


# ---- which functions a call is about ----


class Recorder(np.ndarray[Any, Any]):
    """An array that notes which functions of NumPy it is given to, and what they return."""

    seen: list[tuple[str, Any]] = []  # noqa: RUF012  # one list for all recorders

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self._noted(func, func(*_bare(args), **_bare(kwargs)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self._noted(ufunc, getattr(ufunc, method)(*_bare(inputs), **_bare(kwargs)))

    def _noted(self, func: Any, result: Any) -> Any:
        noted = _recording(result)
        self.seen.append((name_of(func), noted))
        return noted


def _recording(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.view(Recorder)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_recording, value))
    return type(value)(map(_recording, value)) if type(value) in (list, tuple) else value


def _bare(value: Any) -> Any:
    if isinstance(value, Recorder):
        return value.view(np.ndarray)
    if isinstance(value, Mapping):
        return {key: _bare(item) for key, item in value.items()}
    return type(value)(_bare(item) for item in value) if type(value) in (list, tuple) else value


def functions_of(call: Callable[..., Any], operands: Sequence[Any]) -> set[str]:
    """The names of what returned the parts of the call's result; where none did, of what was called last."""
    Recorder.seen.clear()
    out = call(*(np.asarray(x).view(Recorder) for x in operands))
    parts = {id(out), *(map(id, out) if isinstance(out, tuple | list) else ())}
    of_parts = {
        name
        for name, result in Recorder.seen
        if {id(result), *(map(id, result) if isinstance(result, tuple | list) else ())} & parts
    }
    return of_parts or {Recorder.seen[-1][0]}


# ---- ufuncs ----

_DOMAINS = [
    np.linspace(-1.4, 1.3, 12).reshape(3, 4),
    np.linspace(-0.9, 0.8, 12).reshape(3, 4),
    np.linspace(0.2, 0.9, 12).reshape(3, 4),
    np.linspace(1.1, 3.4, 12).reshape(3, 4),
]


def _ufunc(ufunc: np.ufunc, types: str) -> Program:
    """The loop of a ufunc for these dtypes, at points where its values are finite if it has such."""
    candidates = [
        tuple(_of_type(x, char) for x, char in zip((domain, np.flip(domain) + 0.05), types, strict=False))
        for domain in _DOMAINS
    ]
    operands = next((each for each in candidates if _is_finite(ufunc, each)), candidates[0])
    text = f"np.{ufunc.__name__} of {', '.join(np.dtype(char).name for char in types)}"
    return Program(frozenset({name_of(ufunc)}), text, ufunc, operands, ufunc)


def _is_finite(ufunc: np.ufunc, operands: Sequence[Any]) -> bool:
    with np.errstate(all="ignore"):
        out = ufunc(*operands)
    return all(np.isfinite(part).all() for part in (out if isinstance(out, tuple) else (out,)))


def _of_type(x: Any, char: str) -> Any:
    kind = np.dtype(char).kind
    if kind == "c":
        return (x + 0.3j * np.flip(x)).astype(char)
    if kind == "f":
        return x.astype(char)
    return np.abs(np.round(3 * x)).astype(char) + np.dtype(char).type(kind != "b")
