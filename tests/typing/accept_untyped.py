"""Lambdas and functions without annotations pass, in every nesting. Checked by mypy and pyright, and run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import functrans as ft

X = np.array([1.0, 2.0])


def check_grad_of_lambdas() -> None:
    ft.grad(lambda x: x**2)(2.0)
    ft.grad(lambda x: np.sum(np.sin(x) ** 2))(X)
    ft.grad(lambda x, y: x * y, 1)(1.0, 2.0)
    ft.grad(lambda x, y: x * y, (0, 1))(1.0, 2.0)
    ft.grad(lambda x, y: x * y, [0, 1])(1.0, 2.0)
    ft.value_and_grad(lambda x, y: x * y)(1.0, 2.0)
    ft.value_and_grad(lambda x, y: x * y, (0, 1))(1.0, 2.0)
    ft.grad(lambda x: (x**2, "aux"), has_aux=True)(2.0)
    ft.value_and_grad(lambda x, y: (x * y, y), (0, 1), has_aux=True)(2.0, 1.0)
    ft.grad(lambda p: np.sum(p["w"] @ X) + p["b"][0])({"w": X, "b": [1.0]})["b"][0]


def check_nesting() -> None:
    ft.grad(ft.grad(lambda x: x**3))(2.0)
    ft.grad(ft.grad(ft.grad(lambda x: x * x * x, 0), 0), 0)(2.0)
    ft.grad(lambda x, y: np.sum(ft.grad(lambda z: z * z * x)(y)), (0, 1))(2.0, 3.0)
    ft.vmap(ft.grad(lambda x: x * x))(X)
    ft.vmap(ft.grad(lambda x, y: x * y, (0, 1)), in_axes=(0, None))(X, 1.0)
    ft.jit(ft.vmap(ft.value_and_grad(lambda x, y: x * y, argnums=(0, 1))))(X, X)
    ft.jit(ft.grad(lambda x, y: np.sum(x * y)))(X, X)
    ft.grad(ft.jit(lambda x: np.sum(x * x)))(X)
    ft.grad(lambda x: np.sum(ft.vmap(lambda y: y * y)(x)))(X)
    ft.jvp(ft.grad(lambda x: np.sum(x * x)), (X,), (X,))
    ft.jacfwd(ft.jacrev(lambda x: np.sum(x * x)))(X)


def run(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def check_where_any_function_goes() -> None:
    run(ft.vmap(lambda x: x), X)
    run(ft.jit(lambda x: x), X)
    run(ft.grad(lambda x: x), 1.0)
    run(ft.grad(lambda x, y: x * y, (0, 1)), 1.0, 2.0)
    run(ft.jacfwd(lambda x, y: x * y, 1), 1.0, 2.0)
    f: Callable[..., Any] = ft.vmap(lambda x, y: x * y, (0, None))
    g: Callable[[Any], Any] = ft.value_and_grad(lambda x: np.sum(f(x, 1.0)))
    run(ft.jit(g), X)
    several = {"vmap": ft.vmap(lambda x: x), "mapped twice": ft.vmap(ft.vmap(lambda x: x))}
    several["vmap"](X)
    sorted([1.0, 2.0], key=ft.grad(lambda x: -(x**2)))
    ft.grad(lambda x: x).__name__.upper()


def check_others() -> None:
    ft.jit(lambda x, y: x * y)(X, X)
    ft.vmap(lambda x, y: x * y, in_axes=(0, None))(X, 2.0)
    ft.vmap(lambda x: {"a": x, "b": (x, x)})(X)["b"][0]
    ft.vjp(lambda x, y: x * y, X, 2.0)[1](X)
    ft.vjp(np.sin, X)[1](X)
    ft.jvp(lambda x, y: x * y, (X, 2.0), (X, 1.0))
    ft.linearize(lambda x: np.sin(x) * x, X)[1](X)
    ft.jacrev(lambda p: {"sum": p["x"] + p["y"]})({"x": 1.0, "y": X})["sum"]["x"]
    ft.jacfwd(lambda x: np.sin(x), chunk_size=1)(X)
    ft.hessian(lambda x: x[0] ** 2 * x[1])(X)
    ft.hessian(lambda p: p["a"] ** 2)({"a": 1.0})["a"]["a"]
    ft.hvp(lambda x: np.sum(x**3), (X,), (X,))
    ft.make_jaxpr(lambda x, y: x * y)(X, 1.0).eqns


def check_rules() -> None:
    clipped = ft.custom_vjp(lambda x: x)
    clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
    ft.grad(clipped)(2.0)
    softplus = ft.custom_jvp(lambda x: np.log1p(np.exp(x)))
    softplus.defjvps(lambda t, out, x: t * (1 - 1 / (1 + np.exp(x))))
    ft.grad(softplus)(2.0)


def untyped(x: Any, y: Any) -> Any:
    return x * y


def check_functions_of_any() -> None:
    ft.grad(untyped)(1.0, 2.0)
    ft.grad(untyped, argnums=(0, 1))(1.0, 2.0)
    ft.value_and_grad(ft.jit(untyped))(1.0, 2.0)
    ft.vmap(ft.grad(untyped))(X, X)
    ft.jacfwd(untyped)(X, 2.0)
    partial(ft.vmap, in_axes=(0, None))(untyped)(X, 2.0)
