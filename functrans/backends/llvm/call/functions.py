"""The addresses of the machine code of calls, each piece made once for all processes. Start reading at `step_address`."""

from __future__ import annotations

from functools import cache, partial

from functrans.backends.llvm.call.words import CALL
from functrans.backends.llvm.image import Image, Library
from functrans.backends.llvm.stored import library

__all__ = ["call_address", "step_address"]

_COMMON = (CALL, "context", "array", "new_array", "run")
"""The call itself and the steps of nearly all recipes are one piece; every other step is one."""


@cache
def step_address(name: str) -> int:
    """Where a step is."""
    exports = _COMMON if name in _COMMON else (name,)
    return library(" ".join(exports), partial(_compiled, exports)).address(name)


def call_address() -> int:
    """Where the function is that Python's vectorcall protocol calls."""
    return step_address(CALL)


def _compiled(exports: tuple[str, ...]) -> tuple[Library, Image | None]:
    # Here and not above: it loads the compiler, which is of no use where the code lies on disk.
    from functrans.backends.llvm.call.vectorcall import compiled

    return compiled(exports)
