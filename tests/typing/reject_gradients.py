"""Wrong uses of `grad` and its kin. Checked by mypy and pyright, never run.

Every `type: ignore` here stands where both checkers must complain; they report the ones that are needless, and all errors
elsewhere (`test_types.py`).
"""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedVariable=false, reportUnusedExpression=false

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

import functrans as ft

F64: TypeAlias = NDArray[np.float64]


class Params(NamedTuple):
    w: F64


def loss(params: Params, x: F64, y: F64, *, power: int = 2) -> np.float64:
    return np.sum((x @ params.w - y) ** power)


def forgot_to_return(x: F64) -> None: ...


def with_aux(w: F64, x: F64) -> tuple[np.float64, str]:
    return np.sum(w * x), ""


def calls(params: Params, x: F64, y: F64) -> None:
    ft.grad(loss)(params, x)  # type: ignore[call-arg]
    ft.grad(loss)(params, x, y, y)  # type: ignore[call-arg, arg-type]
    ft.grad(loss)(x, x, y)  # type: ignore[arg-type]
    ft.grad(loss)(params, "x", y)  # type: ignore[arg-type]
    ft.grad(loss)(params=params, x=x, y=y)  # type: ignore[call-arg]
    ft.grad(loss)(params, x, y, power=2.5)  # type: ignore[arg-type]
    ft.grad(loss)(params, x, y, powers=2)  # type: ignore[call-arg]
    ft.value_and_grad(loss, argnums=(0, 1))(params, x, z=y)  # type: ignore[call-arg]
    ft.value_and_grad(loss, argnums=1)(x, params, y)  # type: ignore[arg-type]
    ft.grad(loss, argnums=[0, 1])(params, x)  # type: ignore[call-arg]


def composed(params: Params, x: F64, y: F64) -> None:
    ft.jit(ft.grad(loss))(params, x)  # type: ignore[call-arg]
    ft.vmap(ft.grad(loss), in_axes=(None, 0, 0))(x, x, y)  # type: ignore[arg-type]
    ft.grad(ft.grad(loss))  # type: ignore[arg-type]


def functions() -> None:
    ft.grad(forgot_to_return)  # type: ignore[arg-type]
    ft.grad(with_aux)  # type: ignore[arg-type]
    ft.value_and_grad(with_aux)  # type: ignore[type-var]
    ft.grad(loss, has_aux=True)  # type: ignore[call-overload]
    ft.value_and_grad(loss, 0, has_aux=True)  # type: ignore[call-overload]
    ft.grad(3.0)  # type: ignore[call-overload]
    ft.grad(loss, "params")  # type: ignore[arg-type]
    ft.grad(loss, argnums=1.0)  # type: ignore[call-overload]
    ft.grad(loss, holomorfic=True)  # type: ignore[call-overload]


def results(params: Params, x: F64, y: F64) -> None:
    gradient: F64 = ft.grad(loss)(params, x, y)  # type: ignore[assignment]
    value, (dw, dx) = ft.value_and_grad(loss, (0, 1, 2))(params, x, y)  # type: ignore[misc]
    ft.grad(loss)(params, x, y).weight  # type: ignore[attr-defined]
    ft.grad(with_aux, has_aux=True)(x, y)[1] + 1  # type: ignore[operator]
