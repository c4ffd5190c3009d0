"""functrans.nn against torch.nn.functional in float64: values, VJPs, JVPs, under vmap and jit; and what each refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans import nn
from functrans.errors import ParameterError

Fun = Callable[..., Any]
LOOSE: Any = nn  # for arguments that type checkers refuse
RNG = np.random.default_rng(7)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def ints(high: int, *shape: int) -> Any:
    return RNG.integers(0, high, size=shape)


PIECES = np.array([[-7.0, -3.0, -1.0, -0.5, -0.2, 0.0], [0.3, 0.5, 1.0, 3.0, 6.0, 25.0]])
"""Values on both sides of every kink, and on the kinks themselves: there the derivative is torch's, too."""
SIGNS = np.where(normal(4, 3) > 0, 1.0, -1.0)
PROBABILITIES = nn.softmax(normal(4, 5))
Row = tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any]]
"""The name, arrays (torch's in the same order), our other arguments, torch's other arguments."""


def row(
    name: str, *args: Any, ours: dict[str, Any] | None = None, theirs: dict[str, Any] | None = None, **both: Any
) -> Row:
    return name, args, {**both, **(ours or {})}, {**both, **(theirs or {})}


def axis(value: Any) -> dict[str, Any]:
    return {"ours": {"axis": value}, "theirs": {"dim": value}}


