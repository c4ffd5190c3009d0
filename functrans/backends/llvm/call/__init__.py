"""The way into compiled programs: a call goes through checks of its arguments, the program, and its results in machine code.

What one kind of call does is a list of records (`recipe.py`), each with the address of a small function (`argument_steps.py`,
`result_steps.py`) that checks, reads or makes something; `vectorcall.py` walks them.

"""
