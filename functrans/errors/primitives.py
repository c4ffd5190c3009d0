"""Operands and parameters that a primitive does not take, and jaxprs that are not well formed.

Imports `base`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.errors.base import FunctransError

__all__ = [
    "CaseNumberError",
    "EmptyReductionError",
    "JaxprError",
    "OperandError",
    "ParameterError",
    "ShapeMismatchError",
]


class OperandError(FunctransError, TypeError):
    """Operands that a primitive does not accept: their shapes or dtypes differ, or the dtype is of the wrong kind."""

    def __init__(self, primitive: str, operands: list[str], needs: str) -> None:
        super().__init__(
            f"`{primitive}` got operands of types {', '.join(operands)}; it needs {needs}.",
            fix="Primitives neither promote nor broadcast. Use the function of functrans.numpy, which does, or convert and "
            "broadcast the operands first.",
        )


class ParameterError(FunctransError, ValueError):
    """A parameter of a primitive that does not fit its operands."""

    def __init__(self, primitive: str, got: str, needs: str) -> None:
        super().__init__(f"`{primitive}` got {got}.", fix=f"It needs {needs}.")


class ShapeMismatchError(ParameterError):
    """Operands of a NumPy function whose shapes do not go together."""

    def __init__(self, function: str, operands: Sequence[tuple[tuple[int, ...], str]], needs: str) -> None:
        shapes = " and ".join(str(shape) for shape, _ in operands)
        lines = [f"  {shape}: {origin}" for shape, origin in operands]
        what = "\n".join([f"`{function}` got operands of shapes {shapes}:", *lines])
        FunctransError.__init__(self, what, fix=f"It needs {needs}.")


class EmptyReductionError(FunctransError, ValueError):
    """A maximum or minimum, or its position, of no elements: there is no such value."""

    def __init__(self, primitive: str, operand: str) -> None:
        super().__init__(
            f"`{primitive}` got a zero-size operand of type {operand}: a reduction which has no identity needs elements.",
            fix="Reduce over an axis that has elements, or give `initial=`, which is the result of no elements.",
        )


class CaseNumberError(FunctransError, IndexError):
    """`select_n` was asked for a case that it does not have."""

    def __init__(self, count: int, lowest: int, highest: int) -> None:
        super().__init__(
            f"`select_n` got numbers of cases from {lowest} to {highest}; it has {count} cases, 0 to {count - 1}.",
            fix="Clip the numbers first: `clamp(0, which, len(cases) - 1)`.",
        )


class JaxprError(FunctransError, TypeError):
    """A jaxpr that is not well formed: a bug in a primitive's rule or in a pass, shown with the equations around it."""

    def __init__(self, problem: str, window: list[str]) -> None:
        super().__init__(f"Ill-formed jaxpr: {problem}.", "\n".join(window))
