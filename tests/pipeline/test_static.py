"""Layers of the ground: from tiles to the cube, out of three kinds of source, and the slope of known planes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.source import StaticSource
from mmvsf.pipeline.layers.static import resample
from mmvsf.pipeline.layers.static.resample import horn_slope, read_static, static_tasks, weather_cells
from mmvsf.pipeline.raster.io import ReadError, raster_grid
from mmvsf.pipeline.raster.parts import parts_of
from mmvsf.pipeline.raster.resampler import Resampler
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.raster.tiles import mosaics
from mmvsf.pipeline.report.static import static_sections
from mmvsf.pipeline.report.view import ReportView
from mmvsf.pipeline.sources.static import ArchiveStatic
from mmvsf.pipeline.sources.transport import http, signing
from mmvsf.pipeline.sources.transport import remote_raster as remote
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from ..servers.archive import ArchiveServer
from ..servers.base import Fault, Response, corrupt, empty, reset, status, truncated
from ..servers.earthengine_public import ground_images
from ..servers.ground import elevation_at, soil_water_at
from .conftest import Command, Outcome, build_tiny
from .earthengine_session import serving
from .stored import TILE, contents, of_region
from .tiny_archive import BLOCK, COLUMNS, LEFT, ROWS, TOP, TinyArchive

pytestmark = pytest.mark.stand_in

Build = Callable[..., Outcome]
QUICK = RetryPolicy(attempts=4, first_wait=0.01, longest_wait=0.05, connect=2, request=5, deadline=20)
ALL = ["elevation", "slope", "soil_water"]
PUBLIC = {"source": "public", "layers": ALL}
GRID = Grid("EPSG:32615", 30.0, LEFT, TOP, 2, 3, BLOCK, 16, 48, tuple((y, x) for y in range(2) for x in range(3)))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, and nothing left of another test."""
    monkeypatch.setattr(http, "RETRY_POLICY", QUICK)
    monkeypatch.setattr(remote, "_resting", {})
    monkeypatch.setattr(signing, "_tokens", {})


