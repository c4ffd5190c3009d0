"""Machine code by llvmlite: the only place that imports it, and there inside functions, so that `import functrans` does not.

`ir.py` and `function.py` write LLVM's text, `target.py` says what the machine has, `engine.py` turns text into addresses.
"""
