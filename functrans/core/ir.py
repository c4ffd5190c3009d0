"""The IR: a `Jaxpr` is a list of equations over typed variables.

It is frozen, always closed (`consts` are the captured values, one per constvar), and has any number of results. Start reading
at `Jaxpr`. Imports `aval`, `primitive`, `source`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

import numpy as np

from functrans.core.aval import ShapedArray, concrete_aval
from functrans.core.lowering import Lowering
from functrans.core.primitive import Params, Primitive, Values
from functrans.core.source import Source, use_source
from functrans.record import Record
from functrans.typing import Array

__all__ = ["Atom", "Eqn", "Jaxpr", "Literal", "Var", "eval_jaxpr", "literal", "memoized"]


P = ParamSpec("P")
R = TypeVar("R")


class Var:
    """A variable: an identity and a type. The printer gives it a name."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var({self.aval})"


class Literal(Record, eq=False):
    """A rank-0 constant, written into the equation that uses it."""

    value: Array
    aval: ShapedArray

    @property
    def data(self) -> bytes:
        """As it lies in memory."""
        return np.asarray(self.value, self.aval.dtype).tobytes()

    @property
    def key(self) -> Hashable:
        return (self.aval, self.data)


Atom: TypeAlias = Var | Literal


def literal(value: Array) -> Literal:
    """The literal of a rank-0 concrete value."""
    return Literal(value[()] if type(value) is np.ndarray else value, concrete_aval(value))


class Eqn(Record, eq=False, also=("__dict__",)):
    """`outvars = prim[params] invars`, and where in the user's code it comes from."""

    prim: Primitive
    invars: tuple[Atom, ...]
    params: Params
    outvars: tuple[Var, ...]
    source: Source | None

    @cached_property
    def lowering(self) -> Lowering | None:
        """What it is to a compiler; None: only NumPy's implementation runs it."""
        lower = self.prim.lower
        return None if lower is None else lower([atom.aval for atom in self.invars], self.params)

    @property
    def jaxprs(self) -> Iterator[Jaxpr]:
        """Those that it carries: its parameters, alone or in tuples."""
        for param in self.params.values():
            for item in param if type(param) is tuple else (param,):
                if isinstance(item, Jaxpr):
                    yield item

    @property
    def has_effect(self) -> bool:
        """Whether running it does more than give results. Then it is not to be left out, merged with another that is alike,
        moved past another that has an effect, run again for a derivative, or run while the program is compiled."""
        return self.prim.effect or any(jaxpr.has_effects for jaxpr in self.jaxprs)


