"""`optimization_barrier`, the identity that a compiler does not look through, and `name`, the identity that names a value.

Neither computes anything: a barrier says what is not to be merged with, or moved before, what; a name is for the policies
that choose what reverse mode saves. Imports core, tree.
"""

from __future__ import annotations

from functrans import tree
from functrans.core.lowering import Barrier, Remap, one_view
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values
from functrans.treedef import T

__all__ = ["checkpoint_name", "name_p", "optimization_barrier", "optimization_barrier_p"]


def _barred(values: Maybes) -> Maybes:
    """A barrier around those that there are."""
    there = iter(optimization_barrier_p.bind(*(value for value in values if value is not None)))
    return tuple(None if value is None else next(there) for value in values)


def _barrier_vjp(primals: Values, _wanted: tuple[bool, ...], _params: Params) -> tuple[Values, Pullback]:
    return optimization_barrier_p.bind(*primals), _barred


optimization_barrier_p: Primitive = Primitive(
    "optimization_barrier",
    lambda *operands: operands,
    lambda *avals: avals,
    _barrier_vjp,
    lambda primals, tangents, _params: (optimization_barrier_p.bind(*primals), _barred(tangents)),
    lambda _size, args, batched, _params: (optimization_barrier_p.bind(*args), batched),
    cheap=True,
    lower=lambda _avals, _params: Barrier(),
)


def optimization_barrier(operand: T) -> T:
    """The same tree of arrays, of which a compiled program reads none before it has computed them all.

    What is computed from its results is not merged with the same computation from its operands either: what is written
    twice on purpose, to save memory, stays so.

    >>> import numpy as np
    >>> optimization_barrier((np.array([1.0, 2.0]), 3.0))
    (array([1., 2.]), 3.0)
    """
    leaves, structure = tree.flatten(operand)
    return tree.unflatten(structure, optimization_barrier_p.bind(*leaves)) if leaves else operand


name_p: Primitive = Primitive(
    "name",
    lambda x, *, name: (x,),
    lambda aval, *, name: (aval,),
    lambda primals, _wanted, params: (name_p.bind(*primals, **params), lambda cts: cts),
    lambda primals, tangents, params: (name_p.bind(*primals, **params), tangents),
    lambda _size, args, batched, params: (name_p.bind(*args, **params), batched),
    cheap=True,
    lower=lambda avals, _params: one_view(Remap(tuple(range(avals[0].ndim)))),
)


def checkpoint_name(x: T, name: str) -> T:
    """The same tree of arrays, each under a name by which policies such as `save_only_these_names` know it.

    >>> import numpy as np
    >>> checkpoint_name(np.array([1.0, 2.0]), "activation")
    array([1., 2.])
    """
    return tree.map(lambda leaf: name_p.bind(leaf, name=name)[0], x)
