"""NumPy's subscripts, read against a shape: which elements of each axis `x[idx]` addresses, and the result's layout.

Reading raises what NumPy raises: IndexError for too many indices, an index out of bounds, a float. Nothing here computes;
`indexing` turns a `Subscript` into primitives. Start reading at `parse`. Imports core and errors.
"""

from __future__ import annotations

import operator
from itertools import groupby
from math import prod
from types import EllipsisType
from typing import Any, TypeAlias, cast

import numpy as np

from functrans.core.primitive import Tracer, as_array, aval_of, is_concrete
from functrans.errors import IndexExpressionError, IndexOutOfBoundsError, TracedMaskError
from functrans.record import NamedTuple, Record
from functrans.typing import Array, Shape

__all__ = ["BLOCK", "Block", "Span", "Subscript", "parse"]

BLOCK = -1

Block: TypeAlias = "Array | int"
"""What indexes one axis: an integer or an integer array, concrete or traced."""

_KINDS = "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid indices"


class Span(NamedTuple):
    """A slice of one axis: `length` elements from `first`, the lowest, each `stride` further on; read backwards or not."""

    first: int
    length: int
    stride: int
    backwards: bool


class Subscript(Record):
    """A subscript, read. The result has an axis per element of `layout`, and the axes of the block at `position`."""

    shape: Shape
    """The array's, with the new axes of length 1 that truth values in the subscript index."""
    spans: dict[int, Span]
    indices: dict[int, Block]
    """By axis: integers, and arrays of shape `block` or broadcasting to it."""
    layout: tuple[int | None, ...]
    """The axis of a slice, or None for a new axis."""
    position: int
    block: Shape
    unique: bool
    """Whether it is known that no element is addressed twice."""

    @property
    def result(self) -> Shape:
        """The shape of what is addressed."""
        lengths = [1 if axis is None else self.spans[axis].length for axis in self.layout]
        return (*lengths[: self.position], *self.block, *lengths[self.position :])

    @property
    def entries(self) -> tuple[int | None, ...]:
        """What each axis of the result is: the axis of a slice, None for a new axis, BLOCK for one of the block."""
        return (*self.layout[: self.position], *(BLOCK,) * len(self.block), *self.layout[self.position :])


# ---- the elements of a subscript ----


class _Mask(Record):
    """A concrete boolean array, which indexes as many axes as it has."""

    value: Array


_Item: TypeAlias = "slice | int | Array | _Mask | EllipsisType | None"


def _items(idx: Any) -> list[_Item]:  # Any: a user's subscript may be anything
    items = [_item(part) for part in (idx if isinstance(idx, tuple) else (idx,))]
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexExpressionError("an index can only have a single ellipsis ('...')")
    return items


def _item(part: Any) -> _Item:  # Any: see _items
    if part is None or part is Ellipsis or isinstance(part, slice):
        return cast(_Item, part)
    if isinstance(part, Tracer):
        if part.aval.dtype.kind == "b":
            raise TracedMaskError(part.describe())
        if part.aval.dtype.kind not in "iu":
            raise IndexExpressionError("arrays used as indices must be of integer (or boolean) type")
        return as_array(part)
    if isinstance(part, bool | np.bool_):
        return _Mask(np.asarray(part))
    if not isinstance(part, list | tuple | np.ndarray):
        try:
            return operator.index(part)
        except TypeError:
            raise IndexExpressionError(_KINDS) from None
    array = np.asarray(part)
    if array.size == 0 and isinstance(part, list | tuple):
        array = array.astype(np.intp)
    if array.dtype.kind == "b":
        return _Mask(array)
    if array.dtype.kind not in "iu":
        raise IndexExpressionError("arrays used as indices must be of integer (or boolean) type")
    return array if array.ndim else int(array)


def _consumed(item: _Item) -> int:
    if isinstance(item, _Mask):
        return item.value.ndim
    return 0 if item is None or item is Ellipsis else 1


# ---- reading ----


