"""The native kernels that move data, against the primitives' NumPy implementations, bit for bit.

Arrays lie against pages that cannot be touched, at their start and at their end, so a byte out of bounds is a crash.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from functrans.backends.llvm.engine import Library, load
from functrans.backends.llvm.families import kernels_of
from functrans.backends.llvm.ir import Module
from functrans.backends.llvm.kernels import gather
from functrans.backends.llvm.target import host
from functrans.compiler.unchecked import trusting
from functrans.core.aval import ShapedArray
from functrans.core.ir import eval_jaxpr
from functrans.core.lowering_data import (
    DataMovement,
    DynamicUpdateSlice,
    Gather,
    Scatter,
)
from functrans.core.primitive import EVAL, Params, Primitive, Trace, Values, aval_of, use_trace
from functrans.ops.dynamic_slice import dynamic_slice_p, dynamic_update_slice_p
from functrans.ops.gather import gather_p, scatter_add_p, scatter_max_p, scatter_min_p, scatter_mul_p, scatter_p
from functrans.ops.gather_kernels import (
    GatherDimensionNumbers,
    GatherScatterMode,
    plan_gather,
    to_scatter,
)
from functrans.ops.generate import iota_p
from functrans.ops.indexing import index, index_update
from functrans.ops.joining import concatenate_p
from functrans.ops.shape import pad_p
from functrans.ops.sort import put_along_p, take_along_p
from functrans.record import replace
from functrans.transforms.stage import stage
from tests.cases import CASES
from tests.cases.case import Case
from tests.test_element_memory import PAGE, Guarded

# ---- calls ----


@dataclass(frozen=True, eq=False, repr=False)
class Call:
    """A primitive with operands: what the kernel made of its lowering has to reproduce."""

    prim: Primitive
    params: Params
    operands: Values

    @property
    def ins(self) -> list[ShapedArray]:
        return [aval_of(x) for x in self.operands]

    @property
    def out(self) -> ShapedArray:
        (aval,) = self.prim.abstract_eval(*self.ins, **self.params)
        return aval

    @property
    def spec(self) -> DataMovement:
        assert self.prim.lower is not None
        spec = self.prim.lower(self.ins, self.params)
        assert isinstance(spec, DataMovement)
        return spec

    @property
    def is_supported(self) -> bool:
        return bool(kernels_of(type(self.spec)).supports(self.spec, self.ins, [self.out]))

    def __repr__(self) -> str:
        return f"{self.prim}({', '.join(map(str, self.ins))}; {self.params})"


def _library(calls: Sequence[Call]) -> Library:
    module = Module(host())
    for number, call in enumerate(calls):
        kernels_of(type(call.spec)).emit(module, f"k{number}", call.spec, call.ins, [call.out]).exported = True
    return load(module.text(), host(), tuple(f"k{number}" for number in range(len(calls))))


def check(calls: Sequence[Call]) -> None:
    """All kernels in one module, each run with its arrays at both ends of guarded memory, and in place where it may be."""
    calls = [call for call in calls if call.is_supported]
    if not calls:
        return
    library = _library(calls)
    for number, call in enumerate(calls):
        pointers = [ctypes.c_void_p] * (len(call.operands) + 2)
        run = ctypes.CFUNCTYPE(ctypes.c_int64, *pointers)(library.address(f"k{number}"))
        overwrites = isinstance(call.spec, DynamicUpdateSlice) or (
            isinstance(call.spec, Scatter) and not call.spec.from_zeros
        )
        for at_end in (False, True):
            for in_place in (False, True) if overwrites else (False,):
                _check_one(call, run, at_end, in_place)


@cache
def _memory(number: int, pages: int) -> Guarded:
    return Guarded(pages * PAGE)


def _placed(number: int, aval: ShapedArray, at_end: bool) -> Any:
    pages = 1 << (aval.size * aval.dtype.itemsize // PAGE).bit_length()
    return _memory(number, pages).array(aval.size, aval.dtype, at_end=at_end).reshape(aval.shape)


def _check_one(call: Call, run: Callable[..., int], at_end: bool, in_place: bool) -> None:
    arrays = [_placed(i, aval, at_end) for i, aval in enumerate(call.ins)]
    for array, value in zip(arrays, call.operands, strict=True):
        array[...] = value
    out = arrays[0] if in_place else _placed(len(arrays), call.out, at_end)
    if not in_place:
        ctypes.memset(out.ctypes.data, 0xA5, out.nbytes)
    before = out.copy()
    try:
        with np.errstate(all="ignore"):
            (want,) = call.prim.impl(*(np.array(x) for x in call.operands), **call.params)
    except IndexError:
        assert run(*(x.ctypes.data for x in (*arrays, out)), None) == 1, call
        if isinstance(call.spec, Scatter):
            assert out.tobytes() == before.tobytes(), call
        want = None
    else:
        assert run(*(x.ctypes.data for x in (*arrays, out)), None) == 0, call
        _assert_same(call, out, np.asarray(want))
    for array, value in zip(arrays[in_place:], call.operands[in_place:], strict=True):
        assert array.tobytes() == np.asarray(value).tobytes(), call


def _assert_same(call: Call, found: Any, want: Any) -> None:
    assert want.shape == found.shape, call
    parts = [(found, want)] if want.dtype.kind != "c" else [(found.real, want.real), (found.imag, want.imag)]
    for x, y in parts:
        same = x == y
        if want.dtype.kind in "fc":  # whose NaNs come in many forms
            same = same & (np.signbit(x) == np.signbit(y)) | np.isnan(x) & np.isnan(y)
        if want.dtype.kind == "c" and call.prim is scatter_mul_p:  # which NumPy rounds in one way or another
            with np.errstate(all="ignore"):
                same = same | (abs(x - y) <= 32 * np.finfo(want.dtype).eps * abs(want))
        assert np.all(same), (call, found, want)


class _Recorder(Trace):
    """Notes what is bound that has a lowering to one of our kernels, and evaluates it."""

    def __init__(self) -> None:
        super().__init__(EVAL)
        self.calls: list[Call] = []

    def bind(self, prim: Primitive, args: Sequence[Any], params: Params) -> Values:
        if prim.lower is not None and isinstance(prim.lower([aval_of(x) for x in args], params), DataMovement):
            self.calls.append(Call(prim, params, tuple(np.ascontiguousarray(x).reshape(np.shape(x)) for x in args)))
        return prim.impl(*args, **params)


def recorded(fun: Callable[..., Any], operands: Sequence[Any]) -> list[Call]:
    """What a function does when all its operands are traced."""

    def flat(*xs: Any) -> Sequence[Any]:
        out = fun(*xs)
        return out if isinstance(out, tuple | list) else (out,)

    jaxpr = stage(flat, [aval_of(x) for x in operands])
    recorder = _Recorder()
    with use_trace(recorder):
        eval_jaxpr(jaxpr, *operands)
    return recorder.calls


# ---- the rows of the case table ----


def test_the_case_table() -> None:
    rng = np.random.default_rng(0)
    moving = {gather_p, scatter_p, scatter_add_p, scatter_mul_p, scatter_min_p, scatter_max_p, take_along_p, put_along_p,
              concatenate_p, pad_p, iota_p}  # fmt: skip
    names = {prim.name for prim in moving} | {"dynamic_slice", "dynamic_update_slice"}
    calls: list[Call] = []
    for case in CASES:
        if case.primitive.name in names:
            calls += [call for dtype in case.dtypes for call in _of_row(case, dtype, rng)]
    assert names <= {call.prim.name for call in calls}
    for start in range(0, len(calls), 40):
        check(calls[start : start + 40])


def _of_row(case: Case, dtype: str, rng: np.random.Generator) -> list[Call]:
    return recorded(case.fun, [operand.make(rng, dtype) for operand in case.operands])


# ---- dimension numbers ----

_INDEX = [np.dtype(code) for code in "bhilBHIL"]
_ELEMENTS = [np.dtype(code) for code in "?bhilBHILefdFD"]
_SCATTERS = {
    scatter_p: "biufc",
    scatter_add_p: "iufc",
    scatter_mul_p: "iufc",
    scatter_min_p: "biuf",
    scatter_max_p: "biuf",
}


@st.composite
def _windows_calls(draw: st.DrawFn) -> list[Call]:
    """A gather and a scatter with the same windows: any roles of the axes, any place of the windows' axes, any mode."""
    mode = draw(st.sampled_from(GatherScatterMode))
    roles = draw(st.lists(st.sampled_from(["element", "window", "whole", "paired", "single"]), max_size=4))
    checked = mode in (GatherScatterMode.RAISE, GatherScatterMode.FILL_OR_DROP)
    sizes = [draw(st.integers(0 if checked or role in ("whole", "paired") else 1, 6)) for role in roles]
    wide = {"element": 1, "paired": 1, "single": 1}
    lengths = [wide.get(role) or draw(st.integers(0, size)) for role, size in zip(roles, sizes, strict=True)]
    sizes = [max(size, 1) if role == "single" else size for role, size in zip(roles, sizes, strict=True)]

    paired = [axis for axis, role in enumerate(roles) if role == "paired"]
    axes = draw(st.permutations([*((axis, sizes[axis]) for axis in paired), *_free(draw)]))
    batch = tuple(size for _, size in axes)
    partners = tuple([axis for axis, _ in axes].index(axis) for axis in paired)
    kept = [axis for axis, role in enumerate(roles) if role in ("window", "whole")]
    offset = sorted(draw(st.permutations(range(len(batch) + len(kept))))[: len(kept)])
    starts = tuple(draw(st.permutations([axis for axis, role in enumerate(roles) if role in ("element", "window")])))
    collapsed = tuple(axis for axis, role in enumerate(roles) if role in ("element", "single"))
    dims = GatherDimensionNumbers(tuple(offset), collapsed, starts, tuple(paired), partners)

    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    indices = _indices(draw, rng, (*batch, len(starts)), [(sizes[a], lengths[a]) for a in starts], mode)
    dtype = draw(st.sampled_from(_ELEMENTS))
    operand = _values(rng, tuple(sizes), dtype)
    plan = plan_gather(operand.shape, indices.shape, dims, tuple(lengths), mode)
    common: dict[str, Any] = {"unique_indices": False, "indices_are_sorted": False, "mode": mode}
    reading = {
        "dimension_numbers": dims,
        "slice_sizes": tuple(lengths),
        "fill_value": draw(st.sampled_from([None, 0, 1])),
    }
    read = Call(gather_p, {**common, **reading}, (operand, indices))
    prim = draw(st.sampled_from([prim for prim, kinds in _SCATTERS.items() if dtype.kind in kinds]))
    updates = _values(rng, plan.shape, dtype)
    write = Call(prim, {**common, "dimension_numbers": to_scatter(dims)}, (operand, indices, updates))
    return [read, write]


