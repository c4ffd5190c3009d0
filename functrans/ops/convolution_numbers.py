"""How the operands of a convolution lie: dimension numbers, shapes, padding of its transposes. Only integers.

Imports core, errors and `windows`; start reading at `conv_dimension_numbers`, then `Convolution`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from functrans.core.lowering_windows import Convolve, Window
from functrans.errors import ParameterError
from functrans.ops.axes import ints
from functrans.ops.windows import Padding, check_windows, dilated, transposed_padding
from functrans.record import NamedTuple, Record
from functrans.typing import Shape

__all__ = [
    "ConvDimensionNumbers", "ConvGeneralDilatedDimensionNumbers", "Convolution", "Precision", "PrecisionLike",
    "conv_dimension_numbers", "precision_of",
]  # fmt: skip

NAME = "conv_general_dilated"
Axes: TypeAlias = tuple[int, ...]


class ConvDimensionNumbers(NamedTuple):
    """Which axis of each array plays which part in a convolution."""

    lhs_spec: Axes
    """The batch axis, the feature axis, the spatial axes."""
    rhs_spec: Axes
    """The axis of output features, that of input features, the axes of the window."""
    out_spec: Axes
    """As lhs_spec."""


ConvGeneralDilatedDimensionNumbers: TypeAlias = (
    ConvDimensionNumbers | tuple[str, str, str] | tuple[Sequence[int], Sequence[int], Sequence[int]] | None
)


class Precision(Enum):
    """How exactly to multiply; in the order of exactness."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


PrecisionLike: TypeAlias = str | Precision | tuple[str | Precision, str | Precision] | None


def precision_of(given: PrecisionLike) -> Precision:
    """A precision by any of its names; of a pair the more exact one."""
    if isinstance(given, tuple):
        return max(map(precision_of, given), key=lambda precision: precision.value)
    if given is None or isinstance(given, Precision):
        return given or Precision.DEFAULT
    if given.upper() not in Precision.__members__:
        raise ParameterError(NAME, f"precision={given!r}", 'None, "default", "high" or "highest"')
    return Precision[given.upper()]


# ---- dimension numbers ----


def conv_dimension_numbers(
    lhs_shape: Shape, rhs_shape: Shape, dimension_numbers: ConvGeneralDilatedDimensionNumbers
) -> ConvDimensionNumbers:
    """Dimension numbers from strings as ("NCHW", "OIHW", "NCHW"); None stands for those, of any rank.

    The letters N and C are batch and features, O and I output and input features; the others are spatial and go in the
    order of the second string. Raises ParameterError.

    >>> conv_dimension_numbers((1, 8, 8, 3), (3, 3, 3, 4), ("NHWC", "HWIO", "NHWC"))
    ConvDimensionNumbers(lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2))
    """
    rank = len(lhs_shape)
    if rank != len(rhs_shape) or rank < 2:
        raise ParameterError(NAME, f"operands of shapes {tuple(lhs_shape)} and {tuple(rhs_shape)}",
                             "operands of one rank, at least 2: batch, features and the spatial axes")  # fmt: skip
    if dimension_numbers is None:
        return ConvDimensionNumbers(*(tuple(range(rank)),) * 3)
    if len(dimension_numbers) != 3:
        raise ParameterError(
            NAME, f"dimension_numbers={dimension_numbers}", "three parts: of lhs, of rhs, of the result"
        )
    lhs, rhs, out = dimension_numbers
    if isinstance(lhs, str) and isinstance(rhs, str) and isinstance(out, str):
        return _from_letters(rank, lhs, rhs, out)
    numbers = ConvDimensionNumbers(*(ints(spec) for spec in (lhs, rhs, out)))  # type: ignore[arg-type]  # ints says so
    if any(sorted(spec) != list(range(rank)) for spec in numbers):
        raise ParameterError(NAME, f"dimension_numbers={numbers} for rank {rank}", "each axis once in each part")
    return numbers


def _from_letters(rank: int, lhs: str, rhs: str, out: str) -> ConvDimensionNumbers:
    spatial = [letter for letter in rhs if letter not in "OI"]
    specs = []
    for letters, first in ((lhs, "NC"), (rhs, "OI"), (out, "NC")):
        wanted = [*first, *spatial]
        if len(letters) != rank or sorted(letters) != sorted(wanted) or len(set(letters)) != rank:
            raise ParameterError(NAME, f"dimension_numbers=({lhs!r}, {rhs!r}, {out!r}) for operands of rank {rank}",
                                 "a letter for each axis: N and C in lhs and result, O and I in rhs, and the same others "
                                 "in all three")  # fmt: skip
        specs.append(tuple(map(letters.index, wanted)))
    return ConvDimensionNumbers(*specs)


