"""What mypy and pyright see through the transforms, by one run of each over this folder.

`accept_*.py` must pass, and run. In `reject_*.py` every line with a `type: ignore[code]` must be an error to both (both report
an ignore that nothing needs; mypy also one of another code), and no other line may be. That the checkers do report this is
held by a file that they must complain of.
"""

import importlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ACCEPTED = sorted(path.stem for path in HERE.glob("accept_*.py"))
CONTROL = '''"""Must be complained of: a wrong type and a needless ignore."""
# pyright: reportUnnecessaryTypeIgnoreComment=error
from typing import assert_type
import functrans as ft
def square(x: float) -> float:
    return x * x
assert_type(ft.grad(square)(1.0), int)
assert_type(ft.grad(square)(1.0), float)  # type: ignore[assert-type]
'''
COMPLAINTS = [("control.py", 7), ("control.py", 8)]


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: it found errors
    return done.stdout


def skip_without(checker: str) -> None:
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "control.py").write_text(CONTROL, encoding="utf-8")
    return [str(HERE), str(tmp_path / "control.py")]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted_runs(name: str) -> None:
    checks = [fun for key, fun in vars(importlib.import_module(f"tests.typing.{name}")).items() if key[:6] == "check_"]
    assert checks
    for check in checks:
        check()


def test_mypy_sees_the_types(files: list[str]) -> None:
    skip_without("mypy")
    errors = [json.loads(line) for line in run("mypy", "--strict", "--output=json", *files).splitlines()]
    found = [(Path(error["file"]).name, error["line"]) for error in errors if error["severity"] == "error"]
    assert found == COMPLAINTS, "\n".join(f"{e['file']}:{e['line']}: {e['message']}" for e in errors)


def test_pyright_sees_the_types(files: list[str]) -> None:
    skip_without("pyright")
    report = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, *files))
    errors = report["generalDiagnostics"]
    found = sorted((Path(error["file"]).name, error["range"]["start"]["line"] + 1) for error in errors)
    assert found == COMPLAINTS, "\n".join(
        f"{e['file']}:{e['range']['start']['line'] + 1}: {e['message']}" for e in errors
    )
