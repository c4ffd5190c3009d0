"""What functrans.nn does at random in training, against torch: the values there are, how often, and their derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from functrans import jit, jvp, nn, random, vjp, vmap
from functrans.errors import ParameterError

Fun = Callable[..., Any]
RNG = np.random.default_rng(5)
KEYS = random.split(random.key(3), 12)
SHAPES = {
    "dropout": (3, 4),
    "dropout1d": (2, 4, 3),
    "dropout2d": (1, 4, 2, 3),
    "dropout3d": (1, 4, 2, 1, 2),
    "alpha_dropout": (3, 4),
    "feature_alpha_dropout": (2, 4, 3),
}


@pytest.mark.parametrize("name", SHAPES)
def test_elements_are_dropped_as_in_torch(name: str) -> None:
    """Of twelve draws each element has been both kept and dropped: the two values are torch's."""
    torch: Any = pytest.importorskip("torch")
    x = RNG.normal(size=SHAPES[name])
    ours: Fun = getattr(nn, name)
    torch.manual_seed(2)
    theirs = np.stack([getattr(torch.nn.functional, name)(torch.tensor(x), 0.4, True).numpy() for _ in KEYS])
    drawn: Any = jit(vmap(lambda key: ours(x, key, 0.4, True)))(KEYS)
    np.testing.assert_allclose(drawn.min(0), theirs.min(0), rtol=1e-12)
    np.testing.assert_allclose(drawn.max(0), theirs.max(0), rtol=1e-12)
    for one, key in zip(drawn, KEYS, strict=True):
        np.testing.assert_array_equal(one, ours(x, key, 0.4, True))


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_dropped_has_no_derivative(name: str) -> None:
    shape = SHAPES[name]
    x, t, g = RNG.normal(size=(3, *shape))
    fun: Fun = lambda x: getattr(nn, name)(x, KEYS[0], 0.4, True)
    difference = fun(x + t) - fun(x)  # it is linear but for a constant
    np.testing.assert_allclose(jvp(fun, (x,), (t,))[1], difference, rtol=1e-10, atol=1e-12)
    (ct,) = jit(lambda x: vjp(fun, x)[1](g))(x)
    np.testing.assert_allclose(np.vdot(ct, t), np.vdot(g, difference), rtol=1e-10)


@pytest.mark.parametrize("name", SHAPES)
def test_how_many_are_dropped_and_when(name: str) -> None:
    """Features are dropped as wholes, in the share that is asked for; none without training."""
    fun: Fun = getattr(nn, name)
    shape = (100, 100, *(2 for _ in SHAPES[name][2:]))
    ones = np.ones(shape, np.float32)
    out = fun(ones, KEYS[0], 0.3, True)
    assert out.dtype == np.float32
    by_feature = out.reshape(10_000, -1)
    assert np.all(by_feature == by_feature[:, :1])
    share = np.mean(by_feature[:, 0] == by_feature.min())
    assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 10_000)
    np.testing.assert_array_equal(fun(ones, None, 0.3, False), ones)
    np.testing.assert_array_equal(fun(ones, KEYS[0], 0.0, True), ones)
    np.testing.assert_array_equal(fun(ones, KEYS[0], 1.0, True), np.zeros(shape))


def test_mean_and_variance_stay() -> None:
    x = RNG.normal(size=100_000)
    out = nn.alpha_dropout(x, KEYS[0], 0.2, True)
    assert abs(out.mean()) < 0.02
    assert abs(out.var() - 1) < 0.03


def test_random_slopes() -> None:
    torch: Any = pytest.importorskip("torch")
    x = RNG.normal(size=(50, 40))
    fun: Fun = lambda x: nn.rrelu(x, KEYS[0], 0.2, 0.5, True)
    out, pull = vjp(fun, x)
    g = RNG.normal(size=x.shape)
    (slopes,) = pull(np.ones_like(x))
    np.testing.assert_array_equal(slopes[x > 0], 1)
    below = slopes[x <= 0]
    assert 0.2 <= below.min() < 0.21 < 0.49 < below.max() <= 0.5
    np.testing.assert_allclose(out, x * slopes, rtol=1e-12)
    backward = torch.ops.aten.rrelu_with_noise_backward
    wanted = backward(*map(torch.tensor, (g, x, slopes)), 0.2, 0.5, True, False)
    np.testing.assert_allclose(jit(lambda x: vjp(fun, x)[1](g)[0])(x), wanted.numpy(), rtol=1e-12)
    wanted = torch.nn.functional.rrelu(torch.tensor(x), 0.2, 0.5).numpy()
    np.testing.assert_allclose(nn.rrelu(x, None, 0.2, 0.5), wanted, rtol=1e-12)


@pytest.mark.parametrize("hard", [False, True])
def test_nearly_a_choice(hard: bool) -> None:
    """With the noise given, torch's formula; hard: its choice, with the derivative of what is not hard."""
    torch: Any = pytest.importorskip("torch")
    logits = RNG.normal(size=(4, 3, 2))
    noise = random.gumbel(KEYS[0], logits.shape)
    leaf = torch.tensor(logits, requires_grad=True)
    soft = torch.softmax((leaf + torch.tensor(noise)) / 0.7, 1)
    g = RNG.normal(size=logits.shape)
    soft.backward(torch.tensor(g))
    out, pull = vjp(jit(lambda logits: nn.gumbel_softmax(logits, KEYS[0], 0.7, hard, axis=1)), logits)
    wanted = torch.zeros_like(soft).scatter(1, soft.argmax(1, keepdim=True), 1.0) if hard else soft.detach()
    np.testing.assert_allclose(out, wanted.numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(pull(g)[0], leaf.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_choices_have_the_probabilities_of_softmax() -> None:
    logits = np.log(np.array([0.2, 0.5, 0.3]))
    chosen = nn.gumbel_softmax(np.broadcast_to(logits, (10_000, 3)), KEYS[0], hard=True).mean(0)
    np.testing.assert_allclose(chosen, np.exp(logits), atol=4 * 0.005)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.dropout(np.ones(3), KEYS[0], 1.5), "p=1.5"),
        (lambda: nn.dropout(np.ones(3), None), "no key"),
        (lambda: nn.dropout2d(np.ones(3), KEYS[0]), "2 spatial axes"),
        (lambda: nn.feature_alpha_dropout(np.ones(3), KEYS[0]), "batch, features"),
        (lambda: nn.rrelu(np.ones(3), None, training=True), "no key"),
        (lambda: nn.rrelu(np.ones(3), None, 0.5, 0.1), "upper=0.1"),
        (lambda: nn.gumbel_softmax(np.ones(3), KEYS[0], 0.0), "tau=0.0"),
    ],
)
def test_wrong_arguments_are_told(call: Fun, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()
