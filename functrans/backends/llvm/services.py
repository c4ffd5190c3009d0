"""What a program asks of the process that it runs in: a table of pointers, the last argument of every program.

Object code that stands alone has an empty one. Imports the builder; start reading at `SERVICES`.
"""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, I64, PTR, Module, Value

__all__ = ["ERROR", "HOST", "INTERRUPTED", "PARALLEL", "SERVICES", "SIGNALS", "interrupted", "service"]

HOST = 0
"""The function that runs a callback to NumPy."""
PARALLEL = 1
"""The cell with the function that runs chunks in parallel, or null."""
SIGNALS = ("PyGILState_Ensure", "PyGILState_Release", "PyErr_CheckSignals", "PyErr_Fetch")
"""Python's functions that let signals' handlers run, from number 2 on."""
ERROR = 2 + len(SIGNALS)
"""Three words: what a handler raised."""
SERVICES = ERROR + 3

INTERRUPTED = -1
"""What a program gives when a handler raised."""


def service(f: Function, services: Value, number: int) -> Value:
    return f.load(f.offset(services, number, PTR), PTR)


def interrupted(module: Module) -> Function:
    """`i64 interrupted(ptr services)`: lets the handlers of signals run; INTERRUPTED if one raised, else 0."""
    return module.shared("interrupted", lambda: _emit(module))


def _emit(module: Module) -> Function:
    f = Function(module, "interrupted", [("services", PTR)], I64)
    (services,) = f.args
    ensure, release, check, fetch = (service(f, services, 2 + i) for i in range(len(SIGNALS)))
    f.leave_if(f.icmp("eq", ensure, f.null()), 0)
    state = f.call_pointer(ensure, I32)
    raised = f.icmp("ne", f.call_pointer(check, I32), 0)
    with f.when(raised):
        f.call_pointer(fetch, None, *(f.offset(services, ERROR + i, PTR) for i in range(3)))
    f.call_pointer(release, None, state)
    f.ret(f.select(raised, f.index(INTERRUPTED), f.index(0)))
    return f
