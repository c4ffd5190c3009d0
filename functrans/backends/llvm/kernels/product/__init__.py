"""Matrix products: what `kernels/contract.py` is made of.

`ring.py`: arithmetic per dtype. `layout.py`: axes become strides. `microkernel.py`: one tile of the result; `finish.py`:
its way to memory. `packing.py`, `blocked.py`: large products, `window.py`: what runs inside them; `direct.py`: small ones;
`dot.py`, `vector.py`: thin ones.
"""
