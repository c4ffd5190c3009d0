"""Functions that join arrays and take them apart: concatenate, stack, block, append, split, unstack.

Imports ops, the promotion rules and `shapes`; start reading at `concatenate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, SupportsIndex, TypeAlias, cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import OperandError, ParameterError, ShapeMismatchError
from functrans.numpy.dispatch import implements
from functrans.numpy.operands import axis_index, shape_of, strong
from functrans.numpy.promotion import astype, result_type
from functrans.numpy.rewrite import described
from functrans.numpy.shapes import (
    along,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    ravel,
)
from functrans.ops import joining
from functrans.ops import shape as lax
from functrans.typing import Array, ArrayLike, DTypeLike

Arrays: TypeAlias = Sequence[ArrayLike]


# ---- joining ----


@implements(np.concatenate)
def concatenate(
    arrays: Arrays, /, axis: SupportsIndex | None = 0, *, dtype: DTypeLike | None = None, casting: str = "same_kind"
) -> Array:
    """The arrays joined along an axis, flattened for None.

    >>> import functrans as ft
    >>> ft.grad(lambda x: np.concatenate([x, 3 * x]).sum())(np.ones(2))
    array([4., 4.])
    """
    operands = [strong(x, "concatenate") for x in arrays]
    if not operands:
        raise ParameterError("concatenate", "no arrays", "at least one")
    if axis is None:
        operands, axis = [ravel(x) for x in operands], 0
    to = result_type(*operands) if dtype is None else np.dtype(dtype)
    for x in operands:
        if not np.can_cast(aval_of(x).dtype, to, cast(Any, casting)):  # Any: NumPy's names of casting rules
            raise OperandError("concatenate", [str(aval_of(x))], f"what casts to {to} under the rule {casting!r}")
    ndim = aval_of(operands[0]).ndim
    if ndim == 0:
        raise ParameterError(
            "concatenate", "arrays without dimensions", "at least one dimension; stack makes a new one"
        )
    place = axis_index(axis, ndim)
    if len({(*shape_of(x)[:place], -1, *shape_of(x)[place + 1 :]) for x in operands}) > 1:
        pairs = list(zip(map(shape_of, operands), described(operands), strict=True))
        raise ShapeMismatchError(
            "concatenate", pairs, f"the same number of dimensions, and the same lengths but for axis {place}"
        )
    return joining.concatenate([astype(x, to) for x in operands], place)


concat = concatenate


@implements(np.stack)
def stack(
    arrays: Arrays, axis: SupportsIndex = 0, *, dtype: DTypeLike | None = None, casting: str = "same_kind"
) -> Array:
    """The arrays, of one shape, along a new axis."""
    operands = [strong(x, "stack") for x in arrays]
    if not operands:
        raise ParameterError("stack", "no arrays", "at least one")
    if len({shape_of(x) for x in operands}) != 1:
        raise OperandError("stack", [str(aval_of(x)) for x in operands], "arrays of one shape")
    place = axis_index(axis, aval_of(operands[0]).ndim + 1)
    return concatenate([lax.expand_dims(x, (place,)) for x in operands], place, dtype=dtype, casting=casting)


@implements(np.vstack)
def vstack(tup: Arrays, *, dtype: DTypeLike | None = None, casting: str = "same_kind") -> Array:
    """The arrays, vectors as rows, joined along axis 0."""
    return concatenate([cast(Array, atleast_2d(x)) for x in tup], 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Arrays, *, dtype: DTypeLike | None = None, casting: str = "same_kind") -> Array:
    """The arrays joined along axis 1, vectors along axis 0."""
    operands = [cast(Array, atleast_1d(x)) for x in tup]
    axis = 0 if operands and aval_of(operands[0]).ndim == 1 else 1
    return concatenate(operands, axis, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Arrays) -> Array:
    """The arrays, with at least three dimensions, joined along axis 2."""
    return concatenate([cast(Array, atleast_3d(x)) for x in tup], 2)


@implements(np.column_stack)
def column_stack(tup: Arrays) -> Array:
    """The arrays, vectors as columns, joined along axis 1."""
    operands = [strong(x, "column_stack") for x in tup]
    return concatenate([_as_column(x) if aval_of(x).ndim < 2 else x for x in operands], 1)


def _as_column(x: Array) -> Array:
    return lax.reshape(x, (aval_of(x).size, 1))


@implements(np.append)
def append(arr: ArrayLike, values: ArrayLike, axis: SupportsIndex | None = None) -> Array:
    """The array with the values after its end along an axis; both are flattened for None."""
    return concatenate([arr, values], axis)


@implements(np.block)
def block(arrays: Any) -> Array:  # Any: lists nested to any depth
    """An array from nested lists of blocks: the innermost lists are joined along the last axis, and so on outwards."""
    depth = _depth(arrays)
    ndim = max(depth, *(aval_of(x).ndim for x in _blocks(arrays)))
    return _joined(arrays, depth, ndim)


def _depth(arrays: Any) -> int:  # Any: as for block
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(item) for item in arrays}
    if len(depths) != 1:
        raise ParameterError("block", "lists of unequal depth, or an empty one", "blocks at one depth")
    return 1 + depths.pop()


def _blocks(arrays: Any) -> list[Array]:  # Any: as for block
    if isinstance(arrays, list):
        return [leaf for item in arrays for leaf in _blocks(item)]
    return [strong(arrays, "block")]


def _joined(arrays: Any, depth: int, ndim: int) -> Array:  # Any: as for block
    if not isinstance(arrays, list):
        x = strong(arrays, "block")
        return lax.reshape(x, (1,) * (ndim - aval_of(x).ndim) + shape_of(x))
    return concatenate([_joined(item, depth - 1, ndim) for item in arrays], ndim - depth)


# ---- taking apart ----


def _parts(x: Array, sections: int | Sequence[int], axis: int) -> list[Array]:
    size = shape_of(x)[axis]
    if isinstance(sections, int):
        short, longer = divmod(size, sections)
        cuts = list(np.cumsum([short + 1] * longer + [short] * (sections - longer))[:-1])
    else:
        cuts = [index(cut) for cut in sections]
    ends = [min(max(cut + size if cut < 0 else cut, 0), size) for cut in map(int, cuts)]
    bounds = [*zip([0, *ends], [*ends, size], strict=True)]
    if all(start <= stop for start, stop in bounds):  # their cotangents are joined, not added up
        return [*joining.split(x, [stop - start for start, stop in bounds], axis)]
    return [along(x, axis, start, max(start, stop)) for start, stop in bounds]


@implements(np.array_split)
def array_split(ary: ArrayLike, indices_or_sections: int | Sequence[int], axis: SupportsIndex = 0) -> list[Array]:
    """Parts along an axis, cut at indices, or as many as given, of lengths that differ by one at most."""
    x = strong(ary, "array_split")
    if isinstance(indices_or_sections, SupportsIndex) and index(indices_or_sections) <= 0:
        raise ParameterError("array_split", f"{indices_or_sections} sections", "at least one")
    sections = index(indices_or_sections) if isinstance(indices_or_sections, SupportsIndex) else indices_or_sections
    return _parts(x, sections, axis_index(axis, aval_of(x).ndim))


@implements(np.split)
def split(ary: ArrayLike, indices_or_sections: int | Sequence[int], axis: SupportsIndex = 0) -> list[Array]:
    """Parts along an axis, cut at indices, or as many as given, which must be equal."""
    x = strong(ary, "split")
    if isinstance(indices_or_sections, SupportsIndex):
        size = shape_of(x)[axis_index(axis, aval_of(x).ndim)]
        if size % index(indices_or_sections):
            raise ParameterError("split", f"{indices_or_sections} sections of {size} elements", "an equal division")
    return array_split(x, indices_or_sections, axis)


def _split_along(name: str, ary: ArrayLike, sections: int | Sequence[int], axis: int, least: int) -> list[Array]:
    x = strong(ary, name)
    if aval_of(x).ndim < least:
        raise ParameterError(name, f"an operand of type {aval_of(x)}", f"at least {least} dimensions")
    return split(x, sections, axis)


@implements(np.hsplit)
def hsplit(ary: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Parts along axis 1, of a vector along axis 0."""
    return _split_along("hsplit", ary, indices_or_sections, min(1, aval_of(strong(ary, "hsplit")).ndim - 1), 1)


@implements(np.vsplit)
def vsplit(ary: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Parts along axis 0."""
    return _split_along("vsplit", ary, indices_or_sections, 0, 2)


@implements(np.dsplit)
def dsplit(ary: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Parts along axis 2."""
    return _split_along("dsplit", ary, indices_or_sections, 2, 3)


@implements(np.unstack)
def unstack(x: ArrayLike, /, *, axis: SupportsIndex = 0) -> tuple[Array, ...]:
    """The elements along an axis, each an array without it."""
    operand = strong(x, "unstack")
    at = axis_index(axis, aval_of(operand).ndim)
    parts = joining.split(operand, (1,) * shape_of(operand)[at], at)
    return tuple(lax.squeeze(part, (at,)) for part in parts)
