"""Machine code in memory: what the linker makes of object code, where it lies, and what it leaves to LLVM's own linker."""

import ctypes
import gc
import sys
from pathlib import Path

import pytest

from functrans.backends.llvm import engine
from functrans.backends.llvm.engine import load, load_object, object_code
from functrans.backends.llvm.image import Library, process_symbol
from functrans.backends.llvm.linker import linked
from functrans.backends.llvm.target import Target, host

pytestmark = pytest.mark.skipif(
    not host().triple.startswith("x86_64") or sys.platform != "linux", reason="elsewhere LLVM links"
)

TEXT = """
@table = private constant [4 x i64] [i64 10, i64 20, i64 30, i64 40], align 64
@words = global [16 x i64] zeroinitializer, align 64

declare i64 @labs(i64)
declare i64 @ours(i64)

define i64 @count(i64 %n) nounwind {
  %place = getelementptr i64, ptr @words, i64 %n
  %old = load i64, ptr %place
  %new = add i64 %old, 1
  store i64 %new, ptr %place
  ret i64 %new
}

define i64 @sum(i64 %i, i64 %n) nounwind {
  %place = getelementptr i64, ptr @table, i64 %i
  %x = load i64, ptr %place
  %y = call i64 @labs(i64 %n)
  %z = call i64 @ours(i64 %y)
  %xz = add i64 %x, %z
  ret i64 %xz
}

define ptr @itself() nounwind {
  ret ptr @count
}
"""
EXPORTS = ("count", "sum", "itself", "words")
TWICE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: 2 * x)


def loaded() -> Library:
    return load(TEXT, host(), EXPORTS, {"ours": ctypes.cast(TWICE, ctypes.c_void_p).value or 0})


def call(library: Library, name: str, *args: int) -> int:
    function = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(args))(library.address(name))
    return int(function(*args))


def access(address: int) -> str:
    """What may be done with the page of an address; empty where there is none."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, kind, *_ = line.split()
        start, end = (int(x, 16) for x in span.split("-"))
        if start <= address < end:
            return kind[:3]
    return ""


@pytest.fixture(params=["our linker", "LLVM's"])
def _linker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    unwanted = {"our linker": "_by_llvm", "LLVM's": "placed"}[request.param]
    if unwanted == "placed":
        monkeypatch.setattr(engine, "linked", lambda _code: None)
    monkeypatch.setattr(engine, unwanted, lambda *_: pytest.fail("the other linker"))


@pytest.mark.usefixtures("_linker")
def test_code_finds_its_constants_its_memory_and_functions_of_others() -> None:
    library = loaded()
    assert call(library, "sum", 2, -7) == 30 + 14
    assert [call(library, "count", n) for n in (3, 3, 15, 0)] == [1, 2, 1, 1]
    assert (ctypes.c_int64 * 16).from_address(library.address("words"))[3] == 2
    assert call(library, "itself") == library.address("count")


@pytest.mark.usefixtures("_linker")
def test_two_of_the_same_code_have_memory_of_their_own() -> None:
    one, other = loaded(), loaded()
    assert [call(one, "count", 1), call(one, "count", 1), call(other, "count", 1)] == [1, 2, 1]


def test_no_page_can_be_written_and_run() -> None:
    library = loaded()
    assert access(library.address("sum")) == "r-x"
    assert access(library.address("words")) == "rw-"


def test_code_that_nobody_refers_to_is_unloaded() -> None:
    library = loaded()
    address = library.address("sum")
    del library
    gc.collect()
    assert "x" not in access(address)


def test_a_system_that_refuses_is_asked_by_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> Library:
        raise OSError("no")

    monkeypatch.setattr(engine, "placed", refuses)
    assert call(loaded(), "sum", 0, 1) == 12


def test_a_missing_function_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="nowhere_to_be_found"):
        process_symbol("nowhere_to_be_found")
    with pytest.raises(RuntimeError):
        load_object(object_code(TEXT, host()), EXPORTS)


def test_other_object_code_has_no_image() -> None:
    code = object_code(TEXT, host())
    assert linked(code) is not None
    for other in (b"", b"\xcf\xfa\xed\xfe" + code[4:], code[:18] + b"\xb7\0" + code[20:]):
        assert linked(other) is None
    unwinding = TEXT.replace(" nounwind", "")
    assert linked(object_code(unwinding, host())) is None
    text = "@data = global i64 7\ndefine ptr @f() nounwind {\n ret ptr @data\n}"
    assert linked(object_code(text, host())) is None  # memory that is not zero
    text = "@pointers = constant [1 x ptr] [ptr @f]\ndefine ptr @f() nounwind {\n ret ptr @pointers\n}"
    assert linked(object_code(text, host())) is None  # constants that depend on where they lie


def test_damaged_object_code_has_no_image() -> None:
    code = object_code(TEXT, host())
    assert not any(map(linked, (code[:length] for length in range(0, len(code), 7))))


def test_code_of_another_machine_has_no_image() -> None:
    arm = Target("aarch64-unknown-linux-gnu", "generic", "+neon")
    assert linked(object_code("define i64 @f() nounwind {\n ret i64 7\n}", arm)) is None
