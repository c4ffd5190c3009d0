"""Programs on disk: a second process loads what a first has compiled, without a compiler, and nothing that it must not."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time_ns
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans import lax
from functrans.backends import executable
from functrans.backends.executable import clear_programs
from functrans.backends.llvm import kept, stored
from functrans.compiler.inline import inline
from functrans.core.digest import digest
from functrans.core.ir import Jaxpr
from functrans.ops.__main__ import all_primitives
from functrans.ops.families import FLOATING, unary
from tests.marks import native

pytestmark = [native, pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is kept of programs")]

X = np.linspace(-1.0, 1.0, 12).reshape(3, 4)


# ---- in another process ----

PROGRAMS = """
import sys
import numpy as np
import functrans as ft
from functrans import lax

rng = np.random.default_rng(0)
x, w, v = rng.normal(size=(32, 64)), rng.normal(size=(64, 64)), rng.normal(size=(64, 5))
heard = []

def network(w, v, x):
    return np.mean(np.tanh(np.maximum(x @ w, 0.0) @ v) ** 2)

def norm(x, scale, offset):
    centred = x - np.mean(x, -1, keepdims=True)
    return np.sum(centred / np.sqrt(np.mean(centred**2, -1, keepdims=True) + 1e-5) * scale + offset)

def rows(x):
    return lax.scan(lambda total, row: (np.sin(total) + row, total), np.zeros(64), x)

def called(x):
    y = ft.pure_callback(lambda x: heard.append("pure") or np.sort(x), ft.ShapeDtypeStruct((64,), x.dtype), x[0])
    ft.debug.callback(lambda y: heard.append(float(y)), np.sum(y))
    return y * 2 + scale

scale = np.arange(64.0)
out = {}
for name, fun, args in (
    ("network", ft.value_and_grad(network, argnums=(0, 1)), (w, v, x)),
    ("norm", ft.grad(norm, argnums=(0, 1, 2)), (x, w[0], w[1])),
    ("scan", rows, (x,)),
    ("sorted", lambda x: (np.sort(x, axis=None), np.float32(2.5), x, np.sum(x) > 0), (x,)),
    ("called", called, (x,)),
):
    f = ft.jit(fun)
    for turn in range(4):  # the later ones go by machine code
        leaves = ft.tree.leaves(f(*args))
    out |= {f"{name} {i}": leaf for i, leaf in enumerate(leaves)}
step = ft.jit(lambda w, g: w - 0.1 * g, donate_argnums=0)
for turn in range(4):
    w = step(w, w)
out["donated"] = w
np.savez(sys.argv[1], **out, heard=np.array([str(one) for one in heard]))
print(sorted(name for name in sys.modules if name.split(".")[0] == "llvmlite"), "functrans.backends.llvm.function" in sys.modules)
"""


def run(folder: Path, to: Path, **more: str) -> tuple[dict[str, Any], str]:
    """What the programs give in a process of their own, and whether that loaded the compiler."""
    environment = {**os.environ, "FUNCTRANS_CACHE": str(folder), **more}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS, str(to)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(to) as found:
        return dict(found), done.stdout.strip()


def test_a_second_process_loads_no_compiler_and_gives_the_same(tmp_path: Path) -> None:
    first, loaded = run(tmp_path / "cache", tmp_path / "first.npz")
    assert "llvmlite" in loaded
    second, loaded = run(tmp_path / "cache", tmp_path / "second.npz")
    assert loaded == "[] False"
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value)
    assert first["heard"].size == 8


# ---- in this one ----


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where programs are kept in this test."""
    monkeypatch.setenv("FUNCTRANS_CACHE", str(tmp_path))
    forget()
    yield tmp_path
    forget()


_unloaded: list[object] = []
"""Code of the process that others have the addresses of: only a process that ends may unload it."""


def forget() -> None:
    """As in a new process."""
    clear_programs()
    _unloaded.append(dict(stored._libraries))
    stored._libraries.clear()


def test_what_is_promised_of_indices_is_part_of_the_key(folder: Path) -> None:
    """A program that tests indices is not the one that does not, on disk too."""
    assert folder.is_dir()
    x, far = np.linspace(0.1, 1, 5), np.int64(9)
    for unchecked in (True, False, True, False):
        run = ft.jit(lambda x, i: x[i] * 3.0, unchecked=unchecked)
        forget()
        if unchecked:
            run(x, far)
        else:
            with pytest.raises(IndexError):
                run(x, far)


def test_primitives_of_others_are_not_taken_for_each_other() -> None:
    """By their names alone they would be."""

    def key(value: Any, emit: Any = None) -> str | None:
        prim = unary("activation", value, FLOATING, lambda g, _out, _x: g, emit=emit)
        return digest(ft.make_jaxpr(lambda x: prim.bind(x)[0])(np.ones(2)))

    assert key(np.tanh) != key(np.sin)
    assert key(np.tanh, lambda b, x: b.call("tanh", x)) is None


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Jaxpr]:
    """What is compiled, and does not come from disk."""
    seen: list[Jaxpr] = []
    compile_now = executable._compiled

    def counted(jaxpr: Jaxpr, *rest: Any) -> executable.AnyProgram:
        seen.append(jaxpr)
        return compile_now(jaxpr, *rest)

    monkeypatch.setattr(executable, "_compiled", counted)
    return seen


