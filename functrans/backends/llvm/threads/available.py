"""How many threads are worth starting: what this process may use, not what the machine has. Imports nothing of functrans."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["available_cores"]


def available_cores(root: Path = Path("/")) -> int:
    """Cores by the affinity mask, and by the control group's share of time; OMP_NUM_THREADS where it says less."""
    limits = [_affinity(), *_shares(root)]
    named = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if named.isdecimal():
        limits.append(int(named))
    return max(1, min(limits))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shares(root: Path) -> Iterator[int]:
    """The cores that control groups leave us, of either version: a quota of µs per period, rounded up."""
    for kind, path in _groups(root):
        for group in (path, *path.parents):
            if kind == "":
                words = _words(root / "sys/fs/cgroup" / group / "cpu.max")
            else:
                folder = root / "sys/fs/cgroup/cpu" / group
                words = [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
            if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
                yield math.ceil(int(words[0]) / int(words[1]))


def _groups(root: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """`(controllers, path)` of this process; version 2 has one group, and names no controller."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds == "" or "cpu" in kinds.split(","):
            yield kinds, PurePosixPath(path.lstrip("/"))


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
