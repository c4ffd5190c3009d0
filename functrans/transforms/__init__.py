"""The transforms, one file each: its Trace, its Tracer, `foo_jaxpr`, the public functions and their checks."""
