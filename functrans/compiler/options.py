"""What the caller of a program says besides the jaxpr. Imports nothing; start reading at `Options`."""

from __future__ import annotations

from functrans.record import NamedTuple

__all__ = ["PLAIN", "Options"]


class Options(NamedTuple):
    """Part of a program's key."""

    donated: tuple[int, ...] = ()
    """Numbers of the arguments whose memory results may take."""
    threads: int | None = None
    """How many threads may run a loop, at most; None: as many as the process uses."""

    def behind(self, count: int) -> Options:
        """The same for a program with so many more arguments in front."""
        return self._replace(donated=tuple(i + count for i in self.donated))


PLAIN = Options()
"""Nothing besides the jaxpr."""
