"""Forward mode: every value carries its tangent.

While `JvpTrace` is current, every primitive that touches one of its tracers runs its JVP rule under the parent trace. `jvp` and
`linearize` are the public functions. Start reading at `JvpTrace`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast, overload

import numpy as np

from functrans import tree
from functrans.core.aval import FLOAT0, is_inexact
from functrans.core.dce import dce, without_effects
from functrans.core.ir import eval_jaxpr
from functrans.core.primitive import (
    LocallyConstant,
    NotDifferentiable,
    Params,
    Primitive,
    Trace,
    Tracer,
    Values,
    aval_of,
    current_trace,
    known,
    reset_trace,
    set_trace,
    strong,
    use_trace,
)
from functrans.core.source import trimmed
from functrans.errors import AuxError, CotangentError, FunctransError, NotDifferentiableError
from functrans.numpy.array import ArrayTracer
from functrans.numpy.versions import argument, constants, copied, version
from functrans.transforms.arguments import argument_paths, check_leaves, check_results, function_name, owned, private
from functrans.transforms.signatures import No, R, Ts, X, Yes
from functrans.transforms.stage import StageTrace, StageTracer, open_stage
from functrans.transforms.vjp import cotangent, zeros
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = ["JvpTrace", "JvpTracer", "jvp", "linearize"]


class JvpTracer(ArrayTracer):
    """A value of the parent trace and its tangent, of the same shape and dtype, or None for zero."""

    __slots__ = ("primal", "tangent")

    why_not_concrete = "which would be cut off from its derivative"

    def __init__(self, trace: JvpTrace, primal: Array, tangent: Array | None) -> None:
        self.owner = trace
        self.primal = strong(primal)
        self.tangent = None if tangent is None else strong(tangent)
        self.aval = aval_of(primal)

    def made(self) -> str:
        return f"made while a forward derivative{self.owner.of()} was computed"

    def truth(self) -> bool:
        return bool(self.primal)

    def known(self) -> Array | None:
        return known(self.primal)

    def __repr__(self) -> str:
        return f"Dual<{self.primal!r}, {self.tangent!r}>"


class JvpTrace(Trace):
    """Computes values and tangents under the parent."""

    __slots__ = ()

    def bind(self, prim: Primitive, args: Sequence[Array], params: Params) -> Values:
        parent = cast(Trace, self.parent)
        pairs = [self.split(arg) for arg in args]
        primals = tuple(primal for primal, _ in pairs)
        tangents = tuple(tangent for _, tangent in pairs)
        token = set_trace(parent)
        try:
            rule = prim.jvp
            if all(tangent is None for tangent in tangents):
                return constants(self, args, parent.bind(prim, primals, params))
            if isinstance(rule, LocallyConstant):
                return parent.bind(prim, primals, params)
            if isinstance(rule, NotDifferentiable):
                raise NotDifferentiableError(prim.name, rule.why)
            outs, out_tangents = rule(primals, tangents, params)
            return tuple(self.join(out, tangent) for out, tangent in zip(outs, out_tangents, strict=True))
        finally:
            reset_trace(token)

    def split(self, value: Array) -> tuple[Array, Array | None]:
        """Value and tangent, both of the parent trace; None is zero."""
        if isinstance(value, JvpTracer) and value.owner is self:
            return value.primal, value.tangent
        return value, None

    def join(self, primal: Array, tangent: Array | None) -> Array:
        """The tracer of a value with a tangent; without one, the value itself."""
        if tangent is None or not is_inexact(aval_of(primal).dtype):
            return primal
        return cast(Array, JvpTracer(self, primal, tangent))

    def argument(self, primal: Array, tangent: Array | None) -> Array:
        """As `join`, for an argument of the user's function."""
        return argument(self.join(version(primal), tangent))

    def own(self, value: Array) -> Array:
        primal, tangent = self.split(value)
        if not is_inexact(aval_of(primal).dtype):
            return cast(Trace, self.parent).own(value)
        return cast(Array, JvpTracer(self, copied(primal), tangent))


