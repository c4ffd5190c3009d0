"""Integrals of sines and cosines: sici, fresnel.

Chebyshev series of the entire functions near 0, and of the auxiliary functions f and g from a border on, of which the integrals
are sums with sines and cosines; their coefficients were computed with 40 digits. Imports functrans.numpy; start reading at
`sici`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import numpy as np

import functrans.numpy as fnp
from functrans.scipy.special.chebyshev import chebyshev
from functrans.scipy.special.operands import one_float
from functrans.transforms.custom import custom_jvp
from functrans.typing import Array, ArrayLike

__all__ = ["fresnel", "sici"]

_SI = (
    1.368435340181516, -0.2776578526973602, 0.03544140548666592, -0.0025631631447933976, 0.00011623653904970093,
    -3.5904327241606043e-06, 8.023421237057102e-08, -1.3562997692540251e-09, 1.7944072159973677e-11,
    -1.9083873430871455e-13, 1.6669989586824331e-15, -1.2173098836850304e-17,
)  # fmt: skip
_CIN = (
    0.3707450175090969, -0.058935748963644466, 0.005381896421135691, -0.00029860052841962137, 1.09557257532162e-05,
    -2.840545487734663e-07, 5.469739948753849e-09, -8.124187461318157e-11, 9.58685931177066e-13,
    -9.20266004392351e-15, 7.325887999017895e-17,
)  # fmt: skip
_F = (
    1.9095267768065876, -0.0410699867196166, 0.003510547451979443, -0.0005172175488768527, 0.00010328193778536401,
    -2.5139407613382352e-05, 7.046299766746879e-06, -2.1974483848031207e-06, 7.455004638205959e-07,
    -2.708631114149491e-07, 1.0420323162393677e-07, -4.208421591372028e-08, 1.7724757498225048e-08,
    -7.74422777800052e-09, 3.4951406359013262e-09, -1.6237582824385952e-09, 7.742528363926332e-10,
    -3.7799091899163987e-10, 1.88541422775123e-10, -9.59125670597109e-11, 4.9682959803373714e-11,
    -2.6170247508461882e-11, 1.400080254948077e-11, -7.599391900206698e-12, 4.180924280099731e-12,
    -2.3295031985936935e-12, 1.3134666656043205e-12, -7.489259710374078e-13, 4.3156892152689053e-13,
    -2.5119135630243766e-13, 1.4759641639782206e-13, -8.750963270367222e-14, 5.233039470178287e-14,
    -3.154964169123433e-14, 1.9169672439088453e-14, -1.1734494182344822e-14, 7.234422466800514e-15,
    -4.490589031143725e-15, 2.8057028649096463e-15, -1.764029880543182e-15, 1.1158102887388897e-15,
    -7.098978514698264e-16, 4.541814874168909e-16, -2.9214847308331e-16, 1.889018072134379e-16,
    -1.2275785264396028e-16, 8.016224053706395e-17, -5.259307069733214e-17, 3.466248980093948e-17,
    -2.294570420357051e-17, 1.5254377457068025e-17, -1.0183171654706514e-17, 6.825176639206427e-18,
)  # fmt: skip
_G = (
    1.7683989049048667, -0.10005788518210433, 0.012620432620807134, -0.0023462168947058176, 0.000551332382934603,
    -0.00015195038861323185, 4.7073797699758375e-05, -1.5961270265510487e-05, 5.8179485492273865e-06,
    -2.2508864416686086e-06, 9.156512743606252e-07, -3.888480555539212e-07, 1.714194880024692e-07,
    -7.809375500314394e-08, 3.6631597833534293e-08, -1.76384904168849e-08, 8.696178410539918e-09,
    -4.380464863692864e-09, 2.2502675038852276e-09, -1.17700015758502e-09, 6.259545254121298e-10,
    -3.380666786792554e-10, 1.8521945455693237e-10, -1.0284402466040088e-10, 5.782395348462654e-11,
    -3.289567950916926e-11, 1.892218367328876e-11, -1.099847313875761e-11, 6.4561645843208235e-12,
    -3.825356633472976e-12, 2.286744820899326e-12, -1.37854898444379e-12, 8.377430096752081e-13,
    -5.13005936010407e-13, 3.1645200388331477e-13, -1.9657529583192865e-13, 1.2292979597163036e-13,
    -7.737004483120245e-14, 4.8996417636206956e-14, -3.1212402159820345e-14, 1.999694559247081e-14,
    -1.2881961826000194e-14, 8.342496389971865e-15, -5.43030982783182e-15, 3.5521501021268877e-15,
    -2.3346618536137024e-15, 1.541538846877809e-15, -1.0223939465949516e-15, 6.810112364304923e-16,
    -4.555169637093197e-16, 3.059243804991138e-16, -2.062674006648893e-16, 1.3960607949323874e-16,
    -9.483920907502071e-17, 6.466007676987007e-17, -4.423908367421901e-17, 3.0370818485539517e-17,
    -2.0919341039657766e-17, 1.44558286080707e-17, -1.0020869236093085e-17, 6.96787875969886e-18,
)  # fmt: skip
_FRESNEL_S = (
    0.5294666200993142, -0.2103718681174676, 0.043326063903101064, -0.004822546600746415, 0.00032933783653436464,
    -1.5136792858910796e-05, 4.996376562288125e-07, -1.2415817042922154e-08, 2.4067073593201477e-10,
    -3.7412154147913095e-12, 4.768170361393414e-14, -5.073362739833758e-16, 4.574947184847051e-18,
)  # fmt: skip
_FRESNEL_C = (
    0.908996316507976, -0.38625019135522703, 0.13555426522547234, -0.02165953709597528, 0.0019247656428570262,
    -0.0001087078142111697, 4.2499559125408645e-06, -1.2193106757591063e-07, 2.6781263377216075e-09,
    -4.650049030319006e-11, 6.544959471684279e-13, -7.620196148133564e-15, 7.462152909479592e-17,
)  # fmt: skip
_FRESNEL_F = (
    1.973223518568713, -0.012636196138140057, 0.0006670540229017023, -7.105818201690271e-05, 1.1042046831069852e-05,
    -2.18335135643746e-06, 5.114235927976981e-07, -1.3600717327845364e-07, 3.994976657664981e-08,
    -1.2717617269055273e-08, 4.328083955141535e-09, -1.5586119685118152e-09, 5.892595464949609e-10,
    -2.324327747807364e-10, 9.517717710427595e-11, -4.029302304241759e-11, 1.7575468545207902e-11,
    -7.876213580314802e-12, 3.6174392234055863e-12, -1.6992116443936872e-12, 8.148304068174904e-13,
    -3.9826464759081897e-13, 1.9813246701665784e-13, -1.0020361442360583e-13, 5.1461046678482733e-14,
    -2.6811146562180727e-14, 1.4158297440492295e-14, -7.57216832347944e-15, 4.0985501467228204e-15,
    -2.243657507480895e-15, 1.2414797500662166e-15, -6.939719185364973e-16, 3.916924481110936e-16,
    -2.2312524322419404e-16, 1.282233230684812e-16, -7.430680714197764e-17, 4.340845193549928e-17,
    -2.5553841916007195e-17, 1.5154323017973887e-17, -9.050794878240009e-18,
)  # fmt: skip
_FRESNEL_G = (
    1.8813862507902097, -0.05392867936408308, 0.004582923166305281, -0.0006389230376241096, 0.00011920262612957796,
    -2.7028494226297792e-05, 7.059141624541816e-06, -2.0542545168823887e-06, 6.515107443166228e-07,
    -2.2171494829588647e-07, 8.004161640863877e-08, -3.038951110615611e-08, 1.2052828791612417e-08,
    -4.9668174728231105e-09, 2.117374849820741e-09, -9.304358856203502e-10, 4.201840016190252e-10,
    -1.9451514393839684e-10, 9.210540824152784e-11, -4.452678173755342e-11, 2.1940912742178758e-11,
    -1.1004384459999995e-11, 5.610585954770384e-12, -2.9046746971640338e-12, 1.5254620097754488e-12,
    -8.119560083814841e-13, 4.37665158028063e-13, -2.3873406261132774e-13, 1.3169321836169823e-13,
    -7.34223348576776e-14, 4.134950325970732e-14, -2.351100051831571e-14, 1.3490548388637554e-14,
    -7.808370555324078e-15, 4.557138179248736e-15, -2.6808108883982606e-15, 1.5890402918441403e-15,
    -9.487704771501324e-16, 5.704491926207959e-16, -3.452890230018911e-16, 2.1035200904327592e-16,
    -1.2894476896230235e-16, 7.951616704202893e-17, -4.931841650116013e-17, 3.075937481129494e-17,
    -1.9287602613636743e-17, 1.215720116564036e-17, -7.701406205672938e-18,
)  # fmt: skip
_BORDER, _FRESNEL_BORDER = 4.0, 1.75
_EULER = float(np.euler_gamma)


def _in_double(x: Array, of_positive: Callable[[Array], Array], at_zero: float, at_infinity: float) -> Array:
    """A function of |x|, from one of positive finite numbers."""
    size = fnp.abs(x.astype(np.float64))
    is_inside = (size > 0) & (size < fnp.inf)
    out = of_positive(fnp.where(is_inside, size, 1))
    edge = fnp.where(size == 0, at_zero, fnp.where(size == fnp.inf, at_infinity, fnp.nan))
    return fnp.where(is_inside, out, edge)


def _parts(x: Array, border: float) -> tuple[Array, Array, Array]:
    """Where x is up to the border, it there, and it from there."""
    is_near = x <= border
    return is_near, fnp.where(is_near, x, border), fnp.where(is_near, border, x)


# ---- sine and cosine integrals ----


def _auxiliary(x: Array) -> tuple[Array, Array]:
    """Of large x, f and g with Si = π/2 − f cos − g sin and Ci = f sin − g cos."""
    t = 2 * (_BORDER / x) ** 2 - 1
    return chebyshev(_F, t) / x, chebyshev(_G, t) / x / x


def _si_of_positive(x: Array) -> Array:
    is_near, near, far = _parts(x, _BORDER)
    f, g = _auxiliary(far)
    rest = pi / 2 - f * fnp.cos(far) - g * fnp.sin(far)
    return fnp.where(is_near, near * chebyshev(_SI, near * near / 8 - 1), rest)


def _ci_of_positive(x: Array) -> Array:
    is_near, near, far = _parts(x, _BORDER)
    f, g = _auxiliary(far)
    square = near * near
    close = _EULER + fnp.log(near) - square * chebyshev(_CIN, square / 8 - 1)
    return fnp.where(is_near, close, f * fnp.sin(far) - g * fnp.cos(far))


@custom_jvp
def _si(x: Array) -> Array:
    return fnp.copysign(_in_double(x, _si_of_positive, 0.0, pi / 2), x).astype(x.dtype)


@custom_jvp
def _ci(x: Array) -> Array:
    return fnp.where(x == -fnp.inf, fnp.nan, _in_double(x, _ci_of_positive, -fnp.inf, 0.0)).astype(x.dtype)


_si.defjvps(lambda tangent, _, x: tangent * fnp.sinc(x / pi))
_ci.defjvps(lambda tangent, _, x: tangent * fnp.cos(x) / x)


def sici(x: ArrayLike) -> tuple[Array, Array]:
    """The sine integral ∫ sin t / t dt from 0 to x, and the cosine integral, for negative x its real part.

    Beside a zero of the cosine integral its error is small beside 1 and not beside its value.

    >>> si, ci = sici(1.0)
    >>> round(float(si), 12), round(float(ci), 12)
    (0.946083070367, 0.337403922901)
    """
    x = one_float("sici", x)
    return _si(x), _ci(x)


# ---- Fresnel's integrals ----


def _quarter_turns(x: Array) -> Array:
    """x² modulo 4, of the exact square: a rounded one of large x is off by whole turns."""
    high = x.astype(np.float32).astype(np.float64)
    low = x - high
    return fnp.mod(fnp.mod(high * high, 4) + fnp.mod(2 * high * low, 4) + low * low, 4)


def _fresnel_auxiliary(x: Array) -> tuple[Array, Array, Array]:
    """f, g and the angle, with S = ½ − f cos − g sin and C = ½ + f sin − g cos."""
    t = 2 * (_FRESNEL_BORDER / x) ** 4 - 1
    f, g = chebyshev(_FRESNEL_F, t) / (pi * x), chebyshev(_FRESNEL_G, t) / (pi * pi) / x / x / x
    return f, g, pi / 2 * _quarter_turns(x)


def _s_of_positive(x: Array) -> Array:
    is_near, near, far = _parts(x, _FRESNEL_BORDER)
    f, g, angle = _fresnel_auxiliary(fnp.minimum(far, 1e30))
    close = near * near * near * chebyshev(_FRESNEL_S, 2 * (near / _FRESNEL_BORDER) ** 4 - 1)
    return fnp.where(is_near, close, 0.5 - f * fnp.cos(angle) - g * fnp.sin(angle))


def _c_of_positive(x: Array) -> Array:
    is_near, near, far = _parts(x, _FRESNEL_BORDER)
    f, g, angle = _fresnel_auxiliary(fnp.minimum(far, 1e30))
    close = near * chebyshev(_FRESNEL_C, 2 * (near / _FRESNEL_BORDER) ** 4 - 1)
    return fnp.where(is_near, close, 0.5 + f * fnp.sin(angle) - g * fnp.cos(angle))


@custom_jvp
def _s(x: Array) -> Array:
    return fnp.copysign(_in_double(x, _s_of_positive, 0.0, 0.5), x).astype(x.dtype)


@custom_jvp
def _c(x: Array) -> Array:
    return fnp.copysign(_in_double(x, _c_of_positive, 0.0, 0.5), x).astype(x.dtype)


_s.defjvps(lambda tangent, _, x: tangent * fnp.sin(pi / 2 * x * x))
_c.defjvps(lambda tangent, _, x: tangent * fnp.cos(pi / 2 * x * x))


def fresnel(z: ArrayLike) -> tuple[Array, Array]:
    """Fresnel's integrals ∫ sin(π t² / 2) dt and ∫ cos(π t² / 2) dt from 0 to z.

    >>> s, c = fresnel(1.0)
    >>> round(float(s), 12), round(float(c), 12)
    (0.43825914739, 0.779893400377)
    """
    z = one_float("fresnel", z)
    return _s(z), _c(z)
