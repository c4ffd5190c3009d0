"""The backends: what runs a jaxpr. `numpy.py` is the reference, which runs everywhere."""
