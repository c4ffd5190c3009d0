"""Object code on disk: what is kept comes back or is as if it were not there, whoever else writes, and whatever breaks."""

import ctypes
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans.backends.executable import clear_programs
from functrans.backends.llvm import disk_cache, engine, kept
from functrans.backends.llvm.disk_cache import Store, key_of
from functrans.backends.llvm.target import host
from tests.marks import native

KEY, OTHER = key_of(["one"]), key_of(["other"])
CODE = bytes(range(256)) * 9
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "some" / "where"


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


# ---- what comes back ----


def test_what_is_put_comes_back_in_another_store(folder: Path) -> None:
    assert Store(folder).get(KEY) is None
    assert not folder.exists()
    Store(folder).put(KEY, CODE)
    assert Store(folder).get(KEY) == CODE
    assert Store(folder).get(OTHER) is None
    Store(folder).put(KEY, b"")
    assert Store(folder).get(KEY) == b""
    assert len(files(folder)) == 1


def test_a_key_tells_all_its_parts_apart() -> None:
    keys = [key_of(parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["ab", "c", ""], ["", "ab", "c"])]
    assert len(set(keys)) == len(keys)
    assert key_of(["ab", "c"]) == keys[0]


def _damaged(whole: bytes) -> Iterator[bytes]:
    yield from (whole[:length] for length in (0, 1, 40, len(whole) // 2, len(whole) - 1))
    yield whole + b"\0"
    yield b"\x7fELF" + CODE
    for place in (0, 20, 40, 70, len(whole) - 1):
        yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


def test_a_damaged_file_is_as_if_it_were_not_there(folder: Path) -> None:
    store = Store(folder)
    store.put(KEY, CODE)
    (path,) = files(folder)
    for damaged in _damaged(path.read_bytes()):
        path.write_bytes(damaged)
        assert store.get(KEY) is None
        store.put(KEY, CODE)
        assert store.get(KEY) == CODE


def test_a_file_under_another_name_is_not_taken(folder: Path) -> None:
    store = Store(folder)
    store.put(KEY, CODE)
    (path,) = files(folder)
    path.rename(path.with_name(path.name.replace(KEY, OTHER)))
    assert store.get(OTHER) is None


# ---- whose folder it is ----


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(folder: Path, mode: int) -> None:
    Store(folder).put(KEY, CODE)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(mode)
    store = Store(folder)
    assert store.get(KEY) is None
    store.put(OTHER, CODE)
    assert len(files(folder)) == 1
    folder.chmod(0o755)
    assert Store(folder).get(KEY) == CODE


@posix
def test_the_folder_of_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(folder).put(KEY, CODE)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    assert Store(folder).get(KEY) is None


def test_where_no_folder_can_be_made_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "folder")
    store.put(KEY, CODE)
    assert store.get(KEY) is None


@pytest.mark.parametrize("function", ["replace", "fdopen", "scandir"])
def test_a_disk_that_fails_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    """Full, or read-only: as a user who may write anywhere cannot try out by permissions."""

    def fails(*_: object) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fails)
        Store(folder).put(KEY, CODE)
    assert Store(folder).get(KEY) == (CODE if function == "scandir" else None)
    assert not [*folder.glob("*.part")]
    Store(folder).put(KEY, CODE)
    assert Store(folder).get(KEY) == CODE


def test_a_folder_that_goes_away_is_no_error(folder: Path) -> None:
    store = Store(folder)
    store.put(KEY, CODE)
    for path in files(folder):
        path.unlink()
    folder.rmdir()
    assert store.get(KEY) is None
    store.put(KEY, CODE)


# ---- how large it grows ----


def test_what_was_not_used_for_longest_goes(folder: Path) -> None:
    store, keys = Store(folder), [key_of([str(i)]) for i in range(20)]
    for age, key in enumerate(keys):
        store.put(key, CODE)
        os.utime(folder / f"{key}.object", (age, age))
    old = folder / "unfinished.part"
    old.write_bytes(CODE)
    os.utime(old, (3, 3))
    assert store.get(keys[0]) == CODE  # and so it is used now
    Store(folder, limit=len(CODE) * 16).put(OTHER, CODE)
    assert sum(path.stat().st_size for path in files(folder)) <= len(CODE) * 12
    assert not old.exists()
    assert store.get(keys[0]) == store.get(keys[-1]) == store.get(OTHER) == CODE
    assert store.get(keys[1]) is None