def push_forward(
    call: Callable[..., Any],
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    has_aux: bool,
    name: str,
    fun: Callable[..., Any] | None = None,
) -> tuple[list[Array], list[Array | None], TreeDef[Any], Any]:
    """Run `call(*tracers)`, which returns a tree: its values, their tangents, the tree, and aux (None without `has_aux`).

    name, fun: the user's function that is called, for messages.
    """
    trace = JvpTrace(current_trace(), fun)
    try:
        with use_trace(trace):
            out = call(*map(trace.argument, primals, tangents))
    except FunctransError as error:
        raise trimmed(error)  # noqa: B904  # FUNCTRANS_TRACEBACK=full shows all frames
    finally:
        trace.alive = False
    aux: Any = None
    if has_aux:
        if not isinstance(out, tuple) or len(out) != 2:
            raise AuxError(name, out)
        out, aux = out
        aux = tree.map(lambda leaf: trace.split(leaf)[0], aux)
    leaves, out_tree = tree.flatten(out)
    pairs = [trace.split(leaf) for leaf in leaves]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs], out_tree, aux


@overload
def jvp(fun: Callable[[*Ts], R], primals: tuple[*Ts], tangents: tuple[*Ts], has_aux: No = False) -> tuple[R, R]: ...
@overload
def jvp(
    fun: Callable[[*Ts], tuple[R, X]], primals: tuple[*Ts], tangents: tuple[*Ts], has_aux: Yes
) -> tuple[R, R, X]: ...
def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """The value of `fun(*primals)` and its derivative along `tangents`.

    primals, tangents: tuples of trees of the same structure, shapes and dtypes. Returns `(out, tangent of out)`, and aux
    third with `has_aux`.

    >>> import numpy as np
    >>> jvp(lambda x: x**2, (np.array([1.0, 2.0]),), (np.array([1.0, 0.5]),))
    (array([1., 4.]), array([2., 2.]))
    """
    name = function_name(fun)
    primal_leaves, in_tree, tangent_leaves = _check_tangents(fun, "jvp", tuple(primals), tuple(tangents))
    values, out_tangents, out_tree, aux = push_forward(
        lambda *leaves: fun(*tree.unflatten(in_tree, leaves)), primal_leaves, tangent_leaves, has_aux, name, fun
    )
    values = check_results(values, name, out_tree)
    filled = [cotangent(tangent, aval_of(value)) for value, tangent in zip(values, out_tangents, strict=True)]
    out = tree.unflatten(out_tree, values)
    out_tangent = tree.unflatten(out_tree, owned(filled, (*primal_leaves, *tangent_leaves)))
    return (out, out_tangent, aux) if has_aux else (out, out_tangent)