# ---- a convolution of operands of known shapes ----


class Convolution(Record):
    """A convolution and the shapes of its operands."""

    lhs: Shape
    rhs: Shape
    dims: ConvDimensionNumbers
    windows: tuple[Window, ...]
    feature_groups: int
    batch_groups: int
    out: Shape

    @property
    def groups(self) -> int:
        """Of one kind or the other."""
        return self.feature_groups * self.batch_groups

    def lowering(self, precision: Precision) -> Convolve:
        is_exact = precision is not Precision.DEFAULT
        return Convolve(self.windows, self.dims[:3], self.feature_groups, self.batch_groups, is_exact)

    def lhs_cotangent_padding(self) -> Padding:
        """Of the convolution of the result's cotangent with the reversed right operand: the left one's shape."""
        return tuple(transposed_padding(window, lhs, out) for window, lhs, out in self._spatial())

    def rhs_cotangent_padding(self) -> Padding:
        """Of the convolution of the left operand with the result's cotangent: the right one's shape."""
        return tuple(
            (
                window.before,
                window.reach - 1 + dilated(out, window.stride) - dilated(lhs, window.spread) - window.before,
            )
            for window, lhs, out in self._spatial()
        )

    def _spatial(self) -> list[tuple[Window, int, int]]:
        """Each spatial axis: its windows, and its length in the left operand and in the result."""
        lengths = [
            [shape[axis] for axis in spec[2:]] for shape, spec in ((self.lhs, self.dims[0]), (self.out, self.dims[2]))
        ]
        return list(zip(self.windows, *lengths, strict=True))


@lru_cache(maxsize=4096)
def convolution_of(
    lhs: Shape,
    rhs: Shape,
    window_strides: Shape,
    padding: Padding,
    lhs_dilation: Shape,
    rhs_dilation: Shape,
    dims: ConvDimensionNumbers,
    feature_groups: int,
    batch_groups: int,
) -> Convolution:
    """The convolution of these shapes; raises ParameterError where they do not fit."""
    sizes = [rhs[axis] for axis in dims.rhs_spec[2:]]
    given = zip(sizes, window_strides, padding, lhs_dilation, rhs_dilation, strict=True)
    windows = tuple(Window(size, stride, *pair, spread, apart) for size, stride, pair, spread, apart in given)
    batch, _, *spatial = (lhs[axis] for axis in dims.lhs_spec)
    _check_groups(lhs, rhs, dims, feature_groups, batch_groups)
    counts = check_windows(NAME, tuple(spatial), windows)
    result = (batch // batch_groups, rhs[dims.rhs_spec[0]], *counts)
    out = tuple(result[dims.out_spec.index(axis)] for axis in range(len(lhs)))
    return Convolution(lhs, rhs, dims, windows, feature_groups, batch_groups, out)


def _check_groups(lhs: Shape, rhs: Shape, dims: ConvDimensionNumbers, feature_groups: int, batch_groups: int) -> None:
    batch, features = (lhs[axis] for axis in dims.lhs_spec[:2])
    outputs, inputs = (rhs[axis] for axis in dims.rhs_spec[:2])
    got = f"operands of shapes {lhs} and {rhs} with {dims}"
    if feature_groups < 1 or batch_groups < 1 or feature_groups > 1 < batch_groups:
        raise ParameterError(NAME, f"feature_group_count={feature_groups} and batch_group_count={batch_groups}",
                             "positive numbers, of which one at most is more than 1")  # fmt: skip
    if inputs * feature_groups != features:
        raise ParameterError(NAME, f"{got}: {features} features in lhs, {inputs} input features in rhs, "
                             f"feature_group_count={feature_groups}",
                             "as many features in lhs as there are groups times input features in rhs")  # fmt: skip
    if outputs % (feature_groups * batch_groups) or batch % batch_groups:
        raise ParameterError(NAME, f"{got}: {outputs} output features in rhs and a batch of {batch}, "
                             f"feature_group_count={feature_groups}, batch_group_count={batch_groups}",
                             "output features that the groups divide, and a batch that the batch groups divide")  # fmt: skip
