"""Donated arguments of a jitted function, whose memory the caller gives up: which they are, and which results may have.

Imports core and static arguments; start reading at `given_up`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from functrans.core.recycled import is_recycled
from functrans.errors import StaticArgumentError
from functrans.record import Record
from functrans.static import Nums, StaticArguments, positions
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = ["DonatedArguments", "given_up"]


class DonatedArguments(Record):
    """Which positions, and their names: a position that has a name is donated either way it is passed."""

    nums: frozenset[int]
    names: frozenset[str]

    @staticmethod
    def of(fun: Callable[..., Any], argnums: Nums, static: StaticArguments) -> DonatedArguments:
        """Raises StaticArgumentError for a position that `fun` does not have or that is static too."""
        if argnums == ():
            return DonatedArguments(frozenset(), frozenset())
        nums, positional = positions(fun, static.function, argnums, "donate_argnums")
        if nums & static.nums:
            raise StaticArgumentError(
                static.function, f"donate_argnums={sorted(nums & static.nums)}", "they are static too"
            )
        return DonatedArguments(nums, frozenset(positional[i] for i in nums if i < len(positional)))

    def method(self) -> DonatedArguments:
        """The same for the method that binds the first parameter."""
        return DonatedArguments(frozenset(i - 1 for i in self.nums if i), self.names)

    def leaves(self, in_tree: TreeDef[Any], static: StaticArguments) -> tuple[int, ...]:
        """The numbers of the donated leaves among those of a call's dynamic part, which has this tree."""
        if not self.nums:
            return ()
        positional, named = in_tree.children()
        parts = positional.children()
        traced = (i for i in count() if i not in static.nums)
        is_donated = [i in self.nums for i, _ in zip(traced, parts, strict=False)]
        is_donated += [name in self.names for name in named.entries()]
        spread = [is_it for is_it, part in zip(is_donated, [*parts, *named.children()], strict=True)
                  for _ in range(part.num_leaves)]  # fmt: skip
        return tuple(i for i, is_it in enumerate(spread) if is_it)


def given_up(args: Sequence[Array], donated: Sequence[int]) -> list[int]:
    """The numbers of the donated arguments that may be written over.

    Not those that another argument shares memory with, nor views of a part of another array: its rest is not donated.
    """
    shared = _shared(args)
    return [i for i in donated if i not in shared and _is_whole(args[i])]


def _is_whole(x: Array) -> bool:
    """Whether it is an array, in order, that may be written and has all of its memory."""
    if type(x) is not np.ndarray or not x.flags.carray or not x.dtype.isnative or not x.ndim:  # a scalar, a subclass
        return False
    if _owns(x):
        return True
    base = x.base
    return type(base) is np.ndarray and base.nbytes == x.nbytes and _owns(base)


def _owns(x: Array) -> bool:
    return x.flags.owndata or is_recycled(x)


def _shared(args: Sequence[object]) -> set[int]:
    """The numbers of the arrays that may have bytes in common with another one."""
    spans = sorted((*byte_bounds(x), i) for i, x in enumerate(args) if isinstance(x, np.ndarray) and x.size)
    shared: set[int] = set()
    end, last = 0, -1
    for start, stop, i in spans:
        if start < end:
            shared |= {i, last}
        if stop > end:
            end, last = stop, i
    return shared
