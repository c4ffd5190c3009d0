"""functrans.scipy: those of SciPy's modules that JAX has too, in functions that can be traced.

They are `linalg`, `optimize`, `sparse`, `special` and `stats`. As in SciPy, a module is imported by its name:
`import functrans.scipy.optimize`.
"""
