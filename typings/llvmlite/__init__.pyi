from llvmlite import binding as binding

__version__: str
