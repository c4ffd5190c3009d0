"""What a program asks of the process that it runs in: a table of pointers, the last argument of every program.

Object code that stands alone has an empty one. Imports nothing; start reading at `SERVICES`.
"""

__all__ = ["ERROR", "HOST", "INTERRUPTED", "OUT_OF_MEMORY", "PARALLEL", "PYTHON", "SERVICES"]

HOST = 0
"""The Python function that runs a step, of the step's number and the address of a table of pointers; it gives a status."""
PARALLEL = 1
"""The cell with the function that runs chunks in parallel, or null."""
PYTHON = (
    "PyGILState_Ensure", "PyGILState_Release", "PyErr_CheckSignals", "PyErr_Fetch", "PyObject_Vectorcall",
    "PyLong_FromLongLong", "PyLong_AsLongLong", "Py_DecRef", "PyMem_RawMalloc", "PyMem_RawFree",
)  # fmt: skip
"""Functions of Python, from number 2 on."""
ERROR = 2 + len(PYTHON)
"""Three words: what was raised where no Python code could take it, by a signal's handler."""
SERVICES = ERROR + 3

INTERRUPTED = -1
"""What a program gives when a handler raised."""
OUT_OF_MEMORY = -2
"""What it gives where there was no memory for a record of a stack."""
