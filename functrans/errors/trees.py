"""Trees whose structures do not agree, and the registration of dataclasses.

Imports `base`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.errors.base import FunctransError
from functrans.record import NamedTuple

__all__ = ["DataclassFieldsError", "Difference", "TreeMismatchError"]


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
        head = f"{got_name} is not a prefix of" if prefix else f"{got_name} does not have the structure of"
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
