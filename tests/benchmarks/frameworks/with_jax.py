"""JAX: arrays on the device beforehand, `jit`, its own neural-network functions, and a wait for the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from tests.benchmarks import models
from tests.benchmarks.frameworks.base import Array, Program, carried
from tests.benchmarks.frameworks.with_lax import Lax
from tests.benchmarks.inputs import Tree, leaves


class Jax(Lax):
    """JAX on the CPU. How many threads it may have, the environment says (NPROC)."""

    def __init__(self, threads: int) -> None:
        self.jax = self.library = import_module("jax")
        self.numpy, self.lax = self.jax.numpy, self.jax.lax
        self.nn: Any = self.jax.nn
        self.jax.tree_util.register_dataclass(models.Layer, ["weights", "offsets"], [])

    def warm_up(self) -> None:
        self.jax.jit(lambda x: x + 1)(0.0).block_until_ready()

    def put(self, inputs: Tree) -> Tree:
        if any(leaf.dtype in (np.float64, np.int64) for leaf in leaves(inputs)):
            self.jax.config.update("jax_enable_x64", True)
        return self.jax.block_until_ready(self.jax.device_put(inputs))

    def _call(self, fun: Callable[..., Any], *arguments: Tree, ahead: bool = False) -> Program:
        jitted, wait = self.jax.jit(fun), self.jax.block_until_ready
        program = jitted.lower(*arguments).compile() if ahead else jitted
        return lambda: wait(program(*arguments))

    def _carried(self, step: Callable[..., tuple[Any, Tree]], state: Tree, *rest: Array) -> Program:
        donating, wait = self.jax.jit(step, donate_argnums=0), self.jax.block_until_ready
        return carried(lambda *arguments: wait(donating(*arguments)), state, *rest)

    @property
    def optim(self) -> Any:
        return import_module("optax")

    def _log_softmax(self, x: Array) -> Array:
        return self.nn.log_softmax(x)

    # ---- small arrays, tracing ----

    def wave_call(self, x: Array) -> Program:
        return self._call(partial(models.wave, self.numpy), x)

    def add(self, x: Array, y: Array) -> Program:
        return self._call(lambda x, y: x + y, x, y)

    def update(self, *arrays: Array, container: str) -> Program:
        params = models.contain(container, arrays[:8])
        return self._call(partial(models.update, self.jax.tree.map), params, *arrays[8:])

    def trace_network(self, params: Tree, x: Array, y: Array) -> Program:
        return lambda: self._trace(partial(models.network_loss, self.numpy, "tanh"), params, x, y)

    def trace_unrolled(self, x: Array) -> Program:
        return lambda: self._trace(partial(models.unrolled, self.numpy), x)

    def _trace(self, fun: Any, *arguments: Tree) -> None:
        self.jax.make_jaxpr(self.jax.grad(fun))(*arguments)

    # ---- derivatives, loops ----

    def newton_derivative(self, e: Array, mean: Array, *, mode: str) -> Program:
        """In place of reverse mode through a while_loop, which JAX has not, the implicit function theorem."""
        return super().newton_derivative(e, mean, mode="implicit" if mode == "reverse" else mode)

    def _scan_in_blocks(self, step: Callable[[Any], Any], carry: Any, steps: int) -> Any:
        blocks = next(count for count in range(math.isqrt(steps), 0, -1) if steps % count == 0)
        block = self.jax.checkpoint(lambda carry: self._scan(step, carry, steps // blocks))
        return self._scan(block, carry, blocks)

    def hessian(self, x: Array) -> Program:
        return self._call(self.jax.hessian(models.rosenbrock), x)

    def hessian_vector(self, x: Array, v: Array) -> Program:
        return self._call(lambda x, v: self.jax.jvp(self.jax.grad(models.rosenbrock), (x,), (v,))[1], x, v)

    def per_sample(self, params: Tree, x: Array, y: Array) -> Program:
        gradient = self.jax.grad(partial(self._loss, "relu"))
        return self._call(self.jax.vmap(gradient, in_axes=(None, 0, 0)), params, x, y)

    def five_programs(self, x: Array) -> Program:
        return lambda: [self._call(partial(program, self.numpy), x)() for program in models.FIVE]

    # ---- training ----

    def _loss(self, activation: str, params: Tree, x: Array, y: Array) -> Array:
        activate = getattr(self.nn, activation)
        for w, b in params[:-1]:
            x = activate(x @ w + b)
        w, b = params[-1]
        return -self.numpy.mean(self.numpy.sum(self.nn.log_softmax(x @ w + b) * y, axis=-1))

    def mlp_step(self, params: Tree, x: Array, y: Array, *, activation: str, donate: bool) -> Program:
        step = partial(models.descend, self.jax.value_and_grad(partial(self._loss, activation)))
        if not donate:
            return self._call(step, params, x, y)
        return self._carried(step, params, x, y)

    def mlp_products(self, *arrays: Tree) -> Program:
        return self._call(models.network_products, *arrays)

    def logistic(self, w: Array, x: Array, y: Array) -> Program:
        return self._call(self.jax.value_and_grad(partial(models.logistic_loss, self.numpy)), w, x, y)

    # ---- arrays ----

    def matmul(self, a: Array, b: Array, *, form: str) -> Program:
        return self._call(models.product(form), a, b)

    def gelu(self, x: Array) -> Program:
        return self._call(partial(self.nn.gelu, approximate=False), x)

    def mish(self, x: Array) -> Program:
        return self._call(self.nn.mish, x)

    def sigmoid_grad(self, x: Array, ct: Array) -> Program:
        return self._call(partial(self._both, self.nn.sigmoid, 1), x, ct)

    def log_softmax(self, x: Array) -> Program:
        return self._call(self.nn.log_softmax, x)

    def log_softmax_grad(self, x: Array, ct: Array) -> Program:
        return self._call(partial(self._both, self.nn.log_softmax, 1), x, ct)

    def layer_norm(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return self._call(partial(models.layer_norm, self.numpy), x, scale, offset)

    def layer_norm_grad(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return self._call(partial(self._both, partial(models.layer_norm, self.numpy), 3), x, scale, offset, ct)

    def _both(self, fun: Callable[..., Any], primals: int, *arguments: Array) -> tuple[Any, ...]:
        out, pullback = self.jax.vjp(fun, *arguments[:primals])
        return out, pullback(*arguments[primals:])

    def reduction(self, x: Array, *, function: str, axis: int) -> Program:
        return self._call(partial(getattr(self.numpy, function), axis=axis), x)

    # ---- random numbers ----

    def draw_normal(self, x: Array) -> Program:
        return partial(self._drawn, self.jax.random.normal, x.shape, x.dtype)

    def draw_bits(self, x: Array) -> Program:
        return partial(self._drawn, self.jax.random.bits, x.shape, np.uint32)

    def _drawn(self, sampler: Callable[..., Any], *arguments: Any) -> tuple[()]:
        sampler(self.jax.random.key(0), *arguments).block_until_ready()
        return ()
