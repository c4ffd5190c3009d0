"""The order in which units run: what frees the most memory first. Imports `donation`, `fusion`; start at `schedule`."""

from __future__ import annotations

from collections.abc import Sequence

from functrans.compiler.donation import Donation
from functrans.compiler.fusion import Unit
from functrans.compiler.nodes import Node
from functrans.core.ir import Atom, Var

__all__ = ["members", "reads", "schedule", "stored"]


def members(unit: Unit) -> list[Node]:
    """The nodes of a unit."""
    return [unit] if isinstance(unit, Node) else unit.nodes


def made(unit: Unit) -> list[Var]:
    """The variables that a unit computes."""
    return [var for node in members(unit) for var in node.outs]


def reads(unit: Unit) -> set[Var]:
    """The variables that a unit takes from others."""
    own = set(made(unit))
    return {ref.base for node in members(unit) for ref in node.operands if isinstance(ref.base, Var)} - own


def stored(units: Sequence[Unit], results: Sequence[Atom]) -> set[Var]:
    """The variables that have a place in memory: those that another unit reads, and the results."""
    found = {var for unit in units for var in reads(unit)}
    found.update(var for unit in units if isinstance(unit, Node) for var in made(unit))
    found.update(atom for atom in results if isinstance(atom, Var))
    return found


def schedule(units: Sequence[Unit], results: Sequence[Atom], donation: Donation) -> list[Unit]:
    """The units, each after those that it reads from, and those with effects in the order of the program.

    Of those that are ready the one that adds least to the memory in use goes first: what it stores less what it reads for
    the last time; of equals the first in the program. What can write over a donated argument goes after what reads it.
    """
    kept = stored(units, results)
    maker = {var: unit for unit in units for var in made(unit)}
    read = {unit: reads(unit) for unit in units}
    before = {unit: read[unit].union(*(node.behind for node in members(unit))) for unit in units}
    waits = {
        unit: ({maker[var] for var in before[unit] if var in maker} | _effects_before(unit)) - {unit} for unit in units
    }
    donation.let_readers_go_first(waits, read)
    users: dict[Var, set[Unit]] = {}
    for unit in units:
        for var in read[unit]:
            users.setdefault(var, set()).add(unit)
    forever = {atom for atom in results if isinstance(atom, Var)}
    done: set[Unit] = set()
    left = dict.fromkeys(units)
    order: list[Unit] = []

    def growth(unit: Unit) -> int:
        grows = sum(var.aval.nbytes for var in made(unit) if var in kept and var not in forever)
        dying = (var for var in reads(unit) if var in maker and var not in forever and users[var] - done == {unit})
        return grows - sum(var.aval.nbytes for var in dying)

    while left:
        ready = [unit for unit in left if waits[unit] <= done]
        best = ready[0] if len(ready) == 1 else min(ready, key=growth)
        order.append(best)
        done.add(best)
        del left[best]
    return order


def _effects_before(unit: Unit) -> set[Unit]:
    return {unit.after} if isinstance(unit, Node) and unit.after is not None else set()
