"""The tests of functrans; `cases.py` drives the properties that every primitive has."""
