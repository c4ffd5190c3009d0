"""What all control flow shares: the user's functions become jaxprs, and those are run.

`trace` gives the jaxpr of a function, `bind` applies a primitive that carries jaxprs: outside transforms as one compiled
program, as `jit` would. `join` says which type two values may share where one is a Python number. Start reading at `trace`.
Imports core, transforms, the backends' programs and `run_jaxpr`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from functrans import tree
from functrans.backends.executable import optimized
from functrans.backends.numpy import Program
from functrans.compiler.options import Options
from functrans.core.aval import ShapedArray
from functrans.core.ir import Eqn, Jaxpr, Var, eval_jaxpr, memoized
from functrans.core.nested import hoist
from functrans.core.primitive import EVAL, Params, Primitive, Values, aval_of, current_trace
from functrans.core.source import current_source, trimmed
from functrans.disable import disable_jit
from functrans.errors import FunctransError, JaxprError
from functrans.jit_primitive import run_jaxpr
from functrans.ops.cast import convert_element_type
from functrans.record import NamedTuple
from functrans.transforms.arguments import argument_paths, check_results, function_name
from functrans.transforms.stage import open_stage, stage
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = ["Traced", "as_type", "bind", "check_operands", "join", "join_all", "program", "trace", "with_results"]


class Traced(NamedTuple):
    """A function as a jaxpr, whose leading arguments are the values that the function closes over."""

    jaxpr: Jaxpr
    outer: Values
    """The values that it closes over: tracers of enclosing transforms, and arrays."""
    out_tree: TreeDef[Any]


def trace(
    fun: Callable[..., Any],
    in_tree: TreeDef[Any],
    avals: Sequence[ShapedArray],
    call: Callable[..., Any] | None = None,
) -> Traced:
    """The jaxpr of a function of arguments with the tree `in_tree` (that of the tuple of them) and leaves of these types.

    call: what is run, where it is not the user's function itself but something around it.
    """
    name = function_name(fun)
    try:
        with disable_jit(False), open_stage(function=fun) as opened:  # no value is known that Python could go by
            leaves = tree.unflatten(in_tree, range(len(avals)))
            origins = [f"argument `{path}` of `{name}`" for path in argument_paths(fun, leaves)]
            arguments = [opened.argument(aval, origin) for aval, origin in zip(avals, origins, strict=True)]
            outs, out_tree = tree.flatten((call or fun)(*tree.unflatten(in_tree, arguments)))
            jaxpr = opened.finish(arguments, check_results(outs, name, out_tree))
    except FunctransError as error:
        raise trimmed(error)  # noqa: B904  # FUNCTRANS_TRACEBACK=full shows all frames
    return Traced(jaxpr.with_consts_as_inputs(), jaxpr.consts, out_tree)


def bind(prim: Primitive, args: Sequence[Array], params: Params) -> Values:
    """Apply a primitive that carries jaxprs; outside transforms it is compiled with all that is in it."""
    operands, params = hoist(prim, args, params, lambda value: value)
    if current_trace() is not EVAL:
        return prim.bind(*operands, **params)
    invars = tuple(Var(aval_of(arg)) for arg in operands)
    outvars = tuple(map(Var, prim.abstract_eval(*(var.aval for var in invars), **params)))
    jaxpr = Jaxpr(invars, outvars, (Eqn(prim, invars, params, outvars, current_source()),))
    return run_jaxpr(*operands, jaxpr=jaxpr, options=Options())


@memoized
def program(jaxpr: Jaxpr) -> Callable[..., Values]:
    """The jaxpr as NumPy runs it: what a loop's implementation calls for each step."""
    flat = optimized(jaxpr)
    return partial(Program(flat.with_consts_as_inputs()), *flat.consts)


# ---- types ----

_WEAK_FITS = {"i": "iufc", "f": "fc", "c": "c"}
"""The kinds of dtypes that Python's ints, floats and complex numbers adapt to."""


def join(first: ShapedArray, second: ShapedArray) -> ShapedArray | None:
    """The type that values of both types can have; None where there is none. Only Python numbers adapt."""
    if first is second:
        return first
    if first.shape != second.shape:
        return None
    if first.weak and second.dtype.kind in _WEAK_FITS[first.dtype.kind]:
        return second
    if second.weak and first.dtype.kind in _WEAK_FITS[second.dtype.kind]:
        return first
    return None


def join_all(avals: Sequence[ShapedArray]) -> ShapedArray | None:
    """The type that values of all these types can have; None where there is none."""
    joined: ShapedArray | None = avals[0]
    for aval in avals[1:]:
        joined = None if joined is None else join(joined, aval)
    return joined


def as_type(value: Array, aval: ShapedArray) -> Array:
    """The value with the dtype and weakness of a type that it was joined to."""
    return value if aval_of(value) is aval else convert_element_type(value, aval.dtype, aval.weak)


def with_results(jaxpr: Jaxpr, avals: Sequence[ShapedArray]) -> Jaxpr:
    """The jaxpr with its results as these types."""
    if jaxpr.out_avals == tuple(avals):
        return jaxpr
    return stage(lambda *args: list(map(as_type, eval_jaxpr(jaxpr, *args), avals)), jaxpr.in_avals)


def check_operands(name: str, avals: Sequence[ShapedArray], expected: Sequence[ShapedArray]) -> None:
    """Raise JaxprError where operands have not the shapes and dtypes that the jaxpr within a primitive takes."""
    given = [(aval.shape, aval.dtype) for aval in avals]
    if given != [(aval.shape, aval.dtype) for aval in expected]:
        shown = [" ".join(map(str, side)) for side in (avals, expected)]
        raise JaxprError(f"{name} of {shown[0]}, where its jaxpr has {shown[1]}", [])
