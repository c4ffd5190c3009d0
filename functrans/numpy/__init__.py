"""functrans.numpy: NumPy's functions, for arrays and for tracers."""
