"""The pool as machine code: what a program calls to run a loop in chunks, and what each worker thread runs.

A loop is a function and a number of chunks; threads claim one chunk after the other, and the caller claims too: it finishes
alone if no worker comes in time. One word says all that a claim needs: generation, number of chunks, next chunk. So a claim is
always of the loop that runs now, which cannot end before the claimed chunk is done. A pool that is busy, for a caller in
another thread, is not waited for: that caller runs its chunks itself. Workers look for work for a while, then sleep.

Imports the builder and the engine; start reading at `pool_module`.
"""

from __future__ import annotations

from functrans.backends.llvm.engine import made
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.image import Image, Library
from functrans.backends.llvm.ir import I32, I64, PTR, Module, Value
from functrans.backends.llvm.target import Target, host
from functrans.backends.llvm.threads.pool_memory import (
    BUSY,
    CONDITION,
    DONE,
    LIMIT,
    MEMORY,
    MUTEX,
    PARALLEL,
    SIZE,
    SLEEPERS,
    STATE,
    WORK,
    WORKER,
    WORKERS,
)

__all__ = ["compiled_pool", "pool_module"]


def compiled_pool() -> tuple[Library, Image | None]:
    """The pool's code for this machine."""
    target = host()
    return made(pool_module(target).text(), target, (PARALLEL, WORKER, MEMORY), {})


_BITS = 20
_MASK = (1 << _BITS) - 1
_SPINS = 4000
"""Looks for work before a worker sleeps: about 100 µs."""
_YIELD = 1 << 10
"""Looks before a caller that waits for the last chunks lets others run."""


def pool_module(target: Target) -> Module:
    """The module of the pool; it needs the C library's mutexes and conditions."""
    module = Module(target)
    module.memory(MEMORY, SIZE)
    work = _work(module)
    _parallel(module, work)
    _worker(module, work, _sleep(module))
    return module


