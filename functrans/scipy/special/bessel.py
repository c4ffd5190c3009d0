"""Modified Bessel functions of the first kind: i0, i1, and these times e^−|x|, i0e, i1e.

Two Chebyshev series: up to 8 in x/4 − 1, of e⁻ˣ I₀(x) and e⁻ˣ I₁(x)/x, and from there in 16/x − 1, of √x e⁻ˣ Iᵥ(x). Their
coefficients were computed with 40 digits. Imports functrans.numpy; start reading at `i0e`.
"""

from __future__ import annotations

import functrans.numpy as fnp
from functrans.scipy.special.chebyshev import chebyshev
from functrans.scipy.special.operands import one_float
from functrans.transforms.custom import custom_jvp
from functrans.typing import Array, ArrayLike

__all__ = ["i0", "i0e", "i1", "i1e"]

_NEAR_0 = (
    0.6767952744094761,
    -0.3046826723431984,
    0.17162090152220877,
    -0.09490109704804764,
    0.04930528423967071,
    -0.02373741480589947,
    0.010546460394594998,
    -0.004324309995050576,
    0.0016394756169413357,
    -0.0005763755745385824,
    0.00018850288509584165,
    -5.754195010082104e-05,
    1.6448448070728896e-05,
    -4.4167383584587505e-06,
    1.1173875391201037e-06,
    -2.670793853940612e-07,
    6.046995022541919e-08,
    -1.300025009986248e-08,
    2.6598237246823866e-09,
    -5.189795601635263e-10,
    9.675809035373237e-11,
    -1.726826291441556e-11,
    2.95505266312964e-12,
    -4.856446783111929e-13,
    7.676185498604936e-14,
    -1.1685332877993451e-14,
    1.715391285555133e-15,
    -2.431279846547955e-16,
    3.3307945188222384e-17,
    -4.4153416464793395e-18,
)
_FAR_0 = (
    0.8044904110141088,
    0.0033691164782556943,
    6.889758346916825e-05,
    2.8913705208347567e-06,
    2.0489185894690638e-07,
    2.266668990498178e-08,
    3.3962320257083865e-09,
    4.94060238822497e-10,
    1.1889147107846439e-11,
    -3.1499165279632416e-11,
    -1.3215811840447713e-11,
    -1.7941785315068062e-12,
    7.180124451383666e-13,
    3.8527783827421426e-13,
    1.54008621752141e-14,
    -4.150569347287222e-14,
    -9.554846698828307e-15,
    3.8116806693526224e-15,
    1.7725601330565263e-15,
    -3.425485619677219e-16,
    -2.8276239805165836e-16,
    3.461222867697461e-17,
    4.46562142029676e-17,
    -4.830504485944178e-18,
    -7.23318048787476e-18,
)
_NEAR_1 = (
    0.25258718644363365,
    -0.17641651835783406,
    0.1026436586898471,
    -0.05294598120809499,
    0.024726449030626516,
    -0.010564084894626197,
    0.004156422944312888,
    -0.0015135724506312532,
    0.0005122859561685758,
    -0.00016176081582589674,
    4.781565107550054e-05,
    -1.3273163656039436e-05,
    3.4702513081376785e-06,
    -8.568720264695455e-07,
    2.0032947535521353e-07,
    -4.445059128796328e-08,
    9.381537386495773e-09,
    -1.8872497517228294e-09,
    3.625590281552117e-10,
    -6.663489723502027e-11,
    1.1736186298890901e-11,
    -1.9839743977649436e-12,
    3.223793365945575e-13,
    -5.042185504727912e-14,
    7.600684294735408e-15,
    -1.1055969477353862e-15,
    1.5536319577362005e-16,
    -2.111421214358166e-17,
    2.7779141127610464e-18,
)
_FAR_1 = (
    0.7785762350182801,
    -0.009761097491361469,
    -0.00011058893876262371,
    -3.882564808877691e-06,
    -2.512236237870209e-07,
    -2.6314688468895196e-08,
    -3.835380385964237e-09,
    -5.589743462196584e-10,
    -1.8974958123505413e-11,
    3.2526035830154884e-11,
    1.4125807436613782e-11,
    2.0356285441470896e-12,
    -7.198551776245908e-13,
    -4.0835511110921974e-13,
    -2.1015418427726643e-14,
    4.272440016711951e-14,
    1.0420276984128802e-14,
    -3.8144030724370075e-15,
    -1.8803547755107825e-15,
    3.3082023109209285e-16,
    2.96262899764595e-16,
    -3.209525921993424e-17,
    -4.650305368489358e-17,
    4.414348323071704e-18,
    7.517296310842111e-18,
)
_BORDER = 8.0


def _both(near: tuple[float, ...], far: tuple[float, ...], size: Array) -> tuple[Array, Array]:
    """The series up to the border and from there, each of what is its own."""
    is_near = size <= _BORDER
    close = fnp.where(is_near, size, 0)
    wide = fnp.where(is_near, _BORDER, size)
    return chebyshev(near, close / 4 - 1), chebyshev(far, 16 / wide - 1) / fnp.sqrt(wide)


@custom_jvp
def _i0e(x: Array) -> Array:
    size = fnp.abs(x)
    near, far = _both(_NEAR_0, _FAR_0, size)
    return fnp.where(size <= _BORDER, near, far)


@custom_jvp
def _i1e(x: Array) -> Array:
    size = fnp.abs(x)
    near, far = _both(_NEAR_1, _FAR_1, size)
    return fnp.where(size <= _BORDER, near * x, fnp.copysign(far, x))


def _i1e_over_x(x: Array) -> Array:
    """Which is ½ at 0: the near series itself, with no quotient."""
    size = fnp.abs(x)
    near, far = _both(_NEAR_1, _FAR_1, size)
    return fnp.where(size <= _BORDER, near, far / fnp.where(size <= _BORDER, _BORDER, size))


_i0e.defjvps(lambda tangent, value, x: tangent * (_i1e(x) - fnp.sign(x) * value))
_i1e.defjvps(lambda tangent, value, x: tangent * (_i0e(x) - fnp.sign(x) * value - _i1e_over_x(x)))


def i0e(x: ArrayLike) -> Array:
    """e^−|x| I₀(x)."""
    return _i0e(one_float("i0e", x))


def i1e(x: ArrayLike) -> Array:
    """e^−|x| I₁(x)."""
    return _i1e(one_float("i1e", x))


@custom_jvp
def _i0(x: Array) -> Array:
    out: Array = fnp.exp(fnp.abs(x)) * _i0e(x)
    return out


@custom_jvp
def _i1(x: Array) -> Array:
    out: Array = fnp.exp(fnp.abs(x)) * _i1e(x)
    return out


_i0.defjvps(lambda tangent, _, x: tangent * _i1(x))
_i1.defjvps(lambda tangent, value, x: tangent * (_i0(x) - fnp.exp(fnp.abs(x)) * _i1e_over_x(x)))


def i0(x: ArrayLike) -> Array:
    """The modified Bessel function of the first kind of order 0.

    >>> import functrans as ft
    >>> float(ft.grad(i0)(1.0)) == float(i1(1.0))
    True
    """
    return _i0(one_float("i0", x))


def i1(x: ArrayLike) -> Array:
    """The modified Bessel function of the first kind of order 1."""
    return _i1(one_float("i1", x))
