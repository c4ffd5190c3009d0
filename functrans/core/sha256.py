"""SHA-256 without `hashlib`, which loads OpenSSL's library: that takes as long as a first call from disk may. Imports nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

__all__ = ["sha256"]


class Digest(Protocol):
    """Of what was given so far."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


def _found() -> Callable[..., Digest]:
    """Python's own, where it is: its module has had another name from 3.12 on."""
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            found: Callable[..., Digest] = import_module(name).sha256
        except ImportError:
            continue
        return found
    raise ImportError("Python has no SHA-256")


sha256 = _found()
