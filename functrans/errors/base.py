"""What every error is: `FunctransError`, whose message has up to three paragraphs.

Imports nothing of the library; start reading here, then at the class whose message you met.
"""

from __future__ import annotations

__all__ = ["FunctransError", "write"]


class FunctransError(Exception):
    """Base of every error that functrans raises on purpose.

    A message has up to three paragraphs: `what` happened, `where` in the user's code, and the `fix`: what to write instead.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__("\n".join(part for part in (what, where, fix) if part))


def write(line: str) -> str:
    """The third paragraph: the user's line, rewritten."""
    return f"Write:  {line}" + ("\nwith  import functrans.numpy as fnp" if "fnp." in line else "")
