"""Steps that make the results: memory for the program, the program itself, arrays and numbers, and the tree that they are in.

A step that fails has raised. Imports `steps` and `layout`; start reading at `_run`.
"""

from __future__ import annotations

from functrans.backends.llvm.call.layout import layout
from functrans.backends.llvm.call.steps import MISS, RAISED, Step, Steps
from functrans.backends.llvm.call.words import RUN_WORDS
from functrans.backends.llvm.ir import F64, I32, I64, PTR, Value

__all__ = ["RESULT_STEPS"]

# ---- before the program ----


def _pointer(f: Step) -> None:
    """[address, memory]: of a captured array."""
    f.store(f.pointer(1), f.memory_place(2))


def _place(f: Step) -> None:
    """[memory of the address, memory of the value]: where the program writes a number."""
    f.store(f.memory_place(2), f.memory_place(1))


def _empty(f: Step, descr: int, ndim: int, dims: int) -> Value:
    """A new array; the numbers are those of the record's words."""
    kind = f.pointer(descr)
    f.hold(kind)  # which the call takes over
    null, zero = f.null(), f.const(0, I32)
    rank = f.cast("trunc", f.word(ndim), I32)
    array = f.pointer(_ARRAY)
    return f.raise_if_null(f.python("PyArray_NewFromDescr", array, kind, rank, f.pointer(dims), null, null, zero, null))


_ARRAY = 1
"""The word of the records below that has NumPy's type of arrays."""


def _array(f: Step) -> None:
    """[type, descr, ndim, dims, made, memory]"""
    made = _empty(f, 2, 3, 4)
    f.store(made, f.object_place(5))
    f.store(f.field(made, layout.data), f.memory_place(6))


def _large_array(f: Step) -> None:
    """[function, made, memory]: what a function of Python gives, whose memory may be that of an array that is gone."""
    made = f.raise_if_null(f.python("PyObject_Vectorcall", f.pointer(1), f.null(), f.index(0), f.null()))
    f.store(made, f.object_place(2))
    f.store(f.field(made, layout.data), f.memory_place(3))


# ---- the program ----

_LINE = 64


def _run(f: Step) -> None:
    """[table]: the arguments' addresses are the first words of memory."""
    known = {name: f.load(f.offset(f.pointer(1), i, I64), I64) for i, name in enumerate(RUN_WORDS)}
    program, host, slot = (f.value(PTR, f"inttoptr i64 {known[name]} to ptr") for name in ("program", "host", "arena"))
    kept = f.load(slot, PTR)
    f.store(f.null(), slot)
    is_taken = f.icmp("eq", kept, f.null())
    fresh = f.choose(is_taken, lambda: _allocated(f, known["arena_bytes"]), f.null)
    with f.when(is_taken & f.icmp("eq", fresh, f.null())):
        f.call_symbol("PyErr_NoMemory", PTR)
    f.leave_if(is_taken & f.icmp("eq", fresh, f.null()), RAISED)
    arena = f.select(is_taken, _aligned(f, fresh), kept)
    memory = f.args[2]
    noted = f.offset(memory, known["warnings"], I64)
    f.store(f.index(0), noted)
    given = (memory, f.offset(memory, known["results"], PTR), arena, noted, host)
    is_long = f.icmp("ne", known["is_long"], 0)
    thread = f.choose(is_long, lambda: f.python("PyEval_SaveThread"), f.null)
    status = f.call_pointer(program, I64, *given)
    with f.when(is_long):
        f.call_symbol("PyEval_RestoreThread", None, thread)
    with f.when(is_taken) as branch:
        f.call_symbol("PyMem_RawFree", None, fresh)
        branch.otherwise()
        f.store(kept, slot)
    _report(f, status, f.load(noted, I64), known["afterwards"])


def _allocated(f: Step, size: Value) -> Value:
    return f.python("PyMem_RawMalloc", size + _LINE)


def _aligned(f: Step, address: Value) -> Value:
    number = f.value(I64, f"ptrtoint ptr {address} to i64")
    return f.value(PTR, f"inttoptr i64 {(number + (_LINE - 1)) & -_LINE} to ptr")


