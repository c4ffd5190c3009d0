"""What JAX has in its `jax.experimental`, under the same names. Start reading at `functrans.callback`."""

from functrans.callback import io_callback

__all__ = ["io_callback"]
