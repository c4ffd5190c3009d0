"""The case table: a row or more for every primitive, a file per family of functrans.ops."""

from tests.cases import broadcast
from tests.cases.case import Case

CASES: tuple[Case, ...] = (*broadcast.CASES,)
