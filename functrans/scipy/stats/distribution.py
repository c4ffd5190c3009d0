"""Families of distributions: SciPy's methods, of the functions that a distribution is made of.

A family holds the functions of the standard distribution, for numbers inside the support and shapes in range. Its methods
take what is outside away before they call these, so that no derivative is NaN because of what is not used. Imports
functrans.numpy and scipy.special; start reading at `Density`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from inspect import Parameter, Signature

import functrans.numpy as fnp
from functrans.scipy.special.operands import floats
from functrans.typing import Array, ArrayLike

__all__ = ["Continuous", "Density", "Discrete", "Invertible", "Mass", "Standard", "log_of", "positive"]

Standard = Callable[..., Array]
"""Of a standard number (or a probability) and the shapes, all arrays of one dtype and of one array shape."""
Bounds = tuple[ArrayLike, ArrayLike]


def positive(*shapes: Array) -> Array:
    """Whether all of them are."""
    out: Array = fnp.asarray(True)
    for shape in shapes:
        out = out & (shape > 0)
    return out


def _real_line(*_shapes: Array) -> Bounds:
    return -fnp.inf, fnp.inf


def log_of(part: Array, rest: Array) -> Array:
    """The logarithm of a probability, from the one or the other that is exact; −∞ with derivative 0 where it is 0."""
    is_small = part < 0.5
    small = fnp.log(fnp.where(is_small & (part > 0), part, 0.5))
    large = fnp.log1p(-fnp.where(is_small, 0.5, rest))
    return fnp.where(is_small, fnp.where(part > 0, small, -fnp.inf), large)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Family:
    """What all families have: a name, shape parameters with a value in range for each, and which shapes are in range."""

    name: str
    shapes: dict[str, float] = field(default_factory=dict)
    in_range: Standard = positive
    support: Callable[..., Bounds] = _real_line
    inside: float = 0.5
    """A number that is inside the support, unless a bound beyond it is."""

    @cached_property
    def _more(self) -> dict[str, float]:
        return {"loc": 0.0, "scale": 1.0}

    @cached_property
    def _signature(self) -> Signature:
        kind = Parameter.POSITIONAL_OR_KEYWORD
        more = [Parameter(name, kind, default=value) for name, value in self._more.items()]
        return Signature([*(Parameter(name, kind) for name in self.shapes), *more])

    def _operands(
        self, method: str, x: ArrayLike, args: tuple[ArrayLike, ...], kwds: dict[str, ArrayLike]
    ) -> tuple[Array, Array, list[Array], Array, Array]:
        """x, where all parameters are in range, the shapes (in range everywhere), location and scale."""
        bound = self._signature.bind(*args, **kwds)
        bound.apply_defaults()
        x, *values = floats(f"{self.name}.{method}", x, *bound.arguments.values())
        shapes, (loc, *scales) = values[: len(self.shapes)], values[len(self.shapes) :]
        good = self.in_range(*shapes) & positive(*scales) & ~fnp.isnan(loc)
        shapes = [fnp.where(good, s, value) for s, value in zip(shapes, self.shapes.values(), strict=True)]
        scale = fnp.where(good, scales[0], 1) if scales else fnp.ones_like(x)
        return x, good, shapes, loc, scale

    def _standard(
        self, method: str, x: ArrayLike, args: tuple[ArrayLike, ...], kwds: dict[str, ArrayLike]
    ) -> tuple[Array, Array, list[Array], Array]:
        """(x − loc) / scale, NaN where parameters are out of range; where it is a number; the shapes; the scale."""
        x, good, shapes, loc, scale = self._operands(method, x, args, kwds)
        is_finite = fnp.isfinite(x)  # the scale has a derivative where x has none
        y = fnp.where(is_finite, (fnp.where(is_finite, x, 0) - fnp.where(good, loc, 0)) / scale, x)
        return y, good & ~fnp.isnan(y), shapes, scale

    def _safe(self, y: Array, is_inside: Array, shapes: list[Array]) -> Array:
        lower, upper = self.support(*shapes)
        return fnp.where(is_inside, y, fnp.clip(fnp.full_like(y, self.inside), lower, upper))

    def _log_density(
        self, standard: Standard, method: str, x: ArrayLike, args: tuple[ArrayLike, ...], kwds: dict[str, ArrayLike]
    ) -> Array:
        """−∞ outside the support."""
        y, is_known, shapes, scale = self._standard(method, x, args, kwds)
        lower, upper = self.support(*shapes)
        is_inside = (y >= lower) & (y <= upper) & fnp.isfinite(y) & self._has_mass(y)
        out = standard(self._safe(y, is_inside, shapes), *shapes) - fnp.log(scale)
        return fnp.where(is_known, fnp.where(is_inside, out, -fnp.inf), fnp.nan)

    def _has_mass(self, y: Array) -> Array:
        return fnp.ones_like(y, dtype=bool)


@dataclass(frozen=True, eq=False, kw_only=True)
class Density(_Family):
    """A continuous distribution of which the density is known."""

    log_density: Standard

    def logpdf(self, x: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The logarithm of the density at x; −∞ outside the support, NaN where a parameter is out of range.

        Arguments are x, the shapes, `loc` and `scale`, by SciPy's names; they are broadcast to each other.
        """
        return self._log_density(self.log_density, "logpdf", x, args, kwds)

    def pdf(self, x: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The density, with the arguments of `logpdf`."""
        return fnp.exp(self._log_density(self.log_density, "pdf", x, args, kwds))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Probabilities(_Family):
    """What has a distribution function; its logarithm is that of the smaller tail, if there is nothing better."""

    below: Standard
    """The probability of numbers up to the argument."""
    above: Standard
    """The probability of larger ones."""
    log_below: Standard | None = None
    log_above: Standard | None = None

    def _outside(self, y: Array, shapes: list[Array]) -> tuple[Array, Array]:
        """Where all of the probability is above, and where it is below."""
        lower, upper = self.support(*shapes)
        return y <= lower, y >= upper

    def _probability(
        self,
        method: str,
        standard: Standard,
        edges: tuple[float, float],
        x: ArrayLike,
        args: tuple[ArrayLike, ...],
        kwds: dict[str, ArrayLike],
    ) -> Array:
        """With its values below and above the support."""
        y, is_known, shapes, _ = self._standard(method, x, args, kwds)
        is_low, is_high = self._outside(y, shapes)
        is_inside = ~(is_low | is_high) & fnp.isfinite(y)
        out = standard(self._safe(y, is_inside, shapes), *shapes)
        out = fnp.where(is_inside, out, fnp.where(is_low, *edges).astype(out.dtype))
        return fnp.where(is_known, out, fnp.nan)

    def cdf(self, x: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The distribution function: the probability of numbers up to x. Arguments are those of the density."""
        return self._probability("cdf", self.below, (0.0, 1.0), x, args, kwds)

    def sf(self, x: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The survival function, 1 − cdf, exact where that is small."""
        return self._probability("sf", self.above, (1.0, 0.0), x, args, kwds)

    def logcdf(self, x: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The logarithm of `cdf`."""
        standard = self.log_below or (lambda y, *shapes: log_of(self.below(y, *shapes), self.above(y, *shapes)))
        return self._probability("logcdf", standard, (-fnp.inf, 0.0), x, args, kwds)

    def logsf(self, x: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The logarithm of `sf`."""
        standard = self.log_above or (lambda y, *shapes: log_of(self.above(y, *shapes), self.below(y, *shapes)))
        return self._probability("logsf", standard, (0.0, -fnp.inf), x, args, kwds)


@dataclass(frozen=True, eq=False, kw_only=True)
class Continuous(_Probabilities, Density):
    """A continuous distribution with a distribution function."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Invertible(Continuous):
    """One whose distribution function has an inverse in closed form.

    >>> from functrans.scipy.stats import norm
    >>> float(norm.cdf(norm.ppf(0.25, loc=1.0, scale=2.0), 1.0, 2.0))
    0.25
    """

    from_below: Standard
    """The number that has the given probability below it."""
    from_above: Standard

    def _quantile(
        self,
        method: str,
        standard: Standard,
        q: ArrayLike,
        args: tuple[ArrayLike, ...],
        kwds: dict[str, ArrayLike],
    ) -> Array:
        q, good, shapes, loc, scale = self._operands(method, q, args, kwds)
        lower, upper = (fnp.full_like(q, bound) for bound in self.support(*shapes))
        first, last = (lower, upper) if method == "ppf" else (upper, lower)
        is_inside = (q > 0) & (q < 1)
        y = standard(fnp.where(is_inside, q, 0.5), *shapes)
        y = fnp.where(is_inside, y, fnp.where(q == 0, first, last))
        is_finite = fnp.isfinite(y)
        out = fnp.where(is_finite, loc + scale * fnp.where(is_finite, y, 0), y)
        return fnp.where(good & (q >= 0) & (q <= 1), out, fnp.nan)

    def ppf(self, q: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The inverse of `cdf` on [0, 1]; NaN outside."""
        return self._quantile("ppf", self.from_below, q, args, kwds)

    def isf(self, q: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The inverse of `sf` on [0, 1]; NaN outside."""
        return self._quantile("isf", self.from_above, q, args, kwds)


@dataclass(frozen=True, eq=False, kw_only=True)
class Mass(_Family):
    """A distribution of integers of which the probabilities are known."""

    log_mass: Standard
    inside: float = 0.0

    @cached_property
    def _more(self) -> dict[str, float]:
        return {"loc": 0.0}

    def _has_mass(self, y: Array) -> Array:
        out: Array = fnp.floor(y) == y
        return out

    def logpmf(self, k: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The logarithm of the probability of k; −∞ for what is not in the support, NaN where a parameter is out of range.

        Arguments are k, the shapes and `loc`, by SciPy's names; they are broadcast to each other.
        """
        return self._log_density(self.log_mass, "logpmf", k, args, kwds)

    def pmf(self, k: ArrayLike, *args: ArrayLike, **kwds: ArrayLike) -> Array:
        """The probability of k, with the arguments of `logpmf`."""
        return fnp.exp(self._log_density(self.log_mass, "pmf", k, args, kwds))


@dataclass(frozen=True, eq=False, kw_only=True)
class Discrete(_Probabilities, Mass):
    """A distribution of integers with a distribution function."""

    def _outside(self, y: Array, shapes: list[Array]) -> tuple[Array, Array]:
        lower, upper = self.support(*shapes)
        return y < lower, y >= upper

    def _safe(self, y: Array, is_inside: Array, shapes: list[Array]) -> Array:
        return fnp.floor(super()._safe(y, is_inside, shapes))
