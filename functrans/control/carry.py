"""The carry of a loop: what each step gives must be what the next one takes.

`settle` traces a step until that is so: a carry that starts as a Python number takes the type that the steps give it. Start
reading there. Imports `tracing`, errors, tree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functrans import tree
from functrans.control.tracing import Traced, as_type, join, trace, with_results
from functrans.core.aval import ShapedArray
from functrans.errors import CarryTypeError
from functrans.record import Record
from functrans.transforms.arguments import argument_paths, function_name
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = ["Step", "settle"]


class Step(Record):
    """A step of a loop, as the user wrote it: a function whose first arguments are the carry."""

    loop: str
    """The name of the loop, for messages."""
    fun: Callable[..., Any]
    """The user's function."""
    call: Callable[..., tuple[tuple[Any, ...], Any]]
    """It, as a function of the same arguments that gives the first of them for the next step, and something else."""
    carry_tree: TreeDef[tuple[Any, ...]]
    """The structure of the first arguments."""
    others: tuple[Any, ...] = ()
    """Trees like the other arguments."""

    @property
    def names(self) -> list[str]:
        """The user's names for the arguments that are the carry."""
        return argument_paths(self.fun, [0] * self.carry_tree.num_children)

    def paths(self) -> list[str]:
        """The user's name for each component of the carry."""
        return argument_paths(self.fun, tree.unflatten(self.carry_tree, range(self.carry_tree.num_leaves)))


def settle(
    step: Step, carry: Sequence[Array], types: Sequence[ShapedArray], others: Sequence[ShapedArray]
) -> tuple[Traced, list[Array]]:
    """The jaxpr of a step, which gives the types that it takes, and the initial carry in those types.

    types: those that the carry starts with. others: the types of the other arguments' leaves. Raises TreeMismatchError and
    CarryTypeError.
    """
    in_tree = tree.structure((*tree.unflatten(step.carry_tree, carry), *step.others))

    def call(*args: Any) -> tuple[Any, Any]:
        new, rest = step.call(*args)
        for name, before, after in zip(step.names, step.carry_tree.children(), new, strict=True):
            tree.check_same_structure(before, after, name, f"{name} after a step")
        return new, rest

    avals = list(types)
    while True:
        traced = trace(step.fun, in_tree, [*avals, *others], call)
        outs = traced.jaxpr.out_avals
        joined = [join(before, after) for before, after in zip(avals, outs, strict=False)]
        found = [aval for aval in joined if aval is not None]
        if len(found) < len(avals):
            changes = zip(step.paths(), avals, outs, joined, strict=False)
            raise CarryTypeError(
                step.loop, function_name(step.fun), [(path, str(a), str(b)) for path, a, b, to in changes if to is None]
            )
        if found == avals:
            results = [*avals, *outs[len(avals) :]]
            return traced._replace(jaxpr=with_results(traced.jaxpr, results)), list(map(as_type, carry, avals))
        avals = found
