"""Records: classes of a few typed fields, defined at a fiftieth of a dataclass's cost; and named tuples, at a tenth of typing's.

A dataclass writes and compiles the source of its methods when it is defined, 0.4 ms each, which made up a fifth of `import
functrans`; a named tuple of `typing` compiles each annotation, 0.1 ms. The methods here are written once for all. Type checkers
take a record for a dataclass, and a named tuple for one of `typing`. Imports nothing of functrans; start reading at `Record`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Self, TypeVar, dataclass_transform

__all__ = ["NamedTuple", "Record", "as_dict", "replace", "values"]

R = TypeVar("R", bound="Record")


@dataclass_transform(frozen_default=True)
class RecordType(type):
    """Makes slots of a class's annotations, which must be text: `from __future__ import annotations`."""

    _fields: tuple[str, ...]
    """The names of the fields, first those of the base."""
    _defaults: Mapping[str, Any]  # Any: as each field is annotated
    _setters: tuple[Callable[[Any, Any], None], ...]
    """`(record, value)`: sets a field, also of a record that does not change."""
    _key: attrgetter[Any]  # Any: a tuple
    """What equal records have in common: their class and fields."""

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],  # Any: whatever a class has
        *,
        eq: bool = True,
        also: tuple[str, ...] = (),
        **_: bool,  # for type checkers: kw_only
    ) -> RecordType:
        """By `eq=False` each is equal to itself alone. also: slots besides the fields'."""
        own = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace.pop(field) for field in own if field in namespace}
        if eq:
            namespace = {"__eq__": _equal, "__hash__": _hash, **namespace}
        base = bases[0] if bases and isinstance(bases[0], RecordType) else None
        made = super().__new__(cls, name, bases, namespace | {"__slots__": (*own, *also)})
        made._fields = (*base._fields, *own) if base else own
        made._defaults = {**base._defaults, **defaults} if base else defaults
        made._setters = (*(base._setters if base else ()), *(vars(made)[field].__set__ for field in own))
        made._key = attrgetter("__class__", *made._fields)
        return made

    @property
    def __match_args__(cls) -> tuple[str, ...]:
        return cls._fields


class Record(metaclass=RecordType, eq=False):
    """A class whose annotations are its fields, given by position or by name.

    Records of one class with equal fields are equal, and cannot change. A field may have a default.

    >>> class Point(Record):
    ...     x: int
    ...     y: int = 0
    >>> point = Point(3)
    >>> point, point == Point(3, 0), replace(point, y=1)
    (Point(x=3, y=0), True, Point(x=3, y=1))
    >>> point.x = 4
    Traceback (most recent call last):
    AttributeError: a Point does not change: its field `x` cannot be set
    """

    def __init__(self, *values: Any, **named: Any) -> None:  # Any: type checkers know the fields' own types
        kind = type(self)
        if named or len(values) != len(kind._setters):
            values = tuple(_all_values(kind, values, named))
        for put, value in zip(kind._setters, values):  # noqa: B905  # checked above: `strict` would be a fifth of the time
            put(self, value)

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={value!r}" for field, value in as_dict(self).items())
        return f"{type(self).__qualname__}({fields})"

    def __setattr__(self, field: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} does not change: its field `{field}` cannot be set")

    def __delattr__(self, field: str) -> None:
        raise AttributeError(f"a {type(self).__name__} does not change: its field `{field}` cannot be deleted")

    def __reduce__(self) -> str | tuple[Any, ...]:  # Any: as for object
        return type(self), values(self)


# Not methods of Record, for records by identity inherit from it too.


def _equal(self: Record, other: object) -> bool:
    kind = type(self)
    return kind._key(self) == kind._key(other) if type(other) is kind else NotImplemented


def _hash(self: Record) -> int:
    return hash(type(self)._key(self))


def as_dict(record: Record) -> dict[str, Any]:  # Any: as for Record
    """The values of the fields, by name."""
    return {field: getattr(record, field) for field in type(record)._fields}


def values(record: Record) -> tuple[Any, ...]:  # Any: as for Record
    """The values of the fields, in order."""
    return tuple(getattr(record, field) for field in type(record)._fields)


def replace(record: R, /, **changes: Any) -> R:  # Any: as for Record
    """The same with other values of some fields."""
    return type(record)(**(as_dict(record) | changes))


def _all_values(
    kind: RecordType | type[_Tuple],
    values: tuple[Any, ...],
    named: dict[str, Any],  # Any: as for Record
) -> list[Any]:
    """The values of all fields, in order. Raises TypeError for too many, unknown or missing ones."""
    fields, defaults = kind._fields, kind._defaults
    found = list(values)
    for field in fields[len(values) :]:
        if field in named:
            found.append(named.pop(field))
        elif field in defaults:
            found.append(defaults[field])
        else:
            raise TypeError(f"{kind.__name__}: its field `{field}` is not given")
    if named or len(found) > len(fields):
        raise TypeError(
            f"{kind.__name__}: takes {', '.join(fields)}, not {', '.join(named) or f'{len(values)} values'}"
        )
    return found


# ---- named tuples ----


class _TupleType(type):
    """Makes properties of a class's annotations, which must be text."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _TupleType:  # Any: as above
        fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace.pop(field) for field in fields if field in namespace}
        items = {field: property(itemgetter(i)) for i, field in enumerate(fields)}
        known = {"__slots__": (), "__match_args__": fields, "_fields": fields, "_defaults": defaults}
        return super().__new__(cls, name, bases, {**namespace, **items, **known})


class _Tuple(tuple[Any, ...], metaclass=_TupleType):
    """As a named tuple of `typing`: fields by position or by name, some with a default."""

    if TYPE_CHECKING:
        _fields: tuple[str, ...]
        _defaults: Mapping[str, Any]

    def __new__(cls, *values: Any, **named: Any) -> Self:
        if named or len(values) != len(cls._fields):
            values = tuple(_all_values(cls, values, named))
        return tuple.__new__(cls, values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{field}={value!r}' for field, value in self._asdict().items())})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changes: Any) -> Self:
        return type(self)(**(self._asdict() | changes))

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Self:
        return cls(*values)


if TYPE_CHECKING:
    from typing import NamedTuple
else:
    NamedTuple = _Tuple
