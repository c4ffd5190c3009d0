"""The kernel: abstract values, primitives and the current trace, the IR with its printer and checker.

It names no feature and no primitive. Start reading at `primitive.py`.
"""

from functrans.core import printer as printer  # jaxprs print once it is imported
