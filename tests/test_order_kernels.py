"""The native kernels of sorting, top-k, cumulative operations and positions of extrema, against NumPy's implementation."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functrans.backends.llvm.engine import Library, assembly, load
from functrans.backends.llvm.families import kernels_of
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, I64, PTR, Module, Type
from functrans.backends.llvm.kernels.merge_sort import MergeSort, buffer_bytes, emit_merge_sort
from functrans.backends.llvm.kernels.merging import largest
from functrans.backends.llvm.target import Target, host
from functrans.core.aval import ShapedArray, shaped
from functrans.core.primitive import Primitive
from functrans.ops.cumulative import cumlogsumexp_p, cummax_p, cummin_p, cumprod_p, cumsum_p, linear_recurrence_p
from functrans.ops.reduce import argmax_p, argmin_p
from functrans.ops.sort import argsort_p, sort_p, top_k_p
from functrans.record import replace
from functrans.typing import DType, Shape

DTYPES = [np.dtype(code) for code in "?bhilBHILefdFD"]
GUARD = 64
MARK = 0xA5


# ---- running kernels ----


@dataclass(frozen=True)
class Case:
    """A primitive for operands of given types."""

    primitive: Primitive
    dtypes: tuple[DType, ...]
    shape: Shape
    params: tuple[tuple[str, Any], ...]

    @property
    def ins(self) -> list[ShapedArray]:
        return [shaped(self.shape, dtype) for dtype in self.dtypes]

    @property
    def keywords(self) -> dict[str, Any]:
        return dict(self.params)

    @property
    def outs(self) -> tuple[ShapedArray, ...]:
        return self.primitive.abstract_eval(*self.ins, **self.keywords)


def case(primitive: Primitive, dtypes: Sequence[DType], shape: Shape, **params: Any) -> Case:
    return Case(primitive, tuple(dtypes), shape, tuple(params.items()))


def loaded(module: Module, target: Target, names: Sequence[str]) -> Library:
    symbols = {name: external.address() for name, external in module.externals.items()}
    return load(module.text(), target, tuple(names), symbols)


class Kernels:
    """The kernels of many cases in one module."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases
        module = Module(host())
        self._scratch = []
        for k, one in enumerate(cases):
            assert one.primitive.lower is not None
            spec: Any = one.primitive.lower(one.ins, one.keywords)
            family = kernels_of(type(spec))
            assert family.supports(spec, one.ins, one.outs), one
            kernel = family.emit(module, f"kernel{k}", spec, one.ins, one.outs)
            f = Function(module, f"run{k}", [(f"p{i}", PTR) for i in range(len(kernel.args))], I64, exported=True)
            f.ret(f.call(kernel, *f.args))
            self._scratch.append(family.scratch_bytes(spec, one.ins, one.outs))
        self._library = loaded(module, host(), [f"run{k}" for k in range(len(cases))])

    def run(self, k: int, operands: Sequence[Any]) -> list[Any]:
        """What the kernel of case k gives; it has written nowhere else."""
        one = self.cases[k]
        sizes = [aval.size * aval.dtype.itemsize for aval in one.outs]
        given = [guarded(x.nbytes, aligned_to=x.itemsize) for x in operands]
        for (_, inside), x in zip(given, operands, strict=True):
            inside[:] = np.frombuffer(x.tobytes(), np.uint8)
        made = [guarded(n, aligned_to=aval.dtype.itemsize) for n, aval in zip(sizes, one.outs, strict=True)]
        scratch = guarded(self._scratch[k], aligned_to=64)
        pointers = [inside.ctypes.data for _, inside in (*given, *made, scratch)]
        function = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * len(pointers))
        assert function(self._library.address(f"run{k}"))(*pointers) == 0
        for (_, inside), x in zip(given, operands, strict=True):
            assert inside.tobytes() == x.tobytes(), one
        for whole, inside in (*given, *made, scratch):
            start = inside.ctypes.data - whole.ctypes.data
            assert (whole[:start] == MARK).all(), one
            assert (whole[start + len(inside) :] == MARK).all(), one
        return [
            np.frombuffer(inside.tobytes(), aval.dtype).reshape(aval.shape)
            for (_, inside), aval in zip(made, one.outs, strict=True)
        ]

    def check(self, k: int, operands: Sequence[Any]) -> None:
        one = self.cases[k]
        with np.errstate(all="ignore"):
            wanted = one.primitive.impl(*operands, **one.keywords)
        for got, want in zip(self.run(k, operands), wanted, strict=True):
            if one.primitive in (cumprod_p, linear_recurrence_p) and got.dtype.kind == "c":
                tolerance = 50 * np.finfo(got.dtype).eps  # NumPy fuses some of a complex product's operations
                np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
                continue
            assert plain(got) == plain(np.asarray(want)), f"{one}\n{operands}\ngot {got}\nwant {want}"

    def check_all(self, seed: int, ties: float) -> None:
        rng = np.random.default_rng(seed)
        for k, one in enumerate(self.cases):
            self.check(k, [anything(rng, dtype, one.shape, ties) for dtype in one.dtypes])


