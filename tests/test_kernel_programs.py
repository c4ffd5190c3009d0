"""Every kernel family and loop nest by jit against the NumPy backend, on hostile numbers, and in guarded memory."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functrans import jit, lax
from functrans.backends import numpy as reference
from tests.guarded_programs import MACHINES, assert_same, compiled
from tests.kernel_programs import DTYPES, SAMPLES


@pytest.mark.parametrize("family", SAMPLES)
@settings(max_examples=12)
@given(data=st.data())
def test_jit_computes_what_numpy_does(family: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[family])
    jaxpr, args = compiled(sample)
    with np.errstate(all="ignore"):
        try:
            wanted = reference.Program(jaxpr)(*args)
        except IndexError:
            with pytest.raises(IndexError):
                jit(sample.fun)(*sample.inputs)
            return
        for x, y in zip(jit(sample.fun)(*sample.inputs), wanted, strict=True):
            assert_same(np.asarray(x), np.asarray(y), is_exact=sample.is_exact)


@pytest.mark.parametrize("machine", MACHINES)
def test_no_byte_out_of_bounds_is_touched(machine: str) -> None:
    command = [sys.executable, "-m", "tests.guarded_programs", machine, "15"]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == 0, f"{child.returncode} at {child.stdout[-200:]}\n{child.stderr[-5000:]}"


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9])
def test_tails_of_every_conversion(width: int) -> None:
    x = np.arange(1, 1 + 2 * (width + 1)).reshape(2, width + 1)
    for source in DTYPES:
        wanted = [to for to in DTYPES if to.kind == "c" or source.kind != "c"]
        given = x.astype(source)
        got = jit(lambda x, wanted=wanted: tuple(lax.convert_element_type(x[:, 1:], to) for to in wanted))(given)
        for y, to in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(y, given[:, 1:].astype(to), err_msg=f"{source} to {to}")
