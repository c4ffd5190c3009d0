"""PyTorch: eager with its fused functions and in-place updates, and `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from tests.benchmarks import models, network_workloads
from tests.benchmarks.frameworks.base import Array, Framework, Program
from tests.benchmarks.inputs import Tree, leaves, map_leaves
from tests.benchmarks.network_workloads import Network

Function = Callable[..., Any]  # Any: tensors


class _Torch(Framework):
    """What eager and compiled PyTorch have in common."""

    def __init__(self, threads: int) -> None:
        self.torch: Any = import_module("torch")
        self.functional: Any = import_module("torch.nn.functional")
        self.torch.set_num_threads(threads)
        self.torch.set_num_interop_threads(1)

    def put(self, inputs: Tree) -> Tree:
        return map_leaves(self.torch.from_numpy, inputs)

    def array(self, leaf: Array) -> np.ndarray[Any, Any]:
        return np.asarray(leaf.detach())

    def compiled(self, fun: Function) -> Function:
        return fun

    # ---- derivatives ----

    def hessian(self, x: Array) -> Program:
        return partial(self.compiled(self.torch.func.hessian(models.rosenbrock)), x)

    def hessian_vector(self, x: Array, v: Array) -> Program:
        func = self.torch.func
        return partial(self.compiled(lambda x, v: func.jvp(func.grad(models.rosenbrock), (x,), (v,))[1]), x, v)

    def per_sample(self, params: Tree, x: Array, y: Array) -> Program:
        func, labels = self.torch.func, y.argmax(dim=1)

        def loss(params: Tree, x: Array, label: Array) -> Array:
            for w, b in params[:-1]:
                x = self.functional.relu(x @ w + b)
            w, b = params[-1]
            return self.functional.cross_entropy(x @ w + b, label)

        gradient = func.grad(loss)
        return partial(self.compiled(func.vmap(gradient, in_dims=(None, 0, 0))), params, x, labels)

    def five_programs(self, x: Array) -> Program:
        return lambda: [self.compiled(partial(program, self.torch))(x) for program in models.FIVE]

    # ---- training ----

    def _loss(self, activation: str, params: Tree, x: Array, labels: Array) -> Array:
        activate = self.torch.tanh if activation == "tanh" else self.functional.relu
        for w, b in params[:-1]:
            x = activate(self.torch.addmm(b, x, w))
        w, b = params[-1]
        return self.functional.cross_entropy(self.torch.addmm(b, x, w), labels)

    def mlp_step(self, params: Tree, x: Array, y: Array, *, activation: str, donate: bool) -> Program:
        torch, labels = self.torch, y.argmax(dim=1)
        loss = self.compiled(partial(self._loss, activation))
        flat = [leaf.requires_grad_() for leaf in leaves(params)]
        optimiser = torch.optim.SGD(flat, lr=models.RATE)

        def in_place() -> tuple[Any, Tree]:
            optimiser.zero_grad()
            value = loss(params, x, labels)
            value.backward()
            optimiser.step()
            return value, flat

        def step() -> tuple[Any, Tree]:
            value = loss(params, x, labels)
            grads = torch.autograd.grad(value, flat)
            with torch.no_grad():
                return value, [p.sub(g, alpha=models.RATE) for p, g in zip(flat, grads, strict=True)]

        return in_place if donate else step

    def _scores(self, network: Network, params: Tree, x: Array) -> Array:
        for layer, (w, b) in zip(network.layers, params, strict=False):
            x = self.functional.relu(self.functional.conv2d(x, w, b, layer.stride, layer.padding))
            if layer.pooled:
                x = self.functional.max_pool2d(x, layer.pooled, 2)
        x = x.flatten(1)
        *hidden, last = params[len(network.layers) :]
        for w, b in hidden:
            x = self.functional.relu(self.functional.linear(x, w, b))
        return self.functional.linear(x, *last)

    def network_step(self, params: Tree, x: Array, y: Array, *, network: Network, precision: str | None) -> Program:
        labels, flat = y.argmax(dim=1), [leaf.requires_grad_() for leaf in leaves(params)]
        loss = self.compiled(lambda: self.functional.cross_entropy(self._scores(network, params, x), labels))
        optimiser = self.torch.optim.SGD(flat, lr=network_workloads.RATE, momentum=network_workloads.MOMENTUM)

        def step() -> tuple[Any, Tree]:
            optimiser.zero_grad()
            value = loss()
            value.backward()
            optimiser.step()
            return value, flat

        return step

    def recurrent_step(self, params: Tree, xs: Array, ys: Array, *, cell: str) -> Program:
        """Its own modules: weights transposed, and a second bias that stays zero."""
        nn, (w, u, bias, out) = self.torch.nn, params
        network = {"lstm": nn.LSTM, "rnn": nn.RNN}[cell](xs.shape[2], u.shape[0])
        network.bias_hh_l0.requires_grad_(False)
        readout = nn.Linear(u.shape[0], out.shape[1], bias=False)
        parameters = [network.weight_ih_l0, network.weight_hh_l0, network.bias_ih_l0, readout.weight]
        with self.torch.no_grad():
            network.bias_hh_l0.zero_()
            for parameter, value in zip(parameters, (w, u, bias, out), strict=True):
                parameter.copy_(value.T)
        loss = self.compiled(lambda: self.functional.mse_loss(readout(network(xs)[0]), ys))

        def step() -> tuple[Any, Tree]:
            value = loss()
            grads = self.torch.autograd.grad(value, parameters)
            with self.torch.no_grad():
                return value, [p.sub(g, alpha=models.RATE).T for p, g in zip(parameters, grads, strict=True)]

        return step

    def logistic(self, w: Array, x: Array, y: Array) -> Program:
        entropy = self.functional.binary_cross_entropy_with_logits
        loss = self.compiled(lambda w: entropy(x @ w, y))
        w.requires_grad_()

        def both() -> tuple[Any, ...]:
            value = loss(w)
            return value, self.torch.autograd.grad(value, w)

        return both

    # ---- arrays ----

    def add(self, x: Array, y: Array) -> Program:
        return partial(self.compiled(lambda x, y: x + y), x, y)

    def gelu(self, x: Array) -> Program:
        return partial(self.compiled(self.functional.gelu), x)

    def mish(self, x: Array) -> Program:
        return partial(self.compiled(self.functional.mish), x)

    def sigmoid_grad(self, x: Array, ct: Array) -> Program:
        return self._both(self.torch.sigmoid, ct, x)

    def log_softmax(self, x: Array) -> Program:
        return partial(self.compiled(partial(self.functional.log_softmax, dim=-1)), x)

    def log_softmax_grad(self, x: Array, ct: Array) -> Program:
        return self._both(partial(self.functional.log_softmax, dim=-1), ct, x)

    def _layer_norm(self, x: Array, scale: Array, offset: Array) -> Array:
        return self.functional.layer_norm(x, (x.shape[-1],), scale, offset, models.EPSILON)

    def layer_norm(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return partial(self.compiled(self._layer_norm), x, scale, offset)

    def layer_norm_grad(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return self._both(self._layer_norm, ct, x, scale, offset)

    def _both(self, fun: Function, ct: Array, *primals: Array) -> Program:
        forward = self.compiled(fun)
        for primal in primals:
            primal.requires_grad_()

        def both() -> tuple[Any, ...]:
            out = forward(*primals)
            return out, self.torch.autograd.grad(out, primals, ct)

        return both

    def reduction(self, x: Array, *, function: str, axis: int) -> Program:
        reduce = self.torch.amax if function == "max" else getattr(self.torch, function)
        return partial(self.compiled(partial(reduce, dim=axis)), x)


class Torch(_Torch):
    """Eager PyTorch."""

    def wave_grad(self, x: Array) -> Program:
        source = x.numpy()

        def gradient() -> Array:  # from and to NumPy, as our gradient
            t = self.torch.tensor(source, requires_grad=True)
            return self.torch.autograd.grad(models.wave(self.torch, t), t)[0]

        return gradient

    def matmul(self, a: Array, b: Array, *, form: str) -> Program:
        left, right = a.T if form[0] == "T" else a, b.T if form[1] == "T" else b
        return partial(self.torch.mm, left, right)

    def mlp_products(self, *arrays: Tree) -> Program:
        return partial(models.network_products, *arrays)

    def convolution(
        self, x: Array, w: Array, g: Array, *, direction: str, stride: int, padding: int, groups: int
    ) -> Program:
        if direction == "forward":
            return partial(self.functional.conv2d, x, w, None, stride, padding, 1, groups)
        given = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups)
        of = ("data", "weights").index(direction)
        wanted = [number == of for number in range(3)]
        return lambda: self.torch.ops.aten.convolution_backward(g, x, w, None, *given, wanted)[of]

    def max_pool(self, x: Array, g: Array, *, direction: str) -> Program:
        if direction == "forward":
            return partial(self.functional.max_pool2d, x, 3, 2)
        x.requires_grad_()
        return lambda: self.torch.autograd.grad(self.functional.max_pool2d(x, 3, 2), x, g)[0]

    def adam(self, params: Tree, grads: Tree) -> Program:
        flat = [leaf.requires_grad_() for leaf in leaves(params)]
        for parameter, gradient in zip(flat, leaves(grads), strict=True):
            parameter.grad = gradient
        optimiser = self.torch.optim.Adam(flat, lr=network_workloads.RATE, fused=True)

        def step() -> Tree:
            optimiser.step()
            return flat

        return step

    def draw_normal(self, x: Array) -> Program:
        def program() -> tuple[()]:
            self.torch.randn(x.shape, dtype=x.dtype)
            return ()

        return program


class TorchCompile(_Torch):
    """PyTorch with `torch.compile`."""

    def warm_up(self) -> None:
        self.compiled(lambda x: x + 1)(self.torch.zeros(1))

    def compiled(self, fun: Function) -> Function:
        function: Function = self.torch.compile(fun, dynamic=False)
        return function
