"""Where the boxes of a circuit stand: in layers, by Sugiyama's method (1981). Start reading at `layout`. Imports igraph, late.

igraph orders the boxes of each layer so that few wires cross. What it does not know are sizes: boxes are then moved apart as
little as possible, which is a regression by a monotone function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from functrans.errors import MissingPackageError

__all__ = ["Layout", "Point", "layout"]

Point = tuple[float, float]
_GAP, _LAYER_GAP = 18.0, 44.0
"""Between two boxes of a layer, and between layers."""
_THIN = 6.0
"""The width of a wire that passes a layer."""


class Layout(NamedTuple):
    """The centre of each box, the points through which each wire goes, and the size of it all, which begins at (0, 0)."""

    centres: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]
    size: Point


def layout(sizes: Sequence[Point], wires: Sequence[tuple[int, int]]) -> Layout:
    """Boxes of given sizes (width, height) from top to bottom, in the direction of the wires, which go from lower numbers up.

    Raises MissingPackageError without igraph.
    """
    if not sizes:
        return Layout((), (), (0.0, 0.0))
    layers = _layers(len(sizes), wires)
    chains, depths = _chains(layers, wires)
    widths = np.array([*(width for width, _ in sizes), *([_THIN] * (len(depths) - len(sizes)))])
    edges = {edge: None for chain in chains for edge in pairwise(chain)}
    order = _ordered(depths, edges)
    xs = np.empty(len(depths))
    pitch = float(widths.mean()) + _GAP
    by_layer = [np.flatnonzero(np.array(depths) == layer) for layer in range(max(depths) + 1)]
    for members in by_layer:
        sequence = members[np.argsort(order[members], kind="stable")]
        xs[sequence] = _apart(order[sequence] * pitch, widths[sequence])
    xs -= np.min(xs - widths / 2)
    heights = [max((sizes[int(i)][1] for i in members if i < len(sizes)), default=0.0) for members in by_layer]
    tops = np.concatenate([[0.0], np.cumsum(np.array(heights) + _LAYER_GAP)])
    ys = np.array([tops[depth] + heights[depth] / 2 for depth in depths])
    points = [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
    routes = tuple(tuple(points[i] for i in chain) for chain in chains)
    return Layout(tuple(points[: len(sizes)]), routes, (float(np.max(xs + widths / 2)), float(tops[-1] - _LAYER_GAP)))


def _layers(count: int, wires: Sequence[tuple[int, int]]) -> list[int]:
    """Each box below all that it reads; what reads nothing directly above its first reader."""
    layers = [0] * count
    for source, target in sorted(wires, key=lambda wire: wire[1]):
        layers[target] = max(layers[target], layers[source] + 1)
    readers: dict[int, int] = {}
    for source, target in wires:
        readers[source] = min(readers.get(source, count), layers[target])
    read = {target for _, target in wires}
    return [readers[i] - 1 if i not in read and i in readers else layer for i, layer in enumerate(layers)]


def _chains(layers: Sequence[int], wires: Sequence[tuple[int, int]]) -> tuple[list[list[int]], list[int]]:
    """Each wire as a chain of boxes and of places in the layers that it passes, which get numbers after the boxes.

    Wires from one box pass a layer in one place.
    """
    depths = list(layers)
    places: dict[tuple[int, int], int] = {}

    def place(source: int, layer: int) -> int:
        if (source, layer) not in places:
            places[source, layer] = len(depths)
            depths.append(layer)
        return places[source, layer]

    chains = [[a, *(place(a, layer) for layer in range(layers[a] + 1, layers[b])), b] for a, b in wires]
    return chains, depths


def _ordered(depths: Sequence[int], edges: Iterable[tuple[int, int]]) -> Any:
    """A number for each place, by which its layer is ordered."""
    try:
        import igraph
    except ImportError:
        raise MissingPackageError("draw", "igraph", "draw") from None
    graph = igraph.Graph(n=len(depths), edges=list(edges), directed=True)
    return np.array([x for x, _ in graph.layout_sugiyama(layers=list(depths)).coords])[: len(depths)]


def _apart(wanted: Any, widths: Any) -> Any:
    """Positions in this order, with gaps, whose squared distances from the wanted ones are least (pool adjacent violators)."""
    gaps = np.where(np.minimum(widths[:-1], widths[1:]) > _THIN, _GAP, _THIN)
    offsets = np.concatenate([[0.0], np.cumsum((widths[:-1] + widths[1:]) / 2 + gaps)])
    blocks: list[tuple[float, int]] = []
    for value in wanted - offsets:
        mean, count = float(value), 1
        while blocks and blocks[-1][0] >= mean:
            before, size = blocks.pop()
            mean, count = (mean * count + before * size) / (count + size), count + size
        blocks.append((mean, count))
    return np.concatenate([np.full(count, mean) for mean, count in blocks]) + offsets
