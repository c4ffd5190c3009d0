"""What a user says to `jit` besides the function. Imports static and donated arguments; start reading at `Settings`."""

from __future__ import annotations

from typing import Any

from functrans.compiler.options import Options
from functrans.donated import DonatedArguments
from functrans.record import Record, replace
from functrans.static import StaticArguments
from functrans.tree import TreeDef

__all__ = ["Settings"]


class Settings(Record):
    """The options of a jitted function."""

    static: StaticArguments
    donated: DonatedArguments
    threads: int | None
    unchecked: bool

    def method(self) -> Settings:
        """The same for the method that binds the first parameter."""
        return replace(self, static=self.static.method(), donated=self.donated.method())

    def options(self, in_tree: TreeDef[Any]) -> Options:
        """Those of the program for calls whose dynamic part has this tree."""
        return Options(self.donated.leaves(in_tree, self.static), self.threads)