def again(fun: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """A call as the first of a new process."""
    forget()
    return ft.jit(fun, **settings)(*args)


@pytest.mark.usefixtures("folder")
def test_what_was_compiled_is_found(compiled: list[Jaxpr]) -> None:
    results = [again(lambda x: np.cumsum(np.exp(x) @ x.T, axis=1), X) for _ in range(3)]
    assert len(compiled) == 1
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


@pytest.mark.usefixtures("folder")
def test_what_is_captured_is_no_part_of_the_code(compiled: list[Jaxpr]) -> None:
    for scale in (2.0 * X, 3.0 * X):
        np.testing.assert_array_equal(again(lambda x: x * scale, X), X * scale)  # noqa: B023
    assert len(compiled) == 1


@pytest.mark.usefixtures("folder")
def test_callbacks_are_those_of_this_process(compiled: list[Jaxpr]) -> None:
    for factor in (2, 3):

        def scaled(x: Any) -> Any:
            return factor * x  # noqa: B023

        def fun(x: Any) -> Any:
            return ft.pure_callback(scaled, ft.ShapeDtypeStruct(x.shape, x.dtype), np.sin(x)) + 1

        np.testing.assert_array_equal(again(fun, X), factor * np.sin(X) + 1)
    assert len(compiled) == 1


@pytest.mark.usefixtures("folder")
def test_two_callbacks_are_not_one(compiled: list[Jaxpr]) -> None:
    def called(x: Any, *functions: Callable[..., Any]) -> Any:
        return [ft.pure_callback(f, ft.ShapeDtypeStruct(x.shape, x.dtype), x) for f in functions]

    np.testing.assert_array_equal(again(lambda x: called(x, np.sin, np.sin), X), [np.sin(X)] * 2)
    np.testing.assert_array_equal(again(lambda x: called(x, np.sin, np.cos), X), [np.sin(X), np.cos(X)])
    assert len(compiled) <= 2


@pytest.mark.usefixtures("folder")
def test_errors_of_what_comes_from_disk_name_the_line(compiled: list[Jaxpr]) -> None:
    def fun(x: Any, i: Any) -> Any:
        return np.exp(x)[i]

    def fails(x: Any) -> Any:
        raise ValueError("no")

    def calls(x: Any) -> Any:
        return ft.pure_callback(fails, ft.ShapeDtypeStruct((), "f8"), np.sum(x))

    for _ in range(2):
        with pytest.raises(IndexError) as error:
            again(fun, X, 7)
        assert "np.exp(x)[i]" in str(error.value)
        with pytest.raises(ValueError, match="no") as raised:
            again(calls, X)
        assert "pure_callback" in raised.value.__notes__[0]
        assert (
            "in calls" in raised.value.__notes__[0]
            or "(calls)" in str(raised.value.__notes__)
            or raised.value.__notes__
        )
    assert len(compiled) == 2


def test_a_program_whose_libraries_are_gone_is_compiled(folder: Path, compiled: list[Jaxpr]) -> None:
    results = []
    for _ in range(3):
        results.append(again(lambda x: np.sort(x @ x.T, axis=None), np.ones((64, 64))))
        for path in folder.iterdir():
            if b"functrans_sort" in path.read_bytes() and b"functrans_product" not in path.read_bytes():
                path.unlink()
    assert len(compiled) == 3
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize(
    "damage", [lambda x: x[:-9], lambda x: x[:60], lambda _: b"", lambda x: x[:200] + b"?" + x[201:]]
)
def test_damaged_files_are_ignored_and_replaced(
    folder: Path, compiled: list[Jaxpr], damage: Callable[[bytes], bytes]
) -> None:
    first = again(lambda x: np.tanh(x) * 2, X)
    for path in folder.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(again(lambda x: np.tanh(x) * 2, X), first)
    np.testing.assert_array_equal(again(lambda x: np.tanh(x) * 2, X), first)
    assert len(compiled) == 2


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("part", ["_software", "_machine"])
def test_another_system_compiles_anew(compiled: list[Jaxpr], monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def changed(change: Callable[[], Any]) -> None:
        monkeypatch.setattr(kept, part, change)
        kept._surroundings.cache_clear()
        again(np.sin, X)

    again(np.sin, X)
    told = getattr(kept, part)()
    for known in (told, (told, 1), (told, 2), told):
        changed(lambda: known)  # noqa: B023
    monkeypatch.undo()
    kept._surroundings.cache_clear()
    assert len(compiled) == 3


def test_all_that_code_follows_from_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    software, machine = repr(kept._software()), repr(kept._machine())
    assert all(part in software for part in (sys.version, np.__version__, "libllvmlite", "llvm/kept.py", "core/ir.py"))
    assert "flags" in machine
    monkeypatch.setenv("FUNCTRANS_MATMUL", "openblas")
    assert repr(kept._software()) != software


@pytest.mark.parametrize("part", ["_software", "_machine"])
def test_what_cannot_be_told_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def hidden() -> None:
        raise OSError("hidden")

    monkeypatch.setattr(kept, part, hidden)
    kept._surroundings.cache_clear()
    try:
        assert not kept.is_open()
        np.testing.assert_array_equal(again(np.sin, X), np.sin(X))
    finally:
        kept._surroundings.cache_clear()


def test_a_change_of_a_source_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "IMPORTED", time_ns() * 2)
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "module.py"
    path.write_text("x = 1")
    seen = [kept._sources([str(tmp_path)])]
    os.utime(path, (7, 7))
    seen.append(kept._sources([str(tmp_path)]))
    path.write_text("x = 12")
    os.utime(path, (7, 7))
    seen.append(kept._sources([str(tmp_path)]))
    path.rename(path.with_name("other.py"))
    seen.append(kept._sources([str(tmp_path)]))
    assert len({repr(files) for files in seen}) == 4


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("when", ["before the first", "before the second"])
def test_nothing_is_kept_when_a_source_is_newer_than_what_was_imported(
    compiled: list[Jaxpr], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Edited between a process's import and its first compilation, or before more modules are imported for another one."""
    kept._surroundings.cache_clear()
    kept._is_as_before.cache_clear()
    if when == "before the second":
        again(np.sin, X)
    before = len(compiled)
    monkeypatch.setattr(kept, "IMPORTED", os.stat(kept.__file__).st_ctime_ns - 1)
    if when == "before the first":
        kept._surroundings.cache_clear()
    else:
        monkeypatch.setitem(sys.modules, "functrans.more", types.ModuleType("more"))
    for _ in range(2):
        np.testing.assert_allclose(again(np.cos, X), np.cos(X))
    monkeypatch.undo()
    kept._surroundings.cache_clear()
    kept._is_as_before.cache_clear()
    assert len(compiled) == before + 2


def test_all_that_makes_machine_code_is_part_of_the_key() -> None:
    """What a primitive is to a compiler, and what computes constants, stands where changes of a file are seen."""
    for prim in all_primitives():
        if prim.lower is not None:
            for function in (prim.lower, prim.impl):
                module = getattr(function, "__module__", "numpy").split(".")
                assert module[0] != "functrans" or module[1] not in kept.MAKE_JAXPRS, prim


# ---- what is told apart ----


def structure(fun: Callable[..., Any], *args: Any) -> str | None:
    return digest(inline(ft.make_jaxpr(fun)(*args)))


DIFFERENT: tuple[tuple[Callable[..., Any], ...], ...] = (
    (lambda x: np.sum(x, 0), lambda x: np.sum(x, 1), lambda x: np.sum(x), lambda x: np.sum(x, 0, keepdims=True)),
    (lambda x: x + 1, lambda x: x + 2, lambda x: 1 + x, lambda x: x - 1),
    (lambda x: np.copysign(x, 0.0), lambda x: np.copysign(x, -0.0), lambda x: np.copysign(x, np.nan)),
    (lambda x: x * np.float64(1), lambda x: x * np.complex128(1), lambda x: x * 1j),
    (lambda x: (x, x + 1), lambda x: (x + 1, x), lambda x: (x + 1, x + 1), lambda x: x + 1),
    (lambda x: (1, x), lambda x: (1.0, x), lambda x: (np.float32(1), x), lambda x: (True, x)),
    (lambda x: x.astype("f4"), lambda x: x.astype("i8"), lambda x: x.astype("c16")),
    (lambda x: x[0], lambda x: x[1], lambda x: x[0:1], lambda x: x[::-1], lambda x: x[[0, 1]], lambda x: x[[0, 1, 1]]),
    (lambda x: np.sort(x), lambda x: np.sort(x, axis=0), lambda x: np.argsort(x)),
    (lambda x: lax.fori_loop(0, 3, lambda _, x: x * 2, x), lambda x: lax.fori_loop(0, 3, lambda _, x: x + x, x),
     lambda x: lax.fori_loop(0, 4, lambda _, x: x * 2, x)),
    (lambda x: x @ x.T, lambda x: x.T @ x),
)  # fmt: skip


@pytest.mark.parametrize("functions", DIFFERENT)
def test_other_programs_have_other_digests(functions: tuple[Callable[..., Any], ...]) -> None:
    digests = [structure(fun, X) for fun in functions]
    assert None not in digests
    assert len(set(digests)) == len(functions)
    assert digests == [structure(fun, X) for fun in functions]


def test_arguments_of_other_types_have_other_digests() -> None:
    arguments: list[Any] = [
        X,
        X[:2],
        X.T,
        X.astype("f4"),
        X.astype("c16"),
        np.float64(1),
        1.0,
        1,
        True,
        X.ravel(),
        X[None],
    ]
    assert len({structure(lambda x: x * 2, x) for x in arguments}) == len(arguments)
