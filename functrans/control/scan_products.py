"""Sums of products over the steps of a loop, as one product after it: cotangents of weights that all steps share.

A step's part of such a cotangent is a product of two values of that step. To add it up in the loop means a small product and
a pass over the whole sum for every step; one product over all steps reads the values once. Start reading at `set_apart`.
Imports core and ops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

from functrans.core.dce import dce
from functrans.core.ir import Atom, Eqn, Jaxpr, Var, memoized
from functrans.core.primitive import Params
from functrans.ops.families import add_any
from functrans.ops.linear_algebra import DotDimensionNumbers, dot_general_p
from functrans.record import NamedTuple
from functrans.typing import Array

__all__ = ["Apart", "Product", "set_apart", "steady_variables", "sum_of"]

_MANY, _MOST, _LARGE = 16, 48, 1 << 17
"""Products that a step adds to each element: so many and more cost no more time in the loop than after it, as long as the sum,
of fewer elements than `_LARGE`, stays in the cache; of a larger sum it is `_MOST`. In the loop no factor has to be kept."""
_TINY = 128
"""Elements of a sum that stays in registers from step to step, where the loop does: there it costs less than to keep factors."""
_VIEWS = frozenset({"reshape", "transpose"})


class Product(NamedTuple):
    """A product of two values of a step that is wanted as a sum over all steps."""

    lhs: int
    """The number of the value among the inputs of the step and its results more."""
    rhs: int
    params: Params
    views: tuple[Eqn, ...]
    """What is done to the product, in order."""


class Apart(NamedTuple):
    """A step that gives the factors of such products instead of them."""

    jaxpr: Jaxpr
    """Without these sums, and with results more at its end."""
    stays: tuple[bool, ...]
    """Which sums it still gives."""
    sums: tuple[tuple[Product, ...], ...]
    """For each sum that it does not give the products whose sum it is."""
    more: int
    """How many results more it has."""


@memoized
def set_apart(jaxpr: Jaxpr, count: int, stacked: tuple[bool, ...], steady: tuple[bool, ...]) -> Apart:
    """What to add up of the first `count` results in the loop, and what after it.

    stacked: which inputs lie in memory for all steps anyway. steady: which are the same in all steps. A product is set apart
    where the factors that have to be kept for it are no larger than it is, and where a step adds little to it.
    """
    finder = _Finder(jaxpr, stacked, steady)
    stays, sums = [], []
    for atom in jaxpr.outvars[:count]:
        found = finder.products(atom)
        stays.append(found is None)
        sums += [] if found is None else [found]
    kept = [atom for atom, stay in zip(jaxpr.outvars, stays, strict=False) if stay]
    outvars = (*kept, *jaxpr.outvars[count:], *finder.more)
    rest = dce(Jaxpr(jaxpr.invars, outvars, jaxpr.eqns, jaxpr.constvars, jaxpr.consts))
    return Apart(rest, tuple(stays), tuple(sums), len(finder.more))


def steady_variables(jaxpr: Jaxpr, given: Iterable[Var]) -> set[Var]:
    """The variables that depend on the given ones alone, which are the same in all steps: whatever step computes them."""
    found = {*jaxpr.constvars, *given}
    for eqn in jaxpr.eqns:
        if not eqn.has_effect and all(atom in found for atom in eqn.invars if isinstance(atom, Var)):
            found.update(eqn.outvars)
    return found


class _Finder:
    def __init__(self, jaxpr: Jaxpr, stacked: Sequence[bool], steady: Sequence[bool]) -> None:
        self.more: list[Var] = []
        self._inputs = jaxpr.invars
        self._maker = {var: eqn for eqn in jaxpr.eqns for var in eqn.outvars}
        self._stacked = {var for var, is_stacked in zip(jaxpr.invars, stacked, strict=True) if is_stacked}
        self._steady = steady_variables(jaxpr, [var for var, same in zip(jaxpr.invars, steady, strict=True) if same])

    def products(self, atom: Atom) -> tuple[Product, ...] | None:
        """The products whose sum this is; None if it is no such sum, or its factors are too large."""
        found = [self._factors(term) for term in self._terms(atom)]
        known = [one for one in found if one is not None]
        factors = {var for eqn, _ in known for var in eqn.invars if isinstance(var, Var)}
        new = [var for var in factors if var not in self._stacked and var not in self.more]
        if len(known) < len(found) or sum(var.aval.size for var in new) > atom.aval.size:
            return None
        return tuple(
            Product(self._number(eqn.invars[0]), self._number(eqn.invars[1]), eqn.params, views) for eqn, views in known
        )

    def _terms(self, atom: Atom) -> Iterator[Atom]:
        eqn = self._maker.get(atom) if isinstance(atom, Var) else None
        if eqn is not None and eqn.prim.name == "add_any":
            for operand in eqn.invars:
                yield from self._terms(operand)
        else:
            yield atom

    def _factors(self, atom: Atom) -> tuple[Eqn, tuple[Eqn, ...]] | None:
        views: tuple[Eqn, ...] = ()
        while isinstance(atom, Var) and (eqn := self._maker.get(atom)) is not None:
            if eqn.prim is dot_general_p:
                varies = all(isinstance(factor, Var) and factor not in self._steady for factor in eqn.invars)
                return (eqn, views) if varies and _adds_little(eqn) else None
            if eqn.prim.name not in _VIEWS:
                return None
            views = (eqn, *views)
            atom = eqn.invars[0]
        return None

    def _number(self, atom: Atom) -> int:
        assert isinstance(atom, Var)
        if atom in self._stacked:
            return self._inputs.index(atom)
        if atom not in self.more:
            self.more.append(atom)
        return len(self._inputs) + self.more.index(atom)


def _adds_little(eqn: Eqn) -> bool:
    """Whether few products are added to each element of a step's product, and those are not very few."""
    shape, axes = eqn.invars[0].aval.shape, eqn.params["dimension_numbers"][0][0]
    terms: int = prod(shape[axis] for axis in axes)
    size = eqn.outvars[0].aval.size
    return size > _TINY and terms < (_MOST if size > _LARGE else _MANY)


def sum_of(products: Sequence[Product], values: Sequence[Array | None]) -> Array:
    """The sum over all steps. values: by their numbers, stacked; None for those that no product has."""
    total: Array | None = None
    for product in products:
        lhs, rhs = values[product.lhs], values[product.rhs]
        assert lhs is not None
        assert rhs is not None
        numbers: DotDimensionNumbers = product.params["dimension_numbers"]
        (value,) = dot_general_p.bind(lhs, rhs, **{**product.params, "dimension_numbers": _over_steps(numbers)})
        for eqn in product.views:
            (value,) = eqn.prim.bind(value, **eqn.params)
        total = value if total is None else add_any(total, value)
    assert total is not None
    return total


def _over_steps(numbers: DotDimensionNumbers) -> DotDimensionNumbers:
    """The same product with the steps, which come first, summed over."""
    contract, batch = (tuple(tuple(axis + 1 for axis in axes) for axes in pair) for pair in numbers)
    return ((0, *contract[0]), (0, *contract[1])), (batch[0], batch[1])
