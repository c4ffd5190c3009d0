"""functrans.scipy.special: SciPy's special functions of real arrays, with derivatives in every argument that has one.

Values are within a few units in the last place of SciPy's (tests/test_special_functions.py says how many); integers become
float64, float32 stays. Plain `scipy.special` reaches those that are ufuncs there when it meets a traced value. Start reading at
`exponential`.
"""

from functrans.scipy.special.bessel import i0, i0e, i1, i1e
from functrans.scipy.special.beta import beta, betainc, betaln, binom
from functrans.scipy.special.exponential import (
    entr,
    expit,
    kl_div,
    log_expit,
    log_softmax,
    logit,
    logsumexp,
    rel_entr,
    softmax,
    xlog1py,
    xlogy,
)
from functrans.scipy.special.gamma import (
    digamma,
    factorial,
    gamma,
    gammainc,
    gammaincc,
    gammaln,
    gammasgn,
    multigammaln,
    poch,
    polygamma,
    psi,
    rgamma,
    zeta,
)
from functrans.scipy.special.integrals import exp1, expi, spence
from functrans.scipy.special.normal import erf, erfc, erfcinv, erfinv, log_ndtr, ndtr, ndtri
from functrans.scipy.special.oscillating import fresnel, sici

__all__ = [
    "beta", "betainc", "betaln", "binom", "digamma", "entr", "erf", "erfc", "erfcinv", "erfinv", "exp1", "expi",
    "expit", "factorial", "fresnel", "gamma", "gammainc", "gammaincc", "gammaln", "gammasgn", "i0", "i0e", "i1", "i1e",
    "kl_div", "log_expit", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "poch",
    "polygamma", "psi", "rel_entr", "rgamma", "sici", "softmax", "spence", "xlog1py", "xlogy", "zeta",
]  # fmt: skip
