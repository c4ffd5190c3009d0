"""Where temporaries lie in one piece of memory: blocks that are alive at the same time lie apart. Imports nothing.

The largest block is placed first, each at the lowest place that is free for as long as it lives. Start reading at `arrange`.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LINE", "Block", "arrange"]

LINE = 64
"""Bytes to which every block is aligned: a cache line, and the widest vector."""


@dataclass(slots=True)
class Block:
    """Bytes that are wanted from one step of a program to another."""

    size: int
    first: int
    last: int
    start: int = 0
    """Where they lie, in the end."""

    @property
    def end(self) -> int:
        return self.start + self.size


def arrange(blocks: Iterable[Block]) -> int:
    """Give every block its place; how many bytes it takes in all."""
    placed: list[Block] = []
    for block in sorted(blocks, key=lambda block: -block.size):
        block.size = -(-block.size // LINE) * LINE
        for other in placed:
            if other.first <= block.last and block.first <= other.last:
                if other.start - block.start >= block.size:
                    break
                block.start = max(block.start, other.end)
        insort(placed, block, key=lambda block: block.start)
    return max((block.end for block in placed), default=0)
