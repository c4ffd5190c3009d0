"""Programs as JAX users write them; `test_against_peers` runs this file with JAX in place of functrans.

Only the three import lines are exchanged.
"""

from typing import Any  # what the programs take and give are arrays of two libraries

import functrans as jax
import functrans.numpy as jnp
from functrans import lax


def logreg(w: Any, X: Any, y: Any) -> Any:
    """Logistic regression."""
    z = X @ w
    return jnp.mean(jnp.logaddexp(0.0, z) - y * z)


def mlp(params: Any, x: Any, y: Any) -> Any:
    """A multi-layer perceptron with softmax cross-entropy."""
    h = x
    for w, b in params[:-1]:
        h = jnp.maximum(h @ w + b, 0)
    w, b = params[-1]
    logits = h @ w + b
    logits = logits - jnp.max(logits, -1, keepdims=True)
    logp = logits - jnp.log(jnp.sum(jnp.exp(logits), axis=-1, keepdims=True))
    return -jnp.mean(jnp.sum(logp * y, -1))


def gp(theta: Any, X: Any, y: Any) -> Any:
    """The quadratic term of a Gaussian process, solved by Richardson iteration."""
    d = ((X[:, None, :] - X[None, :, :]) ** 2).sum(-1)
    K = jnp.exp(theta[0]) * jnp.exp(-0.5 * d / jnp.exp(theta[1]) ** 2) + (0.1 + jnp.exp(theta[2])) * jnp.eye(
        len(X), dtype=X.dtype
    )
    v = jnp.zeros_like(y)
    for _ in range(6):
        v = v + 0.1 * (y - K @ v)
    return 0.5 * y @ v


def kmeans(C: Any, X: Any) -> Any:
    """A step of k-means."""
    d = jnp.sum((X[:, None] - C[None]) ** 2, -1)
    a = jnp.argmin(d, 1)
    one = (a[:, None] == jnp.arange(len(C))).astype(X.dtype)
    new = one.T @ X / jnp.maximum(one.sum(0)[:, None], 1)
    return jnp.min(d, 1).mean() + jnp.sum(new * C)


def pca(A: Any) -> Any:
    """The first principal value by power iteration."""
    v = jnp.ones(A.shape[1], A.dtype) / 2
    for _ in range(4):
        v = A.T @ (A @ v)
        v = v / jnp.sqrt(jnp.sum(v**2))
    return v @ (A.T @ (A @ v))


def rosen(x: Any) -> Any:
    """Rosenbrock's function."""
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def newton(x: Any) -> Any:
    """A damped Newton step."""
    return x - 0.1 * jax.hessian(rosen)(x) @ jax.grad(rosen)(x)


def hvp(x: Any) -> Any:
    """A Hessian-vector product."""
    return jax.jvp(jax.grad(rosen), (x,), (jnp.ones_like(x),))[1].sum()


def kalman(q: Any, zs: Any) -> Any:
    """The log likelihood of a Kalman filter."""
    F = jnp.array([[1.0, 1.0], [0.0, 1.0]], q.dtype)
    H = jnp.array([[1.0, 0.0]], q.dtype)
    x = jnp.zeros(2, q.dtype)
    cov = jnp.eye(2, dtype=q.dtype)
    ll = 0.0
    for z in zs:
        x = F @ x
        cov = F @ cov @ F.T + q[0] * jnp.eye(2, dtype=q.dtype)
        S = (H @ cov @ H.T)[0, 0] + q[1]
        K = (cov @ H.T)[:, 0] / S
        r = z - (H @ x)[0]
        x = x + K * r
        cov = cov - jnp.outer(K, H[0]) @ cov
        ll = ll - 0.5 * (r**2 / S + jnp.log(2 * jnp.pi * S))
    return ll


def rnn(p: Any, xs: Any) -> Any:
    """A recurrent network, unrolled."""
    h = jnp.zeros(p["U"].shape[0], p["U"].dtype)
    for t in range(xs.shape[0]):
        h = jnp.tanh(p["W"] @ xs[t] + p["U"] @ h + p["b"])
    return jnp.sum(h**2)


def attention(p: Any, x: Any) -> Any:
    """Causal attention with two heads."""
    q, k, v = [x @ p[n] for n in ("q", "k", "v")]
    q, k, v = [a.reshape(a.shape[0], 2, -1).transpose(1, 0, 2) for a in (q, k, v)]
    s = jnp.einsum("hid,hjd->hij", q, k) / jnp.sqrt(q.shape[-1]).astype(x.dtype)
    mask = jnp.tril(jnp.ones((x.shape[0],) * 2, bool))
    s = jnp.where(mask, s, -1000000000.0)
    a = jnp.exp(s - s.max(-1, keepdims=True))
    a = a / a.sum(-1, keepdims=True)
    return jnp.sum(jnp.sin(jnp.einsum("hij,hjd->ihd", a, v).reshape(x.shape[0], -1)))


