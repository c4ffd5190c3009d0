"""A compiled program as a callable over NumPy arrays.

Arguments are made contiguous, results are allocated, and one call of ctypes runs the whole program, without the GIL. What has
no native code calls back. Imports the program's emitter and the engine; start reading at `NativeProgram.__call__`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any, NoReturn

import numpy as np

from functrans.backends.llvm.call.callee import Callee
from functrans.backends.llvm.elements import is_known
from functrans.backends.llvm.engine import Library, load
from functrans.backends.llvm.host_calls import HostCalls
from functrans.backends.llvm.program import BACKEND, ENTRY, emit_program
from functrans.backends.llvm.refusal import refuses
from functrans.backends.llvm.scalar_warnings import FAILED, say_again
from functrans.backends.llvm.services import ERROR, HOST, INTERRUPTED, PARALLEL, SERVICES, SIGNALS
from functrans.backends.llvm.target import host
from functrans.backends.llvm.threads import pool
from functrans.backends.numpy import Program
from functrans.backends.vectorcall import Vectorcallable, twin
from functrans.compiler.nodes import Host, Node
from functrans.compiler.options import Options
from functrans.compiler.plan import make_plan
from functrans.compiler.steps import Argument, Output, Plan
from functrans.core.effects import Journal
from functrans.core.ir import Jaxpr, Literal, Var
from functrans.core.primitive import EVAL, Values, reset_trace, set_trace, strong
from functrans.core.recycled import empty
from functrans.core.source import say_where, trimmed
from functrans.errors import FunctransError
from functrans.typing import Array

__all__ = ["NativeProgram"]

_LINE = 64
_MOST_RECIPES = 8
_ENTRY = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 5)


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
        self._arguments = [(var.aval.shape, var.aval.dtype) for var in self.plan.arguments]
        self._outputs = [
            (aval.shape, aval.dtype) if self._is_output(i, atom) else None
            for i, (atom, aval) in enumerate(zip(self.plan.results, jaxpr.out_avals, strict=True))
        ]
        self._avals = jaxpr.out_avals
        self._keeps_journal = jaxpr.has_effects and any(refuses(step.work) for step in self._steps)
        self._calls, self._most_calls = 0, 0 if self.overwritten or self._keeps_journal else 2 + _MOST_RECIPES
        self._arenas: list[Array] = []
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
            arena = self._arena()
            self._shared = arena, np.array([_address(arena)], np.int64)
        arena, word = self._shared
        services = ctypes.addressof(self._services)
        keep = (self._library, self._host, self._services, arena)
        return Callee(self.plan, self._avals, self._address, services, self._afterwards, word, keep)

    def _serve(self) -> None:
        """What machine code calls: see `services`."""
        self._services = (ctypes.c_void_p * SERVICES)()
        self._services[HOST] = self._host.address
        self._services[PARALLEL] = ctypes.addressof(pool.CELL)
        for i, name in enumerate(SIGNALS):
            self._services[2 + i] = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p)
        if any(step.chunks > 1 for step in self._steps):
            pool.start()

    def _is_output(self, number: int, atom: object) -> bool:
        return isinstance(atom, Var) and self.plan.places[atom] == Output(number)

    def __call__(self, *args: Array) -> Values:
        """The results for concrete arguments."""
        arrays = [_contiguous(arg, *type_) for arg, type_ in zip(args, self._arguments, strict=True)]
        outs = [None if type_ is None else empty(*type_) for type_ in self._outputs]
        arena = self._arena()
        flags = ctypes.c_int64(0)
        journal = Journal() if self._keeps_journal else None
        token = set_trace(EVAL)  # for what is called back
        try:
            pointers, results = _pointers(arrays), _pointers(outs)
            with nullcontext() if journal is None else journal.writing():
                status = self._entry(pointers, results, _address(arena), ctypes.addressof(flags), self._services)
            if status:
                self._fail(status, args, journal)
        finally:
            reset_trace(token)
            if self._shared is None:
                self._arenas.append(arena)
        if flags.value & FAILED:
            self._refuse(args, journal)
        if flags.value:
            say_again(flags.value)
        self._calls += 1
        if 2 < self._calls <= self._most_calls:  # twice, and a jitted function goes its own way into the program
            # Here and not above: it loads the way into machine code, which many programs do not need.
            from functrans.backends.llvm.call.flat import serve_program

            callee = self.callee
            assert callee is not None
            serve_program(self, callee, args)
        return tuple(self._result(i, arrays, outs) for i in range(len(outs)))

    def _arena(self) -> Array:
        """Memory for temporaries that no other call works in."""
        try:
            return self._arenas.pop()
        except IndexError:  # asked before, it might be gone by now: other threads call too
            return _aligned(self.plan.arena)

    def of(self, original: Callable[[], Jaxpr]) -> NativeProgram:
        """The same program for another jaxpr of the same structure, whose lines are those to name in errors."""
        other = twin(self)
        other._original = original
        other._host = self._host.twin()
        other._serve()
        return other

    def _result(self, number: int, args: Sequence[Array], outs: Sequence[Array | None]) -> Array:
        atom = self.plan.results[number]
        if isinstance(atom, Literal):
            return strong(atom.value)
        place = self.plan.places[atom]
        if isinstance(place, Argument):
            value = args[place.index]
            return value if value.ndim else value[()]
        assert isinstance(place, Output)
        out = outs[place.index]
        assert out is not None
        if place.index != number:  # one value as two results
            out = out.reshape(self._avals[number].shape)
        return out if out.ndim else out[()]

    # ---- errors ----

    def _fail(self, status: int, args: Sequence[Array], journal: Journal | None) -> None:
        """Raise what the callback of a step or a signal's handler raised; where a kernel refused, what NumPy says of it."""
        self._raise_of(status)
        self._refuse(args, journal)

    def _raise_of(self, status: int) -> None:
        """Raise what was raised while the program ran, if anything was."""
        error = self._host.error()
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


# ---- memory ----


def _contiguous(arg: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An argument as its memory is read: in C order, aligned, of the dtype."""
    if type(arg) is np.ndarray and arg.flags.carray:
        return arg
    return np.require(strong(arg), dtype, ("C", "A")).reshape(shape)


def _aligned(size: int) -> Array:
    memory = np.empty(size + _LINE, np.uint8)
    start = -_address(memory) % _LINE
    return memory[start : start + size]


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _pointers(arrays: Sequence[Array | None]) -> Any:  # Any: a ctypes array
    addresses = [0 if array is None else _address(array) for array in arrays]
    return (ctypes.c_void_p * max(len(addresses), 1))(*addresses)
