"""functrans.numpy: NumPy's functions, for arrays and for tracers.

With no tracer among the arguments each of them is NumPy's own function; with one, the computation is traced. Plain
`import numpy as np` reaches the same traced functions through NumPy's protocols, so this module is needed only where NumPy
does not dispatch: `array`, `asarray`, `full` of traced values, and `at` for updates of arrays. What needs no tracing is
NumPy's own: dtypes, constants, `zeros`, `linspace` of numbers. Start reading at `dispatch`, then `ufuncs`.
"""
# isort: skip_file
# fmt: off

from typing import TYPE_CHECKING

from numpy import (
    ndarray, generic, number, integer, inexact, floating, complexfloating, signedinteger, unsignedinteger, bool_,
    int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, float32, float64, complex64, complex128, intp,
    uintp, int_, uint, single, double, csingle, cdouble, dtype, finfo, iinfo, issubdtype, promote_types,
    isdtype, isscalar, pi, e, inf, nan, euler_gamma, newaxis, zeros, ones, empty, eye, identity, tri, indices,
    fromfunction, frombuffer, fromiter, fromstring, hanning, hamming, blackman, bartlett, kaiser, broadcast_shapes,
    unravel_index, ravel_multi_index, s_, index_exp, mgrid, ogrid, r_, c_, diag_indices, tril_indices,
    triu_indices, mask_indices, ndindex, errstate, seterr, geterr, printoptions, set_printoptions, get_printoptions,
    array_repr, array_str, array2string, save, savez, load, iterable, bool, from_dlpack, __array_api_version__,
)
from functrans.numpy.array import ArrayTracer as _ArrayTracer  # first: `array` is the function, not this
from functrans.numpy.creation import (
    arange, array, asanyarray, asarray, ascontiguousarray, astype, copy, diag, diagflat, diagonal, empty_like, full,
    full_like, geomspace, linspace, logspace, meshgrid, ones_like, trace, tril, triu, vander, zeros_like,
    asfortranarray, diag_indices_from, min_scalar_type, require, tril_indices_from, triu_indices_from,
)
from functrans.numpy.shapes import (
    atleast_1d, atleast_2d, atleast_3d, broadcast_arrays, broadcast_to, expand_dims, flip, fliplr, flipud,
    matrix_transpose, moveaxis, ndim, permute_dims, ravel, reshape, roll, rollaxis, rot90, shape, size, squeeze,
    swapaxes, transpose,
)
from functrans.numpy.joining import (
    append, array_split, block, column_stack, concat, concatenate, dsplit, dstack, hsplit, hstack, split, stack,
    unstack, vsplit, vstack,
)
from functrans.numpy.repeating import (
    delete, insert, pad, repeat, resize, tile,
)
from functrans.numpy.elementwise import (
    allclose, angle, around, array_equal, array_equiv, can_cast, common_type, fix, imag, interp, isclose, iscomplex,
    iscomplexobj, isneginf, isposinf, isreal, isrealobj, nan_to_num, real, real_if_close, result_type, round, sinc,
)
from functrans.numpy.selection import (
    argpartition, argsort, choose, clip, compress, partition, select, sort, sort_complex, take, take_along_axis, where,
)
from functrans.numpy.reductions import (
    all, amax, amin, any, argmax, argmin, count_nonzero, max, min, prod, ptp, sum,
)
from functrans.numpy.nan_reductions import (
    nanargmax, nanargmin, nancumprod, nancumsum, nanmax, nanmean, nanmin, nanprod, nanstd, nansum, nanvar,
)
from functrans.numpy.statistics import (
    average, mean, std, var,
)
from functrans.numpy.cumulative import (
    cumprod, cumsum, cumulative_prod, cumulative_sum, diff, ediff1d, gradient, trapezoid, unwrap,
)
from functrans.numpy.products import (
    convolve, correlate, cross, dot, inner, kron, matmul, matvec, outer, tensordot, vdot, vecdot, vecmat,
)
from functrans.numpy.value_dependent import (
    argwhere, extract, flatnonzero, ix_, nonzero, trim_zeros,
)
from functrans.numpy.writing import copyto, fill_diagonal, place, put, put_along_axis, putmask
from functrans.numpy.searching import (
    digitize, isin, lexsort, searchsorted,
)
from functrans.numpy.einsum import (
    einsum, einsum_path,
)
from functrans.numpy.at import (
    at,
)
from functrans.numpy.late import late_names as _late_names
from functrans.numpy.ufuncs import (
    abs, absolute, acos, acosh, add, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh, atan,
    atan2, atanh, bitwise_and, bitwise_count, bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or,
    bitwise_right_shift, bitwise_xor, cbrt, ceil, conj, conjugate, copysign, cos, cosh, deg2rad, degrees, divide,
    divmod, equal, exp, exp2, expm1, fabs, float_power, floor, floor_divide, fmax, fmin, fmod, frexp, gcd, greater,
    greater_equal, heaviside, hypot, invert, isfinite, isinf, isnan, lcm, ldexp, left_shift, less, less_equal, log,
    log10, log1p, log2, logaddexp, logaddexp2, logical_and, logical_not, logical_or, logical_xor, maximum, minimum,
    mod, modf, multiply, negative, nextafter, not_equal, positive, pow, power, rad2deg, radians, reciprocal,
    remainder, right_shift, rint, sign, signbit, sin, sinh, spacing, sqrt, square, subtract, tan, tanh, true_divide,
    trunc,
)

