"""Loops and branches whose functions do not fit together.

Imports `base`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.errors.base import FunctransError

__all__ = [
    "BranchTypeError", "CarryTypeError", "PredicateError", "ScanLengthError", "ScanResultError",
]  # fmt: skip

_NUMPY = {"bool": "bool_", "f": "float", "i": "int", "u": "uint", "c": "complex"}


def _numpy_type(aval: str) -> str:
    """`np.float32` for `f32[3]`."""
    short = aval.partition("[")[0].rstrip("*")
    return f"np.{_NUMPY['bool']}" if short == "bool" else f"np.{_NUMPY[short[0]]}{short[1:]}"


class CarryTypeError(FunctransError, TypeError):
    """A step of a loop gave back a component of the carry with another shape or dtype than it was given."""

    def __init__(self, loop: str, function: str, changes: Sequence[tuple[str, str, str]]) -> None:
        """changes: the path of each such component in the function's own names, its type before and after a step."""
        lines = [f"    {path} is {before} before a step and {after} after it" for path, before, after in changes]
        path, before, after = changes[0]
        super().__init__(
            f"The carry of {loop} changes its type in `{function}`, and every step must give what it was given:\n"
            + "\n".join(lines),
            fix=_dtype_fix(path, before, after)
            if before.partition("[")[2] == after.partition("[")[2]
            else "Start from an array of the full shape and write into it with `.at[i].set(value)`, or let `scan` stack what "
            "the steps give besides the carry.",
        )


def _dtype_fix(path: str, before: str, after: str) -> str:
    old, new = _numpy_type(before), _numpy_type(after)
    if before.endswith("[]"):
        return f"Let the loop start from {new}(…) there, or return {old}(…) from a step."
    return f"Let the loop start from `….astype({new})` there, or return `….astype({old})` from a step: {path} stays one type."


class ScanResultError(FunctransError, TypeError):
    """The function of scan gave no pair."""

    def __init__(self, function: str, got: str) -> None:
        super().__init__(
            f"`{function}`, a step of scan, must return a pair (carry, y), and gave {got}.",
            fix="Write `return carry, None` where there is nothing to stack.",
        )


class ScanLengthError(FunctransError, ValueError):
    """The arrays that scan goes through differ in length, or it is not known how often it is to step."""

    def __init__(self, loop: str, lengths: Sequence[tuple[str, tuple[int, ...]]], length: int | None) -> None:
        """lengths: path and shape of each array."""
        given = "" if length is None else f"length={length}"
        shapes = [f"{path} of shape {shape}" for path, shape in lengths]
        got = ", ".join([*shapes, *([given] if given else [])])
        if not got:
            super().__init__(f"{loop} was given neither xs nor a length.", fix="Write `length=n` for n steps.")
            return
        super().__init__(
            f"{loop} steps along the first axis of all its arrays at once, and they differ there: {got}.",
            fix="Give arrays whose first axes have one length.",
        )


class PredicateError(FunctransError, TypeError):
    """What decides a branch or the end of a loop is no scalar of the kind that is needed."""

    def __init__(self, what: str, got: str, wanted: str, fix: str) -> None:
        super().__init__(f"{what} must be {wanted}, and is {got}.", fix=fix)


class BranchTypeError(FunctransError, TypeError):
    """Branches that give values of different structure or types."""

    def __init__(self, chooser: str, differences: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        """differences: the path of each component that differs, with every branch's name and what it gives there."""
        lines = [
            f"    {path}: " + ", ".join(f"{got} from `{branch}`" for branch, got in parts)
            for path, parts in differences
        ]
        super().__init__(
            f"The branches of {chooser} must give values of equal shapes and dtypes:\n" + "\n".join(lines),
            fix="Let each branch return the same kind of value, with `.astype(…)` or `np.broadcast_to` where they differ.",
        )