def _free(draw: st.DrawFn) -> list[tuple[None, int]]:
    """Axes of the batch that go along with none of the operand's."""
    return [(None, size) for size in draw(st.lists(st.integers(0, 5), max_size=2))]


def _indices(
    draw: st.DrawFn,
    rng: np.random.Generator,
    shape: tuple[int, ...],
    axes: list[tuple[int, int]],
    mode: GatherScatterMode,
) -> Any:
    """Starts, some out of bounds if the mode has an answer to that (and negative ones, if they count from the end)."""
    dtype = draw(st.sampled_from(_INDEX))
    out = np.zeros(shape, dtype)
    wild = mode in (GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP) or draw(st.booleans())
    for number, (size, length) in enumerate(axes):
        low, high = 0, max(size - length, 0)
        if mode is GatherScatterMode.RAISE and dtype.kind == "i":
            low = -size if length <= 1 else 0
        if wild and mode is not GatherScatterMode.PROMISE_IN_BOUNDS:
            low, high = low - 2 if dtype.kind == "i" else 0, high + 2
        out[..., number] = rng.integers(low, high + 1, shape[:-1])
        if wild and mode is not GatherScatterMode.PROMISE_IN_BOUNDS and out[..., number].size and draw(st.booleans()):
            out[..., number].flat[0] = np.iinfo(dtype).max
    return out


