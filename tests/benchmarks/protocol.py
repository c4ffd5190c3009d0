"""The parent's end of the pipe: starts a process per framework, asks, and holds the others still meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.benchmarks.messages import Failure, First, FirstCall, Ready, Times, Turn

_PATIENCE = 900.0
"""Seconds after which a process that has not answered is given up."""


class PeerError(Exception):
    """A framework that cannot do a workload; the message says why."""


def environment(threads: int, scratch: str) -> dict[str, str]:
    """The environment of a process that may use so many threads, and keeps what it compiles in a folder."""
    tuned = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")  # BLAS and imports as users have them
    found = {key: value for key, value in os.environ.items() if key not in tuned}
    for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMBA"):
        found[f"{library}_NUM_THREADS"] = str(threads)
    found["NPROC"] = str(threads)  # XLA heeds nothing else
    found["JAX_PLATFORMS"] = "cpu"
    found["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # or the compiler's time would be spent where it is not counted
    found["TORCHINDUCTOR_CACHE_DIR"] = scratch
    found["FUNCTRANS_CACHE"] = str(Path(scratch) / "functrans")
    found["JAX_COMPILATION_CACHE_DIR"] = str(Path(scratch) / "jax")
    found["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # as it is where no folder is named
    found["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return found


class Worker:
    """A framework in its process."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection[Any, Any], errors: Any) -> None:
        self._process, self._connection, self._errors = process, connection, errors

    def wait_until_ready(self) -> None:
        answer = self._receive()
        assert isinstance(answer, Ready)

    def first(self, request: First) -> FirstCall:
        answer = self._ask(request)
        assert isinstance(answer, FirstCall)
        return answer

    def turn(self, calls: int) -> Times:
        answer = self._ask(Turn(calls))
        assert isinstance(answer, Times)
        return answer

    def _ask(self, request: First | Turn) -> object:
        self._process.send_signal(signal.SIGCONT)
        try:
            self._connection.send(request)
        except OSError:
            raise PeerError(self._last_words()) from None
        return self._receive()

    def _receive(self) -> object:
        try:
            if not self._connection.poll(_PATIENCE):
                raise PeerError(f"no answer in {_PATIENCE:.0f} s")
            answer: object = self._connection.recv()
        except (EOFError, OSError):
            raise PeerError(self._last_words()) from None
        self._process.send_signal(signal.SIGSTOP)  # threads that wait by spinning would disturb the others
        if isinstance(answer, Failure):
            raise PeerError(answer.reason)
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"ended with code {self._process.wait()}" + (f": {lines[-1]}" if lines else "")


@contextmanager
def started(
    name: str, threads: int, more: Mapping[str, str] | None = None, scratch: str | None = None
) -> Iterator[Worker]:
    """The framework in a new process, which ends with the block.

    Its environment has `more`. What it compiles it keeps in the folder `scratch`; if there is none, for itself alone.
    """
    here, there = Pipe()
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as own, here:
        command = [sys.executable, "-m", "tests.benchmarks.worker", name, str(threads), str(there.fileno())]
        variables = {**environment(threads, scratch or own), **(more or {})}
        process = subprocess.Popen(command, env=variables, pass_fds=[there.fileno()], stdout=errors, stderr=errors)
        there.close()
        try:
            yield Worker(process, here, errors)
        finally:
            process.kill()
            process.wait()
