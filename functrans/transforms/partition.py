"""The cut between forward and backward pass: what is saved, and what is computed again from that.

The backward pass needs some of the forward pass's variables. Each is saved, or else computed again by its equation, whose
operands are then needed in its place. Three ways to choose: a function that says of each equation whether what it computes
may be saved; a number of bytes; and, without a policy, the least memory that costs no time. Start reading at `partition`.
Imports core and `min_cut`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from functrans.core.ir import Eqn, Var
from functrans.core.work import is_fusible, is_light, is_view, work
from functrans.ops.barrier import name_p
from functrans.record import NamedTuple, Record
from functrans.transforms.min_cut import min_vertex_cut

__all__ = ["AllBut", "Cut", "Forward", "MemoryBudget", "Policy", "in_time", "partition", "read_whole"]


class MemoryBudget(Record):
    """At most so many bytes are saved, besides the arguments; what it takes most work to compute for its size goes first."""

    bytes: int


class AllBut(Record):
    """Everything may be saved but what has one of these names."""

    names: tuple[str, ...]


Policy: TypeAlias = Callable[..., bool] | AllBut | MemoryBudget
"""`(primitive, *types of the operands, **params) -> whether the results may be saved`, or what cannot be said so."""


class Forward(Record, eq=False, also=("__dict__",)):
    """The forward pass, and what the backward pass needs of it."""

    eqns: tuple[Eqn, ...]
    arguments: tuple[Var, ...]
    results: tuple[Var, ...]
    constants: frozenset[Var]
    needed: tuple[Var, ...]
    whole: frozenset[Var | None]
    """Of the needed ones those that are read otherwise than element by element, so that they have to lie in memory."""

    @cached_property
    def maker(self) -> dict[Var, Eqn]:
        return {var: eqn for eqn in self.eqns for var in eqn.outvars}


class Cut(NamedTuple):
    """The variables to save, and the equations that find the others again from them, in order."""

    saved: tuple[Var, ...]
    again: tuple[Eqn, ...]


def partition(forward: Forward, policy: Policy | None) -> Cut:
    """What to save by a policy; None: the least memory that costs no time."""
    if policy is None:
        return _cut(forward, _least_memory(forward))
    if isinstance(policy, MemoryBudget):
        return _cut(forward, _within(forward, policy.bytes))
    if isinstance(policy, AllBut):
        return _cut(forward, _all_but(forward, policy.names))
    return _cut(forward, _allowed(forward, policy))


def _cut(forward: Forward, kept: set[Var]) -> Cut:
    """Save what is met of these and of the arguments on the way back from what is needed; compute all else again."""
    saved: dict[Var, None] = {}
    again: set[Eqn] = set()
    pending = [*reversed(forward.needed)]
    while pending:
        var = pending.pop()
        if var in saved or var in forward.constants:
            continue
        eqn = forward.maker.get(var)
        if var in kept or eqn is None or eqn.has_effect:  # which runs as often as the program says
            saved[var] = None
        elif eqn not in again:
            again.add(eqn)
            pending += _variables(eqn)
    found = (var for var in saved if forward.maker.get(var) not in again)  # another result is computed again anyway
    return Cut(tuple(found), tuple(eqn for eqn in forward.eqns if eqn in again))


def _variables(eqn: Eqn) -> list[Var]:
    return [atom for atom in eqn.invars if isinstance(atom, Var)]


# ---- by what may be saved ----


def _allowed(forward: Forward, policy: Callable[..., bool]) -> set[Var]:
    """The results of the equations that the policy names. A name is the named value's: that is what is saved."""
    kept: set[Var] = set()
    for eqn in forward.eqns:
        if policy(eqn.prim, *(atom.aval for atom in eqn.invars), **eqn.params):
            kept.update(_variables(eqn) if eqn.prim is name_p else () if eqn.prim.cheap else eqn.outvars)
    return kept


def _all_but(forward: Forward, names: tuple[str, ...]) -> set[Var]:
    kept = {var for eqn in forward.eqns if not eqn.prim.cheap for var in eqn.outvars}
    return kept - {
        var for eqn in forward.eqns if eqn.prim is name_p and eqn.params["name"] in names for var in _variables(eqn)
    }


# ---- the least memory ----


def _least_memory(forward: Forward) -> set[Var]:
    """The fewest bytes from which all that is needed can be computed element by element, at the cost of loading it.

    Arguments and results are there anyway. What has to lie in memory as a whole is not computed again.
    """
    whole = _behind_views(forward)
    known = {*forward.arguments, *forward.results}
    vertices: dict[Var, int] = {}
    edges: list[tuple[Var, Var]] = []
    sources: list[Var] = []
    pending = [var for var in forward.needed if var not in forward.constants]
    while pending:
        var = pending.pop()
        if var in vertices:
            continue
        eqn = forward.maker.get(var)
        vertices[var] = 0 if var in known else var.aval.nbytes
        if eqn is None or var in known or var in whole or eqn.has_effect or not is_light(eqn):
            sources.append(var)
            continue
        operands = [atom for atom in _variables(eqn) if atom not in forward.constants]
        edges += [(operand, var) for operand in operands]
        pending += operands
    heavy = sum(vertices.values()) + 1
    for var, eqn in forward.maker.items():
        if var in vertices and eqn.prim.cheap and var not in known:  # its operand is no larger, and lies in memory
            vertices[var] = heavy
    return min_vertex_cut(vertices, edges, sources, (var for var in forward.needed if var in vertices))


