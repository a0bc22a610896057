"""A cube in the Aleutians across 180 degrees, from tiles of UTM zones 1 and 60, against its files pixel by pixel."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import shape

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.variables import Status
from mmvsf.pipeline.raster.extent import lonlat_bounds
from mmvsf.pipeline.raster.resample import relate
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.raster.tiles import Mosaic, mosaics
from mmvsf.pipeline.sources.cdl.collections import world_grid
from mmvsf.pipeline.sources.earthengine.weather import EarthEngineWeather
from mmvsf.pipeline.sources.stac.boxes import boxes_within_180, search_box, search_polygons

from .conftest import Command
from .tiny_archive import BANDS, Granule, Scene, TinyArchive, recipe, write_scene

AREA = (179.9, 51.98, -179.93, 52.0)
EAST_SIDE = Granule("T01UBT", 32601, 294_000.0, 5_768_010.0, 260, 340)
"""On the cube's own grid, from a little west of 180 degrees on."""
WEST_SIDE = Granule("T60UYC", 32660, 695_010.0, 5_768_010.0, 260, 460)
FILL = -9999


def across(granule: Granule, form: str) -> Any:
    """The outline of a granule: split at 180 degrees, counted on beyond it, jumping there, or none."""
    ring = [[x % 360, y] for x, y in granule.outline()]
    if form == "none":
        return None
    if form == "split":
        south, north = min(y for _, y in ring), max(y for _, y in ring)
        west, east = min(x for x, _ in ring), max(x for x, _ in ring)
        parts = ((west, 180.0), (-180.0, east - 360))
        boxes = [[[[a, south], [b, south], [b, north], [a, north], [a, south]]] for a, b in parts]
        return {"type": "MultiPolygon", "coordinates": boxes}
    if form == "jumping":
        ring = [[x - 360 * (x > 180), y] for x, y in ring]
    return {"type": "Polygon", "coordinates": [ring]}


# One overpass of 22:50 UTC: the solar day at the cube, which lies just west of 180 degrees, is the next one.
SCENES = (
    (Scene(EAST_SIDE, "hls2-s30", "2021-06-01T22:50:00", "clear"), "split"),
    (Scene(WEST_SIDE, "hls2-s30", "2021-06-06T22:50:00", "clear"), "split"),
    (Scene(EAST_SIDE, "hls2-l30", "2021-06-10T22:50:00", "clear"), "counted on"),
    (Scene(WEST_SIDE, "hls2-l30", "2021-06-12T22:50:00", "clear"), "jumping"),
    (Scene(EAST_SIDE, "hls2-s30", "2021-06-16T22:50:00", "clear"), "none"),
    (Scene(WEST_SIDE, "hls2-s30", "2021-06-16T22:50:00", "clear"), "counted on"),
)


def fill_specks(archive: TinyArchive, scene: Scene) -> None:
    """Leave fill only where the mask has it, so that one band shows where all have data."""
    for key in BANDS[scene.collection]:
        with rasterio.open(archive.file(scene, "Fmask")) as mask, rasterio.open(archive.file(scene, key), "r+") as file:
            values = file.read(1)
            values[(values == FILL) & (mask.read(1) != 255)] = 1234
            file.write(values, 1)


def write(folder: Path) -> TinyArchive:
    archive = TinyArchive(folder)
    for scene, form in SCENES:
        archive.items.append(write_scene(archive.root, scene) | {"geometry": across(scene.granule, form)})
        fill_specks(archive, scene)
    archive.write_items()
    days = np.arange(np.datetime64("2020-10-01"), np.datetime64("2021-07-01"))
    north, east = 51.25 + 0.5 * np.arange(3), -179.75 + 0.5 * np.arange(720)
    size = (days.size, north.size, east.size)
    means = {"temperature_min": ("K", 275), "temperature_max": ("K", 281), "precipitation_flux": ("mm d-1", 2),
             "radiation": ("W m-2", 200), "vapour_pressure": ("hPa", 7), "wind_speed": ("m s-1", 4)}  # fmt: skip
    fields = {
        name: (("time", "lat", "lon"), np.full(size, n, np.float32), {"units": u}) for name, (u, n) in means.items()
    }
    axes = {"time": days.astype("datetime64[ns]"), "lat": north, "lon": east}
    archive.write_weather(xr.Dataset(fields, axes, {"day_ends_utc_hour": 12, "source": "made for the tests"}))
    archive.recipe.write_text(json.dumps(aleutians(list(AREA))))  # JSON is YAML
    return archive


