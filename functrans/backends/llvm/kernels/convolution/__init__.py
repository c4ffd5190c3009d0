"""Convolutions: what `kernels/convolve.py` is made of.

`plan.py`: sizes, distances, and where what lies; `planes.py`: of images as they are read; `phases.py`: of places that meet the
same elements of spread images. `copies.py`: images padded, windows packed; `tiles.py`: the kernel, which takes
the elements of the images' patches straight from the padded images; `runs.py`: that for few features.
"""
