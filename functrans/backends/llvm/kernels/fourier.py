"""`Fourier`: transforms of 2ᵏ points in vectors, complex ones and real ones of half as many; others by NumPy's loops.

Real numbers lie in memory as half as many complex ones, whose transform is that of the even and of the odd ones woven together.
Imports the builder, `blocks`, `fourier_transform` and `numpy_loop`; start reading at `emit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from functrans.backends.llvm.elements import memory_type, part_dtype
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Module, Type, Value
from functrans.backends.llvm.kernels import numpy_loop
from functrans.backends.llvm.kernels.blocks import kernel
from functrans.backends.llvm.kernels.fourier_transform import FINE, Complex, Transform
from functrans.backends.llvm.target import host
from functrans.core.aval import ShapedArray
from functrans.core.lowering_loops import Fourier

__all__ = ["emit", "scratch_bytes", "supports"]

_MOST = 1 << 18
"""Up to so many points what is worked in stays small."""
_LEAST_LANES = 4

Avals = Sequence[ShapedArray]


def _part(aval: ShapedArray) -> Type:
    return memory_type(part_dtype(aval.dtype))


def _is_complex(ins: Avals, outs: Avals) -> bool:
    return ins[0].dtype.kind == outs[0].dtype.kind


def _points(ins: Avals, outs: Avals) -> int:
    """How many complex points there are; 0 for an odd number of real ones."""
    x, out = ins[0], outs[0]
    if _is_complex(ins, outs):
        return x.shape[-1]
    size = x.shape[-1] if x.dtype.kind == "f" else out.shape[-1]
    return 0 if size % 2 else size // 2


def _is_ours(ins: Avals, outs: Avals, lanes: int) -> bool:
    size = _points(ins, outs)
    return host().has_fma and lanes >= _LEAST_LANES and size & (size - 1) == 0 and FINE * lanes <= size <= _MOST


def _lanes(aval: ShapedArray) -> int:
    return max(host().vector_bytes // _part(aval).bytes, 1)


def supports(spec: Fourier, ins: Avals, outs: Avals) -> bool:
    if _is_ours(ins, outs, _lanes(ins[0])):
        return all(aval.size for aval in ins)
    return numpy_loop.supports(spec.loop, ins, outs)


def scratch_bytes(spec: Fourier, ins: Avals, outs: Avals) -> int:
    """What a transform works in, and one more spectrum for real numbers."""
    lanes, size = _lanes(ins[0]), _points(ins, outs)
    more = 0 if _is_complex(ins, outs) else 2 * (size + 1)
    return (Transform.room(size, lanes) + more) * _part(ins[0]).bytes if _is_ours(ins, outs, lanes) else 0


def emit(module: Module, name: str, spec: Fourier, ins: Avals, outs: Avals) -> Function:
    """`i64 (ptr x, ptr out, ptr scratch)`, 0."""
    kind = _part(ins[0])
    if not _is_ours(ins, outs, module.lanes(kind)):
        return numpy_loop.emit(module, name, spec.loop, ins, outs)
    f = kernel(module, name, ins, outs)
    f.optimized = True
    x, out, scratch = f.args
    size, sign = _points(ins, outs), 1 if spec.loop.ufunc.startswith("i") else -1
    transform = Transform(f, kind, size, sign, spec.loop.factor or 1.0, scratch)
    transform.make_roots()
    spectrum = f.offset(scratch, Transform.room(size, module.lanes(kind)), kind)
    steps = [aval.shape[-1] * aval.dtype.itemsize // kind.bytes for aval in (*ins, *outs)]
    with f.loop(0, prod(ins[0].shape[:-1])) as vector:
        here, there = (f.offset(p, vector.index * step, kind) for p, step in zip((x, out), steps, strict=True))
        if _is_complex(ins, outs):
            transform.write(here, there)
        elif sign < 0:
            transform.write(here, spectrum)
            _Halves(transform).part(spectrum, there)
        else:
            pairs = transform.buffers[1]  # the first step does not write there
            _Halves(transform).join(here, spectrum, pairs)
            transform.write(pairs, there)
    f.ret(f.index(0))
    return f


# ---- real numbers ----


class _Halves:
    """From the spectrum of pairs of real numbers to that of the numbers, and back."""

    def __init__(self, transform: Transform) -> None:
        self._t, self._f = transform, transform.f

    def part(self, z: Value, out: Value) -> None:
        """The spectra of the even numbers and of the odd ones, which are turned."""
        t, f = self._t, self._f
        for i in range(2):  # the spectrum begins again where it ends
            f.store(self._load(z, 0, i), self._at(z, t.size, i))
        half = f.const(0.5, t.vector)
        with f.loop(0, t.size, 2 * t.lanes) as block:
            for more in range(2):
                first = block.index + more * t.lanes
                here, mirrored = self._both(z, first)
                odd = t.difference(here, mirrored)
                turned = t.times((odd[1], -odd[0]), self._turn(block.index, more))
                found = t.sum(t.sum(here, mirrored), turned)
                t.put_pairs((found[0] * half, found[1] * half), self._at(out, first))
        f.store(self._load(z, 0, 0) - self._load(z, 0, 1), self._at(out, t.size, 0))
        f.store(f.const(0, t.kind), self._at(out, t.size, 1))

    def join(self, x: Value, spare: Value, z: Value) -> None:
        """Twice the spectrum of pairs; the ends of that of the numbers are taken for real."""
        t, f = self._t, self._f
        f.copy(spare, x, f.index(2 * (t.size + 1) * t.kind.bytes))
        for end in (0, t.size):
            f.store(f.const(0, t.kind), self._at(spare, end, 1))
        with f.loop(0, t.size, 2 * t.lanes) as block:
            for more in range(2):
                first = block.index + more * t.lanes
                here, mirrored = self._both(spare, first)
                odd = t.times(t.difference(here, mirrored), self._turn(block.index, more))
                t.put_pairs(t.sum(t.sum(here, mirrored), (-odd[1], odd[0])), self._at(z, first))

    def _at(self, place: Value, number: Value | int, part: int = 0) -> Value:
        return self._f.offset(place, number * 2 + part, self._t.kind)

    def _load(self, place: Value, number: int, part: int) -> Value:
        return self._f.load(self._at(place, number, part), self._t.kind)

    def _both(self, z: Value, first: Value) -> tuple[Complex, Complex]:
        """Some of the spectrum, and the conjugates of those at the opposite frequencies."""
        t, f = self._t, self._f
        re, im = t.get_pairs(self._at(z, f.index(t.size - t.lanes + 1) - first))
        order = range(t.lanes - 1, -1, -1)
        return t.get_pairs(self._at(z, first)), (f.shuffle(re, re, order), -f.shuffle(im, im, order))

    def _turn(self, block: Value, more: int) -> Complex:
        """The roots of unity of as many numbers, for a vector of the block."""
        t = self._t
        fine = t.constants([t.root(more * t.lanes + i, 2 * t.size) for i in range(t.lanes)])
        return t.times(t.power(self._f.integer("udiv", block, 2 * t.lanes)), fine)
