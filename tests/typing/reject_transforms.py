"""Wrong uses of the other transforms. Checked by mypy and pyright, never run; how, is said in `reject_gradients.py`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedVariable=false, reportUnusedExpression=false

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

import functrans as ft
from functrans import Array

F64: TypeAlias = NDArray[np.float64]


def scaled(x: F64, by: float = 2.0, *, times: int = 1) -> F64:
    return x * by * times


def with_aux(x: F64, by: float) -> tuple[F64, str]:
    return x * by, ""


def norm(x: F64) -> np.float64:
    return np.sum(x**2)


@ft.jit
def jitted(x: F64, *, times: int = 1) -> F64:
    return x * times


@ft.jit(static_argnames="times")
def jitted_with_static(x: F64, *, times: int = 1) -> F64:
    return x * times


class Model:
    @ft.jit
    def predict(self, x: F64) -> F64:
        return x

    @ft.custom_vjp
    def clipped(self, x: F64) -> F64:
        return x


def jit(x: F64) -> None:
    jitted("x")  # type: ignore[arg-type]
    jitted(x, 2)  # type: ignore[call-arg]
    jitted(x, times="2")  # type: ignore[arg-type]
    jitted_with_static(x, time=2)  # type: ignore[call-arg]
    ft.jit(scaled, static_argname="times")  # type: ignore[call-overload]
    ft.jit(scaled)()  # type: ignore[call-arg]
    Model().predict()  # type: ignore[call-arg]
    Model().predict("x")  # type: ignore[arg-type]
    Model().clipped("x")  # type: ignore[arg-type]
    jitted(x).weight  # type: ignore[attr-defined]
    ft.jit(scaled, unchecked="yes")  # type: ignore[call-overload]


def lower(x: F64) -> None:
    jitted.lower(x).compile()("x")  # type: ignore[arg-type]
    jitted.lower(x).compile()()  # type: ignore[call-arg]
    jitted.lower(x).compile()(x).weight  # type: ignore[attr-defined]
    jitted.lower(x).kernel  # type: ignore[attr-defined]
    jitted.lower(x).cost().flop  # type: ignore[attr-defined]
    jitted.lower(x).cost().arena = 0  # type: ignore[misc]
    jitted.explain("x")  # type: ignore[call-arg]


def vmap(x: F64) -> None:
    ft.vmap(scaled)("x")  # type: ignore[arg-type]
    ft.vmap(scaled, in_axes=(0, None))(x, 2.0, 1)  # type: ignore[call-arg]
    ft.vmap(scaled, axis=0)  # type: ignore[call-arg]
    ft.vmap(scaled)(x).weight  # type: ignore[attr-defined]


def vjp(x: F64) -> None:
    ft.vjp(scaled, "x")  # type: ignore[arg-type]
    ft.vjp(norm, x, x)  # type: ignore[call-arg, arg-type]
    ft.vjp(scaled, x)[1]("x")  # type: ignore[arg-type]
    ft.vjp(norm, x, has_aux=True)  # type: ignore[call-overload]
    out, pull, aux = ft.vjp(norm, x)  # type: ignore[misc]


def jvp(x: F64) -> None:
    ft.jvp(norm, (x,), (x, x))  # type: ignore[arg-type]
    ft.jvp(norm, x, x)  # type: ignore[call-overload]
    ft.jvp(norm, (1.0,), (1.0,))  # type: ignore[arg-type]
    ft.linearize(scaled, x, 2.0)[1](x)  # type: ignore[call-arg]
    ft.linearize(norm, "x")  # type: ignore[arg-type]
    out, tangent, aux = ft.jvp(with_aux, (x, 1.0), (x, 1.0))  # type: ignore[misc]


def jacobians(x: F64) -> None:
    ft.jacfwd(scaled)("x")  # type: ignore[arg-type]
    ft.jacfwd(scaled)(x, times="2")  # type: ignore[arg-type]
    ft.jacrev(scaled, allow_ints=True)  # type: ignore[call-overload]
    ft.jacfwd(scaled, allow_int=True)  # type: ignore[call-overload]
    ft.jacrev(scaled, has_aux=True)  # type: ignore[call-overload]
    ft.hessian(norm)(x, x)  # type: ignore[call-arg]
    ft.hvp(norm, (x,), (x, x))  # type: ignore[arg-type]


@ft.custom_vjp
def clipped(x: F64) -> F64:
    return x


def fwd(x: F64) -> tuple[F64, str]:
    return x, "residual"


def bwd(residual: str, ct: F64) -> tuple[F64]:
    return (ct,)


def bwd_of_numbers(residual: int, ct: F64) -> tuple[F64]:
    return (ct,)


def bwd_without_residual(ct: F64) -> tuple[F64]:
    return (ct,)


def bwd_of_array(residual: str, ct: F64) -> F64:
    return ct


@ft.custom_jvp
def cubed(x: F64) -> F64:
    return x**3


def rules(x: F64) -> None:
    clipped.defvjp(fwd, bwd)
    clipped.defvjp(scaled, bwd)  # type: ignore[arg-type]
    clipped.defvjp(fwd, bwd_of_numbers)  # type: ignore[misc]
    clipped.defvjp(fwd, bwd_without_residual)  # type: ignore[arg-type]
    clipped.defvjp(fwd, bwd_of_array)  # type: ignore[arg-type]
    clipped(x, x)  # type: ignore[call-arg]
    cubed("x")  # type: ignore[arg-type]
    cubed.defjvp(scaled)  # type: ignore[arg-type]


def others(x: F64, y: Array) -> None:
    ft.tree.map(2.0, x)  # type: ignore[arg-type]
    ft.make_jaxpr(scaled)(x).equations  # type: ignore[attr-defined]
    ft.flatten_util.ravel_pytree({"x": x})[1]("x")  # type: ignore[arg-type]
    ft.disable_jit("yes")  # type: ignore[arg-type]
