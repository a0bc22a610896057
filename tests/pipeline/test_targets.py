"""Numbers that are no classes: from rasters and polygons to the cube, its check and the loader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.format.objects import objects_at
from mmvsf.datasets.format.validate import validate
from mmvsf.datasets.recipe.target import Target
from mmvsf.pipeline.inspect.check_layers import check_targets
from mmvsf.pipeline.layers.targets import resample
from mmvsf.pipeline.layers.targets.resample import points_of, read_target, target_tasks
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.sources.archive.targets import ArchiveTargets

from .conftest import Command, Outcome, build_tiny
from .stored import open_array, stored
from .tiny_archive import BLOCK, LEFT, PIXEL, SCENES, TOP, Granule, TinyArchive, write_raster

Build = Callable[..., Outcome]
GRID = Grid("EPSG:32615", PIXEL, LEFT, TOP, 1, 1, BLOCK, 16, 48, ((0, 0),), (0.0, 0.0))
YIELD = {"source": "archive", "path": "archive/yield_{year}.tif", "units": "t ha-1", "years": [2021]}


def numbers(path: Path, values: np.ndarray, grid: Granule, **target: Any) -> np.ndarray:
    """The numbers of the block from a raster."""
    write_raster(path, values.astype(np.float32), grid, -9999)
    return of_file(path, **target)


def of_file(path: Path, **target: Any) -> np.ndarray:
    section = Target(source="archive", units="t ha-1", years=(2021,), **target)
    source = ArchiveTargets(str(path))
    (task,) = target_tasks("yield", section, source, GRID)
    return read_target(task, section, source, GRID)


def plane(grid: Granule) -> np.ndarray:
    """x + 2 y in kilometres from the corner of the block, at the middle of each pixel."""
    rows, columns = np.mgrid[: grid.rows, : grid.columns] + 0.5
    return (grid.left + columns * grid.pixel - LEFT + 2 * (TOP - grid.top + rows * grid.pixel)) / 1000


@pytest.mark.parametrize("pixel", [10.0, 15.0, 30.0, 60.0, 7.3, 2.5])
def test_the_mean_over_the_area(tmp_path: Path, pixel: float) -> None:
    cells = int(1500 / pixel)
    grid = Granule("own", 32615, LEFT - 240, TOP + 240, cells, cells, pixel)
    found = numbers(tmp_path / "y.tif", plane(grid), grid)
    expected = plane(Granule("cube", 32615, LEFT, TOP, BLOCK, BLOCK))
    if pixel in (10.0, 15.0, 30.0, 2.5):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    else:  # pixels that overlap two of the cube's count for both by their area
        np.testing.assert_allclose(found, expected, atol=3 * pixel / 2000)


def test_pixels_of_which_less_than_half_is_known_are_unknown(tmp_path: Path) -> None:
    grid = Granule("own", 32615, LEFT, TOP, 3 * BLOCK, 3 * BLOCK, 10.0)
    values = np.ones((96, 96))
    values[:3, :3] = [[-9999, -9999, -9999], [-9999, -9999, 4], [4, 4, 4]]
    values[:3, 3:6] = [[-9999, -9999, -9999], [-9999, 4, 4], [4, 4, 4]]
    found = numbers(tmp_path / "y.tif", values, grid)
    assert np.isnan(found[0, 0]) and found[0, 1] == 4 and found[0, 2] == 1


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.01, 0.0), (0.5, -3.0)])
def test_scale_and_offset_of_the_file_are_applied(tmp_path: Path, scale: float, offset: float) -> None:
    """Missing pixels are found before, among the stored numbers."""
    stored_numbers = np.full((BLOCK, BLOCK), 850, np.int16)
    stored_numbers[0, 0] = -9999
    write_raster(tmp_path / "y.tif", stored_numbers, Granule("own", 32615, LEFT, TOP, BLOCK, BLOCK), -9999)
    with rasterio.open(tmp_path / "y.tif", "r+") as file:
        file.scales, file.offsets = (scale,), (offset,)
    found = of_file(tmp_path / "y.tif")
    assert np.isnan(found[0, 0]) and np.isnan(found).sum() == 1
    np.testing.assert_allclose(found[1:], 850 * scale + offset, rtol=1e-6)


@pytest.mark.parametrize("pixel", [PIXEL, 3 * PIXEL, PIXEL / 3])
def test_rows_that_run_north_are_put_in_their_places(tmp_path: Path, pixel: float) -> None:
    cells = round(BLOCK * PIXEL / pixel)
    grid = Granule("own", 32615, LEFT, TOP, cells, cells, pixel)
    straight = numbers(tmp_path / "y.tif", plane(grid), grid)
    with rasterio.open(tmp_path / "y.tif", "r+") as file:
        values = file.read(1)
        file.write(values[::-1], 1)
        file.transform = Affine(pixel, 0, LEFT, 0, pixel, TOP - pixel * cells)
    np.testing.assert_array_equal(of_file(tmp_path / "y.tif"), straight)


def test_points_divide_the_pixels_of_the_source() -> None:
    target = RasterGrid("EPSG:32615", (30, 0, 0, 0, -30, 0), (1, 1))
    sizes = {10: 6, 30: 5, 60: 5, 3: 10, 0.1: 60, 15: 6}
    assert {size: points_of(target._replace(transform=(size, 0, 0, 0, -size, 0)), target) for size in sizes} == sizes


@pytest.mark.parametrize(("side", "parts"), [(3, 9), (5, 4)])
@pytest.mark.parametrize(("crs", "pixel"), [("EPSG:32615", 0.5), ("EPSG:32615", 3.0), ("EPSG:4326", 1e-5)])
def test_a_fine_raster_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crs: str, pixel: float, side: int, parts: int
) -> None:
    """How many of its pixels are read, and points looked up, at a time changes no bit."""
    left, top = (LEFT, TOP) if crs == "EPSG:32615" else (-93.0, 41.5)
    random = np.random.default_rng(0)
    values = np.where(random.random((400, 400)) < 0.3, -9999, random.normal(8, 2, (400, 400))).astype(np.float32)
    with rasterio.open(
        tmp_path / "y.tif", "w", driver="GTiff", width=400, height=400, count=1, dtype="float32", crs=crs,
        transform=Affine(pixel, 0, left, 0, -pixel, top), nodata=-9999,
    ) as file:  # fmt: skip
        file.write(values, 1)
    x, y = Transformer.from_crs(crs, "EPSG:32615", always_xy=True).transform(left, top)
    grid = replace(GRID, left=round(x) - 30.0, top=round(y) + 30.0, block=8, chunk=8)
    section, source = Target(source="archive", units="t ha-1", years=(2021,)), ArchiveTargets(str(tmp_path / "y.tif"))
    (task,) = target_tasks("yield", section, source, grid)
    whole = read_target(task, section, source, grid)
    assert 0.1 < np.isfinite(whole).mean() < 1
    sizes = []

    def read(self: ArchiveTargets, asset: Asset, window: tuple[slice, slice]) -> np.ndarray:
        found = all_of_it(self, asset, window)
        sizes.append(found.size)
        return found

    all_of_it = ArchiveTargets.read
    monkeypatch.setattr(ArchiveTargets, "read", read)
    most = (side * points_of(task.asset.grid, RasterGrid.of(grid.block_geobox((0, 0))))) ** 2
    monkeypatch.setattr(resample, "MOST_AT_ONCE", most)
    assert read_target(task, section, source, grid).tobytes() == whole.tobytes()
    assert 4 <= len(sizes) <= parts and max(sizes) <= 1.5 * most  # where pixels in degrees are narrow


def write_yields(tiny: TinyArchive) -> Granule:
    grid = Granule("own", 32615, LEFT - 300, TOP + 600, 128, 130)
    write_raster(tiny.root / "yield_2021.tif", plane(grid).astype(np.float32), grid, -9999)
    fields = [shapely.box(LEFT + 300 * n, TOP - 1920, LEFT + 300 * (n + 1), TOP) for n in range(10)]
    frame = geopandas.GeoDataFrame(
        {"moisture": [0.1, 0.2, None, 0.4, 0.25, 0.3, 0.1, 0.2, 0.3, 0.4], "when": ["2021-05-01"] * 10},
        geometry=fields, crs="EPSG:32615",
    )  # fmt: skip
    frame.to_crs(4326).to_file(tiny.root / "moisture.geojson")
    return grid


MOISTURE = {
    "source": "vector", "path": "archive/moisture.geojson", "column": "moisture", "year_column": "when",
    "units": "m3 m-3", "years": [2021], "valid_range": [0, 1], "long_name": "soil moisture of the top layer",
}  # fmt: skip


def _refuse_or_give_in_batches(cube: Cube) -> None:
    """The loader gives targets only where they are asked for, turned with the images."""
    pytest.importorskip("torch")
    from mmvsf.datasets.samples.collate import collate
    from mmvsf.datasets.samples.loader import ForecastSamples, SamplePlan, dihedral
    from mmvsf.datasets.samples.reader import Normalisation, WindowReader
    from mmvsf.datasets.samples.windows import Window

    reader = WindowReader(cube, Normalisation.of([cube]))
    row, column = (part.start for part in cube.grid.block_slices(cube.grid.blocks[0]))
    days = np.array([day_number(scene.day) for scene in SCENES if scene.day.year == 2021], np.int32)
    windows = [Window(row, column, 16, 2021, cube.grid.weather_cell_of(row + 8, column + 8), np.unique(days))]
    names = ("moisture", "yield")
    truth = reader.targets(windows[0], names)
    assert truth.shape == (2, 16, 16) and np.isfinite(truth[1]).all()
    samples = ForecastSamples([reader], [windows], SamplePlan(size=16, images=2, targets=names), 6)
    batch = collate([samples[number] for number in range(6)])
    assert batch.measured is not None and batch.measured.shape == (6, 2, 16, 16)
    turned = [dihedral(truth, symmetry) for symmetry in range(8)]
    for given in batch.measured.numpy():
        assert any(np.array_equal(given, one, equal_nan=True) for one in turned)
    plain = ForecastSamples([reader], [windows], SamplePlan(size=16, images=2), 1)
    assert collate([plain[0]]).measured is None
    with pytest.raises(InputError, match="has no targets rain; it has moisture, yield"):
        reader.targets(windows[0], ("rain",))


@pytest.mark.slow
def test_a_cube_with_targets(tiny: TinyArchive, built: TinyArchive, dataset: Build, mmvsf: Command) -> None:
    write_yields(tiny)
    tiny.write_recipe(targets={"yield": YIELD, "moisture": MOISTURE})
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    cube = Cube.open(tiny.cube)
    assert cube.targets == ("moisture", "yield") and cube.region.targets["yield"].units == "t ha-1"
    found = np.asarray(stored(tiny, "targets/yield"))
    assert found.dtype == np.float32 and np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], plane(Granule("cube", 32615, LEFT, TOP, 64, 96)), atol=1e-5)
    moisture = np.asarray(stored(tiny, "targets/moisture"))[1]
    assert np.isnan(moisture[:, 21:29]).all() and (np.abs(moisture[:, 31:39] - 0.4) < 1e-6).all()
    assert open_array(tiny, "targets/moisture").attrs["units"] == "m3 m-3"
    records = {r["layer"]: r for r in cube.attributes["sources"] if r["role"] == "targets"}
    assert records["yield"]["from"] == "archive" and records["moisture"]["path"] == "archive/moisture.geojson"
    assert validate(objects_at(str(tiny.cube))) == []
    assert mmvsf("verify", tiny.cube).code == 0 and mmvsf("check", tiny.cube).code == 0
    assert "yield" in check_targets(cube).detail and mmvsf("publish", tiny.cube).code == 0
    _refuse_or_give_in_batches(cube)
    part = cube.sel("targets")
    assert isinstance(part, xr.Dataset) and {"yield", "moisture"} <= set(part.data_vars)
    before = digest(tiny.cube)
    assert dataset(tiny).code == 0 and digest(tiny.cube) == before
    # The other layers are what they are without targets.
    for name in ("labels/crop", "imagery/reflectance"):
        np.testing.assert_array_equal(stored(tiny, name), stored(built, name))


@pytest.mark.slow
def test_a_cube_is_extended_by_a_target(tiny: TinyArchive, mmvsf: Command) -> None:
    write_yields(tiny)
    tiny.write_recipe(targets={"yield": YIELD})
    build_tiny(tiny)
    tiny.write_recipe(targets={"yield": YIELD, "moisture": MOISTURE})
    extended = mmvsf("extend", tiny.recipe, "--data-dir", tiny.data, "--workers", 1)
    assert extended.code == 0, extended.err
    grown = digest(tiny.cube)
    build_tiny(tiny, overwrite=True)
    assert digest(tiny.cube) == grown
    tiny.write_recipe(targets={"yield": {**YIELD, "units": "kg ha-1"}})
    refused = mmvsf("extend", tiny.recipe, "--data-dir", tiny.data, "--workers", 1)
    assert refused.code == 2 and "targets leaves out moisture" in refused.err and "targets.yield.units" in refused.err


@pytest.mark.parametrize(
    ("changes", "code", "part"),
    [
        ({"path": "archive/none_{year}.tif"}, 2, "there are no numbers of 2021"),
        ({"years": [2019]}, 2, "targets.yield.years names 2019, outside the period"),
        ({"years": [2020, 2021], "path": "archive/yield_2021.tif"}, 2, "path needs {year}"),
        ({"legend": "cdl"}, 2, "targets.yield.legend: unknown key"),
        ({"column": "x"}, 2, "takes no column"),
        ({"valid_range": [5, 1]}, 2, "valid_range is [least, greatest]"),
        ({"valid_range": [0, 1]}, 1, "valid are 0 to 1"),
        ({"path": "archive/far_{year}.tif"}, 2, "is in another place"),
        ({"path": "archive/void_{year}.tif"}, 1, "no pixel has a number for yield of 2021"),
        ({**MOISTURE, "column": "when"}, 2, "holds more than numbers"),
        ({**MOISTURE, "column": "wet"}, 2, "has no column 'wet'"),
    ],
)
def test_what_is_wrong_is_one_line(
    tiny: TinyArchive, dataset: Build, changes: dict[str, Any], code: int, part: str
) -> None:
    grid = write_yields(tiny)
    write_raster(tiny.root / "far_2021.tif", np.ones((20, 20), np.float32), replace(grid, left=LEFT + 90000), -9999)
    write_raster(tiny.root / "void_2021.tif", np.full((128, 130), -9999, np.float32), grid, -9999)
    tiny.write_recipe(targets={"yield": {**YIELD, **changes}})
    outcome = dataset(tiny)
    assert outcome.code == code and part in outcome.error, outcome.err