def _behind_views(forward: Forward) -> set[Var]:
    """What has to lie in memory as a whole: where it is seen through views, what they are views of."""
    found: set[Var] = set()
    for var in forward.needed:
        if var in forward.whole:
            while (eqn := forward.maker.get(var)) is not None and (seen := _seen_through(eqn, var)) is not None:
                var = seen
            found.add(var)
    return found


def _seen_through(eqn: Eqn, var: Var) -> Var | None:
    """What a result is a view of: the one operand, or of several that pass as they are the one in its place."""
    if not eqn.prim.cheap or len(eqn.invars) not in (1, len(eqn.outvars)):
        return None
    operand = eqn.invars[0 if len(eqn.invars) == 1 else eqn.outvars.index(var)]
    return operand if isinstance(operand, Var) else None


def read_whole(eqns: Sequence[Eqn]) -> set[Var]:
    """The variables that some equation reads otherwise than element by element, also through views."""
    found: set[Var] = set()
    for eqn in reversed(eqns):
        if not found.isdisjoint(eqn.outvars) if is_view(eqn) else not is_fusible(eqn):
            found.update(_variables(eqn))
    return found


# ---- a number of bytes ----


def _within(forward: Forward, budget: int) -> set[Var]:
    """Greedily, by the work that is saved for each byte; what is no longer needed then makes room again."""
    state = _Recomputation(forward)
    ranks = {eqn: number for number, eqn in enumerate(forward.eqns)}
    heap = [(-state.merit(eqn), ranks[eqn]) for eqn in state.again if not eqn.prim.cheap]
    heapify(heap)
    while heap:
        _, number = heappop(heap)
        eqn = forward.eqns[number]
        if eqn not in state.again or state.kept_bytes + state.effect(eqn).bytes > budget:
            continue
        merit = state.merit(eqn)
        if heap and -merit > heap[0][0]:  # what is kept by now has made it worth less
            heappush(heap, (-merit, number))
        elif merit > 0:
            state.keep(eqn)
    return state.kept


class _Effect(NamedTuple):
    """What keeping an equation's results does: equations that are not needed any more, variables likewise, memory."""

    dropped: set[Eqn]
    freed: set[Var]
    bytes: int


class _Recomputation:
    """What is computed again, as long as only some results are kept; starts with none."""

    def __init__(self, forward: Forward) -> None:
        self.kept: set[Var] = set()
        self._maker = forward.maker
        least = _cut(forward, self.kept)
        self.again = set(least.again)
        self.kept_bytes = sum(var.aval.nbytes for var in least.saved if var in self._maker)
        self._uses = Counter(forward.needed)
        for eqn in self.again:
            self._uses.update(_variables(eqn))
        self._work = {eqn: work(eqn) for eqn in self.again}

    def _results(self, eqn: Eqn) -> list[Var]:
        return [var for var in eqn.outvars if self._uses[var]]

    def effect(self, eqn: Eqn) -> _Effect:
        dropped, freed = {eqn}, set[Var]()
        less: Counter[Var] = Counter()
        pending = [eqn]
        while pending:
            operands = _variables(pending.pop())
            less.update(operands)
            for var in dict.fromkeys(operands):
                if self._uses[var] > less[var]:
                    continue
                if var in self.kept:
                    freed.add(var)
                maker = self._maker.get(var)
                if maker in self.again - dropped and all(self._uses[out] == less[out] for out in maker.outvars):
                    dropped.add(maker)
                    pending.append(maker)
        size = sum(var.aval.nbytes for var in self._results(eqn)) - sum(var.aval.nbytes for var in freed)
        return _Effect(dropped, freed, size)

    def merit(self, eqn: Eqn) -> float:
        """Work that need not be done again, for each byte."""
        effect = self.effect(eqn)
        saved = sum(self._work[one] for one in effect.dropped)
        return saved / effect.bytes if effect.bytes > 0 else float("inf")

    def keep(self, eqn: Eqn) -> None:
        effect = self.effect(eqn)
        self.kept_bytes += effect.bytes
        self.kept -= effect.freed
        self.kept.update(self._results(eqn))
        for one in effect.dropped:
            self.again.discard(one)
            self._uses.subtract(_variables(one))


# ---- order ----


def in_time(again: Iterable[Eqn], backward: Sequence[Eqn]) -> tuple[Eqn, ...]:
    """The equations of the backward pass, and before each those that compute again what it is the first to read."""
    first: dict[Var, int] = {}
    for i, eqn in enumerate(backward):
        for var in _variables(eqn):
            first.setdefault(var, i)
    last = len(backward)
    before: dict[int, list[Eqn]] = {}
    for eqn in reversed(tuple(again)):
        when = min((first.get(var, last) for var in eqn.outvars), default=last)
        before.setdefault(when, []).append(eqn)
        for var in _variables(eqn):
            first[var] = min(first.get(var, last), when)
    places = range(last + 1)
    return tuple(eqn for i in places for eqn in (*reversed(before.get(i, ())), *backward[i : i + 1]))
