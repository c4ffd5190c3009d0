"""Random calls of every kernel family and of loop nests, on hostile numbers: for tests/test_kernel_programs.py.

A `Sample` is a function with its inputs, and how closely two backends have to agree on it. Start reading at `SAMPLES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import hypothesis.strategies as st
import numpy as np

import functrans.numpy as fnp
from functrans import lax, vjp
from functrans.ops.cumulative import linear_recurrence
from functrans.ops.indexing import index, index_update
from functrans.ops.sort import put_along, take_along
from functrans.typing import DType, Shape

__all__ = ["SAMPLES", "Sample"]

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

DTYPES = [np.dtype(code) for code in "?bhilBHILefdFD"]
REALS = [dtype for dtype in DTYPES if dtype.kind in "iuf"]
NUMBERS = [dtype for dtype in DTYPES if dtype.kind != "b"]
INDICES = [dtype for dtype in DTYPES if dtype.kind in "iu"]
SIZES = st.sampled_from([0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 100])
LONG = st.sampled_from([0, 1, 2, 5, 16, 63, 65, 130, 257, 600, 1025])


@dataclass(frozen=True)
class Sample:
    """`fun(*inputs)` gives a tuple of arrays."""

    name: str
    fun: Callable[..., tuple[Any, ...]]
    inputs: tuple[Any, ...]
    is_exact: bool = True
    """Whether all bits but those of NaN agree; else what is rounded may differ by a few units."""

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{x.dtype}{list(x.shape)}' for x in self.inputs)})"


# ---- arrays ----


def array(draw: Draw, dtype: DType, shape: Shape, *, moderate: bool = False) -> Any:
    """Any bits, often few numbers (so that there are ties), infinities, NaN and −0; moderate: small numbers only."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ties = draw(st.sampled_from([0.0, 0.3, 1.0]))
    return numbers(rng, dtype, shape, ties, moderate)


def numbers(rng: np.random.Generator, dtype: DType, shape: Shape, ties: float, moderate: bool) -> Any:
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "c":
        out = np.empty(shape, dtype)
        part = np.dtype(f"f{dtype.itemsize // 2}")
        out.real, out.imag = (numbers(rng, part, shape, ties, moderate) for _ in range(2))
        return out
    few = np.array([0, 1, 2, 3, 5] if dtype.kind == "u" else [-3, -1, 0, 1, 2], dtype)
    if moderate:
        return rng.choice(few, shape) if dtype.kind in "iu" else rng.normal(size=shape).astype(dtype)
    if dtype.kind == "f":
        few = np.concatenate([few, np.array([-0.0, np.inf, -np.inf, np.nan], dtype)])
    bits = np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)
    return np.where(rng.random(shape) < ties, rng.choice(few, shape), bits)


def shapes(draw: Draw, least: int = 1) -> Shape:
    rank = draw(st.integers(least, 3))
    if rank == 1:
        return (draw(LONG),)
    return tuple(draw(SIZES if axis == rank - 1 else st.sampled_from([0, 1, 2, 3, 5, 17])) for axis in range(rank))


def axis_of(draw: Draw, shape: Shape) -> int:
    axis: int = draw(st.integers(0, len(shape) - 1))
    return axis


# ---- order ----


@st.composite
def sorts(draw: st.DrawFn) -> Sample:
    dtype, shape = draw(st.sampled_from(DTYPES)), shapes(draw)
    axis, x = axis_of(draw, shape), array(draw, dtype, shape)
    kind = draw(st.sampled_from(["sort", "argsort", "several", "top_k"]))
    if kind == "sort":
        return Sample(f"sort {axis=}", lambda x: (lax.sort(x, axis),), (x,))
    if kind == "argsort":
        return Sample(f"argsort {axis=}", lambda x: (lax.argsort(x, axis),), (x,))
    if kind == "several":
        others = [array(draw, draw(st.sampled_from(DTYPES)), shape) for _ in range(draw(st.integers(1, 2)))]
        keys = draw(st.integers(1, 1 + len(others)))
        return Sample(f"sort {axis=} {keys=}", lambda *xs: tuple(lax.sort(xs, axis, num_keys=keys)), (x, *others))
    k = draw(st.integers(0, shape[-1]))
    return Sample(f"top_k {k=}", lambda x: tuple(lax.top_k(x, k)), (x,))


