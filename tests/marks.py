"""Marks that test files share."""

import pytest

from functrans.backends.executable import why_numpy

__all__ = ["native"]

native = pytest.mark.skipif(bool(why_numpy()), reason=why_numpy())
"""A test of machine code."""
