"""Staging: run a function on abstract values and record what it does as a jaxpr.

`stage` is what every other module calls; `make_jaxpr` and `eval_shape` are the public faces. Start reading at `StageTrace`.
Imports core, ops, the tracer's array face, tree.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from operator import not_
from typing import Any, TypeVar, cast

import numpy as np

from functrans.core.aval import ShapedArray, concrete_aval
from functrans.core.dce import without_effects
from functrans.core.ir import Atom, Eqn, Jaxpr, Var, eval_jaxpr, literal
from functrans.core.nested import mapped_params
from functrans.core.primitive import (
    Params,
    Primitive,
    Trace,
    Tracer,
    Values,
    aval_of,
    current_trace,
    is_concrete,
    use_trace,
)
from functrans.core.source import Source, current_source
from functrans.core.stacks import is_stack
from functrans.errors import LeakedTracerError
from functrans.numpy.array import ArrayTracer
from functrans.numpy.versions import argument, state, version
from functrans.ops.broadcast import broadcast_in_dim_p
from functrans.typing import Array

__all__ = ["StageTrace", "StageTracer", "hoist_tracers", "open_stage", "stage", "stage_closed"]

R = TypeVar("R")


class StageTracer(ArrayTracer):
    """Stands for a variable of the jaxpr that is being recorded."""

    __slots__ = ("origin", "variable")

    def __init__(self, trace: StageTrace, var: Var, origin: Source | str | None) -> None:
        self.owner = trace
        self.aval = var.aval
        self.variable = var
        self.origin = origin

    def made(self) -> str:
        return f"made {self.origin.place}" if isinstance(self.origin, Source) else self.origin or ""

    def __repr__(self) -> str:
        return f"Traced<{self.aval}>"


class StageTrace(Trace):
    """Records every primitive as an equation.

    Concrete arrays become captured constants, snapshotted; numbers become literals. With `fold`, primitives of concrete
    operands are left to the parent, so that only what depends on the traced inputs is recorded; of calls, loops and branches
    too.
    """

    __slots__ = ("captured", "consts", "constvars", "eqns", "fold", "snapshots")

    def __init__(self, parent: Trace, function: Callable[..., Any] | None = None, *, fold: bool = False) -> None:
        super().__init__(parent, function)
        self.fold = fold
        self.eqns: list[Eqn] = []
        self.constvars: list[Var] = []
        self.consts: list[Array] = []
        self.captured: dict[Hashable, tuple[Array, Var]] = {}
        """By identity, of a tracer its state's: the value (kept, so that its id stays its own), and what stands for it."""
        self.snapshots: dict[int, Array] = {}
        """By identity: what a captured array was, to notice that the function has written into it since."""

    def bind(self, prim: Primitive, args: Sequence[Array], params: Params) -> Values:
        if self.fold:
            known = [not self._is_mine(arg) for arg in args]
            if all(known):
                return self._bind_above(prim, args, params)
            if prim.is_call:
                return _opened(params[cast(str, prim.carries)], args)
            if prim.prune is not None:
                return self._bind_in_parts(prim, args, params, known)
        return self._record(prim, args, params)

    def _is_mine(self, value: object) -> bool:
        return isinstance(value, Tracer) and value.owner is self

    def _bind_above(self, prim: Primitive, args: Sequence[Array], params: Params) -> Values:
        assert self.parent is not None
        with use_trace(self.parent):
            return self.parent.bind(prim, args, params)

    def _bind_in_parts(self, prim: Primitive, args: Sequence[Array], params: Params, known: Sequence[bool]) -> Values:
        """Of a loop or a branch, the results that known operands give, from the parent; and the others recorded."""
        assert prim.prune is not None
        count = len(prim.abstract_eval(*map(aval_of, args), **params))
        needed = (prim.prune(params, tuple(i == j for j in range(count))).operands for i in range(count))
        first = tuple(all(map(max, known, map(not_, operands))) for operands in needed)
        if not any(first):
            return self._record(prim, args, params)
        part = prim.prune(params, first)
        operands = [arg for arg, keeps in zip(args, part.operands, strict=True) if keeps]
        found = iter(self._bind_above(prim, operands, part.params))
        results = [next(found) if keeps else None for keeps in part.results]
        outs = self._record(prim, args, mapped_params(params, without_effects))
        return tuple(x if has and x is not None else out for has, x, out in zip(first, results, outs, strict=True))

    def _record(self, prim: Primitive, args: Sequence[Array], params: Params) -> Values:
        if prim.carries is not None and not isinstance(params[prim.carries], Jaxpr):
            args, params = _with_jaxpr(prim.carries, args, params)
        atoms = tuple(map(self.atom, args))
        avals = prim.abstract_eval(*(atom.aval for atom in atoms), **params)
        source = current_source()
        outvars = tuple(map(Var, avals))
        self.eqns.append(Eqn(prim, atoms, params, outvars, source))
        return cast(Values, tuple(StageTracer(self, var, source) for var in outvars))

    def argument(self, aval: ShapedArray, origin: str | None = None) -> StageTracer:
        """A new input of the jaxpr."""
        return argument(StageTracer(self, Var(aval), origin))

    def own(self, value: Array) -> Array:
        atom = self.atom(value)
        if isinstance(atom, Var):
            return cast(Array, StageTracer(self, atom, current_source()))
        return self._record(broadcast_in_dim_p, (value,), {"shape": (), "broadcast_dimensions": ()})[0]

    def atom(self, value: Array) -> Atom:
        """The variable or literal that stands for an operand."""
        tracer = cast(object, value)  # an Array to the type checker only
        if isinstance(tracer, StageTracer) and tracer.owner is self:
            return tracer.variable
        if isinstance(tracer, Tracer):
            if not any(trace is tracer.owner for trace in self.ancestors()):
                raise LeakedTracerError(
                    tracer.describe(),
                    self.home() or "code that is being traced",
                    tracer.owner.alive,
                    tracer.owner.home(),
                )
            return self._capture(value, tracer.aval)
        aval = concrete_aval(value)
        return literal(value) if aval.shape == () and not is_stack(aval.dtype) else self._capture(value, aval)

    def _capture(self, value: Array, aval: ShapedArray) -> Var:
        tracer = cast(object, value)
        key = state(tracer) if isinstance(tracer, Tracer) else id(value)
        found = self.captured.get(key)
        before = self.snapshots.get(id(value))
        if found is None or (before is not None and value.flags.writeable and not _same_bits(value, before)):
            found = self.captured[key] = (version(value), self._constant(value, aval))
        return found[1]

    def _constant(self, value: Array, aval: ShapedArray) -> Var:
        var = Var(aval)
        is_alive = isinstance(value, Tracer) or is_stack(aval.dtype)  # which nobody can write to
        uniform = None if is_alive else _uniform_value(value)
        if uniform is not None:  # np.zeros(…) and the like: an equation instead of an array
            params: Params = {"shape": aval.shape, "broadcast_dimensions": ()}
            self.eqns.append(Eqn(broadcast_in_dim_p, (literal(uniform),), params, (var,), current_source()))
            self.snapshots[id(value)] = np.broadcast_to(uniform, aval.shape)
            return var
        self.constvars.append(var)
        if is_alive:
            self.consts.append(version(value))
        else:
            self.snapshots[id(value)] = snapshot = _snapshot(value)
            self.consts.append(snapshot)
        return var

    def finish(self, arguments: Sequence[StageTracer], outs: Sequence[Array]) -> Jaxpr:
        """The jaxpr of what was recorded, from these inputs to these results."""
        outvars = tuple(map(self.atom, outs))
        return Jaxpr(
            tuple(arg.variable for arg in arguments),
            outvars,
            tuple(self.eqns),
            tuple(self.constvars),
            tuple(self.consts),
        )


