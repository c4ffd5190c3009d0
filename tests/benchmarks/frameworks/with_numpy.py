"""NumPy: what a careful user writes by hand, gradients included. In float64 this is what all results are held against."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from tests.benchmarks import convolution_workloads, loops, models
from tests.benchmarks.frameworks.base import Array, Framework, Program, carried
from tests.benchmarks.inputs import Tree


class NumPy(Framework):
    """NumPy, and SciPy for erf and Rosenbrock's function."""

    def eager(self, *arrays: Array, function: str) -> Program:
        return partial(getattr(np, function), *arrays)

    def add(self, x: Array, y: Array) -> Program:
        return partial(np.add, x, y)

    def wave_call(self, x: Array) -> Program:
        return partial(models.wave, np, x)

    def copy(self, x: Array, y: Array) -> Program:
        """Of as many bytes as x + y reads and writes, into memory that is there."""
        source = np.concatenate([x, y[: y.size // 2]])
        out = np.zeros_like(source)

        def program() -> Array:
            np.copyto(out, source)
            return out

        return program

    def hessian(self, x: Array) -> Program:
        return partial(import_module("scipy.optimize").rosen_hess, x)

    def hessian_vector(self, x: Array, v: Array) -> Program:
        return partial(import_module("scipy.optimize").rosen_hess_prod, x, v)

    def per_sample(self, params: Tree, x: Array, y: Array) -> Program:
        return partial(_per_sample, params, x, y)

    def mlp_step(self, params: Tree, x: Array, y: Array, *, activation: str, donate: bool) -> Program:
        gradient = partial(_network_gradient, activation)
        if donate:
            return carried(partial(models.descend_in_place, gradient), params, x, y)
        return partial(models.descend, gradient, params, x, y)

    def mlp_products(self, *arrays: Tree) -> Program:
        return partial(models.network_products, *arrays)

    def logistic(self, w: Array, x: Array, y: Array) -> Program:
        return partial(_logistic, w, x, y)

    def matmul(self, a: Array, b: Array, *, form: str) -> Program:
        return partial(models.product(form), a, b)

    def gelu(self, x: Array) -> Program:
        erf: Callable[[Array], Array] = import_module("scipy.special").erf
        return partial(models.gelu, erf, x)

    def mish(self, x: Array) -> Program:
        return partial(models.mish, np, x)

    def log_softmax(self, x: Array) -> Program:
        return partial(models.log_softmax, np, x)

    def log_softmax_grad(self, x: Array, ct: Array) -> Program:
        def both() -> tuple[Any, ...]:
            out = models.log_softmax(np, x)
            return out, ct - np.exp(out) * np.sum(ct, axis=-1, keepdims=True)

        return both

    def layer_norm(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return partial(models.layer_norm, np, x, scale, offset)

    def layer_norm_grad(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return partial(_layer_norm, x, scale, offset, ct)

    # ---- loops ----

    def newton(self, e: Array, mean: Array) -> Program:
        return partial(loops.newton, np, _while_loop, e, mean)

    def newton_derivative(self, e: Array, mean: Array, *, mode: str) -> Program:
        def derivative() -> Array:
            root = loops.newton(np, _while_loop, e, mean)
            return np.sin(root) / (1 - e * np.cos(root))

        return derivative

    def odeint(self, y: Array, *, steps: int) -> Program:
        return partial(loops.odeint, np, _while_loop, steps, y)

    # ---- convolutions ----

    def convolution(self, x: Array, w: Array, g: Array, **options: Any) -> Program:  # Any: as the workload has them
        return partial(convolution_workloads.convolved, x, w, g, **options)

    def max_pool(self, x: Array, g: Array, *, direction: str) -> Program:
        return partial(convolution_workloads.pooled, x, g, direction)

    # ---- arrays ----

    def reduction(self, x: Array, *, function: str, axis: int) -> Program:
        return partial(getattr(np, function), x, axis=axis)

    def draw_normal(self, x: Array) -> Program:
        generator = np.random.default_rng(0)

        def program() -> tuple[()]:
            generator.standard_normal(x.shape, x.dtype)
            return ()

        return program


def _while_loop(goes_on: Callable[[Any], Any], step: Callable[[Any], Any], state: Any) -> Any:
    while goes_on(state):
        state = step(state)
    return state


def _network_gradient(activation: str, params: Tree, x: Array, y: Array) -> tuple[Any, Tree]:
    layers = [x]
    for w, b in params[:-1]:
        layers.append(models.activate(np, activation, layers[-1] @ w + b))
    w, b = params[-1]
    log_likelihood = models.log_softmax(np, layers[-1] @ w + b)
    ct = (np.exp(log_likelihood) - y) / x.dtype.type(len(x))
    grads = []
    for (w, _), layer in zip(params[::-1], layers[::-1], strict=True):
        grads.append((layer.T @ ct, ct.sum(axis=0)))
        if layer is not x:
            ct = (ct @ w.T) * (1 - layer**2 if activation == "tanh" else layer > 0)
    return -np.mean(np.sum(log_likelihood * y, axis=-1)), grads[::-1]


def _per_sample(params: Tree, x: Array, y: Array) -> Tree:
    """The gradients of each sample by itself."""
    layers = [x]
    for w, b in params[:-1]:
        layers.append(models.activate(np, "relu", layers[-1] @ w + b))
    w, b = params[-1]
    ct = np.exp(models.log_softmax(np, layers[-1] @ w + b)) - y
    grads = []
    for (w, _), layer in zip(params[::-1], layers[::-1], strict=True):
        grads.append((layer[:, :, None] * ct[:, None, :], ct))
        ct = (ct @ w.T) * (layer > 0)
    return grads[::-1]


def _logistic(w: Array, x: Array, y: Array) -> tuple[Any, ...]:
    z = x @ w
    slope = (1 / (1 + np.exp(-z)) - y) / x.dtype.type(len(x))
    return np.mean(np.logaddexp(0, z) - y * z), slope @ x


def _layer_norm(x: Array, scale: Array, offset: Array, ct: Array) -> tuple[Any, ...]:
    centred = x - np.mean(x, axis=-1, keepdims=True)
    deviation = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + models.EPSILON)
    normal = centred / deviation
    slope = ct * scale
    rest = np.mean(slope, axis=-1, keepdims=True) + normal * np.mean(slope * normal, axis=-1, keepdims=True)
    return normal * scale + offset, ((slope - rest) / deviation, np.sum(ct * normal, axis=0), np.sum(ct, axis=0))
