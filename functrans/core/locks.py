"""Locks that a forked process finds free: fork waits until nobody holds them. Imports nothing of functrans."""

from __future__ import annotations

import os
from threading import Lock, RLock
from typing import TypeVar

__all__ = ["fork_safe"]

L = TypeVar("L", Lock, RLock)


def fork_safe(lock: L) -> L:
    """The lock, which is held while a process forks: what it guards is whole in the child, and it is free there.

    Of two that are held at once, the one to be taken first is made last.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