def layernorm(g: Any, x: Any) -> Any:
    """Layer normalisation."""
    m = x.mean(-1, keepdims=True)
    v = jnp.var(x, axis=-1, keepdims=True)
    return jnp.sum(jnp.sin((x - m) / jnp.sqrt(v + 1e-05) * g))


def im2col(w: Any, img: Any) -> Any:
    """A convolution by index arrays."""
    kh, kw = w.shape
    H, W = img.shape
    ii = jnp.arange(H - kh + 1)[:, None, None, None] + jnp.arange(kh)[None, None, :, None]
    jj = jnp.arange(W - kw + 1)[None, :, None, None] + jnp.arange(kw)[None, None, None, :]
    return jnp.sum(jnp.tensordot(jnp.asarray(img)[ii, jj], w, 2) ** 2)


def metropolis(x: Any, u: Any, n: Any) -> Any:
    """Metropolis steps with given randomness."""
    for k in range(len(u)):
        p = x + n[k]
        a = jnp.exp(-0.5 * (p**2 - x**2))
        x = jnp.where(u[k] < jnp.minimum(a, 1.0), p, x)
    return jnp.sum(x**2)


def ode(th: Any, y0: Any) -> Any:
    """Lotka-Volterra by Euler's method."""
    y = y0
    for _ in range(4):
        y = y + 0.01 * jnp.stack([th[0] * y[0] - th[1] * y[0] * y[1], -th[2] * y[1] + th[3] * y[0] * y[1]])
    return y.sum()


def persample(w: Any, X: Any, y: Any) -> Any:
    """Gradients per sample."""
    return jax.vmap(jax.grad(lambda w, x, t: (jnp.tanh(x @ w) - t) ** 2), (None, 0, 0))(w, X, y)


def field(x: Any) -> Any:
    """The Jacobian of a vector field, forward."""
    return jax.jacfwd(lambda x: jnp.array([x[0] * x[1], jnp.sin(x[2]), x[0] - x[2] ** 2]))(x)


def field2(x: Any) -> Any:
    """The same, reverse."""
    return jax.jacrev(lambda x: jnp.stack([x[0] * x[1], jnp.sin(x[2]), x[0] - x[2] ** 2]))(x)


def fisher(w: Any, X: Any) -> Any:
    """Fisher information of logistic regression."""
    s = jax.vmap(jax.grad(lambda w, x: jnp.log(1 / (1 + jnp.exp(-x @ w)))), (None, 0))(w, X)
    return s.T @ s / len(X)


def maml(w: Any, X: Any, y: Any) -> Any:
    """A gradient through a gradient step."""

    def L(w: Any) -> Any:
        return jnp.mean((jnp.sin(X @ w) - y) ** 2)

    return jax.grad(lambda w: L(w - 0.1 * jax.grad(L)(w)))(w)


def implicit(a: Any) -> Any:
    """A fixed point, unrolled."""

    def fp(a: Any) -> Any:
        x = jnp.ones_like(a)
        for _ in range(6):
            x = 0.5 * (x + a / x)
        return x

    return jax.grad(lambda a: jnp.sum(fp(a)))(a)


def hmm(lp: Any, obs: Any) -> Any:
    """The forward algorithm in log space."""
    trans, emit, pi = lp
    trans = trans - lse(trans, 1, True)
    emit = emit - lse(emit, 1, True)
    al = pi - lse(pi, 0, True) + emit[:, obs[0]]
    for o in obs[1:]:
        al = lse(al[:, None] + trans, 0) + emit[:, o]
    return lse(al, 0)


def lse(x: Any, axis: Any, keepdims: Any = False) -> Any:
    """log-sum-exp."""
    m = jnp.max(x, axis=axis, keepdims=True)
    out = jnp.log(jnp.sum(jnp.exp(x - m), axis=axis, keepdims=True)) + m
    return out if keepdims else jnp.squeeze(out, axis)


def spline(c: Any, t: Any) -> Any:
    """Evaluation of a piecewise cubic."""
    k = jnp.clip(jnp.floor(t).astype(int), 0, c.shape[0] - 1)
    u = t - k
    a = c[k]
    return jnp.sum(a[:, 0] + u * (a[:, 1] + u * (a[:, 2] + u * a[:, 3])))


