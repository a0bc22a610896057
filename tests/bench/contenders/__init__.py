"""What a user would write with another tool: one script each, which takes a job and needs no code of this project.

    python tests/bench/contenders/odc_stac.py job.json

A job says what to build: `items` (path of an ItemCollection whose assets are named blue, green, red, nir, swir1, swir2
and mask, with whole addresses), `crs`, `resolution`, `bounds` (left, bottom, right, top), `out` (the Zarr store to
write), `style` and `threads`. Every script writes int16 reflectance and the uint8 mask of each day.
"""
