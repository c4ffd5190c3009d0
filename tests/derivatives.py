"""Derivatives held against finite differences and against each other: what several test files share.

Functions here take arrays and return a tuple of arrays, all floating or complex. Start reading at `check_derivatives`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from functrans import jvp, vjp

Arrays: TypeAlias = tuple[Any, ...]
Fun: TypeAlias = Callable[..., Arrays]

_STEP = 1e-3


def direction(rng: np.random.Generator, like: Any) -> Any:
    """A random tangent or cotangent of this value."""
    like = np.asarray(like)
    values = rng.uniform(-1, 1, like.shape)
    if like.dtype.kind == "c":
        values = values + 1j * rng.uniform(-1, 1, like.shape)
    return np.asarray(values).astype(like.dtype)


def directions(rng: np.random.Generator, likes: Sequence[Any]) -> Arrays:
    return tuple(direction(rng, like) for like in likes)


def pairing(cts: Sequence[Any], tangents: Sequence[Any]) -> float:
    """⟨ct, t⟩ = Re Σ ct·t, for complex values too (JAX's convention)."""
    return float(sum(np.sum(np.real(np.multiply(ct, t))) for ct, t in zip(cts, tangents, strict=True)))


def size_of(values: Sequence[Any]) -> float:
    """The largest absolute value, at least 1: the scale that errors are measured by."""
    return max([1.0, *(float(np.max(np.abs(value))) for value in values if np.size(value))])


def numerical_jvp(fun: Fun, primals: Sequence[Any], tangents: Sequence[Any]) -> Arrays:
    """The derivative along `tangents` by central differences, extrapolated once (Richardson): error O(h⁴)."""

    def central(step: float) -> Arrays:
        ahead = fun(*(x + step * t for x, t in zip(primals, tangents, strict=True)))
        behind = fun(*(x - step * t for x, t in zip(primals, tangents, strict=True)))
        return tuple((np.subtract(a, b)) / (2 * step) for a, b in zip(ahead, behind, strict=True))

    return tuple((4 * fine - coarse) / 3 for fine, coarse in zip(central(_STEP / 2), central(_STEP), strict=True))


def assert_close(got: Sequence[Any], expected: Sequence[Any], rtol: float, what: str) -> None:
    """Equal up to `rtol` of the largest expected value."""
    scale = size_of(expected)
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale, err_msg=f"{what}, number {i}")


def assert_types(got: Sequence[Any], like: Sequence[Any], what: str) -> None:
    """The same shapes and dtypes."""
    assert [(np.shape(a), a.dtype) for a in got] == [(np.shape(b), np.asarray(b).dtype) for b in like], what


def check_derivatives(fun: Fun, primals: Arrays, order: int, rng: np.random.Generator) -> None:
    """Hold jvp and vjp of `fun` against finite differences and against each other, up to `order` in all combinations.

    Order 2 checks the functions (x, t) ↦ J(x)t and (x, ct) ↦ J(x)ᵀct in the same way: forward over forward, reverse
    over forward, forward over reverse, reverse over reverse.
    """
    values = fun(*primals)
    tangents, cts = directions(rng, primals), directions(rng, values)
    outs, out_tangents = jvp(fun, primals, tangents)
    assert_types(out_tangents, values, "tangents of the results")
    assert_close(outs, values, 1e-12, "the value under jvp")
    eps = max(
        float(np.finfo(value.dtype).eps) for value in (*primals, *values)
    )  # a row may convert to float32 and back
    scale = size_of(values)
    for got, expected in zip(out_tangents, numerical_jvp(fun, primals, tangents), strict=True):
        atol = max(1e-8, 10 * eps / _STEP) * max(scale, size_of([expected]))
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=atol, err_msg=f"forward mode, {order=}")
    outs, pull = vjp(fun, *primals)
    assert_close(outs, values, 1e-12, "the value under vjp")
    grads = pull(cts)
    assert_types(grads, primals, "cotangents of the operands")
    bound = max(1e-10, 100 * eps) * (
        1 + sum(np.sum(np.abs(np.multiply(a, b))) for a, b in zip(cts, out_tangents, strict=True))
    )
    assert abs(pairing(cts, out_tangents) - pairing(grads, tangents)) <= bound, (
        f"reverse mode, {order=}: ⟨ct, Jt⟩ = {pairing(cts, out_tangents)}, ⟨Jᵀct, t⟩ = {pairing(grads, tangents)}"
    )
    if order > 1:
        check_derivatives(forward(fun, len(primals)), (*primals, *tangents), order - 1, rng)
        check_derivatives(reverse(fun, len(primals)), (*primals, *cts), order - 1, rng)


def forward(fun: Fun, count: int) -> Fun:
    """(x, t) ↦ J(x)t as a function of 2 · count arrays."""
    return lambda *args: jvp(fun, args[:count], args[count:])[1]


def reverse(fun: Fun, count: int) -> Fun:
    """(x, ct) ↦ J(x)ᵀct as a function of arrays."""
    return lambda *args: vjp(fun, *args[:count])[1](args[count:])
