"""Derivatives: of what, by what, and of what type.

Imports `base`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.errors.base import FunctransError, kind_of

__all__ = [
    "AuxError",
    "ComplexInputError",
    "ComplexOutputError",
    "CotangentError",
    "GradientMismatchError",
    "HolomorphicError",
    "IntegerInputError",
    "IntegerOutputError",
    "NotDifferentiableError",
    "NotLinearError",
    "ScalarOutputError",
]


class ScalarOutputError(FunctransError, TypeError):
    """A gradient was asked of a function whose value is not a scalar."""

    def __init__(self, transform: str, function: str, got: str, size: int | None) -> None:
        if size is None:
            fix = (
                "Return one number; what else is wanted from the computation goes into aux: return (value, aux) with "
                "has_aux=True."
            )
        elif size == 1:
            fix = "Its only element is the scalar: return value.reshape(()) or value[0]."
        else:
            fix = (
                "Reduce it to one number, np.sum(value) or np.mean(value); for all its derivatives use functrans.jacrev "
                "or functrans.jacfwd, for one direction functrans.vjp, for one gradient per sample vmap(grad(f))."
            )
        super().__init__(f"{transform} needs a function with a scalar value, but `{function}` returned {got}.", fix=fix)


class AuxError(FunctransError, TypeError):
    """With `has_aux=True` the function must return a pair."""

    def __init__(self, function: str, got: object) -> None:
        shown = f"a tuple of length {len(got)}" if isinstance(got, tuple) else kind_of(got)
        super().__init__(
            f"has_aux=True, but `{function}` returned {shown} instead of a pair (value, aux).",
            fix="Return `value, aux`, or leave out has_aux.",
        )


class IntegerInputError(FunctransError, TypeError):
    """A derivative was asked by an integer or bool argument."""

    def __init__(self, transform: str, function: str, path: str, aval: str) -> None:
        super().__init__(
            f"{transform} of `{function}` cannot differentiate by {path}, which is of type {aval}: only floating and complex "
            "values have derivatives.",
            fix=f"Pass a float: {path} = np.asarray({path}, dtype=float). To get zeros of dtype float0 instead: allow_int=True.",
        )


class IntegerOutputError(FunctransError, TypeError):
    """A gradient was asked of an integer- or bool-valued function."""

    def __init__(self, transform: str, function: str, aval: str) -> None:
        super().__init__(
            f"{transform} needs a function with a real value, but `{function}` returned one of type {aval}, which has no "
            "derivative.",
            fix="Return a floating value; a comparison, argmax or astype(int) on the way cuts the derivative.",
        )


class ComplexInputError(FunctransError, TypeError):
    """A forward-mode Jacobian was asked by a complex argument without `holomorphic=True`."""

    def __init__(self, transform: str, function: str, path: str, aval: str) -> None:
        super().__init__(
            f"{transform} of `{function}` got {path} of type {aval}: a function of a complex argument has two derivatives, along "
            "the real and the imaginary direction, unless it is holomorphic.",
            fix="If it is holomorphic, say so: holomorphic=True. For a real-valued function use functrans.jacrev; for one "
            "direction functrans.jvp.",
        )


class ComplexOutputError(FunctransError, TypeError):
    """A gradient was asked of a complex-valued function without `holomorphic=True`."""

    def __init__(self, function: str, aval: str) -> None:
        super().__init__(
            f"`{function}` returned a complex value of type {aval}; the gradient is of real-valued functions.",
            fix="Return its real part, imaginary part or absolute value (np.real, np.imag, np.abs), or, if the function is "
            "holomorphic, say so: holomorphic=True.",
        )


class HolomorphicError(FunctransError, TypeError):
    """`holomorphic=True` needs complex arguments and a complex value."""

    def __init__(self, function: str, problem: str) -> None:
        super().__init__(
            f"holomorphic=True needs complex arguments and a complex value, but in `{function}` {problem}.",
            fix="Convert the arguments with astype(complex), or leave out holomorphic.",
        )


class CotangentError(FunctransError, TypeError):
    """A cotangent, or tangent, whose leaves do not have the shapes and dtypes of the values that it belongs to."""

    def __init__(self, function: str, wrong: list[tuple[str, str, str]], what: str = "cotangent") -> None:
        lines = "\n".join(f"  {path} has type {got}, expected {expected}" for path, expected, got in wrong)
        super().__init__(
            f"The {what} of `{function}` does not fit:\n{lines}",
            fix=f"A {what} has the tree, the shapes and the dtypes of the value: start from np.ones_like or astype.",
        )


class NotDifferentiableError(FunctransError, TypeError):
    """A derivative was asked of a primitive that has none."""

    def __init__(self, primitive: str, why: str, where: str = "", fix: str = "") -> None:
        super().__init__(
            f"`{primitive}` cannot be differentiated: {why}.",
            where,
            fix
            or "Keep the value out of the derivative with functrans.lax.stop_gradient, or give the function a rule of your own "
            "with functrans.custom_vjp.",
        )


class NotLinearError(FunctransError, TypeError):
    """The transpose was asked of a function that is not linear."""

    def __init__(self, function: str, why: str, where: str = "") -> None:
        super().__init__(
            f"linear_transpose needs a linear function, but `{function}` is none: {why}.",
            where,
            "For the transpose of the derivative at a point use functrans.vjp.",
        )


class GradientMismatchError(FunctransError, AssertionError):
    """A derivative differs from central differences: `functrans.test_util` found a wrong rule, or a function with a kink."""

    def __init__(
        self,
        mode: str,
        function: str,
        shares: Sequence[tuple[str, object, object, bool]],
        atol: float,
        rtol: float,
        message: str = "",
    ) -> None:
        wrong = [share for share in shares if not share[-1]] or shares
        lines = [
            f"  {path}: {mode} gives {analytic}, differences give {numeric}" for path, analytic, numeric, _ in wrong
        ]
        fine = [path for path, _, _, right in shares if right]
        if fine and len(wrong) < len(shares):
            lines.append(f"  (the same by {', '.join(fine)})")
        super().__init__(
            "\n".join([f"The {mode} of `{function}` is not its derivative, along random directions:", *lines]),
            message,
            f"Tolerances were atol={atol:g}, rtol={rtol:g}. If the rule is right, the function may be steep, or have a kink "
            "near the point: try other tolerances, eps or arguments.",
        )


class ChangedConstantError(FunctransError, RuntimeError):
    """An array was changed in place after a differentiated function had used it as a constant."""

    def __init__(self, function: str, shape: tuple[int, ...], dtype: str) -> None:
        super().__init__(
            f"`{function}` used an array of shape {shape} and dtype {dtype}, and the array was changed in place before its "
            "derivative was computed, which needs the values it had.",
            fix="Make a new array for each step, or use a copy of the one that changes: x * buffer.copy().",
        )
