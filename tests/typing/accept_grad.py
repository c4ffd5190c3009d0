"""`grad` and `value_and_grad` keep every type. Checked by mypy and pyright, and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypedDict, assert_type

import numpy as np
from numpy.typing import NDArray

import functrans as ft
from functrans import Array

F64: TypeAlias = NDArray[np.float64]
X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
Y = np.array([1.0, 2.0, 3.0])
W = np.array([0.5, -0.5])


class Params(NamedTuple):
    w: F64
    b: F64


@ft.tree.register_dataclass
@dataclass
class Layer:
    w: Array
    b: Array


class Weights(TypedDict):
    w: Array


def loss(params: Params, x: F64, y: F64, scale: float = 1.0, *, power: int = 2) -> np.float64:
    return np.float64(scale) * np.sum((x @ params.w + params.b - y) ** power)


def array_loss(w: Array, x: Array, y: Array) -> Array:
    return ft.numpy.sum((x @ w - y) ** 2)


def circuit(x: float, y: float, z: float, u: float = 1.0) -> float:
    return (x + y) * z * u


def with_aux(w: F64, x: F64, name: str = "") -> tuple[np.float64, dict[str, F64]]:
    predicted = x @ w
    return np.sum(predicted**2), {"predicted": predicted}


def check_trees() -> None:
    params = Params(W, np.array(0.0))
    x, y = cast_f64(X), cast_f64(Y)
    assert_type(ft.grad(loss)(params, x, y), Params)
    assert_type(ft.grad(loss)(params, x, y=y, power=4), Params)
    assert_type(ft.grad(loss, argnums=0)(params, x, y, 2.0, power=4), Params)
    assert_type(ft.value_and_grad(loss)(params, x, y), tuple[np.float64, Params])
    assert_type(ft.value_and_grad(loss, 0, holomorphic=False, allow_int=True)(params, x, y), tuple[np.float64, Params])
    layer = Layer(W, np.array(0.0))
    assert_type(ft.grad(layer_loss)(layer, X), Layer)
    weights: Weights = {"w": W}
    assert_type(ft.grad(dict_loss)(weights, X), Weights)
    assert_type(ft.grad(list_loss)([W, W], X), list[Array])


def cast_f64(x: F64) -> F64:
    """As declared: type checkers narrow a variable to what it was assigned, an array of known rank."""
    return x


def layer_loss(layer: Layer, x: Array) -> Array:
    return ft.numpy.sum((x @ layer.w + layer.b) ** 2)


def dict_loss(weights: Weights, x: Array) -> Array:
    return ft.numpy.mean(x @ weights["w"])


def list_loss(ws: list[Array], x: Array) -> Array:
    return ft.numpy.sum(x @ ws[0] + x @ ws[1])


def check_arrays() -> None:
    w: Array = W
    assert_type(ft.grad(array_loss)(np.asarray(W), X, Y), Array)
    assert_type(ft.value_and_grad(array_loss)(w, X, Y), tuple[Array, Array])
    assert_type(ft.grad(with_aux, has_aux=True)(cast_f64(W), X, name="a"), tuple[F64, dict[str, F64]])


def check_argnums() -> None:
    at = (-2.0, 5.0, -4.0)
    assert_type(ft.grad(circuit)(*at), float)
    assert_type(ft.grad(circuit, 1)(*at), float)
    assert_type(ft.grad(circuit, argnums=2)(*at), float)
    assert_type(ft.grad(circuit, argnums=3)(*at, 2.0), float)
    assert_type(ft.grad(circuit, argnums=(0,))(*at), tuple[float])
    assert_type(ft.grad(circuit, argnums=(1,))(*at), tuple[float])
    assert_type(ft.grad(circuit, argnums=(0, 1))(*at, u=3.0), tuple[float, float])
    assert_type(ft.grad(circuit, argnums=(0, 2))(*at), tuple[float, float])
    assert_type(ft.grad(circuit, argnums=(1, 2))(*at), tuple[float, float])
    assert_type(ft.grad(circuit, argnums=(0, 1, 2))(*at), tuple[float, float, float])
    assert_type(ft.value_and_grad(circuit, 2)(*at), tuple[float, float])
    assert_type(ft.value_and_grad(circuit, (0, 1, 2))(*at), tuple[float, tuple[float, float, float]])
    params, x, y = Params(W, np.array(0.0)), cast_f64(X), cast_f64(Y)
    assert_type(ft.grad(loss, 1)(params, x, y, power=4), F64)
    assert_type(ft.grad(loss, (0, 2))(params, x, y), tuple[Params, F64])
    assert_type(ft.value_and_grad(loss, (0, 1, 2))(params, x, y, 2.0), tuple[np.float64, tuple[Params, F64, F64]])


def check_computed_argnums() -> None:
    """The gradient is Any; the parameters are those of the function all the same."""
    some: Sequence[int] = [0, 2]
    last = int("-1")
    assert_type(ft.grad(circuit, argnums=some)(1.0, 2.0, 3.0, u=2.0), Any)
    assert_type(ft.grad(circuit, last)(1.0, 2.0, 3.0), Any)
    assert_type(ft.value_and_grad(circuit, last)(1.0, 2.0, 3.0), tuple[float, Any])
    w, x = cast_f64(W), cast_f64(X)
    assert_type(ft.grad(with_aux, [0, 1], has_aux=True)(w, x), tuple[Any, dict[str, F64]])
    assert_type(ft.value_and_grad(with_aux, [0], has_aux=True)(w, x), tuple[tuple[np.float64, dict[str, F64]], Any])


def check_aux() -> None:
    w, x = cast_f64(W), cast_f64(X)
    assert_type(ft.grad(with_aux, has_aux=True)(w, x), tuple[F64, dict[str, F64]])
    assert_type(ft.grad(with_aux, 1, has_aux=True)(w, x), tuple[F64, dict[str, F64]])
    assert_type(ft.grad(with_aux, (0, 1), True)(w, x, ""), tuple[tuple[F64, F64], dict[str, F64]])
    assert_type(ft.value_and_grad(with_aux, has_aux=True)(w, x), tuple[tuple[np.float64, dict[str, F64]], F64])
    (value, aux), (dw, dx) = ft.value_and_grad(with_aux, (0, 1), has_aux=True)(w, x)
    assert_type(value, np.float64)
    assert_type(aux["predicted"], F64)
    assert_type(dw, F64)
    assert_type(dx, F64)


def check_composition() -> None:
    params, x, y = Params(W, np.array(0.0)), cast_f64(X), cast_f64(Y)
    assert_type(ft.jit(ft.value_and_grad(loss))(params, x, y, power=4), tuple[np.float64, Params])
    assert_type(ft.grad(ft.jit(loss))(params, x, y, power=4), Params)
    assert_type(ft.vmap(ft.grad(loss), in_axes=(None, 0, 0))(params, x, y), Params)
    assert_type(ft.jit(ft.vmap(ft.grad(loss, (0, 1)), in_axes=(None, 0, 0)))(params, x, y), tuple[Params, F64])
    assert_type(ft.grad(ft.grad(circuit), 1)(1.0, 2.0, 3.0), float)
    step: Callable[[Params, F64, F64], Params] = ft.grad(loss)
    assert_type(step(params, x, y), Params)
    ft.grad(partial(loss, scale=2.0))(params, x, y).w[0]  # Any to mypy
