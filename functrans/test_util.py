"""Derivatives against finite differences, for the user's own tests and rules: `check_grads`, `check_jvp`, `check_vjp`.

A derivative is compared along a random direction; where the two differ, every argument's share is compared by itself and the
message shows them all. Start reading at `check_jvp`. Imports core, errors, tree and the transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np

from functrans import tree
from functrans.core.aval import FLOAT0, is_inexact
from functrans.core.primitive import aval_of
from functrans.errors import GradientMismatchError, ParameterError
from functrans.record import Record
from functrans.transforms.arguments import argument_paths, check_leaves, function_name
from functrans.transforms.jvp import jvp
from functrans.transforms.vjp import vjp

__all__ = ["check_grads", "check_jvp", "check_vjp"]

Leaves: TypeAlias = list[Any]  # Any: arrays, of dtype float0 where there is no derivative

_EPS = {"e": 1 / 16, "f": 1 / 256, "F": 1 / 256, "d": 1 / 2048, "D": 1 / 2048}
_TOLERANCE = {"e": 1e-1, "f": 3e-2, "F": 3e-2, "d": 1e-5, "D": 1e-5}
_SEED = 1234


class _Tolerance(Record):
    """`|analytic - numeric| <= atol + rtol |numeric|`, with differences over 2 eps."""

    atol: float
    rtol: float
    eps: float


def _tolerance(
    args: Sequence[Any], out: Sequence[Any], atol: float | None, rtol: float | None, eps: float | None
) -> _Tolerance:
    """What was given, or else what suits the coarsest dtype among arguments and results."""
    chars = {np.asarray(leaf).dtype.char for leaf in (*args, *out)} & _EPS.keys()
    default = max((_TOLERANCE[char] for char in chars), default=1e-5)
    step = max((_EPS[char] for char in chars), default=1 / 2048)
    return _Tolerance(
        default if atol is None else atol, default if rtol is None else rtol, step if eps is None else eps
    )


# ---- directions and differences ----


def _random_like(rng: np.random.Generator, leaf: Any) -> Any:
    """A random tangent or cotangent of an array."""
    array = np.asarray(leaf)
    if not is_inexact(array.dtype):
        return np.zeros(array.shape, FLOAT0)
    values = rng.standard_normal(array.shape)
    if array.dtype.kind == "c":
        return np.asarray(values + 1j * rng.standard_normal(array.shape)).astype(array.dtype)[()]
    return np.asarray(values).astype(array.dtype)[()]


def _moved(leaves: Leaves, direction: Leaves, step: float) -> Leaves:
    """The leaves moved along a direction, each in its own dtype."""
    return [
        leaf if _has_none(t) else (np.asarray(leaf) + np.asarray(t) * step).astype(np.asarray(leaf).dtype)[()]
        for leaf, t in zip(leaves, direction, strict=True)
    ]


def _has_none(tangent: Any) -> bool:
    return bool(np.asarray(tangent).dtype == FLOAT0)


def _difference(f: Callable[[Leaves], Leaves], leaves: Leaves, direction: Leaves, eps: float) -> Leaves:
    """The derivative of a function of leaves along a direction, by a central difference."""
    forward, backward = f(_moved(leaves, direction, eps)), f(_moved(leaves, direction, -eps))
    return [
        (np.asarray(a) - np.asarray(b)) / (2 * eps)
        if is_inexact(np.asarray(a).dtype)
        else np.zeros(np.shape(a), FLOAT0)
        for a, b in zip(forward, backward, strict=True)
    ]


def _only(direction: Leaves, i: int) -> Leaves:
    """The direction with zeros in place of all leaves but one."""
    return [t if j == i or _has_none(t) else np.zeros_like(t) for j, t in enumerate(direction)]


def _pairing(x: Leaves, y: Leaves) -> float:
    """The sum of products, real parts only: what pairs cotangents and tangents."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(x, y, strict=True) if not (_has_none(a) or _has_none(b))]
    return float(sum(np.sum(a.astype(complex) * b.astype(complex)).real for a, b in pairs))


