"""functrans.solvers: roots, fixed points and least squares of functions of trees, differentiable in what these close over.

Each finds its solution by a traced loop, which need not be differentiated: derivatives in both modes come from the equation
that holds at the solution (`lax.custom_root`). Minimisers are in `functrans.scipy.optimize`. Start reading at `roots.py`.
"""

from functrans.solvers.fixed_point import anderson
from functrans.solvers.least_squares import gauss_newton, levenberg_marquardt
from functrans.solvers.minimum import bfgs, l_bfgs
from functrans.solvers.roots import bisect, newton
from functrans.solvers.solution import Solution

__all__ = ["Solution", "anderson", "bfgs", "bisect", "gauss_newton", "l_bfgs", "levenberg_marquardt", "newton"]
