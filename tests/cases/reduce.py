"""Rows for functrans.ops.reduce."""

import numpy as np

from functrans.ops.reduce import (
    argmax,
    argmax_p,
    argmin,
    argmin_p,
    reduce_and,
    reduce_and_p,
    reduce_max,
    reduce_max_p,
    reduce_min,
    reduce_min_p,
    reduce_or,
    reduce_or_p,
    reduce_prod,
    reduce_prod_p,
    reduce_xor,
    reduce_xor_p,
)
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_NUMERIC = (*ALL_FLOATS, *COMPLEX, *INTS)
_BITS = (*INTS, *BOOL)
_ZEROS = np.array([[0.0, 2.0, -1.5], [3.0, 0.0, 0.0], [0.5, 1.0, -2.0]])

CASES = (
    Case(
        reduce_prod_p,
        lambda x: reduce_prod(x, (1,)),
        lambda x: np.prod(x, 1, dtype=x.dtype),
        dtypes=_NUMERIC,
        name="one axis",
    ),
    Case(
        reduce_prod_p,
        lambda x: reduce_prod(x, (2, 0)),
        lambda x: np.prod(x, (0, 2), dtype=x.dtype),
        (Operand((2, 3, 2)),),
        dtypes=_NUMERIC,
        name="two axes",
        rtol=1e-14,
    ),
    Case(
        reduce_prod_p,
        lambda x: reduce_prod(x, (1,)),
        lambda x: np.prod(x, 1),
        (Operand(value=_ZEROS),),
        dtypes=("float64",),
        name="one zero, two, none",
    ),
    Case(
        reduce_prod_p,
        lambda x: reduce_prod(x, (0, 1)),
        np.prod,
        (Operand(value=_ZEROS[:2, 1:]),),
        dtypes=("float64",),
        name="all axes, zeros",
    ),
    Case(reduce_prod_p, lambda x: reduce_prod(x, (1,)), lambda x: np.prod(x, 1), (Operand((3, 0)),), name="empty"),
    Case(reduce_prod_p, lambda x: reduce_prod(x, ()), lambda x: x, (Operand(()),), name="rank 0"),
    *(
        row
        for prim, fun, reference in ((reduce_max_p, reduce_max, np.max), (reduce_min_p, reduce_min, np.min))
        for row in (
            Case(
                prim,
                lambda x, fun=fun: fun(x, (1,)),
                lambda x, reference=reference: reference(x, 1),
                (Operand(distinct=True),),
                dtypes=_ANY,
                name="one axis",
            ),
            Case(
                prim,
                lambda x, fun=fun: fun(x, (0, 2)),
                lambda x, reference=reference: reference(x, (0, 2)),
                (Operand((2, 3, 2), distinct=True),),
                dtypes=_ANY,
                name="two axes",
            ),
            Case(
                prim,
                lambda x, fun=fun: fun(x, (1,)),
                lambda x, reference=reference: reference(x, 1),
                (Operand((0, 3)),),
                name="no results",
            ),
            Case(prim, lambda x, fun=fun: fun(x, ()), lambda x: x, (Operand(()),), dtypes=_ANY, name="rank 0"),
        )
    ),
    *(
        row
        for prim, fun, ufunc in (
            (reduce_and_p, reduce_and, np.bitwise_and),
            (reduce_or_p, reduce_or, np.bitwise_or),
            (reduce_xor_p, reduce_xor, np.bitwise_xor),
        )
        for row in (
            Case(
                prim,
                lambda x, fun=fun: fun(x, (1,)),
                lambda x, ufunc=ufunc: ufunc.reduce(x, 1),
                dtypes=_BITS,
                order=0,
                name="one axis",
            ),
            Case(
                prim,
                lambda x, fun=fun: fun(x, (0, 1)),
                lambda x, ufunc=ufunc: ufunc.reduce(x, (0, 1)),
                (Operand((2, 0)),),
                dtypes=_BITS,
                order=0,
                name="empty",
            ),
        )
    ),
    *(
        row
        for prim, fun, reference in ((argmax_p, argmax, np.argmax), (argmin_p, argmin, np.argmin))
        for row in (
            Case(
                prim,
                lambda x, fun=fun: fun(x, 1),
                lambda x, reference=reference: reference(x, 1),
                dtypes=_ANY,
                order=0,
                name="last axis",
            ),
            Case(
                prim,
                lambda x, fun=fun: fun(x, 0, np.int32),
                lambda x, reference=reference: reference(x, 0).astype(np.int32),
                (Operand((4,)),),
                order=0,
                name="index dtype",
            ),
        )
    ),
)