ROWS: dict[str, Row] = {
    **{name: row(name, PIECES) for name in (
        "relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "hardshrink", "softshrink", "leaky_relu", "elu", "celu", "selu",
        "silu", "mish", "gelu", "sigmoid", "tanh", "tanhshrink", "softsign", "softplus", "logsigmoid",
    )},
    "threshold": row("threshold", PIECES, threshold=0.3, value=-2.0),
    "hardtanh, bounds": row("hardtanh", PIECES, min_val=-0.5, max_val=3.0),
    "elu, alpha": row("elu", PIECES, alpha=0.7),
    "celu, alpha": row("celu", PIECES, alpha=0.7),
    "softplus, beta": row("softplus", PIECES, beta=2.0, threshold=5.0),
    "hardshrink, lambd": row("hardshrink", PIECES, lambd=3.0),
    "softshrink, lambd": row("softshrink", PIECES, lambd=0.2),
    "gelu, tanh": row("gelu", PIECES, approximate="tanh"),
    "prelu": row("prelu", PIECES, np.array([0.3])),
    "prelu, channels": row("prelu", normal(2, 3, 4), normal(3)),
    "glu": row("glu", normal(3, 4)),
    "glu, axis": row("glu", normal(4, 3), **axis(0)),
    "softmax": row("softmax", PIECES, **axis(-1)),
    "softmin": row("softmin", PIECES, **axis(0)),
    "log_softmax": row("log_softmax", normal(2, 3, 4), **axis(1)),
    "mse_loss": row("mse_loss", normal(4, 3), normal(4, 3)),
    "mse_loss, weight": row("mse_loss", normal(4, 3), normal(4, 3), reduction="sum"),
    "l1_loss": row("l1_loss", normal(4, 3), normal(4, 3)),
    "smooth_l1_loss": row("smooth_l1_loss", normal(4, 3), normal(4, 3), beta=0.5),
    "huber_loss": row("huber_loss", normal(4, 3), normal(4, 3), delta=0.5, reduction="none"),
    "gaussian_nll_loss": row("gaussian_nll_loss", normal(4, 3), normal(4, 3), np.abs(normal(4, 3)), full=True, eps=0.1),
    "poisson_nll_loss": row("poisson_nll_loss", normal(4, 3), np.abs(normal(4, 3))),
    "poisson_nll_loss, rates": row("poisson_nll_loss", np.abs(normal(4, 3)), 1.0 * ints(4, 4, 3), log_input=False, full=True),
    "cross_entropy": row("cross_entropy", normal(4, 5), ints(5, 4)),
    "cross_entropy, all": row(
        "cross_entropy", normal(4, 5), np.array([1, 3, 0, 1]), np.abs(normal(5)), ignore_index=3, label_smoothing=0.1
    ),
    "cross_entropy, sum": row("cross_entropy", normal(4, 5), ints(5, 4), reduction="sum", label_smoothing=0.2),
    "cross_entropy, images": row("cross_entropy", normal(2, 5, 3, 2), ints(5, 2, 3, 2), reduction="none"),
    "cross_entropy, one": row("cross_entropy", normal(5), np.array(2)),
    "cross_entropy, probabilities": row("cross_entropy", normal(4, 5), PROBABILITIES, np.abs(normal(5)), label_smoothing=0.1),
    "nll_loss": row("nll_loss", normal(4, 5), ints(5, 4), np.abs(normal(5))),
    "nll_loss, images": row("nll_loss", normal(2, 5, 3), np.array([[0, -100, 2], [4, 1, 0]])),
    "kl_div": row("kl_div", np.log(PROBABILITIES), PROBABILITIES[::-1].copy(), reduction="batchmean"),
    "kl_div, logs": row("kl_div", np.log(PROBABILITIES), np.log(PROBABILITIES[::-1]), log_target=True, reduction="sum"),
    "binary_cross_entropy": row("binary_cross_entropy", PROBABILITIES, 1.0 * ints(2, 4, 5), np.abs(normal(4, 5))),
    "binary_cross_entropy_with_logits": row("binary_cross_entropy_with_logits", PIECES, 1.0 * ints(2, 2, 6)),
    "binary_cross_entropy_with_logits, all": row(
        "binary_cross_entropy_with_logits", normal(4, 3), np.abs(normal(4, 3)) % 1,
        weight=np.abs(normal(3)), pos_weight=np.abs(normal(3)), reduction="sum",
    ),
    "soft_margin_loss": row("soft_margin_loss", normal(4, 3), SIGNS),
    "hinge_embedding_loss": row("hinge_embedding_loss", normal(4, 3), SIGNS, margin=0.5),
    "margin_ranking_loss": row("margin_ranking_loss", normal(4, 3), normal(4, 3), SIGNS, margin=0.5),
    "multi_margin_loss": row("multi_margin_loss", normal(4, 5), ints(5, 4)),
    "multi_margin_loss, all": row("multi_margin_loss", normal(4, 5), ints(5, 4), p=2, margin=0.7, weight=np.abs(normal(5))),
    "multilabel_margin_loss": row("multilabel_margin_loss", normal(2, 4), np.array([[3, 0, -1, 1], [1, 2, 0, 3]])),
    "multilabel_soft_margin_loss": row("multilabel_soft_margin_loss", normal(4, 3), 1.0 * ints(2, 4, 3), np.abs(normal(3))),
    "cosine_embedding_loss": row("cosine_embedding_loss", normal(4, 3), normal(4, 3), SIGNS[:, 0].copy(), margin=0.1),
    "triplet_margin_loss": row("triplet_margin_loss", normal(4, 3), normal(4, 3), normal(4, 3)),
    "triplet_margin_loss, all": row(
        "triplet_margin_loss", normal(4, 3), normal(4, 3), normal(4, 3), margin=2.0, p=3.0, swap=True, reduction="none"
    ),
    "pairwise_distance": row("pairwise_distance", normal(4, 3), normal(4, 3), p=3.0),
    "cosine_similarity": row("cosine_similarity", normal(4, 3), normal(4, 3), **axis(0)),
    "pdist": row("pdist", normal(4, 3)),
    "normalize": row("normalize", normal(4, 3), p=1.0, **axis(1)),
    "linear": row("linear", normal(2, 4, 3), normal(5, 3), normal(5)),
    "bilinear": row("bilinear", normal(4, 3), normal(4, 2), normal(5, 3, 2), normal(5)),
    "embedding": row("embedding", ints(6, 2, 3), normal(6, 4)),
    "embedding, padding": row("embedding", ints(3, 2, 3), normal(3, 4), padding_idx=-1),
    "embedding_bag": row("embedding_bag", ints(6, 2, 3), normal(6, 4)),
    "embedding_bag, offsets": row("embedding_bag", ints(6, 7), normal(6, 4), np.array([0, 2, 2, 5]), mode="sum", padding_idx=1),
    "embedding_bag, max": row("embedding_bag", np.array([0, 3, 5, 1, 2, 4, 0]), normal(6, 4), np.array([0, 2, 2, 5]), mode="max"),
    "embedding_bag, weights": row(
        "embedding_bag", ints(6, 7), normal(6, 4), np.array([0, 3, 7]), mode="sum", include_last_offset=True,
        per_sample_weights=normal(7),
    ),
    "layer_norm": row("layer_norm", normal(2, 4, 3), [4, 3], normal(4, 3), normal(4, 3)),
    "rms_norm": row("rms_norm", normal(2, 4, 3), [3], normal(3)),
    "instance_norm": row("instance_norm", normal(2, 3, 4, 2), weight=normal(3), bias=normal(3)),
    "group_norm": row("group_norm", normal(2, 6, 4), 3, normal(6), normal(6)),
    "local_response_norm": row("local_response_norm", normal(2, 6, 3, 2), 4, alpha=0.3, beta=0.6, k=1.5),
    "scaled_dot_product_attention": row("scaled_dot_product_attention", normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 6)),
    "attention, causal": row(
        "scaled_dot_product_attention", normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 6), is_causal=True, scale=0.7
    ),
    "attention, mask": row("scaled_dot_product_attention", normal(4, 3), normal(5, 3), normal(5, 6), normal(4, 5)),
    "attention, bools": row("scaled_dot_product_attention", normal(4, 3), normal(5, 3), normal(5, 6), ints(2, 4, 5) == 1),
    "attention, groups": row(
        "scaled_dot_product_attention", normal(2, 4, 5, 3), normal(2, 2, 5, 3), normal(2, 2, 5, 6), enable_gqa=True
    ),
}  # fmt: skip


