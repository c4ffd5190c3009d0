"""The whole text of the errors that users meet, held to tests/golden/errors/, and whether what it advises works.

Every message has three parts: what differed, where (the user's line, quoted), and what to write instead. To write the
golden files anew, and then read what changed: `python -m pytest tests/test_error_messages.py --update-golden`.
"""

from __future__ import annotations

import ast
import linecache
import math
import pickle
import pkgutil
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import functrans as ft
import functrans.numpy as fnp
from functrans.errors import FunctransError
from tests.error_programs import ERRORS, Mistake
from tests.pasting import paste

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "errors"
CASES = [
    pytest.param(mistake, id=f"{subject}-{name}") for subject in ERRORS for name, mistake in ERRORS[subject].items()
]


def run(program: str) -> None:
    """Run a user's program, from a file of its own."""
    linecache.cache["program.py"] = (len(program), None, program.splitlines(keepends=True), "program.py")
    scope: dict[str, Any] = {
        "np": np,
        "math": math,
        "ft": ft,
        "functrans": ft,
        "fnp": fnp,
        "x": np.arange(3.0),
        "y": np.ones(4),
    }
    exec(compile(program, "program.py", "exec"), scope)


def error_of(mistake: Mistake) -> FunctransError:
    with pytest.raises(FunctransError) as caught:
        run(mistake.program)
    return caught.value


@pytest.mark.parametrize("subject", ERRORS)
def test_golden(subject: str, request: pytest.FixtureRequest) -> None:
    texts = []
    for name, mistake in ERRORS[subject].items():
        error = error_of(mistake)
        kind = next(base for base in type(error).__mro__ if not issubclass(base, FunctransError))
        program = "".join(f"    {line}\n" for line in mistake.program.splitlines())
        texts.append(f"==== {name}: {type(error).__name__} ({kind.__name__})\n{program}\n{error}\n")
    path = GOLDEN / f"{subject}.txt"
    text = "\n".join(texts)
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("mistake", CASES)
def test_the_three_parts(mistake: Mistake) -> None:
    error = error_of(mistake)
    assert error.what
    assert error.fix
    match = re.fullmatch(r"at program\.py:(\d+) \(.+?\): (.+)", error.where)
    assert match, error.where
    line = mistake.program.splitlines()[int(match[1]) - 1].strip()
    assert match[2] == line
    assert str(error) == f"{error.what}\n{error.where}\n{error.fix}"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("mistake", CASES)
def test_what_it_advises_works(mistake: Mistake) -> None:
    error = error_of(mistake)
    if error.fix.startswith("Instead of"):
        assert not mistake.instead
        run(paste(mistake.program, error))
        return
    match = re.search(r"^Write:  (.+)$", error.fix, re.MULTILINE)
    assert match or mistake.instead, error.fix
    number = int(re.findall(r"program\.py:(\d+)", error.where)[0])
    line = mistake.line or mistake.program.splitlines()[number - 1].strip()
    better = mistake.instead or (match[1] if match else "")
    assert line in mistake.program
    run(mistake.program.replace(line, better, 1))


# ---- what messages name ----

NAME = re.compile(r"(?<![\w./])(np|fnp|lax|functrans)((?:\.[A-Za-z_]\w*)+)(?!\w|\{)")
MODULES = {"np": "numpy", "fnp": "functrans.numpy", "lax": "functrans.lax", "functrans": "functrans"}


def texts_of_messages() -> Iterator[tuple[str, str]]:
    """Where messages are written, and what stands there; a value within is `{}`."""
    for path in (*ROOT.glob("functrans/errors/*.py"), *ROOT.glob("functrans/numpy/rewrite/*.py")):
        nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
        joined = [node for node in nodes if isinstance(node, ast.JoinedStr)]
        inner = {part for node in joined for part in node.values}
        for text in joined:
            parts = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in text.values)
            yield f"{path.name}:{text.lineno}", "".join(parts)
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner:
                yield f"{path.name}:{node.lineno}", node.value
    for path in GOLDEN.glob("*.txt"):
        yield path.name, path.read_text(encoding="utf-8")


def unknown(text: str) -> list[str]:
    """The names in a text that do not exist."""
    names = {f"{MODULES[found[1]]}{found[2]}" for found in NAME.finditer(text)}
    return [name for name in sorted(names) if not exists(name)]


def exists(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (AttributeError, ImportError):
        return False
    return True


def test_names_in_messages_exist() -> None:
    assert unknown("Write lax.scan, lax.stack or np.linalg.norm(x); np.float{}") == ["functrans.lax.stack"]
    wrong = [f"{place}: {name}" for place, text in texts_of_messages() for name in unknown(text)]
    assert not wrong, "\n".join(wrong)


# ---- tracebacks ----


def lines_shown(error: BaseException) -> list[str]:
    return [entry.filename.rpartition("/")[2] for entry in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize(
    "transform", ["jit(f)", "grad(f)", "vmap(f)", "value_and_grad(f)", "jit(grad(f))", "jacfwd(f)"]
)
def test_tracebacks_end_at_the_line_of_the_user(transform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call = f"ft.{transform.replace('(g', '(ft.g')}(x)"
    mistake = Mistake(
        f"def f(a):\n    return np.sum(a + np.ones(4))\n{call.replace('(x)', '(x[None])') if 'vmap' in call else call}"
    )
    assert lines_shown(error_of(mistake))[-1] == "program.py"
    monkeypatch.setenv("FUNCTRANS_TRACEBACK", "full")
    assert lines_shown(error_of(mistake))[-1] == "promotion.py"


def test_errors_of_the_user_keep_their_tracebacks() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("def f(a):\n    return a * (1 // 0)\nft.grad(f)(1.0)")
    assert "vjp.py" in lines_shown(caught.value)


def test_functions_of_one_structure_keep_their_own_lines() -> None:
    first = error_of(Mistake("def f(a, k):\n    return a[k]\nft.jit(f)(x, 9)"))
    second = error_of(Mistake("def f(a, k):\n    b = a[k]\n    return b\n\nft.jit(f)(x, 9)"))
    again = error_of(Mistake("def f(a, k):\n    return a[k]\nft.jit(f)(x, 9)"))
    assert [error.where.partition(" (")[0] for error in (first, second, again)] == [
        "at program.py:2", "at program.py:2", "at program.py:2"
    ]  # fmt: skip
    assert "b = a[k]" in second.where
    assert "return a[k]" in again.where
