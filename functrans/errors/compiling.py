"""Programs that were compiled ahead of time, and what they are asked for.

Imports `base` and `trees`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from functrans.errors.base import FunctransError
from functrans.errors.trees import Difference

__all__ = [
    "CompiledArgumentsError", "ForeignProgramError", "NoMachineCodeError", "NotExportableError", "RefusedOperandsError",
]  # fmt: skip


class CompiledArgumentsError(FunctransError, TypeError):
    """A compiled program was called with arguments of another kind than it was lowered for."""

    def __init__(
        self, function: str, wanted: Mapping[str, str], got: Mapping[str, str], containers: Sequence[Difference]
    ) -> None:
        pairs = [(path, wanted.get(path), got.get(path)) for path in {**wanted, **got}]
        pairs = [pair for pair in pairs if pair[1] != pair[2]] or [*containers]
        differences = [
            f"  {path}: {one or 'no such argument'}, and this call has {other or 'none'}" for path, one, other in pairs
        ]
        super().__init__(
            "\n".join([f"{function} was compiled for arguments of other types than those of this call:", *differences]),
            fix=f"Convert the arguments, lower it for these too, or call {function} itself, which compiles for every kind.",
        )


class NoMachineCodeError(FunctransError, RuntimeError):
    """The machine code was asked for of a program that NumPy runs."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"There is no machine code of this program: {why}.",
            fix="Its equations, which NumPy runs one by one, are in `optimized_jaxpr`.",
        )


class NotExportableError(FunctransError, ValueError):
    """A program cannot stand alone: something in it needs this process."""

    def __init__(self, function: str, reasons: Sequence[str]) -> None:
        super().__init__(
            "\n".join([f"{function} cannot be exported:", *(f"  {reason}" for reason in reasons)]),
            fix="`jit(f).explain()` tells which parts NumPy runs; export a function without them.",
        )


class ForeignProgramError(FunctransError, ValueError):
    """A file or bytes hold no program that can run here."""

    def __init__(self, source: str, why: str) -> None:
        super().__init__(
            f"{source} cannot be loaded: {why}.",
            fix="Export it again, with this version of functrans, on a machine of this kind.",
        )


class RefusedOperandsError(FunctransError, IndexError):
    """A program that stands alone met an index out of range, or another operand for which NumPy raises."""

    def __init__(self, function: str, primitive: str, where: str) -> None:
        super().__init__(
            f"{function}: `{primitive}` met an index out of range, or another value that NumPy refuses", where
        )
