"""The machine code that runs a call: it tries one recipe after the other, and Python's function where none fits.

Imports the steps, the builder and the engine; start reading at `_emit_call`.
"""

from __future__ import annotations

from typing import Final

from functrans.backends.llvm.call.argument_steps import ARGUMENT_STEPS
from functrans.backends.llvm.call.layout import layout
from functrans.backends.llvm.call.result_steps import RESULT_STEPS
from functrans.backends.llvm.call.steps import GO_ON, MISS, Step
from functrans.backends.llvm.call.words import CALL, HEADER, RECORD_WORDS
from functrans.backends.llvm.engine import made
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.image import Image, Library, process_symbol
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.target import host

__all__ = ["compiled"]

ROOT_WORDS = ("recipes", "slow")
"""What a callable points to: a list of recipes, and Python's function, called with the callable in front."""

_COUNT: Final = (1 << 63) - 1
"""The bits of vectorcall's `nargsf` that count."""


_STEPS = ARGUMENT_STEPS | RESULT_STEPS


def compiled(exports: tuple[str, ...]) -> tuple[Library, Image | None]:
    """Machine code with some steps, by name, and the function that Python's vectorcall protocol calls, if CALL is among them."""
    module = Module(host())
    for name in exports:
        if name == CALL:
            _emit_call(module, _emit_attempt(module))
        else:
            step = Step(module, name)
            _STEPS[name](step)
            step.done()
    symbols = {name: process_symbol(name) for name in module.declared if name.startswith("Py")}
    return made(module.text(), module.target, exports, symbols)


def _field(f: Function, recipe: Value, name: str) -> Value:
    return f.load(f.offset(recipe, HEADER.index(name), I64), I64)


def _pointer_field(f: Function, recipe: Value, name: str) -> Value:
    return f.load(f.offset(recipe, HEADER.index(name), PTR), PTR)


def _emit_attempt(module: Module) -> Function:
    """`i64 attempt(recipe, args, count, names, names count, result)`: whether to go on to the next recipe, or that it raised."""
    params = [("recipe", PTR), ("args", PTR), ("count", I64), ("names", PTR), ("names_count", I64), ("result", PTR)]
    f = Function(module, "attempt", params, I64)
    recipe, args, count, names, names_count, result = f.args
    f.leave_if(f.icmp("ne", count, _field(f, recipe, "arguments")), MISS)
    f.leave_if(f.icmp("ne", names_count, _field(f, recipe, "names_count")), MISS)
    expected = _pointer_field(f, recipe, "names")
    with f.loop(0, names_count) as loop:
        name = f.load(f.offset(f.offset(names, layout.tuple_items, I8), loop.index, PTR), PTR)
        f.leave_if(f.icmp("ne", name, f.load(f.offset(expected, loop.index, PTR), PTR)), MISS)
    total, size = count + names_count, _field(f, recipe, "objects")
    objects = f.value(PTR, f"alloca ptr, {size.typed()}, align 16")
    memory = f.value(PTR, f"alloca i64, {_field(f, recipe, 'memory_words').typed()}, align 16")
    with f.loop(0, total) as loop:
        f.store(f.load(f.offset(args, loop.index, PTR), PTR), f.offset(objects, loop.index, PTR))
    with f.loop(total, size) as loop:
        f.store(f.null(), f.offset(objects, loop.index, PTR))
    status = _follow(f, recipe, objects, memory)
    with f.when(f.icmp("eq", status, GO_ON)):
        place = f.offset(objects, _field(f, recipe, "result"), PTR)
        f.store(f.load(place, PTR), result)
        f.store(f.null(), place)
        calls = f.offset(recipe, HEADER.index("calls"), I64)
        f.store(f.load(calls, I64) + 1, calls)
    with f.loop(total, size) as loop:
        held = f.load(f.offset(objects, loop.index, PTR), PTR)
        with f.when(f.icmp("ne", held, f.null())):
            f.call_symbol("Py_DecRef", None, held)
    f.ret(status)
    return f


def _follow(f: Function, recipe: Value, objects: Value, memory: Value) -> Value:
    """Take steps until one says something else than to go on; what it says."""
    first = _pointer_field(f, recipe, "records")
    end = f.offset(first, _field(f, recipe, "records_count") * RECORD_WORDS, I64)
    with f.repeat([first]) as loop:
        record = loop.carry[0]
        status = f.call_pointer(f.load(record, PTR), I64, record, objects, memory)
        following = f.offset(record, RECORD_WORDS, I64)
        loop.next = [following]
        loop.again = f.icmp("eq", status, GO_ON) & f.icmp("ult", following, end)
    return status


def _emit_call(module: Module, attempt: Function) -> None:
    """Python's vectorcall: `ptr call(callable, args, nargsf, names)`."""
    f = Function(module, CALL, [("self", PTR), ("args", PTR), ("nargsf", I64), ("names", PTR)], PTR, exported=True)
    self, args, nargsf, names = f.args
    count = nargsf & _COUNT
    is_named = f.icmp("ne", names, f.null())
    names_count = f.choose(is_named, lambda: _size(f, names), lambda: f.index(0))
    root = f.load(f.offset(self, object.__basicsize__ + PTR.bytes, I8), PTR)
    recipes = f.load(root, PTR)
    result = f.stack(PTR, 1)
    with f.when(f.icmp("ne", _size(f, recipes), 0)), f.repeat([f.index(0)]) as loop:
        number = loop.carry[0]
        recipe = f.load(f.offset(f.load(f.offset(recipes, layout.list_items, I8), PTR), number, PTR), PTR)
        f.call_symbol("Py_IncRef", None, recipe)  # what it calls may drop it
        words = f.load(f.offset(f.load(f.offset(recipe, layout.tuple_items, I8), PTR), layout.data, I8), PTR)
        status = f.call(attempt, words, args, count, names, names_count, result)
        f.call_symbol("Py_DecRef", None, recipe)
        f.leave_if(f.icmp("eq", status, GO_ON), f.load(result, PTR))
        f.leave_if(f.icmp("ne", status, MISS), f.null())
        loop.next = [number + 1]
        loop.again = f.icmp("slt", number + 1, _size(f, recipes))
    slow = f.load(f.offset(root, ROOT_WORDS.index("slow"), PTR), PTR)
    given = f.value(PTR, f"alloca ptr, {(count + names_count + 1).typed()}, align 16")
    f.store(self, given)
    with f.loop(0, count + names_count) as moved:
        f.store(f.load(f.offset(args, moved.index, PTR), PTR), f.offset(given, moved.index + 1, PTR))
    f.ret(f.call_symbol("PyObject_Vectorcall", PTR, slow, given, count + 1, names))


def _size(f: Function, x: Value) -> Value:
    return f.load(f.offset(x, layout.size, I8), I64)
