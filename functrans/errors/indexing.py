"""Subscripts, and the updates of `x.at[...]`.

Imports `base`.
"""

from __future__ import annotations

from functrans.errors.base import FunctransError

__all__ = ["IndexExpressionError", "IndexOutOfBoundsError", "TracedMaskError", "UpdateShapeError", "UpdateTypeError"]


class IndexOutOfBoundsError(FunctransError, IndexError):
    """An index beyond the end of its axis."""

    def __init__(self, index: int, axis: int, size: int, where: str = "", *, from_end: bool = True) -> None:
        fix = (
            f"Write an index from {-size if from_end else 0} to {size - 1}."
            if size
            else "This axis has no elements to index."
        )
        super().__init__(f"index {index} is out of bounds for axis {axis} with size {size}", where, fix)


class IndexExpressionError(FunctransError, IndexError):
    """A subscript that NumPy does not accept either: of the wrong kind, shape or number of dimensions."""

    def __init__(self, what: str, fix: str = "") -> None:
        fix = fix or "Write one integer, slice, None, `...` or array of integers or bools for each axis, and no more."
        super().__init__(what, fix=fix)


class TracedMaskError(FunctransError, IndexError):
    """An array indexed by a boolean array whose values are not known while the function is traced."""

    def __init__(self, mask: str) -> None:
        super().__init__(
            f"Cannot index by a boolean array that is traced: how many elements {mask} selects is not known.",
            fix="Write np.where(mask, x, 0) for x[mask] and reduce that, and np.where(mask, values, x) for x[mask] = values.",
        )


class UpdateShapeError(FunctransError, ValueError):
    """Values that do not broadcast to the part of an array that they are to update."""

    def __init__(self, values: tuple[int, ...], region: tuple[int, ...]) -> None:
        super().__init__(
            f"could not broadcast values of shape {values} into the indexed part of shape {region}",
            fix="The values' shape must broadcast to that of x[index]; reshape them, or index fewer elements.",
        )


class UpdateTypeError(FunctransError, TypeError):
    """Values whose dtype NumPy does not cast to that of the array that they are to update."""

    def __init__(self, values: str, array: str) -> None:
        super().__init__(
            f"Cannot cast values of type {values} to {array} with casting rule 'same_kind': an update keeps the array's "
            "dtype.",
            fix="Convert the array before the update, x.astype(values.dtype), or the values, values.astype(x.dtype).",
        )
