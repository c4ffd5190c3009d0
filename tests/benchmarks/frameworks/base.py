"""What every framework has in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.inputs import Tree, leaves

Array = Any  # Any: each framework's own
Program = Callable[[], Any]
"""What is timed; when it returns, the results are there."""


class Framework:
    """A framework in a process of its own; each method that a `Workload.kind` names makes a program of the inputs."""

    def __init__(self, threads: int) -> None:
        """Import it and say how many threads it may have."""

    def warm_up(self) -> None:
        """What a user pays once in a process, and not for each function."""

    def put(self, inputs: Tree) -> Tree:
        """The inputs as a user of this framework would hold them."""
        return inputs

    def array(self, leaf: Array) -> np.ndarray[Any, Any]:
        return np.asarray(leaf)

    def results(self, result: Tree) -> list[np.ndarray[Any, Any]]:
        """The leaves of a program's result, as NumPy arrays of their own."""
        return [np.array(self.array(leaf)) for leaf in leaves(result)]


def carried(step: Callable[..., tuple[Any, Tree]], params: Tree, *rest: Array) -> Program:
    """A program whose every call goes on with the parameters that the one before gave."""

    def program() -> tuple[Any, Tree]:
        nonlocal params
        value, params = step(params, *rest)
        return value, params

    return program
