"""The names of what the pool's code exports, and the places in its memory. Imports nothing; start reading at `PARALLEL`."""

__all__ = [
    "BUSY", "CONDITION", "DONE", "LIMIT", "MEMORY", "MUTEX", "PARALLEL", "SIZE", "SLEEPERS", "STATE", "WORK", "WORKER", "WORKERS",
]  # fmt: skip

PARALLEL = "functrans_parallel"
"""`void (void body(ptr context, i64 chunk), ptr context, i64 chunks, i64 workers)`: every chunk, by at most so many workers."""
WORKER = "functrans_worker"
"""`ptr (ptr number)`: what a worker thread runs, for ever."""
MEMORY = "functrans_pool"

# Places in the pool's memory, in bytes: each on a cache line of its own, as different threads write them.
STATE, DONE, WORK, BUSY, WORKERS, LIMIT, SLEEPERS, MUTEX, CONDITION, SIZE = (
    0,
    64,
    128,
    192,
    256,
    264,
    320,
    384,
    512,
    640,
)
