"""An operator of functrans.nn against torch's of that name: value, VJP, JVP, under vmap and jit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from functrans import jit, jvp, nn, vjp, vmap

__all__ = ["Row", "check", "check_narrow_and_empty", "close", "draw", "for_torch", "row"]

RNG = np.random.default_rng(3)
Row = tuple[str, tuple[Any, ...], dict[str, Any]]
"""The name, arrays, other arguments."""


def row(name: str, *arrays: Any, **options: Any) -> Row:
    return name, arrays, options


def draw(*shape: int) -> Any:
    """Numbers that are all different."""
    return RNG.permutation(np.linspace(-2, 2, int(np.prod(shape)))).reshape(shape)


def close(ours: Any, theirs: Any) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def for_torch(options: dict[str, Any]) -> dict[str, Any]:
    """The options, with tensors for arrays."""
    torch = pytest.importorskip("torch")
    return {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}


def _of_torch(name: str, arrays: tuple[Any, ...], options: dict[str, Any], ct: Any) -> tuple[Any, list[Any]]:
    """The value and the cotangents of the floating arrays."""
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    out = getattr(torch.nn.functional, name)(*tensors, **for_torch(options))
    out.backward(torch.tensor(ct(tuple(out.shape))))
    return out.detach().numpy(), [tensor.grad.numpy() for tensor in tensors if tensor.requires_grad]


def check_narrow_and_empty(function: str, arrays: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raise AssertionError if float32 does not stay, or if no images do not give none."""

    def narrow(value: Any, of: slice = np.s_[:]) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        return (value.astype(np.float32) if value.dtype.kind == "f" else value)[of]

    rest = {key: narrow(value) for key, value in options.items()}
    out = getattr(nn, function)(*map(narrow, arrays), **rest)
    assert out.dtype == np.float32
    if "conv" in function:
        images = (narrow(arrays[0], np.s_[:0]), *map(narrow, arrays[1:]))
    else:
        images = tuple(narrow(array, np.s_[:0]) for array in arrays)
    rest = {key: narrow(value, np.s_[:0]) for key, value in options.items()}
    assert getattr(nn, function)(*images, **rest).shape == (0, *out.shape[1:])


def check(function: str, arrays: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raise AssertionError where ours differs from torch's; derivatives are those by the floating arrays."""
    floats = tuple(array for array in arrays if array.dtype.kind == "f")

    def fun(*floats: Any) -> Any:
        rest = iter(floats)
        return getattr(nn, function)(*(next(rest) if a.dtype.kind == "f" else a for a in arrays), **options)

    cts: dict[tuple[int, ...], Any] = {}
    value, grads = _of_torch(function, arrays, options, lambda shape: cts.setdefault(shape, draw(*shape)))
    (g,) = cts.values()

    def value_and_cotangents(*floats: Any) -> Any:
        out, pull = vjp(fun, *floats)
        return out, *pull(g)

    run: Callable[..., Any]
    for run in (value_and_cotangents, jit(value_and_cotangents)):
        for one, other in zip(run(*floats), (value, *grads), strict=True):
            close(one, other)
    tangents = tuple(draw(*array.shape) for array in floats)
    _, along = jvp(fun, floats, tangents)
    paired = sum(np.vdot(t, grad) for t, grad in zip(tangents, grads, strict=True))
    np.testing.assert_allclose(np.vdot(g, along), paired, rtol=1e-9, atol=1e-10)
    stacks = [np.stack([array, array[::-1], 2 * array]) for array in floats]
    close(vmap(fun)(*stacks), np.stack([fun(*each) for each in zip(*stacks, strict=True)]))
