"""Kernels of the families of primitives: one file per family, each with `emit`, `scratch_bytes` and `supports`."""
