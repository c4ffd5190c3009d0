"""Compiled programs run between pages that cannot be touched: a byte read or written out of bounds ends the process.

`python -m tests.guarded_programs MACHINE COUNT [FAMILY …]` runs so many samples of each family of tests/kernel_programs.py,
with all arrays at the starts and then at the ends of their pages, against the NumPy backend. A sample is printed before
it runs. Start reading at `check`.
"""

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import Phase, given, settings

from functrans.backends import numpy as reference
from functrans.backends.llvm.engine import Library, load
from functrans.backends.llvm.kernels import contract, convolve
from functrans.backends.llvm.kernels.product import plan as product_plan
from functrans.backends.llvm.kernels.winograd import plan as winograd_plan
from functrans.backends.llvm.program import BACKEND, ENTRY, emit_program
from functrans.backends.llvm.scalar_warnings import FAILED
from functrans.backends.llvm.target import host
from functrans.compiler.nodes import Host, Node
from functrans.compiler.pipeline import optimize
from functrans.compiler.plan import make_plan
from functrans.compiler.steps import Output, Plan
from functrans.core.ir import Jaxpr, Literal
from functrans.core.primitive import aval_of
from functrans.transforms.stage import stage
from tests.conftest import hide_features
from tests.kernel_programs import SAMPLES, Sample
from tests.test_element_memory import PAGE, Guarded

MACHINES: dict[str, tuple[str, ...]] = {"widest": (), "avx2": ("avx512",), "sse": ("avx", "fma", "f16c", "xop", "v")}
"""This machine with all its features, and without those that begin so."""
WARNINGS = 64


def compiled(sample: Sample) -> tuple[Jaxpr, tuple[Any, ...]]:
    """The program of a sample, and its arguments."""
    with np.errstate(all="ignore"):
        jaxpr = stage(lambda *args: tuple(sample.fun(*args)), [aval_of(x) for x in sample.inputs])
    return optimize(jaxpr.with_consts_as_inputs()), (*jaxpr.consts, *sample.inputs)


@contextmanager
def wherever() -> Iterator[None]:
    """Products are done in blocks, with prologues and epilogues, and convolutions by Winograd's sums, wherever that is possible,
    whether it pays or not.
    """
    always = mock.patch.multiple(contract, _DEEP=1, _MANY=1, _PAGE=1 << 60)
    sums = mock.patch.multiple(winograd_plan, _pays=lambda *_: True)
    with always, mock.patch.multiple(product_plan, NEAR=-1, FAR=-1), mock.patch.multiple(convolve, _MANY=1), sums:
        yield


def check(sample: Sample) -> None:
    """Run a sample in guarded memory, and hold it to the NumPy backend."""
    jaxpr, args = compiled(sample)
    with wherever() if sample.name.startswith(("inside", "winograd")) else nullcontext():
        plan = make_plan(jaxpr, BACKEND._replace(chunks=lambda _work: 1))
        if any(isinstance(step.work, Node) and isinstance(step.work.lowering, Host) for step in plan.steps):
            return
        module = emit_program(plan, host())
    library = load(
        module.text(), host(), (ENTRY,), {name: external.address() for name, external in module.externals.items()}
    )
    try:
        with np.errstate(all="ignore"):
            wanted = reference.Program(jaxpr)(*args)
    except IndexError:
        wanted = None
    for at_end in (False, True):
        got = run(plan, jaxpr, library, args, at_end=at_end)
        assert (got is None) == (wanted is None), "who refuses"
        if got is not None and wanted is not None:
            for x, y in zip(got, wanted, strict=True):
                if x is not None:
                    assert_same(x, np.asarray(y), is_exact=sample.is_exact)


# ---- in memory ----


@cache
def _memory(number: int, pages: int) -> Guarded:
    return Guarded(pages * PAGE)


def _placed(number: int, shape: tuple[int, ...], dtype: Any, *, at_end: bool) -> Any:
    """Zeros against a page that cannot be touched; the arrays of one program have different numbers."""
    size = int(np.prod(shape))
    pages = 1 << (size * dtype.itemsize // PAGE).bit_length()
    return _memory(number, pages).array(size, dtype, at_end=at_end).reshape(shape)


def run(plan: Plan, jaxpr: Jaxpr, library: Library, args: tuple[Any, ...], *, at_end: bool) -> list[Any] | None:
    """The results, None for one that is an argument or a constant; None if a kernel refuses its operands."""
    given = [_placed(i, np.shape(x), np.asarray(x).dtype, at_end=at_end) for i, x in enumerate(args)]
    for place, x in zip(given, args, strict=True):
        place[...] = x
    outs = [
        None
        if isinstance(atom, Literal) or plan.places[atom] != Output(i)
        else _placed(len(args) + i, aval.shape, aval.dtype, at_end=at_end)
        for i, (atom, aval) in enumerate(zip(plan.results, jaxpr.out_avals, strict=True))
    ]
    arena, flags = (_placed(-k, (n,), np.dtype(np.uint8), at_end=True) for k, n in ((1, plan.arena), (2, WARNINGS)))
    for memory in (*outs, arena):
        if memory is not None:
            ctypes.memset(memory.ctypes.data, 0xA5, memory.nbytes)
    entry = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 5)(library.address(ENTRY))
    tables = [_pointers(arrays) for arrays in (given, outs)]
    status = entry(*tables, arena.ctypes.data, flags.ctypes.data, None)
    for place, x in zip(given, args, strict=True):
        assert place.tobytes() == np.asarray(x).tobytes(), "an argument was written to"
    return None if status or flags.view(np.int64)[0] & FAILED else outs


def _pointers(arrays: list[Any]) -> Any:
    addresses = [None if x is None else x.ctypes.data for x in arrays]
    return (ctypes.c_void_p * max(len(arrays), 1))(*addresses)


# ---- results ----


def assert_same(x: Any, y: Any, *, is_exact: bool) -> None:
    """All bits but those of NaN; or, if not exact, a few units of what is larger than 1."""
    assert (x.shape, x.dtype) == (y.shape, y.dtype)
    if x.dtype.kind == "c":
        assert_same(x.real, y.real, is_exact=is_exact)
        assert_same(x.imag, y.imag, is_exact=is_exact)
    elif is_exact or x.dtype.kind != "f":
        is_nan = x != x
        np.testing.assert_array_equal(is_nan, y != y)
        zero = x.dtype.type(0)
        assert np.where(is_nan, zero, x).tobytes() == np.where(is_nan, zero, y).tobytes(), (x, y)
    else:
        tolerance = 200 * float(np.finfo(x.dtype).eps)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def main(name: str, count: int, families: Sequence[str]) -> None:
    """Run samples of families, all if none is named."""
    if MACHINES[name]:
        hide_features(MACHINES[name])
    for family in families or SAMPLES:

        @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate], derandomize=True)
        @given(SAMPLES[family])
        def every_sample(sample: Sample) -> None:
            print(sample, flush=True)
            check(sample)

        every_sample()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
