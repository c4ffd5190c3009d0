"""A compiled program as a callable over NumPy arrays, by what is known of it: neither its plan nor the compiler is needed.

Arguments are made contiguous, results are allocated, and one call of ctypes runs the whole program, without the GIL. What has
no native code calls back. Start reading at `LoadedProgram.__call__`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, NoReturn, Self

import numpy as np

from functrans.backends.llvm.buffers import address, aligned, contiguous, table
from functrans.backends.llvm.image import Library
from functrans.backends.llvm.service_table import ERROR, HOST, INTERRUPTED, OUT_OF_MEMORY, PARALLEL, PYTHON, SERVICES
from functrans.backends.numpy import Program
from functrans.backends.vectorcall import Vectorcallable, twin
from functrans.core.aval import ShapedArray, shaped
from functrans.core.effects import Journal, program_failed
from functrans.core.ir import Jaxpr
from functrans.core.primitive import EVAL, Values, reset_trace, set_trace
from functrans.core.recycled import empty, is_large
from functrans.core.source import say_where, trimmed
from functrans.core.stacks import is_stack
from functrans.errors import FunctransError
from functrans.record import Record
from functrans.typing import Array

if TYPE_CHECKING:
    from functrans.backends.llvm.host_calls import HostCalls

__all__ = ["ENTRY", "Callee", "LoadedProgram", "Manifest"]

ENTRY = "program"
"""The name of a program's function."""

_MOST_RECIPES = 8
_ENTRY = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 5)
_ADDRESS = np.dtype(np.uint64)
_NOTHING = shaped((0,), np.dtype(np.uint8))
_WITHOUT = nullcontext()
_ALONE = ctypes.c_void_p(0)
"""Where a program finds that no function runs chunks in parallel."""


class Manifest(Record):
    """What is known of a program besides its code and the types of its arguments and results: numbers and bytes only."""

    results: tuple[int | bytes, ...]
    """For each the pointer that it lies at, the arguments' first and then those of memory for results; or a constant."""
    arena: int
    """Bytes that it works in."""
    overwritten: tuple[int, ...]
    """The numbers of the arguments in whose memory results are."""
    given: tuple[int, ...]
    """Those, and of the donated arguments those that are results as they are."""
    called_back: tuple[tuple[int, int], ...]
    """The steps that Python runs, each with the number of its equation among all."""
    keeps_journal: bool
    """Whether it has effects that a second run, by NumPy, must not repeat."""
    is_long: bool
    """Whether other threads are to run Python meanwhile."""
    is_parallel: bool
    """Whether there are loops that more than one thread can run."""


class Callee(Record, eq=False):
    """A loaded program, as a recipe calls it."""

    manifest: Manifest
    arguments: tuple[ShapedArray, ...]
    results: tuple[ShapedArray, ...]
    address: int
    host: int
    afterwards: Callable[[int, int], bool]
    """`(status, warnings)`: says what happened; whether NumPy's backend is to run the program for its error."""
    arena: Array
    """A word: the address of memory for temporaries, or 0 while a call works in it."""
    keep: object
    """What must live as long as these addresses are used."""


class _Frame(Record, eq=False):
    """What one call works in."""

    memory: Array
    arena: int
    """Where the memory is: the program's temporaries."""
    noted: ctypes.c_int64
    """What the program notes of warnings."""
    place: int
    """Where that is."""