def aleutians(bbox: list[float], crs: str = "EPSG:32601") -> dict[str, Any]:
    content = recipe() | {"name": "tiny", "area": {"bbox": bbox}}
    content["grid"] = {"crs": crs, "block": 64, "chunk": 32, "weather_cell": 64}
    content["period"] = {"start": "2021-06-01", "end": "2021-06-30"}
    content["split"] = {"places": {"unit": "block", "test_share": 0.1, "validation_share": 0.1, "seed": 1}}
    del content["labels"]
    return content


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    return write(tmp_path_factory.mktemp("aleutians"))


@pytest.fixture(scope="module")
def grid(archive: TinyArchive) -> Grid:
    region, path = load_region(str(archive.recipe))
    return grid_from_recipe(region, path, archive.data)


def nearest_and_bilinear(scene: Scene, archive: TinyArchive, grid: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
    """(mask, red) of a scene on the whole grid, straight from its files; neither where a band is missing."""
    files = [archive.file(scene, key) for key in ("Fmask", *BANDS[scene.collection])]
    mask, *bands = (rasterio.open(path).read(1).astype(float) for path in files)
    y, x = grid.coordinates()
    x, y = np.meshgrid(x, y)
    granule = scene.granule
    if granule.epsg != 32601:
        x, y = Transformer.from_crs(32601, granule.epsg, always_xy=True).transform(x, y)
    column, row = (x - granule.left) / 30 - 0.5, (granule.top - y) / 30 - 0.5
    inside = (column >= -0.5) & (column < granule.columns - 0.5) & (row >= -0.5) & (row < granule.rows - 0.5)
    r, c = (np.where(inside, np.floor(place + 0.5), 0).astype(int) for place in (row, column))
    quality = np.where(inside & (mask[r, c] != 255), mask[r, c], 255)
    low_row, low_column = np.floor(row), np.floor(column)
    total, known = np.zeros((6, *inside.shape)), inside.copy()
    for step_row, step_column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = 1 - np.abs(row - low_row - step_row), 1 - np.abs(column - low_column - step_column)
        weight = np.where(share[0] * share[1] > 1e-9, share[0] * share[1], 0)
        r, c = low_row + step_row, low_column + step_column
        within = (r >= 0) & (r < granule.rows) & (c >= 0) & (c < granule.columns)
        values = np.array(bands)[:, np.where(within, r, 0).astype(int), np.where(within, c, 0).astype(int)]
        known &= (weight == 0) | (within & (values != FILL).all(axis=0))
        total += weight * np.where(within, values, 0)
    quality = np.where(known, quality, 255)
    return quality, np.where(quality != 255, total[2], FILL)


def in_blocks(grid: Grid) -> NDArray[np.bool_]:
    return grid.block_mask().repeat(grid.block, 0).repeat(grid.block, 1)


def test_every_pixel(archive: TinyArchive, grid: Grid, mmvsf: Command) -> None:
    outcome = mmvsf("dataset", archive.recipe, "--data-dir", archive.data, "--workers", 1)
    assert outcome.code == 0, outcome.err
    cube = Cube.open(archive.cube)
    status = cube.array("blocks/status")
    days: dict[date, list[Scene]] = {}
    for scene, _ in SCENES:
        days.setdefault(scene.day + timedelta(1), []).append(scene)
    for day, scenes in days.items():
        time = cube.calendar.index((day - date(1970, 1, 1)).days)
        # The scene on the cube's own grid comes first, where it is clear.
        ordered = sorted(scenes, key=lambda scene: scene.granule.epsg)
        quality, red = nearest_and_bilinear(ordered[0], archive, grid)
        for scene in ordered[1:]:
            other_quality, other_red = nearest_and_bilinear(scene, archive, grid)
            red = np.where(quality == 255, other_red, red)
            quality = np.where(quality == 255, other_quality, quality)
        here = in_blocks(grid)
        found = cube.pixels("imagery/quality").read((time, slice(None), slice(None)))
        np.testing.assert_array_equal(found[here], quality[here])
        stored = cube.pixels("imagery/reflectance").read((time, 2, slice(None), slice(None)))
        assert np.abs(stored[here] - red[here]).max() <= 0.5 + 1e-6
        seen = (quality != 255).reshape(grid.blocks_y, 64, grid.blocks_x, 64).any(axis=(1, 3)) & grid.block_mask()
        np.testing.assert_array_equal(status[time] == Status.STORED, seen)
        assert seen.sum() > 3
    assert (status == Status.STORED).any(axis=(1, 2)).sum() == len(days) == 5
    for longitude in (179.92, -179.95):
        told = mmvsf(
            "explain", archive.cube, "--day", "2021-06-17", "--x", longitude, "--y", 51.99, "--lonlat", "--json"
        )
        assert told.code == 0 and "hls-s30" in told.out, told.err
    assert mmvsf("check", archive.cube).code == 0
    published = mmvsf("publish", archive.cube)
    assert published.code == 0, published.err
    folder = archive.cube.with_suffix(".publish")
    (west, _, east, _), *_ = json.loads((folder / "collection.json").read_text())["extent"]["spatial"]["bbox"]
    assert west == pytest.approx(179.88, abs=0.03) and east == pytest.approx(-179.9, abs=0.03)
    shapes = [shape(json.loads(path.read_text())["geometry"]) for path in (folder / "items").glob("*.json")]
    assert all(outline.is_valid for outline in shapes)
    assert {"MultiPolygon"} <= {outline.geom_type for outline in shapes}
    assert sum(outline.area for outline in shapes) < 0.05
    box = "179.95,51.985,-179.95,51.995"
    out = archive.folder / "day.tif"
    assert mmvsf("export", archive.cube, "--day", "2021-06-17", "--bbox", box, "--out", out).code == 0 and out.exists()


def test_the_plan_reads_no_tile_for_nothing(archive: TinyArchive, mmvsf: Command) -> None:
    facts = json.loads(mmvsf("plan", archive.recipe, "--data-dir", archive.data, "--json").out)
    assert facts["scenes"] == facts["items"] == len(SCENES) and facts["left_out"] == {}


@pytest.mark.parametrize("bbox", [[179.9, 51.98, 180.07, 52.0], [-180.1, 51.98, -179.93, 52.0]])
def test_other_ways_to_write_the_box(archive: TinyArchive, grid: Grid, tmp_path: Path, bbox: list[float]) -> None:
    (tmp_path / "tiny.yaml").write_text(json.dumps(aleutians(bbox)))
    region, path = load_region(str(tmp_path / "tiny.yaml"))
    assert grid_from_recipe(region, path, tmp_path) == grid


def test_bounds_and_boxes(grid: Grid) -> None:
    west, south, east, north = lonlat_bounds(grid)
    assert 179.85 < west < 179.9 and 180.07 < east < 180.12 and 51.9 < south < 51.98 and 52.0 < north < 52.1
    left, right = boxes_within_180(search_box(grid))
    assert left[2] == 180 and right[0] == -180 and left[0] < 179.9 and right[2] > -179.93
    assert search_polygons(grid)["type"] == "MultiPolygon"


@pytest.mark.parametrize(
    ("box", "parts"),
    [
        ((-94, 42, -93, 43), [(-94, 42, -93, 43)]),
        ((190, 0, 200, 1), [(-170, 0, -160, 1)]),
        ((-190, 0, -170, 1), [(170, 0, 180, 1), (-180, 0, -170, 1)]),
        ((179, 0, 181, 1), [(179, 0, 180, 1), (-180, 0, -179, 1)]),
        ((-180, 0, 180, 1), [(-180, 0, 180, 1)]),
        ((-200, 0, 200, 1), [(-180, 0, 180, 1)]),
    ],
)
def test_boxes(box: tuple[float, ...], parts: list[tuple[float, ...]]) -> None:
    west, south, east, north = box
    assert boxes_within_180((west, south, east, north)) == parts


def test_tiles_on_both_sides_are_one_small_mosaic() -> None:
    """Those of a DEM in degrees end at 180: a block there needs both, and not all columns between them."""
    size = 1 / 100
    tiles = [
        Asset(name, RasterGrid("EPSG:4326", (size, 0.0, west, 0.0, -size, 53.0), (200, 100)))
        for name, west in (("east", -180.0), ("west", 179.0))
    ]
    (mosaic,) = mosaics(tiles)
    assert mosaic.grid.shape == (200, 200)
    target = RasterGrid("EPSG:32601", (1000.0, 0.0, 260_000.0, 0.0, -1000.0, 5_800_000.0), (60, 60))
    place = relate(mosaic.grid, target)
    columns = place.window[1]
    assert place.inside is None and columns.stop - columns.start < 120

    def longitudes(tile: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        rows, columns = window
        values = (tile.grid.transform[2] + (np.arange(columns.start, columns.stop) + 0.5) * size) % 360
        return np.broadcast_to(values, (rows.stop - rows.start, values.size))

    total, weight = place.sums(mosaic.read(place.window, longitudes, np.nan, np.float64))
    x, y = np.meshgrid(*(start + step * (np.arange(60) + 0.5) for start, step in ((260_000, 1000), (5_800_000, -1000))))
    wanted, _ = Transformer.from_crs(32601, 4326, always_xy=True).transform(x, y)
    np.testing.assert_allclose(total / weight, wanted % 360, atol=1e-9)


@pytest.mark.parametrize(
    ("zone", "left", "edges"),
    [
        (31, 480_000.0, (2.0, 3.0)), (1, 270_000.0, (-180.0, 179.0)), (60, 700_000.0, (-180.0, 179.0)),
        (15, 480_000.0, (-94.0, -93.0)), (50, 480_000.0, (116.0, 117.0)), (47, 480_000.0, (98.0, 99.0)),
    ],
)  # fmt: skip
def test_labels_of_the_world_are_read_beside_the_block(zone: int, left: float, edges: tuple[float, ...]) -> None:
    """From the tiles around it, wherever on the earth; a code is its tile's longitude and column."""
    size = 1 / 120
    tiles = [
        Asset(str(west), RasterGrid("EPSG:4326", (size, 0.0, west, 0.0, -size, 53.0), (240, 120))) for west in edges
    ]
    target = RasterGrid(f"EPSG:326{zone:02}", (1000.0, 0.0, left, 0.0, -1000.0, 5_800_000.0), (60, 60))
    x, y = np.meshgrid(left + 1000 * (np.arange(60) + 0.5), 5_800_000 - 1000 * (np.arange(60) + 0.5))
    longitude, _ = Transformer.from_crs(target.crs, 4326, always_xy=True).transform(x, y)
    world = world_grid(tiles[0].grid, float(longitude[30, 30]))
    place = relate(world, target, weighted=False)
    assert world.shape == (21_600, 43_200) and place.window[1].stop - place.window[1].start < 240

    def columns(tile: Asset, window: tuple[slice, slice]) -> NDArray[np.int64]:
        rows, columns = window
        values = round(tile.grid.transform[2] / size) + np.arange(columns.start, columns.stop)
        return np.broadcast_to(values, (rows.stop - rows.start, values.size))

    found = place.codes(Mosaic(world, tuple(tiles)).read(place.window, columns, -(10**6), np.int64), -(10**6))
    np.testing.assert_array_equal(found % 43_200, np.floor(longitude / size + 1e-6).astype(int) % 43_200)


def test_a_raster_around_the_earth_that_ends_in_a_block_is_refused() -> None:
    """A window of all its columns would fill the memory."""
    world = RasterGrid("EPSG:4326", (1 / 12_000, 0.0, -180.0, 0.0, -1 / 12_000, 90.0), (2_160_000, 4_320_000))
    target = RasterGrid("EPSG:32601", (10.0, 0.0, 293_000.0, 0.0, -10.0, 5_760_000.0), (256, 256))
    for weighted in (False, True):
        with pytest.raises(InputError, match=r"begins and ends at -180 degrees, inside a block; .*gdalwarp"):
            relate(world, target, weighted=weighted)
    beside = target._replace(transform=(10.0, 0.0, 350_000.0, 0.0, -10.0, 5_760_000.0))
    assert relate(world, beside, weighted=False).window[1].stop < 20_000


def test_earth_engine_gives_the_whole_band_across_180_degrees() -> None:
    world = RasterGrid("EPSG:4326", (0.1, 0.0, -180.05, 0.0, -0.1, 90.05), (1801, 3601))
    rows, columns = EarthEngineWeather("era5-land", (179.8, 51.9, 180.2, 52.1))._window(world, 1000)
    assert columns == slice(0, 3601) and 377 <= rows.start < rows.stop <= 386
    _, columns = EarthEngineWeather("era5-land", (179.2, 51.9, 179.6, 52.1))._window(world, 1000)
    assert columns.stop - columns.start < 12
