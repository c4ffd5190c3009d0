"""Programs with loops, the same for all that have JAX's names: functrans and JAX."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks import loops, models, network_workloads
from tests.benchmarks.frameworks.base import Array, Framework, Program
from tests.benchmarks.inputs import Tree, map_leaves


class Lax(Framework):
    """What has `grad`, `vmap` and `lax.while_loop`."""

    library: Any  # a module
    numpy: Any
    lax: Any
    optim: Any

    def _call(self, fun: Callable[..., Any], *arguments: Tree, ahead: bool = False) -> Program:
        """The function under `jit`; ahead: compiled before its first call."""
        raise NotImplementedError

    def _carried(self, step: Callable[..., tuple[Any, Tree]], state: Tree, *rest: Array) -> Program:
        """A step under `jit` that goes on, in its memory, with the state that the one before gave."""
        raise NotImplementedError

    def recurrent_step(self, params: Tree, xs: Array, ys: Array, *, cell: str) -> Program:
        loss = partial(loops.recurrent_loss, self.numpy, self.lax, cell)
        return self._call(partial(loops.recurrent_step, self.library.value_and_grad(loss)), params, xs, ys)

    # ---- convolutions ----

    def convolution(
        self, x: Array, w: Array, g: Array, *, direction: str, stride: int, padding: int, groups: int
    ) -> Program:
        def forward(x: Array, w: Array) -> Array:
            pairs = [(padding, padding)] * 2
            return self.lax.conv_general_dilated(x, w, (stride, stride), pairs, feature_group_count=groups)

        if direction == "forward":
            return self._call(forward, x, w)
        if direction == "data":
            return self._call(lambda x, w, g: self.library.vjp(lambda x: forward(x, w), x)[1](g)[0], x, w, g)
        return self._call(lambda x, w, g: self.library.vjp(lambda w: forward(x, w), w)[1](g)[0], x, w, g)

    def max_pool(self, x: Array, g: Array, *, direction: str) -> Program:
        def forward(x: Array) -> Array:
            return self.lax.reduce_window(x, -np.inf, self.lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "VALID")

        if direction == "forward":
            return self._call(forward, x)
        return self._call(lambda x, g: self.library.vjp(forward, x)[1](g)[0], x, g)

    # ---- networks ----

    def network_step(
        self, params: Tree, x: Array, y: Array, *, network: network_workloads.Network, precision: str | None
    ) -> Program:
        loss = partial(network_workloads.loss, self.numpy, self.lax, self._log_softmax, network, precision)
        step = partial(network_workloads.momentum_step, self.library.value_and_grad(loss))
        return partial(_loss_and_params, self._carried(step, (params, map_leaves(self.numpy.zeros_like, params)), x, y))

    def adam(self, params: Tree, grads: Tree) -> Program:
        rule = self.optim.adam(network_workloads.RATE)

        def step(state: Tree, grads: Tree) -> tuple[None, Tree]:
            params, memory = state
            updates, memory = rule.update(grads, memory, params)
            return None, [self.optim.apply_updates(params, updates), memory]

        program = self._carried(step, [params, rule.init(params)], grads)
        return lambda: program()[1][0]

    def _log_softmax(self, x: Array) -> Array:
        return models.log_softmax(self.numpy, x)

    # ---- Newton's method ----

    def newton(self, e: Array, mean: Array) -> Program:
        return self._call(partial(loops.newton, self.numpy, self.lax.while_loop), e, mean)

    def newton_derivative(self, e: Array, mean: Array, *, mode: str) -> Program:
        """Of each root in its own eccentricity."""
        if mode == "forward":
            return self._call(self._forward, e, mean)
        solve = partial(loops.newton, self.numpy, self.lax.while_loop) if mode == "reverse" else self._implicit
        return self._call(self.library.grad(lambda e, mean: self.numpy.sum(solve(e, mean))), e, mean)

    def _forward(self, e: Array, mean: Array) -> Array:
        solve = partial(loops.newton, self.numpy, self.lax.while_loop)
        return self.library.jvp(lambda e: solve(e, mean), (e,), (self.numpy.ones_like(e),))[1]

    def _implicit(self, e: Array, mean: Array) -> Array:
        return loops.implicit(self.numpy, self.lax, e, mean)

    # ---- long loops ----

    def odeint(self, y: Array, *, steps: int) -> Program:
        return self._call(partial(loops.odeint, self.numpy, self.lax.while_loop, steps), y)

    def long_gradient(self, a: Array, x: Array, *, steps: int, ahead: bool = False) -> Program:
        return self._long_gradient(self._scan, a, x, steps, ahead)

    def long_gradient_in_blocks(self, a: Array, x: Array, *, steps: int, ahead: bool = False) -> Program:
        return self._long_gradient(self._scan_in_blocks, a, x, steps, ahead)

    def _long_gradient(self, scan: Callable[..., Any], a: Array, x: Array, steps: int, ahead: bool) -> Program:
        return self._call(self.library.grad(partial(loops.long_scan, self.numpy, scan, steps)), a, x, ahead=ahead)

    def _scan(self, step: Callable[[Any], Any], carry: Any, steps: int) -> Any:
        return self.lax.scan(lambda carry, _: (step(carry), None), carry, None, length=steps)[0]

    def _scan_in_blocks(self, step: Callable[[Any], Any], carry: Any, steps: int) -> Any:
        """Reverse mode keeps what was carried into every block."""
        raise NotImplementedError

    # ---- lanes ----

    def collatz(self, n: Array) -> Program:
        return self._call(self.library.vmap(partial(loops.collatz, self.numpy, self.lax.while_loop)), n)

    def growth(self, rate: Array) -> Program:
        return self._call(self.library.vmap(partial(loops.growth, self.lax.while_loop)), rate)

    # ---- Python in the loop ----

    def simulation(self, state: Array, *, steps: int) -> Program:
        force = self.library.ShapeDtypeStruct((), state.dtype)
        control = partial(self.library.pure_callback, loops.controller, force)
        return self._call(lambda state: loops.simulation(self.lax.scan, control, steps, (state[0], state[1])), state)


def _loss_and_params(program: Program) -> tuple[Any, Tree]:
    value, (params, _) = program()
    return value, params
