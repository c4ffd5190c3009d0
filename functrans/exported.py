"""`export`: a function as an object file and a C header, for programs without Python; `load_exported` takes it back.

Imports `jit`, and what does the work when it is asked for; start reading at `export`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from functrans.jit import Jitted, jit
from functrans.lowered import Lowered
from functrans.record import NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from functrans.standalone import Exported

__all__ = ["ExportedFiles", "deserialize", "export", "load_exported"]


class ExportedFiles(NamedTuple):
    """What `export` wrote."""

    object: Path
    header: Path
    shared: Path | None
    """A shared library; None where no C compiler was found to link it."""


def export(
    fun: Callable[..., Any], *args: Any, path: str | os.PathLike[str], name: str | None = None, **kwargs: Any
) -> ExportedFiles:  # Any: a function of whatever trees
    """Write a function, compiled for arguments of these types, to `path`.o, with a C header `path`.h.

    `args` and `kwargs` are arrays, or ShapeDtypeStructs that stand for them. The C function has the name `name`, or
    that of the file, made into one that C takes: `int name(const void **in, void **out, void *workspace)`, where `in` and
    `out` point to the arrays' elements in C order, in the order that the header tells with their types, and `workspace` to so
    many bytes as it says, aligned to 64. It gives 0; n where step n met an index out of range; -1 where NumPy would have raised
    for an element. It needs nothing but the C library's mathematics, no Python, and may be called from many threads, each with
    a workspace. Where a C compiler is found, `path`.so (.dylib) is linked, too. The code is for machines like this one.

    Raises NotExportableError where NumPy runs a part of the function, or its trees hold classes of this process.

    >>> import numpy as np
    >>> import functrans as ft
    >>> import tempfile
    >>> from pathlib import Path
    >>> where = Path(tempfile.mkdtemp()) / "norm"
    >>> files = ft.export(lambda x: np.sqrt(np.sum(x * x)), ft.ShapeDtypeStruct(3, "float64"), path=where)
    >>> files.object.name, files.header.name
    ('norm.o', 'norm.h')
    >>> float(ft.load_exported(files.object)(np.array([1.0, 2.0, 2.0])))
    3.0
    """
    from pathlib import Path  # here and not above: it takes a tenth of `import functrans`

    from functrans.c_interface import header, linked
    from functrans.description import Description
    from functrans.standalone import c_name

    base = Path(path)
    base = base.with_suffix("") if base.suffix in (".o", ".h", ".so", ".dylib") else base
    jitted = fun if isinstance(fun, Jitted) else jit(fun)
    lowered: Lowered[..., Any] = jitted.lower(*args, **kwargs)
    symbol = c_name(name or base.name)
    code = lowered.compile().serialize(symbol)
    files = ExportedFiles(base.with_name(f"{base.name}.o"), base.with_name(f"{base.name}.h"), None)
    files.object.write_bytes(code)
    files.header.write_text(header(Description.find(code, str(files.object))), encoding="utf-8")
    return files._replace(shared=linked(files.object))


def load_exported(path: str | os.PathLike[str]) -> Exported:
    """The function of an object file that `export` wrote; nothing is linked or traced.

    It is machine code, which is run: load only what you would also run as a program. Raises ForeignProgramError for a file
    that holds none, or one for another kind of machine.
    """
    from functrans.standalone import Exported

    with open(path, "rb") as file:
        return Exported(file.read(), os.fspath(path))


def deserialize(data: bytes) -> Exported:
    """The function of the bytes that `Compiled.serialize` gave, in this process or another.

    They are machine code, which is run: load only what you would also run as a program. Raises ForeignProgramError for
    other bytes, and for code of another kind of machine; TypeError for what is no bytes.

    >>> import numpy as np
    >>> import functrans as ft
    >>> data = ft.jit(np.sin).lower(np.zeros(2)).compile().serialize()
    >>> ft.deserialize(data)(np.array([0.0, 1.0]))
    array([0.        , 0.84147098])
    """
    from functrans.standalone import Exported

    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"deserialize takes bytes, not {data!r:.50} of type {type(data).__name__}")
    return Exported(bytes(data))