class LoadedProgram(Vectorcallable):
    """Machine code for a jaxpr, `original`, which is asked for when Python is to run something of it."""

    def __init__(
        self,
        manifest: Manifest,
        library: Library,
        avals: tuple[Sequence[ShapedArray], Sequence[ShapedArray]],
        original: Callable[[], Jaxpr],
    ) -> None:
        self.manifest = manifest
        self.in_avals, self.out_avals = map(tuple, avals)
        self.overwritten = frozenset(manifest.overwritten)
        self._original = original
        self._library = library
        self._address = library.address(ENTRY)
        self._entry = _ENTRY(self._address)
        made = [self._is_made(number) for number in range(len(self.out_avals))]
        self.makes_results = all(made)
        """Whether each result is a new array; others are arguments, numbers, or another result."""
        new = [aval if is_made else _NOTHING for is_made, aval in zip(made, self.out_avals, strict=True)]
        self._shapes = [aval.shape for aval in new]
        self._dtypes = [_ADDRESS if is_stack(aval.dtype) else aval.dtype for aval in new]
        self._has_stacks = any(is_stack(aval.dtype) for aval in (*self.in_avals, *self.out_avals))
        self._empty = empty if any(is_large(aval.shape, aval.dtype) for aval in new) else np.empty
        is_served = not (self.overwritten or manifest.keeps_journal or self._has_stacks)
        self._calls, self._most_calls = 0, 2 + _MOST_RECIPES if is_served else 0
        self._frames: list[_Frame] = []
        self._shared: tuple[Array, Array] | None = None
        """The arena of calls from machine code, and the word that they find it by."""
        self._host = self._host_calls() if manifest.called_back else None
        self._serve()

    def _is_made(self, number: int) -> bool:
        return self.manifest.results[number] == len(self.in_avals) + number

    def _host_calls(self) -> HostCalls:
        """The steps that Python runs."""
        # Here and not above, as below: a program from disk loads what it needs and no more.
        from functrans.backends.llvm.host_calls import HostCalls

        eqns = [*self._original().all_eqns()]
        return HostCalls({step: eqns[number] for step, number in self.manifest.called_back})

    @property
    def callee(self) -> Callee | None:
        """The program as machine code calls it. None: it does not."""
        if self.manifest.keeps_journal or self._has_stacks:
            return None
        if self._shared is None:
            frame = self._frame()
            self._shared = frame.memory, np.array([frame.arena], np.int64)
        arena, word = self._shared
        services = ctypes.addressof(self._services)
        keep = (self._library, self._host, self._services, arena)
        return Callee(
            self.manifest, self.in_avals, self.out_avals, self._address, services, self._afterwards, word, keep
        )

    def _serve(self) -> None:
        """What machine code calls: see `services`."""
        self._services = (ctypes.c_void_p * SERVICES)()
        self._services[HOST] = None if self._host is None else id(self._host.run)
        self._services[PARALLEL] = ctypes.addressof(_ALONE)
        for i, name in enumerate(PYTHON):
            self._services[2 + i] = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p)
        if self.manifest.is_parallel:
            from functrans.backends.llvm.threads import pool

            self._services[PARALLEL] = ctypes.addressof(pool.CELL)
            pool.start()

    def __call__(self, *args: Array) -> Values:
        """The results for concrete arguments."""
        arrays = [contiguous(arg, aval) for arg, aval in zip(args, self.in_avals, strict=True)]
        token = set_trace(EVAL)  # for what is called back
        try:
            outs = self.run(arrays, args)
        finally:
            reset_trace(token)
        self._calls += 1
        if 2 < self._calls <= self._most_calls:  # twice, and a jitted function goes its own way into the program
            from functrans.backends.llvm.call.flat import serve_program

            serve_program(self, args)
        return tuple(self._result(i, arrays, outs) for i in range(len(outs)))

    def run(self, arrays: Sequence[Array], args: Sequence[Array]) -> list[Array]:
        """New arrays with the results, for arguments in C order; what is no new array has an empty one in its place.

        No trace is current but EVAL. `args` are the arguments as the caller gave them, for errors.
        """
        outs: list[Array] = list(map(self._empty, self._shapes, self._dtypes))
        if not self._has_stacks:
            self._enter(arrays, outs, args)
            return outs
        from functrans.backends.llvm.stack_values import StackExchange

        exchange = StackExchange(arrays)
        self._enter(exchange.arguments, [*outs, exchange.newest], args)
        return exchange.results(outs, self.out_avals)

    def _enter(self, arrays: Sequence[Array], outs: Sequence[Array], args: Sequence[Array]) -> None:
        """Run the machine code, from arguments to results."""
        journal = Journal() if self.manifest.keeps_journal else None
        frame = self._frame()
        frame.noted.value = 0
        try:
            with _WITHOUT if journal is None else journal.writing():
                status = self._entry(table(arrays), table(outs), frame.arena, frame.place, self._services)
            noted = frame.noted.value
        finally:
            if self._shared is None:
                self._frames.append(frame)
        if (status or noted) and self._afterwards(status, noted):
            self._refuse(args, journal)

    def _frame(self) -> _Frame:
        """Memory that no other call works in."""
        try:
            return self._frames.pop()
        except IndexError:  # asked before, it might be gone by now: other threads call too
            memory, noted = aligned(self.manifest.arena), ctypes.c_int64(0)
            return _Frame(memory, address(memory), noted, ctypes.addressof(noted))

    def of(self, original: Callable[[], Jaxpr]) -> Self:
        """The same program for another jaxpr of the same structure, whose lines are those to name in errors."""
        other = twin(self)
        other._original = original
        other._host = None if self._host is None else self._host.twin()
        other._serve()
        return other

    def _result(self, number: int, args: Sequence[Array], outs: Sequence[Array]) -> Array:
        where, aval = self.manifest.results[number], self.out_avals[number]
        if isinstance(where, bytes):
            value: Array = np.frombuffer(where, aval.dtype)[0]
            return value
        if where < len(args):
            value = args[where]
            return value if value.ndim else value[()]
        out = outs[where - len(args)]
        if where != len(args) + number:  # one value as two results
            out = out.reshape(aval.shape)
        return out if out.ndim else out[()]

    # ---- errors ----

    def _raise_of(self, status: int) -> None:
        """Raise what was raised while the program ran, if anything was."""
        error = None if self._host is None else self._host.error()
        if status < 0 or error is not None:
            program_failed()
        if status == OUT_OF_MEMORY:
            raise MemoryError("there is no memory left for what reverse mode keeps of the turns of a loop")
        if status == INTERRUPTED:
            raised = [self._services[ERROR + i] for i in range(3)]
            ctypes.pythonapi.PyErr_Restore(*map(ctypes.c_void_p, raised))  # ctypes sees it, and raises it
        elif error is not None:
            number = dict(self.manifest.called_back)[status - 1]
            eqn = next(islice(self._original().all_eqns(), number, None))
            say_where(error, eqn.prim.name, eqn.source)
            raise trimmed(error) if isinstance(error, FunctransError) else error

    def _afterwards(self, status: int, noted: int) -> bool:
        """Raise what was raised, warn; whether NumPy is to run the program, which will raise."""
        from functrans.backends.llvm.scalar_warnings import FAILED, say_again

        self._raise_of(status)
        if status or noted & FAILED:
            return True
        say_again(noted)
        return False

    def _refuse(self, args: Sequence[Array], journal: Journal | None) -> NoReturn:
        """Run the program on NumPy, which raises the error and says where."""
        with nullcontext() if journal is None else journal.reading():
            Program(self._original())(*args)
        raise AssertionError("machine code refused what NumPy takes")
