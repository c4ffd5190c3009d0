"""Recurrent cells and the networks that they make by `scan`: torch's equations, and its layout of weights. Start at `lstm_cell`.

Weights: `w_ih` (gates · hidden, in), `w_hh` (gates · hidden, hidden), the gates one below the other; biases (gates · hidden,).
Imports lax and activations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from functrans import lax
from functrans.nn.linear import linear
from functrans.typing import Array

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn", "rnn_cell"]

State: TypeAlias = tuple[Array, Array]


def rnn_cell(
    x: Array,
    hidden: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
) -> Array:
    """tanh(W x + b + W' h + b') (Elman 1990), or `relu` of that. x: (..., in); hidden: (..., hidden).

    >>> rnn_cell(np.zeros(1), np.ones(1), np.zeros((1, 1)), np.ones((1, 1))).round(4)
    array([0.7616])
    """
    total = linear(x, w_ih, b_ih) + linear(hidden, w_hh, b_hh)
    return cast(Array, np.tanh(total) if nonlinearity == "tanh" else np.where(total <= 0, 0, total))


def lstm_cell(
    x: Array, state: State, w_ih: Array, w_hh: Array, b_ih: Array | None = None, b_hh: Array | None = None
) -> State:
    """The next (h, c) of long short-term memory (Hochreiter and Schmidhuber 1997); gates: input, forget, cell, output.

    >>> h, c = lstm_cell(np.zeros(1), (np.zeros(1), np.ones(1)), np.zeros((4, 1)), np.zeros((4, 1)))
    >>> c
    array([0.5])
    """
    hidden, cell = state
    gates = linear(x, w_ih, b_ih) + linear(hidden, w_hh, b_hh)
    i, f, g, o = np.split(gates, 4, axis=-1)
    cell = lax.logistic(f) * cell + lax.logistic(i) * np.tanh(g)
    return cast(Array, lax.logistic(o) * np.tanh(cell)), cell


def gru_cell(
    x: Array, hidden: Array, w_ih: Array, w_hh: Array, b_ih: Array | None = None, b_hh: Array | None = None
) -> Array:
    """The next state of a gated recurrent unit (Cho et al. 2014); gates: reset, update, new.

    >>> gru_cell(np.zeros(1), np.ones(1), np.zeros((3, 1)), np.zeros((3, 1)))
    array([0.5])
    """
    from_x = np.split(linear(x, w_ih, b_ih), 3, axis=-1)
    from_h = np.split(linear(hidden, w_hh, b_hh), 3, axis=-1)
    r, z = (lax.logistic(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    new = np.tanh(from_x[2] + r * from_h[2])
    return cast(Array, (1 - z) * new + z * hidden)


def _over_time(cell: Callable[[Array, Any], Any], out: Callable[[Any], Array], xs: Array, state: Any) -> Any:
    def step(state: Any, x: Array) -> tuple[Any, Array]:
        new = cell(x, state)
        return new, out(new)

    state, outs = lax.scan(step, state, xs)
    return outs, state


def rnn(
    xs: Array,
    hidden: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
) -> tuple[Array, Array]:
    """`rnn_cell` over the time steps of xs, (T, ..., in): all states (T, ..., hidden), and the last.

    >>> outs, last = rnn(np.zeros((3, 1)), np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> outs.shape
    (3, 1)
    """
    cell: Callable[[Array, Any], Any] = lambda x, h: rnn_cell(x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity)
    return cast(tuple[Array, Array], _over_time(cell, lambda h: h, xs, hidden))


def lstm(
    xs: Array, state: State, w_ih: Array, w_hh: Array, b_ih: Array | None = None, b_hh: Array | None = None
) -> tuple[Array, State]:
    """`lstm_cell` over the time steps of xs, (T, ..., in): all h (T, ..., hidden), and the last (h, c).

    >>> zero = np.zeros(2)
    >>> outs, (h, c) = lstm(np.ones((3, 1)), (zero, zero), np.ones((8, 1)), np.ones((8, 2)))
    >>> outs.shape
    (3, 2)
    """
    cell: Callable[[Array, Any], Any] = lambda x, state: lstm_cell(x, state, w_ih, w_hh, b_ih, b_hh)
    return cast(tuple[Array, State], _over_time(cell, lambda state: state[0], xs, state))


def gru(
    xs: Array, hidden: Array, w_ih: Array, w_hh: Array, b_ih: Array | None = None, b_hh: Array | None = None
) -> tuple[Array, Array]:
    """`gru_cell` over the time steps of xs, (T, ..., in): all states (T, ..., hidden), and the last.

    >>> outs, last = gru(np.zeros((3, 1)), np.ones(1), np.zeros((3, 1)), np.zeros((3, 1)))
    >>> outs[:, 0]
    array([0.5  , 0.25 , 0.125])
    """
    cell: Callable[[Array, Any], Any] = lambda x, h: gru_cell(x, h, w_ih, w_hh, b_ih, b_hh)
    return cast(tuple[Array, Array], _over_time(cell, lambda h: h, xs, hidden))
