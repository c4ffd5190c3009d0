"""The pool of threads: every chunk once, whoever calls, across fork and exit; and how many threads there are by default."""

import ctypes
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import functrans as ft
from functrans import jit
from functrans.backends.llvm.engine import load
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module
from functrans.backends.llvm.kernels.product import cut as product_cut
from functrans.backends.llvm.kernels.product.cut import Cut, Least, cut_of
from functrans.backends.llvm.kernels.product.layout import layout_of
from functrans.backends.llvm.kernels.product.ring import ring_of
from functrans.backends.llvm.target import host
from functrans.backends.llvm.threads import chunks, pool
from functrans.backends.llvm.threads.available import available_cores
from functrans.backends.llvm.threads.pool_memory import PARALLEL
from functrans.compiler import cost
from functrans.compiler.nest import Nest
from functrans.compiler.nodes import Node
from functrans.compiler.options import Options
from functrans.compiler.pipeline import optimize
from functrans.core.ir import Jaxpr
from functrans.core.lowering import Contract
from functrans.core.primitive import aval_of
from functrans.transforms.stage import stage
from functrans.typing import Array
from tests.marks import native
from tests.test_native import programs

CHUNKS, WIDTH = 64, 2000
Run = Callable[[Array, int, int, int], None]


@cache
def counting() -> Run:
    """`(counts, chunks, workers, times)`: adds chunk + 1 to each element of row `chunk`, so many times over."""
    module = Module(host())
    body = Function(module, "body", [("context", PTR), ("chunk", I64)], exported=True)
    context, chunk = body.args
    with body.loop(0, WIDTH) as loop:
        place = body.offset(context, chunk * WIDTH + loop.index, I64)
        body.store(body.load(place, I64) + chunk + 1, place)
    body.ret()
    params = [("context", PTR), ("chunks", I64), ("most", I64), ("times", I64)]
    run = Function(module, "run", params, I64, exported=True)
    with run.loop(0, run.args[3]):
        run.call_symbol(PARALLEL, None, run.address("body"), *run.args[:3])
    run.ret(run.index(0))
    library = load(module.text(), host(), ("run",), {PARALLEL: pool.parallel_address()})
    entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, *[ctypes.c_int64] * 3)(library.address("run"))

    def call(counts: Array, chunks: int, most: int, times: int, keep: object = library) -> None:
        entry(counts.ctypes.data, chunks, most, times)

    return call


@pytest.fixture(autouse=True)
def _four_threads() -> Iterator[None]:
    pool.set_threads(4)
    yield
    pool.set_threads(None)


def counted(times: int, chunks: int = CHUNKS, most: int = 7) -> Array:
    counts = np.zeros((CHUNKS, WIDTH), np.int64)
    counting()(counts, chunks, most, times)
    return counts


def expected(times: int, chunks: int = CHUNKS) -> Array:
    numbers = np.arange(1, CHUNKS + 1) * times * (np.arange(CHUNKS) < chunks)
    return np.broadcast_to(numbers[:, None], (CHUNKS, WIDTH))


@pytest.mark.parametrize("chunks", [0, 1, 2, 3, CHUNKS])
@pytest.mark.parametrize("most", [0, 1, 7])
def test_every_chunk_runs_once(chunks: int, most: int) -> None:
    np.testing.assert_array_equal(counted(200, chunks, most), expected(200, chunks))


def test_workers_that_sleep_are_woken() -> None:
    for _ in range(20):
        threading.Event().wait(0.002)  # longer than they look for work
        np.testing.assert_array_equal(counted(1), expected(1))


