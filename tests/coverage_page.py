"""What of NumPy works: `python -m tests.coverage_page` runs the rows of the test tables and writes COVERAGE.md.

A line for every function and ufunc that NumPy lets be overridden, a column for each way it is used. Start reading at `measured`;
`REASONS` says why a function has no rows.
"""

from __future__ import annotations

import warnings
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.testing import overrides

from functrans.core.primitive import Tracer
from functrans.errors import ValueDependentShapeError
from functrans.jit import jit
from functrans.numpy.dispatch import name_of
from functrans.transforms.jvp import jvp
from functrans.transforms.vjp import vjp
from functrans.transforms.vmap import vmap
from tests.coverage_edges import edges_table
from tests.coverage_rows import Program, programs
from tests.derivatives import check_derivatives
from tests.identity_trace import through_identity

for _module in ("numpy.char", "numpy.lib.recfunctions"):
    import_module(_module)  # they change the list of functions when they are imported

_MODULES = ("numpy.fft.", "numpy.lib.", "numpy.linalg.")
PAGE = Path(__file__).parent.parent / "COVERAGE.md"
FULL, IN_PART = "✓", "(✓)"
_VERSION = ".".join(np.__version__.split(".")[:2])
_CONSTANT, _INTEGERS = "constant, or steps", "its results are integers or truths"
_OF_VALUES = "the shape or dtype depends on values"
_INTRODUCTION = """# What of NumPy works

This page is written by `python -m tests.coverage_page`, which runs the rows of the test tables: do not edit it.

{totals}

A function has rows for its keywords and dtypes. ✓: all of them work; (✓): some do not, and the last column says which.

* *value*: traced it gives what NumPy gives, with its dtype and shape.
* *VJP*, *JVP*: reverse and forward mode agree with finite differences and with each other.
* *vmap*: it gives what a loop gives.
* *jit native*: machine code gives the same, and does not call NumPy's Python functions back.
* *order 2*: the derivatives' derivatives, both modes over both modes.
"""
_EDGES = """## Derivatives at ties, zeros and infinities

What is chosen where there is no one derivative, and what is not replaced; each line is a test.
"""
COLUMNS: tuple[str, ...] = ("value", "VJP", "JVP", "vmap", "jit native", "order 2")

REASONS: dict[str, Sequence[str]] = {
    "writes or reads files, text or buffers: run it outside of the traced function": (
        "numpy.frombuffer", "numpy.fromfile", "numpy.fromiter", "numpy.fromstring", "numpy.genfromtxt", "numpy.loadtxt",
        "numpy.save", "numpy.savetxt", "numpy.savez", "numpy.savez_compressed",
    ),
    "makes text of values: `functrans.debug.print` shows them": (
        "numpy.array2string", "numpy.array_repr", "numpy.array_str",
    ),
    "dates: traced arrays hold numbers": (
        "numpy.busday_count", "numpy.busday_offset", "numpy.datetime_as_string", "numpy.is_busday", "numpy.isnat",
    ),
    "about memory, which traced arrays do not have": ("numpy.may_share_memory", "numpy.shares_memory"),
    "of numbers that are not traced NumPy's own serves; the length depends on them": ("numpy.arange",),
    "of numbers that are not traced NumPy's own serves": (
        "numpy.eye", "numpy.fromfunction", "numpy.identity", "numpy.tri",
    ),
    "not yet: write `functrans.scipy.special.i0`": ("numpy.i0",),
    "not yet: write it with `//` and `%`": ("numpy.ravel_multi_index", "numpy.unravel_index"),
}  # fmt: skip
"""Why a function has no rows -> the functions. Those of strings and structured arrays are found by `reason_of`."""


def overridable() -> list[str]:
    """The names of the functions and ufuncs that NumPy lets be overridden, of its own and of these modules.

    Other modules' (of strings and polynomials) are in NumPy's list only when somebody has imported them.
    """
    functions = {name_of(f) for f in overrides.get_overridable_numpy_array_functions()}
    names = functions | {name_of(f) for f in overrides.get_overridable_numpy_ufuncs()}
    return sorted(name for name in names if name.count(".") == 1 or name.startswith(_MODULES))


def reason_of(name: str) -> str:
    """Why a function has no rows in the tables, or ""."""
    short = name.rpartition(".")[2]
    if name.startswith("numpy.lib.recfunctions."):
        return "structured arrays: traced arrays hold numbers"
    if short in ("_ones_like", "clip") and name != "numpy.clip":
        return "NumPy's own, behind `np.ones_like` and `np.clip`"
    if not hasattr(np, short) and name.count(".") == 1:
        return "strings: traced arrays hold numbers"
    return next((reason for reason, names in REASONS.items() if name in names), "")


# ---- running a row ----


