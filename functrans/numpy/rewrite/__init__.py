"""For error messages: the user's code, rewritten so that it works with traced values.

`site` finds what is running and describes its operands, `expressions` rewrites what needs a value, and `control`,
which is imported when it is first needed, branches and loops. Imports `core.source`; start reading at `site`.
"""

from functrans.numpy.rewrite.expressions import replacing, rewritten
from functrans.numpy.rewrite.site import Site, described, site

__all__ = ["Site", "described", "replacing", "rewritten", "site"]
