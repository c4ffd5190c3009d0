"""The transpose of a linear function: its pullback, which is the same everywhere, so that no point has to be given.

Start reading at `linear_transpose`. Imports core, errors, tree and the transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from functrans import tree
from functrans.core.aval import is_inexact, shaped
from functrans.core.ir import Atom, Eqn, Jaxpr, Var, eval_jaxpr
from functrans.core.primitive import is_concrete
from functrans.errors import IntegerInputError, IntegerOutputError, NotLinearError
from functrans.transforms.arguments import argument_paths, function_name, owned
from functrans.transforms.jvp import push_forward
from functrans.transforms.make_jaxpr import trace_abstractly
from functrans.transforms.signatures import R
from functrans.transforms.stage import stage
from functrans.transforms.vjp import check_cotangents, instantiate, pull_back, record, zeros
from functrans.typing import Array, PyTree

__all__ = ["linear_transpose"]


def linear_transpose(fun: Callable[..., R], *primals: PyTree) -> Callable[[R], tuple[PyTree, ...]]:
    """The transpose of a linear function of arguments that have the types of `primals`.

    primals: trees of arrays or `ShapeDtypeStruct`s, of which only the types matter. The result takes a cotangent, a tree
    like the value of `fun`, and gives a tuple of trees like the primals: `pull` of `vjp` at any point. Raises
    NotLinearError for a function whose derivative depends on the point (also where it only seems to), or that is not
    zero at zero; IntegerInputError and IntegerOutputError for arguments and values that are neither floating nor complex.

    >>> import numpy as np
    >>> transposed = linear_transpose(lambda x: 3.0 * x[:2], np.zeros(3))
    >>> transposed(np.array([1.0, 10.0]))
    (array([ 3., 30.,  0.]),)
    """
    name = function_name(fun)
    in_tree = tree.structure(primals)
    jaxpr, out_tree = trace_abstractly(fun, primals, {}, "linear_transpose")
    _check_dtypes(fun, primals, jaxpr)
    _check_linear(name, jaxpr)
    recorded = record(
        lambda *tracers: list(eval_jaxpr(jaxpr, *tracers)), [zeros(aval) for aval in jaxpr.in_avals], False, name
    )
    if any(is_concrete(value) and not _is_zero(value) for value in recorded.values):
        raise NotLinearError(name, "its value at zero is not zero: it adds a constant")

    def transposed(ct: R) -> tuple[PyTree, ...]:
        cts = check_cotangents(name, ct, out_tree, jaxpr.out_avals)
        found = pull_back(recorded, cts, len(jaxpr.invars), consume=False)
        results = [instantiate(one, aval) for one, aval in zip(found, jaxpr.in_avals, strict=True)]
        return tree.unflatten(in_tree, owned(results, cts))

    return transposed


def _check_dtypes(fun: Callable[..., Any], primals: Sequence[Any], jaxpr: Jaxpr) -> None:
    name = function_name(fun)
    for i, aval in enumerate(jaxpr.in_avals):
        if not is_inexact(aval.dtype):
            raise IntegerInputError("linear_transpose", name, argument_paths(fun, primals)[i], str(aval))
    for aval in jaxpr.out_avals:
        if not is_inexact(aval.dtype):
            raise IntegerOutputError("linear_transpose", name, str(aval))


def _is_zero(value: Array) -> bool:
    return not np.any((value != 0) & ~np.isnan(value))  # 0 · inf is no added constant


# ---- is it linear? ----


def _check_linear(name: str, jaxpr: Jaxpr) -> None:
    """Raise NotLinearError where the tangents of the results depend on the primals and not on their tangents alone."""
    count = len(jaxpr.invars)

    def tangents_of(*args: Array) -> list[Array]:
        call = lambda *tracers: list(eval_jaxpr(jaxpr, *tracers))
        _, tangents, _, _ = push_forward(call, args[:count], args[count:], False, name)
        return [tangent for tangent in tangents if tangent is not None]

    joint = stage(tangents_of, [*jaxpr.in_avals, *(shaped(aval.shape, aval.dtype) for aval in jaxpr.in_avals)])
    primals, tangents = joint.invars[:count], joint.invars[count:]
    if not _needed(joint, joint.outvars).isdisjoint(primals):
        raise NotLinearError(name, "its derivative depends on its argument", _where(joint, primals, tangents))


def _needed(jaxpr: Jaxpr, wanted: Iterable[Atom]) -> set[Var]:
    """All variables that the wanted atoms are computed from."""
    used = {atom for atom in wanted if isinstance(atom, Var)}
    for eqn in reversed(jaxpr.eqns):
        if not used.isdisjoint(eqn.outvars):
            used.update(_reads(eqn, used))
    return used


def _reads(eqn: Eqn, used: set[Var]) -> list[Var]:
    """The operands that the used results of an equation depend on: looking inside, where it carries a jaxpr of them all."""
    inner = eqn.params.get(eqn.prim.carries) if eqn.prim.carries else None
    operands: Iterable[Atom] = eqn.invars
    if eqn.prim.prune is not None:
        kept = eqn.prim.prune(eqn.params, tuple(var in used for var in eqn.outvars)).operands
        operands = [atom for atom, keeps in zip(eqn.invars, kept, strict=True) if keeps]
    if isinstance(inner, Jaxpr) and len(inner.invars) == len(eqn.invars) and len(inner.outvars) == len(eqn.outvars):
        needed = _needed(inner, [atom for atom, var in zip(inner.outvars, eqn.outvars, strict=True) if var in used])
        operands = [atom for atom, var in zip(eqn.invars, inner.invars, strict=True) if var in needed]
    return [atom for atom in operands if isinstance(atom, Var)]


def _where(joint: Jaxpr, primals: Iterable[Var], tangents: Iterable[Var]) -> str:
    """The user's line where a primal and a tangent first meet."""
    from_primals, from_tangents = set(primals), set(tangents)
    for eqn in joint.eqns:
        reads = {atom for atom in eqn.invars if isinstance(atom, Var)}
        nonlinear, tangent = not reads.isdisjoint(from_primals), not reads.isdisjoint(from_tangents)
        if nonlinear and tangent:
            return f"at {eqn.source}: {eqn.source.text}" if eqn.source else ""
        if nonlinear:
            from_primals.update(eqn.outvars)
        if tangent:
            from_tangents.update(eqn.outvars)
    return ""
