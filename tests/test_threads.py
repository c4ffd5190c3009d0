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

import numpy as np
import pytest

from functrans.backends.llvm.engine import load
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module
from functrans.backends.llvm.target import host
from functrans.backends.llvm.threads import pool
from functrans.backends.llvm.threads.available import available_cores
from functrans.backends.llvm.threads.pool_code import PARALLEL
from functrans.typing import Array

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
    from functrans.backends.llvm.threads import pool
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
    busy = threading.Thread(target=lambda: counted(3000))
    busy.start()
    for _ in range(5):
        forked()
    busy.join()
    assert np.array_equal(counted(20), expected(20))
    """
    )
    assert done.returncode == 0, done.stderr


def test_the_process_ends_while_workers_run() -> None:
    done = run_child("""
    threading.Thread(target=lambda: counted(10**9), daemon=True).start()
    time.sleep(0.05)
    print("end")
    """)
    assert (done.returncode, done.stdout.strip()) == (0, "end"), done.stderr


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
