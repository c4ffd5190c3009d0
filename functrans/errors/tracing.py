"""Traced values where only real ones will do, and those that outlive their trace.

Imports `base`.
"""

from __future__ import annotations

from functrans.errors.base import FunctransError, write

__all__ = [
    "ConcretizationError",
    "InPlaceError",
    "LeakedTracerError",
    "TracedLengthError",
    "TracedParameterError",
    "TracerConversionError",
    "ValueDependentShapeError",
]


class LeakedTracerError(FunctransError, RuntimeError):
    """A traced value was used after the transformed function that it belongs to had returned, or in another thread."""

    def __init__(self, tracer: str, used_by: str, alive: bool, home: str = "") -> None:
        self.tracer = tracer
        how = "in another thread or context than the one that traces it" if alive else "after its trace had ended"
        whose = f"\nIt belongs to the transformed function {home}: look there for what keeps it." if home else ""
        super().__init__(
            f"Leaked tracer: {tracer} was used by {used_by} {how}.{whose}",
            fix="Return the value from the transformed function instead of storing it in a global, an attribute, a list or "
            "a default argument; a function under a transform must not have side effects.",
        )


class ConcretizationError(FunctransError, TypeError):
    """The value of a traced array was asked for, where only its type is known or where its derivative would be lost."""

    def __init__(
        self,
        tracer: str,
        wanted: str,
        where: str = "",
        fix: str = "",
        why: str = "whose value is not known while the function is traced",
        rewritten: str = "",
        instead_of: str = "",
    ) -> None:
        super().__init__(
            f"This needs {wanted}, and got {tracer}, {why}.", where, write(rewritten, instead_of) if rewritten else fix
        )


class TracedLengthError(FunctransError, ValueError):
    """A traced value was given to NumPy as a length: no TypeError, because NumPy replaces those by its own."""

    def __init__(self, tracer: str, wanted_by: str, fix: str) -> None:
        super().__init__(
            f"{wanted_by} needs lengths that are known while the function is traced, and got {tracer}.", fix=fix
        )


class TracerConversionError(FunctransError, TypeError):
    """A traced value was to be turned into a concrete array or number, or to become an element of one."""

    def __init__(self, tracer: str, wanted_by: str, where: str = "", rewritten: str = "") -> None:
        super().__init__(
            f"{tracer} was to become a concrete array, or part of one, in {wanted_by}; NumPy's arrays cannot hold it.",
            where,
            write(rewritten)
            if rewritten
            else "Build arrays of traced values with np.stack, np.concatenate or np.where, and index with functrans.numpy.take.",
        )


class InPlaceError(FunctransError, TypeError):
    """A traced array was to be written to whose memory is not the function's own: an argument, say, or a view of one."""

    def __init__(self, tracer: str, what: str, why: str, where: str = "", rewritten: str = "") -> None:
        fix = "Copy the array first, x = x.copy(), and write to the copy."
        super().__init__(
            f"{what} would write to {tracer}, which is {why}.",
            where,
            f"{write(rewritten)}\nor write to a copy of it, which .copy() makes." if rewritten else fix,
        )


class TracedParameterError(FunctransError, TypeError):
    """A traced value where a function needs a number that it knows: an axis, a shape, a shift."""

    def __init__(self, function: str, argument: str, fix: str, where: str = "") -> None:
        super().__init__(f"`{argument}` of `{function}` must be known while tracing; it is a traced value.", where, fix)


class ValueDependentShapeError(FunctransError, TypeError):
    """A NumPy function whose result's shape depends on values that are not known while a function is traced."""

    def __init__(self, function: str, argument: str, fix: str, where: str = "") -> None:
        super().__init__(
            f"`{function}` cannot be traced: the shape of its result depends on the values of `{argument}`.", where, fix
        )
