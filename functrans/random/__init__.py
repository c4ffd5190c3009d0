"""functrans.random: JAX's random numbers, the same bits for the same key. Start reading at `functrans.random.keys`."""

from functrans.random.keys import PRNGKey, clone, fold_in, key, key_data, key_impl, split, wrap_key_data
from functrans.random.normal import normal
from functrans.random.reuse import check_keys
from functrans.random.threefry import threefry_2x32, threefry_partitionable
from functrans.random.uniform import bernoulli, bits, rademacher, uniform

__all__ = [
    "PRNGKey", "bernoulli", "bits", "check_keys", "clone", "fold_in", "key", "key_data", "key_impl", "normal",
    "rademacher", "split", "threefry_2x32", "threefry_partitionable", "uniform", "wrap_key_data",
]  # fmt: skip