def guarded(size: int, *, aligned_to: int) -> tuple[Any, Any]:
    """Bytes, and those of them between marked ones; aligned no better than asked for."""
    whole = np.full(size + 2 * GUARD + 128, MARK, np.uint8)
    start = GUARD + -(whole.ctypes.data + GUARD) % 64 + (min(aligned_to, 8) if aligned_to < 64 else 0)
    return whole, whole[start : start + size]


def plain(x: Any) -> tuple[Any, ...]:
    """To compare all bits but those of NaN."""
    if x.dtype.kind == "c":
        return (x.shape, *plain(x.real), *plain(x.imag))
    x = x.copy()
    x[x != x] = np.nan if x.dtype.kind == "f" else 0
    return x.shape, x.dtype, x.tobytes()


def anything(rng: np.random.Generator, dtype: DType, shape: Shape, ties: float) -> Any:
    """Any bits, and, as often as `ties` says, one of few numbers."""
    if dtype.kind == "c":
        out = np.empty(shape, dtype)
        out.real, out.imag = (anything(rng, np.dtype(f"f{dtype.itemsize // 2}"), shape, ties) for _ in range(2))
        return out
    few = np.array([0, 1, 2, 3, 100] if dtype.kind in "bu" else [-2, -1, 0, 1, 3]).astype(dtype)
    if dtype.kind == "f":
        few = np.concatenate([few, np.array([-0.0, np.inf, -np.inf, np.nan, -np.nan], dtype)])
    count = int(np.prod(shape))
    if dtype.kind == "b":
        return (rng.random(count) < ties).reshape(shape)
    bits = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype)
    return np.where(rng.random(count) < ties, rng.choice(few, count), bits).reshape(shape)


# ---- sorting ----

LENGTHS = (1, 9, 31, 70, 300)


def sorts(dtype: DType) -> list[Case]:
    """Of every length; along the last axis, and along another of which the lines are copied."""
    cases = []
    for length in LENGTHS:
        for shape, axis in (((3, length), 1), ((length, 5), 0)):
            cases.append(case(sort_p, [dtype], shape, axis=axis, is_stable=True, num_keys=1))
            cases.append(case(argsort_p, [dtype], shape, axis=axis, is_stable=True))
    cases.append(case(sort_p, [dtype], (2, 40, 119), axis=1, is_stable=True, num_keys=1))
    cases.append(case(sort_p, [dtype], (0, 4), axis=1, is_stable=True, num_keys=1))
    cases.append(case(argsort_p, [dtype], (4, 0), axis=1, is_stable=True))
    return cases


@pytest.mark.parametrize("kind", ["?bB", "hHe", "ilf", "ILd", "FD"])
def test_sorting_is_numpys_stable_sort(kind: str) -> None:
    kernels = Kernels([one for code in kind for one in sorts(np.dtype(code))])
    for seed, ties in enumerate((0.0, 0.3, 1.0)):
        kernels.check_all(seed, ties)


def test_several_keys_are_sorted_by_the_first_and_carry_the_other_operands_along() -> None:
    keys = [("f", "b"), ("D", "?", "l"), ("e", "Q", "F"), ("i", "d")]
    cases = []
    for codes in keys:
        dtypes = [np.dtype(code) for code in codes]
        for count in range(1, len(dtypes) + 1):
            cases.append(case(sort_p, dtypes, (2, 60), axis=1, is_stable=True, num_keys=count))
        cases.append(case(sort_p, dtypes, (60, 3), axis=0, is_stable=True, num_keys=2))
        cases.append(case(argsort_p, dtypes, (2, 45), axis=1, is_stable=True))
    kernels = Kernels(cases)
    for seed in range(3):
        kernels.check_all(seed, 0.95)


@pytest.fixture(scope="module")
def long_lines() -> Kernels:
    """Lines of which a chunk is merged before the next is begun, and merges are of two pairs."""
    length = 70_001
    cases = [case(sort_p, [np.dtype(code)], (length,), axis=0, is_stable=True, num_keys=1) for code in "fl"]
    return Kernels([*cases, *(case(argsort_p, [np.dtype(code)], (length,), axis=0, is_stable=True) for code in "fd")])


