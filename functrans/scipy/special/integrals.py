"""Integrals of exponentials and logarithms: exp1, expi, spence.

Chebyshev series of what is left when the singularities are taken away, with coefficients computed with 40 digits. Imports
functrans.numpy; start reading at `exp1`.
"""

from __future__ import annotations

from math import pi

import numpy as np

import functrans.numpy as fnp
from functrans.scipy.special.chebyshev import chebyshev
from functrans.scipy.special.operands import one_float
from functrans.transforms.custom import custom_jvp
from functrans.typing import Array, ArrayLike

__all__ = ["exp1", "expi", "spence"]

_EIN_NEAR = (
    1.6261993069606764, -0.16874354700554212, 0.01660769527701227, -0.0014334131739206783, 0.00010806459840414771,
    -7.178138416841789e-06, 4.245936930254433e-07, -2.259146945460841e-08, 1.090974030099112e-09,
    -4.8192115358522137e-11, 1.960547751081002e-12, -7.389016068614898e-14, 2.5932881314184085e-15,
    -8.514273288177167e-17,
)  # fmt: skip
_E1_FAR = (
    1.685476917152218, -0.1354615211983727, 0.01793861843980276, -0.0030614037261686017, 0.0006145885999013264,
    -0.00013858851201935767, 3.415707577253984e-05, -9.038732165817782e-06, 2.5364017496262363e-06,
    -7.479489597048693e-07, 2.3018676261823392e-07, -7.353752122437453e-08, 2.4282396756596238e-08,
    -8.258600817078452e-09, 2.8846480890782478e-09, -1.0322646825405416e-09, 3.7765916450447835e-10,
    -1.4100849341619542e-10, 5.364819219844752e-11, -2.0770268918585847e-11, 8.173141109549714e-12,
    -3.2654049865436224e-12, 1.3233576707686751e-12, -5.43554159237168e-13, 2.2610147611039736e-13,
    -9.51831250889774e-14, 4.0526660504894116e-14, -1.744207577398179e-14, 7.584120152381974e-15,
    -3.3300723358009988e-15, 1.4758824031877404e-15, -6.599671613462776e-16, 2.9764689392035454e-16,
    -1.353432441428275e-16, 6.202779619085251e-17, -2.8643005226341564e-17, 1.3323240725722744e-17,
    -6.240863964540319e-18,
)  # fmt: skip
_EI_NEAR = (
    28.829135598895654, 21.398409228405605, 11.589333644720272, 4.9198214580263775, 1.7166165889300484,
    0.5085130211872232, 0.13090665746301777, 0.02980328732335197, 0.006083200670124417, 0.0011253886879679963,
    0.0001903922017342009, 2.9675534907120133e-05, 4.288247020132341e-06, 5.776054832644927e-07,
    7.285834195164311e-08, 8.641644511614089e-09, 9.67267680435357e-10, 1.0249917712541431e-10,
    1.0312441278298182e-11, 9.876196175547446e-13, 9.024397999890088e-14, 7.884394284234688e-15,
    6.599048011503067e-16,
)  # fmt: skip
_EI_FAR = (
    2.1631703665072166, 0.08967516617440388, 0.009325711793980358, 0.0013414749994095435, 4.448750810646945e-05,
    -9.441206087732514e-05, -3.553650865165951e-05, 1.3764015602943876e-06, 4.703553093867016e-06,
    4.780195002343173e-07, -6.457190932084878e-07, -1.0310351581481268e-07, 1.0661008332694099e-07,
    1.3853456168162028e-08, -2.0426935279099593e-08, -3.9946123008990206e-10, 4.073797013510647e-09,
    -6.145923537242835e-10, -7.333292084030185e-10, 2.9834891994784735e-10, 8.813311604715585e-11,
    -9.219652596389309e-11, 6.8397464895944296e-12, 1.9819908380165735e-11, -8.393843215075244e-12,
    -1.9127015230924837e-12, 2.8486452856764263e-12, -6.345149517607717e-13, -4.848301566363343e-13,
    3.774211745697688e-13, -3.700971200708234e-14, -8.657786935321307e-14, 5.150301842332953e-14,
    -8.048239888777309e-16, -1.4320523019984734e-14, 7.639940733287676e-15, 1.45406008961003e-16,
    -2.34302066137227e-15, 1.256075806121858e-15, -1.825297616972402e-18, -3.8331699304246295e-16,
    2.262721276429766e-16, -1.6041057842934033e-17, -6.149030826362432e-17, 4.323070828496763e-17,
    -7.517948940190384e-18, -9.172187758014596e-18, 8.404011914363552e-18,
)  # fmt: skip
_EI_ZERO = (
    7.881887340862607, -0.42600434319166613, 0.053785342574870505, -0.006829032268403207, 0.0009372651483152987,
    -0.0001338794145122207, 1.9675194586772955e-05, -2.9521311994947247e-06, 4.500231117745373e-07,
    -6.946426275364123e-08, 1.0831232758531457e-08, -1.7030139601559498e-09, 2.6965024088276123e-10,
    -4.295104453763013e-11, 6.876678836242657e-12, -1.1059287008130038e-12, 1.785594274997749e-13,
    -2.893011528335794e-14, 4.7018145519784645e-15, -7.662848716476182e-16, 1.2520054326772345e-16,
)  # fmt: skip
_LI2 = (
    1.9350643008699693, 0.166073032927855, 0.02487932292422805, 0.004686361959446563, 0.0010016274961643181,
    0.00023200219609439715, 5.681782271827043e-05, 1.449630055748866e-05, 3.8163294634370496e-06,
    1.029904263768321e-06, 2.835753845118004e-07, 7.93870546042601e-08, 2.253670464174167e-08, 6.474338180528377e-09,
    1.879117269842973e-09, 5.502909217137956e-10, 1.6242063194272883e-10, 4.827376243049472e-11,
    1.4436965408227055e-11, 4.341694956486757e-12, 1.3122768920462888e-12, 3.984478218072319e-13,
    1.2148461496311368e-13, 3.71810319965586e-14, 1.1419239903992597e-14, 3.518436009778419e-15,
    1.0873099805700257e-15, 3.3694142029317887e-16, 1.0468119638480871e-16, 3.2600231500551465e-17,
    1.01751854217645e-17,
)  # fmt: skip
_ZERO, _ZERO_REST = 0.3725074107813666, 1.3140183414386028e-17
"""Of `expi`, with twice the digits."""
_EULER = float(np.euler_gamma)


