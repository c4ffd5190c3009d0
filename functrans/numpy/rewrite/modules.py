"""What the user's module calls NumPy and functrans.lax, and the lines that import them where it has no name for them.

Imports nothing of the library; start reading at `Modules`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy

__all__ = ["Modules"]


class Modules:
    """The names of the modules that rewritten code uses: those of the user's, or new ones with their imports."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self.np, self._import_np = _found(names, "np", "numpy", "import numpy as np", "import numpy")
        self.lax, self._import_lax = _found(
            names, "lax", "functrans.lax", "from functrans import lax", "import functrans"
        )

    def imports(self, code: str) -> list[str]:
        """The imports that a piece of code lacks."""
        pairs = ((self.np, self._import_np), (self.lax, self._import_lax))
        return [line for name, line in pairs if line and f"{name}." in code]


def _found(names: Mapping[str, object], usual: str, module: str, new: str, whole: str) -> tuple[str, str]:
    """A module's name, and the import that it needs."""
    taken = names.get(usual)
    if taken is None:
        return usual, new
    same = getattr(taken, "__name__", "") == module or (usual == "np" and hasattr(taken, numpy.logical_and.__name__))
    return (usual, "") if same else (module, whole)
