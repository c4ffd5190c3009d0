"""Steps that check arguments and what was read from outside, and that find the arrays and numbers in them.

Each misses where the call is of another kind. Objects that they find are held until the call ends. Imports `steps` and
`layout`; start reading at `_array`.
"""

from __future__ import annotations

from functrans.backends.llvm.call.layout import layout
from functrans.backends.llvm.call.steps import Step, Steps
from functrans.backends.llvm.ir import F64, I1, I8, I32, I64, PTR, Value

__all__ = ["ARGUMENT_STEPS"]


def _identical(f: Step) -> None:
    """[object, expected]"""
    f.miss_unless(f.icmp("eq", f.object(1), f.pointer(2)))


def _never(f: Step) -> None:
    """[]: what was watched is gone."""
    f.miss_unless(f.const(0, I1))


_READY = 0x101
"""NumPy's flags of an array in C order and aligned."""
_C_ORDER = 0


def _array(f: Step) -> None:
    """[object, type, descr, ndim, dims, copy, memory]: puts the address of the data into memory.

    The data of an array that does not lie in C order are those of a copy.
    """
    x = f.object(1)
    _require_array(f, x)
    is_ready = _has_flags(f, x, _READY)

    def copied() -> Value:
        made = f.raise_if_null(f.python("PyArray_NewCopy", x, f.const(_C_ORDER, I32)))
        f.store(made, f.object_place(6))
        return f.field(made, layout.data)

    f.store(f.choose(is_ready, lambda: f.field(x, layout.data), copied), f.memory_place(7))


def _has_flags(f: Step, x: Value, flags: int) -> Value:
    return f.icmp("eq", f.field(x, layout.flags, wide=False) & flags, flags)


def _ready(f: Step) -> None:
    """[object]: an array of which no copy was made."""
    f.miss_unless(_has_flags(f, f.object(1), _READY))


_OWNED = 0x404
"""NumPy's flags of an array that may be written and owns its memory."""


def _donated(f: Step) -> None:
    """[object, memory of its address, bytes, arguments, their bytes]: an array that has its memory for itself.

    It must own it, and no other argument may overlap with it. The arguments' addresses are the first words of memory.
    """
    f.miss_unless(_has_flags(f, f.object(1), _READY | _OWNED))
    start, size, sizes = f.load(f.memory_place(2), I64), f.word(3), f.pointer(5)
    with f.loop(0, f.word(4)) as loop:
        other = f.load(f.offset(f.args[2], loop.index, I64), I64)
        end = other + f.load(f.offset(sizes, loop.index, I64), I64)
        is_apart = f.icmp("ule", start + size, other) | f.icmp("ule", end, start)
        f.miss_unless(is_apart | f.icmp("eq", loop.index, f.word(2)))


def _watched_array(f: Step) -> None:
    """[object, type, descr, ndim, dims]: an array that was read from outside, which the program does not read again."""
    _require_array(f, f.object(1))


def _require_array(f: Step, x: Value) -> None:
    """Miss unless an object is an array of the shape and dtype in the record's words 2 to 5."""
    f.require_type(x, 2)
    ndim = f.word(4)
    same = f.icmp("eq", f.field(x, layout.descr), f.pointer(3))
    f.miss_unless(same & f.icmp("eq", f.cast("zext", f.field(x, layout.ndim, wide=False), I64), ndim))
    dims, expected = f.field(x, layout.dims), f.pointer(5)
    with f.loop(0, ndim) as loop:
        sizes = [f.load(f.offset(sizes, loop.index, I64), I64) for sizes in (dims, expected)]
        f.miss_unless(f.icmp("eq", *sizes))


# ---- numbers ----


def _number(f: Step) -> tuple[Value, Value]:
    """[object, type, memory of the address, memory of the value]: the object, and where its value is to be written."""
    x, place = f.object(1), f.memory_place(4)
    f.require_type(x, 2)
    f.store(place, f.memory_place(3))
    return x, place


def _float(f: Step) -> None:
    x, place = _number(f)
    f.store(f.call_symbol("PyFloat_AsDouble", F64, x), place)


def _int(f: Step) -> None:
    x, place = _number(f)
    overflow = f.stack(I32, 1)
    f.store(f.call_symbol("PyLong_AsLongLongAndOverflow", I64, x, overflow), place)
    f.miss_unless(f.icmp("eq", f.load(overflow, I32), 0))


def _bool(f: Step) -> None:
    """[..., True]"""
    x, place = _number(f)
    f.store(f.cast("zext", f.icmp("eq", x, f.pointer(5)), I8), place)


def _complex(f: Step) -> None:
    x, place = _number(f)
    for i, part in enumerate(("Real", "Imag")):
        f.store(f.call_symbol(f"PyComplex_{part}AsDouble", F64, x), f.offset(place, i, F64))


def _numpy_scalar(f: Step) -> None:
    x, place = _number(f)
    f.call_symbol("PyArray_ScalarAsCtype", None, x, place)


