"""How many threads compiled functions use. Imports the pool, when it is asked for; start reading at `threads`."""

from __future__ import annotations

from types import TracebackType

__all__ = ["check_threads", "threads"]


def check_threads(function: str, count: int | None) -> int | None:
    """The number of threads that a user gave to a function."""
    if not (count is None or type(count) is int):
        raise TypeError(f"{function} takes a number of threads or None, not {count!r}")
    if count is not None and count < 1:
        raise ValueError(f"{function} takes a number of threads from 1 on, not {count}")
    return count


class threads:
    """Let compiled functions use `count` threads, from now on, or inside a `with` block only.

    By default they use as many as this process has cores (by its affinity mask and control group; OMP_NUM_THREADS says less).
    Results do not depend on the number, to the last bit. `None` is that default again. The number is the process's, not a
    thread's. Raises ValueError for less than 1.

    >>> import numpy as np
    >>> import functrans as ft
    >>> f = ft.jit(lambda x: np.sum(np.exp(x), -1))
    >>> with ft.threads(1):
    ...     one = f(np.ones((1000, 1000)))
    >>> bool(np.all(one == f(np.ones((1000, 1000)))))
    True
    """

    def __init__(self, count: int | None) -> None:
        from functrans.backends.llvm.threads import pool

        self._before = pool.set_threads(check_threads("threads", count))

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from functrans.backends.llvm.threads import pool

        pool.set_threads(self._before)