CONSTANT = {
    "cross_entropy": (1,),
    "nll_loss": (1,),
    "binary_cross_entropy": (2,),
    "poisson_nll_loss": (1,),
    "soft_margin_loss": (1,),
    "multi_margin_loss": (1,),
}
"""Which of the floating arguments torch has no derivative for, or NaN."""

ROUGH = {"hardsigmoid", "celu"}
"""Derivatives in which torch has constants of float32."""


def is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def theirs_of(torch: Any, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Fun:
    functions = torch if name in ("sigmoid", "tanh") else torch.nn.functional
    tensors = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}

    def call(*floats: Any) -> Any:
        rest = iter(floats)
        given = [next(rest) if is_float(a) else torch.tensor(a) if isinstance(a, np.ndarray) else a for a in args]
        return getattr(functions, name)(*given, **tensors)

    return call


@pytest.mark.parametrize("name", ROWS)
def test_values_and_derivatives_are_those_of_torch(name: str) -> None:
    torch: Any = pytest.importorskip("torch")
    function, args, ours, theirs = ROWS[name]
    floats = [a for a in args if is_float(a)]

    def call(*floats: Any) -> Any:
        rest = iter(floats)
        return getattr(nn, function)(*(next(rest) if is_float(a) else a for a in args), **ours)

    constant = CONSTANT.get(function, ()) if "probabilities" not in name else (2,)
    leaves = [torch.tensor(a, requires_grad=i not in constant) for i, a in enumerate(floats)]
    wanted = theirs_of(torch, function, args, theirs)(*leaves)
    out, pull = ft.vjp(call, *floats)
    np.testing.assert_allclose(out, wanted.detach().numpy(), rtol=1e-10, atol=1e-12)
    compiled: Fun = ft.jit(call)
    np.testing.assert_allclose(compiled(*floats), out, rtol=1e-10, atol=1e-12)

    rng = np.random.default_rng(1)
    ct = rng.normal(size=np.shape(out))
    wanted.backward(torch.tensor(ct))
    has_gradient = [leaf.grad is not None for leaf in leaves]  # torch has none for some targets and weights
    cts = pull(ct if np.shape(ct) else np.float64(ct))
    for found, leaf, has in zip(cts, leaves, has_gradient, strict=True):
        if has:
            np.testing.assert_allclose(found, leaf.grad.numpy(), rtol=1e-7 if function in ROUGH else 1e-9, atol=1e-11)

    tangents = [rng.normal(size=np.shape(a)) for a in floats]
    _, pushed = ft.jvp(call, tuple(floats), tuple(tangents))
    paired = sum(np.sum(c * t) for c, t in zip(cts, tangents, strict=True))
    np.testing.assert_allclose(np.sum(pushed * ct), paired, rtol=1e-9, atol=1e-10)

    several = [np.stack([a, 0.9 * a]) for a in floats]
    mapped = ft.jit(ft.vmap(call))(*several)
    np.testing.assert_allclose(mapped[1], call(*(a[1] for a in several)), rtol=1e-10, atol=1e-12)

    def pulled(floats: Any) -> Any:
        return ft.vjp(call, *floats)[1](ct if np.shape(ct) else np.float64(ct))

    smooth = ft.jit(ft.vmap(pulled))(several)
    for found, single in zip(smooth, cts, strict=True):
        np.testing.assert_allclose(found[0], single, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [name for name, one in ROWS.items() if one[0] != "embedding"])
