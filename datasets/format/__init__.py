"""The cube format in a form that programs read: JSON schemas, the table of arrays, and a validator.

It needs zarr-python and numpy, and neither the pipeline nor torch. The text is `docs/cube-format.md`.
"""
