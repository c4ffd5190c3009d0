"""The child's end of the pipe: one framework, one workload, one process.

`python -m tests.benchmarks.worker FRAMEWORK THREADS DESCRIPTOR` answers the requests below until the pipe closes; the
parent's end is `protocol.py`. What goes wrong is answered with a `Failure`, so that one peer does not end the run.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from tests.benchmarks.frameworks import framework_class
from tests.benchmarks.frameworks.base import Framework, Program
from tests.benchmarks.messages import Failure, First, FirstCall, Ready, Times, Turn
from tests.benchmarks.workload import Workload


def timed(program: Program, calls: int = 1) -> tuple[Times, Any]:
    """Seconds per call, and what the last call gave. Counts what child processes (compilers) did."""
    cpu, wall = _cpu_seconds(), perf_counter()
    result = None
    for _ in range(calls):
        result = program()
    return Times((_cpu_seconds() - cpu) / calls, (perf_counter() - wall) / calls), result


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def peak_bytes() -> int:
    """The most memory that this process has held since `forget_peak`, or ever where that does not work."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Give memory that is free back to the system, so that its use counts again, and start the peak from here."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU C library has it
    if trim is not None:
        trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # the peak of the start counts too: small programs then seem to need no memory


class Session:
    """The program that this process runs."""

    def __init__(self, framework: Framework) -> None:
        self.framework = framework
        self.program: Program = lambda: None

    def answer(self, request: First | Turn) -> FirstCall | Times:
        if isinstance(request, First):
            return self._first(request.workload)
        if request.calls > 1:
            self.program()  # the caches are cold after the others' turns
        return timed(self.program, request.calls)[0]

    def _first(self, workload: Workload) -> FirstCall:
        if workload.warms_up:
            self.framework.warm_up()
        arguments = self.framework.put(workload.inputs())
        make: Callable[..., Program] = getattr(self.framework, workload.kind)
        self.program = make(*arguments, **workload.options)
        earlier = peak_bytes()
        forget_peak()
        before = peak_bytes()
        times, result = timed(self.program)
        peak = peak_bytes()
        return FirstCall(times, max(peak - before, 0), max(peak, earlier), self.framework.results(result))


def serve(connection: Connection[Any, Any], start: Callable[[], Framework]) -> None:
    """Start up, say so, and answer until the pipe closes."""
    try:
        session = Session(start())
    except Exception as error:
        connection.send(_failure(error))
        return
    connection.send(Ready())
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            connection.send(session.answer(request))
        except Exception as error:
            connection.send(_failure(error))


def _failure(error: Exception) -> Failure:
    """Whatever a peer raised."""
    return Failure(f"{type(error).__name__}: {error}".splitlines()[0])


if __name__ == "__main__":
    name, threads, descriptor = sys.argv[1:]
    serve(Connection(int(descriptor)), lambda: framework_class(name)(int(threads)))
