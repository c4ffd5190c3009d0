"""Batching: every value may carry a batch axis, which is always axis 0 inside.

While `BatchTrace` is current, every primitive that touches one of its tracers runs its batching rule under the parent trace.
`vmap` is the public function; collectives over a named axis are in `collective.py`. Start reading at `BatchTrace`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial, wraps
from typing import Any, cast

import numpy as np

from functrans import tree
from functrans.core.aval import shaped
from functrans.core.primitive import (
    EVAL,
    NamedAxis,
    Params,
    Primitive,
    Trace,
    Values,
    aval_of,
    current_trace,
    known,
    use_trace,
)
from functrans.core.source import trimmed
from functrans.errors import FunctransError, VmapAxisError, VmapSizeError
from functrans.numpy.array import ArrayTracer
from functrans.numpy.dispatch import VMAP
from functrans.numpy.versions import argument, constants, copied, version
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.joining import concatenate
from functrans.ops.shape import slice_in_dim, transpose
from functrans.transforms.arguments import argument_paths, check_leaves, check_results, function_name, owned
from functrans.transforms.signatures import P, R, Transformed
from functrans.tree import TreeDef
from functrans.typing import Array, DTypeLike

__all__ = ["BatchTrace", "BatchTracer", "SharedTracer", "named_axes", "vmap"]


class BatchTracer(ArrayTracer):
    """Stands for one element of a value of the parent trace, whose axis 0 is the batch."""

    __slots__ = ("value",)

    def __init__(self, trace: BatchTrace, value: Array) -> None:
        self.owner = trace
        self.value = value
        whole = aval_of(value)
        self.aval = shaped(whole.shape[1:], whole.dtype)

    why_not_concrete = "which stands for all elements of a batch at once"

    def made(self) -> str:
        return f"one element of a batch, under vmap{self.owner.of()}"

    def __repr__(self) -> str:
        return f"Batched<{self.aval}>"


class SharedTracer(ArrayTracer):
    """An array argument that all elements share. It computes as the array does, and can be indexed by traced indices."""

    __slots__ = ("value",)

    def __init__(self, trace: BatchTrace, value: Array) -> None:
        self.owner = trace
        self.value = value
        self.aval = aval_of(value)

    def made(self) -> str:
        return f"shared by all elements, under vmap{self.owner.of()}"

    def truth(self) -> bool:
        return bool(self.value)

    def known(self) -> Array | None:
        return known(self.value)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:  # type: ignore[override]
        """The array itself; of other tracers NumPy gets none."""
        array: Array = np.array(self.value, dtype, copy=copy)
        return array

    def __repr__(self) -> str:
        return f"Shared<{self.aval}>"


class BatchTrace(Trace):
    """Computes whole batches under the parent."""

    __slots__ = ("axis_name", "axis_size")

    def __init__(
        self,
        parent: Trace,
        axis_size: int,
        axis_name: Hashable | None,
        function: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(parent, function)
        self.axis_size = axis_size
        self.axis_name = axis_name

    def bind(self, prim: Primitive, args: Sequence[Array], params: Params) -> Values:
        parent = cast(Trace, self.parent)
        pairs = [self.split(arg) for arg in args]
        values = tuple(value for value, _ in pairs)
        batched = tuple(is_batched for _, is_batched in pairs)
        with use_trace(parent):
            if self.axis_name is not None and prim.batch_named is not None:
                axis = NamedAxis(self.axis_name, self.axis_size)
                outs, outs_batched = prim.batch_named(axis, values, batched, params)
            elif any(batched):
                outs, outs_batched = prim.batch(self.axis_size, values, batched, params)
            else:
                return constants(self, args, parent.bind(prim, values, params))
            return tuple(self.join(out, is_batched) for out, is_batched in zip(outs, outs_batched, strict=True))

    def split(self, value: Array) -> tuple[Array, bool]:
        """The value of the parent trace, and whether it carries the batch axis."""
        if isinstance(value, BatchTracer) and value.owner is self:
            return value.value, True
        if isinstance(value, SharedTracer) and value.owner is self:
            return value.value, False
        return value, False

    def join(self, value: Array, batched: bool) -> Array:
        """The tracer of a value that carries the batch axis; the value itself where it does not."""
        return cast(Array, BatchTracer(self, value)) if batched else value

    def argument(self, value: Array, batched: bool) -> Array:
        """As `join`, for an argument of the user's function, who may index an array that is shared by a batched index."""
        if batched or type(value) is not np.ndarray or not value.ndim:
            return argument(self.join(version(value), batched))
        return cast(Array, argument(SharedTracer(self, value)))

    def own(self, value: Array) -> Array:
        whole, batched = self.split(value)
        return cast(Array, (BatchTracer if batched else SharedTracer)(self, copied(whole)))


