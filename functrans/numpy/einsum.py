"""einsum: products and sums by Einstein's notation, as a sequence of products of two.

The subscripts become a label per axis; each step multiplies two operands, summing over the labels that nobody needs any more,
by one `dot_general`. Three operands or more are taken in the order that NumPy's `einsum_path` finds. Imports ops, the
promotion rules and `products`; start reading at `einsum`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.errors import EinsumError
from functrans.numpy.dispatch import implements
from functrans.numpy.operands import shape_of, strong
from functrans.numpy.products import contract
from functrans.numpy.promotion import astype, to_common_dtype
from functrans.numpy.reductions import sum
from functrans.numpy.selection import take
from functrans.ops.shape import reshape, transpose
from functrans.record import NamedTuple
from functrans.typing import Array, DTypeLike

Labels = str
"""A letter for each axis."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # importing `string` takes half a millisecond


class Factor(NamedTuple):
    """An operand and its axes' labels."""

    value: Array
    labels: Labels


@implements(np.einsum)
def einsum(
    *operands: Any, optimize: Any = False, dtype: DTypeLike | None = None
) -> Array:  # Any: subscripts, arrays or lists
    """Einstein's summation: `einsum("ij,jk->ik", a, b)`, or with lists of axis numbers.

    Several operands are multiplied two at a time; `optimize` may be a path or a name of one, as in numpy.einsum_path, and
    is "greedy" unless given.

    >>> import functrans as ft
    >>> x, a = np.ones(2), np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> ft.grad(lambda x: np.einsum("i,ij,j->", x, a, x))(x)
    array([ 7., 13.])
    """
    inputs, output, values = _parsed(operands)
    arrays = to_common_dtype(*(strong(value, "einsum") for value in values))
    if dtype is not None:
        if any(not np.can_cast(aval_of(x).dtype, dtype, "safe") for x in arrays):
            raise TypeError(f"einsum: operands could not be cast to {np.dtype(dtype)} according to the rule 'safe'")
        arrays = [astype(x, dtype) for x in arrays]
    inputs, output = _spelled_out(inputs, output, [aval_of(x).ndim for x in arrays])
    factors = [
        _squeezed(Factor(x, labels), _sizes(arrays, inputs, output)) for x, labels in zip(arrays, inputs, strict=True)
    ]
    for places in _path(inputs, output, arrays, optimize):
        chosen = [factors.pop(i) for i in sorted(places, reverse=True)][::-1]
        needed = set(output).union(*(factor.labels for factor in factors))
        factors.append(_product(chosen, needed))
    return _ordered(factors[0], output, _sizes(arrays, inputs, output))


@implements(np.einsum_path)
def einsum_path(
    *operands: Any, optimize: Any = "greedy"
) -> tuple[list[Any], str]:  # Any: as for einsum, and NumPy's path
    """The order in which einsum multiplies its operands, and a table of what that costs; it depends on shapes alone."""
    shown: list[Any] = [np.broadcast_to(0.0, x.aval.shape) if isinstance(x, Tracer) else x for x in operands]
    return np.einsum_path(*shown, optimize=optimize)


# ---- subscripts ----