@st.composite
def cumulatives(draw: st.DrawFn) -> Sample:
    shape, reverse = shapes(draw), draw(st.booleans())
    axis = axis_of(draw, shape)
    kind = draw(st.sampled_from(["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "recurrence"]))
    if kind == "recurrence":
        dtype = draw(st.sampled_from([x for x in NUMBERS if x.kind in "fc"]))
        a, b = (array(draw, dtype, shape, moderate=True) for _ in range(2))
        b = b / 4
        return Sample(
            f"{kind} {axis=} {reverse=}", lambda a, b: (linear_recurrence(a / 4, b, axis, reverse),), (a, b), False
        )
    has = {"cumsum": NUMBERS, "cumprod": NUMBERS, "cumlogsumexp": [x for x in REALS if x.kind == "f"]}
    dtype = draw(st.sampled_from(has.get(kind, [x for x in DTYPES if x.kind != "c"])))
    is_exact = kind != "cumlogsumexp" and not (kind == "cumprod" and dtype.kind == "c")
    x = array(draw, dtype, shape, moderate=not is_exact)
    if dtype.kind == "c" and not is_exact:
        x = x / abs(x)  # so that products neither grow nor vanish
    return Sample(f"{kind} {axis=} {reverse=}", lambda x: (getattr(lax, kind)(x, axis, reverse),), (x,), is_exact)


@st.composite
def extremum_positions(draw: st.DrawFn) -> Sample:
    shape = tuple(max(size, 1) for size in shapes(draw))
    axis, dtype = axis_of(draw, shape), draw(st.sampled_from(DTYPES))
    name, kind = draw(st.sampled_from(["argmax", "argmin"])), draw(st.sampled_from("lib"))
    return Sample(
        f"{name} {axis=} {kind}", lambda x: (getattr(lax, name)(x, axis, kind),), (array(draw, dtype, shape),)
    )


# ---- data ----


def indices(draw: Draw, shape: Shape, size: int) -> Any:
    """Some negative, at times some out of range."""
    dtype = draw(st.sampled_from(INDICES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low = -size if dtype.kind == "i" else 0
    out = rng.integers(low, max(size, 1), shape).astype(dtype)
    if out.size and draw(st.sampled_from([False, False, True])):
        limits = np.iinfo(dtype)
        out.flat[rng.integers(out.size)] = draw(
            st.sampled_from([min(size, limits.max), limits.max, limits.min, max(low - 1, limits.min)])
        )
    return out


@st.composite
def gathers(draw: st.DrawFn) -> Sample:
    dtype, shape = draw(st.sampled_from(DTYPES)), shapes(draw)
    axis, x = axis_of(draw, shape), array(draw, dtype, shape)
    i = indices(draw, draw(st.sampled_from([(1,), (3,), (17,), (2, 9), (0,)])), shape[axis])
    at = (slice(None),) * axis
    kind = draw(st.sampled_from(["take", "clip", "fill", "along", "point"]))
    if kind == "along":
        i = indices(draw, shape, shape[axis])
        return Sample(f"take_along {axis=}", lambda x, i: (take_along(x, i, axis),), (x, i))
    if kind == "point":
        several = [indices(draw, i.shape, size) for size in shape]
        return Sample("x[i, j …]", lambda x, *ij: (index(x, tuple(ij)),), (x, *several))
    mode = {"take": "raise"}.get(kind, kind) if shape[axis] else "raise"
    return Sample(f"x[…, i] {axis=} {mode}", lambda x, i: (index(x, (*at, i), mode=mode),), (x, i))


@st.composite
def scatters(draw: st.DrawFn) -> Sample:
    dtype, shape = draw(st.sampled_from(DTYPES)), shapes(draw)
    how = draw(st.sampled_from(["set"] if dtype.kind == "b" else ["set", "add", "multiply", "min", "max"]))
    if dtype.kind == "c" and how in ("min", "max"):
        how = "add"
    moderate = how == "multiply" and dtype.kind == "c"
    axis, x = axis_of(draw, shape), array(draw, dtype, shape, moderate=moderate)
    if dtype.kind != "b" and draw(st.booleans()):
        i, size = indices(draw, shape, shape[axis]), shape[axis]
        return Sample(f"put_along {axis=}", lambda u, i: (put_along(u, i, axis, size),), (x, i))
    i = indices(draw, draw(st.sampled_from([(1,), (3,), (17,), (0,)])), shape[axis])
    updates = array(draw, dtype, (*shape[:axis], *i.shape, *shape[axis + 1 :]), moderate=moderate)
    at, mode = (slice(None),) * axis, draw(st.sampled_from(["raise", "clip", "drop"] if shape[axis] else ["raise"]))
    return Sample(
        f"x.at[…, i] {how} {axis=} {mode}",
        lambda x, i, u: (index_update(x, (*at, i), u, how, mode=mode),),
        (x, i, updates),
        not moderate,
    )


@st.composite
def blocks(draw: st.DrawFn) -> Sample:
    dtype, shape = draw(st.sampled_from(DTYPES)), shapes(draw)
    sizes = tuple(draw(st.integers(0, size)) for size in shape)
    starts = [draw(st.sampled_from([-(2**40), -3, 0, 1, size, 2**40])) for size in shape]
    places = [np.array(start, np.int64) for start in starts]
    x = array(draw, dtype, shape)
    if draw(st.booleans()):
        return Sample(f"dynamic_slice {starts}", lambda x, *at: (lax.dynamic_slice(x, at, sizes),), (x, *places))
    block = array(draw, dtype, sizes)
    return Sample("dynamic_update", lambda x, y, *at: (lax.dynamic_update_slice(x, y, at),), (x, block, *places))


@st.composite
def assemblies(draw: st.DrawFn) -> Sample:
    dtype, shape = draw(st.sampled_from(DTYPES)), shapes(draw)
    axis = axis_of(draw, shape)
    if draw(st.booleans()):
        parts = [
            array(draw, dtype, (*shape[:axis], draw(SIZES), *shape[axis + 1 :])) for _ in range(draw(st.integers(1, 4)))
        ]
        return Sample(f"concatenate {axis=}", lambda *xs: (lax.concatenate(xs, axis),), tuple(parts))
    widths = []
    for size in shape:
        between = draw(st.integers(0, 4))
        room = size + max(size - 1, 0) * between
        before = draw(st.integers(-min(room, 4), 5))
        widths.append((before, max(draw(st.integers(-4, 5)), -before - room), between))
    return Sample(
        f"pad {widths}", lambda x, v: (lax.pad(x, v, widths),), (array(draw, dtype, shape), array(draw, dtype, ()))
    )


@st.composite
def iotas(draw: st.DrawFn) -> Sample:
    dtype, size = draw(st.sampled_from(NUMBERS)), draw(LONG)
    return Sample(f"iota {dtype} {size}", lambda: (lax.iota(dtype, size),), ())


# ---- nests ----


def views(draw: Draw) -> Callable[[Any], Any]:
    """A view of an array of two axes that leaves both."""
    view: Callable[[Any], Any] = draw(
        st.sampled_from(
            [
                lambda x: x,
                lambda x: x[:, ::-1],
                lambda x: x[::-1],
                lambda x: x[:, ::2],
                lambda x: x[1:, 1:],
                lambda x: x[:, ::-3],
                lambda x: x.T,
                lambda x: x[:, :1],
                lambda x: x[:1],
            ]
        )
    )
    return view


@st.composite
def elementwise(draw: st.DrawFn) -> Sample:
    """Steps on views, with tails of every length; results of their own dtypes."""
    dtype = draw(st.sampled_from(DTYPES))
    shape, view = (draw(st.sampled_from([1, 2, 3, 17])), draw(LONG)), views(draw)
    x, y = (array(draw, dtype, shape) for _ in range(2))
    # what a number out of range becomes in a narrower integer, C does not say
    to = draw(st.sampled_from([to for to in DTYPES if "biufc".index(to.kind) >= "biufc".index(dtype.kind)]))

    def fun(x: Any, y: Any) -> tuple[Any, ...]:
        x, y = view(x), view(y)
        wide = fnp.broadcast_to(x[:, :1], fnp.shape(y))
        return fnp.where(x == y, x, y), wide != y, lax.convert_element_type(x, to)

    return Sample(f"elementwise {to}", fun, (x, y))


def reductions(over: Sequence[int | None]) -> st.SearchStrategy[Sample]:
    @st.composite
    def strategy(draw: st.DrawFn) -> Sample:
        dtype, axis, view = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(over)), views(draw)
        shape = (draw(SIZES), draw(LONG))
        name = draw(st.sampled_from(["any", "max", "sum", "center"]))
        x = array(draw, dtype, shape, moderate=name in ("sum", "center"))

        def fun(x: Any) -> tuple[Any, ...]:
            x = view(x)
            if name == "any" or (name == "max" and (dtype.kind in "bc" or 0 in fnp.shape(x))):
                return (fnp.any(x != x[:1, :1], axis=axis),)
            if name == "max":  # of zeros of two signs NumPy takes one or the other, by their number: + 0 makes them one
                return fnp.max(x, axis=axis) + dtype.type(0), fnp.min(x, axis=axis) + dtype.type(0)
            total = fnp.sum(x, axis=axis, keepdims=True, dtype=np.int64 if dtype.kind == "b" else dtype)
            return (total,) if name == "sum" or dtype.kind == "b" else (total, x - total)

        return Sample(f"{name} {axis=}", fun, (x,), dtype.kind in "biu" or name in ("any", "max"))

    return strategy()


@st.composite
def products(draw: st.DrawFn, *, inside: bool = False) -> Sample:
    """Products of matrices as they are and transposed; or of what is made of a right one, and what is made of the result, with
    rows that are slices.
    """
    dtype = draw(st.sampled_from(NUMBERS))
    m, k, n = (draw(st.sampled_from([0, 1, 2, 5, 16, 17, 33, 65, 130])) for _ in range(3))
    turn = draw(st.tuples(st.booleans(), st.booleans()))
    x = array(draw, dtype, (k, m) if turn[0] else (m, k), moderate=True)
    y = array(draw, dtype, (n, k) if turn[1] else (k, n), moderate=True)

    def fun(x: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
        if not inside:
            return (fnp.matmul(x.T if turn[0] else x, y.T if turn[1] else y),)
        row, column, whole, factors = rest
        y = y * factors[:, 1:] - y
        z = fnp.matmul(x.T if turn[0] else x, y.T if turn[1] else y)
        return z + row, fnp.where(whole[:, 1:] == column, z * 2, z + row)

    shapes = ((n,), (m, 1), (m, n + 1), (y.shape[0], y.shape[1] + 1)) if inside else ()
    rest = [array(draw, dtype, shape, moderate=True) for shape in shapes]
    return Sample(f"{'inside ' * inside}matmul {turn}", fun, (x, y, *rest), dtype.kind in "iu")


@st.composite
def convolutions(draw: st.DrawFn) -> Sample:
    """Of images and windows whose axes stand in any order; in groups of features or of images."""
    dtype, rank, count = draw(st.sampled_from(DTYPES)), draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2, 3]))
    groups = draw(st.sampled_from([(count, 1), (1, count)]))
    small, specs = st.integers(1, 2), [draw(st.permutations(range(rank + 2))) for _ in range(3)]
    inputs = draw(st.sampled_from([1, 2, 5]))
    sizes = [draw(st.integers(1, 9)) for _ in range(rank)]
    x = [groups[1] * draw(st.sampled_from([0, 1, 2, 3])), groups[0] * inputs, *sizes]
    w = [count * draw(st.sampled_from([1, 2, 17, 40])), inputs, *(draw(st.integers(1, 3)) for _ in range(rank))]
    strides, spread, apart = ([draw(small) for _ in range(rank)] for _ in range(3))
    padding = [(draw(st.integers(0 if size < 3 else -1, 2)), draw(st.integers(0, 2))) for size in sizes]

    def fun(x: Any, w: Any) -> tuple[Any, ...]:
        dims = (specs[0], specs[1], specs[2])
        return (lax.conv_general_dilated(x, w, strides, padding, spread, apart, dims, *groups),)

    shapes = [
        tuple(part[spec.index(axis)] for axis in range(rank + 2)) for part, spec in ((x, specs[0]), (w, specs[1]))
    ]
    operands = tuple(array(draw, dtype, shape, moderate=True) for shape in shapes)
    return Sample(f"conv {specs} {strides} {padding} {spread} {apart} {groups}", fun, operands, dtype.kind in "biu")


@st.composite
def winograd(draw: st.DrawFn) -> Sample:
    """Convolutions for which there are Winograd's sums, one with an epilogue, and their gradients by windows."""
    stride, size = draw(st.sampled_from([(1, 3), (1, 5), (2, 5), (4, 11)]))
    last = stride == 1 and draw(st.booleans())
    images, inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 40)), draw(st.integers(1, 40))
    height, width = (draw(st.integers(size, 40)) for _ in range(2))
    padding = [(draw(st.integers(-1, size)), draw(st.integers(0, size))) for _ in range(2)]
    kind = draw(st.sampled_from(["sums", "finished", "windows"]))
    dims: Any = ("NHWC", "HWIO", "NHWC") if last else None
    x = (images, height, width, inputs) if last else (images, inputs, height, width)
    w = (size, size, inputs, outputs) if last else (outputs, inputs, size, size)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def convolve(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=dims)

    def fun(x: Any, w: Any, b: Any) -> tuple[Any, ...]:
        if kind == "windows":
            out, pull = vjp(lambda w: convolve(x, w), w)
            return pull(out / fnp.float32(out.size**0.5))
        out = convolve(x, w)
        return (fnp.maximum(out + b, 0) if kind == "finished" else out,)

    shapes = (x, w, (outputs,) if last else (outputs, 1, 1))
    operands = [rng.standard_normal(shape).astype("f4") for shape in shapes]
    operands[1] /= np.float32((inputs * size**2) ** 0.5)
    return Sample(f"winograd {kind} {stride} {padding} {dims}", fun, tuple(operands), False)