def _report(f: Step, status: Value, noted: Value, afterwards: Value) -> None:
    """Tell Python what happened: it raises, warns and gives False, or gives True where NumPy is to run instead."""
    with f.when(f.icmp("ne", status | noted, 0)):
        given = f.stack(PTR, 2)
        for i, x in enumerate((status, noted)):
            f.store(f.raise_if_null(f.python("PyLong_FromLongLong", x)), f.offset(given, i, PTR))
        function = f.value(PTR, f"inttoptr i64 {afterwards} to ptr")
        answer = f.python("PyObject_Vectorcall", function, given, f.index(2), f.null())
        for i in range(2):
            f.release(f.load(f.offset(given, i, PTR), PTR))
        f.raise_if_null(answer)
        again = f.call_symbol("PyObject_IsTrue", I32, answer)
        f.release(answer)
        f.leave_if(f.icmp("ne", again, 0), MISS)


# ---- after the program ----


def _scalar(f: Step) -> None:
    """[memory of the address, descr, made]: a NumPy scalar."""
    data = f.load(f.memory_place(1), PTR)
    f.store(f.raise_if_null(f.python("PyArray_Scalar", data, f.pointer(2), f.null())), f.object_place(3))


def _float(f: Step) -> None:
    """[memory of the address, made]: a Python number, here and below."""
    number = f.load(f.load(f.memory_place(1), PTR), F64)
    f.store(f.raise_if_null(f.python("PyFloat_FromDouble", number)), f.object_place(2))


def _int(f: Step) -> None:
    number = f.load(f.load(f.memory_place(1), PTR), I64)
    f.store(f.raise_if_null(f.python("PyLong_FromLongLong", number)), f.object_place(2))


def _complex(f: Step) -> None:
    data = f.load(f.memory_place(1), PTR)
    parts = [f.load(f.offset(data, i, F64), F64) for i in range(2)]
    f.store(f.raise_if_null(f.python("PyComplex_FromDoubles", *parts)), f.object_place(2))


def _constant(f: Step) -> None:
    """[object, made]"""
    f.store(f.hold(f.pointer(1)), f.object_place(2))


def _same(f: Step) -> None:
    """[object, made]: an argument."""
    f.store(f.hold(f.object(1)), f.object_place(2))


def _copy(f: Step) -> None:
    """[type, descr, ndim, dims, made, memory of the address, bytes]: a new array with what lies at an address."""
    made = _empty(f, 2, 3, 4)
    f.store(made, f.object_place(5))
    f.copy(f.field(made, layout.data), f.load(f.memory_place(6), PTR), f.word(7))


# ---- trees: [first part, parts, made, …] ----


def _list(f: Step) -> None:
    _sequence(f, "PyList")


def _tuple(f: Step) -> None:
    _sequence(f, "PyTuple")


def _sequence(f: Step, kind: str) -> None:
    parts, made = f.object_place(1), f.raise_if_null(f.python(f"{kind}_New", f.word(2)))
    f.store(made, f.object_place(3))
    with f.loop(0, f.word(2)) as loop:
        place = f.offset(parts, loop.index, PTR)
        f.call_symbol(f"{kind}_SetItem", I32, made, loop.index, f.load(place, PTR))
        f.store(f.null(), place)  # the sequence holds it now


def _dict(f: Step) -> None:
    """[..., keys]"""
    parts, keys, made = f.object_place(1), f.pointer(4), f.raise_if_null(f.python("PyDict_New"))
    f.store(made, f.object_place(3))
    with f.loop(0, f.word(2)) as loop:
        key, part = (f.load(f.offset(table, loop.index, PTR), PTR) for table in (keys, parts))
        f.leave_if(f.icmp("ne", f.call_symbol("PyDict_SetItem", I32, made, key, part), 0), RAISED)


def _called(f: Step) -> None:
    """[first part, positional parts, made, function, names of the other parts]: what a function makes of the parts."""
    made = f.python("PyObject_Vectorcall", f.pointer(4), f.object_place(1), f.word(2), f.pointer(5))
    f.store(f.raise_if_null(made), f.object_place(3))


RESULT_STEPS: Steps = {
    "captured": _pointer, "place": _place, "new_array": _array, "new_large_array": _large_array, "run": _run,
    "new_scalar": _scalar, "new_float": _float, "new_int": _int, "new_complex": _complex, "constant": _constant, "same": _same,
    "copy": _copy, "new_list": _list, "new_tuple": _tuple, "new_dict": _dict, "called": _called,
}  # fmt: skip