def _opened(jaxpr: Jaxpr, args: Sequence[Array]) -> Values:
    """The results of what a call carries, bound equation by equation; known Python numbers are such as the call gives them."""
    outs = list(eval_jaxpr(jaxpr, *args))
    for i in jaxpr.weak_results:
        outs[i] = outs[i].item() if isinstance(outs[i], np.generic | np.ndarray) else outs[i]
    return tuple(outs)


def _with_jaxpr(carries: str, args: Sequence[Array], params: Params) -> tuple[Sequence[Array], Params]:
    """Operands and parameters of a primitive whose function is staged; tracers that it closes over become operands."""
    jaxpr, closed_over = stage_closed(params[carries], [aval_of(arg) for arg in args])
    return (*closed_over, *args), {**params, carries: jaxpr, "outer": params["outer"] + len(closed_over)}


def _snapshot(value: Array) -> Array:
    """A read-only copy; what is one already is not copied again."""
    if value.flags.owndata and not value.flags.writeable:
        return value
    copy = np.array(value, order="K")
    copy.flags.writeable = False
    return copy


def _same_bits(x: Array, y: Array) -> bool:
    first, second = (np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in (x, y))
    return np.array_equal(first, second)


def _uniform_value(value: Array) -> Array | None:
    """The one value that all elements have, bit for bit; None where they differ or there are none."""
    if value.size < 2 or not value.itemsize:
        return None
    first = cast(Array, value[(0,) * value.ndim])
    value = value[
        tuple(slice(None) if stride else slice(1) for stride in value.strides)
    ]  # broadcast axes repeat the rest
    pattern = np.frombuffer(first.tobytes(), np.uint8)  # bytes, because -0.0 == 0.0 and nan != nan
    if value[(-1,) * value.ndim].tobytes() != first.tobytes():  # most arrays that vary are told here
        return None
    same = np.ascontiguousarray(value).reshape(-1, 1).view(np.uint8) == pattern
    return first if bool(same.all()) else None


