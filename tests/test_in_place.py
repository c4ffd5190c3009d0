"""Writing into traced arrays: random programs against NumPy's own execution, and what is refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

import functrans.numpy as fnp
from functrans import grad, jacfwd, jacrev, jit, jvp, lax, linearize, make_jaxpr, vjp, vmap
from functrans.errors import InPlaceError, UpdateShapeError, UpdateTypeError
from functrans.typing import Array


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11)


PHASES = (Phase.explicit, Phase.generate)  # such programs are small, and to shrink one takes minutes

# ---- random programs ----
#
# A program is a list of steps over a growing list of arrays, of which the first is the argument: a step makes a new array,
# views one, or writes into one the mean of another. Steps that NumPy cannot do, with arrays of no elements say, are left out.

MAKES: dict[str, Callable[[Any], Any]] = {
    "zeros": np.zeros_like,
    "full": lambda x: np.full_like(x, 0.5),
    "copy": lambda x: x.copy(),
    "sin": np.sin,
    "np.copy": np.copy,
    "taken": lambda x: x[[0, -1, 0]],
}
VIEWS: dict[str, Callable[[Any], Any]] = {
    "tail": lambda x: x[1:],
    "steps": lambda x: x[::2],
    "backwards": lambda x: x[::-1],
    "last": lambda x: x[-1:],
    "turned": lambda x: x.T,
    "new axis": lambda x: x[:, None],
    "all": lambda x: x[...],
    "flat": lambda x: x.reshape(-1),
    "ravel": np.ravel,
    "flip": np.flip,
    "moved": lambda x: np.moveaxis(x, 0, -1),
    "first half": lambda x: np.array_split(x, 2)[0],
    "row": lambda x: next(iter(x)) if x.ndim > 1 else x[:1],
}
UPDATES: dict[str, Callable[[Any, Any], Any]] = {
    "first": lambda x, v: x.__setitem__(0, v),
    "part": lambda x, v: x.__setitem__(slice(None, None, 2), x[::2] * v),
    "fancy": lambda x, v: x.__setitem__([-1, 0], 1.5 * v),
    "mask": lambda x, v: x.__setitem__(x > 0.4, v),
    "add": lambda x, v: x.__iadd__(v),
    "own part": lambda x, v: x.__setitem__(slice(1, None), x[:-1]),
    "fill": lambda x, v: x.fill(v),
    "out": lambda x, v: np.multiply(x, v, out=x),
    "copyto": lambda x, v: np.copyto(x, v, where=x < 0.3),
    "sort": lambda x, v: x.sort(axis=0),
    "at": lambda x, v: np.add.at(x, [0, 0], v),
}
Steps = list[tuple[str, int, int]]


def run(steps: Steps, x: Any) -> Any:
    """One number that depends on all arrays of a program."""
    arrays = [x]
    for kind, i, j in steps:
        if kind in MAKES:
            arrays.append(MAKES[kind](arrays[i]))
        elif kind in VIEWS:
            arrays.append(VIEWS[kind](arrays[i]))
        elif kind == "part multiplied":
            arrays[i][1:] *= np.tanh(arrays[j]).sum() / 7
        else:
            UPDATES[kind](arrays[i], np.tanh(arrays[j]).sum() / 7)
    return sum(((k + 1) * np.cos(y) * (1 + np.arange(y.size).reshape(y.shape))).sum() for k, y in enumerate(arrays))


@st.composite
def programs(draw: st.DrawFn) -> tuple[Array, Steps]:
    """An argument and a program."""
    x = np.random.default_rng(draw(st.integers(0, 9))).uniform(-1, 1, draw(st.sampled_from([(4, 3), (12,), (2, 3, 2)])))
    steps: Steps = [(draw(st.sampled_from([*MAKES])), 0, 0)]
    kinds = [st.sampled_from(names) for names in ([*MAKES], [*VIEWS], [*UPDATES, "part multiplied"])]
    for _ in range(draw(st.integers(2, 8))):
        count = 1 + sum(kind in MAKES or kind in VIEWS for kind, *_ in steps)
        places = st.integers(1, count - 1)
        step = (
            draw(draw(st.sampled_from([kinds[0], kinds[1], kinds[1], kinds[2], kinds[2]]))),
            draw(places),
            draw(places),
        )
        try:
            run([*steps, step], x.copy())
        except (IndexError, ValueError):
            continue
        steps.append(step)
    return x, steps


@settings(max_examples=60, phases=PHASES)
@given(programs())
def test_a_program_that_writes_is_numpys_under_every_transform(case: tuple[Array, Steps]) -> None:
    x, steps = case
    program = partial(run, steps)
    before, expected, several = x.copy(), program(x), np.stack([x, x * 0.7, -x])
    assert_close(jvp(program, (x,), (x,))[0], expected)
    value, pull = vjp(program, x)
    assert_close(value, expected)
    assert_close(vmap(program)(several), np.stack([program(one) for one in several]))
    (slope,) = pull(np.float64(1.0))
    assert_close(np.sum(slope * several[1]), jvp(program, (x,), (several[1],))[1])
    assert_close(vmap(grad(program))(several)[0], slope)
    np.testing.assert_array_equal(x, before)


@settings(max_examples=8, phases=PHASES)
@given(programs())
def test_and_compiled(case: tuple[Array, Steps]) -> None:
    x, steps = case
    program = partial(run, steps)
    assert_close(jit(program)(x), program(x))
    assert_close(jit(grad(program))(x), grad(program)(x))


@settings(max_examples=25, phases=PHASES)
@given(programs())
def test_its_derivative_is_that_of_finite_differences(case: tuple[Array, Steps]) -> None:
    x, steps = case
    direction = np.random.default_rng(1).normal(size=x.shape)
    near = [(run(steps, x + h * direction) - run(steps, x - h * direction)) / (2 * h) for h in (1e-6, 1e-7)]
    assume(abs(near[0] - near[1]) < 1e-5 * (1 + abs(near[0])))  # no jump or kink of a mask or of sorting is near
    np.testing.assert_allclose(jvp(partial(run, steps), (x,), (direction,))[1], near[0], rtol=1e-4, atol=1e-5)


# ---- programs of users ----


def filled(x: Any) -> Any:
    """The solution of a recurrence, by a loop that fills an array."""
    out = np.empty_like(x)
    out[0] = x[0]
    for i in range(1, len(x)):
        out[i] = 0.5 * out[i - 1] + np.sin(x[i])
    return out


def heat(u: Any) -> Any:
    """Steps of the heat equation on a grid, written in place."""
    u = u.copy()
    inside, left, right = u[1:-1], u[:-2], u[2:]
    for _ in range(3):
        inside += 0.1 * (left - 2 * inside + right)
    return u


@pytest.mark.parametrize("fun", [filled, heat])
def test_loops_that_fill_arrays(fun: Callable[[Any], Any]) -> None:
    x = np.linspace(-1.0, 2.0, 7)
    jacobian = jacfwd(fun)(x)
    for got in (jit(fun)(x), vmap(fun)(x[None])[0], linearize(fun, x)[0]):
        assert_close(got, fun(x))
    for found in (jacrev(fun)(x), jit(jacrev(fun))(x), jacrev(jit(fun))(x), linearize(fun, x)[1](np.eye(7)[0])):
        assert_close(found, jacobian if found.ndim == 2 else jacobian[:, 0])


def test_inside_the_bodies_of_loops() -> None:
    def total(x: Any) -> Any:
        def body(carry: Any, row: Any) -> Any:
            new = carry.copy()
            new[1:] += carry[:-1]
            new[0] = row.sum()
            return new, new[-1]

        return lax.scan(body, np.zeros_like(x[0]), x)

    x = np.arange(12.0).reshape(4, 3)
    carry = np.zeros(3)
    for row in x:
        carry = np.concatenate([[row.sum()], carry[1:] + carry[:-1]])
    for run in (total, jit(total)):
        assert_close(run(x)[0], carry)
    assert_close(grad(lambda x: total(x)[0][1])(x), np.array([[1.0] * 3, [1.0] * 3, [1.0] * 3, [0.0] * 3]))


def test_a_traced_index_is_checked() -> None:
    def put(x: Any, i: Any) -> Any:
        y = x.copy()
        y[i] = 5.0
        y[i, 0] *= 2
        return y

    x = np.arange(6.0).reshape(3, 2)
    assert_close(jit(put)(x, 1), put(x, 1))
    assert_close(vmap(put, (None, 0))(x, np.arange(3)), np.stack([put(x, i) for i in range(3)]))
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 with size 3"):
        jit(put)(x, 3)


def test_what_was_computed_before_a_write_stays() -> None:
    def fun(x: Any) -> Any:
        y = x * 2
        before = y * y
        y[0] = 7.0
        return before.sum() + y.sum()

    x = np.array([1.0, 2.0, 3.0])
    for derivative in (grad(fun), jit(grad(fun)), jacfwd(fun), grad(jit(fun))):
        assert_close(derivative(x), 8 * x + [0, 2, 2])


def test_an_array_of_an_outer_function_that_a_pullback_needs_is_kept_as_it_was() -> None:
    def fun(x: Any) -> Any:
        y = x * 1.0
        _, pull = vjp(lambda z: z * y, y)
        y[0] = 100.0
        return pull(np.ones_like(y))[0] + y

    x = np.array([1.0, 2.0, 3.0])
    assert_close(jit(fun)(x), [101.0, 4.0, 6.0])

    def captured(x: Any) -> Any:
        y = x * 1.0

        def inner(z: Any) -> Any:
            first = np.sum(z * y)
            y[0] = 50.0
            return first + np.sum(z * y)

        return grad(inner)(x)

    assert_close(jit(captured)(x), [51.0, 4.0, 6.0])


def test_copies_share_nothing() -> None:
    def fun(x: Any) -> Any:
        copies = [
            np.copy(x),
            x.copy(),
            fnp.array(x),
            x.astype(float),
            +x,
            x.flatten(),
            np.concatenate([x]),
            np.tile(x, 1),
        ]
        for i, y in enumerate(copies):
            y[0] = i
        return np.stack(copies)[:, 0], x

    x = np.array([9.0, 8.0])
    for run in (jit(fun), fun):
        first, last = run(x)
        assert_close(first, np.arange(8.0))
        assert_close(last, [9.0, 8.0])


# ---- NumPy's functions that write ----

WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "copyto": lambda x, v: np.copyto(x, v),
    "copyto, cast": lambda x, v: np.copyto(x.astype("f4")[:1], v, casting="unsafe"),
    "copyto where": lambda x, v: np.copyto(x, v, where=x > 1),
    "put": lambda x, v: np.put(x, [0, -1, 4], v[:2]),
    "put, clip": lambda x, v: x.put([100, -7], 3.0, mode="clip"),
    "put_along_axis": lambda x, v: np.put_along_axis(x, np.argsort(-x, 1)[:, :1], 9.0, 1),
    "put_along_axis of all": lambda x, v: np.put_along_axis(x, np.array([1, 3]), v[:2], None),
    "place": lambda x, v: np.place(x, x > 1, v[:1]),
    "putmask": lambda x, v: np.putmask(x, x > 1, v),
    "fill_diagonal": lambda x, v: np.fill_diagonal(x, v[:2]),
    "fill": lambda x, v: x.fill(v[1]),
    "sort": lambda x, v: x.sort(axis=0),
    "add, out": lambda x, v: np.add(x, v, out=x),
    "out of a reduction": lambda x, v: np.sum(x, axis=0, out=x[0]),
    "out of a method": lambda x, v: x.mean(axis=1, keepdims=True, out=x[:, :1]),
    "out where": lambda x, v: np.multiply(x, v, out=x, where=x > 2),
    "two outs": lambda x, v: np.modf(x * 1.5, out=(x, x.copy())),
    "out of a number": lambda x, v: np.add(1.0, 2.0, out=x[1]),
    "add.at": lambda x, v: np.add.at(x, ([0, 0], [1, 1]), v[:2]),
    "maximum.at": lambda x, v: np.maximum.at(x, 1, v),
    "power": lambda x, v: x.__ipow__(2),
    "matmul": lambda x, v: x.__imatmul__(np.eye(3) * 2),
    "a view of a view": lambda x, v: x[1:][:, ::2].T.fill(v[0]),
    "a row": lambda x, v: next(iter(x)).__iadd__(v),
    "a diagonal": lambda x, v: np.fliplr(x)[0].__imul__(v),
    "parts": lambda x, v: np.hsplit(x, 3)[1].fill(4.0),
    "a mask": lambda x, v: x.__setitem__(x > 2, v[2]),
    "a mask of rows": lambda x, v: x.__setitem__(x[:, 0] > 1, v),
    "all": lambda x, v: x.__setitem__(..., v),
}


@pytest.mark.parametrize("name", WRITES)
def test_functions_that_write(name: str) -> None:
    def fun(x: Any, v: Any) -> Any:
        y = x.copy()
        WRITES[name](y, v)
        return y

    x, v = np.arange(6.0).reshape(2, 3) * 1.1, np.array([0.5, -2.0, 3.0])
    expected = fun(x, v)
    assert_close(jvp(fun, (x, v), (x, v))[0], expected)
    if name not in ("place",):
        assert_close(jit(fun)(x, v), expected)
        assert_close(vmap(fun)(x[None], v[None])[0], expected)


MASKED: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda at, v: at.set(v),
    "add": lambda at, v: at.add(v),
    "subtract": lambda at, v: at.subtract(v),
    "multiply": lambda at, v: at.multiply(v),
    "divide": lambda at, v: at.divide(v),
    "power": lambda at, v: at.power(v),
    "min": lambda at, v: at.min(v),
    "max": lambda at, v: at.max(v),
}


@pytest.mark.parametrize("how", MASKED)
def test_an_update_where_a_mask_holds(how: str) -> None:
    def masked(x: Any, mask: Any, v: Any) -> Any:
        return MASKED[how](fnp.at(x)[mask], v)

    x = np.arange(1.0, 7.0).reshape(2, 3)
    for mask, v in ((x > 2.5, 2.0), (x[:, 0] > 2, np.array([1.0, 2.0, 3.0])), (x[:, 0] > 2, np.ones((1, 3)))):
        assert_close(jit(masked)(x, mask, v), masked(x, mask, v))
    with pytest.raises(IndexError, match="how many elements"):
        jit(lambda x, m: fnp.at(x)[m].set(np.ones(2)))(x, x > 2)
    with pytest.raises(IndexError, match="boolean index did not match"):
        jit(lambda x, m: fnp.at(x)[m].set(1.0))(x, np.ones(3, bool))


# ---- what is refused ----


def _first(x: Any) -> Any:
    x[0] = 1.0


def _through_a_view(x: Any) -> Any:
    x[1:][0] = 1.0


def _augmented_view(x: Any) -> Any:
    y = x[1:]
    y += 1.0


@pytest.mark.parametrize("write", [_first, _through_a_view, _augmented_view, lambda x: x.sort(), lambda x: x.T.fill(0)])
def test_arguments_are_not_written_to(write: Callable[[Any], Any]) -> None:
    def fun(x: Any) -> Any:
        write(x)
        return x.sum()

    x = np.arange(6.0).reshape(3, 2)
    for run in (jit(fun), grad(fun), vmap(fun), lambda x: jvp(fun, (x,), (x,)), lambda x: make_jaxpr(fun)(x)):
        with pytest.raises(InPlaceError, match="an argument of a function that is transformed"):
            run(x)
    with pytest.raises(InPlaceError, match="an argument"):
        jit(lambda x: lax.fori_loop(0, 3, lambda i, y: fun(y) * y, x))(x)


SELDOM_VIEWS: list[Callable[[Any], Any]] = [
    lambda y: np.einsum("ii->i", y),
    lambda y: np.einsum("ij->ji", y),
    lambda y: np.einsum(y, [0, 1], [1, 0]),
    lambda y: np.einsum("ij->i", y),
    lambda y: y.conj(),
    lambda y: y.conjugate(),
    np.conj,
    lambda y: np.astype(y, float, copy=False),
    lambda y: np.astype(y, float),
    np.real_if_close,
    lambda y: np.diff(y, 0),
    lambda y: np.linalg.matrix_power(y, 1),
    lambda y: np.polyder(y, 0),
    lambda y: np.polyint(y, 0),
]


@pytest.mark.parametrize("view", SELDOM_VIEWS)
def test_functions_that_seldom_give_views(view: Callable[[Any], Any]) -> None:
    def into_the_view(x: Any) -> Any:
        y = x * 1
        v = view(y)
        v *= 10
        return y

    def into_the_base(x: Any) -> Any:
        y = x * 1
        v = view(y)
        y[1] = [7.0, 8.0]  # a list, too
        return v

    x = np.arange(1.0, 5).reshape(2, 2)
    for fun in (into_the_view, into_the_base):
        assert_close(jit(fun)(x), fun(x))
        assert_close(vmap(fun)(x[None])[0], fun(x))
        assert_close(jvp(fun, (x,), (x,))[0], fun(x))


def test_augmenting_an_argument_binds_its_name_anew() -> None:
    def fun(x: Any) -> Any:
        x += 1
        x *= x
        return x

    x = np.arange(3.0)
    assert_close(jit(fun)(x), [1.0, 4.0, 9.0])
    assert_close(x, [0.0, 1.0, 2.0])


def test_an_outer_array_takes_no_inner_values() -> None:
    def fun(x: Any) -> Any:
        buffer = x * 2

        def inner(y: Any) -> Any:
            buffer[0] = y
            return buffer.sum()

        return grad(inner)(3.0)

    with pytest.raises(InPlaceError, match="an array of another function"):
        jit(fun)(np.ones(3))


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda y: y.__setitem__(0, np.ones(5)), UpdateShapeError, "could not broadcast"),
        (lambda y: y.__iadd__(np.ones((4, 3))), UpdateShapeError, "could not broadcast"),
        (lambda y: y.astype(int).__iadd__(0.5), UpdateTypeError, "same_kind"),
        (lambda y: y.astype(int).__setitem__(0, 0.5 * y[0]), UpdateTypeError, "same_kind"),
        (lambda y: np.copyto(y.astype("f4"), y * 1j), TypeError, "same_kind"),
        (lambda y: y.__setitem__(3, 1.0), IndexError, "out of bounds"),
        (lambda y: np.broadcast_to(y, (2, 3)).__setitem__(0, 1.0), ValueError, "read-only"),
        (lambda y: y.resize(5), InPlaceError, "np.resize"),
        (lambda y: y.__delitem__(0), ValueError, "cannot delete"),
    ],
)
def test_errors_are_numpys(write: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    def fun(x: Any) -> Any:
        y = x.copy()
        write(y)
        return y

    with pytest.raises(error, match=message):
        jit(fun)(np.ones(3))