def test_other_files_in_the_folder_stay(folder: Path) -> None:
    Store(folder).put(KEY, CODE)
    (folder / "notes.txt").write_bytes(CODE * 9)
    os.utime(folder / "notes.txt", (1, 1))
    Store(folder, limit=len(CODE)).put(OTHER, CODE)
    assert [path.name for path in files(folder)] == ["notes.txt"]


# ---- many at once ----


def _content(number: int) -> bytes:
    return str(number).encode() * (1000 + 100 * number)


def write_and_read(folder: Path) -> int:
    """In a process of its own: all write the same keys; how often what came back was neither right nor nothing."""
    store, wrong = Store(folder), 0
    for _ in range(60):
        for number in range(5):
            key = key_of([str(number)])
            wrong += store.get(key) not in (None, _content(number))
            store.put(key, _content(number))
    return wrong


def test_concurrent_writers_never_show_a_part(folder: Path) -> None:
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(write_and_read, [folder] * 3)) == [0, 0, 0]
    store = Store(folder)
    assert all(store.get(key_of([str(number)])) == _content(number) for number in range(5))
    assert len(files(folder)) == 5


# ---- where it lies ----


def test_the_environment_names_the_folder_or_none(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for off in ("off", "OFF"):
        monkeypatch.setenv("FUNCTRANS_CACHE", off)
        assert disk_cache.store() is None
    monkeypatch.setenv("FUNCTRANS_CACHE", str(folder))
    store = disk_cache.store()
    assert store is not None
    assert store is disk_cache.store()
    store.put(KEY, CODE)
    assert len(files(folder)) == 1


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/functrans"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/functrans"),
        ("linux", {"XDG_CACHE_HOME": "{root}/xdg"}, "xdg/functrans"),
        ("darwin", {"XDG_CACHE_HOME": "{root}/xdg"}, "home/Library/Caches/functrans"),
        ("win32", {"LOCALAPPDATA": "{root}/local"}, "local/functrans/Cache"),
        ("win32", {}, "home/AppData/Local/functrans/Cache"),
    ],
)
def test_the_default_is_the_platforms_folder_for_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variables: dict[str, str], expected: str
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(root=tmp_path))
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr(sys, "platform", platform)
    assert Path(disk_cache._default()) == tmp_path / expected


# ---- what uses it ----


def test_what_was_compiled_before_is_loaded(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("FUNCTRANS_CACHE", str(folder))
    text = "define i64 @answer() {\n  ret i64 42\n}\n"
    first = engine.object_code(text, host())
    engine.keep_object(text, host(), first)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_compiled", lambda *_: pytest.fail("compiled again"))
        assert engine.object_code(text, host()) == first
        library = engine.load(text, host(), ("answer",))
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("answer"))() == 42
    (path,) = files(folder)
    path.write_bytes(path.read_bytes()[:-1])
    assert engine.object_code(text, host()) == first


@native
@pytest.mark.parametrize("platform", [sys.platform, "darwin", "win32"])
def test_object_code_is_kept_where_images_are_not(monkeypatch: pytest.MonkeyPatch, folder: Path, platform: str) -> None:
    """Elsewhere than on Linux, LLVM links: a later process plans again, and compiles nothing again."""
    monkeypatch.setenv("FUNCTRANS_CACHE", str(folder))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(kept, "_surroundings", kept._digest)
    linked_by_llvm: list[bytes] = []
    link = engine._by_llvm

    def by_llvm(code: bytes, *rest: Any) -> engine.Library:
        linked_by_llvm.append(code)
        return link(code, *rest)

    monkeypatch.setattr(engine, "_by_llvm", by_llvm)
    x = np.linspace(0.0, 1.0, 7)
    for _ in range(2):
        clear_programs()
        np.testing.assert_array_equal(ft.jit(lambda x: np.arctan(x) - 3)(x), np.arctan(x) - 3)
        monkeypatch.setattr(engine, "_compiled", lambda *_: pytest.fail("compiled again"))
    assert len(files(folder)) == 1
    if platform != "linux":
        assert len(linked_by_llvm) == 2
        assert kept.find("program") is None
        assert not kept.is_open()


@native
def test_a_program_is_compiled_once_for_all_processes(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A program's text says nothing that holds in one process only."""
    monkeypatch.setenv("FUNCTRANS_CACHE", str(folder))
    x = np.linspace(0.0, 1.0, 12).reshape(3, 4)
    results, made = [], []
    for _ in range(2):
        clear_programs()
        results.append(ft.jit(lambda x: np.sort(np.tanh(x) @ x.T))(x))
        made.append(files(folder))
    assert made[0]
    assert made[1] == made[0]
    np.testing.assert_array_equal(results[0], results[1])
