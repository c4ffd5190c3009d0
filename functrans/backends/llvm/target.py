"""What a machine offers to machine code: its name, vector width and registers. Imports nothing of functrans."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

from functrans.record import Record

__all__ = ["Target", "cache_bytes", "caches_of_linux", "host"]

FIRST_CACHE, SECOND_CACHE, LAST_CACHE = 1 << 15, 1 << 18, 1 << 25
"""Of a machine that does not say: what all have that compute with vectors, and of the last cache what few have more of."""


@cache
def _wanted(features: str) -> tuple[str, ...]:
    return tuple(name[1:] for name in features.split(",") if name.startswith("+"))


class Target(Record):
    """A machine that code is compiled for; everything that depends on the machine follows from this."""

    triple: str
    cpu: str
    features: str
    """LLVM's list, as `+avx2,+fma,-avx512f`."""
    caches: tuple[int, int] = (FIRST_CACHE, SECOND_CACHE)
    """Bytes of the first and the second data cache of a core."""
    last_cache: int = LAST_CACHE
    """Bytes of the cache that cores share."""

    def has(self, feature: str) -> bool:
        return feature in _wanted(self.features)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The features that code for it may use."""
        return _wanted(self.features)

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
    def selects_floats(self) -> bool:
        """Whether one of two floats may be selected: with AVX LLVM blends registers, and reads 16 bytes of memory for one."""
        return not self.has("avx") or self.vector_bytes == 64

    @property
    def stores_far(self) -> bool:
        """Whether whole vectors are stored past the caches by one instruction, and that was measured."""
        return self.triple.startswith("x86_64") and self.vector_bytes >= 32

    @property
    def has_fma(self) -> bool:
        """Whether a fused multiply-add is one instruction and not a call."""
        return self.has("fma") or self.is_arm


@cache
def host() -> Target:
    """This machine."""
    from llvmlite import binding

    features = binding.get_host_cpu_features().flatten()
    first, second, last = cache_bytes()
    return Target(binding.get_process_triple(), binding.get_host_cpu_name(), features, (first, second), last)


@cache
def cache_bytes() -> tuple[int, int, int]:
    """The first and the second data cache of a core of this machine, and the last; usual ones where the system does not say."""
    first, second, third = _of_macos() if sys.platform == "darwin" else caches_of_linux()
    return first or FIRST_CACHE, second or SECOND_CACHE, third or LAST_CACHE


def caches_of_linux(processor: str | os.PathLike[str] = "/sys/devices/system/cpu/cpu0") -> tuple[int, int, int]:
    """From the kernel's files; zeros where there are none. Containers may hide them, and not every system has them."""
    sizes = [0, 0, 0]
    try:
        caches = os.path.join(processor, "cache")
        for index in os.listdir(caches):
            if not index.startswith("index"):
                continue
            level, kind, size = (_line(os.path.join(caches, index, name)) for name in ("level", "type", "size"))
            if kind != "Instruction" and level in ("1", "2", "3"):
                sizes[int(level) - 1] = int(size[:-1]) << {"K": 10, "M": 20}[size[-1]]
    except (OSError, ValueError, KeyError, IndexError):
        return 0, 0, 0
    return sizes[0], sizes[1], sizes[2]


def _line(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _of_macos() -> tuple[int, int, int]:
    """Of the fast cores where there are several kinds; of a third cache nothing is said."""
    first, second = (
        _sysctl(f"hw.perflevel0.{name}") or _sysctl(f"hw.{name}") for name in ("l1dcachesize", "l2cachesize")
    )
    return first, second, 0


def _sysctl(name: str) -> int:
    """A number that the system knows by name; zero where it does not."""
    number, size = ctypes.c_int64(0), ctypes.c_size_t(8)
    read = ctypes.CDLL(None).sysctlbyname
    failed = read(name.encode(), ctypes.byref(number), ctypes.byref(size), None, ctypes.c_size_t(0))
    return 0 if failed else number.value
