"""The loops that numba compiles. Constants are of the array's dtype, or float32 programs would compute in float64.

Only `with_numba` imports this module, when numba is there.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from tests.benchmarks.frameworks.base import Array
from tests.benchmarks.models import EPSILON

prange: Any = import_module("numba").prange


def gelu(x: Array) -> Array:
    half, one, root = x.dtype.type(0.5), x.dtype.type(1), x.dtype.type(math.sqrt(0.5))
    out = np.empty_like(x)
    for i in prange(x.size):
        out[i] = half * x[i] * (one + math.erf(x[i] * root))
    return out


def mish(x: Array) -> Array:
    out = np.empty_like(x)
    for i in prange(x.size):
        out[i] = x[i] * math.tanh(math.log1p(math.exp(x[i])))
    return out


def log_softmax(x: Array) -> Array:
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        largest = x[i].max()
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += math.exp(x[i, j] - largest)
        shift = largest + math.log(total)
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] - shift
    return out


def log_softmax_grad(x: Array, ct: Array) -> tuple[Array, Array]:
    out, slope = np.empty_like(x), np.empty_like(x)
    for i in prange(x.shape[0]):
        largest = x[i].max()
        total, cts = x.dtype.type(0), x.dtype.type(0)
        for j in range(x.shape[1]):
            slope[i, j] = math.exp(x[i, j] - largest)
            total += slope[i, j]
            cts += ct[i, j]
        shift, scale = largest + math.log(total), cts / total
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] - shift
            slope[i, j] = ct[i, j] - slope[i, j] * scale
    return out, slope


def layer_norm(x: Array, scale: Array, offset: Array) -> Array:
    epsilon, one = x.dtype.type(EPSILON), x.dtype.type(1)
    count = x.dtype.type(x.shape[1])
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        mean = x[i].sum() / count
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += (x[i, j] - mean) ** 2
        inverse = one / math.sqrt(total / count + epsilon)
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - mean) * inverse * scale[j] + offset[j]
    return out


def layer_norm_grad(x: Array, scale: Array, offset: Array, ct: Array) -> tuple[Array, Array, Array, Array]:
    epsilon, one = x.dtype.type(EPSILON), x.dtype.type(1)
    count = x.dtype.type(x.shape[1])
    out, dx, dscale, doffset = np.empty_like(x), np.empty_like(x), np.zeros_like(scale), np.zeros_like(offset)
    for i in prange(x.shape[0]):
        mean = x[i].sum() / count
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += (x[i, j] - mean) ** 2
        inverse = one / math.sqrt(total / count + epsilon)
        normal, slope = (x[i] - mean) * inverse, ct[i] * scale
        first, second = slope.sum() / count, (slope * normal).sum() / count
        for j in range(x.shape[1]):
            out[i, j] = normal[j] * scale[j] + offset[j]
            dx[i, j] = (slope[j] - first - normal[j] * second) * inverse
        dscale += ct[i] * normal
        doffset += ct[i]
    return out, dx, dscale, doffset


def logistic(w: Array, x: Array, y: Array) -> tuple[Any, Array]:
    one, count = x.dtype.type(1), x.dtype.type(len(x))
    z = x @ w
    loss = x.dtype.type(0)
    slope = np.empty_like(z)
    for i in prange(z.size):
        tail = math.exp(-abs(z[i]))
        loss += max(z[i], x.dtype.type(0)) + math.log1p(tail) - y[i] * z[i]
        slope[i] = ((one if z[i] > 0 else tail) / (one + tail) - y[i]) / count
    return loss / count, slope @ x


def sum_0(x: Array) -> Array:
    out = np.zeros_like(x[0])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[j] += x[i, j]
    return out


def sum_1(x: Array) -> Array:
    out = np.empty_like(x[:, 0])
    for i in prange(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        out[i] = total
    return out


def max_0(x: Array) -> Array:
    out = x[0].copy()
    for i in range(1, x.shape[0]):
        for j in range(x.shape[1]):
            out[j] = max(out[j], x[i, j])
    return out


def max_1(x: Array) -> Array:
    out = np.empty_like(x[:, 0])
    for i in prange(x.shape[0]):
        largest = x[i, 0]
        for j in range(1, x.shape[1]):
            largest = max(largest, x[i, j])
        out[i] = largest
    return out