def _leaves(value: Any) -> tuple[Any, ...]:
    """The arrays of a result, and what NumPy gives as a number of Python's."""
    if isinstance(value, list | tuple):
        return tuple(leaf for item in value for leaf in _leaves(item))
    if isinstance(value, bool | int):
        return (np.asarray(value)[()],)
    return (value,) if isinstance(value, np.ndarray | np.generic | Tracer) else ()


def _assert_close(got: Iterable[Any], expected: Iterable[Any]) -> None:
    for mine, its in zip(got, expected, strict=True):
        mine, its = np.asarray(mine), np.asarray(its)
        assert (mine.shape, mine.dtype) == (its.shape, its.dtype), "dtype or shape"
        eps = float(np.finfo(its.dtype).eps) if its.dtype.kind in "fc" else 0.0
        np.testing.assert_allclose(mine, its, rtol=1e5 * eps, atol=1e5 * eps)


def _value(program: Program) -> None:
    def traced(*args: Any) -> tuple[Any, ...]:
        return _leaves(program.call(*args))

    try:
        got = through_identity(traced, *program.operands)
    except ValueDependentShapeError:  # as grad and jvp trace outside of jit, values are known
        got = jvp(traced, program.operands, tuple(np.zeros_like(x) for x in program.operands))[0]
    _assert_close(got, _leaves(program.expected(*program.operands)))


def _vmap(program: Program) -> None:
    first, *rest = program.operands
    stacked = np.stack([first, np.flip(first)])
    got = vmap(lambda x: _leaves(program.call(x, *rest)))(stacked)
    expected = [_leaves(program.expected(x, *rest)) for x in stacked]
    _assert_close(got, [np.stack(each) for each in zip(*expected, strict=True)])


def _jit(program: Program) -> None:
    compiled = jit(lambda *args: _leaves(program.call(*args)))
    _assert_close(compiled(*program.operands), _leaves(program.expected(*program.operands)))
    assert "callback" not in str(compiled.lower(*program.operands).cost()), "NumPy is called back"


def _derivatives(order: int) -> Callable[[Program], None]:
    def check(program: Program) -> None:
        function, primals = _smooth(program)
        if program.homogeneous:
            _check_homogeneous(function, primals[0], order)
        else:
            check_derivatives(function, primals, order, np.random.default_rng(zlib.crc32(program.text.encode())))

    return check


def _smooth(program: Program) -> tuple[Callable[..., tuple[Any, ...]], tuple[Any, ...]]:
    """The floating results as a function of the operands of double precision, which are moved so that none ties."""
    wrt = [i for i, x in enumerate(program.operands) if np.asarray(x).dtype.char in "dD"]

    def function(*args: Any) -> tuple[Any, ...]:
        given = list(program.operands)
        for i, x in zip(wrt, args, strict=True):
            given[i] = 0.5 * (x + np.conj(np.swapaxes(x, -1, -2))) if program.symmetric else x
        outs = [x for x in _leaves(program.call(*given)) if np.asarray(0, x.dtype).dtype.kind in "fc"]
        return tuple(np.abs(x) if program.up_to_phases else x for x in outs)

    return function, tuple(np.asarray(program.operands[i]) + 0.007 * place for place, i in enumerate(wrt))


def _check_homogeneous(function: Callable[..., tuple[Any, ...]], x: Any, order: int) -> None:
    """Hold f'(x) x against f(x), in both modes; of order 2 the same for the function x ↦ f'(x) x."""
    values, tangents = jvp(function, (x,), (x,))
    _assert_close(tangents, values)
    cts = tuple(np.ones_like(value) for value in values)
    product = np.sum(vjp(function, x)[1](cts)[0] * x)
    np.testing.assert_allclose(product, sum(np.sum(value) for value in values), rtol=1e-12)
    if order > 1:
        _check_homogeneous(lambda x: jvp(function, (x,), (x,))[1], x, order - 1)


def _can_be_differentiated(program: Program) -> bool:
    if not program.smooth:
        return False
    chars = {np.asarray(x).dtype.char for x in program.operands}
    if not chars & {"d", "D"} or chars & {"e", "f", "F"}:
        return False
    if any(np.isinf(x).any() for x in program.operands):
        return False
    floats = [x for x in _leaves(program.expected(*program.operands)) if x.dtype.kind in "fc" and x.size]
    return bool(floats) and all(x.dtype.char in "dD" and np.isfinite(x).all() for x in floats)


Outcome = str | None
"""What went wrong; "" if nothing did, None where there is nothing to try."""


def _tried(check: Callable[[Program], None], program: Program) -> str:
    try:
        check(program)
    except ValueDependentShapeError:
        return _OF_VALUES
    except Exception as error:  # whatever goes wrong is what the page tells
        first = f"{str(error).strip() or type(error).__name__}".splitlines()[0]
        return "not equal to what it is held against" if first.startswith("Not equal") else first
    return ""


