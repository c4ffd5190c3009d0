"""Arrays that a function under grad writes into between uses: an error, never a gradient of other values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans.errors import ChangedConstantError
from functrans.typing import Array


def refilled(x: Array) -> Array:
    buffer = np.zeros(3)
    total: Array = np.sum(x) * 0.0
    for i in range(3):
        buffer[:] = 0.0
        buffer[i] = i + 1.0
        total = total + np.sum(x * buffer)
    return total


@pytest.mark.parametrize(
    "transform", [ft.grad, lambda f: lambda x: ft.vjp(f, x)[1](1.0), lambda f: ft.jit(ft.grad(f)), ft.jacrev]
)
def test_a_buffer_that_is_written_again_is_an_error(transform: Callable[..., Any]) -> None:
    with pytest.raises(ChangedConstantError, match=r"(?s)refilled.*shape \(3,\).*copy\(\)"):
        transform(refilled)(np.ones(3))


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: ft.grad(ft.jit(f)),
        lambda f: ft.jit(ft.grad(ft.jit(f))),
        ft.jacfwd,
        lambda f: lambda x: ft.vmap(lambda t: ft.linearize(f, x)[1](t))(np.eye(3)),
    ],
)
def test_where_each_use_is_recorded_it_has_the_values_of_its_time(transform: Callable[..., Any]) -> None:
    np.testing.assert_array_equal(transform(refilled)(np.ones(3)), [1.0, 2.0, 3.0])


def dot(data: Array, x: Array) -> Array:
    total: Array = np.sum(x * data)
    return total


def test_data_that_changes_between_vjp_and_the_pull_is_noticed_whatever_its_size_and_strides() -> None:
    for size in (1, 7, 1 << 16):
        for data in (np.ones(size), np.ones((size, 2))[:, 0], np.ones(2 * size)[::-2]):
            _, pull = ft.vjp(partial(dot, data), np.ones(size))
            np.testing.assert_array_equal(pull(np.array(1.0))[0], np.ones(size))
            data *= 2.0
            with pytest.raises(ChangedConstantError):
                pull(np.array(1.0))


def test_arrays_that_are_let_go_or_written_before_their_first_use_do_not_matter() -> None:
    def f(x: Array) -> Array:
        total: Array = np.sum(x) * 0.0
        for i in range(4):
            total = total + np.sum(x * np.full(3, float(i)))
        return total

    np.testing.assert_array_equal(ft.grad(f)(np.ones(3)), np.full(3, 6.0))
