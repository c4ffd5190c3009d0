"""Derivative rules that users give.

Imports `base`.
"""

from __future__ import annotations

from functrans.errors.base import FunctransError

__all__ = ["CustomRuleError", "MissingRuleError"]


class MissingRuleError(FunctransError, TypeError):
    """A custom_vjp or custom_jvp function was called before its rule was given."""

    def __init__(self, function: str, needed: str) -> None:
        super().__init__(f"`{function}` has no derivative rule yet.", fix=f"Call {function}.{needed} first.")


class CustomRuleError(FunctransError, TypeError):
    """A custom derivative rule that does not return what it must."""

    def __init__(self, function: str, problem: str, needed: str) -> None:
        super().__init__(f"In the custom derivative of `{function}`, {problem}; it must be {needed}.")
