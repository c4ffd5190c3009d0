"""The tests of functrans; `cases/` drives the properties that every primitive has."""
