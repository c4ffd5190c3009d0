"""The mathematics of the workloads with loops, for whatever has JAX's `lax`; `xp` is a module with NumPy's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any  # arrays of every framework, and functions of them

from tests.benchmarks import models
from tests.benchmarks.inputs import Tree

Function = Callable[..., Any]

TIME_STEP = 1e-4
"""Of the Runge–Kutta method: small enough that rounding does not grow."""
MOST_TURNS = 100
"""Of Newton's method."""

# ---- recurrent networks: params (input weights, hidden weights, bias, output weights) ----


def lstm_cell(xp: Any, lax: Any, params: Tree, carry: Any, x: Any) -> Any:
    """Gates in PyTorch's order: input, forget, cell, output."""
    w, u, b, _ = params
    h, c = carry
    i, f, g, o = xp.split(x @ w + h @ u + b, 4, axis=-1)
    c = lax.logistic(f) * c + lax.logistic(i) * xp.tanh(g)
    h = lax.logistic(o) * xp.tanh(c)
    return (h, c), h


def rnn_cell(xp: Any, _: Any, params: Tree, carry: Any, x: Any) -> Any:
    w, u, b, _ = params
    h = xp.tanh(x @ w + carry[0] @ u + b)
    return (h,), h


CELLS: dict[str, tuple[Function, int]] = {"lstm": (lstm_cell, 2), "rnn": (rnn_cell, 1)}
"""And how many arrays each carries."""


def recurrent_loss(xp: Any, lax: Any, cell: str, params: Tree, xs: Any, ys: Any) -> Any:
    """The mean square error of what the network says after each step. xs: (steps, batch, features)."""
    step, count = CELLS[cell]
    start = xp.zeros((xs.shape[1], params[1].shape[0]), xs.dtype)
    _, hs = lax.scan(lambda carry, x: step(xp, lax, params, carry, x), (start,) * count, xs)
    return xp.mean((hs @ params[-1] - ys) ** 2)


def recurrent_step(value_and_grad: Function, params: Tree, xs: Any, ys: Any) -> tuple[Any, Tree]:
    """A step of gradient descent."""
    value, grads = value_and_grad(params, xs, ys)
    return value, [p - models.RATE * g for p, g in zip(params, grads, strict=True)]


# ---- Newton's method: the eccentric anomaly E - e sin E = M of planets ----


def kepler(xp: Any, e: Any, mean: Any, x: Any) -> Any:
    return x - e * xp.sin(x) - mean


def newton(xp: Any, while_loop: Function, e: Any, mean: Any) -> Any:
    """The root of Kepler's equation."""

    def goes_on(state: Any) -> Any:
        return (state[2] < MOST_TURNS) & (xp.max(xp.abs(state[1])) > 1e-12)

    def step(state: Any) -> Any:
        x, _, turns = state
        change = kepler(xp, e, mean, x) / (1 - e * xp.cos(x))
        return x - change, change, turns + 1

    return while_loop(goes_on, step, (mean, xp.ones_like(mean), 0))[0]


def implicit(xp: Any, lax: Any, e: Any, mean: Any) -> Any:
    """The same with the derivative that the implicit function theorem gives."""
    return lax.custom_root(
        lambda x: kepler(xp, e, mean, x),
        mean,
        lambda _, __: newton(xp, lax.while_loop, e, mean),
        lambda g, y: y / g(xp.ones_like(y)),
    )


# ---- differential equations, long scans ----


def lorenz(xp: Any, y: Any) -> Any:
    return xp.stack([10.0 * (y[1] - y[0]), y[0] * (28.0 - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]])


def odeint(xp: Any, while_loop: Function, steps: int, y: Any) -> Any:
    """Lorenz' system after so many steps of the Runge–Kutta method of order 4."""

    def step(state: Any) -> Any:
        i, y = state
        k1 = lorenz(xp, y)
        k2 = lorenz(xp, y + TIME_STEP / 2 * k1)
        k3 = lorenz(xp, y + TIME_STEP / 2 * k2)
        k4 = lorenz(xp, y + TIME_STEP * k3)
        return i + 1, y + TIME_STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return while_loop(lambda state: state[0] < steps, step, (0, y))[1]


def long_scan(xp: Any, scan: Function, steps: int, a: Any, x: Any) -> Any:
    """`scan(f, carry, steps)` gives the last carry."""
    return xp.sum(scan(lambda x: xp.tanh(a @ x + 0.1), x, steps))


# ---- loops that end sooner or later ----


def collatz(xp: Any, while_loop: Function, n: Any) -> Any:
    """How many steps it takes to 1."""

    def step(state: Any) -> Any:
        n, steps = state
        return xp.where(n % 2 == 0, n // 2, 3 * n + 1), steps + 1

    return while_loop(lambda state: state[0] != 1, step, (n, 0))[1]


def growth(while_loop: Function, rate: Any) -> Any:
    """How many steps, as a float, a population takes from 1 % to 99 % of what its place can feed."""

    def step(state: Any) -> Any:
        x, steps = state
        return x + rate * x * (1 - x), steps + 1

    return while_loop(lambda state: state[0] < 0.99, step, (0.01 + 0 * rate, 0 * rate))[1]


# ---- Python in the loop ----


def simulation(scan: Function, control: Function, steps: int, state: Any) -> Any:
    """Position and velocity of a mass; `control` says what force acts on it."""

    def step(state: Any, _: Any) -> Any:
        x, v = state
        v = v + 0.01 * control(x, v)
        return (x + 0.01 * v, v), x

    return scan(step, state, None, length=steps)


def controller(x: Any, v: Any) -> Any:
    """What Python does in each step."""
    return (-x if x * v > 0 else -0.5 * x) - 0.1 * v
