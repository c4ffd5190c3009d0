"""What is known of constants: equations of literals are computed now, and those of arrays that repeat one are literals, or
such arrays, themselves.

NumPy computes them, and what it would warn of or refuse is left to run time. Imports core; start reading at `fold`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functrans.core.aval import shaped
from functrans.core.ir import Atom, Eqn, Literal, Var
from functrans.core.lowering import Lowering, Pointwise, Reduce, View
from functrans.typing import Array

__all__ = ["Known", "fold", "replaced"]


class Known:
    """What the equations so far say of variables."""

    def __init__(self) -> None:
        self.same: dict[Var, Atom] = {}
        """The atoms that variables have turned out to be."""
        self._makers: dict[Atom, Eqn] = {}

    def define(self, eqn: Eqn) -> None:
        if len(eqn.outvars) == 1:
            self._makers[eqn.outvars[0]] = eqn

    def resolve(self, atom: Atom) -> Atom:
        return self.same.get(atom, atom) if isinstance(atom, Var) else atom

    def resolved(self, eqn: Eqn) -> Eqn:
        """The equation of what its operands have turned out to be."""
        invars = tuple(map(self.resolve, eqn.invars))
        return eqn if invars == eqn.invars else Eqn(eqn.prim, invars, eqn.params, eqn.outvars, eqn.source)

    def maker(self, atom: Atom, *names: str) -> Eqn | None:
        """The equation of an atom, if its primitive has one of the names."""
        eqn = self._makers.get(atom)
        return eqn if eqn is not None and eqn.prim.name in names else None

    def broadcast(self, atom: Atom) -> Eqn | None:
        """The equation of an array that repeats a literal."""
        eqn = self.maker(atom, "broadcast_in_dim")
        return eqn if eqn is not None and isinstance(eqn.invars[0], Literal) else None

    def number(self, atom: Atom) -> Literal | None:
        """The literal that an atom is, or repeats."""
        if isinstance(atom, Literal):
            return atom
        eqn = self.broadcast(atom)
        return eqn.invars[0] if eqn is not None and isinstance(eqn.invars[0], Literal) else None

    def equal(self, x: Atom, y: Atom) -> bool:
        """Whether two atoms are, or repeat, the same literal in the same shape."""
        one, other = self.number(x), self.number(y)
        return one is not None and other is not None and one.key == other.key and x.aval is y.aval


def fold(eqn: Eqn, known: Known) -> Atom | Eqn | None:
    """What a rule of `simplify` gives: a literal, an array that repeats one, or literals in place of such arrays."""
    numbers = [known.number(atom) for atom in eqn.invars]
    if not any(numbers) or eqn.prim.lower is None or eqn.prim.name == "broadcast_in_dim" or eqn.has_effect:
        return None
    if next(eqn.jaxprs, None) is not None:  # loops and branches may take for ever, or raise
        return None
    found = [number for number in numbers if number is not None]
    if all(isinstance(atom, Literal) for atom in eqn.invars):
        return _literal(eqn, found) if not eqn.outvars[0].aval.shape else None
    broadcasts = [one for atom in eqn.invars if (one := known.broadcast(atom)) is not None]
    if not broadcasts:
        return None
    lowering = eqn.lowering
    if len(found) == len(numbers):
        literal = _repeated(eqn, lowering, found)
        return None if literal is None else _repeating(literal.value, eqn, broadcasts[0])
    return _of_literals(eqn, numbers) if isinstance(lowering, Pointwise) else None


def _literal(eqn: Eqn, operands: Sequence[Literal]) -> Literal | None:
    """The equation's result for literals, computed now."""
    out = eqn.outvars[0].aval
    try:
        with np.errstate(all="raise"):
            (result,) = eqn.prim.impl(*(np.asarray(x.value, x.aval.dtype)[()] for x in operands), **eqn.params)
    except Exception:  # whatever it is, it is for run time to say
        return None
    value = np.asarray(result)
    return Literal(value[()], shaped((), out.dtype, out.weak)) if value.dtype == out.dtype and not value.shape else None


def _repeated(eqn: Eqn, lowering: Lowering | None, operands: Sequence[Literal]) -> Literal | None:
    """The literal that the result repeats, where all operands repeat literals."""
    if isinstance(lowering, Pointwise):
        return _literal(eqn, operands)
    is_extremum = isinstance(lowering, Reduce) and lowering.combine in ("max", "min", "and", "or")
    if isinstance(lowering, View) or (is_extremum and 0 not in eqn.invars[0].aval.shape):
        return operands[0]
    return None


def _repeating(value: Array, eqn: Eqn, broadcast: Eqn) -> Atom | Eqn:
    """A number in the type of an equation's result."""
    out = eqn.outvars[0].aval
    literal = Literal(value, shaped((), out.dtype, out.weak))
    if not out.shape:
        return literal
    params = {**broadcast.params, "shape": out.shape, "broadcast_dimensions": ()}
    return Eqn(broadcast.prim, (literal,), params, eqn.outvars, eqn.source)


def _of_literals(eqn: Eqn, numbers: Sequence[Literal | None]) -> Eqn | None:
    """An elementwise equation with literals in place of arrays that repeat them."""
    operands = [atom if number is None else number for atom, number in zip(eqn.invars, numbers, strict=True)]
    if eqn.prim.abstract_eval(*(atom.aval for atom in operands), **eqn.params) != (eqn.outvars[0].aval,):
        return None
    return Eqn(eqn.prim, tuple(operands), eqn.params, eqn.outvars, eqn.source)


def replaced(eqn: Eqn, invars: tuple[Atom, ...], **params: object) -> Eqn:
    """The same primitive of other operands."""
    return Eqn(eqn.prim, invars, {**eqn.params, **params}, eqn.outvars, eqn.source)
