"""Records are what frozen dataclasses are, as far as functrans needs them."""

from __future__ import annotations

import copy
import pickle
import typing
from functools import cached_property
from typing import Generic, TypeVar
from weakref import ref

import pytest

from functrans import tree
from functrans.record import NamedTuple, Record, replace

T = TypeVar("T")


class Point(Record):
    """Two numbers."""

    x: int
    y: int = 0

    @property
    def size(self) -> int:
        return self.x * self.y


class Other(Record):
    x: int
    y: int = 0


class Named(Point, kw_only=True):
    name: str

    def __repr__(self) -> str:
        return f"{super().__repr__()} called {self.name}"


class Identity(Record, eq=False, also=("__dict__", "__weakref__")):
    x: int

    @cached_property
    def double(self) -> int:
        return 2 * self.x


class Box(Record, Generic[T]):
    value: T


class Empty(Record):
    pass


def test_fields_come_by_position_by_name_and_by_default() -> None:
    for point in (Point(1), Point(x=1), Point(1, 0), Point(1, y=0), Point(y=0, x=1)):
        assert (point.x, point.y, point.size) == (1, 0, 0)
    assert Box([1]).value == [1]


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [((), {}, "`x` is not given"), ((1, 2, 3), {}, "3 values"), ((1,), {"z": 2}, "not z"), ((1, 2), {"x": 3}, "not x"),
     ((), {"y": 1}, "`x` is not given")],
)  # fmt: skip
def test_fields_that_do_not_fit_are_refused(args: tuple[int, ...], kwargs: dict[str, int], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        Point(*args, **kwargs)


def test_records_of_one_class_with_equal_fields_are_equal() -> None:
    others: list[object] = [Point(2, 1), Other(1, 2), Named(1, 2, name="a"), Empty(), (1, 2)]
    assert Point(1, 2) == Point(1, 2)
    assert all(Point(1, 2) != other for other in others)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert len({Point(1, 2), Point(1, 2), Other(1, 2)}) == 2
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())


def test_by_identity() -> None:
    one = Identity(1)
    assert one == one != Identity(1)
    assert one.double == 2 == vars(one)["double"]
    assert ref(one)() is one


def test_records_do_not_change() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="`x` cannot be set"):
        point.x = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match="`x` cannot be deleted"):
        del point.x  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match="`z` cannot be set"):
        point.z = 2  # pyright: ignore[reportAttributeAccessIssue]
    assert not hasattr(point, "__dict__")
    assert point == Point(1)


def test_a_subclass_adds_fields() -> None:
    named = Named(1, name="a")
    assert repr(named) == "Named(x=1, y=0, name='a') called a"
    assert replace(named, y=3) == Named(1, 3, name="a")


def test_replace_refuses_what_is_no_field() -> None:
    with pytest.raises(TypeError, match="not z"):
        replace(Point(1), z=2)


def test_copies_and_pickles_are_equal() -> None:
    point = Named(1, 2, name="a")
    assert copy.copy(point) == copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point


def test_patterns_take_records_apart() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
        case _:
            pytest.fail("the pattern did not match")


# ---- named tuples ----


class Span(NamedTuple):
    """From, to."""

    start: int
    stop: int = 9

    @property
    def length(self) -> int:
        return self.stop - self.start


class Typed(typing.NamedTuple):
    """What `Span` is to be like."""

    start: int
    stop: int = 9


def test_a_named_tuple_is_as_one_of_typing() -> None:
    assert Span(1) == Span(start=1, stop=9) == (1, 9)
    assert Span(1, 4).length == Span(1, 4).stop - Span(1, 4).start == 3
    for span in (Span(2), Typed(2)):
        assert repr(span) == f"{type(span).__name__}(start=2, stop=9)"
        assert (span._fields, span._asdict()) == (("start", "stop"), {"start": 2, "stop": 9})
        assert span._replace(stop=3) == type(span)._make([2, 3]) == (2, 3)
        assert not hasattr(span, "__dict__")
        assert copy.copy(span) == copy.deepcopy(span) == pickle.loads(pickle.dumps(span)) == span
        assert type(tree.map(lambda x: x + 1, span)) is type(span)
        with pytest.raises(AttributeError):
            setattr(span, "start", 3)  # noqa: B010
    match Span(1, 2):
        case Span(start, stop=end):
            assert (start, end) == (1, 2)


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"start": 2}), ((1,), {"length": 2})])
def test_a_named_tuple_refuses_fields_that_do_not_fit(args: tuple[int, ...], kwargs: dict[str, int]) -> None:
    for kind in (Span, Typed):
        with pytest.raises(TypeError):
            kind(*args, **kwargs)
