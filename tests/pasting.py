"""What a user does with an error that shows rewritten code: puts it where the old code was, until nothing is wrong."""

from __future__ import annotations

import linecache
import re
from textwrap import dedent, indent
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans.errors import FunctransError

__all__ = ["function_of", "paste", "rewritten"]


def function_of(program: str) -> Any:  # Any: the function `f` that a program defines, of any arguments
    """The function `f` of a program, which is read from a file of its own."""
    linecache.cache["program.py"] = (len(program), None, program.splitlines(keepends=True), "program.py")
    scope: dict[str, Any] = {"np": np, "ft": ft}
    exec(compile(program, "program.py", "exec"), scope)
    return scope["f"]


def paste(program: str, error: FunctransError) -> str:
    """The program with the code that an error shows in place of the code that it quotes."""
    found = re.findall(r"program\.py:(\d+)", error.where)
    at = int(found[0]) - 1
    lines = program.splitlines()
    if line := re.fullmatch(r"Write:  (.+)", error.fix):
        quoted, code = lines[at].strip(), line[1]
    else:
        parts = re.fullmatch(r"Instead of\n(.+?)\nwrite\n(.+)", error.fix, re.DOTALL)
        assert parts, error.fix
        quoted, code = dedent(parts[1]), dedent(parts[2])
    length = len(quoted.splitlines())
    for first in range(at, max(at - length, -1), -1):
        old = "\n".join(lines[first : first + length])
        if dedent(old).rstrip() == quoted:
            margin = old[: len(old) - len(old.lstrip())]
            return "\n".join([*lines[:first], indent(code, margin), *lines[first + length :]])
    raise AssertionError(f"not in the program: {quoted}")


def rewritten(program: str, *args: object, transform: Any = ft.jit, times: int = 12) -> str:
    """The program with all that errors say done to it, so that its function runs under a transform."""
    for _ in range(times):
        try:
            transform(function_of(program))(*args)
        except FunctransError as error:
            program = paste(program, error)
        else:
            return program
    pytest.fail(f"still not right:\n{program}")