def _values(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        return rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8).view(dtype).reshape(shape)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5])
    parts = [np.where(rng.random(shape) < 0.3, rng.choice(special, shape), rng.normal(size=shape)) for _ in range(2)]
    out = np.zeros(shape, dtype)
    out.real = parts[0]
    if dtype.kind == "c":
        out.imag = parts[1]
    return out


@settings(max_examples=50, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(_windows_calls(), min_size=5, max_size=8))
def test_gather_and_scatter_of_any_dimension_numbers(pairs: list[list[Call]]) -> None:
    check([call for pair in pairs for call in pair])


# ---- large enough for every loop ----

_RNG = np.random.default_rng(1)


def _rows(prim: Primitive, dtype: Any, index: Any, rows: int, width: int, count: int, mode: GatherScatterMode) -> Call:
    """Rows of a table, as of an embedding, by repeated indices."""
    table, indices = _values(_RNG, (rows, width), dtype), _RNG.integers(0, rows, (count, 1)).astype(index)
    dims = GatherDimensionNumbers((1,), (0,), (0,))
    common: dict[str, Any] = {"unique_indices": False, "indices_are_sorted": False, "mode": mode}
    if prim is gather_p:
        reading = {"dimension_numbers": dims, "slice_sizes": (1, width), "fill_value": None}
        return Call(prim, {**common, **reading}, (table, indices))
    return Call(
        prim, {**common, "dimension_numbers": to_scatter(dims)}, (table, indices, _values(_RNG, (count, width), dtype))
    )


