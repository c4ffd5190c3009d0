"""Mistakes with random keys. Imports `base`."""

from __future__ import annotations

from functrans.errors.base import FunctransError

__all__ = ["KeyReuseError"]


class KeyReuseError(FunctransError, ValueError):
    """A random key was used twice, in the checking mode: what is made of it both times is not independent."""

    def __init__(self, function: str, first: str, before: str, place: str) -> None:
        when = "in an earlier turn of a loop, or for another lane of vmap" if before == place else before
        super().__init__(
            f"`{function}` got a key that `{first}` has used already, {when}.",
            place,
            "Make a key for each use:  key, other = functrans.random.split(key)",
        )
