"""Matrix products as machine code against NumPy: every dtype, any axes, sizes around the edges of tiles."""

import ctypes
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functrans.backends.llvm.engine import Library, load
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module
from functrans.backends.llvm.kernels import contract
from functrans.backends.llvm.kernels.product.layout import layout_of
from functrans.backends.llvm.kernels.product.openblas import has_openblas
from functrans.backends.llvm.kernels.product.plan import Blocks, plan_of
from functrans.backends.llvm.kernels.product.ring import ring_of
from functrans.backends.llvm.target import Target, caches_of_linux, host
from functrans.compiler import cost
from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering import Contract
from functrans.ops.linear_algebra import dot_general_p
from functrans.record import Record, replace

Array = np.ndarray[Any, Any]
Dims = tuple[tuple[tuple[int, ...], tuple[int, ...]], tuple[tuple[int, ...], tuple[int, ...]]]
MATMUL: Dims = (((1,), (0,)), ((), ()))
DTYPES = ["?", "i1", "u1", "i2", "u4", "i8", "f2", "f4", "f8", "c8", "c16"]
EPS = {"f2": 2.0**-11, "f4": 2.0**-24, "c8": 2.0**-23, "f8": 2.0**-53, "c16": 2.0**-52}


class Case(NamedTuple):
    left: tuple[int, ...]
    right: tuple[int, ...]
    dims: Dims = MATMUL


# ---- running a kernel ----


class Kernel(Record):
    """One function of a module: what it is made of, and where its code lies."""

    spec: Contract
    ins: tuple[ShapedArray, ...]
    out: ShapedArray
    library: bool
    target: Target
    address: int = 0
    code: Library | None = None

    def __call__(self, *operands: Array) -> Array:
        """The result; memory around result and scratch must stay as it was, and nothing around operands is read."""
        size = contract.scratch_bytes(self.spec, self.ins, (self.out,), target=self.target, library=self.library)
        result, scratch = _guarded(self.out.size * self.out.dtype.itemsize), _guarded(size)
        view = result[64 : len(result) - 64].view(self.out.dtype).reshape(self.out.shape)
        view[...] = np.nan if self.out.dtype.kind in "fc" else 1
        pointers = [x.ctypes.data for x in (*operands, view)]
        call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * (len(pointers) + 2))(self.address)
        assert call(*pointers, scratch[64:].ctypes.data, None) == 0
        for memory in (result, scratch):
            assert (memory[:64] == 0xA5).all()
            assert (memory[len(memory) - 64 :] == 0xA5).all()
        return view.copy()


def _guarded(size: int) -> Array:
    """Memory at a multiple of 64 bytes, with 64 bytes before and after it."""
    raw = np.full(size + 192, 0xA5, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size + 128]


def _spec(case: Case, dtype: str) -> tuple[Contract, tuple[ShapedArray, ...], ShapedArray]:
    avals = tuple(shaped(shape, np.dtype(dtype)) for shape in (case.left, case.right))
    params = {"dimension_numbers": case.dims}
    assert dot_general_p.lower is not None
    spec = dot_general_p.lower(avals, params)
    assert isinstance(spec, Contract)
    (out,) = dot_general_p.abstract_eval(*avals, **params)
    return spec, avals, out


class Request(NamedTuple):
    case: Case
    dtype: str
    library: bool = False


def build(requests: Sequence[Request], target: Target | None = None) -> list[Kernel]:
    """The kernels, all in one module, for this machine or one that can less."""
    target = target or host()
    module = Module(target)
    kernels = []
    for i, request in enumerate(requests):
        spec, avals, out = _spec(request.case, request.dtype)
        function = contract.emit(module, f"product{i}", spec, avals, (out,), library=request.library)
        params = [(f"p{k}", PTR) for k in range(len(function.args))]
        wrapper = Function(module, f"run{i}", params, I64, exported=True)
        wrapper.ret(wrapper.call(function, *wrapper.args))
        kernels.append(Kernel(spec, avals, out, request.library, target))
    names = tuple(f"run{i}" for i in range(len(kernels)))
    symbols = {name: external.address() for name, external in module.externals.items()}
    code = load(module.text(), target, names, symbols)
    return [replace(k, address=code.address(name), code=code) for k, name in zip(kernels, names, strict=True)]


# ---- what is right ----


def operands(case: Case, dtype: str, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)

    def one(shape: tuple[int, ...]) -> Array:
        kind = np.dtype(dtype).kind
        if kind == "b":
            return np.asarray(rng.random(shape) < 0.2)
        if kind in "iu":
            info = np.iinfo(dtype)
            return np.asarray(rng.integers(info.min, info.max, shape, dtype, endpoint=True))
        x = rng.standard_normal(shape)
        return np.asarray(x + 1j * rng.standard_normal(shape) if kind == "c" else x, dtype)

    return one(case.left), one(case.right)