def run_batched(
    call: Callable[..., Any],
    values: Sequence[Array],
    batched: Sequence[bool],
    axis_size: int,
    axis_name: Hashable | None = None,
    fun: Callable[..., Any] | None = None,
) -> tuple[list[Array], list[bool], TreeDef[Any]]:
    """Run `call(*tracers)`, which returns a tree: its flat values, whether each carries the batch axis, and the tree.

    fun: the user's function, where it is that which is called and not a jaxpr; for messages.
    """
    trace = BatchTrace(current_trace(), axis_size, axis_name, fun)
    try:
        with use_trace(trace):
            out = call(*map(trace.join if fun is None else trace.argument, values, batched))
    except FunctransError as error:
        raise trimmed(error)  # noqa: B904  # FUNCTRANS_TRACEBACK=full shows all frames
    finally:
        trace.alive = False
    leaves, out_tree = tree.flatten(out)
    pairs = [trace.split(leaf) for leaf in leaves]
    return [value for value, _ in pairs], [is_batched for _, is_batched in pairs], out_tree


def move_axis(x: Array, source: int, target: int) -> Array:
    """The value with one axis moved, the others in order."""
    ndim = len(aval_of(x).shape)
    source, target = source % ndim, target % ndim
    if source == target:
        return x
    order = [axis for axis in range(ndim) if axis != source]
    order.insert(target, source)
    return transpose(x, order)


def vmap(
    fun: Callable[P, R],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Hashable | None = None,
    axis_size: int | None = None,
    *,
    chunk_size: int | None = None,
) -> Transformed[P, R]:
    """The function that applies `fun` to each element along an axis of its arguments, all at once.

    in_axes: the axis of each argument to map over, or None for one that all elements share; an int, or a tuple with an
    entry per positional argument, each an int, None or a tree of them that is a prefix of the argument. Keyword arguments
    are mapped over axis 0. out_axes: where the mapped axis stands in the results; None for results that do not depend on
    it. axis_name: a name for the collectives of functrans.lax (psum, pmean, …). axis_size: needed where nothing is mapped.
    chunk_size: compute at most so many elements at once, to bound memory.

    >>> import numpy as np
    >>> vmap(lambda x, y: np.dot(x, y), in_axes=(0, None))(np.ones((2, 3)), np.arange(3.0))
    array([3., 3.])
    """
    name = function_name(fun)

    @wraps(fun, updated=())
    def batched_function(*args: Any, **kwargs: Any) -> Any:
        flat, in_tree = tree.flatten((args, kwargs))
        paths = partial(argument_paths, fun, args, kwargs)
        leaves = check_leaves(flat, f"vmap({name})", paths)
        axes = _axes_of(name, in_axes, args, kwargs)
        size = _batch_size(name, leaves, axes, axis_size, paths)
        values = [leaf if axis is None else move_axis(leaf, axis, 0) for leaf, axis in zip(leaves, axes, strict=True)]
        batched = [axis is not None for axis in axes]

        def call(*tracers: Array) -> Any:
            new_args, new_kwargs = tree.unflatten(in_tree, tracers)
            return fun(*new_args, **new_kwargs)

        outs, outs_batched, out_tree = _run_chunks(fun, call, values, batched, size, axis_name, chunk_size)
        placed = _place(name, outs, outs_batched, out_tree, out_axes, size)
        return tree.unflatten(out_tree, owned(placed, leaves))

    return cast(Transformed[P, R], batched_function)


