"""Subscripts: `functrans.ops.indexing` held against NumPy for random subscripts, by primitives also where nothing is traced."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from functrans.core.ir import eval_jaxpr
from functrans.core.primitive import aval_of
from functrans.errors import (
    IndexOutOfBoundsError,
    NotDifferentiableError,
    TracedMaskError,
    UpdateShapeError,
    UpdateTypeError,
)
from functrans.ops.arithmetic import mul
from functrans.ops.gather import GatherDimensionNumbers, ScatterDimensionNumbers, gather, scatter_add
from functrans.ops.indexing import index, index_update, read, write
from functrans.transforms.stage import stage
from functrans.transforms.vjp import vjp
from functrans.transforms.vmap import vmap
from tests.derivatives import check_derivatives

Case = tuple[np.ndarray[Any, Any], Any]


@st.composite
def _mixed(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Slices, integers, integer arrays, masks, new axes and an ellipsis in any order."""
    block = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    items: list[Any] = []
    axis = 0
    stop = draw(st.integers(0, len(shape)))
    while axis < stop:
        size = shape[axis]
        kinds = ["slice"] + (["int", "array"] if size else []) + (["mask"] if not block else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "slice":
            items.append(draw(st.slices(size)))
        elif kind == "int":
            items.append(draw(st.integers(-size, size - 1)))
        elif kind == "array":
            part = block[draw(st.integers(0, len(block))) :]
            items.append(draw(hnp.arrays(np.int64, part, elements=st.integers(-size, size - 1))))
        else:
            items.append(draw(hnp.arrays(np.bool_, (size,))))
            block = (int(items[-1].sum()),)
        axis += 1
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    if draw(st.booleans()):
        items.insert(len(items) if stop < len(shape) else draw(st.integers(0, len(items))), Ellipsis)
    return tuple(items)


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    options = [hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True), _mixed(shape)]
    if shape and all(shape):
        options.append(hnp.integer_array_indices(shape))
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    return x, draw(st.one_of(options))


def _expected(x: np.ndarray[Any, Any], idx: Any) -> Any:
    try:
        return x[idx]
    except IndexError as error:  # masks of different lengths, say
        return error


@given(_cases())
def test_read_is_numpys_indexing(case: Case) -> None:
    x, idx = case
    expected = _expected(x, idx)
    if isinstance(expected, IndexError):
        with pytest.raises(IndexError):
            read(x, idx)
        return
    found = np.asarray(read(x, idx))
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(index(x, idx), expected)


@given(_cases(), st.sampled_from(["set", "add", "multiply", "min", "max"]), st.integers(0, 2), st.randoms())
def test_write_is_numpys_assignment(case: Case, how: str, dropped: int, random: Any) -> None:
    x, idx = case
    expected = _expected(x, idx)
    if isinstance(expected, IndexError):
        return
    shape = tuple(1 if random.random() < 0.2 else size for size in expected.shape[dropped:])
    values = np.random.default_rng(random.randrange(10**6)).integers(-9, 9, shape)
    by_numpy = x.copy()
    if how == "set":
        by_numpy[idx] = values
    else:
        ufuncs = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}
        # np.add.at of NumPy 2.4 adds some values once only where it has to broadcast them itself
        ufuncs[how].at(by_numpy, idx, np.broadcast_to(values, expected.shape))
    before = x.copy()
    for update in (write, index_update):
        np.testing.assert_array_equal(update(x, idx, values, how), by_numpy)
        np.testing.assert_array_equal(x, before)


@given(_cases())
def test_adding_is_the_transpose_of_reading(case: Case) -> None:
    x, idx = case
    if isinstance(_expected(x, idx), IndexError):
        return
    out = np.asarray(read(x, idx))
    g = np.random.default_rng(0).integers(-9, 9, out.shape).astype(float)
    assert np.sum(g * out) == np.sum(write(np.zeros_like(x), idx, g, "add") * x)


# ---- with traced indices ----


def _traced_parts(idx: Any) -> tuple[list[np.ndarray[Any, Any]], Callable[[Sequence[Any]], tuple[Any, ...]]]:
    """The integers and integer arrays of a subscript, and the function that puts others in their places."""
    parts = idx if isinstance(idx, tuple) else (idx,)
    places = [
        i
        for i, part in enumerate(parts)
        if isinstance(part, int | np.integer) or (isinstance(part, np.ndarray) and part.dtype.kind == "i")
    ]

    def rebuilt(values: Sequence[Any]) -> tuple[Any, ...]:
        found = dict(zip(places, values, strict=True))
        return tuple(found.get(i, part) for i, part in enumerate(parts))

    return [np.asarray(parts[i]) for i in places], rebuilt


