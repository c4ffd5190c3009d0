"""What a type checker sees through the transforms: `test_types.py` runs mypy and pyright on the other files."""
