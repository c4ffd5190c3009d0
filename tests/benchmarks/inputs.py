"""The arrays that workloads start from: the same in every process, because every process makes them from the same seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Tree = Any  # Any: lists and tuples, nested, of each framework's own arrays


def map_leaves(fun: Callable[[Any], Any], tree: Tree) -> Tree:
    """The tree with `fun` of every leaf in the leaf's place."""
    if isinstance(tree, list | tuple):
        return type(tree)(map_leaves(fun, node) for node in tree)
    return fun(tree)


def leaves(tree: Tree) -> list[Any]:
    """The leaves from left to right; None has none."""
    if is_dataclass(tree):
        tree = vars(tree)
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return [leaf for node in tree for leaf in leaves(node)]
    return [] if tree is None else [tree]


def normal(*shapes: tuple[int, ...], dtype: str, scale: float = 1.0) -> tuple[Any, ...]:
    """An array of normal numbers of each shape."""
    rng = np.random.default_rng(0)
    return tuple((scale * rng.normal(size=shape)).astype(dtype) for shape in shapes)


def linspace(start: float, stop: float, size: int) -> tuple[Any, ...]:
    return (np.linspace(start, stop, size),)


def network(sizes: tuple[int, ...], batch: int, dtype: str) -> tuple[Tree, Any, Any]:
    """Parameters [(w, b), …], a batch of features and its one-hot classes."""
    rng = np.random.default_rng(0)
    weights = [(rng.normal(size=(m, n)) * (2 / m) ** 0.5).astype(dtype) for m, n in pairwise(sizes)]
    params = [(w, np.zeros(w.shape[1], dtype)) for w in weights]
    x = rng.normal(size=(batch, sizes[0])).astype(dtype)
    return params, x, np.eye(sizes[-1], dtype=dtype)[rng.integers(0, sizes[-1], batch)]


def network_products(sizes: tuple[int, ...], batch: int, dtype: str) -> tuple[list[Any], list[Any], list[Any]]:
    """Per layer: its weights, its input, and the gradient by its output."""
    shapes = list(pairwise(sizes))
    arrays = normal(*shapes, *((batch, m) for m, _ in shapes), *((batch, n) for _, n in shapes), dtype=dtype)
    count = len(shapes)
    return list(arrays[:count]), list(arrays[count : 2 * count]), list(arrays[2 * count :])


def matrices(form: str, m: int, k: int, n: int, dtype: str) -> tuple[Any, ...]:
    """The operands of an m × k × n product; "T" in `form` says which of them is stored transposed."""
    return normal((k, m) if form[0] == "T" else (m, k), (n, k) if form[1] == "T" else (k, n), dtype=dtype)


def classification(rows: int, features: int, dtype: str) -> tuple[Any, ...]:
    """Weights, features, and labels 0 or 1."""
    w, x, noise = normal((features,), (rows, features), (rows,), dtype=dtype)
    return 0.1 * w, x, (x @ w + noise > 0).astype(dtype)


def normalisation(shape: tuple[int, ...], dtype: str) -> tuple[Any, ...]:
    """x, scale, offset, and the cotangent of the result."""
    return normal(shape, shape[1:], shape[1:], shape, dtype=dtype)


def choice(size: int) -> tuple[Any, ...]:
    """What `where` takes."""
    (x,) = linspace(0.1, 1.0, size)
    return x > 0.5, x, x


def sequences(steps: int, batch: int, size: int, gates: int) -> tuple[Tree, Any, Any]:
    """Parameters of a recurrent network with so many gates, sequences, and what it should say of each step."""
    w, u, out, xs, ys = normal(
        (size, gates * size), (size, gates * size), (size, 8), (steps, batch, size), (steps, batch, 8), dtype="float32"
    )
    scale = np.float32(size**-0.5)
    return [scale * w, scale * u, np.zeros(gates * size, np.float32), scale * out], xs, ys


def planets(count: int) -> tuple[Any, ...]:
    """Eccentricities and mean anomalies."""
    return np.linspace(0.1, 0.7, count), np.linspace(3.0, 0.5, count)


def dynamics(size: int) -> tuple[Any, ...]:
    """A contracting matrix, and a state."""
    (a,) = normal((size, size), dtype="float64", scale=0.1)
    return a, np.ones(size)


def integers(first: int, last: int, count: int) -> tuple[Any, ...]:
    """From the first to the last."""
    return (np.linspace(first, last, count).astype(np.int64),)
