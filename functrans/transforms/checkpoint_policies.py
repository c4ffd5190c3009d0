"""What `checkpoint` may save between the forward and the backward pass: JAX's policies, under its names, and a budget.

A policy is a function `(primitive, *types of the operands, **params) -> whether the results may be saved`. Whatever it says,
the arguments are saved, and nothing is that the backward pass does not need. `memory_budget` says how many bytes instead,
and leaves it to the partitioner what they hold. Imports `partition` and ops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functrans.core.primitive import Primitive
from functrans.ops.barrier import name_p
from functrans.ops.linear_algebra import dot_general_p
from functrans.transforms.partition import AllBut, MemoryBudget

__all__ = [
    "checkpoint_dots", "checkpoint_dots_with_no_batch_dims", "dots_saveable", "dots_with_no_batch_dims_saveable",
    "everything_saveable", "memory_budget", "nothing_saveable", "save_any_names_but_these",
    "save_anything_except_these_names", "save_from_both_policies", "save_only_these_names",
]  # fmt: skip

Saveable = Callable[..., bool]


def everything_saveable(*_: object, **__: object) -> bool:
    """All that the backward pass needs is saved, as without `checkpoint`."""
    return True


def nothing_saveable(*_: object, **__: object) -> bool:
    """Only the arguments are saved: what `checkpoint` does without a policy."""
    return False


def dots_saveable(prim: Primitive, *_: object, **__: object) -> bool:
    """Products of arrays are saved: the rest is cheap to compute from them."""
    return prim is dot_general_p


checkpoint_dots = dots_saveable


def dots_with_no_batch_dims_saveable(prim: Primitive, *_: object, **params: Any) -> bool:
    """Products of arrays without batch axes are saved: activations times weights, but not attention's scores, say."""
    return prim is dot_general_p and params["dimension_numbers"][1] == ((), ())


checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable


def save_only_these_names(*names: str) -> Saveable:
    """The policy that saves the values to which `ad_checkpoint.checkpoint_name` has given one of these names."""
    return lambda prim, *_, **params: prim is name_p and params["name"] in names


def save_any_names_but_these(*names: str) -> Saveable:
    """The policy that saves values with names, other than these names."""
    return lambda prim, *_, **params: prim is name_p and params["name"] not in names


def save_anything_except_these_names(*names: str) -> AllBut:
    """The policy that saves everything but the values with these names, whichever primitive computes them."""
    return AllBut(names)


def save_from_both_policies(first: Saveable, second: Saveable) -> Saveable:
    """The policy that saves what either of two does."""
    return lambda prim, *avals, **params: first(prim, *avals, **params) or second(prim, *avals, **params)


def memory_budget(size: int) -> MemoryBudget:
    """At most so many bytes are saved besides the arguments: those that it would take most work to compute again.

    The bound is for what each call of the function keeps between its forward and its backward pass.

    >>> memory_budget(1 << 20)
    MemoryBudget(bytes=1048576)
    """
    return MemoryBudget(size)
