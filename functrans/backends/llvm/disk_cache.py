"""Object code kept on disk, so that a later process loads what an earlier one compiled. Imports nothing of functrans.

A file holds what one key stands for, behind a checksum of both; a file that is not whole is as if it were not there. The
folder must belong to the user, and nobody else may write to it: what lies in it is run. Nothing here raises where disks
are full, read-only or shared with other processes: then programs are compiled again. Start reading at `Store`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path

__all__ = ["Store", "key_of", "store"]

VARIABLE = "FUNCTRANS_CACHE"
"""In the environment: `off`, or the folder."""
LIMIT = 1 << 27
"""Bytes of all files; beyond it, those that were not used for longest go."""
_PRUNED_EVERY = 64
_MAGIC = b"functrans object code, format 1\n"
_SUFFIX, _UNFINISHED = ".object", ".part"


def key_of(parts: Iterable[str]) -> str:
    """What the content follows from, all of it, as the name of a file."""
    digest = sha256()
    for part in parts:
        text = part.encode()
        digest.update(b"%d:" % len(text))
        digest.update(text)
    return digest.hexdigest()


class Store:
    """A folder of files by key, made when something is first put in it."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._writes = count()
        self._trusted: bool | None = None

    def get(self, key: str) -> bytes | None:
        """The content of a key, if it is there and whole."""
        path = self._path(key)
        if not self._is_ours(make=False):
            return None
        try:
            found = path.read_bytes()
            content = found[len(_MAGIC) + 32 :]
            if found != _framed(key, content):
                return None
            os.utime(path)  # used now: what was not goes first
        except OSError:
            return None
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep the content of a key; nobody ever sees a part of it."""
        if not self._is_ours(make=True):
            return
        try:
            number, name = tempfile.mkstemp(_UNFINISHED, key[:8], self._folder)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(_framed(key, content))
                os.replace(name, self._path(key))
            except OSError:
                os.unlink(name)
                raise
            if next(self._writes) % _PRUNED_EVERY == 0:
                self._prune()
        except OSError:  # a full disk, a folder that is gone
            return

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _is_ours(self, *, make: bool) -> bool:
        """Whether only the user can have put something there. Asked once, and again until the folder is there."""
        if self._trusted is None:
            try:
                if make:
                    self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._trusted = _is_private(self._folder)
            except FileNotFoundError:
                return False
            except OSError:
                self._trusted = False
        return self._trusted

    def _prune(self) -> None:
        """Remove what was not used for longest until a quarter of the limit is free."""
        files = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith((_SUFFIX, _UNFINISHED)):
                    facts = entry.stat(follow_symlinks=False)
                    files.append((facts.st_mtime_ns, facts.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        if total <= self._limit:
            return
        for _, size, path in sorted(files):
            Path(path).unlink(missing_ok=True)
            total -= size
            if total <= self._limit * 3 // 4:
                return


def _framed(key: str, content: bytes) -> bytes:
    return _MAGIC + sha256(key.encode() + content).digest() + content


def _is_private(folder: Path) -> bool:
    """Whether a folder is the user's, and no one else may write to it. On Windows the user's own folders are."""
    facts = folder.stat()
    if not hasattr(os, "getuid"):
        return folder.is_dir()
    return folder.is_dir() and facts.st_uid == os.getuid() and not facts.st_mode & 0o022


def store() -> Store | None:
    """The store that the environment names: by default in the user's folder for caches; none where it says `off`."""
    return _store(os.environ.get(VARIABLE, ""))


@cache
def _store(said: str) -> Store | None:
    if said.lower() == "off":
        return None
    try:
        return Store(Path(said).expanduser().absolute() if said else _default())
    except RuntimeError:  # a user without a home
        return None


def _default() -> Path:
    """Where a platform keeps the user's caches."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "functrans"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "functrans" / "Cache"
    said = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(said) if os.path.isabs(said) else Path.home() / ".cache") / "functrans"
