"""Control flow that is traced: branches and loops as primitives that carry jaxprs, and the functions that make them.

`branch.py` has cond and switch, `loop.py` while_loop and fori_loop, `scan.py` scan and map; each over its primitive in
`cond_primitive.py`, `while_primitive.py`, `scan_primitive.py`. functrans.lax gives them JAX's names. Start reading at
`tracing.py`.
"""
