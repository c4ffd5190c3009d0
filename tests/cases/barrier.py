"""Rows for functrans.ops.barrier."""

from functrans.ops.barrier import checkpoint_name, name_p, optimization_barrier, optimization_barrier_p
from tests.cases.case import ALL_FLOATS, COMPLEX, INTS, Case, Operand

CASES = (
    Case(optimization_barrier_p, optimization_barrier, lambda x: x, dtypes=(*ALL_FLOATS, *COMPLEX, *INTS)),
    Case(
        optimization_barrier_p,
        lambda x, y: optimization_barrier((x, y)),
        lambda x, y: (x, y),
        (Operand((3,)), Operand(())),
        name="two",
    ),
    Case(name_p, lambda x: checkpoint_name(x, "x"), lambda x: x, dtypes=(*ALL_FLOATS, *COMPLEX, *INTS)),
    Case(name_p, lambda x: checkpoint_name(x, "x"), lambda x: x, (Operand(()),), name="rank 0"),
)