@st.composite
def window_reductions(draw: st.DrawFn) -> Sample:
    """Sums, extrema and their places over windows, along the last axes or along all."""
    shape = [draw(st.sampled_from([1, 2, 3, 9, 20, 37])) for _ in range(draw(st.integers(1, 3)))]
    first = draw(st.integers(0, len(shape) - 1))
    outer = [1] * first

    def each(*choices: int) -> list[int]:
        return [*outer, *(draw(st.sampled_from(choices)) for _ in shape[first:])]

    size, strides, base, apart = each(1, 2, 3, 6), each(1, 2, 3), each(1, 1, 2), each(1, 1, 2)
    inner = [(draw(st.integers(0 if n < 3 else -1, 2)), draw(st.integers(0, 6))) for n in shape[first:]]
    rest = (size, strides, [*((0, 0) for _ in outer), *inner], base, apart)
    kind = draw(st.sampled_from(["add", "max", "min", "argmax", "argmin"]))
    dtypes: list[DType] = NUMBERS if kind == "add" else [dtype for dtype in DTYPES if dtype.kind != "c"]
    dtype = draw(st.sampled_from(dtypes))
    x = array(draw, dtype, tuple(shape), moderate=kind == "add")
    if kind.startswith("arg"):
        return Sample(f"{kind} {rest}", lambda x: (getattr(lax, f"reduce_window_{kind}")(x, *rest),), (x,))
    if kind == "add":
        init: Any = dtype.type(0)
    elif dtype.kind == "f":
        init = dtype.type(-np.inf if kind == "max" else np.inf)
    else:
        init = (
            dtype.type(kind == "min")
            if dtype.kind == "b"
            else getattr(np.iinfo(dtype), "min" if kind == "max" else "max")
        )
    fun = lambda x: (lax.reduce_window(x, init, getattr(lax, kind), *rest),)
    return Sample(f"{kind} {rest}", fun, (x,), kind != "add" or dtype.kind in "iu")


SAMPLES: dict[str, st.SearchStrategy[Sample]] = {
    "sort": sorts(),
    "cumulative": cumulatives(),
    "extremum_position": extremum_positions(),
    "gather": gathers(),
    "scatter": scatters(),
    "windows": blocks(),
    "assemble": assemblies(),
    "iota": iotas(),
    "elementwise": elementwise(),
    "rows": reductions([1, None]),
    "columns": reductions([0]),
    "contract": products(),
    "inside products": products(inside=True),
    "convolution": convolutions(),
    "winograd": winograd(),
    "window_reductions": window_reductions(),
}
"""By kernel family, and by kind of nest."""
