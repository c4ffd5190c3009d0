"""Primitives, and the one current trace that decides what binding one means.

`prim.bind(*values, **params)` asks the current `Trace`. At top level that is `EVAL`, which runs NumPy. A transform installs
its own trace for the time it runs the user's function; the trace wraps values in its own tracers, and where none of a
primitive's operands is its own it hands the primitive to its parent. There are no levels: `tracer.owner is self` tells mine
from constants, and rules run with the parent as the current trace, so transforms nest to any depth.

Start reading at `Primitive`, then `Trace`. Imports `aval`, `lowering`, `source`, `errors`, `typing`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias, cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS, SCALAR_AVALS, ShapedArray, concrete_aval, shaped
from functrans.core.lowering import Lower
from functrans.core.source import function_name, function_place
from functrans.errors import FunctransError, IntegerRangeError, LeakedTracerError
from functrans.record import NamedTuple, Record
from functrans.typing import Array

__all__ = [
    "EVAL", "TRACE", "AbstractEval", "BatchRule", "Captures", "Impl", "JvpRule", "LocallyConstant", "NamedAxis",
    "NamedBatchRule", "NotDifferentiable", "Params", "Primitive", "Prune", "Pruned", "Pullback", "Trace", "Tracer",
    "VjpRule", "aval_of", "current_trace", "reveal", "unnamed", "use_trace",
]  # fmt: skip

Params: TypeAlias = Mapping[str, Any]  # Any: each primitive has parameters of its own types
Values: TypeAlias = tuple[Array, ...]
Maybes: TypeAlias = tuple[Array | None, ...]
"""Tangents or cotangents, one per operand or result: None stands for zero."""

Captures: TypeAlias = Callable[[Params], tuple[Params, tuple[tuple[int, Values], ...]]]
"""Of a primitive with jaxprs among its parameters: the parameters where those capture nothing, and the captured values, each
group with the number of the operand that it is to stand before, in order."""


class Pruned(NamedTuple):
    """What is left of an equation of which only some results are used."""

    params: Params
    operands: tuple[bool, ...]
    """Which it keeps."""
    results: tuple[bool, ...]
    """Which it keeps: those that are used, and those that a loop needs for them."""


Prune: TypeAlias = Callable[[Params, tuple[bool, ...]], Pruned]
"""`(params, which results are used) -> what is left`."""

Impl: TypeAlias = Callable[..., Values]
"""`(*arrays, **params) -> outs`: the primitive on concrete values, by NumPy."""

AbstractEval: TypeAlias = Callable[..., tuple[ShapedArray, ...]]
"""`(*avals, **params) -> out avals`; raises what NumPy would raise for operands that do not fit."""

Pullback: TypeAlias = Callable[[Maybes], Maybes]
"""`cotangents of the outs -> cotangents of the operands`; not called when all of them are None."""

VjpRule: TypeAlias = Callable[[Values, tuple[bool, ...], Params], tuple[Values, Pullback]]
"""`(primals, wanted, params) -> (outs, pullback)`; the pullback computes cotangents where `wanted` and keeps no residual
that it does not need."""

JvpRule: TypeAlias = Callable[[Values, Maybes, Params], tuple[Values, Maybes]]
"""`(primals, tangents, params) -> (outs, tangents of the outs)`."""

BatchRule: TypeAlias = Callable[[int, Values, tuple[bool, ...], Params], tuple[Values, tuple[bool, ...]]]
"""`(size, args, batched, params) -> (outs, batched)`; a batched value carries the batch axis, of length `size`, first."""


class NamedAxis(NamedTuple):
    """A batch axis that collectives may refer to."""

    name: Hashable
    size: int


NamedBatchRule: TypeAlias = Callable[[NamedAxis, Values, tuple[bool, ...], Params], tuple[Values, tuple[bool, ...]]]
"""As a BatchRule, for an axis with a name; also called where no operand is batched."""


def unnamed(rule: NamedBatchRule) -> BatchRule:
    """The batching rule for an axis without a name, of one that takes any axis."""
    return lambda size, args, batched, params: rule(NamedAxis(None, size), args, batched, params)


class NotDifferentiable(Record):
    """In place of a rule: differentiating raises an error that gives the reason."""

    why: str


class LocallyConstant(Record):
    """In place of a rule: the derivative is zero almost everywhere, or the results are not real numbers; and why."""

    why: str


class Primitive(Record, eq=False):
    """One operation that the transforms know. Family constructors (`functrans.ops.families`) derive most of the fields.

    `vjp` and `jvp` are rules or the reason why there are none; every other field is required.
    """

    name: str
    impl: Impl
    abstract_eval: AbstractEval
    vjp: VjpRule | NotDifferentiable | LocallyConstant
    jvp: JvpRule | NotDifferentiable | LocallyConstant
    batch: BatchRule
    batch_named: NamedBatchRule | None = None
    """In place of `batch` where the axis has a name, for primitives that may refer to it: collectives, and those that carry
    jaxprs."""
    carries: str | None = None
    """The parameter that holds the function it applies to its operands, if it does: a jaxpr, or until it is staged a Python
    function from flat values to flat values. Such a primitive has a parameter `outer`, the number of leading operands that
    the function only closes over, or is always bound with a jaxpr."""
    captures: Captures | None = None
    """How to make operands of what the jaxprs among its parameters capture; None where it has no such parameters."""
    prune: Prune | None = None
    """How to leave out results that nobody uses, and what they are computed from; None: it gives all or none."""
    cheap: bool = False
    """Whether its result is better computed again than kept for the backward pass: views, and arrays made from nothing."""
    is_call: bool = False
    """Whether it says nothing of the jaxpr that it carries but that it was written as one: jit."""
    lower: Lower | None = None
    """What it is to a compiler; None: only NumPy's implementation runs it."""
    effect: bool = False
    """Whether it does something besides giving results: it runs as often as the program says, in the program's order."""

    def bind(self, *args: Array, **params: Any) -> Values:  # Any: see Params
        """Apply the primitive under the current trace; always a tuple of results."""
        return _current.get().bind(self, args, params)

    def __repr__(self) -> str:
        return self.name