def nbody(x: Any, m: Any) -> Any:
    """Gravitational energy."""
    d = x[:, None] - x[None]
    r2 = (d**2).sum(-1)
    r = jnp.sqrt(jnp.where(jnp.eye(len(x), dtype=bool), 1.0, r2))
    iu = jnp.triu(jnp.ones_like(r), 1)
    return -jnp.sum(iu * m[:, None] * m / r)


def cdf(x: Any) -> Any:
    """An approximate normal distribution function."""
    return 0.5 * (1 + jnp.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def bs(p: Any) -> Any:
    """The Black-Scholes price."""
    S, K, T, r, s = p
    d1 = (jnp.log(S / K) + (r + s**2 / 2) * T) / (s * jnp.sqrt(T))
    d2 = d1 - s * jnp.sqrt(T)
    return S * cdf(d1) - K * jnp.exp(-r * T) * cdf(d2)


def csig(a: Any, t: Any) -> Any:
    """The power of a sum of complex exponentials."""
    z = (a[:, None] * jnp.exp(1j * jnp.outer(jnp.arange(1, len(a) + 1), t))).sum(0)
    return jnp.sum(jnp.abs(z) ** 2) + jnp.sum(jnp.angle(z) * z.real)


def topkloss(x: Any) -> Any:
    """A loss of sorted values and the median."""
    v = jnp.sort(x)[::-1][:3]
    return jnp.sum(v**2) + jnp.median(x)


def lasttop(x: Any) -> Any:
    """A loss of the two largest."""
    v, i = lax.top_k(x, 2)
    return jnp.sum(v * jnp.arange(1, 3)) + jnp.sum(x[i])


def embed(E: Any, ids: Any, w: Any) -> Any:
    """An embedding lookup."""
    return jnp.sum(jnp.tanh(E[ids] @ w))


def histo(x: Any) -> Any:
    """The entropy of a soft histogram."""
    c = jnp.linspace(-2, 2, 5, dtype=x.dtype)
    s = jnp.exp(-((x[:, None] - c) ** 2) * 4)
    s = s / s.sum(1, keepdims=True)
    return -jnp.sum(jnp.log(s.sum(0)))


def onehist(x: Any, w: Any) -> Any:
    """A weighted histogram by one-hot rows."""
    b = (jnp.floor(x * 2) + 4).astype(jnp.int32)
    oh = b[:, None] == jnp.arange(9)
    return jnp.sum((oh * w[:, None]).sum(0) ** 2)


def running(x: Any) -> Any:
    """Running mean and variance."""
    n = jnp.arange(1, len(x) + 1)
    m = jnp.cumsum(x) / n
    v = jnp.cumsum(x**2) / n - m**2
    return jnp.sum(m * v)


def ising(s: Any, J: Any) -> Any:
    """The energy of an Ising model."""
    return -J * jnp.sum(s * jnp.roll(s, 1, 0) + s * jnp.roll(s, -1, axis=1))


def tv(img: Any) -> Any:
    """Total variation of an image."""
    p = jnp.pad(img, 1, mode="edge")
    gx = p[1:-1, 2:] - p[1:-1, :-2]
    gy = p[2:, 1:-1] - p[:-2, 1:-1]
    return jnp.sum(jnp.sqrt(gx**2 + gy**2 + 1e-06))


def adam(p: Any, X: Any, y: Any) -> Any:
    """Three steps of Adam."""
    m = jnp.zeros_like(p)
    v = jnp.zeros_like(p)
    g = jax.grad(logreg)
    for t in range(1, 4):
        gr = g(p, X, y)
        m = 0.9 * m + 0.1 * gr
        v = 0.999 * v + 0.001 * gr**2
        p = p - 0.1 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-08)
    return p


def power_iter_float(x: Any) -> Any:
    """Powers of every kind."""
    return jnp.sum(x**2.5 + x**2 + x ** (-1) + 2.0**x + x**0 + jnp.power(x, x))


def scan_like(x: Any) -> Any:
    """Running totals."""
    return lax.cumsum(x)[-1] * lax.cumprod(x)[-1]


def meshy(x: Any) -> Any:
    """A sum over a mesh."""
    a, b = jnp.meshgrid(x, x[:2], indexing="ij")
    return jnp.sum(a * b**2)


def mix(x: Any) -> Any:
    """Reductions of every kind."""
    return (
        (x.mean() + x.std() + jnp.ptp(x) + x.max() - x.min() * jnp.prod(x)).sum()
        + jnp.sum(jnp.diff(x) ** 2)
        + jnp.sum(jnp.where(x > 0, jnp.log1p(jnp.abs(x)), 0))
    )


