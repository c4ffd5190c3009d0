"""Derivative rules that users give.

Imports `base`.
"""

from __future__ import annotations

from functrans.errors.base import FunctransError

__all__ = ["CustomClosureError", "CustomRuleError", "MissingRuleError"]


class MissingRuleError(FunctransError, TypeError):
    """A custom_vjp or custom_jvp function was called before its rule was given."""

    def __init__(self, function: str, needed: str) -> None:
        super().__init__(f"`{function}` has no derivative rule yet.", fix=f"Call {function}.{needed} first.")


class CustomRuleError(FunctransError, TypeError):
    """A custom derivative rule that does not return what it must."""

    def __init__(self, function: str, problem: str, needed: str) -> None:
        super().__init__(f"In the custom derivative of `{function}`, {problem}.", fix=f"It must be {needed}.")


class CustomClosureError(FunctransError, TypeError):
    """A function with a custom derivative, or its rule, closes over a traced value."""

    def __init__(self, function: str, tracer: str) -> None:
        super().__init__(
            f"The custom derivative of {function} closes over {tracer}, which belongs to a transform around it.",
            fix="Rules give derivatives for arguments only: pass the value as one more argument.",
        )
