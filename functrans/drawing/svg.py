"""A circuit as SVG, which needs nothing else. Start reading at `svg_of`. Imports `circuit` and `layout`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from functrans.drawing.circuit import Box, Circuit, Wire
from functrans.drawing.layout import Layout, Point, layout

__all__ = ["svg_of"]

_LETTER, _LINE, _PAD = 7.3, 16.0, 10.0
"""The width of a letter, the height of a line, and the margin of a box, in pixels."""
_COLORS = ["#cfe3f7", "#fde0b8", "#d3edcc", "#f7cdd0", "#e2d5f0", "#e9dccf", "#fbd7ea", "#d8d8d8", "#ecebb0", "#c5eced"]
_STYLE = """
.ft text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; fill: #222; text-anchor: middle }
.ft .title { font-weight: bold }
.ft .type { fill: #777 }
.ft .value, .ft .gradient { font-size: 11px; stroke: #fff; stroke-width: 4px; paint-order: stroke }
.ft .value { fill: #0a7d2c }
.ft .gradient { fill: #c1121f }
.ft rect { stroke: #666; fill: #fff; rx: 6px }
.ft .input rect, .ft .constant rect { fill: #f3f3f3; stroke: #aaa; rx: 14px }
.ft .result rect { fill: #222; stroke: #222; rx: 14px }
.ft .result > text { fill: #fff }
.ft .folded rect { stroke-width: 2.5px }
.ft .paper { stroke: none; rx: 0 }
.ft path { fill: none; stroke: #999; stroke-width: 1.3px }
.ft marker path { fill: #999; stroke: none }
"""


class _Drawn(NamedTuple):
    """A circuit with its layout, and the drawings inside of its boxes."""

    circuit: Circuit
    places: Layout
    sizes: tuple[Point, ...]
    inner: tuple[tuple[_Drawn, ...], ...]


def svg_of(circuit: Circuit) -> str:
    """The picture, as text of an SVG file."""
    drawn = _drawn(circuit)
    width, height = drawn.places.size
    body = "\n".join(_lines(drawn, 0.0, 0.0))
    box = f"{-_PAD:.0f} {-_PAD:.0f} {width + 2 * _PAD:.0f} {height + 2 * _PAD:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ft" viewBox="{box}" width="{width + 2 * _PAD:.0f}" '
        f'height="{height + 2 * _PAD:.0f}">\n<style>{_STYLE}</style>\n'
        '<defs><marker id="ft-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>\n'
        f'<rect class="paper" x="{-_PAD:.0f}" y="{-_PAD:.0f}" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def _drawn(circuit: Circuit) -> _Drawn:
    inner = tuple(tuple(map(_drawn, box.inner)) for box in circuit.boxes)
    sizes = tuple(_size(box, parts) for box, parts in zip(circuit.boxes, inner, strict=True))
    # Room for what is written on the wires: half of it beside each end.
    texts = [max((len(w.value), len(w.gradient)), default=0) for w in circuit.wires]
    room = [0.0] * len(sizes)
    for wire, text in zip(circuit.wires, texts, strict=True):
        room[wire.target] += text * _LETTER
    wide = [(max(width, extra), height) for (width, height), extra in zip(sizes, room, strict=True)]
    places = layout(wide, [(wire.source, wire.target) for wire in circuit.wires])
    return _Drawn(circuit, places, sizes, inner)


def _size(box: Box, inner: Sequence[_Drawn]) -> Point:
    letters = max(map(len, (box.title, *box.lines)))
    width, height = letters * _LETTER + 2 * _PAD, (1 + len(box.lines)) * _LINE + _PAD
    for part in inner:
        width, height = max(width, part.places.size[0] + 2 * _PAD), height + part.places.size[1] + 2 * _PAD
    return width, height


def _lines(drawn: _Drawn, left: float, top: float) -> Iterator[str]:
    """The elements of a drawing whose corner lies there: wires first, boxes above them."""
    ends = _ends(drawn)
    for wire, route, (start, end) in zip(drawn.circuit.wires, drawn.places.routes, ends, strict=True):
        points = [start, *route[1:-1], end]
        yield f'<path d="{_curve([(x + left, y + top) for x, y in points])}" marker-end="url(#ft-arrow)"/>'
        yield from _texts(wire, end[0] + left, end[1] + top)
    for box, (x, y), size, inner in zip(
        drawn.circuit.boxes, drawn.places.centres, drawn.sizes, drawn.inner, strict=True
    ):
        yield from _box(box, x + left, y + top, size, inner)


def _ends(drawn: _Drawn) -> list[tuple[Point, Point]]:
    """Where each wire leaves a box below and enters one above: side by side, in the order of where they come from."""
    wires, routes, places, sizes = drawn.circuit.wires, drawn.places.routes, drawn.places.centres, drawn.sizes
    arrivals: dict[int, list[int]] = {}
    for number, wire in enumerate(wires):
        arrivals.setdefault(wire.target, []).append(number)
    ends: list[tuple[Point, Point]] = [((0.0, 0.0), (0.0, 0.0))] * len(wires)
    for target, numbers in arrivals.items():
        numbers.sort(key=lambda number: routes[number][-2][0])
        texts = max(max(len(wires[n].value), len(wires[n].gradient)) for n in numbers) * _LETTER
        spread = max(texts, min(24.0, sizes[target][0] / (len(numbers) + 1)))
        for k, number in enumerate(numbers):
            source = wires[number].source
            x = places[target][0] + (k - (len(numbers) - 1) / 2) * spread
            start = places[source][0], places[source][1] + sizes[source][1] / 2
            ends[number] = start, (x, places[target][1] - sizes[target][1] / 2)
    return ends


def _curve(points: Sequence[Point]) -> str:
    (x, y), *rest = points
    text = f"M{x:.1f} {y:.1f}"
    for nx, ny in rest:
        half = (y + ny) / 2
        text += f" C{x:.1f} {half:.1f} {nx:.1f} {half:.1f} {nx:.1f} {ny:.1f}"
        x, y = nx, ny
    return text


def _texts(wire: Wire, x: float, y: float) -> Iterator[str]:
    """The value and the gradient, above the arrow's head."""
    for name, text, up in (("value", wire.value, 22.0), ("gradient", wire.gradient, 10.0)):
        if text:
            yield f'<text class="{name}" x="{x:.1f}" y="{y - up:.1f}">{escape(text)}</text>'


def _box(box: Box, x: float, y: float, size: Point, inner: Sequence[_Drawn]) -> Iterator[str]:
    width, height = size
    left, top = x - width / 2, y - height / 2
    fill = "" if box.group is None else f' style="fill: {_COLORS[box.group % len(_COLORS)]}"'
    yield f'<g class="{box.kind}"><title>{escape(box.tooltip)}</title>'
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"{fill}/>'
    for number, line in enumerate((box.title, *box.lines)):
        kind = "type" if number else "title"
        yield f'<text class="{kind}" x="{x:.1f}" y="{top + _PAD / 2 + (number + 0.75) * _LINE:.1f}">{escape(line)}</text>'
    below = top + _PAD / 2 + (1 + len(box.lines)) * _LINE
    for part in inner:
        yield from _lines(part, x - part.places.size[0] / 2, below + _PAD)
        below += part.places.size[1] + 2 * _PAD
    yield "</g>"
