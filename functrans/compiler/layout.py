"""Where the elements of a value lie: strides over a base that is stored in C order; and what views do to them.

Imports core; start reading at `Ref`.
"""

from __future__ import annotations

from typing import TypeAlias

from functrans.core.ir import Literal, Var
from functrans.core.lowering import Remap, Reshape, Strided
from functrans.record import Record
from functrans.typing import Shape

__all__ = ["Elements", "Layout", "Ref", "contiguous_strides", "unit_remap"]


def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """In elements, of an array in C order."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


class Layout(Record):
    """Element (i, j, …) lies at `offset + i * strides[0] + j * strides[1] + …`, counted in elements."""

    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @staticmethod
    def contiguous(shape: Shape) -> Layout:
        return Layout(shape, contiguous_strides(shape))

    @property
    def is_contiguous(self) -> bool:
        """Whether it is C order from the first element of the base on; strides of axes of length 1 do not matter."""
        plain = contiguous_strides(self.shape)
        pairs = zip(self.shape, self.strides, plain, strict=True)
        return self.offset == 0 and all(size == 1 or a == b for size, a, b in pairs)

    def seen(self, view: Remap | Strided | Reshape, shape: Shape) -> Layout | None:
        """The layout of a view of this, of a shape; None where no strides say it."""
        if isinstance(view, Remap):
            return Layout(shape, tuple(0 if a is None else self.strides[a] for a in view.axes), self.offset)
        if isinstance(view, Strided):
            offset = sum(a * stride for a, stride in zip(view.start, self.strides, strict=True))
            strides = tuple(step * stride for step, stride in zip(view.step, self.strides, strict=True))
            return Layout(shape, strides, self.offset + offset)
        return self._reshaped(shape)

    def _reshaped(self, shape: Shape) -> Layout | None:
        """By runs of axes that lie one after the other in memory: each run may be cut anew."""
        if 0 in shape:
            return Layout.contiguous(shape)
        runs = [(size, stride) for size, stride in zip(self.shape, self.strides, strict=True) if size != 1]
        merged: list[tuple[int, int]] = []
        for size, stride in runs:
            if merged and merged[-1][1] == size * stride:
                merged[-1] = (merged[-1][0] * size, stride)
            else:
                merged.append((size, stride))
        strides: list[int] = []
        for size in reversed(shape):
            if size == 1:
                strides.append(0)
                continue
            if not merged or merged[-1][0] % size:
                return None
            rest, stride = merged.pop()
            strides.append(stride)
            if rest != size:
                merged.append((rest // size, stride * size))
        return Layout(shape, tuple(reversed(strides)), self.offset)


def unit_remap(old: Shape, new: Shape) -> Remap | None:
    """A reshape that only adds or drops axes of length 1, as a Remap."""
    if [size for size in old if size != 1] != [size for size in new if size != 1]:
        return None
    axes = iter([axis for axis, size in enumerate(old) if size != 1])
    return Remap(tuple(None if size == 1 else next(axes) for size in new))


Elements: TypeAlias = tuple[Var | Literal, Layout, frozenset[Var]]
"""A base, where the elements lie in it, and what is to be computed before they are read."""


class Ref(Record):
    """A value as views of a base: a variable that is stored in C order, or a literal, which repeats."""

    base: Var | Literal
    layout: Layout
    axes: tuple[int | None, ...] | None
    """For each axis the base's that it runs along, if the views are no more than that."""
    behind: frozenset[Var] = frozenset()
    """What is to be computed before anything is made of this: see `Barrier`."""

    @staticmethod
    def whole(base: Var | Literal) -> Ref:
        shape = base.aval.shape
        return Ref(base, Layout.contiguous(shape), tuple(None if n == 1 else i for i, n in enumerate(shape)))

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the base, in its order: then the base's memory can stand for it."""
        return (
            isinstance(self.base, Var) and self.layout.is_contiguous and _size(self.layout.shape) == self.base.aval.size
        )

    @property
    def elements(self) -> Elements:
        """What a copy of this would be a copy of."""
        return self.base, self.layout, self.behind

    def seen(self, view: Remap | Strided | Reshape, shape: Shape) -> Ref | None:
        """A view of this; None where it takes a copy."""
        if isinstance(view, Reshape):
            view = unit_remap(self.layout.shape, shape) or view
        layout = self.layout.seen(view, shape)
        if layout is None:
            return None
        axes = None
        if isinstance(view, Remap) and self.axes is not None:
            axes = tuple(None if a is None or n == 1 else self.axes[a] for a, n in zip(view.axes, shape, strict=True))
        return Ref(self.base, layout, axes, self.behind)


def _size(shape: Shape) -> int:
    size = 1
    for n in shape:
        size *= n
    return size
