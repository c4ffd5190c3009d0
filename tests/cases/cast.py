"""Rows for functrans.ops.cast."""

import numpy as np

from functrans.ops.cast import (
    bitcast_convert_type,
    bitcast_convert_type_p,
    convert_element_type,
    convert_element_type_p,
)
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand


def _to(dtype: str, dtypes: tuple[str, ...], order: int = 2, wrt: tuple[int, ...] | None = None) -> Case:
    return Case(
        convert_element_type_p,
        lambda x: convert_element_type(x, dtype),
        lambda x: np.real(x).astype(dtype) if dtype[0] != "c" else x.astype(dtype),
        dtypes=dtypes,
        order=order,
        wrt=wrt,
        name=f"to {dtype}",
    )


CASES = (
    _to("complex128", (*ALL_FLOATS, "complex64", *INTS, *BOOL)),
    _to("float64", ("float16", "float32", *COMPLEX, *INTS, *BOOL)),
    # float32 is too coarse for finite differences: tests/test_elementwise.py looks at those cotangents
    _to("float32", ("float16", "float64", *INTS, *BOOL), wrt=()),
    _to("complex64", ("float16", "float32", "float64", "complex128"), wrt=()),
    _to("int32", ("float16", "int8", "int64", "uint8", "bool"), order=0),
    _to("bool", ("int8", "uint64"), order=0),
    Case(
        convert_element_type_p,
        lambda x: convert_element_type(x, np.complex128),
        lambda x: x.astype(np.complex128)[()],
        (Operand(()),),
        (*ALL_FLOATS, *INTS),
        name="rank 0",
    ),
    Case(
        bitcast_convert_type_p,
        lambda x: bitcast_convert_type(x, np.int64),
        lambda x: x.view(np.int64),
        dtypes=("float64", "uint64"),
        order=0,
    ),
    Case(
        bitcast_convert_type_p,
        lambda x: bitcast_convert_type(x, np.float32),
        lambda x: x.view(np.float32)[()],
        (Operand(()),),
        ("int32",),
        order=0,
        name="rank 0",
    ),
)
