"""Calls that no machine code serves take a short way through Python, and give what the long way gives."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from functrans import jit, vmap
from functrans.backends.llvm import buffers
from functrans.backends.llvm.call import layout
from functrans.backends.vectorcall import recipes_of
from functrans.direct import Direct
from tests.marks import native

pytestmark = native
factor = 2.0


@pytest.fixture(autouse=True)
def unknown_layout(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where Python keeps its objects in another way: on a free-threaded build."""
    with monkeypatch.context() as patch:
        patch.setattr(layout.layout, "type", layout.layout.type + 8)
        layout.is_as_expected.cache_clear()
        assert not layout.is_as_expected()
        yield
    layout.is_as_expected.cache_clear()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Direct]:
    """Every call that goes the short way."""
    calls: list[Direct] = []
    run = Direct.__call__

    def counted(self: Direct, arrays: Any) -> Any:
        calls.append(self)
        return run(self, arrays)

    monkeypatch.setattr(Direct, "__call__", counted)
    return calls


def f(x: Any, y: Any, *, scale: Any = 1.0) -> Any:
    return {"sum": x[0] + y * scale, "total": np.sum(x[1]), "all": [x[0] * 2.0, np.mean(y)]}


def a(*shape: int, dtype: str = "f8") -> Any:
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape) + 1


