"""Calls from compiled programs to the world outside: callbacks, external functions, what is printed.

Imports `base`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.errors.base import FunctransError

__all__ = [
    "CallbackBatchError",
    "CallbackResultError",
    "ExternalFunctionError",
    "FormatArgumentsError",
    "MissingPackageError",
    "RepeatedEffectError",
]


class CallbackResultError(FunctransError, TypeError):
    """A callback gave results of other shapes or dtypes than it was declared to."""

    def __init__(self, function: str, declared_by: str, wrong: Sequence[tuple[str, str, str]]) -> None:
        lines = [f"  {path} is {got}, declared is {expected}" for path, expected, got in wrong]
        is_traced = any(got.startswith("a traced value") for _, _, got in wrong)
        super().__init__(
            "\n".join([f"The callback `{function}` did not return what {declared_by} says:", *lines]),
            fix="A callback knows no traced values but its arguments: pass what it needs as one more argument."
            if is_traced
            else f"Correct {declared_by}, or convert the result in the callback: np.asarray(result, dtype).reshape(shape).",
        )


class CallbackBatchError(FunctransError, ValueError):
    """A callback under vmap that was not told how it takes batches, or told in words that do not exist."""

    def __init__(self, function: str, argument: str, given: object, choices: Sequence[str]) -> None:
        what = (
            f"The callback `{function}` runs under vmap, and nothing says how it takes a batch."
            if given is None
            else f"{argument}={given!r} of the callback `{function}` is no way to take a batch."
        )
        super().__init__(
            what,
            fix=f"Write {argument}={choices[0]!r} to have it called once for each element; the other choices are "
            f"{', '.join(map(repr, choices[1:]))}.",
        )


class ExternalFunctionError(FunctransError, TypeError):
    """A function that `external` cannot call or differentiate as it was told to."""

    def __init__(self, function: str, problem: str, fix: str) -> None:
        super().__init__(f"external(`{function}`): {problem}.", fix=fix)


class FormatArgumentsError(FunctransError, ValueError):
    """A format string and the values to print do not belong together."""

    def __init__(self, fmt: str, problem: str) -> None:
        super().__init__(
            f"debug.print cannot fill {fmt!r}: {problem}.",
            fix="Give a value for every {} and {name} of the format, and no other: debug.print('x = {x}', x=x).",
        )


class RepeatedEffectError(FunctransError, TypeError):
    """A derivative runs a loop's steps again, and one of them takes a value from the outside world."""

    def __init__(self, primitive: str, where: str) -> None:
        super().__init__(
            f"`{primitive}` gives a value in the step of a loop whose derivative runs the steps again, which would give "
            "another.",
            where,
            "Take the values before the loop and let a scan pass over them as xs, or leave out checkpoint.",
        )


class MissingPackageError(FunctransError, ImportError):
    """A package that an extra of functrans brings is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the package {package}, which is not installed.",
            fix=f"Install it with  pip install 'functrans[{extra}]'",
        )
