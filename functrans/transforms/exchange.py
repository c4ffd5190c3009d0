"""Collectives that move values between the elements of a batch: all_gather, psum_scatter, all_to_all, ppermute, pshuffle.

Made as those in `collective.py`; read that first. Each leads into another when it is transposed: all_gather and psum_scatter
into one another, all_to_all and ppermute into themselves.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import index
from typing import Any

from functrans.core.primitive import Primitive, aval_of
from functrans.errors import ParameterError
from functrans.ops.broadcast import reduce_sum, zeros
from functrans.ops.joining import concatenate
from functrans.ops.shape import reshape, slice_in_dim
from functrans.transforms.collective import AxisName, linear_collective, map_leaves, names_of, size_of
from functrans.transforms.vmap import move_axis
from functrans.typing import Array, Shape

__all__ = [
    "all_gather", "all_gather_p", "all_to_all", "all_to_all_p", "ppermute", "ppermute_p", "pshuffle", "psum_scatter",
    "psum_scatter_p",
]  # fmt: skip


def _single(function: str, axis_name: AxisName) -> Hashable:
    names = names_of(axis_name)
    if len(names) != 1:
        raise ParameterError(function, f"axis_name={axis_name!r}", "the name of one axis")
    return names[0]


def _axis(function: str, axis: int, ndim: int) -> int:
    """An axis of a value of rank `ndim`, not negative any more; raises ParameterError."""
    if not -ndim <= index(axis) < ndim:
        raise ParameterError(function, f"axis {axis} for rank {ndim}", f"an axis in [{-ndim}, {ndim})")
    return index(axis) % ndim


def _split(function: str, x: Array, axis: int, count: int) -> Array:
    """The value with one axis made two, `count` and the rest."""
    shape = aval_of(x).shape
    if shape[axis] % count:
        raise ParameterError(function, f"an axis of length {shape[axis]} to split", f"a multiple of {count}")
    return reshape(x, (*shape[:axis], count, shape[axis] // count, *shape[axis + 1 :]))


def _merged(x: Array, axis: int) -> Array:
    """The value with one axis and the next made one."""
    shape = aval_of(x).shape
    return reshape(x, (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def _check_length(function: str, x: Array, axis: int, size: int) -> None:
    length = aval_of(x).shape[axis]
    if length != size:
        raise ParameterError(
            function, f"an axis of length {length} to scatter", f"length {size}, or tiled=True and a multiple of it"
        )


# ---- all_gather and psum_scatter ----


def _inserted(shape: Shape, *, axis: int, axis_size: int, **_: Hashable) -> Shape:
    return (*shape[:axis], axis_size, *shape[axis:])


def _removed(shape: Shape, *, axis: int, **_: Hashable) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


all_gather_p: Primitive = linear_collective(
    "all_gather",
    lambda x, *, axis, **_: (move_axis(x, 0, axis), False),
    _inserted,
    lambda g, **params: psum_scatter_p.bind(g, **params)[0],
    shift=("axis",),
)

psum_scatter_p: Primitive = linear_collective(
    "psum_scatter",
    lambda x, *, axis, **_: (move_axis(reduce_sum(x, (0,)), axis, 0), True),
    _removed,
    lambda g, **params: all_gather_p.bind(g, **params)[0],
    shift=("axis",),
)


def all_gather(x: Any, axis_name: AxisName, *, axis: int = 0, tiled: bool = False) -> Any:
    """The values of x, a tree, of all elements along the named axis, stacked along a new axis `axis`.

    tiled: joined along the existing axis `axis` instead. Of a tuple of names the last varies fastest.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: all_gather(x, "i"), axis_name="i")(np.array([1.0, 2.0]))
    array([[1., 2.],
           [1., 2.]])
    """
    names = names_of(axis_name)

    def one(leaf: Array) -> Array:
        place = _axis("all_gather", axis, len(aval_of(leaf).shape) + (not tiled))
        for number, name in enumerate(reversed(names)):
            (leaf,) = all_gather_p.bind(leaf, axis=place, axis_name=name, axis_size=size_of(name))
            if tiled or number:
                leaf = _merged(leaf, place)
        return leaf

    return map_leaves("all_gather", x, one)


def psum_scatter(x: Any, axis_name: AxisName, *, scatter_dimension: int = 0, tiled: bool = False) -> Any:
    """The sum over the named axis, of which element i keeps index i along axis `scatter_dimension`, which is dropped.

    tiled: the i-th of as many equal parts as there are elements, and the axis is kept.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: psum_scatter(x, "i"), axis_name="i")(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    names = names_of(axis_name)

    def one(leaf: Array) -> Array:
        place = _axis("psum_scatter", scatter_dimension, len(aval_of(leaf).shape))
        for number, name in enumerate(names, 1):
            size = size_of(name)
            if tiled or number < len(names):
                leaf = _split("psum_scatter", leaf, place, size)
            _check_length("psum_scatter", leaf, place, size)
            (leaf,) = psum_scatter_p.bind(leaf, axis=place, axis_name=name, axis_size=size)
        return leaf

    return map_leaves("psum_scatter", x, one)


# ---- all_to_all ----


def _exchanged(shape: Shape, *, split_axis: int, concat_axis: int, axis_size: int, **_: Hashable) -> Shape:
    return _inserted(_removed(shape, axis=split_axis), axis=concat_axis, axis_size=axis_size)


all_to_all_p: Primitive = linear_collective(
    "all_to_all",
    lambda x, *, split_axis, concat_axis, **_: (move_axis(move_axis(x, split_axis + 1, 0), 1, concat_axis + 1), True),
    _exchanged,
    lambda g, *, split_axis, concat_axis, **params: all_to_all_p.bind(
        g, split_axis=concat_axis, concat_axis=split_axis, **params
    )[0],
    shift=("split_axis", "concat_axis"),
)


def all_to_all(x: Any, axis_name: AxisName, split_axis: int, concat_axis: int, *, tiled: bool = False) -> Any:
    """Element i gets index i along `split_axis` of every element's x (a tree), stacked along a new axis `concat_axis`.

    The axis `split_axis`, which must have the length of the named axis, is dropped. tiled: the i-th of as many equal parts
    of `split_axis`, joined along the existing `concat_axis`.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: all_to_all(x, "i", 0, 0), axis_name="i")(np.array([[1, 2], [3, 4]]))
    array([[1, 3],
           [2, 4]])
    """
    name = _single("all_to_all", axis_name)
    size = size_of(name)

    def one(leaf: Array) -> Array:
        split, concat = (_axis("all_to_all", axis, len(aval_of(leaf).shape)) for axis in (split_axis, concat_axis))
        if tiled:
            leaf = _split("all_to_all", leaf, split, size)
        _check_length("all_to_all", leaf, split, size)
        (leaf,) = all_to_all_p.bind(leaf, split_axis=split, concat_axis=concat, axis_name=name, axis_size=size)
        return _merged(leaf, concat) if tiled else leaf

    return map_leaves("all_to_all", x, one)


# ---- ppermute ----


def _permuted(x: Array, *, perm: tuple[tuple[int, int], ...], axis_size: int, **_: Hashable) -> tuple[Array, bool]:
    """The batch in another order, cut into as few pieces as have their elements in order; zeros where nothing is sent."""
    sources: list[int | None] = [None] * axis_size
    for source, target in perm:
        sources[target] = source
    pieces = []
    start = 0
    while start < axis_size:
        first, stop = sources[start], start + 1
        while stop < axis_size and sources[stop] == (None if first is None else first + stop - start):
            stop += 1
        if first is None:
            pieces.append(zeros((stop - start, *aval_of(x).shape[1:]), aval_of(x).dtype))
        else:
            pieces.append(slice_in_dim(x, first, first + stop - start))
        start = stop
    return (concatenate(pieces, 0) if len(pieces) != 1 else pieces[0]), True


ppermute_p: Primitive = linear_collective(
    "ppermute",
    _permuted,
    lambda shape, **_: shape,
    lambda g, *, perm, **params: ppermute_p.bind(g, perm=tuple((b, a) for a, b in perm), **params)[0],
)


def ppermute(x: Any, axis_name: AxisName, perm: Sequence[tuple[int, int]]) -> Any:
    """x, a tree, sent from element to element along the named axis: `perm` lists pairs (source, target).

    Elements to which nothing is sent get zeros. Raises ParameterError where a source or a target occurs twice.

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: ppermute(x, "i", [(0, 1), (1, 2), (2, 0)]), axis_name="i")(np.array([1, 2, 3]))
    array([3, 1, 2])
    """
    name = _single("ppermute", axis_name)
    size = size_of(name)
    pairs = tuple((index(source), index(target)) for source, target in perm)
    for ends in zip(*pairs, strict=True):
        if len(set(ends)) != len(ends) or not all(0 <= end < size for end in ends):
            raise ParameterError("ppermute", f"perm={list(pairs)}", f"different sources and targets below {size}")
    return map_leaves("ppermute", x, lambda leaf: ppermute_p.bind(leaf, perm=pairs, axis_name=name, axis_size=size)[0])


def pshuffle(x: Any, axis_name: AxisName, perm: Sequence[int]) -> Any:
    """x, a tree, in another order along the named axis: element i gets that of element perm[i].

    >>> import numpy as np
    >>> from functrans.transforms.vmap import vmap
    >>> vmap(lambda x: pshuffle(x, "i", [2, 0, 1]), axis_name="i")(np.array([1, 2, 3]))
    array([3, 1, 2])
    """
    sources = [index(source) for source in perm]
    size = size_of(_single("pshuffle", axis_name))
    if sorted(sources) != list(range(size)):
        raise ParameterError("pshuffle", f"perm={sources}", f"each of the numbers below {size} once")
    return ppermute(x, axis_name, list(zip(sources, range(size), strict=True)))
