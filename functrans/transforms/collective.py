"""Collectives: what the elements of a batch tell each other, over the axis that `vmap(..., axis_name=...)` names.

Each is a primitive with the parameters `axis_name` and `axis_size`. The trace of the `vmap` whose axis it names runs it on the
whole batch; under every other trace it is an ordinary linear operation, whose transpose is a collective again. Here are the
reductions; what moves values between the elements is in `exchange.py`. Start reading at `linear_collective`, then `psum`.
Imports core, errors, ops, tree and `vmap`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import Any, TypeAlias, cast

import numpy as np

from functrans import tree
from functrans.core.aval import PYTHON_SCALARS, shaped
from functrans.core.primitive import (
    LocallyConstant,
    Maybes,
    NamedAxis,
    NamedBatchRule,
    Params,
    Primitive,
    Pullback,
    Values,
    aval_of,
    current_trace,
    unnamed,
)
from functrans.errors import UnboundAxisError
from functrans.ops.arithmetic import add, div, mul
from functrans.ops.bitwise import bitwise_or
from functrans.ops.broadcast import broadcast_batch, reduce_sum
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import eq, is_nan
from functrans.ops.generate import iota
from functrans.ops.reduce import reduce_max, reduce_min
from functrans.ops.select import select
from functrans.transforms.arguments import check_leaves
from functrans.transforms.vmap import BatchTrace
from functrans.typing import Array, Shape

__all__ = [
    "AxisName", "axis_index", "axis_index_p", "axis_size", "linear_collective", "map_leaves", "names_of", "pmax",
    "pmax_p", "pmean", "pmin", "pmin_p", "psum", "psum_p", "size_of",
]  # fmt: skip

AxisName: TypeAlias = Hashable
"""The name of one axis, or a tuple of names, which is the axis of all their combinations, the last varying fastest."""

OwnRule: TypeAlias = Callable[..., tuple[Array, bool]]
"""`(whole batch, **params) -> (out, batched)`: the collective over axis 0."""


# ---- names ----


def axis_size(axis_name: AxisName) -> int:
    """The number of elements along a named axis, as a Python int.

    Raises UnboundAxisError for a name that no enclosing vmap gives.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: x * axis_size("i"), axis_name="i")(np.ones(3))
    array([3., 3., 3.])
    """
    return prod(map(size_of, names_of(axis_name)))


def names_of(axis_name: AxisName) -> tuple[Hashable, ...]:
    """The names that an `axis_name` argument gives."""
    return tuple(axis_name) if isinstance(axis_name, tuple | list) else (axis_name,)


def size_of(name: Hashable) -> int:
    """The length of one named axis; raises UnboundAxisError."""
    known = [trace for trace in current_trace().ancestors() if isinstance(trace, BatchTrace)]
    for trace in known:
        if trace.axis_name == name and name is not None:
            return trace.axis_size
    raise UnboundAxisError(name, [trace.axis_name for trace in known if trace.axis_name is not None])


def map_leaves(function: str, x: Any, f: Callable[[Any], Array]) -> Any:
    """The tree with `f` applied to every leaf; raises NonArrayInputError, which names the leaf."""
    leaves, treedef = tree.flatten(x)
    return tree.unflatten(
        treedef, [f(leaf) for leaf in check_leaves(leaves, function, lambda: tree.paths(treedef, "x"))]
    )


# ---- making the primitives ----


def _unbound(*_args: Array, axis_name: Hashable, **_params: Any) -> Values:
    raise UnboundAxisError(axis_name, [])


def _named(
    prim: Callable[[], Primitive], own: OwnRule, alone: Callable[..., Array] | None, shift: tuple[str, ...]
) -> NamedBatchRule:
    """The batching rule for a named axis: the collective itself where the name is its own.

    `alone` gives the result for an operand that is the same for all elements; `shift` names the parameters that are axes.
    """

    def rule(
        axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params
    ) -> tuple[Values, tuple[bool, ...]]:
        (x,) = args
        if axis.name != params["axis_name"]:
            moved = {name: params[name] + 1 for name in shift} if batched[0] else {}
            return prim().bind(x, **{**params, **moved}), batched
        if not batched[0] and alone is not None:
            return (alone(x, **params),), (False,)
        out, is_batched = own(x if batched[0] else broadcast_batch(axis.size, x), **params)
        return (out,), (is_batched,)

    return rule


def linear_collective(
    name: str,
    own: OwnRule,
    shape: Callable[..., Shape],
    transpose: Callable[..., Array],
    *,
    alone: Callable[..., Array] | None = None,
    shift: tuple[str, ...] = (),
) -> Primitive:
    """A collective that is linear in its operand.

    own, alone, shift: see `_named`. shape: `(operand's shape, **params) -> result's`. transpose: `(g, **params) -> cotangent`.
    """

    def vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        return prim.bind(*primals, **params), lambda cts: (transpose(cts[0], **params),)

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        return prim.bind(*primals, **params), prim.bind(*cast(Values, tangents), **params)

    named = _named(lambda: prim, own, alone, shift)
    prim = Primitive(
        name,
        _unbound,
        lambda aval, **params: (shaped(shape(aval.shape, **params), aval.dtype),),
        vjp,
        jvp,
        unnamed(named),
        named,
    )
    return prim


# ---- sums and means ----


def _times_size(x: Array, *, axis_name: Hashable, axis_size: int) -> Array:
    if aval_of(x).dtype.kind in "fc":
        return mul(x, axis_size)
    return reduce_sum(broadcast_batch(axis_size, x), (0,))  # wraps around as a sum does


psum_p: Primitive = linear_collective(
    "psum",
    lambda x, **_: (reduce_sum(x, (0,)), False),
    lambda shape, **_: shape,
    lambda g, **params: psum_p.bind(g, **params)[0],
    alone=_times_size,
)


def psum(x: Any, axis_name: AxisName) -> Any:
    """The sum of x, a tree, over all elements along the named axis (or axes, for a tuple of names).

    The dtype stays, but bools are counted. Of a Python number it is the product with the number of elements, a Python
    number too. Raises UnboundAxisError.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: x / psum(x, "i"), axis_name="i")(np.array([1.0, 2.0, 5.0]))
    array([0.125, 0.25 , 0.625])
    """
    names = names_of(axis_name)

    def one(leaf: Any) -> Array:  # Any: an array or a Python number
        for name in names:
            size = size_of(name)
            if type(leaf) in PYTHON_SCALARS:
                leaf = leaf * size
            else:
                summand = convert_element_type(leaf, np.intp) if aval_of(leaf).dtype.kind == "b" else leaf
                (leaf,) = psum_p.bind(summand, axis_name=name, axis_size=size)
        return cast(Array, leaf)

    return map_leaves("psum", x, one)


def pmean(x: Any, axis_name: AxisName) -> Any:
    """The mean of x, a tree, over all elements along the named axis; floating also for integers, as numpy.mean.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: x - pmean(x, "i"), axis_name="i")(np.array([1.0, 2.0, 6.0]))
    array([-2., -1.,  3.])
    """
    size = axis_size(axis_name)

    def one(leaf: Any) -> Array:  # Any: an array or a Python number
        exact = type(leaf) in PYTHON_SCALARS or aval_of(leaf).dtype.kind in "biu"
        numerator = (
            convert_element_type(leaf, np.complex128 if type(leaf) is complex else np.float64) if exact else leaf
        )
        return div(cast(Array, psum(numerator, axis_name)), size)

    return map_leaves("pmean", x, one)


# ---- maxima and minima ----


def _shares(x: Array, out: Array, params: Params) -> tuple[Array, Array]:
    """Where the extremum is attained, and how often."""
    attained = bitwise_or(eq(x, out), is_nan(x))
    (count,) = psum_p.bind(convert_element_type(attained, aval_of(x).dtype), **params)
    return attained, count


def _extremum(name: str, reduce: Callable[[Array, Sequence[int]], Array]) -> Primitive:
    def vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        (x,) = primals
        (out,) = prim.bind(x, **params)

        def pullback(cts: Maybes) -> Maybes:
            attained, count = _shares(x, out, params)
            (total,) = psum_p.bind(*cast(Values, cts), **params)
            return (select(attained, div(total, count), aval_of(x).dtype.type(0)),)

        return (out,), pullback

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        (x,), (t,) = primals, cast(Values, tangents)
        (out,) = prim.bind(x, **params)
        attained, count = _shares(x, out, params)
        (total,) = psum_p.bind(select(attained, t, aval_of(x).dtype.type(0)), **params)
        return (out,), (div(total, count),)

    named = _named(lambda: prim, lambda x, **_: (reduce(x, (0,)), False), lambda x, **_: x, ())
    prim = Primitive(
        name,
        _unbound,
        lambda aval, **_: (shaped(aval.shape, aval.dtype),),
        vjp,
        jvp,
        unnamed(named),
        named,
    )
    return prim


def _extreme(prim: Primitive, x: Any, axis_name: AxisName) -> Any:
    def one(leaf: Any) -> Array:  # Any: an array or a Python number
        for name in names_of(axis_name):
            size = size_of(name)
            if type(leaf) not in PYTHON_SCALARS:
                (leaf,) = prim.bind(leaf, axis_name=name, axis_size=size)
        return cast(Array, leaf)

    return map_leaves(prim.name, x, one)


pmax_p = _extremum("pmax", reduce_max)


def pmax(x: Any, axis_name: AxisName) -> Any:
    """The elementwise maximum of x, a tree, over all elements along the named axis; equal ones share the derivative.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: pmax(x, "i"), axis_name="i")(np.array([1.0, 5.0, 2.0]))
    array([5., 5., 5.])
    """
    return _extreme(pmax_p, x, axis_name)


pmin_p = _extremum("pmin", reduce_min)


def pmin(x: Any, axis_name: AxisName) -> Any:
    """The elementwise minimum of x, a tree, over all elements along the named axis; equal ones share the derivative.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: pmin(x, "i"), axis_name="i")(np.array([1.0, 5.0, 2.0]))
    array([1., 1., 1.])
    """
    return _extreme(pmin_p, x, axis_name)


# ---- the index ----


def _index_batch(
    axis: NamedAxis, _args: Values, _batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    if axis.name == params["axis_name"]:
        return (iota(np.intp, axis.size),), (True,)
    return axis_index_p.bind(**params), (False,)


_INDEX = LocallyConstant("it has no operands")

axis_index_p: Primitive = Primitive(
    "axis_index",
    _unbound,
    lambda **_params: (shaped((), np.dtype(np.intp)),),
    _INDEX,
    _INDEX,
    lambda _size, _args, _batched, params: (axis_index_p.bind(**params), (False,)),
    _index_batch,
)


def axis_index(axis_name: AxisName) -> Array:
    """The number of this element along the named axis, an int64 scalar; for a tuple of names, among all combinations.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: x + axis_index("i"), axis_name="i")(np.array([10, 10, 10]))
    array([10, 11, 12])
    """
    total: Array | None = None
    for name in names_of(axis_name):
        size = size_of(name)
        (here,) = axis_index_p.bind(axis_name=name, axis_size=size)
        total = here if total is None else add(mul(total, size), here)
    return np.asarray(0)[()] if total is None else total
