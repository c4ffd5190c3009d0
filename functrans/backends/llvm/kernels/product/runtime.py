"""The functions that are compiled once for a process and called from any program: large products, one for each dtype.

A program declares such a function by its name, and is given the address when it is loaded (`Module.externals`).
Imports `blocked`, `engine`; start reading at `large_product`.
"""

from __future__ import annotations

from functools import cache, partial

from functrans.backends.llvm.engine import Library, load
from functrans.backends.llvm.ir import External, Module
from functrans.backends.llvm.kernels.product.blocked import blocked
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.target import Target

__all__ = ["large_product", "module_text"]


def large_product(module: Module, ring: Ring) -> str:
    """The name of the function for large products of a dtype, made known to a module."""
    name = _name(ring)
    target = module.target
    module.externals[name] = External(partial(_address, ring, target), partial(module_text, ring, target))
    return name


def _name(ring: Ring) -> str:
    return f"functrans_product_{ring.name}"


def module_text(ring: Ring, target: Target) -> str:
    """What is compiled for a dtype; it depends on nothing else."""
    module = Module(target)
    blocked(module, ring, _name(ring))
    return module.text()


@cache
def _library(ring: Ring, target: Target) -> Library:
    return load(module_text(ring, target), target, (_name(ring),))


def _address(ring: Ring, target: Target) -> int:
    return _library(ring, target).address(_name(ring))
