"""One class per user mistake.

Each constructor takes the objects involved and writes the message itself: what differed (in the user's own names and key
paths, all differences), where (the user's file and line), and what to write instead. This module imports nothing of the
library; start reading at `FunctransError`, then at the class whose message you met.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class FunctransError(Exception):
    """Base of every error that functrans raises on purpose.

    A message has up to three paragraphs: `what` happened, `where` in the user's code, and the `fix`: what to write instead.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__("\n".join(part for part in (what, where, fix) if part))


class LeakedTracerError(FunctransError, RuntimeError):
    """A traced value was used after the transformed function that it belongs to had returned, or in another thread."""

    def __init__(self, tracer: str, used_by: str, alive: bool) -> None:
        how = "in another thread or context than the one that traces it" if alive else "after its trace had ended"
        super().__init__(
            f"Leaked tracer: {tracer} was used by `{used_by}` {how}.",
            fix="Return the value from the transformed function instead of storing it in a global, an attribute, a list or "
            "a default argument; a function under a transform must not have side effects.",
        )


class OperandError(FunctransError, TypeError):
    """Operands that a primitive does not accept: their shapes or dtypes differ, or the dtype is of the wrong kind."""

    def __init__(self, primitive: str, operands: list[str], needs: str) -> None:
        super().__init__(
            f"`{primitive}` got operands of types {', '.join(operands)}; it needs {needs}.",
            fix="Primitives neither promote nor broadcast. Use the function of functrans.numpy, which does, or convert and "
            "broadcast the operands first.",
        )


class ParameterError(FunctransError, ValueError):
    """A parameter of a primitive that does not fit its operands."""

    def __init__(self, primitive: str, got: str, needs: str) -> None:
        super().__init__(f"`{primitive}` got {got}; it needs {needs}.")


class Difference(NamedTuple):
    """One place where two trees differ: its key path, and what each tree has there (None: nothing)."""

    path: str
    expected: str | None
    got: str | None


class TreeMismatchError(FunctransError, ValueError):
    """Two trees whose structures must agree do not, or a tree that must be a prefix of another is none."""

    def __init__(
        self,
        expected_name: str,
        got_name: str,
        differences: Sequence[Difference],
        structure: str,
        *,
        prefix: bool = False,
        where: str = "",
    ) -> None:
        self.differences = tuple(differences)
        head = f"{got_name} is not a prefix of" if prefix else f"{got_name} has not the structure of"
        lines = [
            f"  {path}: {expected or 'nothing'} in {expected_name}, {got or 'nothing'} in {got_name}"
            for path, expected, got in differences
        ]
        fix = (
            f"Write {got_name} as a prefix of {structure}: a value for each *, or one for the whole of a subtree."
            if prefix
            else f"Give {got_name} the structure {structure}, with a value for each *."
        )
        super().__init__("\n".join([f"{head} {expected_name}:", *lines]), where, fix)


class DataclassFieldsError(FunctransError, ValueError, TypeError):
    """`register_dataclass` was not told, once for each field, whether it is data or structure."""

    def __init__(
        self, cls: type, data_fields: Sequence[str] | None, meta_fields: Sequence[str] | None, fields: set[str] | None
    ) -> None:
        data, meta = list(data_fields or ()), list(meta_fields or ())
        listed = [*data, *meta]
        wrong = []
        if fields is None and None in (data_fields, meta_fields):
            wrong.append("it is not a dataclass, so data_fields and meta_fields must both be given")
        elif None in (data_fields, meta_fields):
            wrong.append(f"{'data_fields' if data_fields is None else 'meta_fields'} is not given")
        for name in sorted({name for name in listed if listed.count(name) > 1}):
            wrong.append(f"{name!r} is listed more than once")
        for name in sorted((fields or {*listed}) - {*listed}):
            wrong.append(f"{name!r} is not listed")
        for name in sorted({*listed} - (fields or {*listed})):
            wrong.append(f"{name!r} is not a field that the constructor takes")
        rest = sorted((fields or set()) - {*meta})
        super().__init__(
            f"register_dataclass cannot register {cls.__qualname__}: " + "; ".join(wrong) + ".",
            fix=f"Write @register_dataclass(data_fields={rest or data}, meta_fields={meta}) with each field in one of "
            "the two, or mark the fields that are structure with functrans.tree.static() and list none.",
        )


class JaxprError(FunctransError, TypeError):
    """A jaxpr that is not well formed: a bug in a primitive's rule or in a pass, shown with the equations around it."""

    def __init__(self, problem: str, window: list[str]) -> None:
        super().__init__(f"Ill-formed jaxpr: {problem}.", "\n".join(window))


class NonArrayInputError(FunctransError, TypeError):
    """An argument of a transformed function is, or contains, something that is no array and no number."""

    def __init__(self, transform: str, path: str, value: object, why: str = "") -> None:
        super().__init__(
            f"{transform} got {path} of type {type(value).__name__}{': ' + why if why else ''}; every leaf of an argument "
            "must be an array or a number (bool, integer, floating or complex).",
            fix=f"Convert {path} to an array of numbers, pass it by closure (functools.partial), or, under jit, name its "
            "argument in static_argnames.",
        )


class ConcretizationError(FunctransError, TypeError):
    """The value of a traced array was asked for where only its shape and dtype are known."""

    def __init__(self, tracer: str, wanted: str, where: str = "", fix: str = "") -> None:
        super().__init__(f"The function being traced asked for {wanted} of {tracer}, which has no value yet.", where, fix)


class NotDifferentiableError(FunctransError, TypeError):
    """A derivative was asked of a primitive that has none."""

    def __init__(self, primitive: str, why: str, where: str = "") -> None:
        super().__init__(
            f"`{primitive}` cannot be differentiated: {why}.",
            where,
            "Keep the value out of the derivative with functrans.lax.stop_gradient, or give the function a rule of your own "
            "with functrans.custom_vjp.",
        )
