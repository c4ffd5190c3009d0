"""A mode in which a key that is used twice is an error: for tests, and to look for a mistake.

Imports transforms and errors; start reading at `check_keys`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias, cast

import numpy as np

from functrans.core.ir import Var
from functrans.core.primitive import Tracer
from functrans.core.source import current_source
from functrans.disable import disable_jit
from functrans.errors import KeyReuseError
from functrans.record import Record
from functrans.transforms.jvp import JvpTracer
from functrans.transforms.stage import StageTracer
from functrans.transforms.vjp import VjpTracer
from functrans.transforms.vmap import BatchTracer, SharedTracer
from functrans.typing import Array

__all__ = ["check_keys", "forget_key", "use_key"]


class _Use(Record):
    """What a key was used for, and where."""

    name: str
    place: str


_Mark: TypeAlias = bytes | Var
"""What a key is known by: its words, or while a jaxpr is recorded its variable."""

_uses: ContextVar[dict[_Mark, _Use] | None] = ContextVar("functrans_key_uses", default=None)


@contextmanager
def check_keys() -> Iterator[None]:
    """Inside the `with` block a key that is used twice raises KeyReuseError, which names both places.

    A sampler uses its key, and so does `split`; `fold_in` does not, for it makes many keys of one, and what it makes are
    keys of their own. A key is known by its words: it does not matter which array holds it, nor by what way it came. `clone`
    lets a key be used once more.

    Jitted functions and loops run as plain Python in the block, so that every turn of a loop and every call is seen; that
    is slow. Under `vmap` each lane has a key of its own, and lanes with the same key are an error; a key that all lanes share
    is used once. Where values are not known, as in `make_jaxpr`, only the use of one and the same variable is noticed.

    >>> from functrans import random
    >>> key = random.key(0)
    >>> with check_keys():
    ...     random.normal(key) + random.uniform(key)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    functrans.errors.KeyReuseError: `uniform` got a key that `normal` has used already...
    """
    token = _uses.set({})
    try:
        with disable_jit():
            yield
    finally:
        _uses.reset(token)


def use_key(name: str, key: Array) -> None:
    """Note in the checking mode that a key is used; raises KeyReuseError if it was before."""
    uses = _uses.get()
    if uses is None:
        return
    source = current_source()
    use = _Use(name, "" if source is None else source.place)
    for mark in _marks(key):
        before = uses.get(mark)
        if before is not None:
            raise KeyReuseError(name, before.name, before.place, use.place)
        uses[mark] = use


def forget_key(key: Array) -> None:
    """Let a key be used again in the checking mode."""
    uses = _uses.get()
    for mark in () if uses is None else _marks(key):
        cast("dict[_Mark, _Use]", uses).pop(mark, None)


def _marks(key: Array) -> list[_Mark]:
    value = _value(key)
    if isinstance(value, StageTracer):
        return [value.variable]
    return [row.tobytes() for row in np.asarray(value).reshape(-1, 2)]


def _value(key: Array | Tracer) -> Array | Tracer:
    """What is known of a key: an array, of many under vmap, or a tracer of a variable."""
    while isinstance(key, BatchTracer | SharedTracer | VjpTracer | JvpTracer):
        key = key.primal if isinstance(key, JvpTracer) else key.value
    return key
