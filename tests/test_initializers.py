"""functrans.nn.initializers against JAX, and against what they say of variances and columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any  # initializers of two libraries

import numpy as np
import pytest

import functrans as ft
from functrans import random
from functrans.errors import ParameterError
from functrans.nn import initializers

KEY = random.key(5)
PROGRAMS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "zeros": lambda i: (i.zeros, (2, 3), "float32"),
    "ones": lambda i: (i.ones, (2, 3), "float64"),
    "constant": lambda i: (i.constant(np.arange(3.0)), (2, 3), "float32"),
    "uniform": lambda i: (i.uniform(0.5), (2, 3), "float64"),
    "normal": lambda i: (i.normal(0.5), (2, 3), "complex64"),
    "truncated_normal": lambda i: (i.truncated_normal(0.5), (2, 3), "float32"),
    "he_normal": lambda i: (i.he_normal(), (2, 3, 4), "float64"),
    "he_normal, complex": lambda i: (i.he_normal(), (2, 3), "complex128"),
    "lecun_uniform": lambda i: (i.lecun_uniform(in_axis=(0, 1), out_axis=2), (2, 3, 4), "float32"),
    "glorot_uniform, complex": lambda i: (i.glorot_uniform(), (2, 3), "complex128"),
    "variance_scaling": lambda i: (i.variance_scaling(3.0, "fan_geo_avg", "normal", batch_axis=0), (2, 3, 4), "float32"),
    "orthogonal": lambda i: (i.orthogonal(2.0, 0), (3, 2, 2), "float64"),
    "delta_orthogonal": lambda i: (i.delta_orthogonal(), (2, 3, 2, 4), "float64"),
}  # fmt: skip


def test_the_numbers_of_jax() -> None:
    jax = pytest.importorskip("jax")
    theirs: Any = pytest.importorskip("jax.nn.initializers")
    old = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        for name, program in PROGRAMS.items():
            init, shape, dtype = program(theirs)
            want = np.asarray(init(jax.random.PRNGKey(5), shape, dtype))
            ours, *rest = program(initializers)
            found = ours(KEY, *rest)
            assert (found.shape, found.dtype) == (want.shape, want.dtype), name
            tolerance = 50 * float(np.finfo(dtype).eps)
            np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance, err_msg=name)
    finally:
        jax.config.update("jax_enable_x64", old)


def test_variances() -> None:
    for init, variance in (
        (initializers.lecun_normal(), 1 / 200),
        (initializers.he_uniform(), 2 / 200),
        (initializers.glorot_normal(), 2 / 500),
    ):
        for dtype in (np.float64, np.complex128):
            drawn = init(KEY, (200, 300), dtype)
            assert np.mean(np.abs(drawn) ** 2) == pytest.approx(variance, rel=0.03)


def test_initializers_are_functions_like_any_other() -> None:
    assert initializers.he_normal(dtype=np.float32)(KEY, (2, 3)).dtype == np.float32
    assert initializers.orthogonal()(KEY, (0, 3)).shape == (0, 3)
    keys = random.split(KEY, 3)
    init = initializers.he_normal()
    batch = ft.jit(ft.vmap(lambda key: init(key, (4, 2))))(keys)
    np.testing.assert_allclose(batch, np.stack([init(key, (4, 2)) for key in keys]), rtol=1e-14)


def test_what_does_not_fit_is_refused() -> None:
    for wrong in (
        lambda: initializers.he_normal()(KEY, (3,)),
        lambda: initializers.he_normal()(KEY, (3, 3), int),
        lambda: initializers.variance_scaling(1.0, "fan", "normal"),  # type: ignore[arg-type]  # that is the mistake
        lambda: initializers.orthogonal()(KEY, (3,)),
        lambda: initializers.delta_orthogonal()(KEY, (3, 4, 2)),
    ):
        with pytest.raises(ParameterError):
            wrong()
