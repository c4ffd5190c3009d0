"""Threads of our own for the chunks of a loop: `pool_code.py` writes them, `pool.py` starts them, `available.py` counts."""