# ---- containers: [object, type, count, first of the found, …] ----


def _items(f: Step, items: Value) -> None:
    """Hold what a list or tuple has."""
    first = f.object_place(4)
    with f.loop(0, f.word(3)) as loop:
        f.store(f.hold(f.load(f.offset(items, loop.index, PTR), PTR)), f.offset(first, loop.index, PTR))


def _list(f: Step) -> None:
    x = f.object(1)
    f.require_type(x, 2)
    f.miss_unless(f.icmp("eq", f.size(x), f.word(3)))
    _items(f, f.field(x, layout.list_items))


def _tuple(f: Step) -> None:
    x = f.object(1)
    f.require_type(x, 2)
    f.miss_unless(f.icmp("eq", f.size(x), f.word(3)))
    _items(f, f.offset(x, layout.tuple_items, I8))


def _dict(f: Step) -> None:
    """[..., keys]"""
    x, first, keys = f.object(1), f.object_place(4), f.pointer(5)
    f.require_type(x, 2)
    f.miss_unless(f.icmp("eq", f.call_symbol("PyDict_Size", I64, x), f.word(3)))
    with f.loop(0, f.word(3)) as loop:
        key = f.load(f.offset(keys, loop.index, PTR), PTR)
        f.store(
            f.hold(f.miss_if_missing(f.python("PyDict_GetItemWithError", x, key))), f.offset(first, loop.index, PTR)
        )


def _attributes(f: Step) -> None:
    """[..., names]"""
    x, first, names = f.object(1), f.object_place(4), f.pointer(5)
    f.require_type(x, 2)
    with f.loop(0, f.word(3)) as loop:
        name = f.load(f.offset(names, loop.index, PTR), PTR)
        f.store(f.miss_if_missing(f.python("PyObject_GetAttr", x, name)), f.offset(first, loop.index, PTR))


def _flattened(f: Step) -> None:
    """[object, list, count, first, function]: the items of the list of leaves that a function gives; no list is a miss."""
    given = f.stack(PTR, 1)
    f.store(f.object(1), given)
    found = f.miss_if_missing(f.python("PyObject_Vectorcall", f.pointer(5), given, f.index(1), f.null()))
    is_list = f.icmp("eq", f.field(found, layout.type), f.pointer(2))
    with f.when(is_list):
        _items(f, f.field(found, layout.list_items))
    f.release(found)
    f.miss_unless(is_list)


# ---- what was read from outside ----


def _context(f: Step) -> None:
    """[variable, expected]: of a contextvar."""
    value = f.stack(PTR, 1)
    f.call_symbol("PyContextVar_Get", I32, f.pointer(1), f.null(), value)
    found = f.load(value, PTR)
    f.release(found)  # the variable's default or the context holds it
    f.miss_unless(f.icmp("eq", found, f.pointer(2)))


def _item(f: Step) -> None:
    """[dict, key, found]"""
    found = f.miss_if_missing(f.python("PyDict_GetItemWithError", f.pointer(1), f.pointer(2)))
    f.store(f.hold(found), f.object_place(3))


def _cell(f: Step) -> None:
    """[cell, found]"""
    f.store(f.miss_if_missing(f.python("PyCell_Get", f.pointer(1))), f.object_place(2))


def _attribute(f: Step) -> None:
    """[object, name, found]: what is in the object's own dictionary."""
    own = f.miss_if_missing(f.python("PyObject_GenericGetDict", f.pointer(1), f.null()))
    found = f.python("PyDict_GetItemWithError", own, f.pointer(2))
    with f.when(f.icmp("ne", found, f.null())):
        f.hold(found)
    f.release(own)
    f.store(f.miss_if_missing(found), f.object_place(3))


def _function(f: Step) -> None:
    """[address, code, defaults, keywords' defaults]: of a function, which has these from the address on."""
    words = f.pointer(1)
    first, second, third = (f.icmp("eq", f.load(f.offset(words, i, I64), I64), f.word(2 + i)) for i in range(3))
    f.miss_unless(first & second & third)


def _holds(f: Step) -> None:
    """[function, True]: what else must be true is asked of Python."""
    answer = f.miss_if_missing(f.python("PyObject_Vectorcall", f.pointer(1), f.null(), f.index(0), f.null()))
    f.release(answer)
    f.miss_unless(f.icmp("eq", answer, f.pointer(2)))


ARGUMENT_STEPS: Steps = {
    "identical": _identical, "never": _never, "array": _array, "ready": _ready, "donated": _donated,
    "watched_array": _watched_array, "float": _float,
    "int": _int, "bool": _bool, "complex": _complex, "numpy_scalar": _numpy_scalar, "list": _list, "tuple": _tuple,
    "dict": _dict, "attributes": _attributes, "flattened": _flattened, "context": _context, "item": _item, "cell": _cell,
    "attribute": _attribute, "function": _function, "holds": _holds,
}  # fmt: skip
