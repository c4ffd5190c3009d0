"""Programs that stand alone: bytes for another process, object files for C, and what is refused."""

import ctypes
import os
import shutil
import subprocess
import sys
import textwrap
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import functrans as ft
from functrans import errors
from functrans.backends.llvm.target import host
from functrans.description import Description, seal
from functrans.ops.families import INEXACT, unary
from functrans.typing import Array
from tests.marks import native

pytestmark = native

ROOT = Path(__file__).parent.parent
RNG = np.random.default_rng(0)
CONSTANT = RNG.standard_normal((3, 2))


class Pair(NamedTuple):
    first: Any
    second: Any


@ft.tree.register_dataclass
@dataclass
class Registered:
    value: Any


def network(params: dict[str, Array], x: Array) -> dict[str, Any]:
    hidden = np.tanh(x @ params["w"] + params["b"])
    return {"hidden": hidden, "weights": params["w"], "same": hidden, "one": 1.5, "loss": np.mean(hidden**2)}


def gradient(w: Array, x: Array) -> tuple[Array, Any]:
    return ft.grad(lambda w: np.sum(np.sin(x @ w) @ CONSTANT))(w), CONSTANT


def moved(x: Array, i: Array) -> tuple[Any, ...]:
    return x[i], np.sort(x, 0), np.concatenate([x, x[::-1]]), np.cumsum(x, 1), x.T


def loops(x: Array, n: int) -> Any:
    """A loop with a branch and a loop in it, and a constant that they close over."""

    def step(c: Any, row: Any) -> Any:
        grown = ft.lax.while_loop(lambda c: np.sum(np.abs(c)) < 50, lambda c: c * 1.5 + 0.25, c + row)
        return ft.lax.cond(np.sum(row) > 0, lambda c: np.sin(c), lambda c: c - CONSTANT[0, 0], grown), c

    total, rows = ft.lax.scan(step, x[0], x)
    return total, rows, ft.lax.fori_loop(0, n, lambda i, c: c + i, 0)


PARAMS = {"w": RNG.standard_normal((4, 3)), "b": np.arange(3.0)}
X = RNG.standard_normal((5, 4))
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "network": (network, (PARAMS, X)),
    "gradient with constants": (gradient, (PARAMS["w"], X)),
    "data movement": (moved, (X, np.array([0, -1, 2]))),
    "large product": (lambda x: (x @ x.T).astype(np.float16), (RNG.standard_normal((300, 200)).astype(np.float32),)),
    "scalars": (lambda x, n: (x * n, n + 1), (np.float32(2), 3)),
    "named tuple": (lambda p: Pair(p.second, {"a": [p.first]}), (Pair(X, X[0]),)),
    "ordered dict": (lambda d: OrderedDict(b=d["a"], a=None), (OrderedDict(a=X),)),
    "loops": (loops, (X, 5)),
    "loops in registers": (loops, (X[0, :1], 5)),
    "empty": (lambda x: (x[:, :0], np.sum(x[:0])), (X,)),
    "nothing": (lambda: (), ()),
    "kinds": (lambda b, c, h, i: (~b, c * c, h + h, i // 3),
              (X > 0, (X + 1j).astype(np.complex64), X.astype(np.float16), np.arange(-5, 5))),
}  # fmt: skip