class Trace:
    """What binding a primitive means while this trace is current."""

    __slots__ = ("alive", "function", "parent")

    function: Callable[..., Any] | None  # Any: any function of the user
    """What runs under this trace, for messages; None where it is no function of the user."""

    def __init__(self, parent: Trace | None, function: Callable[..., Any] | None = None) -> None:
        self.parent = parent
        self.function = function
        self.alive = True

    def bind(self, prim: Primitive, args: Sequence[Array], params: Params) -> Values:
        raise NotImplementedError(type(self).__name__)

    def own(self, value: Array) -> Array:
        """A copy of a value as an array of this trace, into which its tracers can be written: a tracer, if it has any."""
        raise NotImplementedError(type(self).__name__)

    def of(self) -> str:
        """For messages: ` of `f``, the function that runs under this trace, if it is known."""
        return "" if self.function is None else f" of `{function_name(self.function)}`"

    def home(self) -> str:
        """For messages: the function that runs under this trace, and where it is defined."""
        if self.function is None:
            return ""
        place = function_place(self.function)
        return f"`{function_name(self.function)}`" + (f", defined at {place}" if place else "")

    def ancestors(self) -> Iterator[Trace]:
        """This trace, its parent, and so on to the one that evaluates."""
        trace: Trace | None = self
        while trace is not None:
            yield trace
            trace = trace.parent


class EvalTrace(Trace):
    """Runs the primitive now, by its NumPy `impl`."""

    __slots__ = ()

    def bind(self, prim: Primitive, args: Sequence[Array], params: Params) -> Values:
        for arg in args:
            if isinstance(arg, Tracer):
                raise LeakedTracerError(arg.describe(), f"`{prim.name}`", arg.owner.alive, arg.owner.home())
        return prim.impl(*args, **params)

    def own(self, value: Array) -> Array:
        if isinstance(value, Tracer):
            raise LeakedTracerError(value.describe(), "a copy", value.owner.alive, value.owner.home())
        return np.array(value) if type(value) is np.ndarray else value


class Tracer:
    """Stands for an array while a trace is current. Subclasses say how; `functrans.numpy.array` gives the array methods."""

    __slots__ = ("__weakref__", "aval", "memory", "owner")

    aval: ShapedArray
    memory: Any
    """What it shares memory with, which `functrans.numpy.versions` alone knows; empty for most."""
    owner: Trace

    def describe(self) -> str:
        """For messages: what this is, and which function and line made it where that is known."""
        made = self.made()
        return f"a traced value of type {self.aval}" + (f" ({made})" if made else "")

    def made(self) -> str:
        """For messages: which argument it is, or where or while what it was made; empty where that is not known."""
        return ""

    def known(self) -> Array | None:
        """Its value, where the trace knows it: grad and jvp outside of jit and vmap do. None elsewhere."""
        return None


EVAL = EvalTrace(None)
_current: ContextVar[Trace] = ContextVar("functrans_trace", default=EVAL)

TRACE = _current
"""The variable itself, for machine code to read."""

current_trace = _current.get
"""`current_trace()` is the trace that `bind` asks; every thread and every asyncio task has its own."""


@contextmanager
def use_trace(trace: Trace) -> Iterator[None]:
    """Make `trace` the current one inside the `with` block, and what it was before afterwards, whatever happens."""
    token = _current.set(trace)
    try:
        yield
    except ValueError as error:
        reveal(error)
        raise
    finally:
        _current.reset(token)


def reveal(error: ValueError) -> None:
    """Raise the error that NumPy replaced by its "setting an array element with a sequence", if it was one of ours."""
    cause = error.__cause__
    if isinstance(cause, FunctransError) and "setting an array element" in str(error):
        raise cause.with_traceback(error.__traceback__) from None


set_trace, reset_trace = _current.set, _current.reset
"""The two halves of `use_trace`, for the hot paths: pair them in `try … finally`."""

_CONCRETE = (np.ndarray, np.generic)


def aval_of(value: object) -> ShapedArray:
    """The abstract value of an array, a NumPy scalar, a Python number or a tracer."""
    if type(value) is np.ndarray:
        return shaped(value.shape, value.dtype)
    known = SCALAR_AVALS.get(type(value))
    if known is not None:
        return known
    return value.aval if isinstance(value, Tracer) else concrete_aval(value)


def strong(value: Array) -> Array:
    """The value itself; a Python number as a NumPy scalar. Weakness is a matter of avals: rules work with arrays."""
    if type(value) in PYTHON_SCALARS:
        try:
            return cast(Array, SCALAR_AVALS[type(value)].dtype.type(value))
        except OverflowError:
            raise IntegerRangeError(cast(int, value)) from None
    return value


def known(value: Array) -> Array | None:
    """The value, if it is an array, or a tracer of a trace that knows it; else None."""
    return value.known() if isinstance(value, Tracer) else value


def is_concrete(value: object) -> bool:
    """Whether the value is a real array or number, not a tracer."""
    return not isinstance(value, Tracer)


def as_array(tracer: Tracer) -> Array:
    """A tracer, typed as the array that it stands for."""
    return cast(Array, tracer)


Array.register(Tracer)  # type: ignore[attr-defined]  # at run time Array is an ABC (see functrans.typing)