@given(_cases(), st.sampled_from(["set", "add", "multiply", "min", "max"]))
def test_traced_indices_address_the_same_elements(case: Case, how: str) -> None:
    x, idx = case
    expected = _expected(x, idx)
    if isinstance(expected, IndexError):
        return
    parts, rebuilt = _traced_parts(idx)
    values = -np.arange(np.size(expected), dtype=float).reshape(np.shape(expected))

    def both(x: Any, values: Any, *parts: Any) -> tuple[Any, Any]:
        return index(x, rebuilt(parts)), index_update(x, rebuilt(parts), values, how)

    jaxpr = stage(both, [aval_of(value) for value in (x, values, *parts)])
    for found, by_numpy in zip(
        eval_jaxpr(jaxpr, x, values, *parts), (expected, write(x, idx, values, how)), strict=True
    ):
        np.testing.assert_array_equal(found, by_numpy)


@given(_cases(), st.booleans(), st.booleans())
def test_batched_indices_read_each_their_own(case: Case, x_batched: bool, idx_batched: bool) -> None:
    x, idx = case
    if isinstance(_expected(x, idx), IndexError):
        return
    parts, rebuilt = _traced_parts(idx)
    xs = np.stack([x, -x]) if x_batched else x
    stacks = [np.stack([part, np.zeros_like(part)]) if idx_batched else part for part in parts]
    if not x_batched and not (idx_batched and parts):
        return
    axes = (0 if x_batched else None, *(0 if idx_batched else None for _ in parts))
    found = vmap(lambda x, *parts: index(x, rebuilt(parts)), in_axes=axes)(xs, *stacks)
    for i in range(2):
        one = [stack[i] if idx_batched else stack for stack in stacks]
        np.testing.assert_array_equal(found[i], read(xs[i] if x_batched else x, rebuilt(one)))


@settings(max_examples=15)
@given(_cases(), st.sampled_from(["set", "add", "min", "max"]))
def test_derivatives_to_second_order(case: Case, how: str) -> None:
    x, idx = case
    expected = _expected(x, idx)
    if isinstance(expected, IndexError):
        return
    rng = np.random.default_rng(0)
    x, values = (np.asarray(rng.standard_normal(np.shape(like))) for like in (x, expected))
    check_derivatives(lambda x: (_cube(read(x, idx)),), (x,), 2, rng)
    check_derivatives(lambda x, values: (_cube(write(x, idx, values, how)),), (x, values), 2, rng)


def _cube(x: Any) -> Any:
    return mul(x, mul(x, x))


# ---- errors, and what is special ----

_X = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    ("idx", "message"),
    [
        (3, "index 3 is out of bounds for axis 0 with size 3"),
        ((0, -5), "index -5 is out of bounds for axis 1 with size 4"),
        ((None, slice(None), [0, 7]), "index 7 is out of bounds for axis 1 with size 4"),
        ((0, 0, 0), "too many indices for array: array is 2-dimensional, but 3 were indexed"),
        ((..., ...), "an index can only have a single ellipsis"),
        (1.0, "only integers, slices"),
        ("a", "only integers, slices"),
        (np.array([0.5]), "arrays used as indices must be of integer"),
        (([0, 1], [0, 1, 2]), r"could not be broadcast together with shapes \(2,\) \(3,\)"),
        (
            np.array([True, False]),
            "boolean index did not match indexed array along axis 0; size of axis is 3 but size of",
        ),
    ],
)
def test_wrong_subscripts_raise_numpys_errors(idx: Any, message: str) -> None:
    for attempt in (lambda: _X[idx], lambda: read(_X, idx), lambda: write(_X, idx, 0.0, "set")):
        with pytest.raises(IndexError, match=message):
            attempt()


def test_a_traced_index_out_of_bounds_names_the_users_axis() -> None:
    idx = np.array([0, 4])
    jaxpr = stage(lambda x, i: (index(x, (slice(None), i)),), [aval_of(_X), aval_of(idx)])
    with pytest.raises(IndexOutOfBoundsError, match="index 4 is out of bounds for axis 1 with size 4"):
        eval_jaxpr(jaxpr, _X, idx)


