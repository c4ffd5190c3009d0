"""Products that are read transposed: their operands change places, so that the result lies as it is read.

Reverse mode makes such of `x @ w.T`: the gradient by w is that by its transpose, turned. Imports core; start at `exchange`.
"""

from __future__ import annotations

from collections import Counter

from functrans.core.ir import Eqn, Jaxpr, Var
from functrans.core.lowering import Contract

__all__ = ["exchange"]


def exchange(jaxpr: Jaxpr) -> Jaxpr:
    """The same function, but for the order of sums, in which no product is made only to be transposed."""
    read = Counter(atom for eqn in jaxpr.eqns for atom in eqn.invars if isinstance(atom, Var))
    read.update(atom for atom in jaxpr.outvars if isinstance(atom, Var))
    products: dict[object, Eqn] = {}
    turned: dict[Var, Eqn] = {}
    for eqn in jaxpr.eqns:
        if eqn.prim.name == "dot_general" and read[eqn.outvars[0]] == 1:
            products[eqn.outvars[0]] = eqn
        elif eqn.prim.name == "transpose" and eqn.invars[0] in products:
            product = products[eqn.invars[0]]
            if tuple(eqn.params["permutation"]) == _order(product):
                turned[eqn.outvars[0]] = _exchanged(product, eqn)
    if not turned:
        return jaxpr
    eqns = tuple(turned.get(eqn.outvars[0], eqn) if eqn.outvars else eqn for eqn in jaxpr.eqns)
    return Jaxpr(jaxpr.invars, jaxpr.outvars, eqns, jaxpr.constvars, jaxpr.consts)


def _order(product: Eqn) -> tuple[int, ...]:
    """The axes of its result as those of the exchanged product lie."""
    lowering = product.lowering
    assert isinstance(lowering, Contract)
    batch, (left, right) = len(lowering.batch[0]), map(len, lowering.free)
    return (*range(batch), *range(batch + left, batch + left + right), *range(batch, batch + left))


def _exchanged(product: Eqn, transpose: Eqn) -> Eqn:
    """The product in place of its transpose."""
    contracted, batch = product.params["dimension_numbers"]
    numbers = (contracted[::-1], batch[::-1])
    return Eqn(product.prim, product.invars[::-1], {**product.params, "dimension_numbers": numbers}, transpose.outvars,
               product.source)  # fmt: skip
