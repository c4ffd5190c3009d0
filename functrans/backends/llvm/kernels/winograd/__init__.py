"""Convolutions by Winograd's sums, which need fewer products: what `kernels/convolve.py` takes where `plan.py` says they pay.

`matrices.py`: the sums, for tiles of some places and windows of some taps; `transforms.py`: their code; `points.py`: the
products; `copies.py`: images and windows laid out for vectors of features, and back; `stages.py`: the loops around all that.
"""
