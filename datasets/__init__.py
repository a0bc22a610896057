"""What a cube is: its variables, its grid and calendar, its layout in Zarr, and how to read it.

This package knows neither the pipeline that builds cubes nor the models that learn from them.
"""
