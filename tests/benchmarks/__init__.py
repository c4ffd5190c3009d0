"""Benchmarks: functrans beside its peers, in one interleaved run. `python -m tests.benchmarks --help` says how to run them."""

import os

for _library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):  # CPU time is compared: one thread each
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
