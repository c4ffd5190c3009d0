"""Object code kept on disk, so that a later process loads what an earlier one compiled.

A file holds what one key stands for, behind a checksum of both; a file that is not whole is as if it were not there. The
folder must belong to the user, and nobody else may write to it: what lies in it is run. Nothing here raises where disks
are full, read-only or shared with other processes: then programs are compiled again. Start reading at `Store`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import count
from stat import S_ISDIR
from threading import get_ident
from time import time_ns

from functrans.core.digest import sha256

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

    def __init__(self, folder: str | os.PathLike[str], limit: int = LIMIT) -> None:
        self._folder = os.fspath(folder)
        self._limit = limit
        self._writes = count()
        self._trusted: bool | None = None

    def get(self, key: str) -> bytes | None:
        """The content of a key, if it is there and whole."""
        path = self._path(key)
        if not self._is_ours(make=False):
            return None
        try:
            with open(path, "rb") as file:
                found = file.read()
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
            which = f"{key[:8]}-{os.getpid()}-{get_ident()}-{time_ns()}"
            name = os.path.join(self._folder, which + _UNFINISHED)
            number = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
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

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, key + _SUFFIX)

    def _is_ours(self, *, make: bool) -> bool:
        """Whether only the user can have put something there. Asked once, and again until the folder is there."""
        if self._trusted is None:
            try:
                if make:
                    os.makedirs(self._folder, mode=0o700, exist_ok=True)
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
            with suppress(FileNotFoundError):
                os.unlink(path)
            total -= size
            if total <= self._limit * 3 // 4:
                return


def _framed(key: str, content: bytes) -> bytes:
    return _MAGIC + sha256(key.encode() + content).digest() + content


def _is_private(folder: str) -> bool:
    """Whether a folder is the user's, and no one else may write to it. On Windows the user's own folders are."""
    facts = os.stat(folder)
    if not hasattr(os, "getuid"):
        return S_ISDIR(facts.st_mode)
    return S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o022


def store() -> Store | None:
    """The store that the environment names: by default in the user's folder for caches; none where it says `off`."""
    return _store(os.environ.get(VARIABLE, ""))


@cache
def _store(said: str) -> Store | None:
    if said.lower() == "off":
        return None
    folder = os.path.expanduser(said) if said else _default()
    return None if folder.startswith("~") else Store(os.path.abspath(folder))  # a user without a home


def _default() -> str:
    """Where a platform keeps the user's caches."""
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "functrans")
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
        return os.path.join(local, "functrans", "Cache")
    said = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(said if os.path.isabs(said) else os.path.join(home, ".cache"), "functrans")
