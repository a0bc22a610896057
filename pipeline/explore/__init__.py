"""The explorer: a page in the browser that shows a cube and the runs on it.

`rasters`, `forecasts` and `embeddings` the pictures of a run, cut into squares · `outlines` states, counties and
degrees in pixels of the cube · `describe` what the page is told · `site` the files of the page · `server` serves them
and the cube on loopback · `static` writes them into a folder · `page/` what runs in the browser, on the reader of cubes
in `datasets/format/javascript`.
"""
