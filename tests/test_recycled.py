"""Memory of large results is used again, by one array at a time, and not too much of it is kept."""

import threading

import numpy as np
import pytest

from functrans.core import recycled
from functrans.typing import Array

MEGABYTE = 1 << 20
BYTE = np.dtype(np.uint8)


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    while recycled._free:
        recycled._taken(next(iter(recycled._free)))
    monkeypatch.setattr(recycled, "_MOST", 8 * MEGABYTE)


def made(megabytes: int) -> Array:
    return recycled.empty((megabytes * MEGABYTE,), BYTE)


def kept() -> list[int]:
    """The sizes of what is kept, in MB, what came back last in the end."""
    assert recycled._kept == sum(x.nbytes for free in recycled._free.values() for x in free)
    return [x.nbytes // MEGABYTE for free in recycled._free.values() for x in free]


def address(x: Array) -> int:
    return int(x.__array_interface__["data"][0])


def test_memory_is_used_again_when_its_array_and_all_views_are_gone() -> None:
    x = made(1)
    place, view = address(x), x[5:]
    del x
    assert kept() == []
    del view
    assert kept() == [1]
    assert address(y := made(1)) == place
    assert kept() == []
    assert recycled.is_recycled(y)


def test_memory_begins_on_a_cache_line() -> None:
    assert {address(made(size)) % 4096 for size in (1, 2, 3)} == {1024}


def test_what_came_back_last_is_kept() -> None:
    for sizes, expected in (((3, 2, 1), [3, 2, 1]), ((4,), [2, 1, 4]), ((6,), [6]), ((9,), [6]), ((1, 1), [6, 1])):
        for size in sizes:
            made(size)
        assert kept() == expected


def test_many_threads_share_it() -> None:
    def work(number: int) -> None:
        for _ in range(300):
            x = made(1)
            x[::4096] = number
            if not np.all(x[::4096] == number):
                wrong.append(number)

    wrong: list[int] = []
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 0 < sum(kept()) <= 8


def test_memory_that_comes_back_while_the_lock_is_held_is_not_lost() -> None:
    x = made(1)
    with recycled._lock:
        del x
        assert made(2).nbytes == 2 * MEGABYTE
        assert kept() == []
    made(3)
    assert kept() == [1, 2, 3]
