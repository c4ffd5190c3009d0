"""Indexing under vmap, every choice of what is mapped, against a Python loop: values, gradients, forward derivatives.

Several elements of a batch may read or write one place of an operand that they share; their cotangents add up there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import functrans as ft
import functrans.numpy as fnp
from functrans import lax

TABLE = np.random.default_rng(0).normal(size=(4, 3))
TABLES = np.random.default_rng(1).normal(size=(5, 4, 3))
INDICES = np.array([3, 0, 0, 2, 0])  # one row is read three times

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "row": lambda t, i: t[i] ** 2,
    "element": lambda t, i: t[i, 1] ** 2,
    "the same row twice": lambda t, i: t[fnp.stack([i, i])] ** 2,
    "take": lambda t, i: fnp.take(t, i, axis=0) ** 2,
    "take_along_axis": lambda t, i: fnp.take_along_axis(t, fnp.broadcast_to(i, (1, 3)), 0) ** 2,
    "dynamic_slice": lambda t, i: lax.dynamic_slice(t, (i, i * 0), (1, 2)) ** 2,
    "dynamic_index_in_dim": lambda t, i: lax.dynamic_index_in_dim(t, i) ** 2,
    "set": lambda t, i: fnp.at(t)[i].set(fnp.sum(t, axis=0)) ** 2,
    "add": lambda t, i: fnp.at(t)[i].add(fnp.sum(t, axis=0)) ** 2,
    "multiply": lambda t, i: fnp.at(t)[i].multiply(fnp.sum(t, axis=0)) ** 2,
    "max": lambda t, i: fnp.at(t)[i].max(fnp.sum(t, axis=0)) ** 2,
    "dynamic_update_slice": lambda t, i: lax.dynamic_update_slice(t, t[:1] * 2, (i, i * 0)) ** 2,
    "sorted": lambda t, i: fnp.sort(t, axis=0)[i],
}


@pytest.mark.parametrize("axes", [(None, 0), (0, 0), (0, None)], ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_mapped_indexing_is_the_loop(name: str, axes: tuple[int | None, int | None]) -> None:
    operation = OPERATIONS[name]
    table = TABLE if axes[0] is None else TABLES
    index: Any = 0 if axes[1] is None else INDICES

    def mapped(t: Any) -> Any:
        rows = ft.vmap(operation, axes)(t, index)
        return sum((k + 1) * fnp.sum(rows[k]) for k in range(5))

    def looped(t: Any) -> Any:
        return sum(
            (k + 1) * fnp.sum(operation(t if axes[0] is None else t[k], index if axes[1] is None else int(index[k])))
            for k in range(5)
        )

    value, gradient = ft.value_and_grad(looped)(table)
    for transform in (
        ft.value_and_grad,
        lambda f: ft.jit(ft.value_and_grad(f)),
        lambda f: ft.value_and_grad(ft.jit(f)),
    ):
        got_value, got_gradient = transform(mapped)(table)
        np.testing.assert_allclose(got_value, value, rtol=1e-12)
        np.testing.assert_allclose(got_gradient, gradient, rtol=1e-12)
    _, tangent = ft.jvp(mapped, (table,), (np.ones_like(table),))
    np.testing.assert_allclose(tangent, np.sum(gradient), rtol=1e-12)
