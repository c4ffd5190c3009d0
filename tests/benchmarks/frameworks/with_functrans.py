"""functrans: plain NumPy programs under `jit`, and eager ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import functrans as ft
import functrans.numpy as fnp
from functrans import lax
from tests.benchmarks import models
from tests.benchmarks.frameworks.base import Array, Program, carried
from tests.benchmarks.frameworks.with_lax import Lax
from tests.benchmarks.inputs import Tree


class Functrans(Lax):
    """functrans."""

    library, numpy, lax, optim = ft, np, lax, ft.optim

    def __init__(self, threads: int) -> None:
        ft.tree.register_dataclass(models.Layer)

    def warm_up(self) -> None:
        start = ft.jit(lambda x: x + 1)
        for _ in range(2):  # the second call loads the way into machine code
            start(np.zeros(1))

    def _call(self, fun: Callable[..., Any], *arguments: Tree, ahead: bool = False) -> Program:
        jitted = ft.jit(fun)
        return partial(jitted.lower(*arguments).compile() if ahead else jitted, *arguments)

    def _carried(self, step: Callable[..., tuple[Any, Tree]], state: Tree, *rest: Array) -> Program:
        return carried(ft.jit(step, donate_argnums=0), state, *rest)

    def _scan_in_blocks(self, step: Callable[[Any], Any], carry: Any, steps: int) -> Any:
        return lax.scan(lambda carry, _: (step(carry), None), carry, None, length=steps, checkpoint="sqrt")[0]

    # ---- small arrays, tracing, memory ----

    def eager(self, *arrays: Array, function: str) -> Program:
        return partial(getattr(fnp, function), *arrays)

    def wave_grad(self, x: Array) -> Program:
        return partial(ft.grad(partial(models.wave, np)), x)

    def wave_call(self, x: Array) -> Program:
        return partial(ft.jit(partial(models.wave, np)), x)

    def add(self, x: Array, y: Array) -> Program:
        return partial(ft.jit(lambda x, y: x + y), x, y)

    def update(self, *arrays: Array, container: str) -> Program:
        params = models.contain(container, arrays[:8])
        return partial(ft.jit(partial(models.update, ft.tree.map)), params, *arrays[8:])

    def trace_network(self, params: Tree, x: Array, y: Array) -> Program:
        return lambda: _trace(partial(models.network_loss, np, "tanh"), params, x, y)

    def trace_unrolled(self, x: Array) -> Program:
        return lambda: _trace(partial(models.unrolled, np), x)

    def chain_grad(self, x: Array, *, layer: str, compiled: bool) -> Program:
        gradient = ft.grad(partial(models.chain, np, layer))
        return partial(ft.jit(gradient) if compiled else gradient, x)

    # ---- derivatives ----

    def hessian(self, x: Array) -> Program:
        return partial(ft.jit(ft.hessian(models.rosenbrock)), x)

    def hessian_vector(self, x: Array, v: Array) -> Program:
        return partial(ft.jit(lambda x, v: ft.jvp(ft.grad(models.rosenbrock), (x,), (v,))[1]), x, v)

    def per_sample(self, params: Tree, x: Array, y: Array) -> Program:
        gradient = ft.grad(partial(models.network_loss, np, "relu"))
        return partial(ft.jit(ft.vmap(gradient, in_axes=(None, 0, 0))), params, x, y)

    def five_programs(self, x: Array) -> Program:
        return lambda: [ft.jit(partial(program, np))(x) for program in models.FIVE]

    # ---- training ----

    def mlp_step(self, params: Tree, x: Array, y: Array, *, activation: str, donate: bool) -> Program:
        gradient = ft.value_and_grad(partial(models.network_loss, np, activation))
        step = partial(models.descend, gradient)
        if donate:
            return self._carried(step, params, x, y)
        return partial(ft.jit(step), params, x, y)

    def mlp_products(self, *arrays: Tree) -> Program:
        return partial(ft.jit(models.network_products), *arrays)

    def logistic(self, w: Array, x: Array, y: Array) -> Program:
        return partial(ft.jit(ft.value_and_grad(partial(models.logistic_loss, np))), w, x, y)

    # ---- arrays ----

    def matmul(self, a: Array, b: Array, *, form: str) -> Program:
        return partial(ft.jit(models.product(form)), a, b)

    def gelu(self, x: Array) -> Program:
        return partial(ft.jit(partial(models.gelu, lax.erf)), x)

    def mish(self, x: Array) -> Program:
        return partial(ft.jit(partial(models.mish, np)), x)

    def sigmoid_grad(self, x: Array, ct: Array) -> Program:
        def both(x: Array, ct: Array) -> tuple[Any, ...]:
            out, pullback = ft.vjp(ft.nn.sigmoid, x)
            return out, pullback(ct)

        return partial(ft.jit(both), x, ct)

    def log_softmax(self, x: Array) -> Program:
        return partial(ft.jit(partial(models.log_softmax, np)), x)

    def log_softmax_grad(self, x: Array, ct: Array) -> Program:
        def both(x: Array, ct: Array) -> tuple[Any, ...]:
            out, pullback = ft.vjp(partial(models.log_softmax, np), x)
            return out, pullback(ct)

        return partial(ft.jit(both), x, ct)

    def layer_norm(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return partial(ft.jit(partial(models.layer_norm, np)), x, scale, offset)

    def layer_norm_grad(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        def both(x: Array, scale: Array, offset: Array, ct: Array) -> tuple[Any, ...]:
            out, pullback = ft.vjp(partial(models.layer_norm, np), x, scale, offset)
            return out, pullback(ct)

        return partial(ft.jit(both), x, scale, offset, ct)

    def reduction(self, x: Array, *, function: str, axis: int) -> Program:
        return partial(ft.jit(partial(getattr(np, function), axis=axis)), x)

    # ---- random numbers ----

    def draw_normal(self, x: Array) -> Program:
        return partial(_drawn, ft.random.normal, x.shape, x.dtype)

    def draw_bits(self, x: Array) -> Program:
        return partial(_drawn, ft.random.bits, x.shape, np.uint32)


def _drawn(sampler: Callable[..., Any], *arguments: Any) -> tuple[()]:
    sampler(ft.random.key(0), *arguments)
    return ()


def _trace(fun: Any, *arguments: Tree) -> None:
    ft.make_jaxpr(ft.grad(fun))(*arguments)
