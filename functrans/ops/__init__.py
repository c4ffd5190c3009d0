"""The primitives, a file per family that is closed under its own derivatives.

Start reading at `families.py`, which derives what can be derived, then `arithmetic.py` for what a primitive looks like.
"""
