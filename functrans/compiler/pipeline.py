"""The passes, in order, and the cache from a jaxpr's structure to the program compiled from it.

`compile_jaxpr` is what jit calls. Imports core, the passes and the backends.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from functrans.backends.numpy import Program
from functrans.compiler.cse import cse
from functrans.compiler.inline import inline
from functrans.core.dce import dce
from functrans.core.ir import Jaxpr, memoized
from functrans.core.primitive import Values

__all__ = ["PASSES", "Executable", "compile_jaxpr"]

PASSES: tuple[Callable[[Jaxpr], Jaxpr], ...] = (
    cse,  # what was computed before is not computed again
    dce,  # what no result needs is not computed
)

_CACHE_SIZE = 1024
_programs: OrderedDict[Hashable, Program] = OrderedDict()
_lock = Lock()

Executable = Callable[..., Values]
"""`(*arrays) -> results`, concrete values in and out; results may alias arguments."""


@memoized
def compile_jaxpr(jaxpr: Jaxpr) -> Executable:
    """The executable of a jaxpr, nested ones inlined. Jaxprs of one structure share one program; captured values are passed to it."""
    jaxpr = inline(jaxpr)
    with _lock:
        program = _programs.get(jaxpr.key)
    if program is None:
        program = Program(optimize(jaxpr.with_consts_as_inputs()))
        with _lock:  # only a program that was made in full is ever stored
            _programs[jaxpr.key] = program
            while len(_programs) > _CACHE_SIZE:
                _programs.popitem(last=False)
    consts = jaxpr.consts
    return program if not consts else lambda *args: program(*consts, *args)


def optimize(jaxpr: Jaxpr) -> Jaxpr:
    """The jaxpr after all passes."""
    for transform in PASSES:
        jaxpr = transform(jaxpr)
    return jaxpr