@contextmanager
def open_stage(
    parent: Trace | None = None, function: Callable[..., Any] | None = None, *, fold: bool = False
) -> Iterator[StageTrace]:
    """A new stage trace, current inside the `with` block and dead after it; `function` is the user's that is to run."""
    trace = StageTrace(current_trace() if parent is None else parent, function, fold=fold)
    try:
        with use_trace(trace):
            yield trace
    finally:
        trace.alive = False


def stage(
    fun: Callable[..., Sequence[Array]], avals: Sequence[ShapedArray], origins: Sequence[str | None] | None = None
) -> Jaxpr:
    """The jaxpr of a function from flat values to a flat sequence of values; `origins` describe the inputs in messages."""
    with open_stage() as trace:
        arguments = [
            trace.argument(aval, origin) for aval, origin in zip(avals, origins or [None] * len(avals), strict=True)
        ]
        return trace.finish(arguments, fun(*cast(list[Array], arguments)))


def stage_closed(fun: Callable[..., Sequence[Array]], avals: Sequence[ShapedArray]) -> tuple[Jaxpr, Values]:
    """As `stage`, but tracers of outer traces that the function closes over become leading inputs; and those tracers."""
    return hoist_tracers(stage(fun, avals))


def hoist_tracers(jaxpr: Jaxpr) -> tuple[Jaxpr, Values]:
    """The jaxpr with captured tracers as leading inputs, and those tracers."""
    pairs = list(zip(jaxpr.constvars, jaxpr.consts, strict=True))
    outer = [(var, value) for var, value in pairs if not is_concrete(value)]
    if not outer:
        return jaxpr, ()
    inner = [(var, value) for var, value in pairs if is_concrete(value)]
    constvars, consts = zip(*inner, strict=True) if inner else ((), ())
    variables, tracers = zip(*outer, strict=True)
    return Jaxpr((*variables, *jaxpr.invars), jaxpr.outvars, jaxpr.eqns, constvars, consts), tracers