@pytest.fixture
def server(tiny: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    with ArchiveServer(tiny.root, access="sas") as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def public(tiny: TinyArchive, server: ArchiveServer) -> TinyArchive:
    tiny.write_recipe(static=PUBLIC)
    return tiny


def layers(archive: TinyArchive) -> dict[str, NDArray[np.float32]]:
    """The layers of the region, put together from its blocks."""
    cube = Cube.open(archive.cube)
    whole = {name: np.full(cube.grid.shape, -1, np.float32) for name in cube.static_layers}
    for block in cube.grid.blocks:
        for name, values in cube.static(block).items():
            assert values.dtype == np.float32
            whole[name][cube.grid.block_slices(block)] = values
    return {name: np.asarray(of_region(values, f"static/{name}"), np.float32) for name, values in whole.items()}


def origins(archive: TinyArchive) -> dict[str, dict[str, str]]:
    """layer -> the record of where it comes from."""
    return {found["layer"]: found for found in Cube.open(archive.cube).attributes["sources"] if "layer" in found}


def centres(points: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y of points x points in each pixel of the tiny grid."""
    steps = (np.arange(COLUMNS * points) + 0.5) * 30 / points
    x, y = np.meshgrid(LEFT + steps, TOP - steps[: ROWS * points])
    return x, y


# ---------------------------------------------------------------------- slope


@pytest.mark.parametrize(("east", "north"), [(0.0, 0.0), (0.05, 0.0), (0.0, -0.2), (0.3, 0.4), (-1.0, 0.0)])
def test_the_slope_of_a_plane(east: float, north: float) -> None:
    """A plane that rises by `east` and `north` metres a metre is as steep as the length of both: 45 degrees for 1."""
    row, column = np.indices((7, 9))
    plane = 500 + 30 * (east * column - north * row)
    found = horn_slope(plane, 30.0)
    assert found.shape == (5, 7)
    np.testing.assert_allclose(found, np.degrees(np.arctan(np.hypot(east, north))), atol=1e-9)


def test_the_weights_are_horns() -> None:
    """By hand, with a b c / d e f / g h i: dz/dx = ((c + 2f + i) - (a + 2d + g)) / 8s."""
    z = np.array([[1.0, 2, 4], [3, 9, 7], [2, 5, 8]])
    east, south = ((4 + 14 + 8) - (1 + 6 + 2)) / 80, ((2 + 10 + 8) - (1 + 4 + 4)) / 80
    assert horn_slope(z, 10.0).item() == pytest.approx(np.degrees(np.arctan(np.hypot(east, south))))


def test_beside_the_unknown_no_slope_is_known() -> None:
    z = np.zeros((6, 6))
    z[0, 0] = np.nan
    found = horn_slope(z, 30.0)
    assert np.isnan(found[0, 0]) and np.isfinite(found.ravel()[1:]).all()


# ---------------------------------------------------------------------- rasters on disk


def write(path: Path, values: NDArray[np.float32], transform: Affine, crs: str, nodata: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1, dtype="float32", crs=crs,
        transform=transform, nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def inclined(folder: Path, *, tiles: bool = False, nodata: float | None = None) -> Path:
    """A plane that rises 6 m to the east and 4 m to the north of every 100 m, on the DEM's kind of grid: degrees."""
    step = 1 / 3600
    to_metres = Transformer.from_crs(4326, 32615, always_xy=True)
    lon, lat = Transformer.from_crs(32615, 4326, always_xy=True).transform(LEFT + 1440, TOP - 960)
    west, north = round(lon / step) * step - 130 * step, round(lat / step) * step + 80 * step
    x, y = to_metres.transform(
        *np.meshgrid(west + step * (np.arange(260) + 0.5), north - step * (np.arange(160) + 0.5))
    )
    z = (200 + 0.06 * (x - LEFT) + 0.04 * (y - TOP)).astype(np.float32)
    if nodata is not None:
        z[70:75, 120:130] = nodata
    halves = [(0, 130), (130, 260)] if tiles else [(0, 260)]
    for number, (first, after) in enumerate(halves):
        path = folder / (f"elevation/{number}.tif" if tiles else "elevation.tif")
        write(path, z[:, first:after], Affine(step, 0, west + first * step, 0, -step, north), "EPSG:4326", nodata)
    return folder


def read_all(source: ArchiveStatic, names: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    whole = {name: np.zeros((ROWS, COLUMNS), np.float32) for name in names}
    for task in static_tasks(source, GRID, names):
        for name, values in read_static(task, GRID, source, names).items():
            whole[name][GRID.block_slices(task.block)] = values
    return whole


def test_a_plane_in_degrees_keeps_its_elevation_and_slope(tmp_path: Path) -> None:
    found = read_all(ArchiveStatic(inclined(tmp_path)), ("elevation", "slope"))
    x, y = centres()
    # A plane in metres is none in degrees, but for 30 m it is one to a millimetre.
    np.testing.assert_allclose(found["elevation"], 200 + 0.06 * (x - LEFT) + 0.04 * (y - TOP), atol=2e-3)
    np.testing.assert_allclose(found["slope"], np.degrees(np.arctan(np.hypot(0.06, 0.04))), atol=0.01)


@pytest.mark.parametrize("tiles", [False, True])
def test_rows_that_run_north_are_put_in_their_places(tmp_path: Path, tiles: bool) -> None:
    straight = read_all(ArchiveStatic(inclined(tmp_path, tiles=tiles)), ("elevation", "slope"))
    for path in tmp_path.rglob("*.tif"):
        with rasterio.open(path, "r+") as file:
            values = file.read(1)
            file.write(values[::-1], 1)
            file.transform = file.transform * Affine.translation(0, file.height) * Affine.scale(1, -1)
    found = read_all(ArchiveStatic(tmp_path), ("elevation", "slope"))
    for name, values in straight.items():
        np.testing.assert_allclose(found[name], values, atol=1e-3)


def test_tiles_show_no_seam(tmp_path: Path) -> None:
    one = read_all(ArchiveStatic(inclined(tmp_path / "one")), ("elevation", "slope"))
    two = read_all(ArchiveStatic(inclined(tmp_path / "two", tiles=True)), ("elevation", "slope"))
    assert len(list((tmp_path / "two/elevation").iterdir())) == 2
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_pixels_do_not_depend_on_the_blocks(tmp_path: Path) -> None:
    source = ArchiveStatic(inclined(tmp_path, nodata=-32767))
    large = replace(GRID, block=2 * BLOCK, blocks_y=1, blocks_x=2, blocks=((0, 0),))
    (task,) = static_tasks(source, large, ("elevation", "slope"))
    small = read_all(source, ("elevation", "slope"))
    for name, values in read_static(task, large, source, ("elevation", "slope")).items():
        np.testing.assert_array_equal(values, small[name][:, : 2 * BLOCK])


@pytest.mark.parametrize(("shape", "points", "most"), [((66, 258), 8, 40_000), ((5, 7), 13, 1_600), ((3, 1), 60, 100)])
def test_parts_make_up_the_grid(shape: tuple[int, int], points: int, most: int) -> None:
    """Each pixel once, with its points where they are in the whole grid, to the last bit."""
    whole = RasterGrid("EPSG:32615", (400.0, 0.0, 480_013.5, 0.0, -400.0, 4_650_000.0), shape)
    found = np.zeros(shape, np.int64)
    for (rows, columns), part in parts_of(whole, points, most):
        found[rows, columns] += 1
        assert part.shape == found[rows, columns].shape
        assert part.shape[0] * part.shape[1] * points**2 <= most or part.shape == (1, 1)
        for axis, size, pixels in ((2, 0, columns), (5, 4, rows)):
            cells = np.arange(pixels.start * points, pixels.stop * points)
            fine, whole_fine = (grid.refined(points).transform for grid in (part, whole))
            there = fine[axis] + fine[size] * (np.arange(cells.size) + 0.5)
            np.testing.assert_array_equal(there, whole_fine[axis] + whole_fine[size] * (cells + 0.5))
    assert (found == 1).all()


@pytest.mark.parametrize("most", [20_000, 3_000, 200])
def test_a_coarse_cube_is_made_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Of a raster of 30 m a pixel of 400 m needs 13 x 13 points. How many are looked up at a time changes no bit."""
    values = np.random.default_rng(0).normal(300, 50, (500, 500)).astype(np.float32)
    values[40:90, 60:200] = -9999
    path = tmp_path / "elevation.tif"
    write(path, values, Affine(1 / 3600, 0, -93.3, 0, -1 / 3600, 42.05), "EPSG:4326", -9999)
    grid = Grid("EPSG:32615", 400.0, 476_000.0, 4_654_000.0, 1, 1, 32, 16, 32, ((0, 0),))
    source, names = ArchiveStatic(tmp_path), ("elevation", "slope")
    (task,) = static_tasks(source, grid, names)
    whole = read_static(task, grid, source, names)
    assert np.isnan(whole["elevation"]).any() and np.isfinite(whole["elevation"]).mean() > 0.5
    sizes = []

    def relate(raster: RasterGrid, target: RasterGrid) -> Resampler:
        sizes.append(target.shape[0] * target.shape[1])
        return related(raster, target)

    related = resample.relate
    monkeypatch.setattr(resample, "relate", relate)
    monkeypatch.setattr(resample, "MOST_AT_ONCE", most)
    for name, found in read_static(task, grid, source, names).items():
        assert found.tobytes() == whole[name].tobytes()
    assert len(sizes) > 9 and max(sizes) <= most


def test_what_is_declared_as_no_data_is_unknown_and_does_not_bleed(tmp_path: Path) -> None:
    found = read_all(ArchiveStatic(inclined(tmp_path, nodata=-32767)), ("elevation", "slope"))
    unknown = np.isnan(found["elevation"])
    assert 20 < unknown.sum() < 120
    x, y = centres()
    plane = 200 + 0.06 * (x - LEFT) + 0.04 * (y - TOP)
    # Beside the hole the known part of a pixel counts: off by less than a pixel's rise.
    assert np.abs(found["elevation"] - plane)[~unknown].max() < 2.5
    assert np.isnan(found["slope"]).sum() > unknown.sum()


@pytest.mark.parametrize(("scale", "part"), [(3.28084 * 100, "convert the raster"), (-1000, "declare it")])
def test_numbers_that_no_elevation_can_be(tmp_path: Path, scale: float, part: str) -> None:
    with rasterio.open(inclined(tmp_path) / "elevation.tif", "r+") as file:
        file.write(file.read(1) * np.float32(scale), 1)
    source = ArchiveStatic(tmp_path)
    task = static_tasks(source, GRID, ("elevation",))[0]
    with pytest.raises(ReadError, match=part):
        read_static(task, GRID, source, ("elevation",))


def test_finer_rasters_are_averaged(tmp_path: Path) -> None:
    """On the cube's own lattice, but of 10 m: each pixel is the mean of its nine."""
    values = np.random.default_rng(0).uniform(50, 250, (ROWS * 3, COLUMNS * 3)).astype(np.float32)
    write(tmp_path / "soil_water.tif", values, Affine(10, 0, LEFT, 0, -10, TOP), "EPSG:32615")
    found = read_all(ArchiveStatic(tmp_path), ("soil_water",))["soil_water"]
    np.testing.assert_allclose(found, values.reshape(ROWS, 3, COLUMNS, 3).mean((1, 3)), rtol=1e-6)


def test_lattices_that_meet_share_their_pixels(tmp_path: Path) -> None:
    """Two rasters of different pixel width meet in the region, as the tiles of the DEM do at 50 degrees north."""
    x, y = centres()
    for number, (size, first) in enumerate(((30.0, 0), (45.0, 960))):
        columns = int((960 if number == 0 else 1980) / size)
        xs = LEFT + first + size * (np.arange(columns) + 0.5)
        ys = TOP + 60 - 30 * (np.arange(70) + 0.5)
        plane = (0.1 * (xs[None] - LEFT) + 0.05 * (ys[:, None] - TOP) + 300).astype(np.float32)
        write(
            tmp_path / f"elevation/{number}.tif", plane, Affine(size, 0, LEFT + first, 0, -30, TOP + 60), "EPSG:32615"
        )
    found = read_all(ArchiveStatic(tmp_path), ("elevation",))["elevation"]
    plane = 0.1 * (x - LEFT) + 0.05 * (y - TOP) + 300
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, plane, atol=0.1 * 22.5)
    np.testing.assert_allclose(np.delete(found, 32, axis=1), np.delete(plane, 32, axis=1), atol=1e-3)


def test_tiles_are_put_together_by_lattice() -> None:
    def tile(name: str, left: float, size: float = 1 / 3600) -> Asset:
        return Asset(name, RasterGrid("EPSG:4326", (size, 0.0, left - size / 2, 0.0, -1 / 3600, 42.0), (360, 360)))

    found = mosaics([tile("b", -93.9), tile("a", -94.0), tile("wide", -94.0, 1.5 / 3600)])
    assert [[member.href for member in one.tiles] for one in found] == [["a", "b"], ["wide"]]
    assert found[0].grid.shape == (360, 720) and found[0].grid.transform[2] == pytest.approx(-94 - 0.5 / 3600)


def test_a_layer_that_the_folder_lacks(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_recipe(static={"source": "archive", "path": "archive", "layers": ["soil_water"]})
    outcome = dataset(tiny)
    assert outcome.code == 2
    for part in ("no soil_water", "soil_water.tif", "static.path", "static.layers"):
        assert part in outcome.error


# ---------------------------------------------------------------------- cubes


@pytest.mark.slow
def test_a_cube_with_the_ground_of_an_archive(tiny: TinyArchive, dataset: Build, mmvsf: Command) -> None:
    inclined(tiny.root / "ground")
    tiny.write_recipe(static={"source": "archive", "path": "archive/ground", "layers": ["elevation", "slope"]})
    facts = json.loads(mmvsf("plan", tiny.recipe, "--data-dir", tiny.data, "--json").out)
    assert facts["static_layers"] == ["elevation", "slope"] and facts["static_rasters"] == 1
    assert dataset(tiny).code == 0
    found = layers(tiny)
    assert set(found) == {"elevation", "slope"} and np.isfinite(found["elevation"]).all()
    checked = mmvsf("check", tiny.cube)
    assert checked.code == 0 and "static" in checked.out
    explained = json.loads(
        mmvsf("explain", tiny.cube, "--day", "2020-06-10", "--x", LEFT + 45, "--y", TOP - 15, "--json").out
    )
    assert explained["static"]["elevation"] == pytest.approx(float(found["elevation"][0, 1]))
    group = xr.open_zarr(tiny.cube / TILE / "static", consolidated=False)
    assert group["elevation"].attrs["units"] == "m" and group["slope"].attrs["units"] == "degree"
    assert group["elevation"].attrs["standard_name"] == "surface_altitude" and "spatial_ref" in group.coords
    cube = Cube.open(tiny.cube)
    slope = origins(tiny)["slope"]
    assert slope["source"].startswith("elevation of an archive") and slope["path"] == "archive/ground"
    ((picture, table),) = [section.elements for section in static_sections(ReportView(cube))]
    assert picture.kind == "picture" and [row[0].text for row in table.rows] == ["elevation (m)", "slope (degree)"]
    assert table.rows[0][1].text == f"{found['elevation'].min():.4g}" and table.rows[0][-1].text == "100 %"


def test_without_the_section_a_cube_is_what_it_was(built: TinyArchive) -> None:
    cube = Cube.open(built.cube)
    assert cube.static_layers == () and cube.static((0, 0)) == {} and not cube.confidence
    assert not (built.cube / TILE / "static").exists() and not (built.cube / TILE / "labels/confidence").exists()
    assert not {"static_layers", "label_confidence"} & cube.attributes.keys()


@pytest.mark.slow
def test_the_ground_changes_nothing_else(public: TinyArchive, built: TinyArchive) -> None:
    build_tiny(public)
    for group in ("imagery", "blocks", "chunks", "weather", "labels", "scenes"):
        assert contents(public.cube, group) == contents(built.cube, group), group


@pytest.mark.slow
def test_another_choice_of_layers_asks_for_another_cube(public: TinyArchive, dataset: Build) -> None:
    build_tiny(public)
    for changed in ({"source": "public", "layers": ["elevation"]}, None):
        public.write_recipe(**({"static": changed} if changed else {}))
        outcome = dataset(public)
        assert outcome.code == 2 and "static.layers leaves out" in outcome.error and "--overwrite" in outcome.error


# ---------------------------------------------------------------------- public archives


@pytest.mark.slow
def test_the_ground_of_the_planetary_computer(public: TinyArchive, server: ArchiveServer, mmvsf: Command) -> None:
    """Signed tiles of two collections; the numbers are those of the made-up ground at every pixel."""
    shown = mmvsf("plan", public.recipe, "--data-dir", public.data)
    assert shown.code == 0 and "elevation, slope, soil_water from" in " ".join(shown.out.split())
    assert not any("ground/" in request.path for request in server.requests)
    assert mmvsf("dataset", public.recipe, "--data-dir", public.data, "--workers", 1).code == 0
    found = layers(public)
    x, y = centres()
    lon, lat = Transformer.from_crs(32615, 4326, always_xy=True).transform(x, y)
    truth = elevation_at(lon, lat)
    # Between the centres of the DEM's pixels hills of 12 m are off by a few centimetres.
    np.testing.assert_allclose(found["elevation"], truth, atol=0.2)
    assert truth.max() - truth.min() > 20 and 0 < np.nanmedian(found["slope"]) < 10
    rise = np.gradient(truth, 30.0)
    np.testing.assert_allclose(
        found["slope"][1:-1, 1:-1], np.degrees(np.arctan(np.hypot(*rise)))[1:-1, 1:-1], atol=0.15
    )
    east, north = Transformer.from_crs(32615, 5070, always_xy=True).transform(*centres(3))
    fine = soil_water_at(east, north)
    whole = np.isfinite(fine).reshape(ROWS, 3, COLUMNS, 3)
    uniform = whole.all((1, 3)) & (np.ptp(fine.reshape(ROWS, 3, COLUMNS, 3), axis=(1, 3)) == 0)
    inner = uniform & (np.abs(found["soil_water"] - fine[1::3, 1::3]) < 1e-3)
    assert inner.sum() > 0.9 * uniform.sum() > 1000
    assert 0.02 < np.isnan(found["soil_water"]).mean() < 0.3
    sources = origins(public)
    assert sources["slope"]["from"] == "planetary-computer" and sources["slope"]["collection"] == "cop-dem-glo-30"
    assert sources["slope"]["url"] == server.stac_url
    assert "Airbus" in sources["elevation"]["source"] and sources["soil_water"]["licence"] == "public domain"
    assert "sig=" not in json.dumps(Cube.open(public.cube).attributes)


@pytest.mark.slow
def test_earth_engine_gives_the_same_ground(
    public: TinyArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_tiny(public)
    other = TinyArchive(tmp_path / "other", public.items)
    other.folder.mkdir()
    other.root.symlink_to(public.root)
    other.write_recipe(static={"source": "earthengine", "layers": ALL})
    with serving(ground_images(), monkeypatch) as engine:
        build_tiny(other)
        assert engine.asked("GLO30:listAssets") and engine.asked("aws0_100:listAssets")
    for name, values in layers(public).items():
        np.testing.assert_array_equal(layers(other)[name], values, err_msg=name)
    assert digest(public.cube) == digest(other.cube)
    assert "Earth Engine" in origins(other)["elevation"]["source"]


FAULTS: list[tuple[str, Fault]] = [
    ("ground/dem", status(503)),
    ("ground/dem", status(429, retry_after=0)),
    ("ground/dem", reset()),
    ("ground/dem", truncated()),
    ("ground/aws0", empty()),
    ("ground/aws0", corrupt()),
    ("ground/aws0", status(403)),
    ("POST /stac/search", status(503)),
]


@pytest.fixture(scope="module")
def faultless(tmp_path_factory: pytest.TempPathFactory, built: TinyArchive) -> str:
    """Digest of the static group of a build in which nothing failed."""
    archive = TinyArchive(tmp_path_factory.mktemp("faultless"), built.items)
    archive.root.symlink_to(built.root)
    with pytest.MonkeyPatch.context() as patch, ArchiveServer(built.root, access="sas") as running:
        patch.setattr(signing, "_tokens", {})
        for name, value in running.environment().items():
            patch.setenv(name, value)
        archive.write_recipe(static=PUBLIC)
        build_tiny(archive)
    return contents(archive.cube, "static")


@pytest.mark.slow
@pytest.mark.parametrize(("where", "fault"), FAULTS)
def test_a_fault_that_passes_leaves_no_trace(
    public: TinyArchive, server: ArchiveServer, faultless: str, where: str, fault: Fault
) -> None:
    server.fail(where, fault, times=1)
    build_tiny(public)
    assert contents(public.cube, "static") == faultless


@pytest.mark.slow
def test_ground_that_cannot_be_had_leaves_the_rest_built(
    public: TinyArchive, server: ArchiveServer, dataset: Build, faultless: str
) -> None:
    server.fail("ground/aws0", status(404))
    outcome = dataset(public)
    assert outcome.code == 1 and "static:" in outcome.error and "404" in outcome.error and "sig=" not in outcome.err
    ledger = public.data / "tiny.zarr.ledger"
    assert list((ledger / "imagery").rglob("*.json")) and list((ledger / "labels").rglob("*.json"))
    kept = [path.read_text() for path in ledger.glob("static/*.json")]
    assert len(kept) == 6 and all('"failures":[' in text and "404" in text and "sig=" not in text for text in kept)
    server.clear_faults()
    assert dataset(public).code == 0
    assert contents(public.cube, "static") == faultless and len(list(ledger.glob("static/*.json"))) == 6


@pytest.mark.slow
def test_what_is_done_is_not_read_again(public: TinyArchive, server: ArchiveServer) -> None:
    build_tiny(public)
    before = sum("ground/" in request.path for request in server.requests)
    build_tiny(public)
    assert before and sum("ground/" in request.path for request in server.requests) == before


def test_ground_that_the_catalogue_lacks(tiny: TinyArchive, dataset: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.write_recipe(static=PUBLIC)
    with ArchiveServer(tiny.root, ground=False) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        outcome = dataset(tiny)
    assert outcome.code == 2 and "has no collection cop-dem-glo-30; it has hls2-l30" in outcome.error


def test_ground_that_is_not_there(public: TinyArchive, server: ArchiveServer, dataset: Build) -> None:
    nothing = {"type": "FeatureCollection", "features": [], "links": []}
    server.fail("/search", lambda request, right: Response.of_json(nothing))
    outcome = dataset(public)
    assert outcome.code == 2 and "no elevation over this region" in outcome.error


# ---------------------------------------------------------------------- weather


def test_cells_have_the_mean_elevation_of_their_ground(tmp_path: Path) -> None:
    source = ArchiveStatic(inclined(tmp_path))
    cells = weather_cells(source, GRID)
    elevation = read_all(source, ("elevation",))["elevation"]
    assert cells.elevation.shape == (2, 2) == cells.wanted.shape and cells.wanted.all()
    assert (np.diff(cells.y) > 0).all()
    np.testing.assert_allclose(cells.elevation[1, 0], elevation[:48, :48].mean(), atol=1e-3)
    np.testing.assert_allclose(cells.elevation[0, 1], elevation[48:, 48:].mean(), atol=1e-3)


@dataclass(frozen=True)
class _NoGround:
    """A source without any tile over the region."""

    def tiles(self, layer: str, grid: Grid) -> list[Asset]:
        raise InputError(f"no {layer}")


def test_no_layers_ask_for_nothing() -> None:
    assert static_tasks(_NoGround(), GRID, ()) == []  # type: ignore[arg-type]


def test_the_identity_of_a_task_is_what_it_is_made_from(tmp_path: Path) -> None:
    """Moving a file changes nothing; another content does."""
    first = static_tasks(ArchiveStatic(inclined(tmp_path / "a")), GRID, ("elevation",))
    moved = static_tasks(ArchiveStatic(inclined(tmp_path / "b")), GRID, ("elevation",))
    other = static_tasks(ArchiveStatic(inclined(tmp_path / "c", nodata=-9999)), GRID, ("elevation",))
    assert [task.digest for task in first] == [task.digest for task in moved]
    assert not {task.digest for task in first} & {task.digest for task in other}
    assert raster_grid(tmp_path / "a/elevation.tif").crs == "EPSG:4326"


def test_a_tile_beside_a_block_counts_where_its_pixels_are_neighbours_of_the_blocks() -> None:
    grid = Grid("EPSG:32615", 30.0, 480_000.0, 4_650_000.0, 1, 1, 32, 16, 32, ((0, 0),))
    east = 480_000.0 + 33 * 30  # with the pixel around the block that slopes need

    def tile(left: float) -> Asset:
        return Asset(f"from {left}", RasterGrid(grid.crs, (90.0, 0.0, left, 0.0, -90.0, 4_650_090.0), (20, 20)))

    beside, apart = tile(east + 45), tile(east + 45 + 180)

    class Tiles:
        def tiles(self, layer: str, grid: Grid) -> list[Asset]:
            return [beside, apart]

    (task,) = static_tasks(cast(StaticSource, Tiles()), grid, ("elevation",))
    assert task.tiles == (("elevation", (beside,)),)