class _Pool:
    """The pool's memory, inside a function."""

    def __init__(self, f: Function) -> None:
        self.f = f
        self._memory = f.address(MEMORY)

    def at(self, place: int) -> Value:
        return self.f.offset(self._memory, place // 8, I64)

    def load(self, place: int) -> Value:
        return self.f.value(I64, f"load atomic i64, ptr {self.at(place)} seq_cst, align 8")

    def store(self, x: Value | int, place: int) -> None:
        self.f.emit(f"store atomic i64 {x}, ptr {self.at(place)} seq_cst, align 8")

    def fetch(self, operation: str, place: int, x: int) -> Value:
        """What was there before the operation: add, sub, xchg."""
        return self.f.value(I64, f"atomicrmw {operation} ptr {self.at(place)}, i64 {x} seq_cst")

    def call(self, name: str, *places: int) -> None:
        """A function of the C library."""
        self.f.call_symbol(name, I32, *map(self.at, places))

    def has_work(self) -> Value:
        return _is_left(self.f, self.load(STATE))

    def pause(self) -> None:
        """Tell the core that this is a loop that waits."""
        if self.f.module.target.is_arm:
            self.f.call_symbol("llvm.aarch64.hint", None, self.f.const(1, I32))
        else:
            self.f.call_symbol("llvm.x86.sse2.pause", None)


def _chunks(f: Function, state: Value) -> Value:
    return f.integer("lshr", state, _BITS) & _MASK


def _is_left(f: Function, state: Value) -> Value:
    return f.icmp("ult", state & _MASK, _chunks(f, state))


def _work(module: Module) -> Function:
    """Claim and run chunks until none is left."""
    f = Function(module, "work", [], I64)
    pool = _Pool(f)
    with f.repeat([]) as loop:
        loop.again = pool.has_work()
        with f.when(loop.again):
            claim = pool.fetch("add", STATE, 1)
            with f.when(_is_left(f, claim)):
                body, context = (f.load(f.offset(pool.at(WORK), k, PTR), PTR) for k in (0, 1))
                f.call_pointer(body, None, context, claim & _MASK)
                pool.fetch("add", DONE, 1)
    f.ret(f.index(0))
    return f


def _parallel(module: Module, work: Function) -> None:
    params = [("body", PTR), ("context", PTR), ("chunks", I64), ("most", I64)]
    f = Function(module, PARALLEL, params, exported=True)
    body, context, chunks, most = f.args
    pool = _Pool(f)
    workers = f.minimum(f.minimum(most, pool.load(WORKERS)), chunks - 1)
    alone = f.choose(f.icmp("sgt", workers, 0), lambda: pool.fetch("xchg", BUSY, 1), lambda: f.index(1))
    with f.when(f.icmp("ne", alone, 0)) as branch:
        with f.loop(0, chunks) as loop:
            f.call_pointer(body, None, context, loop.index)
        branch.otherwise()
        _publish(pool, chunks, workers)
        f.call(work)
        _wait(pool, chunks)
        pool.store(0, BUSY)
    f.ret()


def _publish(pool: _Pool, chunks: Value, workers: Value) -> None:
    """Let the workers see a loop, and wake those that sleep."""
    f = pool.f
    for k, value in enumerate(f.args[:2]):
        f.store(value, f.offset(pool.at(WORK), k, PTR), 8)
    pool.store(0, DONE)
    pool.store(workers, LIMIT)
    generation = f.integer("lshr", pool.load(STATE), 2 * _BITS) + 1
    pool.store((generation << 2 * _BITS) | (chunks << _BITS), STATE)
    with f.when(f.icmp("sgt", pool.load(SLEEPERS), 0)):
        pool.call("pthread_mutex_lock", MUTEX)
        pool.call("pthread_cond_broadcast", CONDITION)
        pool.call("pthread_mutex_unlock", MUTEX)


def _wait(pool: _Pool, chunks: Value) -> None:
    """Until the chunks that others claimed are done."""
    f = pool.f
    with f.repeat([f.index(1)]) as loop:
        (looks,) = loop.carry
        pool.pause()
        with f.when(f.icmp("eq", looks & (_YIELD - 1), 0)):
            f.call_symbol("sched_yield", I32)
        loop.next = [looks + 1]
        loop.again = f.icmp("slt", pool.load(DONE), chunks)


def _wanted(pool: _Pool, number: Value) -> Value:
    """Whether there is work for the worker of a number."""
    return pool.has_work() & pool.f.icmp("slt", number, pool.load(LIMIT))


def _sleep(module: Module) -> Function:
    """Wait to be woken, unless there is work: who publishes work either sees the sleeper or is seen by it."""
    f = Function(module, "sleep", [("number", I64)], I64)
    pool = _Pool(f)
    pool.call("pthread_mutex_lock", MUTEX)
    pool.fetch("add", SLEEPERS, 1)
    with f.repeat([]) as loop:
        loop.again = f.icmp("eq", _wanted(pool, f.args[0]), 0)
        with f.when(loop.again):
            pool.call("pthread_cond_wait", CONDITION, MUTEX)
    pool.fetch("sub", SLEEPERS, 1)
    pool.call("pthread_mutex_unlock", MUTEX)
    f.ret(f.index(0))
    return f


def _worker(module: Module, work: Function, sleep: Function) -> None:
    f = Function(module, WORKER, [("number", PTR)], PTR, exported=True)
    pool, number = _Pool(f), f.cast("ptrtoint", f.args[0], I64)
    with f.repeat([f.index(0)]) as loop:
        wanted = _wanted(pool, number)
        looks = f.select(wanted, 0, loop.carry[0] + 1)
        with f.when(wanted):
            f.call(work)
        tired = f.icmp("sge", looks, _SPINS)
        with f.when(tired) as branch:
            f.call(sleep, number)
            branch.otherwise()
            pool.pause()
        loop.next = [f.select(tired, 0, looks)]
        loop.again = f.icmp("ne", f.const(0, I64), 1)
    f.ret(f.null())
