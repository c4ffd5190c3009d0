"""From a jaxpr to a callable: the passes, the backend, and the cache from a jaxpr's structure to its program.

The backend is machine code by llvmlite. NumPy's serves where there is no llvmlite, for dtypes that machine code does not
have, and where the environment says FUNCTRANS_BACKEND=numpy. Imports core, the compiler and the backends. Start reading
at `compile_jaxpr`.
"""

from __future__ import annotations

import gc
import os
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, TypeAlias

from functrans.backends.numpy import Program
from functrans.compiler.inline import inline
from functrans.compiler.options import Options
from functrans.core.ir import Jaxpr, memoized
from functrans.core.locks import fork_safe
from functrans.core.primitive import Values
from functrans.record import NamedTuple
from functrans.typing import Array

if TYPE_CHECKING:
    from functrans.backends.llvm.executable import Save
    from functrans.backends.llvm.loaded import LoadedProgram

__all__ = ["IMPORTED", "Executable", "clear_programs", "compile_jaxpr", "optimized", "why_numpy"]

AnyProgram: TypeAlias = "Program | LoadedProgram"

IMPORTED = time_ns() - 10**9
"""When all that was imported until now was still to be read: a second ago."""

_CACHE_SIZE = 1024
_programs: OrderedDict[Hashable, AnyProgram] = OrderedDict()
_lock = fork_safe(Lock())
_WHY_NUMPY = (
    "the environment says FUNCTRANS_BACKEND=numpy" if os.environ.get("FUNCTRANS_BACKEND", "llvm") != "llvm"
    else "llvmlite is not installed" if find_spec("llvmlite") is None
    else ""
)  # fmt: skip


class Executable(NamedTuple):
    """`(*arrays) -> results`, concrete values in and out; results may alias arguments."""

    program: AnyProgram
    consts: Values
    """Captured values, the program's first arguments."""

    def __call__(self, *args: Array) -> Values:
        return self.program(*self.consts, *args)

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """As a call, for machine code whose results are all new and which takes these arrays as they are."""
        assert not isinstance(self.program, Program)
        every = [*self.consts, *arrays]
        return self.program.run(every, every)

    @property
    def overwritten(self) -> list[int]:
        """The numbers of the arguments in whose memory results are: the program trusts that it may write there."""
        return [i - len(self.consts) for i in self.program.overwritten]


@memoized
def compile_jaxpr(jaxpr: Jaxpr, options: Options = Options()) -> Executable:  # noqa: B008  # it is immutable
    """The executable of a jaxpr. Jaxprs of one structure share one program, to which captured values are passed.

    It may write over the arguments that `overwritten` says, if options say that they are donated.
    """
    flat = inline(jaxpr)  # before the key is taken: rules of custom derivatives are no part of it
    options = options.behind(len(flat.consts))
    consts, key, flat = flat.consts, (flat.key, options), flat.with_consts_as_inputs()
    program = _find(key)
    if program is None:
        with _without_collecting():
            program = _program(flat, options)
        _store(key, program)
    else:  # equations that are alike come from other lines of the user
        program = program.of(partial(optimized, flat))
    return Executable(program, consts)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Python's collector of cycles rests: it would walk over all objects of the process, a third of a compilation's time.

    Nearly all that a compilation makes goes with its last reference.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _program(jaxpr: Jaxpr, options: Options) -> AnyProgram:
    """The program of a jaxpr: from disk, or compiled now."""
    if _WHY_NUMPY:
        return Program(optimized(jaxpr))
    # Here and not above, as below: a program that comes from disk needs no compiler, and eager code needs neither.
    from functrans.backends.llvm.stored import StoredProgram

    stored = StoredProgram(jaxpr, options)
    return stored.load(partial(optimized, jaxpr)) or _compiled(optimized(jaxpr), options, stored.save)


def _compiled(jaxpr: Jaxpr, options: Options, save: Save) -> AnyProgram:
    from functrans.backends.llvm.executable import NativeProgram

    return NativeProgram(jaxpr, options, save) if NativeProgram.takes(jaxpr) else Program(jaxpr)


@memoized
def optimized(jaxpr: Jaxpr) -> Jaxpr:
    """The jaxpr after all passes."""
    from functrans.compiler.pipeline import optimize

    return optimize(jaxpr)


def _find(key: Hashable) -> AnyProgram | None:
    with _lock:
        program = _programs.get(key)
        if program is not None:
            _programs.move_to_end(key)
        return program


def _store(key: Hashable, program: AnyProgram) -> None:
    with _lock:  # only a program that was made in full is ever stored
        _programs[key] = program
        if len(_programs) > _CACHE_SIZE:
            _programs.popitem(last=False)


def clear_programs() -> None:
    """Forget all programs."""
    with _lock:
        _programs.clear()


def why_numpy() -> str:
    """Why no program is machine code; empty where they are."""
    return _WHY_NUMPY
