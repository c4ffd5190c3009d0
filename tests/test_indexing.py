"""Subscripts: `functrans.ops.indexing` held against NumPy for random subscripts, by primitives also where nothing is traced."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from functrans.errors import IndexOutOfBoundsError, TracedMaskError, UpdateShapeError, UpdateTypeError
from functrans.ops.indexing import index, index_update, read, write

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
