"""What C programs see of an exported function: its header, and a shared library. Imports `description`.

Start reading at `header`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from functrans.description import Description, Leaf

__all__ = ["header", "linked"]


def header(description: Description) -> str:
    """The C header of an exported function."""
    guard = f"{description.name.upper()}_H"
    upper = description.name.upper()
    lines = [
        f"/* {description.function}, compiled by functrans for {description.triple}. */",
        f"#ifndef {guard}", f"#define {guard}", "", "#include <stddef.h>", "",
        "#ifdef __cplusplus", 'extern "C" {', "#endif", "",
        *_table("in", description.arguments), "", *_table("out", description.results), "",
        f"#define {upper}_INPUTS {len(description.arguments)}",
        f"#define {upper}_OUTPUTS {len(description.results)}",
        f"#define {upper}_WORKSPACE {max(description.workspace, 1)} /* bytes, aligned to 64 */",
        *(f"#define {upper}_IN_{i}_BYTES {leaf.bytes}" for i, leaf in enumerate(description.arguments)),
        *(f"#define {upper}_OUT_{i}_BYTES {leaf.bytes}" for i, leaf in enumerate(description.results)),
        "", "/* 0; n where step n met an index out of range; -1 where NumPy would have raised for an element. */",
        f"int {description.name}(const void **in, void **out, void *workspace);", "",
        "#ifdef __cplusplus", "}", "#endif", "", "#endif", "",
    ]  # fmt: skip
    return "\n".join(lines)


_C_TYPES = {"bool": "unsigned char", "float32": "float", "float64": "double", "float16": "2 bytes, IEEE half",
            "complex64": "float, float", "complex128": "double, double"}  # fmt: skip


def _table(which: str, leaves: tuple[Leaf, ...]) -> list[str]:
    """A comment that tells what each pointer points to."""
    rows = []
    for i, leaf in enumerate(leaves):
        dtype = np.dtype(leaf.dtype)
        element = _C_TYPES.get(leaf.dtype, f"{'u' * (dtype.kind == 'u')}int{8 * dtype.itemsize}_t")
        shape = "".join(f"[{n}]" for n in leaf.shape) or " (one)"
        name = leaf.name.replace("*/", "* /")
        rows.append(f"   {which}[{i}]: {name}: {element}{shape}, {leaf.bytes} bytes")
    return ["/*", *(rows or [f"   {which}: nothing"]), "*/"]


def linked(file: Path) -> Path | None:
    """A shared library made of an object file beside it; None where no C compiler makes one."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    shared = file.with_suffix(".dylib" if sys.platform == "darwin" else ".so")
    done = subprocess.run([compiler, "-shared", "-o", shared, file, "-lm"], capture_output=True, check=False)
    return shared if done.returncode == 0 else None