def test_a_traced_mask_says_what_to_write() -> None:
    with pytest.raises(TracedMaskError, match=r"how many elements (.|\n)* is not known(.|\n)*np.where\(mask, x, 0\)"):
        stage(lambda x, mask: (index(x, mask),), [aval_of(_X), aval_of(_X > 0)])


def test_a_traced_slice_bound_says_what_to_write() -> None:
    with pytest.raises(IndexError, match=r"(.|\n)*dynamic_slice_in_dim"):
        stage(lambda x, i: (index(x, slice(i, None)),), [aval_of(_X), aval_of(np.int64(1))])


def test_an_update_keeps_the_dtype() -> None:
    whole = np.arange(3)
    assert index_update(whole, 0, 7, "set").dtype == whole.dtype
    for values in (1.5, np.float64(1.5), np.array([1.5])):
        for update in (write, index_update):
            with pytest.raises(UpdateTypeError, match="same_kind"):
                update(whole, 0, values, "set")
    assert index_update(np.zeros(2, np.float32), 0, np.float64(1.5), "add").dtype == np.float32


def test_an_update_of_another_shape_is_refused() -> None:
    with pytest.raises(UpdateShapeError, match=r"shape \(3,\) into the indexed part of shape \(2, 4\)"):
        write(_X, slice(1, None), np.zeros(3), "set")


def test_the_last_of_several_writes_wins_and_has_the_gradient() -> None:
    idx, values = np.array([1, 1, 0]), np.array([5.0, 6.0, 7.0])
    out, pullback = vjp(lambda x, values: write(x, idx, values, "set"), np.zeros(3), values)
    np.testing.assert_array_equal(out, [7.0, 6.0, 0.0])
    x_ct, values_ct = pullback(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(x_ct, [0.0, 0.0, 3.0])
    np.testing.assert_array_equal(values_ct, [0.0, 2.0, 1.0])


def test_a_tie_shares_the_gradient() -> None:
    idx = np.array([0, 0, 1])
    _, pullback = vjp(lambda x, values: write(x, idx, values, "max"), np.array([2.0, 5.0]), np.array([2.0, 2.0, 1.0]))
    x_ct, values_ct = pullback(np.array([3.0, 1.0]))
    np.testing.assert_array_equal(x_ct, [1.0, 1.0])
    np.testing.assert_array_equal(values_ct, [1.0, 1.0, 0.0])


def test_modes_count_from_the_end_before_they_look_for_the_bounds() -> None:
    x, idx = np.arange(4.0), np.array([-1, 4, -5])
    np.testing.assert_array_equal(index(x, idx, mode="fill"), [3.0, np.nan, np.nan])
    np.testing.assert_array_equal(index(x, idx, mode="clip"), [3.0, 3.0, 0.0])
    np.testing.assert_array_equal(index(x, 9, mode="fill", fill_value=-1), -1.0)
    np.testing.assert_array_equal(index_update(x, idx, 9.0, mode="drop"), [0.0, 1.0, 2.0, 9.0])
    jaxpr = stage(lambda x, i: (index(x, i, mode="fill"),), [aval_of(x), aval_of(idx)])
    np.testing.assert_array_equal(eval_jaxpr(jaxpr, x, idx)[0], [3.0, np.nan, np.nan])


@pytest.mark.parametrize("mode", ["raise", "strict", "clip", "drop", "promise_in_bounds"])
def test_narrow_indices_reach_far(mode: str) -> None:
    x, idx = np.zeros((7, 150)), np.array([[4], [-1 if mode == "raise" else 6], [4]], np.int8)
    out = scatter_add(x, idx, np.ones((3, 150)), ScatterDimensionNumbers((1,), (0,), (0,)), mode=mode)
    np.testing.assert_array_equal(out.sum(1), [0, 0, 0, 0, 300, 0, 150])
    long = gather(np.arange(300), idx, GatherDimensionNumbers((), (0,), (0,)), (1,), mode=mode)
    np.testing.assert_array_equal(long, [4, 299 if mode == "raise" else 6, 4])


def test_multiplying_repeated_elements_has_no_derivative_by_the_values() -> None:
    def product(values: Any, idx: Any) -> Any:
        return write(np.ones(3), idx, values, "multiply")

    with pytest.raises(NotDifferentiableError, match="unique_indices=True"):
        vjp(lambda values: product(values, np.array([0, 0])), np.ones(2))[1](np.ones(3))
    (values_ct,) = vjp(lambda values: product(values, np.array([0, 2])), np.ones(2))[1](np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(values_ct, [1.0, 3.0])
