"""In-place code under a trace: `x[i] = v` gives the tracer x a new version of its value.

A tracer is a name for a value that never changes. A write computes the changed value by primitives, and from then on the tracer
stands for that; what was computed from it before keeps what it read. A view remembers its base and how it is read from it,
and a base its views, so that a write to one of them is a write to all of them, as in NumPy. Nothing is asked when a tracer is
read: a write renews every view that is still in use.

Arguments of a transformed function are not written to, since their arrays are the caller's; nor are arrays of an outer
function, where the new value would belong to an inner trace. Imports core, ops and errors; start reading at `write`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import Any, TypeVar, cast
from weakref import ref

import numpy as np

from functrans.core.primitive import Trace, Tracer, aval_of, current_trace
from functrans.core.source import user_source
from functrans.errors import InPlaceError, UpdateShapeError
from functrans.numpy.rewrite import replacing
from functrans.ops.indexing import cast_update, index, index_update
from functrans.ops.shape import reshape, transpose
from functrans.typing import Array, ArrayLike, Shape

__all__ = [
    "argument", "assign", "augmented", "constants", "copied", "is_alias", "owned", "replace", "state", "store", "subscripted",
    "version", "view",
]  # fmt: skip

T = TypeVar("T")
Read = Callable[[Any], Any]  # Any: from an array to a view of it, for tracers or for NumPy's arrays


class Memory:
    """What a tracer shares its memory with: in the slot `memory`, which is empty where it is nothing."""

    __slots__ = ("base", "is_argument", "is_view", "mirror", "read", "subscript", "views", "write_back")

    def __init__(self, *, is_argument: bool = False) -> None:
        self.is_argument = is_argument
        self.base: Tracer | None = None
        self.views: list[ref[Tracer]] = []
        self.is_view: bool | None = None
        """Whether NumPy's result shares memory with the base: None until a write asks."""
        self.subscript: object = None

    read: Read
    """From the base to this view, by primitives."""
    mirror: Read
    """The same, by NumPy."""
    write_back: Callable[[Array, Array], Array] | None
    """From the base and the view's new value to the base's."""


def _memory(x: Tracer) -> Memory | None:
    return getattr(x, "memory", None)


def _shared(x: Tracer) -> Memory:
    memory = _memory(x)
    if memory is None:
        memory = x.memory = Memory()
    return memory


# ---- versions ----


_SLOTS: dict[type[Tracer], tuple[str, ...]] = {}


def _slots(kind: type[Tracer]) -> tuple[str, ...]:
    found = _SLOTS.get(kind)
    if found is None:
        names = (name for parent in kind.__mro__ for name in getattr(parent, "__slots__", ()))
        found = _SLOTS[kind] = tuple(name for name in names if name not in ("memory", "__weakref__"))
    return found


def _adopt(x: Tracer, new: Tracer) -> None:
    """Let a tracer stand for what another stands for."""
    if type(x) is not type(new):  # shared by all lanes until now: of the same slots
        x.__class__ = type(new)
    for name in _slots(type(new)):
        setattr(x, name, getattr(new, name))


def version(value: T) -> T:
    """A tracer of the same value, which writes to this one do not reach; what is no tracer is itself."""
    if not isinstance(value, Tracer):
        return value
    new = object.__new__(type(value))
    _adopt(new, value)
    return new


def state(x: Tracer) -> tuple[int, ...]:
    """What a tracer stands for, by identity: two versions of one value have the same, as long as one of them lives."""
    return tuple(id(getattr(x, name)) for name in _slots(type(x)))


def argument(value: T) -> T:
    """A tracer as an argument of a function, who must not write to it."""
    new = version(value)
    if isinstance(new, Tracer):
        new.memory = Memory(is_argument=True)
    return new


def copied(value: Array) -> Array:
    """A copy that no write to the array, or to the tracer, reaches."""
    return np.array(value) if isinstance(cast(object, value), np.ndarray) else version(value)


def owned(value: Array) -> Array:
    """A copy, as NumPy makes one: an array of the trace that is running, into which its tracers can be written."""
    return current_trace().own(value)


