"""The case table: a row or more for every primitive, a file per family of functrans.ops."""

from tests.cases import broadcast, cumulative, generate, linear_algebra, reduce, sort
from tests.cases.case import Case

CASES: tuple[Case, ...] = (
    *broadcast.CASES,
    *cumulative.CASES,
    *generate.CASES,
    *linear_algebra.CASES,
    *reduce.CASES,
    *sort.CASES,
)