@pytest.mark.parametrize(
    "prim", [gather_p, scatter_p, scatter_add_p, scatter_mul_p, scatter_min_p, scatter_max_p], ids=str
)
def test_rows_of_every_width_and_dtype(prim: Primitive) -> None:
    modes = list(GatherScatterMode)
    kinds = _SCATTERS.get(prim, "biufc")
    check(
        [
            _rows(prim, dtype, _INDEX[number % 8], 7, width, 23, modes[number % 4])
            for number, dtype in enumerate(dtype for dtype in _ELEMENTS if dtype.kind in kinds)
            for width in (1, 3, 37, 150)
        ]
    )


def _along(prim: Primitive, x: Any, indices: Any, axis: int, **params: Any) -> Call:
    return Call(prim, {"axis": axis, "unique": False, **params}, (x, indices))


@pytest.mark.parametrize("bad", [False, True])
def test_along_an_axis(bad: bool) -> None:
    calls = []
    shapes = [((19,), 0), ((3, 21), 1), ((21, 3), 0), ((2, 13, 5), 1), ((3, 0), 0), ((0,), 0)]
    for number, (shape, axis) in enumerate(shapes):
        dtype, index = _ELEMENTS[(3 * number + 5) % 14], _INDEX[number]
        low = -shape[axis] if index.kind == "i" else 0
        indices = _RNG.integers(low, max(shape[axis], 1), shape).astype(index)
        if bad and indices.size:
            indices.flat[-1] = shape[axis]
        calls.append(_along(take_along_p, _values(_RNG, shape, dtype), indices, axis))
        calls.append(_along(put_along_p, _values(_RNG, shape, np.dtype(np.float32)), indices, axis, size=shape[axis]))
    check(calls)


def test_putting_what_is_unique() -> None:
    order = np.argsort(_RNG.random((4, 30)), 1)
    check([_along(put_along_p, _values(_RNG, order.shape, d), order, 1, size=31, unique=True) for d in _ELEMENTS])


def test_large_unsigned_indices_are_negative_as_for_numpy() -> None:
    huge = np.array([2**64 - 1, 2, 0, 1, 2**64 - 3], np.uint64)
    check([_along(take_along_p, np.arange(3.0), huge, 0)])


