"""Callbacks: functions of the user that compiled programs call, through Python.

`pure_callback` is for functions without side effects: it may run more often or less often than the program says, or not at
all. `io_callback` runs exactly as often as the program says, in its order. Start reading at `make_callback_primitive`. Imports
`called_back`, core, ops, transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

from functrans import tree
from functrans.called_back import Call, Callback, PerElement
from functrans.core.aval import (
    ShapedArray,
    is_inexact,
    shaped,
)
from functrans.core.effects import once
from functrans.core.primitive import (
    JvpRule,
    LocallyConstant,
    Maybes,
    Params,
    Primitive,
    Pullback,
    Values,
    VjpRule,
    aval_of,
)
from functrans.core.source import current_source
from functrans.errors import CallbackBatchError, NotDifferentiableError
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.shape import expand_dims
from functrans.transforms.arguments import argument_paths, check_leaves, function_name
from functrans.transforms.make_jaxpr import ShapeDtypeStruct, abstract_leaves
from functrans.tree import TreeDef
from functrans.typing import Array, PyTree

__all__ = [
    "VmapMethod", "bind_callback", "declared_types", "io_callback", "io_callback_p", "make_callback_primitive",
    "pure_callback", "pure_callback_p", "rules_of_the_unknown",
]  # fmt: skip

R = TypeVar("R")

VmapMethod: TypeAlias = Literal[
    "sequential", "sequential_unrolled", "broadcast_all", "expand_dims", "legacy_vectorized"
]
"""How a callback takes a batch: called for one element after the other (the first two), or once for all of them: with the
batch axis first in all operands, of length 1 in those that are not mapped, or only in those that are mapped."""


# ---- the primitives ----

_WHY = "what it calls is not known to functrans"


def _refuse(prim: Primitive) -> NotDifferentiableError:
    source = current_source()
    return NotDifferentiableError(
        prim.name, _WHY, "" if source is None else source.place,
        "Give it a derivative: functrans.external(fun, result_shape, vjp=…) or finite_differences=True. To keep its value out "
        "of the derivative write functrans.lax.stop_gradient.",
    )  # fmt: skip


def rules_of_the_unknown(primitive: Callable[[], Primitive]) -> tuple[VjpRule, JvpRule]:
    """The rules of a primitive that calls something unknown: results that have no derivative, integers and bools, may be in
    what is differentiated, others are refused."""

    def vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        refusal = _refuse(primitive())

        def pullback(_cts: Maybes) -> Maybes:
            raise refusal

        return primitive().bind(*primals, **params), pullback

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        avals = primitive().abstract_eval(*map(aval_of, primals), **params)
        if any(is_inexact(aval.dtype) for aval in avals):
            raise _refuse(primitive())
        return primitive().bind(*primals, **params), (None,) * len(avals)

    return vjp, jvp


def make_callback_primitive(name: str, *, effect: bool, derivative: LocallyConstant | None = None) -> Primitive:
    """A callback primitive; without a `derivative` it has the rules of the unknown."""

    def batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
        operands, call = _batched(size, args, batched, params["callback"], params["vmap_method"])
        outs = prim.bind(*operands, **{**params, "callback": call})
        return outs, (True,) * len(outs)

    def run(*args: Array, callback: Call, vmap_method: VmapMethod | None) -> Values:
        return once(callback, *args) if effect else callback(*args)

    vjp, jvp = (derivative, derivative) if derivative else rules_of_the_unknown(lambda: prim)
    prim = Primitive(name, run, lambda *_avals, callback, vmap_method: callback.avals, vjp, jvp, batch, effect=effect)
    return prim


def _batched(
    size: int, args: Values, batched: tuple[bool, ...], call: Call, method: VmapMethod | None
) -> tuple[Values, Call]:
    """The operands of a call over a batch, and that call."""
    if method in ("sequential", "sequential_unrolled"):
        return args, PerElement(call, size, batched)
    if method == "broadcast_all":
        args = tuple(x if has else broadcast_batch(size, x) for x, has in zip(args, batched, strict=True))
    elif method == "expand_dims":
        args = tuple(x if has else expand_dims(x, (0,)) for x, has in zip(args, batched, strict=True))
    elif method != "legacy_vectorized":
        raise CallbackBatchError(call.name, "vmap_method", method, get_args(VmapMethod))
    assert isinstance(call, Callback)
    return args, call.over_batch(size)


pure_callback_p = make_callback_primitive("pure_callback", effect=False)
io_callback_p = make_callback_primitive("io_callback", effect=True)


# ---- the public functions ----


def bind_callback(
    prim: Primitive, callback: Callback, leaves: Sequence[Array], vmap_method: VmapMethod | None = "sequential"
) -> Any:  # Any: the user's tree
    """The result, a tree, of calling a callback by one of the primitives."""
    outs = prim.bind(*leaves, callback=callback, vmap_method=vmap_method)
    return tree.unflatten(callback.out_tree, outs)


def _call(
    prim: Primitive, fun: Callable[..., R], declared: PyTree, args: Any, kwargs: Any, method: VmapMethod | None
) -> R:
    name = function_name(fun)
    flat, in_tree = tree.flatten((args, kwargs))
    leaves = check_leaves(flat, f"{prim.name}({name})", lambda: argument_paths(fun, args, kwargs))
    out_tree, avals = declared_types(prim.name, name, declared, "result_shape_dtypes")
    callback = Callback(fun, name, in_tree, out_tree, avals, "result_shape_dtypes")
    return cast(R, bind_callback(prim, callback, leaves, method))


def declared_types(
    transform: str, name: str, declared: PyTree, argument: str
) -> tuple[TreeDef[Any], tuple[ShapedArray, ...]]:
    """The tree and the types of results as a tree of ShapeDtypeStructs, or of anything that has a shape and a dtype."""
    flat, out_tree = tree.flatten(declared)
    structs = [
        ShapeDtypeStruct(leaf.shape, leaf.dtype) if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else leaf
        for leaf in flat
    ]
    avals = abstract_leaves(structs, f"{transform}({name})", lambda: tree.paths(out_tree, argument))
    return out_tree, tuple(shaped(aval.shape, aval.dtype) for aval in avals)


def pure_callback(
    callback: Callable[..., R],
    result_shape_dtypes: PyTree,
    *args: Any,  # Any: trees of arrays, here and below
    vmap_method: VmapMethod | None = None,
    **kwargs: Any,
) -> R:
    """The result of `callback(*args, **kwargs)`, a Python function without side effects, also under `jit` and `vmap`.

    result_shape_dtypes: what it returns, a tree of `ShapeDtypeStruct` (or of arrays, whose values do not matter). The
    callback gets NumPy arrays and scalars, copies of its own, and returns arrays of exactly these shapes and dtypes; a Python
    number may stand for one of rank 0. vmap_method: how it takes a batch. "sequential": it is called for each element;
    "broadcast_all": once, all operands with the batch axis first, and its results likewise; "expand_dims": likewise, with an
    axis of length 1 in operands that are not mapped; "legacy_vectorized": these as they are; None: vmap is an error.

    A compiled program may call it less often than the Python function would, or more often. It has no derivative:
    `functrans.external` gives it one. Raises CallbackResultError or TreeMismatchError for a result of another type,
    CallbackBatchError under vmap without a method, and whatever the callback raises.

    >>> import numpy as np
    >>> from functrans.transforms.make_jaxpr import ShapeDtypeStruct
    >>> pure_callback(lambda x: x[::-1], ShapeDtypeStruct((3,), np.float64), np.arange(3.0))
    array([2., 1., 0.])
    """
    return _call(pure_callback_p, callback, result_shape_dtypes, args, kwargs, vmap_method)


def io_callback(
    callback: Callable[..., R],
    result_shape_dtypes: PyTree,
    *args: Any,
    ordered: bool = False,  # all of them are
    **kwargs: Any,
) -> R:
    """The result of `callback(*args, **kwargs)`, a Python function that may have side effects: read a file, draw a number.

    It is called exactly as often as the function that calls it says, in the order of that, whatever is compiled, and by
    vmap once for each element; `ordered` is there for JAX's programs. Otherwise as `pure_callback`; result_shape_dtypes is
    None for a callback that returns nothing.

    >>> import numpy as np
    >>> from functrans.transforms.make_jaxpr import ShapeDtypeStruct
    >>> log = []
    >>> io_callback(log.append, None, 2.0)
    >>> log
    [np.float64(2.0)]
    """
    return _call(io_callback_p, callback, result_shape_dtypes, args, kwargs, "sequential")
