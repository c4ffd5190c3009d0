"""The builder of LLVM's text: what it writes once, folds or puts off must come out as the machine would compute it."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functrans.backends.llvm.engine import Library, assembly, load
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F16, F32, F64, I1, I16, I64, PTR, Module, Sum, Type, Value, constant_text
from functrans.backends.llvm.target import Target, host

_loaded: list[Library] = []
"""Functions live as long as their library."""


def compiled(build: Callable[[Function], None], *, result: Type | None = None) -> Callable[..., int]:
    """A function of up to three pointers or integers."""
    module = Module(host())
    f = Function(module, "f", [("x", PTR), ("y", PTR), ("n", I64)], result, exported=True)
    build(f)
    _loaded.append(load(module.text(), host(), ("f",)))
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return kind(_loaded[-1].address("f"))


def integers(f: Function) -> Value:
    return f.args[2]


def count(f: Function, instruction: str) -> int:
    return sum(instruction in line for line in f.text().splitlines())


@pytest.mark.parametrize("kind", [F32, F64])
@pytest.mark.parametrize("optimized", [False, True])
def test_a_select_of_floats_in_memory_reads_no_more_than_they_are(kind: Type, optimized: bool) -> None:
    target = Target("x86_64-unknown-linux-gnu", "haswell", "+avx,+avx2,+fma,-avx512f")
    module = Module(target)
    f = Function(module, "f", [("x", PTR), ("y", PTR), ("n", I64)], exported=True)
    f.optimized = optimized
    x, y, _ = f.args
    equal = f.fcmp("oeq", f.load(x, kind), f.load(y, kind))
    other = f.load(f.offset(y, 1, kind), kind)
    f.store(f.select(equal, f.load(f.offset(x, 1, kind), kind), other), y)
    code = assembly(module.text(), target)
    assert not re.search(r"v?blendv.*\(", code), "a blend reads 16 bytes"


# ---- types and constants ----


def test_there_is_one_object_of_each_type() -> None:
    assert Type("f", 32, 8) is F32.vector(8)
    assert F32.vector(8).scalar is F32
    assert F32.integer(16) is I16
    assert str(F64.vector(2)) == "<2 x double>"
    assert PTR.suffix == "p0"
    assert I1.bytes == 1


FLOATS = st.floats() | st.sampled_from([65504.0, 65519.99, 65520.0, 3.4028235677973366e38, 2.0**-149 * 0.5, 2.0**-25])


@given(FLOATS, st.sampled_from([F16, F32, F64]))
def test_constants_are_rounded_as_numpy_rounds_them(value: float, kind: Type) -> None:
    with np.errstate(over="ignore"):
        want = np.array(value, f"f{kind.bytes}")
    text = constant_text(value, kind)
    if kind is F16:
        assert int(text[3:], 16) == int(want.view(np.uint16))
    else:
        assert int(text, 16) == int(want.astype("f8").view(np.uint64))


def test_constants_keep_the_sign_of_zero() -> None:
    def build(f: Function) -> None:
        for place, value in enumerate((0.0, -0.0, 0)):
            f.store(f.const(value, F64.vector(2)), f.offset(f.args[0], 2 * place, F64))
        f.store(f.splat(f.const(-0.0, F64), 2), f.offset(f.args[0], 6, F64))

    out = np.ones(8)
    compiled(build)(out.ctypes.data, None, 0)
    assert np.signbit(out).tolist() == [False, False, True, True, False, False, True, True]


# ---- what a block has computed ----


def test_an_instruction_is_written_once_in_a_block_and_anew_in_the_next() -> None:
    f = Function(Module(host()), "f", [("x", PTR), ("y", PTR), ("n", I64)])
    x, y, n = f.args
    assert (n * n) is (n * n)
    first = f.load(x, F64)
    f.store(first * first, y)
    assert f.load(x, F64) is not first, "memory may have changed"
    square = first * first
    with f.when(f.icmp("eq", n, 0)):
        assert (n * n) is (n * n)
        assert first * first is not square, "a branch that is not taken computes nothing"
    assert count(f, "mul i64") == 2
    assert count(f, "fmul") == 2


def test_what_one_branch_computed_is_not_taken_from_it() -> None:
    def build(f: Function) -> None:
        n = integers(f)
        with f.when(f.icmp("sgt", n, 5)) as branch:
            f.store(n * n + 1, f.args[0])
            branch.otherwise()
            f.store(n * n + 2, f.args[0])
        f.store(n * n + 3, f.offset(f.args[0], 1, I64))

    program, out = compiled(build), np.zeros(2, np.int64)
    for n in (3, 7):
        program(out.ctypes.data, None, n)
        assert out.tolist() == [n * n + (1 if n > 5 else 2), n * n + 3]


# ---- places ----


@given(st.data())
def test_sums_and_products_of_places_are_those_of_integers(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.tuples(st.sampled_from("+-*r"), st.integers(-9, 9)), max_size=8))

    def evaluate(n: Value | int, two: Value | int) -> list[Value | int]:
        found = [n, two]
        for operation, k in steps:
            a, b = found[-1], found[k % len(found)]
            found.append(a + k if operation == "+" else a - k if operation == "-" else a * k if k % 2 else a + b)
        return found

    def build(f: Function) -> None:
        found = evaluate(integers(f), integers(f) * 2)
        for place, value in enumerate(found):
            f.store(f.like(value, f.index(0)), f.offset(f.args[0], place, I64))

    out = np.zeros(len(steps) + 2, np.int64)
    compiled(build)(out.ctypes.data, None, 5)
    assert out.tolist() == evaluate(5, 10)


def test_the_constant_part_of_a_place_is_part_of_the_address() -> None:
    f = Function(Module(host()), "f", [("x", PTR), ("y", PTR), ("n", I64)])
    x, _, n = f.args
    for k in range(4):
        f.load(f.offset(x, (n + k) * 8 + 1, F32), F32)
    assert count(f, "add i64") == 0
    assert count(f, "mul i64") == 1


def test_places_that_loops_and_branches_carry_are_added_up_in_the_block_that_hands_them_on() -> None:
    def build(f: Function) -> None:
        n = integers(f)
        with f.loop(n + 1, n + 5, carry=[n + 2]) as loop:
            loop.next = [loop.carry[0] + loop.index + 3]
        with f.repeat([loop.results[0] + 1]) as again:
            again.next = [again.carry[0] + 10]
            again.again = f.icmp("slt", again.next[0], 100)
        first, second = again.results[0] + 1, loop.results[0] + 2
        f.ret(f.choose(f.icmp("eq", n, 3), lambda: first, lambda: second))

    def want(n: int) -> int:
        carried = n + 2
        for index in range(n + 1, n + 5):
            carried += index + 3
        again = carried + 11
        while again < 100:
            again += 10
        return again + 1 if n == 3 else carried + 2

    program = compiled(build, result=I64)
    assert [program(None, None, n) for n in (0, 3, 4)] == [want(0), want(3), want(4)]


def test_a_place_has_no_attribute_but_its_text() -> None:
    f = Function(Module(host()), "f", [("n", I64)])
    place = f.args[0] + 3
    assert isinstance(place, Sum)
    assert place.text.startswith("%v")
    with pytest.raises(AttributeError, match="other"):
        _ = place.other


# ---- LLVM without its optimiser ----


@pytest.mark.parametrize("lanes", [8, 16])
@pytest.mark.parametrize("others_are_optimised", [False, True])
def test_every_blend_of_16_bit_lanes_compiles(lanes: int, *, others_are_optimised: bool) -> None:
    """LLVM 22 fails on some of them in functions that are left out when it optimises."""

    def build(f: Function) -> None:
        if others_are_optimised:
            Function(f.module, "other", [], exported=True).optimized = True
        x, y = (f.load(pointer, I16.vector(lanes)) for pointer in f.args[:2])
        for mask in range(256):
            order = [lane + lanes * (mask >> lane % 8 & 1) for lane in range(lanes)]
            f.store(f.shuffle(x + x, y + y, order), f.offset(f.args[0], lanes * (mask + 1), I16), 2)

    a, b = np.zeros((257, lanes), np.int16), np.arange(1, lanes + 1, dtype=np.int16)
    a[0] = -b
    compiled(build)(a.ctypes.data, b.ctypes.data, 0)
    bits = (np.arange(256)[:, None] >> np.arange(lanes) % 8) & 1
    np.testing.assert_array_equal(a[1:], np.where(bits, 2 * b, -2 * b))


def test_a_module_is_optimised_only_where_a_function_of_many_constants_is() -> None:
    def texts(*counts: int) -> tuple[str, list[str]]:
        module = Module(host())
        functions = [Function(module, f"f{k}", [("x", PTR)], exported=True) for k in range(len(counts))]
        for f, constants in zip(functions, counts, strict=True):
            x = f.load(f.args[0], F64.vector(4))
            for k in range(constants):
                x = x * (k + 0.5)
            f.store(x, f.args[0])
        return module.text(), [f.text() for f in functions]

    plain, (few,) = texts(10)
    assert few.count("bitcast") == 10, "each constant is loaded once"
    assert "optnone" not in plain
    mixed, (few, many) = texts(10, 100)
    assert " optnone " in mixed
    assert " #0 {" in few
    assert " #1 {" in many
