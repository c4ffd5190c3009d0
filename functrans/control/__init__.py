"""Control flow that is traced: branches and loops as primitives that carry jaxprs, and the functions that make them.

`branch.py` has cond and switch, `loop.py` while_loop and fori_loop, `scan.py` scan and map, `associative_scan.py` that and
reduce; each over its primitive in `cond_primitive.py`, `while_primitive.py`, `scan_primitive.py`. How loops are gone back
through is in `while_reverse.py`, `while_checkpoint.py` and `scan_reverse.py`, what a batch of them is in `lanes.py` and
`masked.py`. functrans.lax gives the functions JAX's names. Start reading at `tracing.py`.
"""
