"""Static and donated arguments of jit: which they are, what they may be, and which calls share a tracing."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

from functrans import grad, jit, vmap
from functrans.errors import StaticArgumentError
from tests.marks import native

Fun = Callable[..., Any]


class Mode(enum.Enum):
    DOUBLE = 2
    TRIPLE = 3


@dataclass(frozen=True)
class Settings:
    power: Any = 1
    name: str = ""


class Sizes(NamedTuple):
    rows: Any
    columns: Any


def counted(function: Fun) -> tuple[Fun, list[None]]:
    """The function, and a list that grows when its body runs."""
    runs: list[None] = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        runs.append(None)
        return function(*args, **kwargs)

    return counting, runs


VALUES: list[Any] = [
    2, 2.0, True, "two", None, Mode.DOUBLE, Mode.TRIPLE, Settings(), Settings(2), Settings(2.0), (1, 2), (1, 2.0), ((1,), 2),
    ((True,), 2), Sizes(1, 2), Sizes(1.0, 2), np.sin, np.cos, np.float64(2.0), np.int64(2), 0.0, -0.0, (0.0,), (-0.0,), 2j,
    complex(2, -0.0), complex(2, 0.0), frozenset({1}), frozenset({1.0}), np.dtype(np.float32), b"two", ..., int, float,
]  # fmt: skip


def test_values_of_every_kind_are_told_apart() -> None:
    seen: list[Any] = []

    def keep(x: Any, value: Any) -> Any:
        seen.append(value)
        return x

    function, runs = counted(keep)
    jitted = jit(function, static_argnums=1)
    for _ in range(2):
        for value in VALUES:
            assert jitted(1.0, value) == 1.0
    assert len(runs) == len(VALUES)
    assert all(one is other for one, other in zip(seen, VALUES, strict=True))


def test_equal_values_share_a_tracing() -> None:
    function, runs = counted(lambda x, value: x * value.power)
    jitted = jit(function, static_argnums=1)
    for _ in range(3):
        assert jitted(2.0, Settings(3, "a")) == 6.0
    assert len(runs) == 1


def power(x: Any, n: int = 3, *, scale: float = 1.0) -> Any:
    assert isinstance(n, int)
    return scale * x**n


@pytest.mark.parametrize("how", [{"static_argnums": 1}, {"static_argnums": (1,)}, {"static_argnums": -1},
                                 {"static_argnames": "n"}, {"static_argnames": ("n", "scale")}])  # fmt: skip
def test_by_position_by_keyword_and_by_default(how: Any) -> None:
    jitted = jit(power, **how)
    assert jitted(2.0) == jitted(2.0, 3) == jitted(2.0, n=3) == jitted(n=3, x=2.0) == jitted(x=2.0) == 8.0
    assert jitted(2.0, 2, scale=3.0) == jitted(scale=3.0, n=2, x=2.0) == 12.0


def test_several_positions() -> None:
    function = lambda a, b, c, d: (a * c, b, d)
    positions: list[Any] = [(1, 3), (3, 1), (-1, 1), [1, -1], (np.int64(1), np.int64(3))]
    for nums in positions:
        jitted: Fun = jit(function, static_argnums=nums)
        assert jitted(2.0, 1, 3.0, 2) == jitted(2.0, 1, d=2, c=3.0) == jitted(d=2, c=3.0, b=1, a=2.0) == (6.0, 1, 2)


def test_variadic_parameters() -> None:
    def by_position(*args: Any) -> Any:
        return args[0] * args[2] ** args[1]

    assert jit(by_position, static_argnums=(1,))(2.0, 3, 1.5) == 2.0 * 1.5**3

    def by_keyword(x: Any, **options: Any) -> Any:
        return x ** options["n"]

    assert jit(by_keyword, static_argnames="n")(2.0, n=3) == 8.0
    assert jit(lambda x, /, n: x**n, static_argnames="n")(2.0, 3) == 8.0


def test_under_transforms() -> None:
    jitted = jit(power, static_argnames="n")
    assert grad(jitted)(2.0, n=3) == grad(jitted)(2.0, 3) == 12.0
    assert jit(lambda x: jitted(x, 2))(3.0) == 9.0
    np.testing.assert_array_equal(vmap(lambda x: jitted(x, n=2))(np.arange(3.0)), [0.0, 1.0, 4.0])


def test_functions_as_values() -> None:
    jitted = jit(lambda f, x: f(x), static_argnums=0)
    assert jitted(np.sin, 1.0) == np.sin(1.0)
    assert jitted(np.cos, 1.0) == np.cos(1.0)
    assert jitted(jit(lambda x: x + 1), 1.0) == 2.0
    assert jitted(partial(np.sum, axis=0), np.ones(3)) == 3.0


@pytest.mark.parametrize("value", [[1], {"a": 1}, np.ones(2), np.ones(()), (1, [2]), {1}, Settings([1])], ids=repr)
def test_values_that_are_no_keys(value: Any) -> None:
    jitted = jit(lambda x, options: x, static_argnums=1)
    for args, kwargs in (((1.0, value), {}), ((1.0,), {"options": value})):
        with pytest.raises(StaticArgumentError, match=r"'options'.*not hashable"):
            jitted(*args, **kwargs)
    with pytest.raises(StaticArgumentError, match=r"number 2.*not hashable"):
        jit(lambda *args: args[0], static_argnums=2)(1.0, 2.0, value)


@pytest.mark.parametrize("wrap", [lambda n: n, lambda n: (1, n), lambda n: Sizes(n, 1)])
def test_traced_values_are_not_static(wrap: Fun) -> None:
    inner = jit(lambda x, n: x, static_argnames="n")
    for transform in (jit, grad):
        with pytest.raises(StaticArgumentError, match=r"'n'.*traced value"):
            transform(lambda n: inner(1.0, wrap(n)))(2.0)


@pytest.mark.parametrize("how", [{"static_argnums": 2}, {"static_argnums": (0, -3)}, {"static_argnames": "m"},
                                 {"static_argnames": ["x", "m"]}, {"donate_argnums": 2}, {"donate_argnums": -3},
                                 {"donate_argnums": (0, 1), "static_argnums": 1},
                                 {"donate_argnums": -1, "static_argnames": "n"}])  # fmt: skip
def test_arguments_that_the_function_does_not_have(how: Any) -> None:
    with pytest.raises(StaticArgumentError, match=r"argn.*="):
        jit(lambda x, n: x, **how)


def test_negative_positions_need_a_fixed_number() -> None:
    with pytest.raises(StaticArgumentError, match="count from the front"):
        jit(lambda *args: args[0], static_argnums=-1)


@native
def test_donated_arguments() -> None:
    for donated in (0, (0,), -2, (0, -1)):
        x = np.arange(3.0)
        out = jit(lambda x, y: x * y, donate_argnums=donated)(x, 2.0)
        assert out is x
        np.testing.assert_array_equal(out, [0.0, 2.0, 4.0])


class Scaled:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    @jit(static_argnames="n")
    def by_name(self, x: Any, n: int) -> Any:
        return self.factor * x**n

    @partial(jit, static_argnums=(2,))
    def by_number(self, x: Any, n: int) -> Any:
        return self.factor * x**n

    @partial(jit, static_argnums=(0, 2))
    def with_self(self, x: Any, n: int) -> Any:
        return self.factor * x**n


def test_methods() -> None:
    scaled = Scaled(2.0)
    methods: list[Fun] = [scaled.by_name, scaled.by_number, scaled.with_self]
    for method in methods:
        assert method(3.0, 2) == method(3.0, n=2) == 18.0
        unhashable: Any = [2]
        with pytest.raises(StaticArgumentError, match="'n'"):
            method(3.0, unhashable)