def _parsed(operands: Sequence[Any]) -> tuple[list[str], str | None, list[Any]]:  # Any: as for einsum
    """The inputs' subscripts, the output's (None: not given), and the arrays."""
    if not operands:
        raise EinsumError("no operands")
    if isinstance(operands[0], str):
        text, values = operands[0].replace(" ", ""), list(operands[1:])
        left, arrow, right = text.partition("->")
        return left.split(","), right if arrow else None, values
    values, lists = list(operands[: len(operands) // 2 * 2 : 2]), list(operands[1::2])
    output = operands[-1] if len(operands) % 2 else None
    return [_letters(axes) for axes in lists], None if output is None else _letters(output), values


def _letters(axes: Sequence[Any]) -> str:  # Any: axis numbers and Ellipsis
    return "".join("..." if axis is Ellipsis else _LETTERS[axis] for axis in axes)


def _spelled_out(inputs: list[str], output: str | None, ndims: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The subscripts with letters for the axes of an ellipsis, and the output made explicit."""
    if len(inputs) != len(ndims):
        raise EinsumError(f"{len(inputs)} subscripts for {len(ndims)} operands")
    used = {label for text in (*inputs, output or "") for label in text if label != "."}
    if not all(label.isascii() and label.isalpha() for label in used):
        raise EinsumError(f"subscripts {','.join(inputs)!r} with characters other than letters")
    counts = [ndim - len(text.replace("...", "")) for text, ndim in zip(inputs, ndims, strict=True)]
    for text, count, ndim in zip(inputs, counts, ndims, strict=True):
        if count < 0 or (count and "..." not in text) or "." in text.replace("...", "", 1):
            raise EinsumError(f"subscripts {text!r} for an operand of {ndim} dimensions")
    free = [label for label in _LETTERS[::-1] if label not in used]
    dots = "".join(free[: max(counts)][::-1])
    full = [text.replace("...", dots[len(dots) - count :]) for text, count in zip(inputs, counts, strict=True)]
    if output is None:
        seen = Counter("".join(full))
        return full, dots + "".join(sorted(label for label in used if seen[label] == 1))
    out = output.replace("...", dots)
    if len(set(out)) != len(out) or not set(out) <= set("".join(full)):
        raise EinsumError(f"output subscripts {output!r}, in which a label is repeated or in no operand")
    return full, out


def _sizes(arrays: Sequence[Array], inputs: Sequence[Labels], output: Labels) -> dict[str, int]:
    """The length of each label; a length of 1 fits any other."""
    sizes: dict[str, int] = {}
    for x, labels in zip(arrays, inputs, strict=True):
        for label, size in zip(labels, shape_of(x), strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size not in (1, known):
                raise EinsumError(f"lengths {known} and {size} of the label {label!r}")
    return sizes


def _path(inputs: Sequence[Labels], output: Labels, arrays: Sequence[Array], optimize: Any) -> list[tuple[int, ...]]:
    # Any: NumPy's path argument
    if len(inputs) < 3:
        return [tuple(range(len(inputs)))]
    dummies = [np.broadcast_to(np.zeros(()), shape_of(x)) for x in arrays]  # no memory: only their shapes count
    path, _ = np.einsum_path(f"{','.join(inputs)}->{output}", *dummies, optimize=optimize or "greedy")
    return [tuple(places) for places in path[1:]]


# ---- steps ----


def _squeezed(factor: Factor, sizes: dict[str, int]) -> Factor:
    """Each label once (the diagonal of one that is repeated), without axes of length 1 that stand for a longer label."""
    x, labels = factor
    for label in [label for label, count in Counter(labels).items() if count > 1]:
        x, labels = _diagonal(x, labels, label)
    kept = [i for i, label in enumerate(labels) if not (shape_of(x)[i] == 1 and sizes[label] != 1)]
    if len(kept) == len(labels):
        return Factor(x, labels)
    return Factor(reshape(x, [shape_of(x)[i] for i in kept]), "".join(labels[i] for i in kept))


def _diagonal(x: Array, labels: Labels, label: str) -> tuple[Array, Labels]:
    """The elements with one index on all axes of a label, on a last axis."""
    places = [i for i, other in enumerate(labels) if other == label]
    rest = [i for i in range(len(labels)) if i not in places]
    count = max(shape_of(x)[i] for i in places)
    shape = tuple(shape_of(x)[i] for i in (*rest, *places))
    x = transpose(x, [*rest, *places])
    flat = reshape(x, (*shape[: len(rest)], int(np.prod(shape[len(rest) :]))))
    strides = [int(np.prod(shape[len(rest) + k + 1 :])) if shape[len(rest) + k] != 1 else 0 for k in range(len(places))]
    return take(flat, np.arange(count) * int(np.sum(strides)), len(rest)), "".join(labels[i] for i in rest) + label


def _product(factors: Sequence[Factor], needed: set[str]) -> Factor:
    result = _summed(factors[0], needed.union(*(factor.labels for factor in factors[1:])))
    for i, factor in enumerate(factors[1:], 1):
        later = needed.union(*(other.labels for other in factors[i + 1 :]))
        result = _product_of_two(result, _summed(factor, later | set(result.labels)), later)
    return result


def _summed(factor: Factor, needed: set[str]) -> Factor:
    """Summed over the labels that are not needed."""
    axes = tuple(i for i, label in enumerate(factor.labels) if label not in needed)
    if not axes:
        return factor
    total = sum(factor.value, axes, aval_of(factor.value).dtype)
    return Factor(total, "".join(label for label in factor.labels if label in needed))


def _product_of_two(x: Factor, y: Factor, needed: set[str]) -> Factor:
    shared = [label for label in x.labels if label in y.labels]
    batch = [label for label in shared if label in needed]
    gone = [label for label in shared if label not in needed]
    axes = tuple([factor.labels.index(label) for label in gone] for factor in (x, y))
    along = tuple([factor.labels.index(label) for label in batch] for factor in (x, y))
    value = contract(x.value, y.value, (axes[0], axes[1]), (along[0], along[1]))
    rest = [label for factor in (x, y) for label in factor.labels if label not in shared]
    return _summed(Factor(value, "".join([*batch, *rest])), needed)


def _ordered(factor: Factor, output: Labels, sizes: dict[str, int]) -> Array:
    factor = _summed(factor, set(output))
    return transpose(factor.value, [factor.labels.index(label) for label in output])
