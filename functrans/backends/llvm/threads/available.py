"""How many threads are worth starting: what this process may use, not what the machine has. Imports nothing of functrans."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

__all__ = ["available_cores"]


def available_cores(root: str | os.PathLike[str] = "/") -> int:
    """Cores by the affinity mask, and by the control group's share of time; OMP_NUM_THREADS where it says less."""
    limits = [_affinity(), *_shares(os.fspath(root))]
    named = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if named.isdecimal():
        limits.append(int(named))
    return max(1, min(limits))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shares(root: str) -> Iterator[int]:
    """The cores that control groups leave us, of either version: a quota of µs per period, rounded up."""
    for kind, path in _groups(root):
        parts = path.split("/")
        for depth in range(len(parts), -1, -1):
            group = os.path.join(root, "sys/fs/cgroup", "cpu" if kind else "", *parts[:depth])
            files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if kind else ("cpu.max",)
            words = [word for file in files for word in _text(os.path.join(group, file)).split()]
            if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
                yield math.ceil(int(words[0]) / int(words[1]))


def _groups(root: str) -> Iterator[tuple[str, str]]:
    """`(controllers, path)` of this process; version 2 has one group, and names no controller."""
    for line in _text(os.path.join(root, "proc/self/cgroup")).splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds == "" or "cpu" in kinds.split(","):
            yield kinds, path.strip("/")


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""
