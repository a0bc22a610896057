"""The conformance kit: small cubes, sound and damaged, each with the verdict that every reader should give.

It is written from `docs/cube-format.md` with zarr-python and json alone, so that it and our readers are independent.
"""
