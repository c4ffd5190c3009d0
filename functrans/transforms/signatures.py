"""What a type checker has to know of the transforms: the shapes of function that they take and give.

The overloads that use these stand in the transforms' own modules. `F1[A, P, R]` is a function of an `A` and whatever else `P`
says; `Function` is any function. Transforms give a `Function` where they have overloads: mypy unites the overloads that a
lambda fits by comparing results, and of `Callable`s it makes an untyped one. Imports typing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypedDict, TypeVar, TypeVarTuple

from functrans.typing import Array, ArrayLike

__all__ = ["A", "Arr", "B", "C", "D", "F1", "F2", "F3", "F4", "Flags", "Function", "G1", "G2", "G3", "G4", "I0", "I1", "I2",
           "I3", "No", "P", "R", "Ts", "V", "X", "Yes"]  # fmt: skip

# bound=Any, which says nothing more than no bound: with it pyright lets a lambda's body do anything with its parameters.
A = TypeVar("A", bound=Any)
B = TypeVar("B", bound=Any)
C = TypeVar("C", bound=Any)
D = TypeVar("D", bound=Any)
P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")
Arr = TypeVar("Arr", bound=Array)
V = TypeVar("V", bound=ArrayLike)
"""The value of a function that has a gradient."""
X = TypeVar("X")
"""What a function returns besides its value: aux."""
R_co = TypeVar("R_co", covariant=True)


class Function(Protocol[P, R_co]):
    """A function: its parameters and its result."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class Flags(TypedDict, total=False):
    """The keywords of `grad` that do not change the types."""

    holomorphic: bool
    allow_int: bool


F1: TypeAlias = Callable[Concatenate[A, P], R]
F2: TypeAlias = Callable[Concatenate[A, B, P], R]
F3: TypeAlias = Callable[Concatenate[A, B, C, P], R]
F4: TypeAlias = Callable[Concatenate[A, B, C, D, P], R]
G1: TypeAlias = Function[Concatenate[A, P], R]
G2: TypeAlias = Function[Concatenate[A, B, P], R]
G3: TypeAlias = Function[Concatenate[A, B, C, P], R]
G4: TypeAlias = Function[Concatenate[A, B, C, D, P], R]

I0: TypeAlias = Literal[0]
I1: TypeAlias = Literal[1]
I2: TypeAlias = Literal[2]
I3: TypeAlias = Literal[3]
No: TypeAlias = Literal[False]
Yes: TypeAlias = Literal[True]
