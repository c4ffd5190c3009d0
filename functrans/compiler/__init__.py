"""From a jaxpr to something that runs. Knows no primitive by name; start reading at `pipeline.py`."""