def measured(program: Program) -> dict[str, Outcome]:
    """What came of each column."""
    out: dict[str, Outcome] = dict.fromkeys(COLUMNS)
    if not program.sized:
        out["value"] = _tried(_value, program)
    if _can_be_differentiated(program):
        out["VJP"] = out["JVP"] = _tried(_derivatives(1), program)
        out["order 2"] = out["VJP"] or _tried(_derivatives(2), program)
    if program.operands:
        out["vmap"] = _tried(_vmap, program)
    out["jit native"] = _tried(_jit, program)
    return out


# ---- the page ----

Outcomes = Sequence[tuple[Program, Mapping[str, Outcome]]]
"""The rows of a function and what came of them."""


def results(only: Collection[str] = ()) -> dict[str, Outcomes]:
    """The name of each function -> its rows, and what came of them."""
    found: dict[str, list[tuple[Program, Mapping[str, Outcome]]]] = defaultdict(list)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for program in programs():
            if only and not program.functions & set(only):
                continue
            outcomes = measured(program)
            for name in program.functions:
                found[name].append((program, outcomes))
    return dict(found)


def line_of(name: str, rows: Outcomes) -> str:
    """The line of a function in the table."""
    cells, notes = [], []
    for column in COLUMNS:
        cell, note = _cell(column, rows)
        cells.append(cell)
        notes.append(note)
    return f"| `{name}` | {' | '.join(cells)} | {'; '.join(filter(None, dict.fromkeys(notes)))} |"


def _cell(column: str, rows: Outcomes) -> tuple[str, str]:
    """The mark, and the reason if it is not a full one."""
    tried = [(program, outcomes[column]) for program, outcomes in rows if outcomes[column] is not None]
    if not tried:
        return "", _no_derivative(rows)
    failures = [(program, reason) for program, reason in tried if reason]
    if not failures:
        return FULL, ""
    sized = {program.sized for program, reason in tried if program.sized and not reason}
    reasons = "; ".join(dict.fromkeys(str(reason) for _, reason in failures))
    if sized and all(reason == _OF_VALUES for _, reason in failures):
        return IN_PART, f"{_OF_VALUES}, unless `{sized.pop()}` is given"
    if len(failures) < len(tried):
        rest = ", ".join(f"`{program.text}`" for program, _ in failures[:2])
        return IN_PART, f"not {rest}: {reasons}"
    return "", reasons


def _no_derivative(rows: Outcomes) -> str:
    kinds = {x.dtype.kind for program, _ in rows for x in _leaves(program.expected(*program.operands))}
    return _CONSTANT if kinds & set("fc") else _INTEGERS


def table(found: Mapping[str, Outcomes]) -> list[str]:
    """The lines of all functions that have rows."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [line_of(name, found[name]) for name in overridable() if name in found]


def totals(lines: Sequence[str]) -> str:
    """What the lines of the table amount to, in a sentence; README quotes it."""
    cells = [[cell.strip() for cell in line.split("|")[2:8]] for line in lines]
    columns = dict(zip(COLUMNS, zip(*cells, strict=True), strict=True))
    smooth = [cell for cell, line in zip(columns["VJP"], lines, strict=True) if cell or not _is_constant(line)]

    def count(column: str) -> str:
        full, part = columns[column].count(FULL), columns[column].count(IN_PART)
        return f"{full} ({part} more in part)" if part else str(full)

    return (
        f"Of the {len(overridable())} functions and ufuncs that NumPy {_VERSION} lets be overridden {len(lines)} are traced: "
        f"values {count('value')}, `vmap` {count('vmap')}, `jit` without a call back to NumPy {count('jit native')}; "
        f"of the {len(smooth)} that have derivatives VJPs and JVPs {count('VJP')}, second derivatives {count('order 2')}. "
        f"The other {len(overridable()) - len(lines)}, most of them about strings, files, "
        "dates and structured arrays, have reasons."
    )


def _is_constant(line: str) -> bool:
    return _CONSTANT in line or _INTEGERS in line


def page(found: Mapping[str, Outcomes]) -> str:
    """COVERAGE.md."""
    lines = table(found)
    others: dict[str, list[str]] = defaultdict(list)
    for name in overridable():
        if name not in found:
            others[reason_of(name)].append(f"`{name}`")
    reasons = "\n".join(f"* {reason}: {', '.join(names)}" for reason, names in sorted(others.items()))
    head = f"| function | {' | '.join(COLUMNS)} | what is missing |\n|---|{':-:|' * len(COLUMNS)}---|"
    return (
        f"{_INTRODUCTION.format(totals=totals(lines))}\n{head}\n"
        + "\n".join(lines)
        + (f"\n\n## Not traced\n\n{reasons}\n\n{_EDGES}\n{edges_table()}\n")
    )


if __name__ == "__main__":
    PAGE.write_text(page(results()), encoding="utf-8")