def _axes_of(name: str, in_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int | None]:
    """The mapped axis of every leaf of (args, kwargs)."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    axes = tree.flatten_prefix(in_axes, args, f"in_axes of vmap({name})", "the positional arguments")
    _check_axes(name, "in_axes", axes)
    return axes + [0] * len(tree.leaves(kwargs))


def _check_axes(name: str, argument: str, axes: Sequence[object]) -> None:
    for axis in axes:
        if isinstance(axis, bool) or not (axis is None or isinstance(axis, int)):
            raise VmapAxisError(name, f"{argument} holds {axis!r}; its leaves are ints and None")


def _batch_size(
    name: str,
    leaves: Sequence[Array],
    axes: Sequence[int | None],
    axis_size: int | None,
    paths: Callable[[], Sequence[str]],
) -> int:
    sizes: dict[int, int] = {}
    for i, (leaf, axis) in enumerate(zip(leaves, axes, strict=True)):
        if axis is not None:
            shape = aval_of(leaf).shape
            if not -len(shape) <= axis < len(shape):
                raise VmapAxisError(name, f"{paths()[i]} of shape {shape} has no axis {axis} to map over")
            sizes[i] = shape[axis]
    found = set(sizes.values()) | ({axis_size} if axis_size is not None else set())
    if not found:
        raise VmapAxisError(name, "no argument is mapped (in_axes is None for all of them) and axis_size is not given")
    if len(found) > 1:
        names = paths()
        raise VmapSizeError(
            name, [(names[i], aval_of(leaves[i]).shape, axes[i], size) for i, size in sizes.items()], axis_size
        )
    return found.pop()


def _run_chunks(
    fun: Callable[..., Any],
    call: Callable[..., Any],
    values: list[Array],
    batched: list[bool],
    size: int,
    axis_name: Hashable | None,
    chunk_size: int | None,
) -> tuple[list[Array], list[bool], TreeDef[Any]]:
    if chunk_size is None or size <= chunk_size:
        return run_batched(call, values, batched, size, axis_name, fun)
    if chunk_size < 1:
        raise VmapAxisError(function_name(fun), f"chunk_size={chunk_size}; it must be at least 1")
    if axis_name is not None:
        raise VmapAxisError(function_name(fun), "chunk_size with axis_name: a collective needs all elements at once")
    runs = []
    for start in range(0, size, chunk_size):
        stop = min(start + chunk_size, size)
        part = [slice_in_dim(v, start, stop) if b else v for v, b in zip(values, batched, strict=True)]
        runs.append(run_batched(call, part, batched, stop - start, None, fun))
    _, outs_batched, out_tree = runs[0]
    columns = zip(*(outs for outs, _, _ in runs), strict=True)
    outs = [concatenate(column, 0) if b else column[0] for column, b in zip(columns, outs_batched, strict=True)]
    return outs, outs_batched, out_tree


def _place(
    name: str, outs: list[Array], batched: list[bool], out_tree: TreeDef[Any], out_axes: Any, size: int
) -> list[Array]:
    """The results with the batch axis where `out_axes` wants it."""
    axes = tree.flatten_prefix(out_axes, out_tree, f"out_axes of vmap({name})", f"the result of {name}")
    _check_axes(name, "out_axes", axes)
    outs = check_results(outs, name, out_tree)
    placed = []
    for i, (out, is_batched, axis) in enumerate(zip(outs, batched, axes, strict=True)):
        if axis is None:
            if is_batched:
                raise VmapAxisError(name, f"out_axes is None for {tree.paths(out_tree, 'result')[i]}, which differs "
                                          "from element to element")  # fmt: skip
            placed.append(out)
            continue
        whole = out if is_batched else broadcast_batch(size, out)
        ndim = len(aval_of(whole).shape)
        if not -ndim <= axis < ndim:
            raise VmapAxisError(
                name, f"out_axes is {axis} for {tree.paths(out_tree, 'result')[i]}, which has {ndim} axes"
            )
        placed.append(move_axis(whole, 0, axis))
    return placed


def named_axes(trace: Trace) -> tuple[tuple[Hashable, int], ...]:
    """The names and sizes of the axes that are being mapped over."""
    if trace is EVAL:
        return ()
    return tuple(
        (outer.axis_name, outer.axis_size)
        for outer in trace.ancestors()
        if isinstance(outer, BatchTrace) and outer.axis_name is not None
    )


VMAP.append(vmap)