def _check_tangents(
    fun: Callable[..., Any], transform: str, primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[list[Array], TreeDef[Any], list[Array | None]]:
    """Flat primals, their tree, and flat tangents (None where there is none); raises for those that do not fit."""
    flat, in_tree = tree.flatten(primals)
    flat_tangents, tangent_tree = tree.flatten(tangents)
    if in_tree != tangent_tree:
        tree.check_same_structure(in_tree, tangent_tree, "primals", "tangents")
    paths = partial(argument_paths, fun, primals)
    leaves = check_leaves(flat, transform, paths)
    checked: list[Array | None] = []
    wrong = []
    for i, (leaf, tangent) in enumerate(zip(leaves, flat_tangents, strict=True)):
        aval = aval_of(leaf)
        if not is_inexact(aval.dtype):
            checked.append(None)
            if getattr(tangent, "dtype", None) != FLOAT0 or np.shape(tangent) != aval.shape:
                wrong.append((paths()[i], f"float0{list(aval.shape)} (the tangent of an integer)", _type_name(tangent)))
            continue
        (tangent,) = check_leaves([tangent], f"the tangents of {transform}", partial(_one_path, paths, i))
        got = aval_of(tangent)
        if got.shape != aval.shape or (got.dtype != aval.dtype and not got.weak):
            wrong.append((paths()[i], str(aval), str(got)))
        checked.append(tangent if got.dtype == aval.dtype else cast(Array, aval.dtype.type(tangent)))
    if wrong:
        raise CotangentError(function_name(fun), wrong, "tangent")
    return leaves, in_tree, checked


def _one_path(paths: Callable[[], Sequence[str]], i: int) -> list[str]:
    return [paths()[i]]


def _type_name(value: object) -> str:
    return (
        str(aval_of(value))
        if isinstance(value, Tracer | np.ndarray | np.generic | int | float | complex)
        else type(value).__name__
    )


@overload
def linearize(fun: Callable[[*Ts], R], *primals: *Ts, has_aux: No = False) -> tuple[R, Callable[[*Ts], R]]: ...
@overload
def linearize(fun: Callable[[*Ts], tuple[R, X]], *primals: *Ts, has_aux: Yes) -> tuple[R, Callable[[*Ts], R], X]: ...
def linearize(fun: Callable[[*Ts], Any], *primals: *Ts, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of `fun(*primals)` and the function that applies its derivative there to tangents of the primals.

    The derivative is recorded once, with everything that depends on the primals alone already computed, so applying it
    many times is cheaper than as many calls of `jvp`; only a loop that carries tangents computes its values again. Returns
    `(out, derivative)`, and aux third with `has_aux`.

    >>> import numpy as np
    >>> out, derivative = linearize(np.sin, 0.0)
    >>> derivative(2.0)
    np.float64(2.0)
    """
    name = function_name(fun)
    flat, in_tree = tree.flatten(primals)
    leaves = private(check_leaves(flat, "linearize", lambda: argument_paths(fun, primals)))
    smooth = [is_inexact(aval_of(leaf).dtype) for leaf in leaves]
    with open_stage(fold=True) as trace:
        arguments = [trace.argument(aval_of(leaf)) for leaf, is_smooth in zip(leaves, smooth, strict=True) if is_smooth]
        inputs = iter(cast(list[Array], arguments))
        values, tangents, out_tree, aux = push_forward(
            lambda *tracers: fun(*tree.unflatten(in_tree, tracers)),
            leaves,
            [next(inputs) if is_smooth else None for is_smooth in smooth],
            has_aux,
            name,
            fun,
        )
        values = check_results(values, name, out_tree)
        values, aux = _known(trace, arguments, values, aux)
        filled = [cotangent(tangent, aval_of(value)) for value, tangent in zip(values, tangents, strict=True)]
        jaxpr = without_effects(trace.finish(arguments, filled))

    def derivative(*in_tangents: Any) -> Any:
        _, _, given = _check_tangents(fun, "a linearized function", primals, in_tangents)
        outs = eval_jaxpr(jaxpr, *(tangent for tangent in given if tangent is not None))
        return tree.unflatten(out_tree, owned(outs, (*given, *jaxpr.consts)))

    out = tree.unflatten(out_tree, private(values))
    return (out, derivative, aux) if has_aux else (out, derivative)


def _known(
    trace: StageTrace, arguments: Sequence[StageTracer], values: list[Array], aux: Any
) -> tuple[list[Array], Any]:  # Any: the user's tree
    """Values, which no tangent moves: those that were recorded beside tangents, as they are for some tangents."""
    leaves, aux_tree = tree.flatten(aux)
    every = [*values, *leaves]
    is_recorded = [isinstance(x, StageTracer) and x.owner is trace for x in every]
    jaxpr = dce(trace.finish(arguments, [x for x, there in zip(every, is_recorded, strict=True) if there]))
    if not jaxpr.eqns:
        return values, aux
    assert trace.parent is not None
    with use_trace(trace.parent):
        found = iter(eval_jaxpr(jaxpr, *(zeros(argument.aval) for argument in arguments)))
    every = [next(found) if there else x for x, there in zip(every, is_recorded, strict=True)]
    return every[: len(values)], tree.unflatten(aux_tree, every[len(values) :])
