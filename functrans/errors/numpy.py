"""NumPy's functions: what is not traced, and operands that do not go together.

Imports `base`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.errors.base import FunctransError, write

__all__ = [
    "ArrayTypeError",
    "BroadcastError",
    "EinsumError",
    "OutArgumentError",
    "UnsupportedArgumentError",
    "UnsupportedFunctionError",
]


class UnsupportedFunctionError(FunctransError, NotImplementedError):
    """A NumPy function, or a method of one, that functrans does not trace."""

    def __init__(self, function: str, where: str = "", fix: str = "") -> None:
        super().__init__(
            f"functrans does not trace {function} yet.",
            where,
            fix or "Write it with functions that functrans.numpy has, or call it outside the transformed function.",
        )


class UnsupportedArgumentError(FunctransError, NotImplementedError):
    """An argument of a NumPy function that functrans does not take for traced values."""

    def __init__(self, function: str, argument: str, takes: Sequence[str], where: str = "") -> None:
        listed = ", ".join(f"`{name}`" for name in takes)
        fix = f"Leave `{argument}` out; traced values may be given with {listed}."
        if argument == "where":
            fix = f"Write np.where(mask, {function.replace('numpy.', 'np.')}(...), other) instead. {fix}"
        super().__init__(f"functrans does not trace {function} with the argument `{argument}`.", where, fix)


class OutArgumentError(FunctransError, TypeError):
    """`out=`, or an in-place operator on a concrete array, for a traced value: an array cannot store one."""

    def __init__(self, function: str, where: str = "", rewritten: str = "") -> None:
        super().__init__(
            f"{function} was asked to store a traced value into an array (`out=`, or an in-place operator such as `+=`); "
            "traced values are not stored into arrays.",
            where,
            write(rewritten) if rewritten else f"Use the result of {function} instead.",
        )


class BroadcastError(FunctransError, ValueError):
    """Operands whose shapes do not broadcast together."""

    def __init__(self, function: str, operands: Sequence[tuple[tuple[int, ...], str]], where: str = "") -> None:
        shapes = " and ".join(str(shape) for shape, _ in operands)
        lines = [f"  {shape}: {origin}" for shape, origin in operands]
        super().__init__(
            "\n".join([f"`{function}`: operands could not be broadcast together with shapes {shapes}:", *lines]),
            where,
            "Shapes are aligned at their last axes; where two lengths differ one must be 1. Insert axes with x[:, None] or "
            "reshape.",
        )


class ArrayTypeError(FunctransError, TypeError):
    """A value, or a dtype, that cannot take part in traced computation: strings, objects, dates, long double, masked arrays."""

    def __init__(self, function: str, got: str, where: str = "") -> None:
        super().__init__(
            f"`{function}` got {got} together with a traced value.",
            where,
            "Convert it: traced computation is with bool, integer, float16/32/64 and complex64/128 arrays and Python numbers "
            "(np.ma.filled makes one of a masked array).",
        )


class EinsumError(FunctransError, ValueError):
    """Subscripts of einsum that are wrong, or that do not fit the operands."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"einsum got {what}.",
            fix="Write a letter for each axis of each operand, those of one length and meaning alike: 'ij,jk->ik'.",
        )
