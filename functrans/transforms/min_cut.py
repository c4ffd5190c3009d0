"""The cheapest set of vertices that separates a graph's sources from its sinks, by maximal flow. Start at `min_vertex_cut`."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeAlias, TypeVar

__all__ = ["min_vertex_cut"]

V = TypeVar("V", bound=Hashable)
_End: TypeAlias = tuple[V, bool]
"""A vertex as two, with an edge of its weight between them: where edges come in (False), and where they go out (True)."""


def min_vertex_cut(
    weights: Mapping[V, int], edges: Iterable[tuple[V, V]], sources: Iterable[V], sinks: Iterable[V]
) -> set[V]:
    """Vertices of the least total weight without which no path leads from a source to a sink; of several such sets the
    one that is nearest to the sinks. Sources and sinks may be among them.
    """
    unbounded = sum(weights.values()) + 1
    room: dict[_End[V], dict[_End[V], int]] = {(v, out): {} for v in weights for out in (False, True)}
    for v, weight in weights.items():
        room[v, False][v, True], room[v, True][v, False] = weight, 0
    for a, b in edges:
        room[a, True][b, False] = unbounded
        room[b, False].setdefault((a, True), 0)
    starts = [(v, False) for v in sources]
    ends = {(v, True) for v in sinks}
    while path := _free_path(room, starts, ends):
        least = min(room[start][end] for start, end in path)
        for start, end in path:
            room[start][end] -= least
            room[end][start] += least
    near = _leading_to(room, ends)
    return {v for v in weights if (v, True) in near and (v, False) not in near}


def _free_path(
    room: Mapping[_End[V], Mapping[_End[V], int]], starts: Iterable[_End[V]], ends: set[_End[V]]
) -> list[tuple[_End[V], _End[V]]]:
    """The edges of a shortest path with room for more flow; none where there is no such path."""
    came: dict[_End[V], _End[V] | None] = dict.fromkeys(starts)
    todo = deque(came)
    while todo:
        at = todo.popleft()
        if at in ends:
            path = []
            before = came[at]
            while before is not None:
                path.append((before, at))
                at, before = before, came[before]
            return path
        for to, free in room[at].items():
            if free and to not in came:
                came[to] = at
                todo.append(to)
    return []


def _leading_to(room: Mapping[_End[V], Mapping[_End[V], int]], ends: set[_End[V]]) -> set[_End[V]]:
    """The ends from which more could flow to the sinks."""
    found = set(ends)
    todo = [*ends]
    while todo:
        at = todo.pop()
        for before in room[at]:  # an edge and its reverse are always both there
            if before not in found and room[before][at]:
                found.add(before)
                todo.append(before)
    return found
