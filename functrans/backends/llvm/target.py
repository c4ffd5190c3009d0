"""What a machine offers to machine code: its name, vector width and registers. Imports nothing of functrans."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

__all__ = ["Target", "cache_bytes", "host"]


@dataclass(frozen=True, slots=True)
class Target:
    """A machine that code is compiled for; everything that depends on the machine follows from this."""

    triple: str
    cpu: str
    features: str
    """LLVM's list, as `+avx2,+fma,-avx512f`."""

    def has(self, feature: str) -> bool:
        return f"+{feature}" in self.features.split(",")

    @property
    def vector_bytes(self) -> int:
        """The width of the widest registers that floats are computed in."""
        return 64 if self.has("avx512f") and self.has("avx512vl") else 32 if self.has("avx2") else 16

    @property
    def vector_registers(self) -> int:
        return 32 if self.has("avx512f") or self.is_arm else 16

    @property
    def is_arm(self) -> bool:
        return self.triple.startswith(("aarch64", "arm64"))

    @property
    def masked_bytes(self) -> tuple[int, ...]:
        """The sizes of elements of which vectors are loaded under a mask by one instruction."""
        return (1, 2, 4, 8) if self.vector_bytes == 64 and self.has("avx512bw") else (4, 8) if self.has("avx") else ()

    @property
    def has_fma(self) -> bool:
        """Whether a fused multiply-add is one instruction and not a call."""
        return self.has("fma") or self.is_arm


@cache
def host() -> Target:
    """This machine."""
    from llvmlite import binding

    features = binding.get_host_cpu_features().flatten()
    return Target(binding.get_process_triple(), binding.get_host_cpu_name(), features)


@cache
def cache_bytes() -> tuple[int, int]:
    """The first and the second data cache of a core of this machine; small ones where the system does not say."""
    named = getattr(os, "sysconf_names", {})
    first, second = (
        os.sysconf(name) if name in named else 0 for name in ("SC_LEVEL1_DCACHE_SIZE", "SC_LEVEL2_CACHE_SIZE")
    )
    return first if first > 0 else 1 << 15, second if second > 0 else 1 << 18