def parse(shape: Shape, idx: Any, check: bool = True) -> Subscript:  # Any: see _items
    """The subscript `idx` of an array of this shape, none of its static indices negative any more.

    check: raise IndexError where a static index is out of bounds.
    """
    items = _items(idx)
    rest = len(shape) - sum(map(_consumed, items))
    if rest < 0:
        raise IndexExpressionError(
            f"too many indices for array: array is {len(shape)}-dimensional, but {len(shape) - rest} were indexed"
        )
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    reader = _Reader(shape, check)
    for item in items:
        reader.read(item, rest)
    arrays = [found for found in reader.indices.values() if not isinstance(found, int)]
    block = _block([aval_of(array).shape for array in arrays])
    runs = sum(advanced for advanced, _ in groupby(items, _is_advanced))
    is_mask = [isinstance(item, _Mask) for item in items if _is_advanced(item) and not isinstance(item, int)]
    return Subscript(
        tuple(reader.sizes),
        reader.spans,
        reader.indices,
        tuple(reader.layout),
        reader.before if runs == 1 and arrays else 0,
        block,
        is_mask in ([], [True]) or prod(block) <= 1,
    )


class _Reader:
    """Goes through the elements of a subscript, axis by axis."""

    def __init__(self, shape: Shape, check: bool) -> None:
        self.check = check
        self.sizes = list(shape)
        self.axis = 0
        self.inserted = 0
        self.spans: dict[int, Span] = {}
        self.indices: dict[int, Block] = {}
        self.layout: list[int | None] = []
        self.before = -1
        """How many axes of the result come before the first element that is no slice."""

    def read(self, item: _Item, rest: int) -> None:
        if isinstance(item, EllipsisType):
            for _ in range(rest):
                self._span(slice(None))
        elif item is None:
            self.layout.append(None)
        elif isinstance(item, slice):
            self._span(item)
        else:
            self.before = len(self.layout) if self.before < 0 else self.before
            for block in self._mask(item.value) if isinstance(item, _Mask) else [item]:
                self._index(block)

    def _span(self, item: slice) -> None:
        for part in (item.start, item.stop, item.step):
            if isinstance(part, Tracer):
                raise IndexExpressionError(
                    f"the bounds of a slice must be static, but one is {part.describe()}",
                    "Write functrans.lax.dynamic_slice_in_dim(x, start, size), whose size is static.",
                )
        found = range(self.sizes[self.axis])[item]
        backwards = found.step < 0
        ordered = found[::-1] if backwards else found
        count = len(found)
        span = Span(ordered.start, count, ordered.step if count > 1 else 1, backwards and count > 1)
        self.spans[self.axis] = span if count else Span(0, 0, 1, False)
        self.layout.append(self.axis)
        self.axis += 1

    def _mask(self, mask: Array) -> list[Array]:
        if mask.ndim == 0:  # a truth value indexes a new axis of length 1
            self.sizes.insert(self.axis, 1)
            self.inserted += 1
            return [np.zeros(int(mask), np.intp)]
        for axis, length in enumerate(mask.shape, self.axis):
            if length != self.sizes[axis]:
                raise IndexExpressionError(
                    f"boolean index did not match indexed array along axis {axis - self.inserted}; size of axis is "
                    f"{self.sizes[axis]} but size of corresponding boolean axis is {length}"
                )
        return list(np.nonzero(mask))

    def _index(self, block: Block) -> None:
        size = self.sizes[self.axis]
        if isinstance(block, int):
            if self.check and not -size <= block < size:
                raise IndexOutOfBoundsError(block, self.axis - self.inserted, size)
            block = block + size if block < 0 else block
        elif is_concrete(block):
            block = self._array(block.astype(np.intp, copy=False), size)
        self.indices[self.axis] = block
        self.axis += 1

    def _array(self, array: Array, size: int) -> Array:
        negative = array < 0
        if self.check and array.size:
            bad = (array >= size) | (array < -size)
            if bad.any():
                raise IndexOutOfBoundsError(int(array[bad][0]), self.axis - self.inserted, size)
        return np.where(negative, array + size, array) if negative.any() else array


def _is_advanced(item: _Item) -> bool:
    return not (item is None or item is Ellipsis or isinstance(item, slice))


def _block(shapes: list[Shape]) -> Shape:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise IndexExpressionError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {' '.join(map(str, shapes))}"
        ) from None
