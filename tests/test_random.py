"""functrans.random against JAX: the same bits, the same numbers; and against the distributions that it samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any  # arrays of two libraries

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammainc, gammaincinv

import functrans as ft
from functrans import random
from functrans.errors import KeyReuseError, ParameterError
from tests.random_programs import DISTRIBUTIONS, LAYOUT_SENSITIVE, SAMPLES

KEY = random.key(42)


@pytest.fixture(scope="module")
def jax() -> Iterator[Any]:
    module = pytest.importorskip("jax")
    old = module.config.jax_enable_x64
    module.config.update("jax_enable_x64", True)
    yield module
    module.config.update("jax_enable_x64", old)


@contextmanager
def layout(jax: Any, partitionable: bool) -> Iterator[None]:
    with jax.threefry_partitionable(partitionable), random.threefry_partitionable(partitionable):
        yield


def same(ours: Any, theirs: Any, ulps: float = 0) -> None:
    """The same shape, dtype and values, floating ones up to so many epsilons."""
    want = np.asarray(theirs)
    assert (np.shape(ours), ours.dtype) == (want.shape, want.dtype)
    tolerance = ulps * float(np.finfo(want.dtype).eps) if want.dtype.kind in "fc" else 0.0
    np.testing.assert_allclose(ours, want, rtol=tolerance, atol=tolerance)


# ---- bits ----


@pytest.mark.parametrize("partitionable", [True, False])
def test_keys_are_those_of_jax(jax: Any, partitionable: bool) -> None:
    with layout(jax, partitionable):
        for seed in (0, 42, -1, 2**40 + 5, np.int32(-3), np.uint64(2**63)):
            theirs, ours = jax.random.PRNGKey(seed), random.key(seed)
            same(ours, theirs)
            for num in (3, (2, 3), 0):
                same(random.split(ours, num), jax.random.split(theirs, num))
            for data in (7, np.int32(-1)):
                same(random.fold_in(ours, data), jax.random.fold_in(theirs, data))


@pytest.mark.parametrize("partitionable", [True, False])
def test_bits_and_uniform_numbers_are_those_of_jax(jax: Any, partitionable: bool) -> None:
    theirs = jax.random.PRNGKey(42)
    with layout(jax, partitionable):
        for dtype in ("uint8", "uint16", "uint32", "uint64"):
            for shape in ((), (7,), (3, 4)):
                same(random.bits(KEY, shape, dtype), jax.random.bits(theirs, shape, dtype))
            assert random.bits(KEY, (2, 0, 3), dtype).shape == (2, 0, 3)
        for dtype in ("float16", "float32", "float64"):
            same(random.uniform(KEY, 7, dtype), jax.random.uniform(theirs, (7,), dtype))
            same(random.normal(KEY, 7, dtype), jax.random.normal(theirs, (7,), dtype), 8)


def test_hash_of_counters(jax: Any) -> None:
    from jax._src.random.threefry2x32 import threefry_2x32

    counts = np.random.default_rng(0).integers(0, 2**32, 9, np.uint32)
    for count in (counts, counts[:8].reshape(2, 4), counts[0].reshape(())):
        same(random.threefry_2x32((KEY[0], KEY[1]), count), threefry_2x32((KEY[0], KEY[1]), count))


def test_numpy_evaluates_the_same_bits_as_machine_code() -> None:
    def f(key: Any) -> Any:
        return random.bits(key, 100_000), random.uniform(key, (3, 7)), random.split(key, 5)

    with ft.disable_jit():
        eager = f(KEY)
    for one, other in zip(eager, ft.jit(f)(KEY), strict=True):
        same(one, other)


# ---- samplers ----

GOLDEN = Path(__file__).parent / "golden" / "random.json"
DRAWN = [*((True, name) for name in SAMPLES), *((False, name) for name in LAYOUT_SENSITIVE)]


def test_golden_samples_are_those_of_jax(request: pytest.FixtureRequest) -> None:
    """With --update-golden JAX draws them anew; that takes a minute, so that tests compare with what it drew."""
    if request.config.getoption("--update-golden"):
        jax = request.getfixturevalue("jax")
        drawn: dict[str, Any] = {}
        for partitionable, name in DRAWN:
            with layout(jax, partitionable):
                values = np.asarray(SAMPLES[name](jax.random, jax.random.PRNGKey(7)))
            numbers = values.view(f"f{values.itemsize // 2}") if values.dtype.kind == "c" else values
            drawn[f"{name}, {partitionable}"] = [str(values.dtype), values.shape, numbers.ravel().tolist()]
        GOLDEN.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in drawn.items()) + "\n}\n")
    assert set(json.loads(GOLDEN.read_text())) == {f"{name}, {partitionable}" for partitionable, name in DRAWN}


@pytest.mark.parametrize("partitionable", [True, False])
def test_samplers_give_the_numbers_of_jax(partitionable: bool) -> None:
    golden = json.loads(GOLDEN.read_text())
    with random.threefry_partitionable(partitionable):
        for name in SAMPLES if partitionable else LAYOUT_SENSITIVE:
            dtype, shape, numbers = golden[f"{name}, {partitionable}"]
            kind = np.dtype(dtype)
            flat = np.array(numbers, f"f{kind.itemsize // 2}" if kind.kind == "c" else kind)
            same(SAMPLES[name](random, random.key(7)), flat.view(kind).reshape(shape), 200)


def test_samples_follow_their_distributions() -> None:
    for name, (sampler, parameters) in DISTRIBUTIONS.items():
        drawn = np.asarray(sampler(random, random.key(3)), float)
        distribution = getattr(stats, name)(*parameters)
        if hasattr(distribution.dist, "pmf"):  # the distance at the steps, where the test is conservative
            steps = np.unique(drawn)
            distance = np.max(
                np.abs(np.searchsorted(np.sort(drawn), steps, "right") / drawn.size - distribution.cdf(steps))
            )
            assert distance < 1.63 / np.sqrt(drawn.size), name
        else:
            assert stats.kstest(drawn, distribution.cdf).pvalue > 0.01, name


def test_vectors_have_the_moments_of_their_distributions() -> None:
    drawn = random.multivariate_normal(KEY, np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]), 4000)
    np.testing.assert_allclose(drawn.mean(0), [1.0, 2.0], atol=0.1)
    for method in ("eigh", "svd"):
        singular = random.multivariate_normal(KEY, np.zeros(2), np.array([[4.0, 2.0], [2.0, 1.0]]), 4000, method=method)
        np.testing.assert_allclose(np.cov(singular.T), [[4.0, 2.0], [2.0, 1.0]], atol=0.2)
    alpha = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(random.dirichlet(KEY, alpha, 4000).mean(0), alpha / 6, atol=0.02)
    counts = random.multinomial(KEY, 50, np.array([0.2, 0.3, 0.5]), shape=(1000, 3))
    assert (counts.sum(-1) == 50).all()
    np.testing.assert_allclose(counts.mean(0), [10, 15, 25], atol=0.5)
    points = random.ball(KEY, 2, shape=4000)
    np.testing.assert_allclose(np.mean(np.sum(points**2, -1) < 0.25), 0.25, atol=0.03)
    shuffled = np.stack([random.permutation(key, 3) for key in random.split(KEY, 600)])
    assert np.abs(np.unique(shuffled, axis=0, return_counts=True)[1] - 100).max() < 40


# ---- derivatives ----


@pytest.mark.parametrize("a", [0.05, 0.5, 1.0, 3.0, 40.0, 2000.0])
def test_gamma_moves_with_its_parameter_at_a_fixed_probability(a: float) -> None:
    x = float(random.gamma(KEY, a))
    h = 1e-5 * a
    want = (gammaincinv(a + h, gammainc(a, x)) - gammaincinv(a - h, gammainc(a, x))) / (2 * h)
    for draw in (lambda a: random.gamma(KEY, a), lambda a: np.exp(random.loggamma(KEY, a))):
        assert ft.grad(draw)(a) == pytest.approx(want, rel=1e-5)
        assert ft.jit(ft.jacfwd(draw))(a) == pytest.approx(want, rel=1e-5)


def test_derivatives_of_reparametrised_samples() -> None:
    def loss(p: Any) -> Any:
        cov = np.eye(2) + p[0] * np.ones((2, 2))
        drawn = random.multivariate_normal(KEY, p, cov, 3)
        return np.sum(drawn**2) + np.sum(p * random.normal(KEY, 2) + random.weibull_min(KEY, p, p + 1))

    ft.test_util.check_grads(loss, (np.array([0.7, 0.3]),), order=1)


# ---- transforms ----


def test_samplers_under_vmap_are_loops() -> None:
    keys = random.split(KEY, 3)
    for name in (
        "gamma",
        "poisson",
        "binomial",
        "permutation, rows",
        "categorical",
        "multivariate_normal",
        "choice, p",
    ):
        want = np.stack([SAMPLES[name](random, key) for key in keys])
        same(ft.vmap(lambda key, name=name: SAMPLES[name](random, key))(keys), want, 8)


def test_vmap_over_keys_is_a_loop() -> None:
    keys = random.split(KEY, 4)
    for f in (lambda key: random.normal(key, (3,)), random.split, lambda key: random.fold_in(key, 3)):
        want = np.stack([f(key) for key in keys])
        same(ft.vmap(f)(keys), want)
        same(ft.jit(ft.vmap(f))(keys), want)
    seeds = np.arange(3)
    same(ft.vmap(random.key)(seeds), np.stack([random.key(seed) for seed in seeds]))


# ---- checked keys ----


def test_a_key_used_twice_is_an_error() -> None:
    random.normal(KEY)
    random.normal(KEY)
    with random.check_keys():
        random.normal(KEY)
        with pytest.raises(KeyReuseError, match="`split` got a key that `normal` has used already") as info:
            random.split(KEY)
        assert str(info.value).count("test_random.py") == 2
        with pytest.raises(KeyReuseError):
            random.uniform(KEY.copy())
        random.uniform(random.clone(KEY))
        first, second = random.split(random.fold_in(KEY, 1))
        random.normal(first)
        random.normal(second)


def test_keys_are_checked_within_transforms_and_loops() -> None:
    def step(i: Any, total: Any) -> Any:
        return total + random.normal(KEY)

    def folded(i: Any, total: Any) -> Any:
        return total + random.normal(random.fold_in(KEY, i))

    same_keys = np.stack([KEY, KEY])
    with random.check_keys():
        assert np.isfinite(ft.lax.fori_loop(0, 3, folded, 0.0))
        for wrong in (
            lambda: ft.jit(lambda key: random.normal(key) + random.uniform(key))(random.key(1)),
            lambda: ft.lax.fori_loop(0, 3, step, 0.0),
            lambda: ft.vmap(random.normal)(same_keys),
            lambda: ft.make_jaxpr(lambda key: random.normal(key) + random.normal(key))(random.key(2)),
            lambda: ft.grad(lambda x: x * random.normal(random.key(3)) + random.normal(random.key(3)))(1.0),
        ):
            with pytest.raises(KeyReuseError):
                wrong()


# ---- mistakes ----


@pytest.mark.parametrize(
    "call",
    [
        lambda: random.normal(np.zeros(2)),
        lambda: random.normal(random.split(KEY)),
        lambda: random.normal(KEY, -1),
        lambda: random.normal(KEY, (1.5,)),  # type: ignore[arg-type]  # that is the mistake
        lambda: random.normal(KEY, (), int),
        lambda: random.uniform(KEY, (2,), float, np.zeros(3)),
        lambda: random.uniform(KEY, (2,), float, 1j),
        lambda: random.bits(KEY, (), int),
        lambda: random.bernoulli(KEY, 1),
        lambda: random.key(1.0),
        lambda: random.key(2**63),
        lambda: random.key(np.array([1])),
        lambda: random.key(1, impl="rbg"),
        lambda: random.fold_in(KEY, 0.5),
        lambda: random.wrap_key_data(np.zeros(3, np.uint32)),
        lambda: random.gamma(KEY, np.ones(3), (2,)),
        lambda: random.gumbel(KEY, mode="lowest"),  # type: ignore[arg-type]  # that is the mistake
        lambda: random.choice(KEY, 3, (4,), replace=False),
        lambda: random.choice(KEY, 3, (4,), p=np.ones(2)),
        lambda: random.choice(KEY, 0),
        lambda: random.permutation(KEY, 2.5),
        lambda: random.permutation(KEY, np.ones(3), 1),
        lambda: random.randint(KEY, (), 0.0, 1.0),
        lambda: random.categorical(KEY, np.arange(3)),
        lambda: random.categorical(KEY, np.zeros(2), shape=(3,), replace=False),
        lambda: random.poisson(KEY, 1j),
        lambda: random.dirichlet(KEY, 1.0),
        lambda: random.multivariate_normal(KEY, np.zeros(2), np.eye(3)),
        lambda: ft.jit(lambda n: random.permutation(KEY, n))(3),
    ],
)
def test_what_does_not_fit_is_refused(call: Any) -> None:
    with pytest.raises(ParameterError):
        call()
