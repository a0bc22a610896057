"""The blocks that a raster reaches, against the mapping that reads it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from mmvsf.datasets.cube.grid import Grid
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.resample import relate
from mmvsf.pipeline.raster.scene import RasterGrid

PLACES = [(-93.0, 42.0), (179.99, 52.0), (-179.99, -17.0), (150.0, -34.0), (0.0, 0.01), (20.0, 78.0), (36.0, -0.02)]


def zone(longitude: float, north: bool = True) -> int:
    return (32601 if north else 32701) + int((longitude + 180) // 6) % 60


def grid_at(longitude: float, latitude: float, blocks: int = 4) -> Grid:
    crs = zone(longitude)
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
    places = tuple((row, column) for row in range(blocks) for column in range(blocks))
    left, top = round(x / 960) * 960.0 - 2 * 960, round(y / 960) * 960.0 + 2 * 960
    return Grid(f"EPSG:{crs}", 30.0, left, top, blocks, blocks, 32, 16, 32, places)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(PLACES),
    st.tuples(st.floats(-4000, 4000), st.floats(-4000, 4000), st.integers(1, 200), st.integers(1, 200)),
    st.sampled_from(["own zone", "next zone", "zone before", "southern form", "degrees", "degrees, counted on"]),
)
def test_no_block_with_a_pixel_is_missed(
    place: tuple[float, float], raster: tuple[float, float, int, int], kind: str
) -> None:
    """And of those beside the raster few are taken."""
    longitude, latitude = place
    grid = grid_at(longitude, latitude)
    right, up, rows, columns = raster
    if kind.startswith("degrees"):
        left = longitude + 360 * (kind == "degrees, counted on") + right / 80_000
        there = RasterGrid("EPSG:4326", (3e-4, 0.0, left, 0.0, -3e-4, latitude + up / 111_000), (rows, columns))
    else:
        step = {"next zone": 6, "zone before": -6}.get(kind, 0)
        crs = zone((longitude + step + 180) % 360 - 180, kind != "southern form")
        x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
        there = RasterGrid(f"EPSG:{crs}", (30.0, 0.0, x + right, 0.0, -30.0, y + up), (rows, columns))
    reached = set(Coverage(grid).blocks(there).tolist())
    wider = RasterGrid(there.crs, _moved(there, 6), (rows + 12, columns + 12))
    for position, block in enumerate(grid.blocks):
        target = RasterGrid.of(grid.block_geobox(block))
        if not relate(there, target, weighted=False).empty:
            assert position in reached
        elif position in reached:
            assert not relate(wider, target, weighted=False).empty


def _moved(raster: RasterGrid, pixels: int) -> tuple[float, float, float, float, float, float]:
    a, b, c, d, e, f = raster.transform
    return a, b, c - pixels * a, d, e, f - pixels * e


@pytest.mark.parametrize("place", PLACES)
def test_the_world_and_the_other_side_of_it(place: tuple[float, float]) -> None:
    longitude, latitude = place
    coverage = Coverage(grid_at(longitude, latitude))
    world = RasterGrid("EPSG:4326", (1.0, 0.0, -180.0, 0.0, -1.0, 90.0), (180, 360))
    assert coverage.blocks(world).size == 16
    for number in range(1, 61):
        far = f"EPSG:{32600 + number}"
        degrees = abs((number * 6 - 183 - longitude + 180) % 360 - 180)
        if degrees * np.cos(np.radians(latitude)) > 6:
            tile = RasterGrid(far, (30.0, 0.0, 1e5, 0.0, -30.0, 9e6), (600_000, 26_000))  # the whole zone
            assert coverage.blocks(tile).size == 0
    assert abs((coverage.meridian - longitude + 180) % 360 - 180) < 0.3


def test_a_raster_of_another_planet_is_nowhere() -> None:
    coverage = Coverage(grid_at(-93.0, 42.0))
    beyond = RasterGrid("EPSG:32615", (30.0, 0.0, 9e7, 0.0, -30.0, 9e7), (100, 100))
    assert coverage.blocks(beyond).size == 0 and np.isfinite(coverage.meridian)