class Jaxpr(Record, eq=False, also=("__dict__", "__weakref__")):
    """`{ lambda consts ; invars. let eqns in outvars }`."""

    invars: tuple[Var, ...]
    outvars: tuple[Atom, ...]
    eqns: tuple[Eqn, ...]
    constvars: tuple[Var, ...] = ()
    consts: tuple[Array, ...] = ()

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        return tuple(var.aval for var in self.invars)

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        return tuple(atom.aval for atom in self.outvars)

    def all_eqns(self) -> Iterator[Eqn]:
        """The equations with those of the jaxprs that they carry, each after the equation that it is in."""
        for eqn in self.eqns:
            yield eqn
            for jaxpr in eqn.jaxprs:
                yield from jaxpr.all_eqns()

    @cached_property
    def has_effects(self) -> bool:
        """Whether one of its equations has an effect."""
        return any(eqn.has_effect for eqn in self.eqns)

    @cached_property
    def weak_results(self) -> tuple[int, ...]:
        """Which results are weak: Python numbers at evaluation."""
        return tuple(i for i, atom in enumerate(self.outvars) if atom.aval.weak)

    @cached_property
    def dying(self) -> tuple[tuple[Var, ...], ...]:
        """For each equation, the variables that nothing after it uses: an interpreter frees them there."""
        alive = {atom for atom in self.outvars if isinstance(atom, Var)}
        dying: list[tuple[Var, ...]] = []
        for eqn in reversed(self.eqns):
            variables = dict.fromkeys(atom for atom in (*eqn.invars, *eqn.outvars) if isinstance(atom, Var))
            dying.append(tuple(var for var in variables if var not in alive))
            alive.update(variables)
        return tuple(reversed(dying))

    @cached_property
    def key(self) -> Hashable:
        """The structure: equal for jaxprs that are the same up to the names of variables and the values of consts."""
        number: dict[Var, int] = {}

        def atom_key(atom: Atom) -> Hashable:
            return number[atom] if isinstance(atom, Var) else atom.key

        def define(variables: Sequence[Var]) -> Hashable:
            for var in variables:
                number[var] = len(number)
            return tuple(var.aval for var in variables)

        head = (define(self.constvars), define(self.invars))
        body = []
        for eqn in self.eqns:
            operands = tuple(atom_key(atom) for atom in eqn.invars)
            body.append((eqn.prim, operands, param_key(eqn.params), define(eqn.outvars)))
        return (head, tuple(body), tuple(atom_key(atom) for atom in self.outvars))

    @cached_property
    def memo(self) -> dict[Hashable, Any]:  # Any: each function keeps results of its own type here
        """What `memoized` functions have made of this jaxpr; goes when it goes."""
        return {}

    def with_consts_as_inputs(self) -> Jaxpr:
        """The same function with the captured values as leading arguments."""
        return Jaxpr((*self.constvars, *self.invars), self.outvars, self.eqns)

    def __str__(self) -> str:
        return PRINT[0](self)

    __repr__ = __str__

    def _repr_svg_(self) -> str | None:
        """For notebooks: see `functrans.draw`."""
        return DRAW[0](self)


PRINT: list[Callable[[Jaxpr], str]] = []  # filled by printer.py, which imports this module
DRAW: list[Callable[[Any], str | None]] = []  # filled by late.py, for jaxprs and for what is made of them


def memoized(function: Callable[Concatenate[Jaxpr, P], R]) -> Callable[Concatenate[Jaxpr, P], R]:
    """Let a function of a jaxpr (and hashable arguments) be computed once per jaxpr and arguments."""

    @wraps(function)
    def remembering(jaxpr: Jaxpr, /, *args: P.args, **kwargs: P.kwargs) -> R:
        memo = jaxpr.memo
        key = (function, args, tuple(kwargs.items())) if args or kwargs else function
        if key not in memo:
            memo[key] = function(jaxpr, *args, **kwargs)
        known: R = memo[key]
        return known

    return remembering


def param_key(param: Any) -> Hashable:  # Any: whatever a primitive has as a parameter
    """A parameter as something hashable; functions and unknown objects stand for themselves, by identity."""
    if isinstance(param, Jaxpr):
        return param.key
    if isinstance(param, Mapping):
        return tuple((name, param_key(value)) for name, value in sorted(param.items()))
    if isinstance(param, tuple | list):
        return (type(param), *(param_key(item) for item in param))
    if isinstance(param, np.ndarray):
        return (param.shape, param.dtype, param.tobytes())
    return (type(param), param)


def eval_jaxpr(jaxpr: Jaxpr, *args: Array, through: bool = False) -> Values:
    """Run a jaxpr under the current trace; values are let go after their last use.

    With `through`, equations that are calls and nothing more give way to those of their jaxprs.
    """
    env: dict[Var, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*jaxpr.consts, *args), strict=True))

    def read(atom: Atom) -> Array:
        return cast(Array, env[atom]) if isinstance(atom, Var) else atom.value

    for eqn, dying in zip(jaxpr.eqns, jaxpr.dying, strict=True):
        with use_source(eqn.source):
            operands = map(read, eqn.invars)
            if through and eqn.prim.is_call:
                outs = eval_jaxpr(eqn.params[cast(str, eqn.prim.carries)], *operands, through=True)
            else:
                outs = eqn.prim.bind(*operands, **eqn.params)
        env.update(zip(eqn.outvars, outs, strict=True))
        del outs
        for var in dying:
            del env[var]
    return tuple(read(atom) for atom in jaxpr.outvars)
