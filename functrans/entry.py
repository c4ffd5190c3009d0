"""What one tracing of a jitted function gave. Imports guards and the log of calls; there is only `Entry`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from functrans.call_log import Miss
from functrans.compiler.options import Options
from functrans.core.ir import Jaxpr
from functrans.core.primitive import Values
from functrans.guards import Guards
from functrans.record import Record
from functrans.tree import TreeDef

__all__ = ["Entry"]


class Entry(Record, eq=False):
    """A program and when it holds."""

    jaxpr: Jaxpr
    out_tree: TreeDef[Any]
    guards: Guards
    outer: Values
    """Tracers of outer transforms that the function closes over: leading arguments of the jaxpr."""
    miss: Miss
    """The call that was traced."""
    options: Options
    turns: Iterator[int]
    """Machine code is told to serve such calls so often: again where the order of keywords, say, is another."""