def constants(trace: Trace, args: Sequence[object], outs: tuple[Array, ...]) -> tuple[Array, ...]:
    """Results, as of the parent trace, of operands that do not depend on what a trace transforms.

    If one of the operands is an array of the trace all the same, arrays among the results are too: what is made of an array
    into which traced values can be written is one.
    """
    if not any(isinstance(arg, Tracer) and arg.owner is trace for arg in args):
        return outs
    return tuple(trace.own(out) if aval_of(out).shape else out for out in outs)


# ---- views ----


def subscripted(base: Array, idx: object, out: Array) -> Array:
    """x[idx], which shares the memory of x if there are only slices, integers and new axes in the subscript."""
    tracer = cast(object, out)
    if not isinstance(tracer, Tracer) or tracer is cast(object, base) or not _is_basic(idx):
        return out
    if not tracer.aval.shape and not _has_ellipsis(idx):  # a number
        return out
    memory = _link(cast(Tracer, base), tracer, lambda x: index(x, idx), lambda x: x[idx])
    memory.is_view, memory.subscript = True, idx
    memory.write_back = lambda x, new: index_update(x, idx, new)
    return out


_BASIC = (int, np.integer, slice, EllipsisType, type(None))


def _is_basic(idx: object) -> bool:
    parts = idx if isinstance(idx, tuple) else (idx,)
    return all(isinstance(part, _BASIC) and not isinstance(part, bool) for part in parts)


def _has_ellipsis(idx: object) -> bool:
    return idx is Ellipsis or (isinstance(idx, tuple) and Ellipsis in idx)


def view(base: Tracer, out: Any, read: Read, mirror: Read) -> Any:  # Any: an array, or several
    """The result of a function that in NumPy gives a view of its operand, or does so if strides allow it; or several."""
    if isinstance(out, list | tuple):
        for i, part in enumerate(out):
            view(base, part, _part(read, i), _part(mirror, i))
    elif isinstance(out, Tracer) and out is not base and out.aval.shape:
        _link(base, out, read, mirror)
    return out


def _part(read: Read, i: int) -> Read:
    return lambda x: read(x)[i]


def _link(base: Tracer, out: Tracer, read: Read, mirror: Read) -> Memory:
    memory = _shared(out)
    memory.base, memory.read, memory.mirror, memory.write_back = base, read, mirror, None
    views = _shared(base).views
    if len(views) % 16 == 15:  # forget those that are gone, now and then
        views[:] = [one for one in views if one() is not None]
    views.append(ref(out))
    return memory


def _stand_in(x: Tracer) -> Array:
    """A NumPy array with the strides that x would have; nobody touches its memory."""
    memory = _memory(x)
    if memory is None or memory.base is None:
        return np.empty(x.aval.shape, x.aval.dtype)
    return cast(Array, memory.mirror(_stand_in(memory.base)))


def _base(x: Tracer) -> Tracer | None:
    """What a tracer is a view of."""
    memory = _memory(x)
    if memory is None or memory.base is None:
        return None
    if memory.is_view is None:
        stand_in = _stand_in(memory.base)
        mirrored = memory.mirror(stand_in)
        memory.is_view = np.may_share_memory(stand_in, mirrored)
        if memory.is_view and mirrored.flags.writeable and x.aval.dtype == memory.base.aval.dtype:
            memory.write_back = _write_back(memory.base.aval.shape, memory.mirror)
    return memory.base if memory.is_view else None


def _write_back(shape: Shape, mirror: Read) -> Callable[[Array, Array], Array]:
    """How the new value of a view becomes that of its base: turned and reshaped back, or written to the elements' places."""
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    seen = mirror(places)
    if seen.size == places.size:
        axes = tuple(np.argsort([-stride for stride in seen.strides], kind="stable"))
        if np.array_equal(seen.transpose(axes).reshape(-1), places.reshape(-1)):
            turned = axes != tuple(range(len(axes)))
            return lambda _base, new: reshape(transpose(new, axes) if turned else new, shape)
    flat = seen.reshape(-1)
    return lambda base, new: reshape(index_update(reshape(base, (places.size,)), flat, reshape(new, flat.shape)), shape)


# ---- writes ----