def trig(x: Any) -> Any:
    """Elementwise functions of every kind."""
    return jnp.sum(
        jnp.arctan2(x, x + 2.0)
        + jnp.hypot(x, 2.0)
        + jnp.sinc(x)
        + jnp.cbrt(jnp.abs(x) + 1)
        + jnp.expm1(x)
        + jnp.exp2(x)
        + jnp.arcsinh(x)
        + jnp.logaddexp(x, 1.0)
        + jnp.square(x)
        + jnp.reciprocal(x + 3)
        + jnp.sign(x) * jnp.fmod(x, 0.3)
        + jnp.remainder(x, 0.7)
    )


def ein3(A: Any, B: Any, C: Any) -> Any:
    """Products by einsum."""
    return jnp.sum(jnp.einsum("ij,jk,kl->il", A, B, C) ** 2) + jnp.einsum("ii->", A @ B @ C)


def poly(c: Any, x: Any) -> Any:
    """Horner's scheme."""
    o = jnp.zeros_like(x)
    for k in range(c.shape[0]):
        o = o * x + c[k]
    return jnp.sum(o)


def huber(x: Any, d: Any) -> Any:
    """The Huber loss."""
    a = jnp.abs(x)
    return jnp.sum(jnp.where(a <= d, 0.5 * x**2, d * (a - 0.5 * d)))


def cross_interp(x: Any, xp: Any, fp: Any) -> Any:
    """Linear interpolation."""
    return jnp.sum(jnp.interp(x, xp, fp) ** 2)


def crossp(a: Any, b: Any) -> Any:
    """Products of vectors."""
    return jnp.sum(jnp.cross(a, b) ** 2) + jnp.vdot(a, b) + jnp.sum(jnp.kron(a, b)) + jnp.trace(jnp.outer(a[0], b[0]))


def argcl(x: Any) -> Any:
    """Elements at computed positions."""
    return x[jnp.argmax(x)] * jnp.take(x, jnp.argmin(x)) + jnp.take_along_axis(x[None], jnp.argsort(x)[None], 1)[0, 1]


def lstm(p: Any, xs: Any) -> Any:
    """A recurrent network with gates, read from both ends."""

    def step(state: Any, x: Any) -> Any:
        h, c = state
        gates = h @ p["W"] + x @ p["U"] + p["b"]
        i, f, o, z = jnp.split(gates, 4)
        c = c / (1 + jnp.exp(-f)) + jnp.tanh(z) / (1 + jnp.exp(-i))
        return (jnp.tanh(c) * o, c), {"h": h, "none": None}

    start = (jnp.zeros_like(xs[0]), jnp.ones_like(xs[0]))
    (h, _), ys = lax.scan(step, start, xs)
    (back, _), _ = lax.scan(step, start, xs, reverse=True, unroll=2)
    return jnp.sum(h * back) + jnp.sum(ys["h"] ** 2)


def branches(x: Any) -> Any:
    """Branches in a loop, for one value and for many."""

    def step(c: Any, v: Any) -> Any:
        c = lax.cond(v > 0, lambda c: jnp.sin(c) + v, lambda c: c * v, c)
        return lax.switch(jnp.argmax(x) % 3, [lambda c: c, lambda c: c * c, jnp.tanh], c), c

    def alone(v: Any) -> Any:
        return lax.cond(v > 0, jnp.sqrt, lambda v: v * v, v) + lax.cond(v > 0, v, jnp.log, -v, jnp.exp)

    last, ys = lax.scan(step, x[0], x)
    return last + jnp.sum(ys) + jnp.sum(jax.vmap(alone)(x))


def loops(x: Any) -> Any:
    """Loops with a known number of turns in each other, and maps."""

    def outer(i: Any, c: Any) -> Any:
        return lax.fori_loop(0, 2, lambda j, d: jnp.cos(d) * jnp.take(x, j) + d, c)

    whole = lax.map(lambda v: v * jnp.sum(x), x, batch_size=3)
    return jnp.sum(lax.fori_loop(1, 4, outer, x)) + jnp.sum(whole**2)


def partials(a: Any, b: Any) -> Any:
    """A linear recurrence by its associative form; and a reduction by a function of the user's."""

    def join(one: Any, other: Any) -> Any:
        return one[0] * other[0], one[1] * other[0] + other[1]

    factors, sums = lax.associative_scan(join, (a, b), axis=1)
    _, back = lax.associative_scan(join, (a, b), reverse=True)
    return jnp.sum(factors * sums) + jnp.sum(jnp.sin(back))