def _agree(analytic: Leaves, numeric: Leaves, tolerance: _Tolerance) -> bool:
    return all(
        _has_none(a) == _has_none(b)
        and np.shape(a) == np.shape(b)
        and (_has_none(a) or np.allclose(a, b, atol=tolerance.atol, rtol=tolerance.rtol, equal_nan=True))
        for a, b in zip(analytic, numeric, strict=True)
    )


class _Subject(Record):
    """A function of trees, as a function of leaves, and a point."""

    name: str
    args: tuple[Any, ...]
    leaves: Leaves
    paths: list[str]
    run: Callable[[Leaves], Leaves]


def _subject(f: Callable[..., Any], args: Sequence[Any], transform: str) -> _Subject:
    flat, in_tree = tree.flatten(tuple(args))
    paths = argument_paths(f, args)
    leaves = [np.asarray(leaf)[()] for leaf in check_leaves(flat, transform, lambda: paths)]

    def run(leaves: Leaves) -> Leaves:
        return tree.leaves(f(*tree.unflatten(in_tree, leaves)))

    return _Subject(function_name(f), tree.unflatten(in_tree, leaves), leaves, paths, run)


# ---- the public functions ----


def check_jvp(
    f: Callable[..., Any],
    f_jvp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "",
) -> None:
    """Check `f_jvp(primals, tangents) -> (out, out tangents)` against central differences of `f(*args)`.

    args: trees of arrays. eps: half the distance of the two points. Tolerances and eps have defaults by dtype, for functions
    whose values and derivatives are of the order of 1. Raises GradientMismatchError, an AssertionError.

    >>> check_jvp(np.sin, lambda primals, tangents: (np.sin(*primals), np.cos(*primals) * tangents[0]), (0.5,))
    """
    subject = _subject(f, args, "check_jvp")
    rng = np.random.default_rng(_SEED)
    direction = [_random_like(rng, leaf) for leaf in subject.leaves]
    in_tree = tree.structure(subject.args)

    def push(tangents: Leaves) -> tuple[Leaves, Leaves]:
        out, out_tangent = f_jvp(subject.args, tree.unflatten(in_tree, tangents))
        return tree.leaves(out), tree.leaves(out_tangent)

    out, analytic = push(direction)
    expected = subject.run(subject.leaves)
    tolerance = _tolerance(subject.leaves, expected, atol, rtol, eps)
    _check_value("jvp", subject.name, out, expected, tolerance, err_msg)
    numeric = _difference(subject.run, subject.leaves, direction, tolerance.eps)
    if len(analytic) == len(numeric) and _agree(analytic, numeric, tolerance):
        return
    shares = []
    for i, path in enumerate(subject.paths):
        single = _only(direction, i)
        one = _difference(subject.run, subject.leaves, single, tolerance.eps)
        shares.append((path, push(single)[1], one, _agree(analytic := push(single)[1], one, tolerance)))
    raise GradientMismatchError("jvp", subject.name, shares, tolerance.atol, tolerance.rtol, err_msg)


