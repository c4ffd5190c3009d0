"""Benchmarks: functrans beside its peers. `python -m tests.benchmarks --help` says how to run them.

Start reading at `workloads.py` (what is measured) and `measure.py` (how); `frameworks/` has the programs, a class per
framework, `worker.py` and `protocol.py` the two ends of the pipe to the process that each framework has to itself.
"""