@pytest.mark.parametrize("pattern", ["random", "ties", "sorted", "reversed", "equal", "saw"])
def test_long_lines_of_any_pattern(long_lines: Kernels, pattern: str) -> None:
    rng = np.random.default_rng(7)
    for k, one in enumerate(long_lines.cases):
        (dtype,), (length,) = one.dtypes, one.shape
        x = anything(rng, dtype, one.shape, 1.0 if pattern == "ties" else 0.01)
        if pattern in ("sorted", "reversed"):
            x = np.sort(x)[:: 1 if pattern == "sorted" else -1].copy()
        elif pattern == "equal":
            x = np.full(length, 3, dtype)
        elif pattern == "saw":
            x = (np.arange(length) % 1000).astype(dtype)
        long_lines.check(k, [x])


@pytest.fixture(scope="module")
def short_lines() -> Kernels:
    return Kernels([one for code in "fdl" for one in sorts(np.dtype(code))[:20]])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ties=st.floats(0, 1))
def test_short_lines_of_any_numbers(short_lines: Kernels, seed: int, ties: float) -> None:
    short_lines.check_all(seed, ties)


# ---- the merge sort, on other machines too ----


def machines() -> list[Target]:
    """This machine, and this machine without its wide vectors."""
    narrow = ",".join(f for f in host().features.split(",") if not f.startswith(("+avx", "+fma", "+f16c", "+xop")))
    return [host(), replace(host(), cpu="generic", features=narrow + ",-avx,-avx2")]


@pytest.mark.parametrize("target", machines(), ids=["wide", "narrow"])
@pytest.mark.parametrize("kind", [I32, I64])
def test_the_merge_sort_follows_from_the_vector_width(target: Target, kind: Type) -> None:
    rng, dtype = np.random.default_rng(3), np.dtype(f"i{kind.bytes}")
    counts = (1, 5, 16, 33, 64, 100, 129, 1000, 5000)
    module = Module(target)
    plans = [MergeSort.plan(module, kind, count) for count in counts]
    for count, plan in zip(counts, plans, strict=True):
        f = Function(module, f"run{count}", [("data", PTR), ("spare", PTR)], exported=True)
        f.call(emit_merge_sort(module, plan), *f.args)
        f.ret()
    library = loaded(module, target, [f"run{count}" for count in counts])
    for count, plan in zip(counts, plans, strict=True):
        assert plan.capacity * kind.bytes <= buffer_bytes(kind, count)
        x = np.frombuffer(rng.bytes(count * kind.bytes), dtype)
        data, spare = (np.full(plan.capacity, largest(kind), dtype) for _ in range(2))
        data[:count] = x
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(library.address(f"run{count}"))
        run(data.ctypes.data, spare.ctypes.data)
        np.testing.assert_array_equal((spare if plan.in_spare else data)[:count], np.sort(x))


@pytest.mark.parametrize(
    ("triple", "cpu", "features"),
    [
        ("x86_64-unknown-linux-gnu", "skylake-avx512", "+avx512f,+avx512vl,+avx512bw,+avx512dq,+avx2,+fma"),
        ("aarch64-unknown-linux-gnu", "generic", "+neon"),
    ],
)
def test_the_merge_sort_fits_its_buffers_and_compiles_for_other_machines(triple: str, cpu: str, features: str) -> None:
    target = Target(triple, cpu, features)
    module = Module(target)
    for kind in (I32, I64):
        for count in (1, 3, 64, 65, 1000, 12345, 1 << 20):
            plan = MergeSort.plan(module, kind, count)
            assert count <= plan.capacity
            assert plan.capacity * kind.bytes <= buffer_bytes(kind, count)
        emit_merge_sort(module, MergeSort.plan(module, kind, 1000))
    for external in module.externals.values():
        assert external.text is not None
        assert "functrans_" in assembly(external.text(), target)


# ---- top k ----


def test_top_k_gives_the_largest_and_at_ties_the_first() -> None:
    cases = []
    for dtype in DTYPES:
        cases += [case(top_k_p, [dtype], shape, k=k) for shape, k in (((2, 9), 4), ((3, 500), 7))]
    cases += [case(top_k_p, [np.dtype("f")], shape, k=k) for shape, k in (((3, 5), 0), ((3, 0), 0), ((2, 40), 40))]
    kernels = Kernels(cases)
    for seed, ties in enumerate((0.0, 0.2, 1.0)):
        kernels.check_all(seed, ties)


@pytest.mark.parametrize("direction", [1, -1])
def test_top_k_of_a_line_that_rises_or_falls(direction: int) -> None:
    kernels = Kernels([case(top_k_p, [np.dtype(code)], (5000,), k=100) for code in "fdlB"])
    for k, one in enumerate(kernels.cases):
        kernels.check(k, [np.sort(anything(np.random.default_rng(1), one.dtypes[0], (5000,), 0.1))[::direction].copy()])


# ---- cumulative operations ----