def test_a_start_that_fails_is_seen_wherever_it_stands() -> None:
    calls = []
    for count in (1, 4, 9):
        for place in range(count):
            indices = np.zeros(count, np.int32)
            indices[place] = -6 if place % 2 else 5
            calls.append(_along(take_along_p, np.arange(5.0), indices, 0))
            calls.append(_along(put_along_p, np.ones(count), indices, 0, size=5))
    check(calls)


def test_subscripts() -> None:
    x = _values(_RNG, (6, 7, 9), np.dtype(np.float64))
    i, j = np.array([[3], [-1], [0]]), np.array([6, -7, 2, 2, 0])
    subscripts: list[Callable[[Any, Any], Any]] = [
        lambda i, j: (i, j),
        lambda i, j: (slice(None), j),
        lambda i, j: (slice(None), slice(None), j),
        lambda i, j: (i, slice(1, 4), j),
        lambda i, j: (slice(None, None, 2), j, slice(2, 6)),
    ]
    calls: list[Call] = []
    for subscript in subscripts:
        for shift in (0, 7):

            def both(x: Any, i: Any, j: Any, subscript: Any = subscript) -> Any:
                return index(x, subscript(i, j), mode="fill"), *(
                    index_update(x, subscript(i, j), 2.0, how, mode="drop") for how in ("set", "add")
                )

            calls += recorded(both, (x, i, j + shift))
            calls += recorded(lambda x, i, j, s=subscript: index(x, s(i, j)), (x, i, j)) if not shift else []
    check(calls)


def test_what_was_promised_in_vain_stays_inside() -> None:
    x, indices = np.arange(5.0), np.array([[-1], [7], [2**62], [-(2**63)], [4]])
    dims = GatherDimensionNumbers((), (0,), (0,))
    params = {"dimension_numbers": dims, "slice_sizes": (1,), "fill_value": None, "unique_indices": False,
              "indices_are_sorted": False, "mode": GatherScatterMode.PROMISE_IN_BOUNDS}  # fmt: skip
    _check_stays_inside(Call(gather_p, params, (x, indices)), [0.0, 4.0, 4.0, 0.0, 4.0])


def _check_stays_inside(call: Call, expected: Any) -> None:
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4)((library := _library([call])).address("k0"))
    arrays = [_placed(i, aval, True) for i, aval in enumerate((*call.ins, call.out))]
    for array, value in zip(arrays, call.operands, strict=False):
        array[...] = value
    assert run(*(array.ctypes.data for array in arrays), None) == 0
    np.testing.assert_array_equal(arrays[-1], expected)
    del library


@pytest.mark.parametrize("axis", [0, 1])
def test_unchecked_indices_stay_inside(axis: int) -> None:
    """Along either axis: one index vector at a time, and several at once."""
    x, indices = np.arange(5.0), np.array([-1, 5, 2**62, -(2**63), -6, 2, 0, 4, -5])
    turned = (x[:, None], indices[:, None]) if axis == 0 else (x[None], indices[None])
    taken = np.array([4.0, 4.0, 4.0, 4.0, 4.0, 2.0, 0.0, 4.0, 0.0]).reshape(turned[1].shape)
    trusted = trusting(take_along_p), trusting(put_along_p)
    _check_stays_inside(Call(trusted[0], {"axis": axis, "unique": False}, turned), taken)
    put = np.array([2.0, 0.0, 1.0, 0.0, 6.0]).reshape(turned[0].shape)
    updates = (np.ones_like(turned[1], float), turned[1])
    _check_stays_inside(Call(trusted[1], {"axis": axis, "unique": False, "size": 5}, updates), put)


# ---- dynamic slices ----


def _start(data: st.DataObject, size: int) -> Any:
    kind = data.draw(st.sampled_from(_INDEX))
    inside = st.integers(0, size)
    return kind.type(data.draw(inside | st.sampled_from([100, int(np.iinfo(kind).max), int(np.iinfo(kind).min)])))


