"""`jit(unchecked=True)`: the same results for indices in range, no test of them in machine code, and no IndexError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans import numpy as fnp
from tests.marks import native

X, I = np.linspace(0.0, 1.0, 12).reshape(6, 2), np.array([0, -1, 5, 5, -6])
OUT = np.array([0, 6])

PROGRAMS: dict[str, Callable[..., Any]] = {
    "read": lambda x, i: x[i],
    "two axes": lambda x, i: x[i, i // 6],
    "one element": lambda x, i: x[i[1], 1],
    "update": lambda x, i: fnp.at(x)[i].set(2.0),
    "add": lambda x, i: fnp.at(x)[i].add(2.0),
    "take_along_axis": lambda x, i: np.take_along_axis(x, i[:, None], axis=0),
    "nested": lambda x, i: ft.jit(lambda x: x[i])(x) + 1,
}
GRADIENTS = {name: ft.grad(lambda x, i, f=fun: np.sum(np.sin(f(x, i)))) for name, fun in PROGRAMS.items()}


@pytest.mark.parametrize(
    "fun", [*PROGRAMS.values(), *GRADIENTS.values()], ids=[*PROGRAMS, *map("d {}".format, GRADIENTS)]
)
@pytest.mark.parametrize("unchecked_first", [False, True])
def test_in_range_it_is_the_same(fun: Callable[..., Any], unchecked_first: bool) -> None:
    ft.clear_caches()
    ways = [ft.jit(fun, unchecked=unchecked) for unchecked in (unchecked_first, not unchecked_first)]
    one, other = (way(X, I) for way in ways)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, fun(X, I), rtol=1e-14)


@native
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_index_is_tested(name: str) -> None:
    for fun in (PROGRAMS[name], GRADIENTS[name]):
        text = ft.jit(fun, unchecked=True).lower(X, I).kernels
        assert "bounds='raise'" in text
        assert "unchecked=False" not in text
        assert "unchecked=True" not in ft.jit(fun).lower(X, I).kernels


@pytest.mark.parametrize("name", PROGRAMS)
def test_without_it_the_error_names_the_line(name: str) -> None:
    for jitted in (ft.jit(PROGRAMS[name]), ft.jit(PROGRAMS[name], unchecked=False), ft.jit(GRADIENTS[name])):
        with pytest.raises(IndexError, match=r"test_unchecked\.py:\d+"):
            jitted(X, OUT)


@native
def test_out_of_range_it_reads_something_of_the_array() -> None:
    got = ft.jit(PROGRAMS["read"], unchecked=True)(X, np.array([6, -7, 2**62, 1]))
    assert set(got.flat) <= set(X.flat)
    np.testing.assert_array_equal(got[3], X[1])


@native
def test_other_transforms_of_it_do_not_test_either() -> None:
    read = ft.jit(PROGRAMS["read"], unchecked=True)
    transformed: list[Any] = [
        ft.grad(lambda x: np.sum(read(x, OUT))),
        lambda x: ft.jvp(lambda x: read(x, OUT), (x,), (x,)),
        lambda x: ft.vmap(lambda x: read(x, OUT))(x[None]),
        ft.jit(lambda x: read(x, OUT)),
        ft.jit(ft.grad(lambda x: np.sum(read(x, OUT) ** 2))),
    ]
    for fun in transformed:
        fun(X)


@native
def test_around_it_indices_are_tested() -> None:
    read = ft.jit(PROGRAMS["read"], unchecked=True)
    with pytest.raises(IndexError):
        ft.jit(lambda x, i: read(x, i) + x[i])(X, OUT)
    ft.jit(lambda x, i: ft.jit(PROGRAMS["read"])(x, i), unchecked=True)(X, OUT)


def test_an_empty_axis_has_no_element_to_read() -> None:
    with pytest.raises(IndexError):
        ft.jit(lambda x, i: x[i], unchecked=True)(np.ones((0, 2)), np.array([0]))


def test_methods_and_decorators() -> None:
    class Table:
        @ft.jit(unchecked=True)
        def read(self, x: Any, i: Any) -> Any:
            return x[i]

        @ft.jit(unchecked=True)
        @staticmethod
        def other(x: Any, i: Any) -> Any:
            return x[i]

    table = Table()
    for lower in (table.read.lower, table.other.lower):  # type: ignore[attr-defined]
        assert "unchecked=False" not in lower(X, I).kernels
