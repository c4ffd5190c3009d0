"""The one pool of a process: compiled and started when a parallel loop is first wanted, forgotten in a forked child.

Programs read the address of `functrans_parallel` from a cell, which is 0 while one thread is to do everything. Imports
libraries; start reading at `start`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from threading import Lock

from functrans.backends.llvm.image import Image, Library
from functrans.backends.llvm.stored import library
from functrans.backends.llvm.threads.available import available_cores
from functrans.backends.llvm.threads.pool_memory import (
    CONDITION,
    MEMORY,
    MUTEX,
    PARALLEL,
    SIZE,
    WORKER,
    WORKERS,
)
from functrans.core.locks import fork_safe

__all__ = ["CELL", "parallel_address", "set_threads", "start", "thread_count"]

CELL = ctypes.c_void_p(0)
"""Where programs find the function that runs chunks."""
_lock = Lock()
_making = fork_safe(Lock())
_started = 0
_wanted: int | None = None
_needed = False
"""Whether there is a program with parallel loops."""


def thread_count() -> int:
    """How many threads a loop may use, the caller's among them."""
    return available_cores() if _wanted is None else _wanted


def set_threads(count: int | None) -> int | None:
    """Use so many threads from now on; None: as many as there are cores for this process. Gives what was said before."""
    global _wanted
    before, _wanted = _wanted, count
    if _needed:
        start()
    return before


def start() -> None:
    """Let parallel loops run in parallel, if there is more than one thread to run them."""
    global _needed
    _needed = True
    CELL.value = parallel_address() if thread_count() > 1 else None


def parallel_address() -> int:
    """Of `functrans_parallel`; its workers are started."""
    address = _library().address(PARALLEL)
    _start_workers()
    return address


def _library() -> Library:
    """The pool's code, made once where several threads ask first, too: a copy that nobody keeps is unloaded in use."""
    with _making:
        return _made_once()


@cache
def _made_once() -> Library:
    made = library("pool", _compiled)
    _initialise(made.address(MEMORY))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget)
    return made


def _compiled() -> tuple[Library, Image | None]:
    # Here and not above: it loads the compiler, which is of no use where the code lies on disk.
    from functrans.backends.llvm.threads.pool_code import compiled_pool

    return compiled_pool()


def _initialise(memory: int) -> None:
    """No work, no workers, nothing held."""
    ctypes.memset(memory, 0, SIZE)
    if sys.platform != "win32":
        ctypes.CDLL(None).pthread_mutex_init(ctypes.c_void_p(memory + MUTEX), None)
        ctypes.CDLL(None).pthread_cond_init(ctypes.c_void_p(memory + CONDITION), None)


def _place(offset: int) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(_library().address(MEMORY) + offset)


def _start_workers() -> None:
    """Start the workers that are missing, and say how many may work. Where threads have another interface, there are none."""
    global _started
    if sys.platform == "win32":
        return
    import signal  # here and not above: it takes a while, and a program on one thread has no use for it

    with _lock:
        wanted = thread_count() - 1
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are Python's, not a worker's
        try:
            while _started < wanted and _create(_started):
                _started += 1
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        _place(WORKERS).value = min(wanted, _started)


def _create(number: int) -> bool:
    """Start a thread that nobody waits for: it ends with the process."""
    library = ctypes.CDLL(None)
    thread = ctypes.c_void_p()
    entry = ctypes.c_void_p(_library().address(WORKER))
    if library.pthread_create(ctypes.byref(thread), None, entry, ctypes.c_void_p(number)):
        return False  # the system has no more
    library.pthread_detach(thread)
    return True


def _forget() -> None:
    """In a forked child there are no workers: it computes alone until it compiles again or asks for threads."""
    global _started
    _started = 0
    _initialise(_library().address(MEMORY))
    _lock.release()
