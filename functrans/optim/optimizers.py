"""The optimisers by their names: chains of a scaling, weight decay and minus the learning rate. Start reading at `adam`.

Each takes a learning rate that is a number, which may be traced, or a schedule, and gives a `GradientTransformation`. Names,
order and defaults of arguments are optax's; where torch.optim has other defaults, the docstring says so. Imports the rules.
"""

from __future__ import annotations

from typing import Any

from functrans.optim.adaptive import (
    scale_by_adadelta,
    scale_by_adam,
    scale_by_adamax,
    scale_by_amsgrad,
    scale_by_lion,
    scale_by_radam,
    scale_by_rms,
    scale_by_rprop,
    scale_by_rss,
    scale_by_stddev,
)
from functrans.optim.lbfgs import scale_by_lbfgs
from functrans.optim.scaling import add_decayed_weights, scale, scale_by_learning_rate, scale_by_trust_ratio, trace
from functrans.optim.schedules import Scalar, ScalarOrSchedule
from functrans.optim.transformation import GradientTransformation, chain, identity
from functrans.typing import DTypeLike

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "amsgrad",
    "lamb",
    "lbfgs",
    "lion",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
]


def sgd(
    learning_rate: ScalarOrSchedule,
    momentum: Scalar | None = None,
    nesterov: bool = False,
    accumulator_dtype: DTypeLike | None = None,
) -> GradientTransformation:
    """Gradient descent, with momentum: see `trace`.

    >>> import numpy as np
    >>> from functrans import optim
    >>> rule, params = sgd(0.5, momentum=0.9), np.array([1.0])
    >>> state = rule.init(params)
    >>> for _ in range(2):
    ...     updates, state = rule.update(2 * params, state, params)
    ...     params = optim.apply_updates(params, updates)
    >>> params
    array([-0.9])
    """
    first = identity() if momentum is None else trace(momentum, nesterov, accumulator_dtype)
    return chain(first, scale_by_learning_rate(learning_rate))


def adagrad(
    learning_rate: ScalarOrSchedule, initial_accumulator_value: Scalar = 0.1, eps: Scalar = 1e-7
) -> GradientTransformation:
    """Adagrad: see `scale_by_rss`. torch.optim begins at 0 with eps = 1e-10, which it adds to the root."""
    return chain(scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate))


def adadelta(
    learning_rate: ScalarOrSchedule, rho: Scalar = 0.9, eps: Scalar = 1e-6, weight_decay: Scalar = 0.0
) -> GradientTransformation:
    """Adadelta: see `scale_by_adadelta`. The decay is that of an L2 penalty."""
    return chain(add_decayed_weights(weight_decay), scale_by_adadelta(rho, eps), scale_by_learning_rate(learning_rate))


def rmsprop(
    learning_rate: ScalarOrSchedule,
    decay: Scalar = 0.9,
    eps: Scalar = 1e-8,
    initial_scale: Scalar = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum: Scalar | None = None,
    nesterov: bool = False,
) -> GradientTransformation:
    """RMSprop: see `scale_by_rms`, or `scale_by_stddev` (centered). torch.optim's decay is 0.99, its eps outside the root."""
    by = scale_by_stddev if centered else scale_by_rms
    last = identity() if momentum is None else trace(momentum, nesterov)
    return chain(by(decay, eps, initial_scale, eps_in_sqrt), scale_by_learning_rate(learning_rate), last)


def adam(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike | None = None,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """Adam: see `scale_by_adam`.

    >>> import numpy as np
    >>> from functrans import grad, jit, optim
    >>> rule, params = adam(0.1), {"x": np.array([5.0, -3.0])}
    >>> def step(params, state):
    ...     updates, state = rule.update(grad(lambda p: np.sum(p["x"] ** 2))(params), state, params)
    ...     return optim.apply_updates(params, updates), state
    >>> state, step = rule.init(params), jit(step)
    >>> for _ in range(300):
    ...     params, state = step(params, state)
    >>> bool(np.all(np.abs(params["x"]) < 1e-3))
    True
    """
    scaled = scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov)
    return chain(scaled, scale_by_learning_rate(learning_rate))


def nadam(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike | None = None,
) -> GradientTransformation:
    """Adam one step ahead: see `scale_by_adam`. torch.optim's has a schedule for b1 besides."""
    return adam(learning_rate, b1, b2, eps, eps_root, mu_dtype, nesterov=True)


def adamw(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike | None = None,
    weight_decay: Scalar = 1e-4,
    mask: Any = None,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """Adam with decoupled weight decay, of those parameters that the mask holds for: see `add_decayed_weights`.

    torch.optim's weight_decay is 0.01.
    """
    scaled = scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov)
    return chain(scaled, add_decayed_weights(weight_decay, mask), scale_by_learning_rate(learning_rate))


def adamax(
    learning_rate: ScalarOrSchedule, b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-8
) -> GradientTransformation:
    """Adamax: see `scale_by_adamax`."""
    return chain(scale_by_adamax(b1, b2, eps), scale_by_learning_rate(learning_rate))


def amsgrad(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
) -> GradientTransformation:
    """AMSGrad: see `scale_by_amsgrad`."""
    return chain(scale_by_amsgrad(b1, b2, eps, eps_root), scale_by_learning_rate(learning_rate))


def radam(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    threshold: Scalar = 5.0,
) -> GradientTransformation:
    """Rectified Adam: see `scale_by_radam`."""
    return chain(scale_by_radam(b1, b2, eps, eps_root, threshold), scale_by_learning_rate(learning_rate))


def lion(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.99,
    mu_dtype: DTypeLike | None = None,
    weight_decay: Scalar = 1e-3,
    mask: Any = None,
) -> GradientTransformation:
    """Lion: see `scale_by_lion`. It wants a third to a tenth of Adam's learning rate."""
    return chain(
        scale_by_lion(b1, b2, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


def lamb(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-6,
    eps_root: Scalar = 0.0,
    weight_decay: Scalar = 0.0,
    mask: Any = None,
) -> GradientTransformation:
    """Adam with each leaf's step as long as its parameters say, for large batches (You et al. 2020)."""
    return chain(
        scale_by_adam(b1, b2, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_trust_ratio(),
        scale_by_learning_rate(learning_rate),
    )


def rprop(
    learning_rate: Scalar,
    eta_minus: Scalar = 0.5,
    eta_plus: Scalar = 1.2,
    min_step_size: Scalar = 1e-6,
    max_step_size: Scalar = 50.0,
) -> GradientTransformation:
    """Rprop, for whole batches: see `scale_by_rprop`."""
    return chain(scale_by_rprop(learning_rate, eta_minus, eta_plus, min_step_size, max_step_size), scale(-1.0))


def lbfgs(learning_rate: ScalarOrSchedule = 1.0, memory_size: int = 10) -> GradientTransformation:
    """L-BFGS with steps of a fixed length: see `scale_by_lbfgs`; `functrans.solvers.l_bfgs` searches for it."""
    return chain(scale_by_lbfgs(memory_size), scale_by_learning_rate(learning_rate))
