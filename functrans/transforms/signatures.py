"""What a type checker has to know of the transforms: the shapes of function that they take and give.

`Grad` and `ValueAndGrad` have overloads by argnums and has_aux; shorter ones stand in the transforms' own modules.
`F1[A, P, R]` is a function of an `A` and whatever else `P` says, `Function` any function; `G1[A, P, R]` and `Transformed` are
what transforms give. Imports typing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
    TypeVarTuple,
    Unpack,
    cast,
    overload,
)

from functrans.typing import Array, ArrayLike

__all__ = ["A", "Arr", "B", "C", "D", "F1", "F2", "F3", "F4", "Flags", "Function", "G1", "G2", "G3", "G4", "Grad", "I0",
           "I1", "I2", "I3", "No", "P", "R", "Transformed", "Ts", "V", "ValueAndGrad", "X", "Yes", "typed_grad",
           "typed_value_and_grad"]  # fmt: skip

# bound=Any, which says nothing more than no bound: with it pyright lets a lambda's body do anything with its parameters.
A = TypeVar("A", bound=Any)
B = TypeVar("B", bound=Any)
C = TypeVar("C", bound=Any)
D = TypeVar("D", bound=Any)
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
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


class Transformed(ABC, Generic[P, R_co]):
    """What a transform gives: a function that has the name of another, and is a method if a class holds it.

    At run time it is a plain function. No Callable, of which mypy makes an untyped function where a lambda fits several
    overloads; no Protocol, through which it would infer a lambda's parameters from what the result is used for.
    """

    __name__: str

    @abstractmethod
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: Transformed[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> Transformed[Q, R]: ...
    @abstractmethod
    def __get__(self, instance: object, owner: type | None = None) -> object: ...


class Flags(TypedDict, total=False):
    """The keywords of `grad` that do not change the types."""

    holomorphic: bool
    allow_int: bool


F1: TypeAlias = Callable[Concatenate[A, P], R]
F2: TypeAlias = Callable[Concatenate[A, B, P], R]
F3: TypeAlias = Callable[Concatenate[A, B, C, P], R]
F4: TypeAlias = Callable[Concatenate[A, B, C, D, P], R]
G1: TypeAlias = Transformed[Concatenate[A, P], R]
G2: TypeAlias = Transformed[Concatenate[A, B, P], R]
G3: TypeAlias = Transformed[Concatenate[A, B, C, P], R]
G4: TypeAlias = Transformed[Concatenate[A, B, C, D, P], R]

I0: TypeAlias = Literal[0]
I1: TypeAlias = Literal[1]
I2: TypeAlias = Literal[2]
I3: TypeAlias = Literal[3]
No: TypeAlias = Literal[False]
Yes: TypeAlias = Literal[True]


class Grad(Protocol):
    """Of `grad`."""

    @overload
    def __call__(
        self, fun: F1[A, P, ArrayLike], argnums: I0 = 0, has_aux: No = False, **flags: Unpack[Flags]
    ) -> G1[A, P, A]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, ArrayLike], argnums: I1, has_aux: No = False, **flags: Unpack[Flags]
    ) -> G2[A, B, P, B]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, ArrayLike], argnums: I2, has_aux: No = False, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, C]: ...
    @overload
    def __call__(
        self, fun: F4[A, B, C, D, P, ArrayLike], argnums: I3, has_aux: No = False, **flags: Unpack[Flags]
    ) -> G4[A, B, C, D, P, D]: ...
    @overload
    def __call__(
        self, fun: F1[A, P, ArrayLike], argnums: tuple[I0], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G1[A, P, tuple[A]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, ArrayLike], argnums: tuple[I1], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[B]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, ArrayLike], argnums: tuple[I0, I1], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[A, B]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, ArrayLike], argnums: tuple[I0, I2], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[A, C]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, ArrayLike], argnums: tuple[I1, I2], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[B, C]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, ArrayLike], argnums: tuple[I0, I1, I2], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[A, B, C]]: ...
    @overload
    def __call__(
        self, fun: Function[P, ArrayLike], argnums: int | Sequence[int], has_aux: No = False, **flags: Unpack[Flags]
    ) -> Transformed[P, Any]: ...
    @overload
    def __call__(
        self, fun: F1[A, P, tuple[ArrayLike, X]], argnums: I0 = 0, *, has_aux: Yes, **flags: Unpack[Flags]
    ) -> G1[A, P, tuple[A, X]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, tuple[ArrayLike, X]], argnums: I1, has_aux: Yes, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[B, X]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, tuple[ArrayLike, X]], argnums: I2, has_aux: Yes, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[C, X]]: ...
    @overload
    def __call__(
        self, fun: F4[A, B, C, D, P, tuple[ArrayLike, X]], argnums: I3, has_aux: Yes, **flags: Unpack[Flags]
    ) -> G4[A, B, C, D, P, tuple[D, X]]: ...
    @overload
    def __call__(
        self, fun: F1[A, P, tuple[ArrayLike, X]], argnums: tuple[I0], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G1[A, P, tuple[tuple[A], X]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, tuple[ArrayLike, X]], argnums: tuple[I1], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[tuple[B], X]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, tuple[ArrayLike, X]], argnums: tuple[I0, I1], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[tuple[A, B], X]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, tuple[ArrayLike, X]], argnums: tuple[I0, I2], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[tuple[A, C], X]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, tuple[ArrayLike, X]], argnums: tuple[I1, I2], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[tuple[B, C], X]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, tuple[ArrayLike, X]], argnums: tuple[I0, I1, I2], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[tuple[A, B, C], X]]: ...
    @overload
    def __call__(
        self, fun: Function[P, tuple[ArrayLike, X]], argnums: int | Sequence[int], has_aux: Yes, **flags: Unpack[Flags]
    ) -> Transformed[P, tuple[Any, X]]: ...


class ValueAndGrad(Protocol):
    """Of `value_and_grad`."""

    @overload
    def __call__(
        self, fun: F1[A, P, V], argnums: I0 = 0, has_aux: No = False, **flags: Unpack[Flags]
    ) -> G1[A, P, tuple[V, A]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, V], argnums: I1, has_aux: No = False, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[V, B]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, V], argnums: I2, has_aux: No = False, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[V, C]]: ...
    @overload
    def __call__(
        self, fun: F4[A, B, C, D, P, V], argnums: I3, has_aux: No = False, **flags: Unpack[Flags]
    ) -> G4[A, B, C, D, P, tuple[V, D]]: ...
    @overload
    def __call__(
        self, fun: F1[A, P, V], argnums: tuple[I0], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G1[A, P, tuple[V, tuple[A]]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, V], argnums: tuple[I1], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[V, tuple[B]]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, V], argnums: tuple[I0, I1], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[V, tuple[A, B]]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, V], argnums: tuple[I0, I2], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[V, tuple[A, C]]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, V], argnums: tuple[I1, I2], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[V, tuple[B, C]]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, V], argnums: tuple[I0, I1, I2], has_aux: No = False, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[V, tuple[A, B, C]]]: ...
    @overload
    def __call__(
        self, fun: Function[P, V], argnums: int | Sequence[int], has_aux: No = False, **flags: Unpack[Flags]
    ) -> Transformed[P, tuple[V, Any]]: ...
    @overload
    def __call__(
        self, fun: F1[A, P, tuple[V, X]], argnums: I0 = 0, *, has_aux: Yes, **flags: Unpack[Flags]
    ) -> G1[A, P, tuple[tuple[V, X], A]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, tuple[V, X]], argnums: I1, has_aux: Yes, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[tuple[V, X], B]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, tuple[V, X]], argnums: I2, has_aux: Yes, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[tuple[V, X], C]]: ...
    @overload
    def __call__(
        self, fun: F4[A, B, C, D, P, tuple[V, X]], argnums: I3, has_aux: Yes, **flags: Unpack[Flags]
    ) -> G4[A, B, C, D, P, tuple[tuple[V, X], D]]: ...
    @overload
    def __call__(
        self, fun: F1[A, P, tuple[V, X]], argnums: tuple[I0], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G1[A, P, tuple[tuple[V, X], tuple[A]]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, tuple[V, X]], argnums: tuple[I1], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[tuple[V, X], tuple[B]]]: ...
    @overload
    def __call__(
        self, fun: F2[A, B, P, tuple[V, X]], argnums: tuple[I0, I1], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G2[A, B, P, tuple[tuple[V, X], tuple[A, B]]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, tuple[V, X]], argnums: tuple[I0, I2], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[tuple[V, X], tuple[A, C]]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, tuple[V, X]], argnums: tuple[I1, I2], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[tuple[V, X], tuple[B, C]]]: ...
    @overload
    def __call__(
        self, fun: F3[A, B, C, P, tuple[V, X]], argnums: tuple[I0, I1, I2], has_aux: Yes, **flags: Unpack[Flags]
    ) -> G3[A, B, C, P, tuple[tuple[V, X], tuple[A, B, C]]]: ...
    @overload
    def __call__(
        self, fun: Function[P, tuple[V, X]], argnums: int | Sequence[int], has_aux: Yes, **flags: Unpack[Flags]
    ) -> Transformed[P, tuple[tuple[V, X], Any]]: ...


# Decorators: what a type checker sees is the Protocol; at run time the function stays what it is.


def typed_grad(fun: Callable[..., Any]) -> Grad:
    """As `grad`."""
    return cast(Grad, fun)


def typed_value_and_grad(fun: Callable[..., Any]) -> ValueAndGrad:
    """As `value_and_grad`."""
    return cast(ValueAndGrad, fun)
