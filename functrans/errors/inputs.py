"""What a transformed function was called with: leaves that are no arrays, static arguments, mapped axes.

Imports `base`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from functrans.errors.base import FunctransError

__all__ = [
    "ArgnumsError",
    "FlatVectorError",
    "IntegerRangeError",
    "NonArrayInputError",
    "NonArrayOutputError",
    "StaticArgumentError",
    "UnboundAxisError",
    "VmapAxisError",
    "VmapSizeError",
]


class NonArrayInputError(FunctransError, TypeError):
    """An argument of a transformed function is, or contains, something that is no array and no number."""

    def __init__(self, transform: str, path: str, value: object, why: str = "") -> None:
        argument = re.split(r"[.\[]", path)[0]
        bound = f"functools.partial(f, {argument}=...)" if argument.isidentifier() else "functools.partial"
        fix = f"Convert {path} to an array of numbers, or pass it by closure: {bound}."
        if transform.startswith("jit") and argument.isidentifier():
            fix = f"{fix[:-1]}, or jit(f, static_argnames={argument!r})."
        super().__init__(
            f"{transform} got {path} of type {type(value).__name__}{': ' + why if why else ''}; every leaf of an argument "
            "must be an array or a number (bool, integer, floating or complex).",
            fix=fix,
        )


class IntegerRangeError(FunctransError, OverflowError):
    """A Python int is to become an int64, and is out of its range."""

    def __init__(self, value: int) -> None:
        bits = value.bit_length()
        shown = f"{value}" if bits <= 128 else f"of {bits} bits"
        other = f", or np.uint64({value})" if value > 0 and bits == 64 else ""
        super().__init__(
            f"A Python int is computed with as an int64, from -2**63 to 2**63 - 1; the one {shown} is out of this range.",
            fix=f"Write it as a float{other}.",
        )


class NonArrayOutputError(FunctransError, TypeError):
    """A transformed function returned something that is, or contains, no array and no number."""

    def __init__(self, function: str, path: str, value: object, why: str = "") -> None:
        what = f"a value of type {type(value).__name__}{f' ({why})' if why else ''}"
        super().__init__(
            f"`{function}` returned {what}{'' if path == 'result' else f', as {path}'}; what a transformed function returns must "
            "be arrays and numbers (bool, integer, floating or complex), or trees of them.",
            fix="Convert it to an array of numbers, or leave it out and compute it outside the transformed function.",
        )


class StaticArgumentError(FunctransError, ValueError):
    """Static arguments of jit that the function does not have, or whose values cannot be used as keys."""

    def __init__(self, function: str, what: str, problem: str) -> None:
        super().__init__(
            f"jit of `{function}`: {what}: {problem}.",
            fix="Static arguments are compared and hashed to find the compiled function: pass numbers, strings, None, enums, "
            "tuples or frozen dataclasses; arrays, lists and dicts are traced, so leave them out of static_argnums.",
        )


class ArgnumsError(FunctransError, ValueError):
    """`argnums` names positional arguments that the call does not have, or one of them twice."""

    def __init__(self, transform: str, function: str, argnums: object, count: int) -> None:
        super().__init__(
            f"{transform} of `{function}` with argnums={argnums!r} was called with {count} positional argument(s).",
            fix="What is differentiated must be passed by position: call it as f(x, ...), not f(x=...), and count from 0; name "
            "each argument once.",
        )


class FlatVectorError(FunctransError, ValueError):
    """What `unravel` was called with is not a vector like the one that `ravel_pytree` made."""

    def __init__(self, got: str, length: int, dtype: str) -> None:
        super().__init__(
            f"unravel got an array of type {got}; it takes one of shape ({length},) and of a dtype that casts to {dtype}.",
            fix="Pass an array like the one that ravel_pytree returned next to this function; reshape(-1) flattens one.",
        )


class VmapAxisError(FunctransError, ValueError):
    """`in_axes`, `out_axes`, `axis_size` or `chunk_size` of vmap do not fit the call."""

    def __init__(self, function: str, problem: str) -> None:
        fix = "in_axes has one entry per positional argument: the axis to map over, or None to share it among all elements."
        if problem.startswith("out_axes"):
            fix = "out_axes says which axis of each result is the mapped one; None is for results that are the same for all."
        super().__init__(f"vmap of `{function}`: {problem}.", fix=fix)


class VmapSizeError(FunctransError, ValueError):
    """The arguments of a vmapped function have different lengths along their mapped axes."""

    def __init__(
        self,
        function: str,
        mapped: list[tuple[str, tuple[int, ...], int | None, int]],
        axis_size: int | None,
    ) -> None:
        sizes = [size for *_, size in mapped]
        usual = axis_size if axis_size is not None else max(sizes, key=sizes.count)
        said = "axis_size" if axis_size is not None else ", ".join(path for path, *_, size in mapped if size == usual)
        odd = "\n".join(
            f"  {path} of shape {shape} has {size} along axis {axis}"
            for path, shape, axis, size in mapped
            if size != usual
        )
        super().__init__(
            f"vmap of `{function}` got different lengths of the mapped axis: {usual} from {said}, but\n{odd}",
            fix="Map over axes of one length; in_axes chooses the axis of each argument, None shares an argument.",
        )


class UnboundAxisError(FunctransError, NameError):
    """A collective names an axis that no enclosing vmap has."""

    def __init__(self, name: object, known: Sequence[object]) -> None:
        listed = f"the named axes here are {', '.join(map(repr, known))}" if known else "there is no named axis here"
        super().__init__(
            f"There is no axis named {name!r}: {listed}.",
            fix=f"Call the collective inside a function that is mapped with vmap(..., axis_name={name!r}).",
        )