def reference(case: Case, left: Array, right: Array) -> Array:
    (out,) = dot_general_p.impl(left, right, dimension_numbers=case.dims)
    return np.asarray(out)


def check(case: Case, result: Array, left: Array, right: Array) -> None:
    """Integers and bools exactly; others within the bound of a sum of so many products."""
    dtype = left.dtype.str[1:]
    expected = reference(case, left, right)
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    if dtype not in EPS:
        np.testing.assert_array_equal(result, expected)
        return
    wide = "c16" if left.dtype.kind == "c" else "f8"
    exact = reference(case, left.astype(wide), right.astype(wide))
    size = reference(case, abs(left).astype("f8"), abs(right).astype("f8"))
    summed = prod(case.left[axis] for axis in case.dims[0][0])
    sums = EPS["f4"] if dtype == "f2" else EPS[dtype]
    bound = size * sums * (2 * summed + 4) + (abs(exact) * EPS["f2"] if dtype == "f2" else 0)
    assert (abs(result - exact) <= bound + np.finfo(dtype).tiny).all()


def run(cases: Sequence[Case], dtype: str, *, library: bool = False, target: Target | None = None) -> None:
    requests = [Request(case, dtype, library=library) for case in cases]
    for case, kernel in zip(cases, build(requests, target), strict=True):
        left, right = operands(case, dtype)
        result = kernel(left, right)
        check(case, result, left, right)
        np.testing.assert_array_equal(result, kernel(left, right))


def matrices(*shapes: tuple[int, int, int]) -> list[Case]:
    return [Case((m, k), (k, n)) for m, k, n in shapes]