def replace(x: Tracer, new: Array, what: str) -> None:
    """Let x, what it is a view of, and all their views stand for the values that they have once x is `new`.

    new: of the shape and dtype of x. what: the write, for messages. Raises InPlaceError, and then has changed nothing.
    """
    known: dict[int, Array] = {id(x): new}
    root, value = x, new
    while (base := _base(root)) is not None:
        write_back = cast(Memory, _memory(root)).write_back
        if write_back is None:
            raise ValueError("assignment destination is read-only")
        value = write_back(cast(Array, base), value)
        root = base
        known[id(root)] = value
    changes: list[tuple[Tracer, Array]] = []
    _collect(root, value, known, changes)
    memory = _memory(root)
    if memory is not None and memory.is_argument:
        raise _read_only(x, root, what, "an argument of a function that is transformed")
    renewed = [(tracer, _renewed(tracer, value, what)) for tracer, value in changes]
    for tracer, value in renewed:
        _adopt(tracer, cast(Tracer, value))


def _collect(x: Tracer, value: Array, known: dict[int, Array], changes: list[tuple[Tracer, Array]]) -> None:
    changes.append((x, value))
    memory = _memory(x)
    for one in memory.views if memory is not None else ():
        tracer = one()
        if tracer is not None and _base(tracer) is x:
            found = known.get(id(tracer))
            read = cast(Memory, _memory(tracer)).read
            _collect(tracer, read(value) if found is None else found, known, changes)


def _renewed(x: Tracer, value: Array, what: str) -> Array:
    """The value as one of the trace that x belongs to."""
    tracer = cast(object, value)
    if isinstance(tracer, Tracer) and tracer.owner is x.owner:
        return value
    if isinstance(tracer, Tracer) and not any(trace is tracer.owner for trace in x.owner.ancestors()):
        raise _read_only(x, x, what, "an array of another function, or of values that the transform does not trace")
    return x.owner.own(value)


def _read_only(x: Tracer, root: Tracer, what: str, why: str) -> InPlaceError:
    source = user_source()
    place = "" if source is None else source.place
    return InPlaceError(x.describe(), what, f"a view of {why}" if x is not root else why, place, replacing(x))


def assign(x: Tracer, idx: Any, values: ArrayLike, what: str = "item assignment") -> None:  # Any: see ops.indexing
    """x[idx] = values."""
    if isinstance(values, Tracer):
        memory = _memory(values)
        if memory is not None and memory.base is x and memory.is_view and _is_basic(idx) and memory.subscript == idx:
            return  # the end of `x[idx] += v`, which has written through the view
    replace(x, index_update(cast(Array, x), idx, values), what)


def store(out: Any, result: Any, what: str) -> Any:  # Any: an array, or the two of a ufunc with two results
    """Write the result of a function into what was given as `out=`."""
    if isinstance(out, tuple):
        if len(out) == 1:
            return store(out[0], result, what)
        return tuple(one if to is None else store(to, one, what) for to, one in zip(out, result, strict=True))
    replace(out, _fitting(out, result), what)
    return out


def _fitting(x: Tracer, result: Array) -> Array:
    shape = aval_of(result).shape
    if shape != x.aval.shape:
        raise UpdateShapeError(shape, x.aval.shape)
    return cast_update(result, x.aval.dtype)


def augmented(x: Tracer, result: Any, symbol: str) -> Any:  # Any: what an operator gives, and NotImplemented
    """What `x += y` binds x to, where x + y is `result`: x itself, written to.

    What has no axes is a number: it is not written to, in NumPy either. Of an argument, or an array of an outer function, the
    name is bound to a new array, as in JAX; a view of one, which would have to write through, raises InPlaceError.
    """
    if result is NotImplemented:
        return result
    new = _fitting(x, result)
    try:
        replace(x, new, f"`{symbol}=`")
    except InPlaceError:
        memory = _memory(x)
        if _base(x) is not None or (memory is not None and any(one() is not None for one in memory.views)):
            raise
        return new
    return x


def is_alias(out: object, args: Any) -> bool:  # Any: the arguments of any function
    """Whether a result is one of the arguments, or of the elements of one that is a list or a tuple."""
    return any(arg is out or (isinstance(arg, list | tuple) and any(one is out for one in arg)) for arg in args)
