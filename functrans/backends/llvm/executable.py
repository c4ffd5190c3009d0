"""A compiled program as a callable over NumPy arrays.

Arguments are made contiguous, results are allocated, and one call of ctypes runs the whole program, without the GIL. What has
no native code calls back. Imports the program's emitter and the engine; start reading at `NativeProgram.__call__`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import NamedTuple, NoReturn

import numpy as np

from functrans.backends.llvm.buffers import address, aligned, contiguous, table
from functrans.backends.llvm.call.callee import Callee
from functrans.backends.llvm.elements import is_known
from functrans.backends.llvm.engine import Library, load
from functrans.backends.llvm.host_calls import HostCalls
from functrans.backends.llvm.program import BACKEND, ENTRY, emit_program
from functrans.backends.llvm.refusal import refuses
from functrans.backends.llvm.scalar_warnings import FAILED, say_again
from functrans.backends.llvm.services import ERROR, HOST, INTERRUPTED, PARALLEL, PYTHON, SERVICES
from functrans.backends.llvm.target import host
from functrans.backends.llvm.threads import pool
from functrans.backends.numpy import Program
from functrans.backends.vectorcall import Vectorcallable, twin
from functrans.compiler.nodes import Host, Node
from functrans.compiler.options import Options
from functrans.compiler.plan import make_plan
from functrans.compiler.steps import Argument, Output, Plan
from functrans.core.aval import shaped
from functrans.core.effects import Journal, program_failed
from functrans.core.ir import Jaxpr, Literal, Var
from functrans.core.primitive import EVAL, Values, reset_trace, set_trace, strong
from functrans.core.recycled import empty, is_large
from functrans.core.source import say_where, trimmed
from functrans.errors import FunctransError
from functrans.typing import Array

__all__ = ["NativeProgram"]

_MOST_RECIPES = 8
_ENTRY = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 5)
_NOTHING = shaped((0,), np.dtype(np.uint8))
_WITHOUT = nullcontext()


class _Frame(NamedTuple):
    """What one call works in."""

    memory: Array
    arena: int
    """Where the memory is: the program's temporaries."""
    noted: ctypes.c_int64
    """What the program notes of warnings."""
    place: int
    """Where that is."""


