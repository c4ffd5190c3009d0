"""How a program asks something of the process that it runs in, by the table of pointers of `service_table`.

Imports the builder; start reading at `service`.
"""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, I64, PTR, Module, Value
from functrans.backends.llvm.service_table import ERROR, HOST, INTERRUPTED, PYTHON

__all__ = ["call_host", "interrupted", "python", "python_place", "service"]


def service(f: Function, services: Value, number: int) -> Value:
    return f.load(f.offset(services, number, PTR), PTR)


def interrupted(module: Module) -> Function:
    """`i64 interrupted(ptr services)`: lets the handlers of signals run; INTERRUPTED if one raised, else 0."""
    return module.shared("interrupted", lambda: _emit_interrupted(module))


def call_host(module: Module) -> Function:
    """`i64 call_host(ptr services, i64 step, ptr table)`: what the Python function gives; INTERRUPTED if it did not begin.

    Not by ctypes: what a handler raises as the function begins, that would print, and go on.
    """
    return module.shared("call_host", lambda: _emit_call_host(module))


def python_place(f: Function, services: Value, name: str) -> Value:
    """Where in the table the function of Python of a name is."""
    return f.offset(services, 2 + PYTHON.index(name), PTR)


def python(f: Function, services: Value, name: str) -> Value:
    """The function of Python of a name."""
    return f.load(python_place(f, services, name), PTR)


def _fetch(f: Function, services: Value) -> None:
    f.call_pointer(python(f, services, "PyErr_Fetch"), None, *(f.offset(services, ERROR + i, PTR) for i in range(3)))


def _emit_interrupted(module: Module) -> Function:
    f = Function(module, "interrupted", [("services", PTR)], I64)
    (services,) = f.args
    ensure = python(f, services, "PyGILState_Ensure")
    f.leave_if(f.icmp("eq", ensure, f.null()), 0)
    state = f.call_pointer(ensure, I32)
    raised = f.icmp("ne", f.call_pointer(python(f, services, "PyErr_CheckSignals"), I32), 0)
    with f.when(raised):
        _fetch(f, services)
    f.call_pointer(python(f, services, "PyGILState_Release"), None, state)
    f.ret(f.select(raised, f.index(INTERRUPTED), f.index(0)))
    return f


def _emit_call_host(module: Module) -> Function:
    f = Function(module, "call_host", [("services", PTR), ("step", I64), ("table", PTR)], I64)
    services, step, table = f.args
    state = f.call_pointer(python(f, services, "PyGILState_Ensure"), I32)
    number, forget = python(f, services, "PyLong_FromLongLong"), python(f, services, "Py_DecRef")
    given = [f.call_pointer(number, PTR, x) for x in (step, f.cast("ptrtoint", table, I64))]
    args = f.stack(PTR, len(given))
    for i, one in enumerate(given):
        f.store(one, f.offset(args, i, PTR), 8)
    call = python(f, services, "PyObject_Vectorcall")
    result = f.call_pointer(call, PTR, service(f, services, HOST), args, f.index(len(given)), f.null())
    for one in given:
        f.call_pointer(forget, None, one)

    def status() -> Value:
        found = f.call_pointer(python(f, services, "PyLong_AsLongLong"), I64, result)
        f.call_pointer(forget, None, result)
        return found

    def raised() -> Value:
        _fetch(f, services)
        return f.index(INTERRUPTED)

    found = f.choose(f.icmp("eq", result, f.null()), raised, status)
    f.call_pointer(python(f, services, "PyGILState_Release"), None, state)
    f.ret(found)
    return f
