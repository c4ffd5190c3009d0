"""The values and gradients on a circuit's wires. Start reading at `numbers_of`. Imports core, grad and `circuit`.

The gradient by one use of a variable is that by a zero which is added where it is read: the derivative of the whole by this
wire alone. What arrives at a box from behind is the sum over the wires that leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functrans.core.ir import Atom, Jaxpr, Var
from functrans.drawing.circuit import Numbers
from functrans.errors import ParameterError
from functrans.transforms.grad import grad
from functrans.typing import Array

__all__ = ["numbers_of"]

Use = tuple[int, int]


def numbers_of(jaxpr: Jaxpr, args: Sequence[Array], gradients: bool) -> Numbers:
    """The value of every variable, and with `gradients` the derivative of the result, one real scalar, by every use."""
    values: dict[Var, Any] = {}
    _run(jaxpr, args, {}, values)
    if not gradients:
        return Numbers(values, {})
    out = jaxpr.outvars[0] if len(jaxpr.outvars) == 1 else None
    if out is None or out.aval.shape or out.aval.dtype.kind != "f":
        results = ", ".join(str(atom.aval) for atom in jaxpr.outvars)
        raise ParameterError(
            "draw", f"gradients=True for results {results}", "a function whose result is one real scalar"
        )
    zeros = {
        (number, i): np.zeros(atom.aval.shape, atom.aval.dtype)
        for number, atoms in enumerate([*(eqn.invars for eqn in jaxpr.eqns), jaxpr.outvars])
        for i, atom in enumerate(atoms)
        if isinstance(atom, Var) and atom.aval.dtype.kind in "fc"
    }
    return Numbers(values, grad(lambda taps: _run(jaxpr, args, taps, {}))(zeros))


def _run(jaxpr: Jaxpr, args: Sequence[Array], taps: Mapping[Use, Any], values: dict[Var, Any]) -> Any:
    """The first result, with something added where variables are read; all that is computed goes into `values`."""
    values.update(zip((*jaxpr.constvars, *jaxpr.invars), (*jaxpr.consts, *args), strict=True))

    def read(atom: Atom, use: Use) -> Any:
        value = values[atom] if isinstance(atom, Var) else atom.value
        return value + taps[use] if use in taps else value

    for number, eqn in enumerate(jaxpr.eqns):
        operands = [read(atom, (number, i)) for i, atom in enumerate(eqn.invars)]
        values.update(zip(eqn.outvars, eqn.prim.bind(*operands, **eqn.params), strict=True))
    return read(jaxpr.outvars[0], (len(jaxpr.eqns), 0)) if jaxpr.outvars else None