BASE: tuple[Any, Any] = ([a(4), a(3)], a(4))
MISSES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "same": (BASE, {}),
    "strided": (([a(8)[::2], a(3)], a(4)), {}),
    "reversed": (([a(4), a(3)], a(4)[::-1]), {}),
    "unaligned": (([np.frombuffer(b"\0" + a(4).tobytes(), "u1")[1:].view("f8"), a(3)], a(4)), {}),
    "read-only": (([np.broadcast_to(1.0, 4), a(3)], a(4)), {}),
    "dtype": (([a(4, dtype="f4"), a(3)], a(4)), {}),
    "byte order": (([a(4).astype(">f8"), a(3)], a(4)), {}),
    "shape": (([a(1), a(3)], a(4)), {}),
    "rank": (([a(2, 4), a(3)], a(4)), {}),
    "empty": (([a(4), a(0)], a(4)), {}),
    "tuple for list": (((a(4), a(3)), a(4)), {}),
    "longer list": (([a(4), a(3), a(3)], a(4)), {}),
    "keyword": ((BASE[0],), {"y": a(4)}),
    "another keyword": (BASE, {"scale": a(4)}),
    "Python number": (([a(4), a(3)], 2.0), {}),
    "bool": (([a(4), a(3)], True), {}),
    "NumPy scalar": (([a(4), a(3)], np.float64(2.0)), {}),
    "rank 0": (([a(4), a(3)], np.array(2.0)), {}),
    "masked": (([a(4), a(3)], np.ma.masked_array(a(4), a(4) > 2)), {}),
    "subclass": (([a(4), a(3)], a(4).view(type("Sub", (np.ndarray,), {}))), {}),
    "strings": (([a(4), a(3)], np.array(["a"] * 4)), {}),
    "objects": (([a(4), a(3)], a(4).astype(object)), {}),
    "list for array": (([[1.0] * 4, a(3)], a(4)), {}),
    "None": (([a(4), a(3)], None), {}),
    "missing": ((BASE[0],), {}),
    "shapes that do not fit": (([a(3), a(3)], a(4)), {}),
}


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, with types, or its error."""
    try:
        result = call()
    except Exception as error:
        return type(error), str(error).splitlines()[0]  # the lines after it name the place
    leaves = [result["sum"], result["total"], *result["all"]]
    return [(type(x), np.asarray(x).dtype, np.asarray(x).shape, np.asarray(x).tobytes()) for x in leaves]


@pytest.mark.parametrize("miss", MISSES)
def test_a_call_that_is_not_like_those_before(miss: str, served: list[Direct]) -> None:
    args, kwargs = MISSES[miss]
    long, short = jit(f), jit(f)
    for _ in range(3):
        short(*BASE)
    assert len(served) == 1
    assert not recipes_of(short)
    expected = outcome(lambda: long(*args, **kwargs))
    assert not served[1:]
    for _ in range(4):
        assert outcome(lambda: short(*args, **kwargs)) == expected
    assert outcome(lambda: short(*BASE)) == outcome(lambda: jit(f)(*BASE))


def test_results_are_new_and_writable(served: list[Direct]) -> None:
    jitted = jit(lambda x, y: [x + y, x * y])
    x, y = a(16), a(16)
    first = [jitted(x, y) for _ in range(5)][-1]
    again = jitted(x, y)
    assert len(served) == 4
    for one, other in zip(first, again, strict=True):
        assert one.flags.owndata
        assert one.flags.writeable
        assert not np.shares_memory(one, other)
        one[...] = 0
    np.testing.assert_array_equal(again[0], x + y)


@pytest.mark.parametrize("function", [lambda x, y: (x, x + y), lambda x, y: (1.0, x), lambda x, y: [x * y] * 2])
def test_results_that_the_program_does_not_make(function: Callable[..., Any]) -> None:
    jitted = jit(function)
    for _ in range(4):
        for found, expected in zip(jitted(BASE[1], BASE[1]), function(BASE[1], BASE[1]), strict=True):
            np.testing.assert_array_equal(found, expected)
            assert not np.shares_memory(found, BASE[1])


def test_what_was_read_from_outside_is_watched(served: list[Direct], monkeypatch: pytest.MonkeyPatch) -> None:
    jitted = jit(lambda x: x * factor)
    for _ in range(4):
        np.testing.assert_array_equal(jitted(a(3)), a(3) * 2)
    assert len(served) == 2
    monkeypatch.setitem(globals(), "factor", 3.0)
    for _ in range(4):
        np.testing.assert_array_equal(jitted(a(3)), a(3) * 3)
    assert len(served) == 4


def test_static_arguments_are_told_apart(served: list[Direct]) -> None:
    jitted = jit(lambda x, n: x * n, static_argnums=1)
    for n in (2, 3, 2.0, 2, 3):
        for _ in range(3):
            result = jitted(a(3, dtype="i8"), n)
            assert (result.dtype, result.tolist()) == ((a(3, dtype="i8") * n).dtype, (a(3) * n).tolist())
    assert served


def test_inside_a_transform_it_is_traced(served: list[Direct]) -> None:
    jitted = jit(lambda x: x * 2)
    for _ in range(3):
        jitted(a(4))
    count = len(served)
    np.testing.assert_array_equal(vmap(jitted)(a(3, 4)), a(3, 4) * 2)
    np.testing.assert_array_equal(vmap(lambda i: i + jitted(BASE[1]))(a(3)), a(3)[:, None] + a(4) * 2)
    assert len(served) == count


def test_errors_and_warnings_are_those_of_the_long_way(served: list[Direct]) -> None:
    take, divide = jit(lambda x, i: x[i]), jit(lambda x, y: x // y)
    for _ in range(4):
        take(a(3), np.array([0]))
        divide(a(3, dtype="i8"), a(3, dtype="i8"))
    assert len(served) == 4
    with pytest.raises(IndexError):
        take(a(3), np.array([3]))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        divide(a(3, dtype="i8"), np.zeros(3, "i8"))


def test_clear_cache_forgets_and_hits_are_counted(served: list[Direct]) -> None:
    jitted = jit(lambda x: x + 1)
    for _ in range(5):
        jitted(a(3))
    assert (jitted.cache_info().hits, len(served)) == (4, 3)
    jitted.clear_cache()
    jitted(a(3))
    assert (jitted.cache_info().misses, len(served)) == (1, 3)


def test_threads_share_no_memory() -> None:
    jitted = jit(lambda x: np.sum(np.tanh(x), axis=0) + np.max(np.exp(-x), axis=0))
    inputs = [a(50, 40) * i / 1000 for i in range(8)]
    expected = [jit(lambda x: np.sum(np.tanh(x), axis=0) + np.max(np.exp(-x), axis=0))(x) for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(100):
            if jitted(inputs[i]).tobytes() != expected[i].tobytes():
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_calls_keep_nothing() -> None:
    jitted = jit(lambda x: x + 1)
    x = a(3)
    for _ in range(5):
        jitted(x)
    gc.collect()
    before = sys.getrefcount(x), sys.getrefcount(x.dtype), len(gc.get_objects())
    for _ in range(1000):
        jitted(x)
    gc.collect()
    after = sys.getrefcount(x), sys.getrefcount(x.dtype), len(gc.get_objects())
    assert after[0] == before[0]
    assert after[1] - before[1] < 10
    assert after[2] - before[2] < 10


@pytest.mark.parametrize("is_known", [True, False])
def test_addresses(is_known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "is_numpy_known", lambda: is_known)
    monkeypatch.setattr(buffers, "_address", buffers._address_function())
    arrays = [a(3), a(4, 5)[1:, ::-1], np.array(1.0), np.empty((0, 3)), np.broadcast_to(1.0, 5), np.ones((1,) * 32)]
    expected = [array.__array_interface__["data"][0] for array in arrays]
    assert [buffers.address(array) for array in arrays] == expected
    assert np.frombuffer(buffers.table(arrays), np.uintp).tolist() == expected
    assert buffers.table([]) == b""
    block = buffers.aligned(100)
    assert (buffers.address(block) % 64, block.size) == (0, 100)
