"""What a traced function read from outside its arguments: globals, closure cells, attributes of objects.

A jitted function bakes such values in. `Guards` notices when one of them was replaced, so that the function is traced again
instead of giving a stale answer; `reads.py` finds them. Not noticed: an array's values changed in place (they were
snapshotted). Start reading at `Guards`. Imports core, tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from functrans import tree
from functrans.core.primitive import Tracer
from functrans.reads import MISSING, PLAIN, Reads, part_of
from functrans.record import NamedTuple

__all__ = ["Guards", "Watch", "all_unchanged", "open_container"]

Check = Callable[[object], bool]
"""Whether what is found now is what was found then."""


class Watch(NamedTuple):
    """Where a value was read, `read(name, default)`, and whether what is there now is as it was."""

    read: Callable[[str, object], Any]  # Any: whatever a user's variable holds
    name: str
    unchanged: Check


class Guards:
    """The values that functions read from outside, as they were; `hold()` tells whether they still are.

    Arrays and objects are held weakly: what a guard watches may be freed, and then it does not hold.
    """

    def __init__(self, *functions: object) -> None:
        found = Reads(functions).slots
        self.watches = [
            Watch(read, name, _check(value) if part_of(read) is None else _part(value)) for read, name, value in found
        ]
        self.lasting = not any(map(_has_tracer, (value for _, _, value in found)))
        """Whether nothing that was read is a tracer of an outer transform, which is another one at the next call."""

    def settle(self) -> None:
        """Watch no more what has changed by now: the function itself changed it while it was traced, like a counter."""
        self.watches = [watch for watch in self.watches if watch.unchanged(watch.read(watch.name, MISSING))]

    def hold(self) -> bool:
        """Whether every value is still the same object, or an equal number, string or container, arrays' shapes unchanged."""
        return all_unchanged(self.watches)

    def changed(self) -> tuple[str, ...]:
        """The names of what is not what it was."""
        return tuple(name for read, name, unchanged in self.watches if not unchanged(read(name, MISSING)))


def all_unchanged(watches: list[Watch]) -> bool:
    """Whether what is watched is as it was."""
    for read, name, unchanged in watches:  # noqa: SIM110  # this is run by every call: all() is slower
        if not unchanged(read(name, MISSING)):
            return False
    return True


def _check(value: Any) -> Check:
    if isinstance(value, PLAIN):
        return _plain(value)
    if isinstance(value, np.ndarray):
        return _array(value)
    opened = open_container(value)
    return _identical(value) if opened is None else _container(*opened)


def open_container(value: object) -> tuple[list[Any], tree.TreeDef[Any]] | None:
    """The leaves and structure of a container; None for what is compared by identity."""
    try:
        leaves, structure = tree.flatten(value)
    except Exception:  # a container that no tree is: one that contains itself
        return None
    return None if structure.is_leaf() else (leaves, structure)


def _plain(value: Any) -> Check:
    kind, bits = type(value), _bits(value)
    return lambda now: now is value or (type(now) is kind and _bits(now) == bits)


def _bits(value: Any) -> object:
    """Something that is equal for equal values only: -0.0 == 0.0."""
    return (
        repr(value)
        if isinstance(value, float | complex)
        else value.tobytes()
        if isinstance(value, np.generic)
        else value
    )


def _array(value: np.ndarray[Any, Any]) -> Check:
    known, shape, dtype = ref(value), value.shape, value.dtype

    def unchanged(now: Any) -> bool:
        return now is known() and now is not None and now.shape == shape and now.dtype == dtype

    return unchanged


def _container(leaves: list[Any], structure: tree.TreeDef[Any]) -> Check:
    checks = list(map(_check, leaves))

    def unchanged(now: object) -> bool:
        if now is MISSING:
            return False
        now_leaves, now_structure = tree.flatten(now)
        return structure == now_structure and all(check(leaf) for check, leaf in zip(checks, now_leaves, strict=True))

    return unchanged


def _identical(value: object) -> Check:
    try:
        known = ref(value)
    except TypeError:  # it has no weak references
        return lambda now: now is value
    return lambda now: now is known() and now is not None


def _part(value: object) -> Check:
    """Of a function: nobody calls one that is gone."""
    same = _identical(value)
    return lambda now: now is MISSING or same(now)


def _has_tracer(value: object) -> bool:
    if isinstance(value, list | tuple | dict):
        try:
            return any(map(_is_live, tree.leaves(value)))
        except Exception:  # as above
            return False
    return _is_live(value)


def _is_live(value: object) -> bool:
    return isinstance(value, Tracer) and value.owner.alive
