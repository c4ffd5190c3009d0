"""One class per user mistake.

Each constructor takes the objects involved and writes the message itself: what differed (in the user's own names and key
paths, all differences), where (the user's file and line), and what to write instead. This module imports nothing of the
library; start reading at `FunctransError`, then at the class whose message you met.
"""

from __future__ import annotations


class FunctransError(Exception):
    """Base of every error that functrans raises on purpose.

    A message has up to three paragraphs: `what` happened, `where` in the user's code, and the `fix`: what to write instead.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__("\n".join(part for part in (what, where, fix) if part))


class LeakedTracerError(FunctransError, RuntimeError):
    """A traced value was used after the transformed function that it belongs to had returned, or in another thread."""

    def __init__(self, tracer: str, used_by: str, alive: bool) -> None:
        how = "in another thread or context than the one that traces it" if alive else "after its trace had ended"
        super().__init__(
            f"Leaked tracer: {tracer} was used by `{used_by}` {how}.",
            fix="Return the value from the transformed function instead of storing it in a global, an attribute, a list or "
            "a default argument; a function under a transform must not have side effects.",
        )


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
        super().__init__(f"`{primitive}` got {got}; it needs {needs}.")