ALL_TRANSPOSED: list[Case] = [
    Case(left, right, ((lc, rc), ((), ())))
    for m, k, n in ((37, 29, 45), (150, 70, 40))
    for left, lc in (((m, k), (1,)), ((k, m), (0,)))
    for right, rc in (((k, n), (0,)), ((n, k), (1,)))
]
AXES = [
    Case((3, 4, 5), (3, 5, 6), (((2,), (1,)), ((0,), (0,)))),  # batched
    Case((4, 3, 5), (5, 6, 3), (((2,), (0,)), ((1,), (2,)))),  # batch axes in the middle and at the end
    Case((2, 3, 20, 7), (3, 2, 7, 9), (((3,), (2,)), ((0, 1), (1, 0)))),
    Case((4, 5, 6), (5, 4, 7), (((0, 1), (1, 0)), ((), ()))),  # several contracted axes, in another order
    Case((4, 5, 6), (7, 4, 5), (((0, 1), (1, 2)), ((), ()))),
    Case((5, 4, 6), (7, 6, 5), (((0, 2), (2, 1)), ((), ()))),  # contracted axes that lie apart
    Case((3, 5, 4), (5, 6, 2), (((1,), (0,)), ((), ()))),  # free axes that lie apart
    Case((20, 5, 18), (5, 6, 17), (((1,), (0,)), ((), ()))),
    Case((3, 4), (5, 6), (((), ()), ((), ()))),  # nothing contracted
    Case((3, 4), (3, 6), (((), ()), ((0,), (0,)))),
    Case((3, 4), (6, 3), (((), ()), ((0,), (1,)))),
    Case((3, 4), (4, 3), (((), ()), ((0, 1), (1, 0)))),
    Case((7,), (7,), (((0,), (0,)), ((), ()))),
    Case((9, 7), (7,), (((1,), (0,)), ((), ()))),
    Case((7,), (7, 9), (((0,), (0,)), ((), ()))),
    Case((6, 9, 7), (6, 7), (((2,), (1,)), ((0,), (0,)))),
    Case((), (3,), (((), ()), ((), ()))),
    Case((), (), (((), ()), ((), ()))),
    Case((1, 8), (8, 1), MATMUL),
    Case((1, 1, 8), (8, 1, 4), (((2,), (0,)), ((1,), (1,)))),
]
EMPTY = [
    *matrices((0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 0, 1)),
    Case((0, 4, 5), (0, 5, 6), (((2,), (1,)), ((0,), (0,)))),
    Case((2, 4, 0), (2, 0, 6), (((2,), (1,)), ((0,), (0,)))),
]
AROUND_TILES = matrices(
    (1, 1, 1), (2, 3, 2), (5, 8, 15), (6, 7, 16), (7, 9, 17), (11, 5, 31), (12, 16, 33), (13, 2, 8), (16, 16, 16),
    (19, 33, 7), (25, 10, 48), (64, 64, 64), (100, 3, 9), (1, 50, 70), (1, 70, 3), (50, 70, 1), (3, 600, 20), (90, 40, 130),
)  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype: str) -> None:
    run([*matrices((1, 1, 1), (7, 5, 3), (20, 300, 33), (13, 40, 70)), ALL_TRANSPOSED[3], AXES[0], *EMPTY[:3]], dtype)


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "c16"])
def test_all_arrangements_of_axes(dtype: str, in_parts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_PART", 1 if in_parts else 1 << 60)
    run([*ALL_TRANSPOSED, *AXES, *EMPTY], dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_sizes_around_the_edges_of_tiles(dtype: str) -> None:
    run(AROUND_TILES, dtype)


def test_several_blocks_along_every_axis() -> None:
    large = [Case((610, 1100), (1100, 300)), Case((1100, 610), (1100, 300), (((0,), (0,)), ((), ()))),
             Case((610, 1100), (300, 1100), (((1,), (1,)), ((), ())))]  # fmt: skip
    near = [Case((90, 1100), (1100, 300)), Case((1100, 90), (1100, 300), (((0,), (0,)), ((), ()))),
            Case((300, 90), (300, 290), (((0,), (0,)), ((), ())))]  # fmt: skip
    run([*large, *near], "f4", target=replace(host(), caches=(1 << 15, 1 << 20)))


def host_without(*words: str) -> Target:
    """This machine, with features whose names begin so switched off."""
    features = [
        "-" + feature[1:] if feature[1:].startswith(words) else feature for feature in host().features.split(",")
    ]
    return replace(host(), features=",".join(features))


@pytest.mark.skipif(host().is_arm, reason="has one width of vectors")
@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i8", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("missing", [("avx512",), ("avx", "fma", "f16c", "vaes", "vpclmul")])
def test_on_machines_that_can_less(missing: tuple[str, ...], dtype: str) -> None:
    """Narrower vectors, fewer registers; the last have no masks and no fused multiply-add."""
    cases = [*matrices((13, 40, 70), (1, 50, 70), (50, 70, 1), (90, 8, 130)), *ALL_TRANSPOSED]
    run(cases, dtype, target=host_without(*missing))


@st.composite
def random_cases(draw: st.DrawFn) -> Case:
    sizes = st.integers(0, 9)
    lengths = [draw(st.lists(sizes, max_size=2)) for _ in range(4)]  # batch, contracted, free, free
    names = ["b", "c", "l", "r"]
    axes = [[(name, i, size) for i, size in enumerate(part)] for name, part in zip(names, lengths, strict=True)]
    left = draw(st.permutations([*axes[0], *axes[1], *axes[2]]))
    right = draw(st.permutations([*axes[0], *axes[1], *axes[3]]))
    batch, contracted = draw(st.permutations(axes[0])), draw(st.permutations(axes[1]))
    dims = tuple(
        (tuple(left.index(a) for a in part), tuple(right.index(a) for a in part)) for part in (contracted, batch)
    )
    return Case(tuple(a[2] for a in left), tuple(a[2] for a in right), (dims[0], dims[1]))


@settings(max_examples=8)
@given(st.lists(random_cases(), min_size=6, max_size=6), st.sampled_from(["f4", "i2", "c8"]))
def test_random_axes(cases: list[Case], dtype: str) -> None:
    run(cases, dtype)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16"])
def test_by_openblas(dtype: str) -> None:
    """Where NumPy came without it, by our own kernels."""
    run([*matrices((7, 5, 3), (20, 300, 33), (1, 9, 4), (3, 0, 4)), *ALL_TRANSPOSED[:4], *AXES], dtype, library=True)


def test_the_environment_can_choose_openblas(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, avals, out = _spec(matrices((40, 30, 20))[0], "f4")
    symbols = []
    for name in ("", "openblas"):
        monkeypatch.setenv("FUNCTRANS_MATMUL", name)
        module = Module(host())
        contract.emit(module, "product", spec, avals, (out,))
        symbols.append(any("openblas" in symbol for symbol in module.externals))
    ring = ring_of(out.dtype)
    assert ring is not None
    assert symbols == [False, has_openblas(ring)]


# ---- which way a product takes ----

WIDE = Target("x86_64-unknown-linux-gnu", "znver4", "+avx,+avx2,+fma,+avx512f,+avx512vl,+avx512bw", (1 << 15, 1 << 20))
NARROW = Target("x86_64-unknown-linux-gnu", "znver2", "+avx,+avx2,+fma", (1 << 15, 1 << 19))
NEON = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon", (1 << 16, 1 << 20))
PATHS = {  # form, m k n: on the wide machine, on the narrow one, on NEON
    "NN 16 16 16": "direct direct direct",
    "NN 128 128 128": "direct direct direct",
    "NN 256 256 256": "blocked blocked blocked",
    "NT 64 64 64": "blocked blocked blocked",
    "TN 2048 256 2048": "blocked blocked blocked",
    "NN 128 512 10": "direct direct direct",
    "NN 128 512 3": "dot dot direct",
    "TN 512 128 10": "direct direct direct",
    "NN 24 784 512": "direct blocked direct",
    "NN 4 2048 2048": "blocked blocked blocked",
    "NN 1 784 512": "stream stream stream",
    "NN 1 64 64": "direct direct direct",
    "NT 1 784 512": "dot dot dot",
    "NN 784 512 1": "dot dot dot",
    "NT 16 9216 4096": "blocked blocked blocked",
    "NT 16 2048 64": "dot dot dot",
    "NN 5 0 5": "zeros zeros zeros",
}


@pytest.mark.parametrize("shape", PATHS)
def test_the_way_of_a_product(shape: str) -> None:
    form, *sizes = shape.split()
    m, k, n = map(int, sizes)
    left, lc = ((m, k), 1) if form[0] == "N" else ((k, m), 0)
    right, rc = ((k, n), 0) if form[1] == "N" else ((n, k), 1)
    spec, _, out = _spec(Case(left, right, (((lc,), (rc,)), ((), ()))), "f4")
    ring = ring_of(out.dtype)
    assert ring is not None
    layout = layout_of(spec, left, right)
    plans = [
        plan_of(Module(target), ring, layout, prepared=False, finished=False, library=False)
        for target in (WIDE, NARROW, NEON)
    ]
    assert " ".join(plan.path for plan in plans) == PATHS[shape]


def test_blocks_follow_the_caches() -> None:
    spec, _, out = _spec(matrices((2048, 2048, 2048))[0], "f4")
    ring = ring_of(out.dtype)
    assert ring is not None
    layout = layout_of(spec, (2048, 2048), (2048, 2048))
    blocks = [
        plan_of(Module(target), ring, layout, prepared=False, finished=False, library=False).blocks
        for target in (WIDE, NARROW, NEON)
    ]
    assert blocks == [Blocks(192, 128, 1024, False), Blocks(96, 128, 1024, False), Blocks(96, 128, 2048, False)]


@pytest.mark.parametrize(
    ("case", "once"),
    [(Case((256, 784), (256, 2048), (((0,), (0,)), ((), ()))), True), (Case((784, 256), (256, 2048)), False)],
)
def test_one_thread_packs_operands_once(case: Case, once: bool) -> None:
    """Parts do so each for itself: of a transposed left operand, and by rows of the right one."""
    spec, ins, _ = _spec(case, "f4")
    for target in (WIDE, NARROW, NEON):
        plan, alone = contract._plans(Module(target), spec, ins, None, False)
        assert plan.cut.count > 1
        assert (alone is not None) == once
        assert alone is None or alone.cut.count == 1


def test_the_sizes_of_caches_are_read(tmp_path: Path) -> None:
    kinds = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2M"), ("3", "Unified", "36864K")]
    for i, facts in enumerate(kinds):
        place = tmp_path / "cache" / f"index{i}"
        place.mkdir(parents=True)
        for name, fact in zip(("level", "type", "size"), facts, strict=True):
            (place / name).write_text(fact + "\n")
    assert caches_of_linux(tmp_path) == (48 << 10, 2 << 20, 36 << 20)
    assert caches_of_linux(tmp_path / "nowhere") == (0, 0, 0)
    (tmp_path / "cache" / "index0" / "size").write_text("large")
    assert caches_of_linux(tmp_path) == (0, 0, 0)
    first, second = host().caches
    assert 1 << 12 <= first <= second


# ---- half precision, signs ----


def test_without_a_sum_zeros_keep_their_signs() -> None:
    case = Case((3,), (30,), (((), ()), ((), ())))
    (kernel,) = build([Request(case, "f4")])
    left, right = np.array([1, -1, 0], "f4"), np.zeros(30, "f4")
    right[::3] = -0.0
    np.testing.assert_array_equal(np.signbit(kernel(left, right)), np.signbit(np.multiply.outer(left, right)))


def test_half_is_rounded_once() -> None:
    case = Case((9, 2000), (2000, 5))
    (kernel,) = build([Request(case, "f2")])
    left, right = operands(case, "f2")
    exact = left.astype("f8") @ right.astype("f8")
    mine, numpys = abs(kernel(left, right) - exact).max(), abs(left @ right - exact).max()
    assert mine <= numpys * 1.01
