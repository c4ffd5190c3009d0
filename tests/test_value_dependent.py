"""Functions of NumPy whose result's shape depends on values: under `grad` they are NumPy's, under `jit` `size=` says it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import functrans as ft
import functrans.numpy as fnp
from functrans.errors import ValueDependentShapeError

X = np.array([3.0, 0.0, -1.0, 3.0, 0.0, 2.0])
Y = np.array([2.0, 5.0, 0.0])
M = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 2.0]])

# What has elements of x, or x times a number: f(x) · x is then the sum over its derivatives.
KNOWN: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda x: np.nonzero(x), X),
    (lambda x: np.nonzero(x), M),
    (lambda x: np.where(x), M),
    (lambda x: np.flatnonzero(x), M),
    (lambda x: np.argwhere(x), M),
    (lambda x: np.extract(x > 0, x), X),
    (lambda x: np.extract(x, x), M),
    (lambda x: np.trim_zeros(np.concatenate([[0.0], x, [0.0]])), X),
    (lambda x: np.trim_zeros(np.concatenate([[0.0], x, [0.0]]), "f"), X),
    (lambda x: np.trim_zeros(x * 0), X),
    (lambda x: np.trim_zeros(np.pad(x, 1), axis=1), M),
    (lambda x: np.unique(x), X),
    (lambda x: np.unique(x, return_index=True, return_inverse=True, return_counts=True), M),
    (lambda x: np.unique(x, axis=0), M[[0, 1, 0]]),
    (lambda x: np.unique(np.concatenate([x, [np.nan, np.nan]]), equal_nan=False), X),
    (lambda x: tuple(np.unique_all(x)), X),
    (lambda x: tuple(np.unique_counts(x)), X),
    (lambda x: tuple(np.unique_inverse(x)), M),
    (lambda x: np.unique_values(x), X),
    (lambda x: np.intersect1d(x, Y * x[0] / 3), X),
    (lambda x: np.intersect1d(x, Y * x[0] / 3, return_indices=True), X),
    (lambda x: np.union1d(x, Y * x[0] / 3), X),
    (lambda x: np.setdiff1d(x, Y * x[0] / 3), X),
    (lambda x: np.setdiff1d(x[2:4], Y * x[0] / 3, assume_unique=True), X),
    (lambda x: np.setxor1d(Y * x[0] / 3, x), X),
    (lambda x: np.histogram(x, "auto")[0], X),
    (lambda x: np.polymul(x[1:], [0.0, 2.0, 1.0]), X),
    (lambda x: np.polydiv(x, [1.0, 2.0, 0.5])[0], X),
    (lambda x: np.polydiv(x, [2.0, 1.0])[1], X),
    (lambda x: np.polydiv(x[:2], [2.0, 1.0, 3.0])[1], X),
    (lambda x: np.roots(np.array([1.0, 2.0, 5.0, 0.0]) * x[:1] ** np.arange(4)), X),
    (lambda x: x[x > 0], X),
]

EMATH_OF_ONE = ["sqrt", "log", "log2", "log10", "arcsin", "arccos", "arctanh"]
EMATH: list[tuple[str, Callable[[Any], Any], Any]] = [
    *((name, getattr(np.emath, name), x) for name in EMATH_OF_ONE for x in (0.4, -1.7, 0.4 + 0.3j)),
    ("power", lambda x: np.emath.power(x, 3.0), -2.0),
    ("power", lambda x: np.emath.power(x, 3.0), -2.0 + 0.5j),
    ("logn", lambda x: np.emath.logn(2, x), -4.0),
    ("logn", lambda x: np.emath.logn(2, x), -4.0 + 0.5j),
]


def _leaves(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, tuple) else [value]


@pytest.mark.parametrize(("function", "x"), KNOWN)
def test_where_values_are_known_the_results_are_numpys(function: Callable[[Any], Any], x: Any) -> None:
    wanted = _leaves(function(x))
    results: dict[str, list[Any]] = {}

    def watched(kind: str) -> Callable[[Any], Any]:
        def loss(x: Any) -> Any:
            results[kind] = _leaves(function(x))
            floats = [leaf for leaf in results[kind] if np.asarray(0, leaf.dtype).dtype.kind == "f"]
            return sum((np.sum(np.where(leaf == leaf, leaf**2, 0)) for leaf in floats), 0.0)

        return loss

    gradient = ft.grad(watched("grad"))(x)
    ft.jvp(watched("jvp"), (x,), (np.ones_like(x),))
    ft.grad(lambda x: ft.jvp(watched("both"), (x,), (np.ones_like(x),))[1])(x)
    for got in results.values():
        assert [leaf.shape for leaf in got] == [leaf.shape for leaf in wanted]
        assert [leaf.dtype for leaf in got] == [leaf.dtype for leaf in wanted]
    loss = watched("plain")(x)
    assert loss == sum(np.nansum(leaf**2) for leaf in wanted if leaf.dtype.kind == "f")
    assert np.dot(gradient.ravel(), x.ravel()) == pytest.approx(2 * loss)


@pytest.mark.parametrize(("function", "x"), KNOWN[:-1])
def test_where_they_are_not_an_error_says_what_to_write(function: Callable[[Any], Any], x: Any) -> None:
    for transform in (ft.jit, lambda f: ft.vmap(lambda i: f(x + i))):
        with pytest.raises((ValueDependentShapeError, TypeError), match=r"depends on the values"):
            transform(function)(x if transform is ft.jit else np.zeros(2))


@pytest.mark.parametrize("name", EMATH_OF_ONE)
def test_emath_is_complex_where_an_element_asks_for_it(name: str) -> None:
    function: Any = getattr(np.emath, name)
    real: Any = getattr(np, name)
    for x in (0.4, -0.4, 1.7, -1.7):
        out, tangent = ft.jvp(function, (x,), (1.0,))
        assert out == pytest.approx(function(x), rel=1e-14)
        assert np.iscomplexobj(out) == np.iscomplexobj(function(x))
        step = 1e-6
        difference = (function(x + step) - function(x - step)) / (2 * step)
        np.testing.assert_allclose(tangent, difference, rtol=1e-6)
        assert np.array_equal(getattr(fnp.emath, name)(x), function(x))
    with pytest.raises(ValueDependentShapeError, match=r"astype\(complex\)"):
        ft.jit(function)(0.4)
    assert ft.jit(function)(0.4 + 0j) == pytest.approx(real(0.4 + 0j))


def test_emath_of_two_arguments() -> None:
    np.testing.assert_allclose(ft.jvp(np.emath.power, (-2.0, 3.0), (1.0, 0.0)), (-8.0, 12.0), atol=1e-14)
    np.testing.assert_allclose(ft.jvp(lambda x: np.emath.logn(2, x), (-4.0,), (1.0,))[0], np.emath.logn(2, -4.0))
    assert ft.grad(lambda x: np.real(np.emath.power(x, -1)))(2.0) == -0.25


WINDOWS: list[tuple[Any, Any, Any]] = [
    (np.arange(24.0).reshape(2, 3, 4), shape, axis) for shape, axis in (((2, 2, 2), None), (3, 2), ((2, 3), (0, 2)))
]


def test_windows_slide_over_any_axes() -> None:
    windows = np.lib.stride_tricks.sliding_window_view
    for x, shape, axis in WINDOWS:
        expected = windows(x, shape, axis)
        for function in (windows, fnp.sliding_window_view):
            compiled: Any = ft.jit(partial(function, window_shape=shape, axis=axis))
            np.testing.assert_array_equal(compiled(x), expected)
    assert ft.grad(lambda v: np.sum(windows(v, 2) ** 2))(np.arange(3.0)).tolist() == [0, 4, 4]
    with pytest.raises(ValueError, match="larger"):
        ft.jit(lambda x: windows(x, 5, 1))(np.ones((2, 3)))


def test_untrimmed_polynomials_under_jit() -> None:
    u, v = np.array([0.0, 2.0, 3.0, 1.0]), np.array([2.0, 1.0])
    q, r = ft.jit(lambda u, v: fnp.polydiv(u, v, trim_leading_zeros=False))(u, v)
    np.testing.assert_allclose(np.polyadd(np.polymul(q, v), r)[-3:], u[1:])
    product = ft.jit(lambda u, v: fnp.polymul(u, v, trim_leading_zeros=False))(u, v)
    assert product.tolist() == [0.0, *np.polymul(u, v)]


def test_roots_of_polynomials() -> None:
    p = np.array([0.0, 1.0, -6.0, 11.0, -6.0, 0.0])
    found, tangent = ft.jvp(lambda p: np.real(np.roots(p)), (p,), (np.eye(6)[5],))
    np.testing.assert_allclose(np.sort(found), [0, 1, 2, 3], atol=1e-12)
    untrimmed = ft.jit(lambda p: fnp.roots(p, strip_zeros=False))
    np.testing.assert_allclose(np.sort(np.real(untrimmed(p[1:5]))), [1, 2, 3], atol=1e-12)
    slopes: Any = ft.jacfwd(lambda c: np.real(fnp.roots(p[1:5] + c * np.eye(4)[3], strip_zeros=False)))(0.0)
    expected = -1 / np.polyval(np.polyder(p[1:5]), np.array([1.0, 2.0, 3.0]))  # of simple roots by the last coefficient
    np.testing.assert_allclose(np.sort(slopes), np.sort(expected), rtol=1e-9)
    assert not np.any(tangent)  # what is zero at the end is taken off
    assert fnp.roots(np.zeros(3)).shape == ft.jvp(np.roots, (np.zeros(3),), (np.zeros(3),))[0].shape == (0,)


SIZED = ["flatnonzero", "unique", "unique_values", "union1d", "intersect1d", "setdiff1d", "setxor1d"]
OF_ONE = SIZED[:3]


def _of_four(name: str) -> Callable[[Any], Any]:
    """The function with `size=4`, of x and, if it takes two, of a multiple of Y."""
    function: Callable[..., Any] = getattr(fnp, name)
    if name in SIZED[3:]:
        return lambda x: function(x, Y * x[0] / 3, size=4)
    return lambda x: function(x, size=4)


SIZED_CALLS: dict[str, tuple[Callable[..., Any], Any]] = {
    **{name: (_of_four(name), X) for name in SIZED},
    **{name: (_of_four(name), M) for name in ("nonzero", "argwhere")},
    "unique_all": (lambda x: fnp.unique_all(x, size=4)[0], X),
    "unique_counts": (lambda x: fnp.unique_counts(x, size=4)[0], X),
    "unique_inverse": (lambda x: fnp.unique_inverse(x, size=4)[0], X),
    "roots": (lambda x: fnp.roots(np.array([1.0, 2.0, 5.0]) * x[0] ** np.arange(3), strip_zeros=False), X),
    "polymul": (lambda x: fnp.polymul(x, Y[:2], trim_leading_zeros=False), X),
    "polydiv": (lambda x: fnp.polydiv(x, Y[:2], trim_leading_zeros=False), X),
}
_numbers = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=9).map(np.array)


@pytest.mark.parametrize("name", SIZED)
@given(x=_numbers, y=_numbers, size=st.integers(1, 12))
def test_with_a_size_they_are_the_first_elements_and_what_fills(name: str, x: Any, y: Any, size: int) -> None:
    function, count = getattr(fnp, name), 1 if name in OF_ONE else 2
    wanted = getattr(np, name)(*(x, y)[:count])
    sized: Callable[..., Any] = lambda *args: function(*args[:count], size=size, fill_value=-9)
    filled = np.concatenate([wanted, np.full(max(size - len(wanted), 0), -9, wanted.dtype)])[:size]
    np.testing.assert_array_equal(sized(x, y), filled)
    got = ft.vmap(sized)(np.stack([x, -x]), np.stack([y, y]))[0]
    np.testing.assert_array_equal(got, filled)
    default = function(*(x, y)[:count], size=size)
    if len(wanted):
        first = 0 if name == "flatnonzero" else wanted[0]
        np.testing.assert_array_equal(default, np.where(np.arange(size) < len(wanted), filled, first))


def test_sized_results_under_jit() -> None:
    indices = ft.jit(lambda x: fnp.nonzero(x, size=4, fill_value=(7, 8)))(M)
    assert [part.tolist() for part in indices] == [[0, 1, 1, 7], [1, 0, 2, 8]]
    assert ft.jit(lambda x: fnp.argwhere(x, size=2))(M).tolist() == [[0, 1], [1, 0]]
    values, first, inverse, counts = ft.jit(lambda x: fnp.unique(x, True, True, True, size=4))(M)
    assert (values.tolist(), first.tolist()) == ([0, 1, 2, 0], [0, 3, 1, 0])
    assert (inverse.tolist(), counts.tolist()) == ([[0, 2, 0], [1, 0, 2]], [3, 1, 2, 0])
    gradient = ft.jit(ft.grad(lambda x: np.sum(fnp.unique(x, size=3) * np.arange(3.0))))(X)
    assert gradient.tolist() == [0, 1, 0, 0, 0, 2]
    assert ft.jit(lambda x: fnp.bincount(x, length=3))(np.array([2, 0, 2, 5])).tolist() == [1, 0, 2]
    nan = np.array([np.nan, 1.0, np.nan])
    assert ft.jit(lambda x: fnp.unique(x, return_counts=True, size=3))(nan)[1].tolist() == [1, 2, 0]
