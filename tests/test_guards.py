"""What a jitted function reads from outside its arguments: what is replaced is noticed, nothing else is traced again."""

import gc
import types
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from functrans import custom_vjp, grad, jit, vmap
from functrans.guards import Guards

Fun = Callable[..., Any]

scale: Any = 2.0
weights = np.arange(3.0)
params: Any = {"w": np.array([1.0, 2.0]), "layers": [{"b": 1.0}]}
settings = types.SimpleNamespace(rate=1.0, inner=types.SimpleNamespace(power=1.0))
itself: list[Any] = []
itself.append(itself)
mixed = {1: 2, "a": 3}
calls = 0


class Config:
    rate = 1.0


def helper(x: Any) -> Any:
    return x * scale


@jit
def jitted_helper(x: Any) -> Any:
    return x * scale


@custom_vjp
def custom_helper(x: Any) -> Any:
    return x * scale


custom_helper.defvjp(lambda x: (x * scale, None), lambda _, ct: (ct,))
batched_helper = vmap(helper)
bound_helper = partial(helper)
helpers = {"first": helper}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = dict(globals())
    yield
    globals().update(before)
    settings.rate = settings.inner.power = Config.rate = 1.0


HELPERS: dict[str, Fun] = {
    "itself": lambda x: x * scale,
    "a function": lambda x: helper(x),
    "a function in a function": lambda x: (lambda y: helper(y))(x),
    "a jitted function": lambda x: jitted_helper(x),
    "a function with a custom rule": lambda x: custom_helper(x),
    "a batched function": lambda x: batched_helper(np.stack([x]))[0],
    "a gradient": lambda x: grad(helper)(x) * x,
    "a partial": lambda x: bound_helper(x),
    "a function in a dict": lambda x: helpers["first"](x),
    "a default": lambda x, f=helper: f(x),
    "a comprehension": lambda x: sum([scale * y for y in [x]]),
}


@pytest.mark.parametrize("name", HELPERS)
def test_a_global_is_replaced(name: str) -> None:
    global scale
    function = jit(HELPERS[name])
    for scale in (2.0, 3.0, np.float32(2.0), 3, np.array(4.0)):
        assert function(np.float64(1.5)) == 1.5 * scale


def test_a_global_of_a_static_function_is_replaced() -> None:
    global scale
    apply = jit(lambda f, x: f(x), static_argnums=0)
    composed = jit(partial(lambda f, x: f(x), helper))
    for scale in (2.0, 3.0):
        assert apply(helper, 1.5) == composed(1.5) == 1.5 * scale


def test_helpers_are_redefined() -> None:
    global helper, jitted_helper
    plain, jitted = jit(lambda x: helper(x)), jit(lambda x: jitted_helper(x))
    assert plain(1.0) == jitted(1.0) == 2.0
    helper = lambda x: x - 1
    jitted_helper = jit(lambda x: x - 1)
    assert plain(1.0) == jitted(1.0) == 0.0


def test_zeros_of_both_signs_and_equal_numbers_of_other_types_differ() -> None:
    global scale
    function = jit(lambda x: np.copysign(x, scale))
    for scale in (0.0, -0.0, 0.0, np.float64(-0.0), complex(0.0).real):
        assert function(1.0) == np.copysign(1.0, scale)
    dtype = jit(lambda x: x * scale)
    for scale in (1, 1.0, True, np.float64(1.0), np.int64(1)):
        assert dtype(np.float32(1)).dtype == (np.float32(1) * scale).dtype


def test_an_array_is_replaced() -> None:
    global weights
    function = jit(lambda x: x * weights)
    for weights in (np.arange(3.0), np.ones(3), np.ones(2), np.ones(2, np.float32)):
        np.testing.assert_array_equal(function(np.float32(2)), np.float32(2) * weights)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of NumPy's newer versions
def test_an_array_changes_its_shape_or_dtype_in_place() -> None:
    weights = np.arange(4.0)
    function = jit(lambda x: x + weights.shape[0] + weights.dtype.itemsize)
    assert function(0.0) == 12
    weights.shape = (2, 2)
    assert function(0.0) == 10
    weights.dtype = np.dtype(np.float32)  # type: ignore[misc]
    assert function(0.0) == 6


def test_values_in_place_are_not_noticed() -> None:
    weights = np.arange(3.0)
    function = jit(lambda x: x * weights)
    function(1.0)
    weights[0] = 5.0
    np.testing.assert_array_equal(function(1.0), [0.0, 1.0, 2.0])


def test_containers_change() -> None:
    global params
    function = jit(lambda x: x * params["w"] * params["layers"][0]["b"] * len(params))
    changes: list[Fun] = [
        lambda: None,
        lambda: params.update(w=np.array([3.0, 4.0])),
        lambda: params["layers"][0].update(b=2.0),
        lambda: params.update(more=None),
        lambda: globals().update(params={"w": np.ones(2), "layers": [{"b": 7.0}]}),
    ]
    for change in changes:
        change()
        np.testing.assert_array_equal(function(2.0), 2.0 * params["w"] * params["layers"][0]["b"] * len(params))


def test_an_array_at_the_address_of_one_that_was_freed() -> None:
    function = jit(lambda x: x * params["w"])
    for i in range(20):
        params["w"] = np.array([1.0, 2.0]) * i
        function(1.0)
        params["w"] = None
        params["w"] = np.array([1.0, 2.0]) * (i + 1)
        np.testing.assert_array_equal(function(1.0), params["w"])


def test_attributes_of_objects_change() -> None:
    function = jit(lambda x: x * settings.rate * settings.inner.power * Config.rate)
    assert function(1.0) == 1.0
    settings.rate = 2.0
    assert function(1.0) == 2.0
    settings.inner.power = 3.0
    assert function(1.0) == 6.0
    Config.rate = 5.0
    assert function(1.0) == 30.0