class NativeProgram(Vectorcallable):
    """A jaxpr as machine code."""

    def __init__(self, jaxpr: Jaxpr, options: Options = Options()) -> None:  # noqa: B008  # it is immutable
        self._original: Callable[[], Jaxpr] = lambda: jaxpr
        self._numbers = {id(eqn): i for i, eqn in enumerate(jaxpr.all_eqns())}
        self.plan = make_plan(jaxpr, BACKEND, options)
        self._steps = tuple(self.plan.all_steps())
        self.overwritten = self.plan.overwritten
        self._library = _compiled(self.plan)
        self._address = self._library.address(ENTRY)
        self._entry = _ENTRY(self._address)
        self.out_avals = jaxpr.out_avals
        made = [self._is_output(i, atom) for i, atom in enumerate(self.plan.results)]
        self.makes_results = all(made)
        """Whether each result is a new array; others are arguments, numbers, or another result."""
        avals = [aval if is_made else _NOTHING for is_made, aval in zip(made, jaxpr.out_avals, strict=True)]
        self._shapes, self._dtypes = [aval.shape for aval in avals], [aval.dtype for aval in avals]
        self._empty = empty if any(is_large(aval.shape, aval.dtype) for aval in avals) else np.empty
        self._keeps_journal = jaxpr.has_effects and any(refuses(step.work) for step in self._steps)
        self._calls, self._most_calls = 0, 0 if self.overwritten or self._keeps_journal else 2 + _MOST_RECIPES
        self._frames: list[_Frame] = []
        self._shared: tuple[Array, Array] | None = None
        """The arena of calls from machine code, and the word that they find it by."""
        steps = {i: step.work for i, step in enumerate(self._steps)}
        self._host = HostCalls({i: work for i, work in steps.items() if isinstance(work, Node) and _is_host(work)})
        self._serve()

    @staticmethod
    def takes(jaxpr: Jaxpr) -> bool:
        """Whether machine code has the dtypes of all values."""
        made = (var.aval for eqn in jaxpr.all_eqns() for var in eqn.outvars)
        return all(is_known(aval.dtype) for aval in (*jaxpr.in_avals, *jaxpr.out_avals, *made))

    @property
    def callee(self) -> Callee | None:
        """The program as machine code calls it. None: it does not."""
        if self._keeps_journal:
            return None
        if self._shared is None:
            frame = self._frame()
            self._shared = frame.memory, np.array([frame.arena], np.int64)
        arena, word = self._shared
        services = ctypes.addressof(self._services)
        keep = (self._library, self._host, self._services, arena)
        return Callee(self.plan, self.out_avals, self._address, services, self._afterwards, word, keep)

    def _serve(self) -> None:
        """What machine code calls: see `services`."""
        self._services = (ctypes.c_void_p * SERVICES)()
        self._services[HOST] = id(self._host.run)
        self._services[PARALLEL] = ctypes.addressof(pool.CELL)
        for i, name in enumerate(PYTHON):
            self._services[2 + i] = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p)
        if any(step.chunks > 1 for step in self._steps):
            pool.start()

    def _is_output(self, number: int, atom: object) -> bool:
        return isinstance(atom, Var) and self.plan.places[atom] == Output(number)

    def __call__(self, *args: Array) -> Values:
        """The results for concrete arguments."""
        arrays = [contiguous(arg, var.aval) for arg, var in zip(args, self.plan.arguments, strict=True)]
        token = set_trace(EVAL)  # for what is called back
        try:
            outs = self.run(arrays, args)
        finally:
            reset_trace(token)
        self._calls += 1
        if 2 < self._calls <= self._most_calls:  # twice, and a jitted function goes its own way into the program
            # Here and not above: it loads the way into machine code, which many programs do not need.
            from functrans.backends.llvm.call.flat import serve_program

            serve_program(self, args)
        return tuple(self._result(i, arrays, outs) for i in range(len(outs)))

    def run(self, arrays: Sequence[Array], args: Sequence[Array]) -> list[Array]:
        """New arrays with the results, for arguments in C order; what is no new array has an empty one in its place.

        No trace is current but EVAL. `args` are the arguments as the caller gave them, for errors.
        """
        outs: list[Array] = list(map(self._empty, self._shapes, self._dtypes))
        journal = Journal() if self._keeps_journal else None
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
        return outs

    def _frame(self) -> _Frame:
        """Memory that no other call works in."""
        try:
            return self._frames.pop()
        except IndexError:  # asked before, it might be gone by now: other threads call too
            memory, noted = aligned(self.plan.arena), ctypes.c_int64(0)
            return _Frame(memory, address(memory), noted, ctypes.addressof(noted))

    def of(self, original: Callable[[], Jaxpr]) -> NativeProgram:
        """The same program for another jaxpr of the same structure, whose lines are those to name in errors."""
        other = twin(self)
        other._original = original
        other._host = self._host.twin()
        other._serve()
        return other

    def _result(self, number: int, args: Sequence[Array], outs: Sequence[Array]) -> Array:
        atom = self.plan.results[number]
        if isinstance(atom, Literal):
            return strong(atom.value)
        place = self.plan.places[atom]
        if isinstance(place, Argument):
            value = args[place.index]
            return value if value.ndim else value[()]
        assert isinstance(place, Output)
        out = outs[place.index]
        if place.index != number:  # one value as two results
            out = out.reshape(self.out_avals[number].shape)
        return out if out.ndim else out[()]

    # ---- errors ----

    def _raise_of(self, status: int) -> None:
        """Raise what was raised while the program ran, if anything was."""
        error = self._host.error()
        if status == INTERRUPTED or error is not None:
            program_failed()
        if status == INTERRUPTED:
            raised = [self._services[ERROR + i] for i in range(3)]
            ctypes.pythonapi.PyErr_Restore(*map(ctypes.c_void_p, raised))  # ctypes sees it, and raises it
        elif error is not None:
            node = self._steps[status - 1].work
            assert isinstance(node, Node)
            self._say_where(error, node)
            raise trimmed(error) if isinstance(error, FunctransError) else error

    def _afterwards(self, status: int, noted: int) -> bool:
        """Raise what was raised, warn; whether NumPy is to run the program, which will raise."""
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

    def _say_where(self, error: BaseException, node: Node) -> None:
        eqn = next(islice(self._original().all_eqns(), self._numbers[id(node.eqn)], None))
        say_where(error, eqn.prim.name, eqn.source)


def _compiled(plan: Plan) -> Library:
    target = host()
    module = emit_program(plan, target)
    symbols = {name: external.address() for name, external in module.externals.items()}
    return load(module.text(), target, (ENTRY,), symbols)


def _is_host(node: Node) -> bool:
    return isinstance(node.lowering, Host)