def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "",
) -> None:
    """Check `f_vjp(*args) -> (out, pull)` against central differences of `f(*args)`; parameters as for `check_jvp`.

    >>> check_vjp(np.sin, lambda x: (np.sin(x), lambda ct: (np.cos(x) * ct,)), (0.5,))
    """
    subject = _subject(f, args, "check_vjp")
    rng = np.random.default_rng(_SEED)
    direction = [_random_like(rng, leaf) for leaf in subject.leaves]
    out, pull = f_vjp(*subject.args)
    values, out_tree = tree.flatten(out)
    expected = subject.run(subject.leaves)
    tolerance = _tolerance(subject.leaves, expected, atol, rtol, eps)
    _check_value("vjp", subject.name, values, expected, tolerance, err_msg)
    ct = [_random_like(rng, value) for value in values]
    pulled = tree.leaves(pull(tree.unflatten(out_tree, ct)))
    numeric = _pairing(ct, _difference(subject.run, subject.leaves, direction, tolerance.eps))
    if _fits(pulled, subject.leaves) and _agree([_pairing(pulled, direction)], [numeric], tolerance):
        return
    shares = []
    for i, path in enumerate(subject.paths):
        single = _only(direction, i)
        one = _pairing(ct, _difference(subject.run, subject.leaves, single, tolerance.eps))
        fits = _fits(pulled[i : i + 1], subject.leaves[i : i + 1])
        analytic = _pairing(pulled[i : i + 1], direction[i : i + 1]) if fits else pulled[i : i + 1]
        shares.append((path, analytic, one, fits and _agree([analytic], [one], tolerance)))
    raise GradientMismatchError("vjp", subject.name, shares, tolerance.atol, tolerance.rtol, err_msg)


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of `f(*args)` up to `order`, in the given modes, against central differences.

    args: a sequence of trees of arrays; integer leaves are held fixed. modes: "fwd", "rev" or both; at orders above 1 all
    their combinations are checked. Tolerances and eps as for `check_jvp`. Raises GradientMismatchError, an AssertionError
    that names the arguments by whose derivatives the two differ.

    >>> check_grads(lambda x, y: np.sin(x) * y, (np.array([0.1, 0.2]), 3.0), order=2)
    """
    if not isinstance(args, tuple | list) or not set(modes) <= {"fwd", "rev"} or isinstance(modes, str) or order < 1:
        raise ParameterError(
            "check_grads",
            f"args of type {type(args).__name__}, order={order}, modes={modes!r}",
            'a tuple of arguments, an order of at least 1, and modes of "fwd" and "rev"',
        )
    _check_order(f, tuple(args), order, modes, (atol, rtol, eps), function_name(f))


def _check_order(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    modes: Sequence[str],
    tolerances: tuple[float | None, float | None, float | None],
    history: str,
) -> None:
    if "fwd" in modes:
        check_jvp(f, partial(jvp, f), args, *tolerances, err_msg=f"checking jvp({history})")
        if order > 1:
            directions = _fixed(args, 1)
            _check_order(
                lambda *primals: jvp(f, primals, directions), args, order - 1, modes, tolerances, f"jvp({history})"
            )
    if "rev" in modes:
        check_vjp(f, partial(vjp, f), args, *tolerances, err_msg=f"checking vjp({history})")
        if order > 1:

            def pulled(*primals: Any) -> Any:
                out, pull = vjp(f, *primals)
                return pull(_fixed(out, 2))

            _check_order(pulled, args, order - 1, modes, tolerances, f"vjp({history})")


def _fixed(values: Any, seed: int) -> Any:
    """A tangent or cotangent for a tree of values, the same at every call."""
    rng = np.random.default_rng(_SEED + seed)
    return tree.map(lambda leaf: _random_like(rng, np.empty(aval_of(leaf).shape, aval_of(leaf).dtype)), values)


def _fits(pulled: Leaves, leaves: Leaves) -> bool:
    return len(pulled) == len(leaves) and all(
        np.shape(ct) == np.shape(leaf) and _has_none(ct) != is_inexact(np.asarray(leaf).dtype)
        for ct, leaf in zip(pulled, leaves, strict=True)
    )


def _check_value(mode: str, name: str, out: Leaves, expected: Leaves, tolerance: _Tolerance, err_msg: str) -> None:
    same = len(out) == len(expected) and _agree(cast(Any, out), cast(Any, expected), tolerance)
    if not same:
        raise GradientMismatchError(
            mode, name, [("the value", out, expected, False)], tolerance.atol, tolerance.rtol, err_msg
        )