def test_strange_containers_are_no_obstacle() -> None:
    assert jit(lambda x: x + len(itself) + len(mixed))(1.0) == 4.0


def test_a_closure_changes() -> None:
    step = 1.0

    def function(x: Any) -> Any:
        return x * step

    jitted = jit(function)
    assert jitted(2.0) == 2.0
    step = 3.0
    assert jitted(2.0) == 6.0


def test_counting_the_tracings_is_no_change() -> None:
    seen: list[Any] = []

    def function(x: Any) -> Any:
        global calls
        calls += 1
        seen.append(np.shape(x))
        return x

    jitted = jit(function)
    for _ in range(3):
        jitted(1.0)
        jitted(np.ones(2))
    assert calls == len(seen) == 2


def test_tracers_in_the_world_are_not_remembered() -> None:
    global scale
    function = jit(lambda x: x * scale)

    def loss(w: Any) -> Any:
        global scale
        scale = w
        return function(w)

    assert grad(loss)(3.0) == 6.0
    assert grad(loss)(5.0) == 10.0
    scale = 2.0
    assert function(5.0) == 10.0


def test_shapes_of_tracers_in_the_world_are_not_remembered() -> None:
    global scale
    function = jit(lambda x: x * scale.shape[0])

    def loss(w: Any) -> Any:
        global scale
        scale = w
        return function(np.sum(w))

    assert grad(loss)(np.ones(2))[0] == 2.0
    assert grad(loss)(np.ones(3))[0] == 3.0


# ---- objects with jitted methods ----


class Model:
    traced = 0

    def __init__(self) -> None:
        self.w = np.ones(2)
        self.step = 0
        self.child = Child(self)
        self.act: Fun = lambda x: x * self.child.gain

    def factor(self) -> Any:
        return scale

    @property
    def twice(self) -> Any:
        return 2 * self.child.gain

    @jit
    def apply(self, x: Any) -> Any:
        self.note()
        return self.act(x) * self.w * self.factor() * self.twice

    def note(self) -> None:
        type(self).traced += 1


class Child:
    def __init__(self, parent: Model) -> None:
        self.parent, self.gain = parent, 1.0


def test_methods_notice_what_they_read() -> None:
    global scale
    model = Model()
    expect: Fun = lambda: 1.5 * model.child.gain * model.w * scale * 2 * model.child.gain
    changes: list[Fun] = [
        lambda: None,
        lambda: setattr(model, "w", np.array([3.0, 4.0])),
        lambda: globals().update(scale=5.0),
        lambda: setattr(model.child, "gain", 3.0),
        lambda: setattr(model, "child", Child(model)),
    ]
    for change in changes:
        change()
        np.testing.assert_array_equal(model.apply(1.5), expect())


def test_attributes_that_a_method_does_not_read_may_change() -> None:
    model = Model()
    Model.traced = 0
    for _ in range(4):
        model.step += 1
        model.apply(1.0)
    assert Model.traced == 1


def test_instances_are_freed() -> None:
    model = Model()
    model.apply(1.0)
    dead = weakref.ref(model)
    del model
    gc.collect()
    assert dead() is None


def test_a_bound_method_keeps_its_instance() -> None:
    method = Model().apply
    gc.collect()
    np.testing.assert_array_equal(method(1.0), [4.0, 4.0])


@dataclass
class Affine:
    w: Any
    b: Any

    def __call__(self, x: Any) -> Any:
        return x * self.w + self.b


def test_callable_objects_are_watched() -> None:
    affine = Affine(2.0, 1.0)
    function, inside = jit(affine), jit(lambda x: affine(x))
    assert function(1.0) == inside(1.0) == 3.0
    affine.w = 5.0
    assert function(1.0) == inside(1.0) == 6.0


def test_what_is_watched_is_not_kept() -> None:
    global weights
    weights = np.ones(1000)
    dead = weakref.ref(weights)
    guards = Guards(lambda x: x * weights)
    assert guards.hold()
    weights = np.zeros(2)
    assert dead() is None
    assert not guards.hold()


# ---- functions that are changed in place, as what reloads modules does ----


def _add(x: Any, y: Any = 1.0, *, z: Any = 10.0) -> Any:
    return x + y + z


def _other(x: Any, y: Any = 2.0, *, z: Any = 20.0) -> Any:
    return 3 * x + y + z


@pytest.mark.parametrize("is_direct", [True, False])
@pytest.mark.parametrize(
    ("part", "value", "result"),
    [("__code__", _other.__code__, 14.0), ("__defaults__", (2.0,), 13.0), ("__kwdefaults__", {"z": 20.0}, 22.0)],
)
def test_a_functions_code_or_defaults_are_replaced(part: str, value: Any, result: float, is_direct: bool) -> None:
    add = types.FunctionType(_add.__code__, globals(), "add", _add.__defaults__)
    add.__kwdefaults__ = {"z": 10.0}
    function = jit(add if is_direct else lambda x: add(x))
    x = np.float64(1.0)
    for _ in range(4):  # the later ones go by machine code
        assert function(x) == 12.0
    before = getattr(add, part)
    for value_now, expected in ((value, result), (before, 12.0)):
        setattr(add, part, value_now)
        for _ in range(4):
            assert function(x) == expected
    assert f"add.{part}" in str(function.explain())


def test_a_functions_defaults_appear_and_go() -> None:
    def helper(x: Any, y: Any = None) -> Any:
        return x if y is None else x * y

    function = jit(lambda x: helper(x))
    for default, expected in ((None, 3.0), ((4.0,), 12.0), ((None,), 3.0)):
        if default is not None:
            helper.__defaults__ = default
        for _ in range(4):
            assert function(np.float64(3.0)) == expected
