"""autograd: gradients of NumPy programs."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from tests.benchmarks import models
from tests.benchmarks.frameworks.base import Array, Framework, Program, carried
from tests.benchmarks.inputs import Tree


class Autograd(Framework):
    """autograd; without a gradient it is NumPy."""

    def __init__(self, threads: int) -> None:
        self.autograd: Any = import_module("autograd")
        self.numpy: Any = import_module("autograd.numpy")

    def wave_grad(self, x: Array) -> Program:
        return partial(self.autograd.grad(partial(models.wave, self.numpy)), x)

    def hessian(self, x: Array) -> Program:
        return partial(self.autograd.hessian(models.rosenbrock), x)

    def hessian_vector(self, x: Array, v: Array) -> Program:
        return partial(self.autograd.hessian_vector_product(models.rosenbrock), x, v)

    def chain_grad(self, x: Array, *, layer: str, compiled: bool) -> Program:
        return partial(self.autograd.grad(partial(models.chain, self.numpy, layer)), x)

    def mlp_step(self, params: Tree, x: Array, y: Array, *, activation: str, donate: bool) -> Program:
        gradient = self.autograd.value_and_grad(partial(models.network_loss, self.numpy, activation))
        if donate:
            return carried(partial(models.descend_in_place, gradient), params, x, y)
        return partial(models.descend, gradient, params, x, y)

    def logistic(self, w: Array, x: Array, y: Array) -> Program:
        return partial(self.autograd.value_and_grad(partial(models.logistic_loss, self.numpy)), w, x, y)

    def log_softmax_grad(self, x: Array, ct: Array) -> Program:
        def both() -> tuple[Any, ...]:
            pullback, out = self.autograd.make_vjp(partial(models.log_softmax, self.numpy))(x)
            return out, pullback(ct)

        return both

    def layer_norm_grad(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        def layer_norm(arguments: tuple[Array, ...]) -> Array:
            return models.layer_norm(self.numpy, *arguments)

        def both() -> tuple[Any, ...]:
            pullback, out = self.autograd.make_vjp(layer_norm)((x, scale, offset))
            return out, pullback(ct)

        return both