@settings(max_examples=15, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_dynamic_slices(data: st.DataObject) -> None:
    calls = []
    for _ in range(10):
        shape = tuple(data.draw(st.lists(st.integers(0, 9), max_size=3)))
        sizes = tuple(data.draw(st.integers(0, n)) for n in shape)
        dtype = data.draw(st.sampled_from(_ELEMENTS))
        starts = [_start(data, n) for n in shape]
        x, block = _values(_RNG, shape, dtype), _values(_RNG, sizes, dtype)
        calls.append(Call(dynamic_slice_p, {"slice_sizes": sizes}, cast(Values, (x, *starts))))
        calls.append(Call(dynamic_update_slice_p, {}, cast(Values, (x, block, *starts))))
    check(calls)


# ---- arrays put together ----


_JOINED: list[tuple[list[tuple[int, ...]], int]] = [
    ([(3, 2), (3, 0), (3, 5)], 1),
    ([(2, 40), (1, 40)], 0),
    ([(5, 100), (5, 3)], 1),
    ([(0, 3), (0, 4)], 1),
    ([(3, 0, 2), (3, 0, 2)], 0),
    ([(4,)], 0),
]


def test_concatenate_many_and_few() -> None:
    calls = [
        Call(concatenate_p, {"dimension": axis}, tuple(_values(_RNG, shape, dtype) for shape in shapes))
        for dtype in _ELEMENTS
        for shapes, axis in _JOINED
    ]
    for width in (1, 3, 30):
        operands = tuple(_values(_RNG, (6, width + number % 2), np.dtype(np.float32)) for number in range(300))
        calls.append(Call(concatenate_p, {"dimension": 1}, operands))
    check(calls)


@st.composite
def _pads(draw: st.DrawFn) -> Call:
    shape = tuple(draw(st.lists(st.integers(0, 7), max_size=4)))
    widths = []
    for n in shape:
        between = draw(st.integers(0, 3))
        room = n + max(n - 1, 0) * between
        before = draw(st.integers(-room, 5))
        widths.append((before, draw(st.integers(-room, 5)), between))
        if sum(widths[-1][:2]) + room < 0:
            widths[-1] = (before, -before - room, between)
    if draw(st.booleans()) and shape:
        widths[-1] = (0, 0, 0)
    dtype = draw(st.sampled_from(_ELEMENTS))
    value = _values(_RNG, (), dtype)
    return Call(pad_p, {"padding_config": tuple(widths)}, (_values(_RNG, shape, dtype), value))


@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(_pads(), min_size=6, max_size=10))
def test_pad(calls: list[Call]) -> None:
    check(calls)


def test_pad_of_what_is_long() -> None:
    x = _values(_RNG, (3, 70), np.dtype(np.complex64))
    one = np.array(1 + 2j, np.complex64)
    configs = [((1, 2, 0), (100, 3, 0)), ((0, 0, 0), (-3, 50, 1)), ((0, 1, 40), (0, 0, 0)), ((-1, 0, 1), (0, -70, 0))]
    check([Call(pad_p, {"padding_config": config}, (x, one)) for config in configs])


def test_iota() -> None:
    kinds = [dtype for dtype in _ELEMENTS if dtype.kind != "b"]
    check([Call(iota_p, {"dtype": dtype, "size": size}, ()) for dtype in kinds for size in (0, 1, 3, 4, 37, 300)])


def test_unchecked_drops_the_test() -> None:
    call = _along(take_along_p, np.arange(5.0), np.array([1, -1, 4, 0, 2]), 0)
    spec = call.spec
    assert isinstance(spec, Gather)
    module = Module(host())
    for number, unchecked in enumerate((False, True)):
        fast = replace(spec, windows=replace(spec.windows, unchecked=unchecked))
        gather.emit(module, f"k{number}", fast, call.ins, [call.out]).exported = True
    checked, without = (function.text() for function in module.functions.values())
    assert "ret i64 1" in checked
    assert "ret i64 1" not in without
    library = load(module.text(), host(), ("k0", "k1"))
    for name in ("k0", "k1"):
        run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4)(library.address(name))
        _check_one(call, run, True, False)
