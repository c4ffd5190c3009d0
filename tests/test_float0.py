"""Tangents and cotangents of integers: arrays of dtype float0, which every transform lets through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from functrans.core.aval import FLOAT0
from functrans.errors import CotangentError
from functrans.jit import jit
from functrans.transforms.grad import grad
from functrans.transforms.jvp import jvp, linearize
from functrans.transforms.make_jaxpr import eval_shape, make_jaxpr
from functrans.transforms.vjp import vjp
from functrans.transforms.vmap import vmap

X, N = np.ones(2), np.arange(3)
ZERO = np.zeros(3, FLOAT0)


def fun(x: Any, n: Any) -> Any:
    return x * 2, n * 3


def assert_float0(value: Any, shape: tuple[int, ...] = (3,)) -> None:
    assert isinstance(value, np.ndarray)
    assert value.dtype == FLOAT0
    assert value.shape == shape


def test_forward() -> None:
    pushes: list[Callable[..., Any]] = [
        lambda x, n: jvp(fun, (x, n), (x, ZERO)),
        jit(lambda x, n: jvp(fun, (x, n), (x, ZERO))),
        lambda x, n: (fun(x, n), linearize(fun, x, n)[1](x, ZERO)),
    ]
    for push in pushes:
        out, tangent = push(X, N)
        np.testing.assert_array_equal(out[1], N * 3)
        np.testing.assert_array_equal(tangent[0], X * 2)
        assert_float0(tangent[1])
    _, twice = jvp(lambda x: jvp(fun, (x, N), (x, ZERO)), (X,), (X,))
    assert_float0(twice[0][1])
    assert_float0(twice[1][1])


def test_backward() -> None:
    _, pull = vjp(fun, X, N)
    for one in (pull, jit(pull)):
        grads = one((X, ZERO))
        np.testing.assert_array_equal(grads[0], X * 2)
        assert_float0(grads[1])
    assert_float0(vjp(lambda x, n: n, 1.0, 2)[1](cast(Any, np.zeros((), FLOAT0)))[1], ())
    with pytest.raises(CotangentError):
        pull((X, np.zeros(4, FLOAT0)))


def test_gradients_inside_other_transforms() -> None:
    gradient = grad(lambda x, n: np.sum(x) * n[0], (0, 1), allow_int=True)
    assert_float0(gradient(X, N)[1])
    assert_float0(jit(gradient)(X, N)[1])
    assert_float0(vmap(gradient)(np.ones((2, 2)), np.arange(6).reshape(2, 3))[1], (2, 3))
    assert eval_shape(gradient, X, N)[1].dtype == FLOAT0
    assert "float0[3]" in str(make_jaxpr(gradient)(X, N))