def cumulatives(dtype: DType) -> list[Case]:
    prims = [cummax_p, cummin_p] if dtype.kind == "b" else [cumsum_p, cumprod_p, cummax_p, cummin_p]
    shapes: list[tuple[Shape, int]] = [((37,), 0), ((2, 9, 67), 1), ((5, 20), 1), ((17, 3), 0), ((1,), 0), ((3, 0), 1)]
    return [
        case(prim, [dtype], shape, axis=axis, reverse=(k + which) % 2 == 0)
        for which, prim in enumerate(prims)
        for k, (shape, axis) in enumerate(shapes[: 6 if which == 0 else 3])
    ]


def numbers(rng: np.random.Generator, dtype: DType, shape: Shape) -> Any:
    """Numbers of which products and sums stay moderate; at times NaN, infinity or a zero."""
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)
    if dtype.kind == "c":
        return np.exp(1j * rng.normal(size=shape)).astype(dtype)
    x = rng.normal(size=shape)
    special = rng.choice(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3.0]), shape)
    return np.where(rng.random(shape) < 0.05, special, x).astype(dtype)


@pytest.mark.parametrize("codes", ["?bhil", "BHIL", "efd", "FD"])
def test_cumulative_operations_equal_numpys_bit_for_bit(codes: str) -> None:
    kernels = Kernels([one for code in codes for one in cumulatives(np.dtype(code))])
    for seed in range(2):
        rng = np.random.default_rng(seed)
        for k, one in enumerate(kernels.cases):
            kernels.check(k, [numbers(rng, one.dtypes[0], one.shape)])


def test_wide_rows_are_done_in_pieces() -> None:
    kernels = Kernels([case(cumsum_p, [np.dtype("f")], (4, 2500), axis=0, reverse=r) for r in (False, True)])
    for k in range(2):
        kernels.check(k, [np.random.default_rng(k).normal(size=(4, 2500)).astype(np.float32)])


def test_the_linear_recurrence_rounds_where_numpy_does() -> None:
    shapes: list[tuple[Shape, int]] = [
        ((30,), 0),
        ((11, 20), 1),
        ((12, 20), 1),
        ((20, 3), 0),
        ((20, 33), 0),
        ((0, 3), 0),
    ]
    kernels = Kernels(
        [
            case(linear_recurrence_p, [np.dtype(code)] * 2, shape, axis=axis, reverse=reverse)
            for code in "efdFD"
            for shape, axis in shapes
            for reverse in (False, True)
        ]
    )
    rng = np.random.default_rng(0)
    for k, one in enumerate(kernels.cases):
        operands = [rng.normal(size=one.shape).astype(dtype) for dtype in one.dtypes]
        kernels.check(k, operands)


@pytest.mark.parametrize("code", "efd")
def test_logarithms_of_sums_of_exponentials(code: str) -> None:
    dtype, rng = np.dtype(code), np.random.default_rng(5)
    shapes: list[tuple[Shape, int]] = [((40,), 0), ((3, 9, 21), 1), ((5, 33), 1), ((1,), 0), ((3, 0), 1)]
    cases = [
        case(cumlogsumexp_p, [dtype], shape, axis=axis, reverse=r) for shape, axis in shapes for r in (False, True)
    ]
    kernels = Kernels(cases)
    for scale in (1.0, 30.0):
        for k, one in enumerate(cases):
            x = (scale * rng.normal(size=one.shape)).astype(dtype)
            x[rng.random(one.shape) < 0.1] = -np.inf
            x[rng.random(one.shape) < 0.01] = rng.choice([np.inf, np.nan])
            (got,) = kernels.run(k, [x])
            with np.errstate(invalid="ignore"):
                (want,) = one.primitive.impl(x, **one.keywords)
            np.testing.assert_allclose(
                got, want, rtol=64 * float(np.finfo(dtype).eps), atol=64 * float(np.finfo(dtype).eps)
            )


# ---- positions of extrema ----


@pytest.mark.parametrize("codes", ["?bhil", "BHIL", "efd", "FD"])
def test_the_position_is_that_of_the_first_extremum_or_nan(codes: str) -> None:
    shapes: list[tuple[Shape, int]] = [((1,), 0), ((3, 7), 1), ((1300,), 0), ((1024,), 0), ((9, 5), 0), ((2, 9, 70), 1)]
    shapes += [((0, 3), 1), ((3, 0), 0)]
    cases = []
    for code in codes:
        for shape, axis in shapes:
            for prim in (argmax_p, argmin_p):
                index = np.dtype("i1" if shape == (3, 7) else "u4" if axis == 0 else "i8")
                cases.append(case(prim, [np.dtype(code)], shape, axis=axis, index_dtype=index))
    kernels = Kernels(cases)
    for seed, ties in enumerate((0.0, 0.01, 0.5, 1.0)):
        kernels.check_all(seed, ties)
