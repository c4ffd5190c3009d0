"""Many operations as few boxes: those of one function of the user's source. Start reading at `folded`. Imports `circuit`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from functrans.core.ir import Jaxpr
from functrans.core.source import last_name
from functrans.drawing.circuit import Box, Circuit, Wire

__all__ = ["folded"]

_LISTED = 30
"""How many operations a tooltip lists."""


class _Run(NamedTuple):
    """Operations that follow one another, from box `start` up to `end`, and where they come from."""

    start: int
    end: int
    names: tuple[str, ...]


def folded(circuit: Circuit, jaxpr: Jaxpr, most: int) -> Circuit:
    """The circuit with at most about `most` boxes of operations.

    Operations that follow one another and come from the same function become one box; if those are still too many, so do
    neighbours. What follows one another in an order of computation can be one box without making a circle.
    """
    first = len(jaxpr.invars) + len(jaxpr.constvars)
    if len(jaxpr.eqns) <= most:
        return circuit
    runs: list[_Run] = []
    names = ["" if eqn.source is None else last_name(eqn.source.function) for eqn in jaxpr.eqns]
    for name, numbers in groupby(range(len(names)), key=names.__getitem__):
        members = list(numbers)
        runs.append(_Run(first + members[0], first + members[-1] + 1, (name,)))
    if len(runs) > most:
        runs = _joined(runs, most)
    return _contracted(circuit, runs)


def _joined(runs: Sequence[_Run], most: int) -> list[_Run]:
    """Neighbours together, so that each has about the same number of operations."""
    size = -(-(runs[-1].end - runs[0].start) // most)
    joined = [runs[0]]
    for run in runs[1:]:
        last = joined[-1]
        if run.end - last.start <= size:
            joined[-1] = _Run(last.start, run.end, tuple(dict.fromkeys((*last.names, *run.names))))
        else:
            joined.append(run)
    return joined


def _contracted(circuit: Circuit, runs: Sequence[_Run]) -> Circuit:
    """One box for each run, with the constants that it alone reads."""
    owner = {member: run.start for run in runs for member in range(run.start, run.end) if run.end - run.start > 1}
    readers: dict[int, set[int]] = {}
    for wire in circuit.wires:
        readers.setdefault(wire.source, set()).add(owner.get(wire.target, wire.target))
    shared: list[int] = []
    for number, box in enumerate(circuit.boxes):
        if box.kind == "constant":
            (*several, last) = sorted(readers.get(number, {number}))
            if not several and last in owner:
                owner[number] = last
            else:
                shared.append(number)
    owner.update((number, shared[0]) for number in shared if len(shared) > 1)
    boxes: list[Box] = []
    place: dict[int, int] = {}
    by_start = {run.start: run for run in runs}
    for number, box in enumerate(circuit.boxes):
        if owner.get(number, number) == number:
            place[number] = len(boxes)
            if number not in owner:
                boxes.append(box)
            elif box.kind == "constant":
                boxes.append(box._replace(title=f"{len(shared)} constants", lines=()))
            else:
                boxes.append(_box(circuit.boxes[number : by_start[number].end], by_start[number]))
    ends = {
        (place[owner.get(wire.source, wire.source)], place[owner.get(wire.target, wire.target)]): wire
        for wire in reversed(circuit.wires)
    }
    wires = (Wire(a, b, wire.value, wire.gradient) for (a, b), wire in ends.items() if a != b)
    return Circuit(tuple(boxes), tuple(wires))


def _box(members: Sequence[Box], run: _Run) -> Box:
    listed = "\n".join(box.tooltip.partition("\n")[0] for box in members[:_LISTED])
    more = f"\n… and {len(members) - _LISTED} more" if len(members) > _LISTED else ""
    names = [name for name in run.names if name]
    title = " … ".join(dict.fromkeys((names[0], names[-1]))) if names else "operations"
    groups = {box.group for box in members}
    return Box(
        "folded",
        title,
        (f"{len(members)} operations", *members[-1].lines[:1]),
        listed + more,
        groups.pop() if len(groups) == 1 else None,
    )