def test_callers_in_many_threads_do_not_wait_for_each_other() -> None:
    found: list[Array] = []
    threads = [threading.Thread(target=lambda: found.append(counted(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for counts in found:
        np.testing.assert_array_equal(counts, expected(50))


def test_the_number_of_threads_can_change() -> None:
    for count in (1, 3, 2, None):
        pool.set_threads(count)
        np.testing.assert_array_equal(counted(20), expected(20))


PRELUDE = """
    import os, threading, time
    import numpy as np
    from functrans.backends.llvm.threads import chunks, pool
    from tests.test_threads import counted, expected
    pool.set_threads(3)
"""


def run_child(program: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: what it does to the pool is not ours."""
    code = textwrap.dedent(PRELUDE) + textwrap.dedent(program)
    root = Path(__file__).parent.parent
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONWARNINGS": "ignore",
    }  # of fork beside threads: that is the test
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=root,
        env=environment,
        check=False,
    )


def test_the_first_callers_may_be_many_at_once() -> None:
    done = run_child(
        """
    start = threading.Barrier(8)
    callers = [threading.Thread(target=lambda: (start.wait(), counted(50))) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert np.array_equal(counted(20), expected(20))
    """
    )
    assert done.returncode == 0, done.stderr


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
FORK = """
    def forked():
        child = os.fork()
        if not child:
            same = np.array_equal(counted(20), expected(20))
            pool.set_threads(2)
            os._exit(0 if same and np.array_equal(counted(20), expected(20)) else 1)
        assert os.waitpid(child, 0)[1] == 0
"""


@needs_fork
def test_fork_before_and_after_a_loop() -> None:
    done = run_child(FORK + "    forked(); counted(5); forked(); assert np.array_equal(counted(20), expected(20))")
    assert done.returncode == 0, done.stderr


@needs_fork
def test_fork_during_a_loop() -> None:
    done = run_child(
        FORK
        + """
    counted(1)  # imports all there is: a module that another thread imports is locked in the child for ever
    busy = threading.Thread(target=lambda: counted(3000))
    busy.start()
    for _ in range(5):
        forked()
    busy.join()
    assert np.array_equal(counted(20), expected(20))
    """
    )
    assert done.returncode == 0, done.stderr


@needs_fork
def test_fork_while_another_thread_compiles() -> None:
    done = run_child("""
    from functrans import jit
    def compile_some(count):
        return [float(jit(lambda x, k=k: np.sum(np.sin(x) * k))(np.ones(k))) for k in range(1, count)]
    compile_some(2)  # a module that another thread imports stays locked in the child: that is Python's
    busy = threading.Thread(target=compile_some, args=(40,))
    busy.start()
    for _ in range(10):
        time.sleep(0.01)
        child = os.fork()
        if not child:
            os._exit(0 if len(compile_some(4)) == 3 else 1)
        assert os.waitpid(child, 0)[1] == 0
    busy.join()
    """)
    assert done.returncode == 0, done.stderr


def test_the_process_ends_while_workers_run() -> None:
    done = run_child("""
    threading.Thread(target=lambda: counted(10**9), daemon=True).start()
    time.sleep(0.05)
    print("end")
    """)
    assert (done.returncode, done.stdout.strip()) == (0, "end"), done.stderr


# ---- what users say ----


def test_threads_lasts_until_the_next_word_or_the_blocks_end() -> None:
    assert pool.thread_count() == 4
    ft.threads(3)
    assert pool.thread_count() == 3
    with ft.threads(2):
        assert pool.thread_count() == 2
        with ft.threads(None):
            assert pool.thread_count() == available_cores()
        assert pool.thread_count() == 2
    assert pool.thread_count() == 3


@pytest.mark.parametrize("count", [0, -1])
def test_there_is_at_least_one_thread(count: int) -> None:
    with pytest.raises(ValueError, match="from 1 on"):
        ft.threads(count)
    with pytest.raises(TypeError, match="number of threads"):
        ft.threads(True)
    assert pool.thread_count() == 4


# ---- loop nests ----

NESTS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "one loop": (lambda x: np.sin(x) + x, [(n,) for n in (2047, 2048, 2049, 5000, 3 * 1024 + 7, 65 * 1024 + 5)]),
    "rows": (lambda x: x - np.log(np.sum(np.exp(x), -1, keepdims=True)), [(7, 33), (64, 16), (130, 5), (2, 3000)]),
    "rows kept between passes": (lambda x: np.tanh(x) / np.max(np.tanh(x), -1, keepdims=True), [(9, 40), (70, 17)]),
    "transposed": (lambda x: x.T * 2 + 1, [(33, 70), (100, 64), (3, 5000)]),
    "strided": (lambda x: x[:, ::3] + x[::-1, ::3], [(20, 31), (65, 9)]),
    "integers": (lambda x: x.astype(np.int64) // 3, [(5001,), (8, 9)]),
    "columns": (lambda x: np.sum(x * x, 0), [(50, 5000), (50, 4096), (9, 9000)]),
    "columns apart": (lambda x: np.max(np.exp(x), 1), [(5, 20, 60), (1, 30, 4100)]),
    "columns of several axes": (lambda x: np.sum(x[:, ::2, ::2], 0), [(20, 30, 9)]),
    "columns and what is made of them": (lambda x: np.sqrt(np.sum(x * x, 0)) + 1, [(50, 6000)]),
    "everything": (lambda x: np.sum(x * x), [(50, 300), (5000,)]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
@pytest.mark.parametrize("name", NESTS)
def test_chunks_of_nests_give_the_same_bits(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With any number of threads, and as one piece."""
    fun, shapes = NESTS[name]
    for shape in shapes:
        x = np.random.default_rng(0).integers(-99, 99, shape).astype(dtype) / np.dtype(dtype).type(7)
        flat = optimize(stage(lambda x: (fun(x),), [aval_of(x)]))
        whole = NativeProgram(flat)(x)[0]
        with monkeypatch.context() as patch:
            patch.setattr(cost, "_PART", 1)
            cut = NativeProgram(flat)
        assert "columns" not in name or any(step.chunks > 1 for step in cut.plan.steps)
        for count in (1, 2, 4):
            pool.set_threads(count)
            for _ in range(3):
                np.testing.assert_array_equal(cut(x)[0], whole)


@given(programs())
def test_chunks_of_random_programs(program: tuple[Callable[..., Any], tuple[Any, ...]]) -> None:
    run, inputs = program
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(cost, "_PART", 1)
        jaxpr = stage(lambda *args: tuple(run(*args)), [aval_of(x) for x in inputs])
        flat = optimize(jaxpr.with_consts_as_inputs())
        cut, args = NativeProgram(flat), (*jaxpr.consts, *inputs)
        patch.undo()
        whole = NativeProgram(flat)(*args)
        for got, expected in zip(cut(*args), whole, strict=True):
            np.testing.assert_array_equal(got, expected)


def _normalised(x: Array) -> Array:
    shifted: Array = x - np.max(x, -1, keepdims=True)
    return shifted


SUMS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "rows and columns": (lambda x: (np.sum(x, 1), np.sum(_normalised(x) * 2, 0)), (401, 70)),
    "rows, then all rows": (lambda x: (np.sum(np.max(x, 1) + x[0, 0]) / 3, np.max(np.sum(x, 1))), (900, 9)),
    "numbers made of sums": (lambda x: (np.sum(_normalised(x), 0) / 2, np.sum(_normalised(x)) + x[0, 0]), (256, 33)),
    "many outer loops": (lambda x: (_normalised(x), np.max(_normalised(x), (0, 1))), (5, 150, 20)),
    "more chunks than rows fill": (lambda x: (np.sum(x, (1, 2)), np.sum(_normalised(x), 0)), (9, 1, 5000)),
    "products of rows and columns": (lambda x: (np.sum(np.sum(x * x[0], 1)[:, None] * x, 0),), (701, 40)),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int8"])
@pytest.mark.parametrize("name", SUMS)
def test_sums_over_outer_loops_have_the_same_bits_for_any_number_of_threads(
    name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fun, shape = SUMS[name]
    x = np.random.default_rng(0).integers(-3, 3, shape).astype(dtype) * np.dtype(dtype).type(0.7)
    flat = optimize(stage(fun, [aval_of(x)]))
    monkeypatch.setattr(cost, "_PART", 1)
    monkeypatch.setattr(chunks, "_ROWS", 2)
    alone, cut = NativeProgram(flat, Options(threads=1)), NativeProgram(flat)
    nests = [step.work for step in cut.plan.steps if isinstance(step.work, Nest)]
    assert any(chunks.is_always_cut(nest) for nest in nests)
    assert all(step.chunks == 1 for step in alone.plan.steps)
    want = alone(x)
    for got, exact in zip(want, fun(x), strict=True):
        np.testing.assert_allclose(got, exact, atol=(1e-2 if dtype == "float16" else 1e-5) * np.max(np.abs(exact)))
    for count in (1, 2, 4):
        pool.set_threads(count)
        for _ in range(3):
            for got, same in zip(cut(x), want, strict=True):
                np.testing.assert_array_equal(got, same)


def test_warnings_in_chunks_are_not_lost() -> None:
    x, y = np.ones(300_000, int), np.ones(300_000, int)
    y[77] = y[-1] = 0
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        jit(lambda x, y: x // y)(x, y)


# ---- matrix products ----

PRODUCTS: dict[str, tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]] = {
    "columns": (lambda x, y: x @ y, (70, 300), (300, 1001)),
    "columns of a transposed matrix": (lambda x, y: x @ y.T, (70, 300), (1001, 300)),
    "rows": (lambda x, y: x.T @ y, (190, 517), (190, 130)),
    "few columns": (lambda x, y: x @ y, (1030, 70), (70, 40)),
    "few rows": (lambda x, y: x @ y, (7, 90), (90, 333)),
    "two rows": (lambda x, y: x @ y.T, (2, 300), (517, 300)),
    "a row": (lambda x, y: x @ y, (30,), (30, 35_017)),
    "a column": (lambda x, y: x @ y, (517, 300), (300,)),
    "batches": (lambda x, y: x @ y, (11, 40, 50), (11, 50, 60)),
    "axes apart": (lambda x, y: np.einsum("abk,akc->bac", x, y), (5, 12, 20), (5, 20, 33)),
    "nothing to add": (lambda x, y: np.tensordot(x, y, 0), (300,), (70,)),
}


def product(name: str, dtype: str) -> tuple[Jaxpr, tuple[Array, Array]]:
    fun, *shapes = PRODUCTS[name]
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-9, 9, shape).astype(dtype) / np.dtype(dtype).type(7) for shape in shapes)
    x, y = x.astype(dtype), y.astype(dtype)
    return optimize(stage(lambda x, y: (fun(x, y),), [aval_of(x), aval_of(y)])), (x, y)


def parts_of_kernels(program: NativeProgram) -> list[int]:
    """None where a product is done as a loop nest, as that of a matrix and a vector of floats is."""
    return [step.chunks for step in program.plan.steps if isinstance(step.work, Node)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "float16", "int32", "bool"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_parts_of_products_give_the_same_bits(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With any number of threads, and as one piece."""
    flat, operands = product(name, dtype)
    monkeypatch.setattr(cost, "_PART", 1)
    cut = NativeProgram(flat)
    assert all(count > 1 for count in parts_of_kernels(cut))
    monkeypatch.setattr(product_cut, "_MOST", 1)
    whole = NativeProgram(flat)
    assert all(count == 1 for count in parts_of_kernels(whole))
    (expected,) = whole(*operands)
    for count in (1, 2, 4):
        pool.set_threads(count)
        for _ in range(5):
            np.testing.assert_array_equal(cut(*operands)[0], expected)


def cut_of_matrices(left: tuple[int, ...], right: tuple[int, ...], *, rows_first: bool = False) -> Cut:
    batch = tuple(range(len(left) - 2))
    free, summed = (len(left) - 2,), (len(left) - 1,)
    spec = Contract((summed, free), (batch, batch), (free, summed))
    ring = ring_of(np.dtype(np.float32))
    assert ring is not None
    return cut_of(Module(host()), ring, layout_of(spec, left, right), Least(128, 8, 128, 32, rows_first))


def test_products_are_cut_where_it_pays() -> None:
    assert cut_of_matrices((16, 16), (16, 16)).count == 1
    assert cut_of_matrices((512, 512), (512, 512)) == Cut(4, "columns", 128)
    assert cut_of_matrices((512, 512), (512, 512), rows_first=True) == Cut(4, "rows", 128)
    assert cut_of_matrices((2048, 512), (512, 200)) == Cut(16, "rows", 128)
    assert cut_of_matrices((100, 100000), (100000, 100)).count == 1
    assert cut_of_matrices((40, 512, 512), (40, 512, 512)) == Cut(14, 0, 3)
    assert cut_of_matrices((3, 512, 2048), (3, 2048, 2048)) == Cut(16, "columns", 128)


# ---- how many ----


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 16),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
          "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 1),
        ({"proc/self/cgroup": "4:cpu,cpuacct:/box\n0::/box\n", "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "400000\n",
          "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n"}, 4),
        ({"proc/self/cgroup": "4:cpu:/box\n", "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1\n",
          "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n"}, 16),
    ],
)  # fmt: skip
def test_control_groups_limit_the_cores(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert available_cores(system(tmp_path, files)) == cores


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(("words", "cores"), [("2", 2), ("4,2", 4), ("64", 16), ("", 16), ("many", 16), ("0", 1)])
def test_the_environment_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, cores: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", words)
    assert available_cores(tmp_path) == cores


# ---- as many as a function is allowed ----


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, -1, keepdims=True))
    return e / np.sum(e, -1, keepdims=True)


@native
def test_a_function_may_be_held_to_fewer_threads() -> None:
    x = np.random.default_rng(0).standard_normal((1000, 1000))
    expected = jit(softmax)(x)
    for count in (1, 2, 3, 100, None):
        function = jit(softmax, threads=count)
        text = function.lower(x).llvm_ir()
        workers = CHUNKS if count is None else count - 1
        assert ("@step0_chunk, ptr %" in text) == (count != 1)
        assert (f"i64 {CHUNKS}, i64 {workers})" in text) == (count != 1)
        for _ in range(4):
            np.testing.assert_array_equal(function(x), expected)
        np.testing.assert_array_equal(ft.vmap(function)(x[None])[0], expected)


def test_derivatives_are_held_to_the_threads_of_their_function() -> None:
    x = np.ones((1000, 1000))
    jaxpr = ft.make_jaxpr(ft.grad(lambda x: np.sum(jit(softmax, threads=2)(x) ** 2)))(x)
    assert [eqn.params.get("threads") for eqn in jaxpr.eqns if eqn.prim.name == "jit"] == [2, 2]


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (-1, ValueError), (True, TypeError), (1.0, TypeError)])
def test_numbers_of_threads_that_there_are_not(count: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="jit takes a number of threads"):
        jit(softmax, threads=count)
