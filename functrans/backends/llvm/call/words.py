"""The words of memory that recipes are made of, in order. Imports nothing; start reading at `HEADER`."""

from typing import Final

__all__ = ["CALL", "HEADER", "RECORD_WORDS", "RUN_WORDS"]

CALL: Final = "call"
"""The name of the function that Python's vectorcall protocol calls."""

HEADER = (
    "arguments", "names_count", "names", "objects", "memory_words", "records", "records_count", "result", "calls",
)  # fmt: skip
"""The words that a recipe begins with: how many arguments it takes, the number and the names of the last of them, how many
objects and words a call needs, its records, which object is the result, and how often it was followed to its end."""

RECORD_WORDS: Final = 8
"""Of a record: the address of a step's function, and what that needs to know."""

RUN_WORDS = ("program", "host", "results", "warnings", "arena", "arena_bytes", "is_long", "afterwards")
"""What `run` knows of its program, in a table: addresses, the places in memory, and the function that hears of failures.
At `arena` is the address of memory for temporaries, or null while another call works in it."""