def test_float32_stays(name: str) -> None:
    function, args, ours, _ = ROWS[name]
    narrow = [a.astype(np.float32) if is_float(a) else a for a in args]
    options = {key: value.astype(np.float32) if is_float(value) else value for key, value in ours.items()}
    assert getattr(nn, function)(*narrow, **options).dtype == np.float32


def test_connectionist_temporal_classification_is_that_of_torch() -> None:
    """By logits: torch's derivative by log_probs is that by logits, wherever they come from."""
    torch: Any = pytest.importorskip("torch")
    logits = normal(7, 4, 5)
    targets = np.array([[1, 2, 2], [3, 4, 1], [4, 4, 2], [1, 1, 1]])
    lengths, sizes = np.array([7, 6, 7, 3]), np.array([3, 2, 1, 3])  # the last one does not fit: 1 1 1 needs five steps
    for reduction in ("none", "sum", "mean"):
        leaf = torch.tensor(logits, requires_grad=True)
        given = [torch.tensor(a) for a in (targets, lengths, sizes)]
        wanted = torch.nn.functional.ctc_loss(
            torch.log_softmax(leaf, 2), *given, reduction=reduction, zero_infinity=True
        )

        def loss(logits: Any, reduction: Any = reduction) -> Any:
            return nn.ctc_loss(nn.log_softmax(logits), targets, lengths, sizes, reduction=reduction, zero_infinity=True)

        np.testing.assert_allclose(loss(logits), wanted.detach().numpy(), rtol=1e-10)
        wanted.sum().backward()
        gradient = ft.jit(ft.grad(lambda logits: np.sum(loss(logits))))(logits)
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-8, atol=1e-11)
    narrow = nn.log_softmax(logits.astype(np.float32))
    assert nn.ctc_loss(narrow, targets, lengths, sizes, zero_infinity=True).dtype == np.float32
    assert nn.ctc_loss(narrow, targets, lengths, sizes) == np.inf


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_that_of_torch(training: bool) -> None:
    torch: Any = pytest.importorskip("torch")
    x, weight, bias, mean, var = normal(4, 3, 5), normal(3), normal(3), normal(3), np.abs(normal(3))
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    running = [torch.tensor(a) for a in (mean, var)]
    wanted = torch.nn.functional.batch_norm(leaves[0], *running, *leaves[1:], training, 0.3)
    found = nn.batch_norm(x, mean, var, weight, bias, training, 0.3)
    for a, b in zip(ft.tree.leaves(found), (wanted.detach(), *running), strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-12)
    ct = normal(4, 3, 5)
    wanted.backward(torch.tensor(ct))

    def total(params: Any) -> Any:
        return np.sum(ct * nn.batch_norm(params[0], mean, var, params[1], params[2], training).out)

    for a, leaf in zip(ft.jit(ft.grad(total))([x, weight, bias]), leaves, strict=True):
        np.testing.assert_allclose(a, leaf.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_networks_are_those_of_torch(kind: str, gates: int) -> None:
    torch: Any = pytest.importorskip("torch")
    network = getattr(torch.nn, kind)(3, 2).double()
    weights = [p.detach().numpy() for p in network.parameters()]
    assert weights[0].shape == (gates * 2, 3)
    xs, h, c = normal(5, 4, 3), normal(4, 2), normal(4, 2)
    start: Any = (h, c) if kind == "LSTM" else h
    begun = tuple(torch.tensor(s[None]) for s in (h, c)) if kind == "LSTM" else torch.tensor(h[None])
    given = torch.tensor(xs, requires_grad=True)
    wanted, last = network(given, begun)
    run: Fun = getattr(nn, kind.lower())
    outs, state = ft.jit(run)(xs, start, *weights)
    np.testing.assert_allclose(outs, wanted.detach().numpy(), rtol=1e-10, atol=1e-12)
    for a, b in zip(ft.tree.leaves(state), last if kind == "LSTM" else [last], strict=True):
        np.testing.assert_allclose(a, b[0].detach().numpy(), rtol=1e-10, atol=1e-12)
    wanted.sum().backward()
    by_x, by_w = ft.jit(ft.grad(lambda xs, w: np.sum(run(xs, start, *w)[0]), (0, 1)))(xs, weights)
    np.testing.assert_allclose(by_x, given.grad.numpy(), rtol=1e-9, atol=1e-12)
    for a, p in zip(by_w, network.parameters(), strict=True):
        np.testing.assert_allclose(a, p.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_sparse_rows_are_rows() -> None:
    dense = np.where(normal(4, 6) > 0.3, normal(4, 6), 0)
    weight, bias = normal(5, 6), normal(5)
    rows, columns = np.nonzero(dense)
    values = dense[rows, columns]
    wanted = dense @ weight.T + bias
    np.testing.assert_allclose(nn.sparse_linear(rows, columns, values, 4, weight, bias), wanted, rtol=1e-12)
    offsets = np.searchsorted(rows, np.arange(4))
    np.testing.assert_allclose(nn.index_linear(columns, values, offsets, weight.T, bias), wanted, rtol=1e-12)


def test_what_torch_has_no_name_for() -> None:
    x = normal(3, 4)
    np.testing.assert_allclose(nn.logsumexp(x, (0, 1)), np.log(np.sum(np.exp(x))), rtol=1e-12)
    assert nn.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf
    np.testing.assert_array_equal(ft.grad(nn.logsumexp)(np.array([-np.inf, 0.0])), [0.0, 1.0])
    np.testing.assert_allclose(nn.margin_loss(x, SIGNS.T), np.maximum(0, 1 - x * SIGNS.T).mean(), rtol=1e-12)
    np.testing.assert_array_equal(nn.one_hot(np.array([2, -1]), 3, np.float32), [[0, 0, 1], [0, 0, 0]])
    long = nn.embedding(np.array([0, 1]), np.array([[3.0, 4.0], [0.3, 0.4]]), max_norm=1.0)
    np.testing.assert_allclose(long, [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    unseen = nn.scaled_dot_product_attention(x, x, x, np.zeros((3, 3), bool))
    np.testing.assert_array_equal(unseen, np.zeros((3, 4)))


def test_derivatives_stay_finite_at_the_edges() -> None:
    far = np.array([-1e4, -800.0, 0.0, 800.0, 1e4])
    for name in (
        "sigmoid",
        "logsigmoid",
        "softplus",
        "silu",
        "mish",
        "gelu",
        "elu",
        "celu",
        "selu",
        "hardswish",
        "relu",
        "softmax",
    ):
        f: Fun = getattr(nn, name)
        with np.errstate(all="ignore"):
            first = ft.grad(lambda x, f=f: np.sum(f(x)))(far)
            second = ft.grad(lambda x, f=f: np.sum(ft.grad(lambda x: np.sum(f(x)))(x)))(far)
        assert np.all(np.isfinite(first)), name
        assert np.all(np.isfinite(second)), name
    np.testing.assert_array_equal(
        ft.grad(lambda x: np.sum(nn.pairwise_distance(x, x, eps=0.0)))(np.ones(3)), np.zeros(3)
    )
    np.testing.assert_array_equal(ft.grad(lambda x: np.sum(nn.pdist(x, 3.0)))(np.zeros((3, 2))), np.zeros((3, 2)))


def test_infinities_and_nothing_at_all() -> None:
    far = np.array([-np.inf, np.inf])
    np.testing.assert_array_equal(nn.softplus(far), [0, np.inf])
    np.testing.assert_array_equal(nn.logsigmoid(far), [-np.inf, 0])
    np.testing.assert_array_equal(ft.grad(lambda x: np.sum(nn.softplus(x)))(far), [0, 1])
    assert nn.binary_cross_entropy_with_logits(np.array([np.inf]), np.zeros(1)) == np.inf
    assert nn.group_norm(np.zeros((0, 4, 5)), 2).shape == (0, 4, 5)
    for f in (LOOSE.softmax, LOOSE.softmin, LOOSE.log_softmax):
        assert f(np.zeros((2, 0))).shape == (2, 0)
        assert f(np.zeros((0, 2)), (0, 1)).shape == (0, 2)
        assert f(np.float64(3.0)) == (0 if f is LOOSE.log_softmax else 1)
        assert ft.jit(ft.grad(f))(np.float64(3.0)) == 0
    np.testing.assert_array_equal(nn.logsumexp(np.zeros((2, 0)), 1), [-np.inf, -np.inf])
    assert LOOSE.logsumexp(np.float64(3.0), 0) == 3.0


def test_an_empty_batch_teaches_nothing() -> None:
    mean, var = np.ones(3), np.full(3, 2.0)
    for run in (nn.batch_norm, ft.jit(nn.batch_norm, static_argnames="training")):
        found = run(np.zeros((0, 3, 4)), mean, var, np.ones(3), training=True)
        assert found.out.shape == (0, 3, 4)
        np.testing.assert_array_equal(found.running_mean, mean)
        np.testing.assert_array_equal(found.running_var, var)


def test_where_a_logarithm_is_clamped_the_derivative_is_that_of_torch() -> None:
    torch: Any = pytest.importorskip("torch")
    x = np.array([0.0, 1.0, 0.0, 1.0, 1e-300, 1 - 1e-16, 0.25])
    target = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.5])
    leaf = torch.tensor(x, requires_grad=True)
    torch.nn.functional.binary_cross_entropy(leaf, torch.tensor(target), reduction="sum").backward()
    gradient = ft.jit(ft.grad(lambda x: nn.binary_cross_entropy(x, target, reduction="sum")))(x)
    np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-8)  # torch's 1e-12 is one of float32
    with np.errstate(invalid="ignore"):
        assert np.isnan(nn.binary_cross_entropy(np.array([1.5]), np.array([0.5])))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 5, 5))), "as large as a window"),
        (lambda: LOOSE.mse_loss(np.ones(2), np.ones(2), "average"), "reduction='average'"),
        (lambda: nn.glu(np.ones(3)), "an even size along axis -1"),
        (lambda: LOOSE.gelu(np.ones(3), "erf"), "approximate='erf'"),
        (lambda: nn.prelu(np.ones((2, 3)), np.ones(2)), "one for each channel"),
        (lambda: nn.layer_norm(np.ones((2, 3)), 2), "sizes of x's last axes"),
        (lambda: nn.group_norm(np.ones((2, 3)), 2), "groups of equal size"),
        (lambda: nn.batch_norm(np.ones((2, 3))), "no running statistics"),
        (lambda: nn.embedding_bag(np.ones(3, int), np.ones((2, 2))), "no offsets"),
        (lambda: LOOSE.embedding_bag(np.ones((3, 1), int), np.ones((2, 2)), mode="most"), "mode='most'"),
        (lambda: LOOSE.cross_entropy(np.float64(1.0), np.int64(0)), "a scalar"),
        (lambda: nn.cross_entropy(np.ones((2, 3)), np.zeros(1, int)), r"a target of shape \(1,\)(.|\n)*shape \(2,\)"),
        (lambda: nn.cross_entropy(np.ones((2, 3)), np.ones(3)), r"a target of shape \(3,\)(.|\n)*shape \(2, 3\)"),
        (lambda: nn.nll_loss(np.ones((2, 3)), np.zeros(2, int), np.ones(4)), r"a weight of shape \(4,\)"),
        (lambda: nn.binary_cross_entropy(np.ones((2, 3)), np.ones(3)), r"shape \(2, 3\)"),
        (lambda: nn.multi_margin_loss(np.ones((2, 3)), np.zeros(1, int)), r"shape \(2,\)"),
        (lambda: nn.multilabel_margin_loss(np.ones((2, 3)), np.zeros((2, 1), int)), r"shape \(2, 3\)"),
        (
            lambda: nn.embedding_bag(
                np.zeros((2, 3), int), np.ones((4, 5)), mode="sum", per_sample_weights=np.ones((3, 2))
            ),
            r"per_sample_weights of shape \(3, 2\)",
        ),
        (lambda: nn.layer_norm(np.ones((2, 3)), 3, np.ones(2)), r"a weight of shape \(2,\)"),
        (lambda: nn.group_norm(np.ones((2, 4)), 2, None, np.ones(2)), r"a bias of shape \(2,\)(.|\n)*shape \(4,\)"),
        (lambda: nn.batch_norm(np.ones((2, 3)), np.ones(1), np.ones(3)), r"a running mean of shape \(1,\)"),
        (lambda: nn.conv1d(np.ones((1, 2, 3)), np.ones((4, 2, 1)), np.ones((2, 2))), r"a bias of shape \(2, 2\)"),
        (lambda: nn.pdist(np.ones(3)), "rank 2"),
        (lambda: nn.glu(np.ones((2, 4)), 2), "even size along axis 2"),
        (lambda: nn.smooth_l1_loss(np.ones(2), np.ones(2), beta=-1.0), r"beta=-1.0(.|\n)*at least 0"),
        (lambda: nn.huber_loss(np.ones(2), np.ones(2), delta=0.0), r"delta=0.0(.|\n)*greater than 0"),
        (lambda: nn.softshrink(np.ones(2), np.nan), "lambd=nan"),
        (lambda: nn.hardtanh(np.ones(2), 1.0, -1.0), r"max_val=-1.0(.|\n)*at least 1"),
        (lambda: nn.celu(np.ones(2), 0.0), "other than 0"),
        (lambda: nn.cross_entropy(np.ones((1, 2)), np.ones(1, int), label_smoothing=2.0), "at most 1"),
        (lambda: nn.multi_margin_loss(np.ones((1, 2)), np.ones(1, int), p=3), "p=3"),
        (lambda: nn.triplet_margin_loss(np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 2)), -1.0), "margin=-1.0"),
        (lambda: nn.pdist(np.ones((2, 2)), -1.0), "p=-1.0"),
        (lambda: nn.cosine_similarity(np.ones((2, 2)), np.ones((2, 2)), eps=-1.0), "eps=-1.0"),
        (lambda: nn.batch_norm(np.ones((1, 3)), np.ones(3), np.ones(3), training=True), "more than one element"),
        (lambda: nn.batch_norm(np.ones((2, 3)), training=True, eps=-1.0), "eps=-1.0"),
        (lambda: nn.instance_norm(np.ones((2, 3, 1))), "more than one element"),
        (lambda: nn.local_response_norm(np.ones((2, 3, 1)), 0), "size=0"),
        (lambda: LOOSE.local_response_norm(np.ones((2, 3, 1)), 1.5), "size=1.5"),
        (lambda: nn.avg_pool2d(np.ones((1, 2, 2)), 2, divisor_override=0), "divisor_override=0"),
        (lambda: nn.lp_pool1d(np.ones((1, 2)), np.inf, 2), "norm_type=inf"),
        (lambda: nn.ctc_loss(np.ones((3, 1, 2)), np.ones((1, 1), int), np.array([3]), np.array([1]), 2), "blank=2"),
        (lambda: nn.embedding(np.ones(1, int), np.ones((2, 2)), padding_idx=2), "padding_idx=2 for 2 rows"),
        (lambda: nn.ctc_loss(np.ones((3, 1, 2)), np.ones(2, int), np.array([3]), np.array([2])), "targets of shape"),
    ],
)
def test_wrong_arguments_are_told(call: Fun, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


@pytest.mark.parametrize("number", [-1, 3])
def test_a_class_out_of_range_raises_in_jit_too(number: int) -> None:
    """A negative one as well: it is not counted from the end."""
    x, numbers = np.zeros((2, 3)), np.array([0, number])
    calls: dict[str, Fun] = {
        "cross_entropy": nn.cross_entropy,
        "smoothed": lambda x, numbers: nn.cross_entropy(x, numbers, label_smoothing=0.1),
        "nll_loss": lambda x, numbers: nn.nll_loss(x, numbers, np.ones(3)),
        "multi_margin_loss": nn.multi_margin_loss,
        "embedding": lambda x, numbers: nn.embedding(numbers, x.T),
        "embedding_bag": lambda x, numbers: nn.embedding_bag(numbers, x.T, np.array([0, 1])),
        "sparse_linear": lambda x, numbers: nn.sparse_linear(np.array([0, 1]), numbers, np.ones(2), 2, x),
        "gradient": ft.grad(lambda x, numbers: np.sum(nn.embedding(numbers, x.T))),
        "vmap": ft.vmap(nn.nll_loss),
        "scan": lambda x, numbers: ft.lax.scan(lambda c, n: (c + nn.embedding(n, x.T), None), x[:, 0], numbers)[0],
    }
    for call in calls.values():
        for run in (call, ft.jit(call)):
            with pytest.raises(IndexError, match=rf"index {number} is out of bounds for axis 0 with size 3"):
                run(x, numbers)


LOGS, TARGETS, LENGTHS = np.zeros((3, 2, 4)), np.array([[1, 2], [2, 1]]), np.array([2, 2])
BAGS = np.zeros(3, int), np.ones((4, 5))


@pytest.mark.parametrize(
    ("call", "good", "bad"),
    [
        (lambda n: nn.ctc_loss(LOGS, TARGETS, n, LENGTHS), [3, 2], [4, 2]),
        (lambda n: nn.ctc_loss(LOGS, TARGETS, LENGTHS, n), [1, 2], [1, 3]),
        (lambda n: nn.embedding_bag(BAGS[0], BAGS[1], n), [0, 3], [1, 2]),
        (lambda n: nn.embedding_bag(BAGS[0], BAGS[1], n), [0, 1], [0, 4]),
        (lambda n: nn.multilabel_margin_loss(np.ones(3), n), [2, -1, -1], [2, -2, -1]),
    ],
)
def test_lengths_and_offsets_out_of_range_raise(call: Fun, good: list[int], bad: list[int]) -> None:
    for run in (call, ft.jit(call)):
        assert np.all(np.isfinite(run(np.array(good))))
        with pytest.raises(IndexError, match="is out of bounds"):
            run(np.array(bad))


def test_a_class_that_is_ignored_may_be_any_number() -> None:
    for ignored in (-100, -1, 7):
        loss = ft.jit(lambda x, target, ignored=ignored: nn.cross_entropy(x, target, ignore_index=ignored))
        np.testing.assert_allclose(loss(np.zeros((2, 3)), np.array([1, ignored])), np.log(3))