def serialized(fun: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    return ft.jit(fun).lower(*args).compile().serialize()


def assert_same(got: Any, expected: Any) -> None:
    assert ft.tree.structure(got) == ft.tree.structure(expected)
    for a, b in zip(ft.tree.leaves(got), ft.tree.leaves(expected), strict=True):
        assert type(a) is type(b)
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", PROGRAMS)
def test_bytes_compute_what_the_function_does(name: str) -> None:
    fun, args = PROGRAMS[name]
    assert_same(ft.deserialize(serialized(fun, args))(*args), ft.jit(fun)(*args))


@pytest.mark.parametrize("name", PROGRAMS)
def test_files_compute_what_the_function_does(name: str, tmp_path: Path) -> None:
    fun, args = PROGRAMS[name]
    files = ft.export(fun, *args, path=tmp_path / "program")
    assert_same(ft.load_exported(files.object)(*args), ft.jit(fun)(*args))


def test_bytes_run_in_another_process(tmp_path: Path) -> None:
    """One that knows nothing of the function, and never traces or compiles."""
    (tmp_path / "program").write_bytes(serialized(network, (PARAMS, X)))
    np.savez(tmp_path / "arguments.npz", x=X, w=PARAMS["w"], b=PARAMS["b"])
    code = """
        import sys
        from pathlib import Path
        import numpy as np
        import functrans as ft
        from functrans.backends.llvm import engine
        def refuse(*args): raise AssertionError("this process compiles")
        engine.object_code = engine._parsed = refuse
        folder = Path(sys.argv[1])
        found = np.load(folder / "arguments.npz")
        program = ft.deserialize((folder / "program").read_bytes())
        np.save(folder / "hidden.npy", program({"b": found["b"], "w": found["w"]}, found["x"])["hidden"])
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), tmp_path], check=True, env=environment)
    np.testing.assert_array_equal(np.load(tmp_path / "hidden.npy"), ft.jit(network)(PARAMS, X)["hidden"])


def test_results_are_the_callers_own() -> None:
    program = ft.deserialize(serialized(network, (PARAMS, X)))
    result = program(PARAMS, X)
    assert not np.shares_memory(result["weights"], PARAMS["w"])
    assert not np.shares_memory(result["hidden"], result["same"])
    result["weights"][...] = 7
    assert_same(program(PARAMS, X), ft.jit(network)(PARAMS, X))


def test_any_layout_of_arguments_will_do() -> None:
    program = ft.deserialize(serialized(np.exp, (X,)))
    for layout in (np.asfortranarray(X), X[::-1][::-1], X.astype(">f8"), X.repeat(2, 1)[:, ::2]):
        np.testing.assert_array_equal(program(layout), program(X))


def test_warnings_are_numpys() -> None:
    program = ft.deserialize(serialized(lambda a, b: a // b, (np.arange(3), np.arange(3))))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        program(np.ones(3, int), np.zeros(3, int))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        program(np.ones(3, int), np.zeros(3, int))


# ---- C ----


def c_call(library: ctypes.CDLL, name: str, arrays: list[Array], outs: list[Array], workspace: int) -> int:
    pointers = [(ctypes.c_void_p * max(len(part), 1))(*(x.ctypes.data for x in part)) for part in (arrays, outs)]
    space = np.empty(workspace + 64, np.uint8)
    status: int = getattr(library, name)(*pointers, ctypes.c_void_p(space.ctypes.data + -space.ctypes.data % 64))
    return status


needs_cc = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler")

C_PROGRAM = """
    #include <stdio.h>
    #include <stdlib.h>
    #include "net.h"
    int main(void) {
        double b[NET_IN_0_BYTES / sizeof(double)] = {0, 1, 2}, w[NET_IN_1_BYTES / sizeof(double)] = {0};
        double x[NET_IN_2_BYTES / sizeof(double)] = {0};
        const void *in[NET_INPUTS] = {b, w, x};
        void *out[NET_OUTPUTS];
        out[0] = malloc(NET_OUT_0_BYTES); out[1] = malloc(NET_OUT_1_BYTES); out[2] = malloc(NET_OUT_2_BYTES);
        out[3] = malloc(NET_OUT_3_BYTES); out[4] = malloc(NET_OUT_4_BYTES);
        void *work = aligned_alloc(64, (NET_WORKSPACE + 63) / 64 * 64);
        if (net(in, out, work)) return 1;
        printf("%.17g %.17g\\n", ((double *)out[0])[1], *(double *)out[1]);
        return 0;
    }
"""


@needs_cc
def test_a_c_program_calls_it(tmp_path: Path) -> None:
    files = ft.export(network, PARAMS, X, path=tmp_path / "net.o")
    assert (files.object, files.header) == (tmp_path / "net.o", tmp_path / "net.h")
    (tmp_path / "main.c").write_text(textwrap.dedent(C_PROGRAM), encoding="ascii")
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))))
    flags = ["-std=c11", "-Wall", "-Werror"]
    subprocess.run([compiler, *flags, "main.c", "net.o", "-lm", "-o", "main"], check=True, cwd=tmp_path)
    said = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout.split()
    expected = ft.jit(network)({"w": np.zeros((4, 3)), "b": np.arange(3.0)}, np.zeros((5, 4)))
    assert [float(word) for word in said] == [expected["hidden"][0, 1], expected["loss"]]


@needs_cc
def test_the_shared_library_says_what_went_wrong(tmp_path: Path) -> None:
    x, i = np.arange(6.0), np.array([5, 1])
    files = ft.export(lambda x, i: x[i] + 1, x, i, path=tmp_path / "take it", name="take")
    assert files.shared is not None
    library, out = ctypes.CDLL(str(files.shared)), np.zeros(2)
    assert c_call(library, "take", [x, i], [out], 4096) == 0
    assert out.tolist() == [6.0, 2.0]
    assert c_call(library, "take", [x, np.array([0, 6])], [out], 4096) > 0
    assert_same(ft.load_exported(files.shared.with_suffix(".o"))(x, i), np.array([6.0, 2.0]))


def test_the_header_tells_names_and_types(tmp_path: Path) -> None:
    text = ft.export(network, PARAMS, X, path=tmp_path / "2 nets").header.read_text()
    for line in ("int f_2_nets(const void **in, void **out, void *workspace);", "in[1]: params['w']: double[4][3], 96 bytes",
                 "out[2]: result['one']: double (one), 8 bytes", "#define F_2_NETS_INPUTS 3"):  # fmt: skip
        assert line in text


# ---- what is refused ----


def test_programs_that_numpy_runs_are_refused() -> None:
    odd = unary("odd", np.sin, INEXACT, lambda g, _out, x: g)  # no machine code has its name
    with pytest.raises(errors.NotExportableError, match="`odd` has no native code"):
        serialized(odd.bind, (np.ones(3),))


def test_classes_of_this_process_are_refused() -> None:
    with pytest.raises(errors.NotExportableError, match="hold Registered"):
        serialized(lambda r: r.value, (Registered(X),))

    class Local(NamedTuple):
        value: Any

    with pytest.raises(errors.NotExportableError, match="hold Local"):
        serialized(lambda x: Local(x), (X,))


def test_programs_that_close_over_tracers_are_refused() -> None:
    def outer(y: np.float64) -> np.float64:
        with pytest.raises(errors.NotExportableError, match="a transform that is running"):
            serialized(lambda x: x + y, (X,))
        return y

    ft.jit(outer)(np.float64(1.0))


def test_other_arguments_are_refused_by_name() -> None:
    program = ft.deserialize(serialized(network, (PARAMS, X)))
    with pytest.raises(errors.CompiledArgumentsError, match=r"x: f64\[5,4\], and this call has f32\[5,4\]"):
        program(PARAMS, X.astype(np.float32))
    with pytest.raises(errors.CompiledArgumentsError, match=r"params\['b'\]: f64\[3\], and this call has none"):
        program({"w": PARAMS["w"]}, X)
    with pytest.raises(errors.NonArrayInputError):
        program(PARAMS, "x")


def test_an_index_out_of_range_names_the_line() -> None:
    program = ft.deserialize(serialized(lambda x, i: x[i], (X, 1)))
    with pytest.raises(IndexError, match=r"test_exported\.py"):
        program(X, 9)
    np.testing.assert_array_equal(program(X, 2), X[2])


def test_damaged_and_foreign_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = serialized(network, (PARAMS, X))
    mark = data.index(b"functrans program")
    for broken in (b"", b"no program", data[: mark + 100], data.replace(b'"in_tree"', b'"in-tree"')):
        with pytest.raises(errors.ForeignProgramError):
            ft.deserialize(broken)
    with pytest.raises(errors.ForeignProgramError, match="damaged, or is no object file"):
        ft.deserialize(seal(b"\0" * mark + data[mark:]))
    (tmp_path / "text.o").write_text("text")
    with pytest.raises(errors.ForeignProgramError, match=r"text\.o"):
        ft.load_exported(tmp_path / "text.o")
    feature = next(iter(host().wanted))
    monkeypatch.setattr(type(host()), "has", lambda self, name: name != feature)
    with pytest.raises(errors.ForeignProgramError, match=feature):
        ft.deserialize(data)


def test_a_dtype_that_there_is_not_is_refused() -> None:
    data = serialized(network, (PARAMS, X)).replace(b'"float64"', b'"floatQ4"')
    with pytest.raises(errors.ForeignProgramError, match="description in it is damaged"):
        ft.deserialize(seal(data))


def test_any_byte_that_is_another_is_noticed(tmp_path: Path) -> None:
    data = serialized(lambda x: x + 1, (X,))
    np.testing.assert_array_equal(ft.deserialize(data)(X), X + 1)
    for i in range(len(data)):
        for flipped in (1, 0x20, 0xFF):  # the second makes capitals of letters
            broken = bytearray(data)
            broken[i] ^= flipped
            with pytest.raises(errors.ForeignProgramError):
                Description.find(bytes(broken), "bytes")
    for other in (data[:-1], data + b"\0", data[1:], b"\0" + data):
        with pytest.raises(errors.ForeignProgramError):
            ft.deserialize(other)
    files = ft.export(lambda x: x + 1, X, path=tmp_path / "program")
    files.object.write_bytes(files.object.read_bytes()[:-1] + b"~")
    with pytest.raises(errors.ForeignProgramError, match=r"program\.o cannot be loaded: it is damaged"):
        ft.load_exported(files.object)


@pytest.mark.parametrize("data", ["text", 5, None])
def test_bytes_are_asked_for(data: Any) -> None:
    with pytest.raises(TypeError, match="deserialize takes bytes"):
        ft.deserialize(data)


@pytest.mark.parametrize("name", ["", "a b", "3d", "\u00e9", "int", "return", "main", "memcpy"])
def test_names_that_c_does_not_take(name: str, tmp_path: Path) -> None:
    compiled = ft.jit(lambda x: (x, x + 1)).lower(X).compile()
    with pytest.raises(ValueError, match="would do"):
        compiled.serialize(name)
    files = ft.export(lambda x: (x, x + 1), X, path=tmp_path / "file", name=name or None)
    np.testing.assert_array_equal(ft.load_exported(files.object)(X)[0], X)
    assert f"int {name}(" not in files.header.read_text()


def test_the_description_lies_in_the_code() -> None:
    found = Description.find(serialized(network, (PARAMS, X)), "bytes")
    assert [leaf.name for leaf in found.arguments] == ["params['b']", "params['w']", "x"]
    assert (found.name, found.triple) == ("program", host().triple)
    assert found.results[0].shape == (5, 3)
