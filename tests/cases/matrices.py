"""Rows for functrans.ops.cholesky, solve, qr, eigen and svd: matrices that are far from singular, with values well apart."""

from collections.abc import Callable
from typing import Any

import numpy as np

from functrans.ops.cholesky import cholesky, cholesky_p, triangular_solve, triangular_solve_p
from functrans.ops.eigen import eig, eig_p, eigh, eigh_p
from functrans.ops.matrices import adjoint, matmul
from functrans.ops.qr import qr, qr_p
from functrans.ops.solve import cofactor_p, det, det_p, slogdet, slogdet_p, solve, solve_p
from functrans.ops.svd import pinv, pinv_p, svd, svd_p
from functrans.typing import Array
from tests.cases.case import Case, Operand

_DTYPES = ("float64", "complex128")
_TOLERANCE = 1e-10


def _spread(x: Array) -> Array:
    """With 4, 8, 12, … added to the diagonal of small numbers."""
    shape = x.shape[-2:]
    by = (np.eye(*shape) * 4 * np.arange(1, shape[1] + 1)).astype(x.dtype)
    out: Array = x + by
    return out


def _row(
    primitive: Any, name: str, fun: Callable[..., Any], reference: Callable[..., Any], *shapes: tuple[int, ...]
) -> Case:
    operands = tuple(Operand(shape, -1, 1) for shape in shapes)
    return Case(primitive, fun, reference, operands, _DTYPES, name=name, rtol=_TOLERANCE)


def _triangle(lower: bool, transposed: bool, unit: bool) -> Case:
    def reference(a: Array, b: Array) -> Array:
        part = np.tril(_spread(a), -unit) if lower else np.triu(_spread(a), unit)
        part = part + unit * np.eye(a.shape[-1])
        return np.linalg.solve(np.swapaxes(part, -1, -2) if transposed else part, b)

    return _row(
        triangular_solve_p,
        f"{lower=} {transposed=} {unit=}",
        lambda a, b: triangular_solve(_spread(a), b, lower=lower, transposed=transposed, unit=unit),
        reference,
        (2, 3, 3),
        (2, 3, 2),
    )


def _definite(a: Array) -> Array:
    x = _spread(a)
    return matmul(x, adjoint(x))


def _magnitudes(*parts: Array) -> tuple[Array, ...]:
    """What does not depend on the phases of vectors."""
    return tuple(np.abs(part) ** 2 for part in parts)


def _of_eigh(w: Array, v: Array) -> tuple[Array, ...]:
    return (w, *_magnitudes(v))


def _of_svd(u: Array, s: Array, vh: Array) -> tuple[Array, ...]:
    k = s.shape[-1]
    beyond = u[..., k:] @ np.conj(np.swapaxes(u[..., k:], -1, -2))
    return (s, *_magnitudes(u[..., :k], vh[..., :k, :]), beyond)


CASES = (
    _triangle(True, False, False),
    _triangle(False, True, False),
    _triangle(False, False, True),
    _row(cholesky_p, "", lambda a: cholesky(_definite(a)), lambda a: np.linalg.cholesky(_definite(a)), (2, 3, 3)),
    _row(
        solve_p,
        "",
        lambda a, b: solve(_spread(a), b),
        lambda a, b: np.linalg.solve(_spread(a), b),
        (2, 3, 3),
        (2, 3, 2),
    ),
    _row(det_p, "", lambda a: det(_spread(a)), lambda a: np.linalg.det(_spread(a)), (2, 3, 3)),
    _row(
        cofactor_p,
        "",
        lambda a: cofactor_p.bind(_spread(a))[0],
        lambda a: np.swapaxes(np.linalg.inv(_spread(a)), -1, -2) * np.linalg.det(_spread(a))[..., None, None],
        (2, 3, 3),
    ),
    _row(slogdet_p, "", lambda a: slogdet(_spread(a)), lambda a: tuple(np.linalg.slogdet(_spread(a))), (2, 3, 3)),
    _row(qr_p, "tall", lambda a: qr(_spread(a)), lambda a: tuple(np.linalg.qr(_spread(a))), (4, 3)),
    _row(qr_p, "square", lambda a: qr(_spread(a), full=True), lambda a: tuple(np.linalg.qr(_spread(a))), (2, 3, 3)),
    _row(
        eigh_p,
        "",
        lambda a: _of_eigh(*eigh(_definite(a))),
        lambda a: _of_eigh(*np.linalg.eigh(_definite(a))),
        (2, 3, 3),
    ),
    _row(eig_p, "", lambda a: _of_eigh(*eig(_spread(a))), lambda a: _of_eigh(*np.linalg.eig(_spread(a) + 0j)), (3, 3)),
    _row(
        svd_p,
        "wide",
        lambda a: _of_svd(*svd(_spread(a))),
        lambda a: _of_svd(*np.linalg.svd(_spread(a), full_matrices=False)),
        (2, 2, 3),
    ),
    _row(
        svd_p,
        "full",
        lambda a: _of_svd(*svd(_spread(a), full=True)),
        lambda a: _of_svd(*np.linalg.svd(_spread(a))),
        (4, 2),
    ),
    _row(pinv_p, "", lambda a: pinv(_spread(a), 1e-15), lambda a: np.linalg.pinv(_spread(a)), (3, 2)),
)
