"""What every error is: `FunctransError`, whose message has up to three paragraphs.

Imports nothing of the library; start reading here, then at the class whose message you met.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent

__all__ = ["LOCATE", "FunctransError", "kind_of", "write"]

LOCATE: list[Callable[[], str]] = []  # filled by core/source.py, which imports this module


class FunctransError(Exception):
    """Base of every error that functrans raises on purpose.

    A message has up to three paragraphs: `what` happened, `where` in the user's code, and the `fix`: what to write instead.
    Where an error does not say where, it is the line of the user that is running when the error is made.
    """

    is_placed = False
    """Whether `where` is right as it is: the error came from a function that the program called back, or from an equation
    inside the one that is running: a loop's line says less than the line in its body."""

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where or "".join(locate() for locate in LOCATE), fix

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.where, self.fix) if part)

    def __reduce__(self) -> tuple[Callable[..., FunctransError], tuple[object, ...], dict[str, object]]:
        """Errors pass between processes, though their constructors take other things than a message."""
        return _bare, (type(self), self.what), self.__dict__


def _bare(kind: type[FunctransError], what: str) -> FunctransError:
    return kind.__new__(kind, what)


def kind_of(value: object) -> str:
    """What the user gave or returned, for messages: a tracer is an array to them."""
    aval = getattr(value, "aval", None)
    return f"a value of type {type(value).__name__}" if aval is None else f"an array of type {aval}"


def write(code: str, instead_of: str = "") -> str:
    """The third paragraph: the user's line or statement, rewritten."""
    if "\n" in code or "\n" in instead_of:
        return f"Instead of\n{indent(instead_of, '    ')}\nwrite\n{indent(code, '    ')}"
    imports = {"fnp.": "import functrans.numpy as fnp", "functrans.": "import functrans"}
    return "\nwith  ".join([f"Write:  {code}", *(text for name, text in imports.items() if name in code)])
