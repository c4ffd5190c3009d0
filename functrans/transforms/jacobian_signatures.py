"""What a type checker has to know of `jacfwd`, `jacrev` and `hessian`; as `signatures.py`, with more overloads.

By the first argument, the Jacobian of a number is like the argument, and that of an array by an array is an array; all else is
a tree of trees, for which there is no type. Imports typing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypedDict, Unpack, cast, overload

import numpy as np

from functrans.transforms.signatures import F1, G1, I0, A, Arr, Function, No, P, Transformed, X, Yes
from functrans.typing import Array, ArrayLike

__all__ = ["Options", "typed_hessian", "typed_jacfwd", "typed_jacrev"]

Argnums: TypeAlias = int | Sequence[int]


class Options(TypedDict, total=False):
    """The keywords of `jacfwd` that do not change the types."""

    holomorphic: bool
    chunk_size: int | None


class ReverseOptions(Options, total=False):
    """Those of `jacrev`."""

    allow_int: bool


class Jacfwd(Protocol):
    """Of `jacfwd`."""

    @overload
    def __call__(
        self, fun: F1[A, P, float | np.generic], argnums: I0 = 0, has_aux: No = False, **options: Unpack[Options]
    ) -> G1[A, P, A]: ...
    @overload
    def __call__(
        self, fun: F1[Arr, P, Array], argnums: I0 = 0, has_aux: No = False, **options: Unpack[Options]
    ) -> G1[Arr, P, Array]: ...
    @overload
    def __call__(
        self, fun: Function[P, Any], argnums: Argnums = 0, has_aux: No = False, **options: Unpack[Options]
    ) -> Transformed[P, Any]: ...
    @overload
    def __call__(
        self, fun: Function[P, tuple[Any, X]], argnums: Argnums = 0, *, has_aux: Yes, **options: Unpack[Options]
    ) -> Transformed[P, tuple[Any, X]]: ...


class Jacrev(Protocol):
    """Of `jacrev`."""

    @overload
    def __call__(
        self, fun: F1[A, P, float | np.generic], argnums: I0 = 0, has_aux: No = False, **options: Unpack[ReverseOptions]
    ) -> G1[A, P, A]: ...
    @overload
    def __call__(
        self, fun: F1[Arr, P, Array], argnums: I0 = 0, has_aux: No = False, **options: Unpack[ReverseOptions]
    ) -> G1[Arr, P, Array]: ...
    @overload
    def __call__(
        self, fun: Function[P, Any], argnums: Argnums = 0, has_aux: No = False, **options: Unpack[ReverseOptions]
    ) -> Transformed[P, Any]: ...
    @overload
    def __call__(
        self, fun: Function[P, tuple[Any, X]], argnums: Argnums = 0, *, has_aux: Yes, **options: Unpack[ReverseOptions]
    ) -> Transformed[P, tuple[Any, X]]: ...


class Hessian(Protocol):
    """Of `hessian`."""

    @overload
    def __call__(
        self, fun: F1[Arr, P, ArrayLike], argnums: I0 = 0, has_aux: No = False, **options: Unpack[Options]
    ) -> G1[Arr, P, Array]: ...
    @overload
    def __call__(
        self, fun: Function[P, Any], argnums: Argnums = 0, has_aux: No = False, **options: Unpack[Options]
    ) -> Transformed[P, Any]: ...
    @overload
    def __call__(
        self, fun: Function[P, tuple[Any, X]], argnums: Argnums = 0, *, has_aux: Yes, **options: Unpack[Options]
    ) -> Transformed[P, tuple[Any, X]]: ...


# Decorators: what a type checker sees is the Protocol; at run time the function stays what it is.


def typed_jacfwd(fun: Callable[..., Any]) -> Jacfwd:
    """As `jacfwd`."""
    return cast(Jacfwd, fun)


def typed_jacrev(fun: Callable[..., Any]) -> Jacrev:
    """As `jacrev`."""
    return cast(Jacrev, fun)


def typed_hessian(fun: Callable[..., Any]) -> Hessian:
    """As `hessian`."""
    return cast(Hessian, fun)