if TYPE_CHECKING:  # what is imported when it is first asked for
    from functrans.numpy.quantiles import (
        median, nanmedian, nanpercentile, nanquantile, percentile, quantile,
    )
    from functrans.numpy.covariance import (
        corrcoef, cov,
    )
    from functrans.numpy.histograms import (
        bincount, histogram, histogram2d, histogram_bin_edges, histogramdd,
    )
    from functrans.numpy.sets import (
        intersect1d, setdiff1d, setxor1d, union1d, unique, unique_all, unique_counts, unique_inverse, unique_values,
    )
    from functrans.numpy.polynomials import (
        poly, polyadd, polyder, polydiv, polyfit, polyint, polymul, polysub, polyval, roots,
    )
    from functrans.numpy.applying import (
        apply_along_axis, apply_over_axes, piecewise, sliding_window_view,
    )
    from functrans.numpy.bits import (
        packbits, unpackbits,
    )
    from functrans.numpy.standard import __array_namespace_info__
    from functrans.numpy import fft as fft, linalg as linalg, scimath as emath

__getattr__, __dir__ = _late_names(globals())

del _late_names, _ArrayTracer  # imported so that the submodule `array` does not later take the function's name

__all__ = [
    "__array_api_version__", "__array_namespace_info__",
    "abs", "absolute", "acos", "acosh", "add", "all", "allclose", "amax", "amin", "angle", "any", "append",
    "apply_along_axis", "apply_over_axes", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2",
    "arctanh", "argmax", "argmin", "argpartition", "argsort", "argwhere", "around", "array", "array2string",
    "array_equal", "array_equiv", "array_repr", "array_split", "array_str", "asanyarray", "asarray",
    "ascontiguousarray", "asfortranarray", "asin", "asinh", "astype", "at", "atan", "atan2", "atanh", "atleast_1d",
    "atleast_2d", "atleast_3d", "average", "bartlett", "bincount", "bitwise_and", "bitwise_count", "bitwise_invert",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "blackman", "block",
    "bool", "bool_", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "c_", "can_cast", "cbrt", "cdouble", "ceil",
    "choose", "clip", "column_stack", "common_type", "complex128", "complex64", "complexfloating", "compress", "concat",
    "concatenate", "conj", "conjugate", "convolve", "copy", "copysign", "copyto", "corrcoef", "correlate", "cos",
    "cosh", "count_nonzero", "cov", "cross", "csingle", "cumprod", "cumsum", "cumulative_prod", "cumulative_sum",
    "deg2rad", "degrees", "delete", "diag", "diag_indices", "diag_indices_from", "diagflat", "diagonal", "diff",
    "digitize", "divide", "divmod", "dot", "double", "dsplit", "dstack", "dtype", "e", "ediff1d", "einsum",
    "einsum_path", "emath",
    "empty", "empty_like", "equal", "errstate", "euler_gamma", "exp", "exp2", "expand_dims", "expm1", "extract", "eye",
    "fabs", "fill_diagonal", "finfo", "fix", "flatnonzero", "flip", "fliplr", "flipud", "float16", "float32", "float64",
    "float_power", "floating", "floor", "floor_divide", "fmax", "fmin", "fmod", "frexp", "from_dlpack", "frombuffer",
    "fromfunction", "fromiter", "fromstring", "full", "full_like", "gcd", "generic", "geomspace", "get_printoptions", "geterr",
    "gradient", "greater", "greater_equal", "hamming", "hanning", "heaviside", "histogram", "histogram2d",
    "histogram_bin_edges", "histogramdd", "hsplit", "hstack", "hypot", "identity", "iinfo", "imag", "index_exp",
    "indices", "inexact", "inf", "inner", "insert", "int16", "int32", "int64", "int8", "int_", "integer", "interp",
    "intersect1d", "intp", "invert", "isclose", "iscomplex", "iscomplexobj", "isdtype", "isfinite", "isin", "isinf",
    "isnan", "isneginf", "isposinf", "isreal", "isrealobj", "isscalar", "issubdtype", "iterable", "ix_", "kaiser",
    "kron", "lcm", "ldexp", "left_shift", "less", "less_equal", "lexsort", "linspace", "load", "log", "log10", "log1p",
    "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "logspace",
    "mask_indices", "matmul", "matrix_transpose", "matvec", "max", "maximum", "mean", "median", "meshgrid", "mgrid",
    "min", "min_scalar_type", "minimum", "mod", "modf", "moveaxis", "multiply", "nan", "nan_to_num", "nanargmax",
    "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod",
    "nanquantile", "nanstd", "nansum", "nanvar", "ndarray", "ndim", "ndindex", "negative", "newaxis", "nextafter",
    "nonzero", "not_equal", "number", "ogrid", "ones", "ones_like", "outer", "packbits", "pad", "partition",
    "percentile", "permute_dims", "pi", "piecewise", "place", "poly", "polyadd", "polyder", "polydiv",
    "polyfit", "polyint", "polymul",
    "polysub", "polyval", "positive", "pow", "power", "printoptions", "prod", "promote_types", "ptp", "put",
    "put_along_axis", "putmask", "quantile", "r_", "rad2deg", "radians", "ravel", "ravel_multi_index", "real",
    "real_if_close", "reciprocal", "remainder", "repeat", "require", "reshape", "resize", "result_type", "right_shift",
    "rint", "roll", "rollaxis", "roots", "rot90", "round", "s_", "save", "savez", "searchsorted", "select",
    "set_printoptions",
    "setdiff1d", "seterr", "setxor1d", "shape", "sign", "signbit", "signedinteger", "sin", "sinc", "single", "sinh",
    "size", "sliding_window_view", "sort", "sort_complex", "spacing", "split", "sqrt", "square", "squeeze", "stack",
    "std", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensordot", "tile", "trace",
    "transpose", "trapezoid", "tri", "tril", "tril_indices", "tril_indices_from", "trim_zeros", "triu", "triu_indices",
    "triu_indices_from", "true_divide", "trunc", "uint", "uint16", "uint32", "uint64", "uint8", "uintp", "union1d",
    "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values", "unpackbits", "unravel_index",
    "unsignedinteger", "unstack", "unwrap", "vander", "var", "vdot", "vecdot", "vecmat", "vsplit", "vstack", "where",
    "zeros", "zeros_like",
]
