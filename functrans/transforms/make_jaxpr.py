"""What a function does, without doing it: `make_jaxpr` gives its jaxpr, `eval_shape` the types of its results.

`ShapeDtypeStruct` stands for an array of which only the type is given. Start reading at `trace_abstractly`. Imports core,
errors, tree, `arguments`, `stage` and, for named axes, `vmap`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import wraps
from typing import Any, cast, overload

import numpy as np

from functrans import tree
from functrans.core.aval import FLOAT0, ShapedArray, shaped
from functrans.core.ir import Jaxpr
from functrans.core.primitive import Trace, aval_of, current_trace
from functrans.errors import ArgnumsError, ArrayTypeError
from functrans.record import NamedTuple, Record
from functrans.transforms.arguments import argument_paths, check_leaves, check_results, function_name
from functrans.transforms.signatures import No, Yes
from functrans.transforms.stage import open_stage
from functrans.transforms.vmap import BatchTrace
from functrans.tree import TreeDef
from functrans.typing import DType, DTypeLike, PyTree, Shape

__all__ = ["ShapeDtypeStruct", "Traced", "abstract_leaves", "eval_shape", "make_jaxpr", "trace_abstractly"]

_SUPPORTED = frozenset(np.typecodes["All"]) & frozenset("?bhilqpBHILQPefdFD")


class ShapeDtypeStruct(Record):
    """Stands for an array: its shape and dtype, no values. A leaf of trees, and hashable.

    weak_type: it stands for a Python number. Raises ArrayTypeError for a dtype that is not of numbers.

    >>> ShapeDtypeStruct((2, 3), np.float32)
    ShapeDtypeStruct(shape=(2, 3), dtype=float32)
    """

    shape: Shape
    dtype: DType
    weak_type: bool

    def __init__(self, shape: int | Sequence[int], dtype: DTypeLike, *, weak_type: bool = False) -> None:
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        kind = np.dtype(dtype)
        if kind.char not in _SUPPORTED and kind != FLOAT0:
            raise ArrayTypeError("ShapeDtypeStruct", f"the dtype {kind}")
        super().__init__(tuple(map(int, sizes)), kind.newbyteorder("="), weak_type)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return self.aval.size

    @property
    def aval(self) -> ShapedArray:
        """The library's own type for the same."""
        return shaped(self.shape, self.dtype, self.weak_type)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype}{weak})"


def abstract_leaves(leaves: Sequence[Any], transform: str, paths: Callable[[], Sequence[str]]) -> list[ShapedArray]:
    """The types of leaves, each of which is an array, a number, a tracer or a ShapeDtypeStruct.

    Raises NonArrayInputError, which names the leaf by the path that `paths()` gives for it.
    """
    stand_ins = [leaf.aval if isinstance(leaf, ShapeDtypeStruct) else None for leaf in leaves]
    values = check_leaves([0 if s else leaf for leaf, s in zip(leaves, stand_ins, strict=True)], transform, paths)
    return [stand_in or aval_of(value) for value, stand_in in zip(values, stand_ins, strict=True)]


class Traced(NamedTuple):
    """A function of trees, traced: its jaxpr over flat values, and the structure of its result."""

    jaxpr: Jaxpr
    out_tree: TreeDef[Any]


def trace_abstractly(
    fun: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    transform: str,
    static_argnums: Sequence[int] = (),
    parent: Trace | None = None,
) -> Traced:
    """Run `fun` on tracers of its arguments' types (the arguments in `static_argnums`, none negative, as they are)."""
    name = function_name(fun)
    dynamic = [i for i in range(len(args)) if i not in static_argnums]
    flat, in_tree = tree.flatten((tuple(args[i] for i in dynamic), kwargs))
    names = argument_paths(fun, args, kwargs, only=dynamic)
    avals = abstract_leaves(flat, f"{transform}({name})", lambda: names)
    with open_stage(parent, fun) as trace:
        arguments = [
            trace.argument(aval, f"argument `{path}` of `{name}`") for aval, path in zip(avals, names, strict=True)
        ]
        traced, traced_kwargs = tree.unflatten(in_tree, cast(list[Any], arguments))
        merged = list(args)
        for i, arg in zip(dynamic, traced, strict=True):
            merged[i] = arg
        outs, out_tree = tree.flatten(fun(*merged, **traced_kwargs))
        values = check_results(outs, name, out_tree)
        return Traced(trace.finish(arguments, values), out_tree)


@overload
def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    axis_env: Sequence[tuple[Hashable, int]] | None = None,
    return_shape: No = False,
) -> Callable[..., Jaxpr]: ...
@overload
def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    axis_env: Sequence[tuple[Hashable, int]] | None = None,
    *,
    return_shape: Yes,
) -> Callable[..., tuple[Jaxpr, PyTree]]: ...
def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    axis_env: Sequence[tuple[Hashable, int]] | None = None,
    return_shape: bool = False,
) -> Callable[..., Any]:
    """The function that, called with `fun`'s arguments, gives the jaxpr of `fun` for arguments of their types.

    static_argnums: positions of arguments that are not traced. axis_env: pairs of a name and a length, axes over which `fun`
    uses collectives. return_shape: give a pair of the jaxpr and the tree of `ShapeDtypeStruct` that `eval_shape` gives.
    Arguments may be `ShapeDtypeStruct`s. Raises NonArrayInputError for any other leaf that is no array and no number.

    >>> make_jaxpr(lambda x: np.sin(x) * x)(np.ones(3))
    { lambda ; a:f64[3]. let
        b:f64[3] = sin a
        c:f64[3] = mul b a
      in (c,) }
    """
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @wraps(fun, updated=())
    def jaxpr_of(*args: Any, **kwargs: Any) -> Any:
        if any(not -len(args) <= i < len(args) for i in numbers):
            raise ArgnumsError("make_jaxpr", function_name(fun), static_argnums, len(args))
        parent = current_trace()
        for name, size in axis_env or ():
            parent = BatchTrace(parent, size, name)
        jaxpr, out_tree = trace_abstractly(fun, args, kwargs, "make_jaxpr", [i % len(args) for i in numbers], parent)
        return (jaxpr, tree.unflatten(out_tree, _structs(jaxpr))) if return_shape else jaxpr

    return jaxpr_of


def eval_shape(fun: Callable[..., Any], *args: PyTree, **kwargs: PyTree) -> PyTree:
    """The types of the results of `fun(*args, **kwargs)`, a tree of `ShapeDtypeStruct`; nothing is computed.

    Arguments may be `ShapeDtypeStruct`s. Raises NonArrayInputError for any other leaf that is no array and no number, and
    what `fun` raises for arguments of these shapes.

    >>> eval_shape(lambda a, b: {"product": a @ b}, ShapeDtypeStruct((2, 3), np.float32), np.ones((3, 4), np.float32))
    {'product': ShapeDtypeStruct(shape=(2, 4), dtype=float32)}
    """
    jaxpr, out_tree = trace_abstractly(fun, args, kwargs, "eval_shape")
    return tree.unflatten(out_tree, _structs(jaxpr))


def _structs(jaxpr: Jaxpr) -> list[ShapeDtypeStruct]:
    return [ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak) for aval in jaxpr.out_avals]