def _exp1_of_positive(x: Array) -> Array:
    """Ein(x)/x up to 2, x eˣ E₁(x) in 2/x from there."""
    is_near = x <= 2
    close, wide = fnp.where(is_near, x, 1), fnp.where(is_near, 2, x)
    near = close * chebyshev(_EIN_NEAR, close - 1) - _EULER - fnp.log(close)
    far = chebyshev(_E1_FAR, 4 / wide - 1) * fnp.exp(-wide) / wide
    return fnp.where(is_near, near, far)


@custom_jvp
def _exp1(x: Array) -> Array:
    wide = x.astype(np.float64)
    is_positive = wide > 0
    edge = fnp.where(wide == 0, fnp.inf, fnp.nan)
    return fnp.where(is_positive, _exp1_of_positive(fnp.where(is_positive, wide, 1)), edge).astype(x.dtype)


_exp1.defjvps(lambda tangent, _, x: -tangent * fnp.exp(-x) / x)


def exp1(z: ArrayLike) -> Array:
    """The exponential integral E₁, ∫ e⁻ᵗ/t dt from z to ∞, of real z; ∞ at 0, NaN below.

    >>> round(float(exp1(1.0)), 12)
    0.219383934396
    """
    return _exp1(one_float("exp1", z))


def _expi_of_positive(x: Array) -> Array:
    """Three series: about the zero, the entire part up to 8, and x e⁻ˣ Ei(x) in 8/x from there."""
    is_zero, is_near = (x > 0.25) & (x < 0.5), x <= 8
    close, wide = fnp.where(is_near, x, 1), fnp.where(is_near, 8, x)
    about = fnp.where(is_zero, x, 0.375)
    zero = chebyshev(_EI_ZERO, 8 * about - 3) * ((about - _ZERO) - _ZERO_REST)
    near = close * chebyshev(_EI_NEAR, close / 4 - 1) + _EULER + fnp.log(close)
    half = fnp.exp(wide / 2)  # its square may be too large where the result is not
    far = chebyshev(_EI_FAR, 16 / wide - 1) * half / wide * half
    return fnp.where(is_zero, zero, fnp.where(is_near, near, far))


@custom_jvp
def _expi(x: Array) -> Array:
    wide = x.astype(np.float64)
    is_positive, is_negative = (wide > 0) & (wide < fnp.inf), wide < 0
    above = _expi_of_positive(fnp.where(is_positive, wide, 1))
    below = -_exp1_of_positive(fnp.where(is_negative, -wide, 1))
    edge = fnp.where(wide == 0, -fnp.inf, wide)  # infinity and NaN are themselves
    return fnp.where(is_positive, above, fnp.where(is_negative, below, edge)).astype(x.dtype)


_expi.defjvps(lambda tangent, _, x: tangent * fnp.exp(x) / x)


def expi(x: ArrayLike) -> Array:
    """The exponential integral Ei, the principal value of ∫ eᵗ/t dt from −∞ to x; −∞ at 0.

    >>> round(float(expi(1.0)), 12)
    1.895117816356
    """
    return _expi(one_float("expi", x))


def _dilogarithm(u: Array) -> Array:
    """Of u in [−1, ½]."""
    out: Array = u * chebyshev(_LI2, (4 * u + 1) / 3)
    return out


@custom_jvp
def _spence(z: Array) -> Array:
    """By the reflection and the inversion of the dilogarithm from where its series is quick."""
    wide = z.astype(np.float64)
    is_low, is_high = (wide > 0) & (wide < 0.5), wide > 2
    low, high = fnp.where(is_low, wide, 0.25), fnp.where(is_high, wide, 4)
    middle = fnp.where((wide >= 0.5) & ~is_high, wide, 1)
    reflected = pi * pi / 6 - fnp.log(low) * fnp.log1p(-low) - _dilogarithm(low)
    inverted = -pi * pi / 6 - fnp.log(high - 1) ** 2 / 2 - _dilogarithm(1 / (1 - high))
    inside = fnp.where(is_low, reflected, fnp.where(is_high, inverted, _dilogarithm(1 - middle)))
    edge = fnp.where(wide == 0, pi * pi / 6, fnp.nan)
    return fnp.where(wide > 0, inside, edge).astype(z.dtype)


def _slope_of_spence(z: Array) -> Array:
    """log z / (1 − z), −1 at 1."""
    is_one = z == 1
    other = fnp.where(is_one, 2, z)
    return fnp.where(is_one, -1, fnp.log(other) / (1 - other))


_spence.defjvps(lambda tangent, _, z: tangent * _slope_of_spence(z))


def spence(z: ArrayLike) -> Array:
    """Spence's function, ∫ log t / (1 − t) dt from 1 to z, the dilogarithm of 1 − z; NaN below 0.

    >>> round(float(spence(0.0)), 12)
    1.644934066848
    """
    return _spence(one_float("spence", z))
