"""Landsat Collection 2 Level 2 from files to cube: scale, offset, QA_PIXEL, and which scenes count."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.layers.imagery.table import SIX_BANDS
from mmvsf.pipeline.raster.scene import RasterGrid
from mmvsf.pipeline.sources.earthengine.imagery import EarthEngineImagery
from mmvsf.pipeline.sources.stac.select import SceneSelection
from mmvsf.pipeline.sources.transport import http

from ..servers.archive import ArchiveServer
from .conftest import Command, Outcome, build_tiny
from .landsat_archive import COLUMNS, KEYS, LEFT, NOT_TAKEN, ROWS, SCENES, TOP, LandsatScene, as_usgs, write_landsat
from .stored import contents, stored_day
from .test_stac import QUICK
from .tiny_archive import TinyArchive, write_raster

pytestmark = pytest.mark.stand_in

Build = Callable[..., Outcome]
FILL = -9999
DAYS = sorted({scene.day for scene in SCENES})


@pytest.fixture(scope="session")
def landsat_built(tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    """The archive with its cube. Not to be changed."""
    archive = write_landsat(tmp_path_factory.mktemp("landsat"))
    build_tiny(archive)
    return archive


@pytest.fixture
def landsat(tmp_path: Path) -> TinyArchive:
    """The archive without a cube, to change."""
    return write_landsat(tmp_path)


def on_region(archive: TinyArchive, scene: LandsatScene, key: str, outside: int) -> NDArray[np.int64]:
    """The numbers of a file, as rasterio reads them, placed on the pixels of the region by its own corner."""
    with rasterio.open(archive.root / f"scenes/{scene.id}/{key}.tif") as file:
        values = file.read(1).astype(np.int64)
        row, column = round((TOP - file.transform.f) / 30), round((file.transform.c - LEFT) / 30)
    result = np.full((ROWS, COLUMNS), outside, np.int64)
    for r, c in np.ndindex(values.shape):
        if 0 <= r + row < ROWS and 0 <= c + column < COLUMNS:
            result[r + row, c + column] = values[r, c]
    return result


def quality_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """QA_PIXEL as quality bits, by arithmetic."""
    bit = {number: codes // 2**number % 2 for number in range(8)}
    cloud = np.maximum(bit[2], bit[3])
    quality = 2 * cloud + 4 * bit[1] + 8 * bit[4] + 16 * bit[5] + 32 * bit[7]
    return np.where((bit[0] == 1) | (codes == 0), 255, quality)


def reflectance_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stored numbers as cube numbers: n x .275 - 2000 in thousandths, to the nearest whole, halves to the even one."""
    whole, rest = np.divmod(numbers * 275 - 2_000_000, 1000)
    up = (rest > 500) | ((rest == 500) & (whole % 2 == 1))
    return np.where(numbers == 0, FILL, whole + up)


def rank_of(quality: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clear before snow before shadow or dilated cloud before cloud before no data."""
    rank = np.where(quality & 16, 1, 0)
    rank = np.where(quality & 12, 2, rank)
    rank = np.where(quality & 2, 3, rank)
    return np.where(quality == 255, 4, rank)


def expected(archive: TinyArchive, day: date) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(quality, reflectance by band) of a day: each pixel from the best scene, from the smaller id where two are."""
    quality = np.full((ROWS, COLUMNS), 255, np.int64)
    reflectance = np.full((6, ROWS, COLUMNS), FILL, np.int64)
    for scene in sorted((scene for scene in SCENES if scene.day == day), key=lambda scene: scene.id):
        seen = quality_of(on_region(archive, scene, "qa_pixel", 1))
        missing = np.any([on_region(archive, scene, key, 0) == 0 for key in KEYS], axis=0)
        seen[missing & (rank_of(seen) == 0)] = 255  # clear, and yet a band is not there
        better = rank_of(seen) < rank_of(quality)
        quality[better] = seen[better]
        for band, key in enumerate(KEYS):
            reflectance[band][better] = reflectance_of(on_region(archive, scene, key, 0))[better]
    return quality, reflectance


def stored(archive: TinyArchive, name: str, day: date) -> NDArray[np.generic]:
    """One day of an array of the cube."""
    return stored_day(archive, f"imagery/{name}", day)


def assert_as_expected(archive: TinyArchive) -> None:
    for day in DAYS:
        quality, reflectance = expected(archive, day)
        np.testing.assert_array_equal(stored(archive, "quality", day), quality)
        np.testing.assert_array_equal(stored(archive, "reflectance", day), reflectance)


@pytest.mark.slow
def test_every_pixel(landsat_built: TinyArchive) -> None:
    assert_as_expected(landsat_built)


def test_the_archive_exercises_the_rules(landsat_built: TinyArchive) -> None:
    """Or the comparison above would prove little: both scenes of a pass win pixels, and reflectance is as declared."""
    quality, reflectance = expected(landsat_built, DAYS[0])
    assert set(np.unique(quality)) == {0, 2, 4, 8, 10, 16, 32, 255}
    scene = stored(landsat_built, "scene", DAYS[0])
    assert {0, 1, 255} <= set(np.unique(scene).tolist())
    assert len(np.unique(expected(landsat_built, DAYS[-1])[0])) >= 30
    number = on_region(landsat_built, SCENES[2], "red", 0)
    known = number > 0
    declared = number[known] * 2.75e-5 - 0.2
    found = stored(landsat_built, "reflectance", SCENES[2].day)[2][known] * 1e-4
    masked = found == FILL * 1e-4
    assert masked.mean() < 0.5
    np.testing.assert_allclose(found[~masked], declared[~masked], atol=0.5e-4 + 1e-9)
    known = reflectance[reflectance > FILL]
    assert -2000 <= known.min() < 0 and known.max() > 15000 and (reflectance == FILL).any()


def test_only_oli_scenes_of_tier_1_at_level_2_are_taken(landsat_built: TinyArchive) -> None:
    table = zarr.open_group(str(landsat_built.cube / "scenes"), mode="r")
    assert set(table["id"][...].tolist()) == {scene.id for scene in SCENES}
    assert set(table["offset"][...].tolist()) == {0} and set(table["product"][...].tolist()) == {"landsat-c2-l2"}
    assert set(table["version"][...].tolist()) == {"2022-05-06T17:22:47.000000Z"}
    for scene in NOT_TAKEN[1:]:
        assert (stored(landsat_built, "quality", scene.day) == 255).all()


def test_the_cube_says_what_it_holds(landsat_built: TinyArchive) -> None:
    (source, _) = zarr.open_group(str(landsat_built.cube), mode="r").attrs["sources"]
    assert source["product"] == "landsat-c2-l2" and source["licence"] == "public domain (USGS)"
    assert "Landsat Collection 2 Level 2" in source["processing"]


def test_items_of_usgs(landsat: TinyArchive, landsat_built: TinyArchive) -> None:
    """They declare neither scale nor offset."""
    landsat.items = [as_usgs(described) for described in landsat.items]
    landsat.write_items()
    build_tiny(landsat)
    assert_as_expected(landsat)
    for name in ("reflectance", "quality", "scene"):
        assert contents(landsat.cube, f"imagery/{name}") == contents(landsat_built.cube, f"imagery/{name}")


def serve(archive: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> ArchiveServer:
    """The archive as the Planetary Computer has it, and its recipe for that."""
    monkeypatch.setattr(http, "RETRY_POLICY", QUICK)
    content = yaml.safe_load(archive.recipe.read_text())
    content["imagery"] |= {"source": "stac", "catalog": "planetary-computer"}
    del content["imagery"]["path"]
    archive.recipe.write_text(yaml.safe_dump(content))
    return ArchiveServer(archive.root, access="sas")


@pytest.mark.slow
def test_a_recipe_of_the_planetary_computer(
    landsat: TinyArchive, landsat_built: TinyArchive, dataset: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(landsat, monkeypatch) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        outcome = dataset(landsat)
        read = {request.path for request in server.requests if request.path.endswith(".tif")}
    assert outcome.code == 0, outcome.err
    assert_as_expected(landsat)
    for group in ("imagery", "scenes"):
        assert contents(landsat.cube, group) == contents(landsat_built.cube, group), group
    assert any(SCENES[0].id in path for path in read)
    assert not any(scene.id in path for path in read for scene in NOT_TAKEN)
    (source, _) = zarr.open_group(str(landsat.cube), mode="r").attrs["sources"]
    assert (source["from"], source["collection"]) == ("planetary-computer", "landsat-c2-l2")


def test_its_plan_and_its_cost(landsat: TinyArchive, mmvsf: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(landsat, monkeypatch) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        plan = json.loads(mmvsf("plan", landsat.recipe, "--data-dir", landsat.data, "--json").out)
    assert plan["scenes"] == len(SCENES) and plan["remote"] and plan["requests"] > 0 and plan["read_megabytes"] > 0
    (cost,) = json.loads(mmvsf("cost", landsat.recipe, "--json").out).values()
    assert cost["blocks"] == 6 and cost["requests"] > 0 and cost["download_bytes"] > 0


def test_an_item_of_another_scale_fails_its_day(landsat: TinyArchive, dataset: Build) -> None:
    """Collection 1 stored steps of 1e-4: read with the scale of Collection 2 they would be 0.7 darker."""
    landsat.items[2]["assets"]["nir08"]["raster:bands"] = [{"scale": 1e-4, "offset": 0}]
    landsat.write_items()
    outcome = dataset(landsat)
    assert outcome.code == 1 and SCENES[2].id in outcome.error and "declares a scale of 0.0001" in outcome.error


@pytest.mark.parametrize("key", ["platform", "landsat:collection_category", "landsat:correction"])
def test_an_item_that_does_not_say_if_it_counts_fails_its_day(landsat: TinyArchive, dataset: Build, key: str) -> None:
    del landsat.items[0]["properties"][key]
    landsat.write_items()
    outcome = dataset(landsat)
    assert outcome.code == 1 and f"{SCENES[0].id}: it has no {key}" in outcome.error


def test_a_mask_of_another_type_fails_its_day(landsat: TinyArchive, dataset: Build) -> None:
    """A QA band that somebody reduced to eight bits has lost what it says."""
    scene = SCENES[2]
    mask = (scene.files()["qa_pixel"] & 255).astype(np.uint8)
    write_raster(landsat.root / f"scenes/{scene.id}/qa_pixel.tif", mask, scene.granule)
    outcome = dataset(landsat)
    assert outcome.code == 1 and "a mask of landsat-c2-l2 is uint16, found uint8" in outcome.error


@pytest.mark.parametrize(
    ("products", "words"),
    [
        (["modis"], ("imagery.products takes some of hls-l30", "landsat-c2-l2; found 'modis'")),
        (["landsat-c2-l2", "hls-s30"], ("imagery.products mixes", "one cube of each")),
    ],
)
def test_products_that_no_cube_can_hold(
    landsat: TinyArchive, dataset: Build, products: list[str], words: tuple[str, ...]
) -> None:
    content = yaml.safe_load(landsat.recipe.read_text())
    content["imagery"]["products"] = products
    landsat.recipe.write_text(yaml.safe_dump(content))
    outcome = dataset(landsat)
    assert outcome.code == 2 and str(landsat.recipe) in outcome.error
    for word in words:
        assert word in outcome.error


def test_earth_engine_is_not_read_for_it(landsat: TinyArchive) -> None:
    region, path = load_region(str(landsat.recipe))
    grid = grid_from_recipe(region, path, landsat.data)
    with pytest.raises(InputError, match="landsat-c2-l2 cannot be read from Earth Engine"):
        EarthEngineImagery().search(grid, region.period, ("landsat-c2-l2",))


REAL = os.environ.get("MMVSF_REAL_DATA")


@pytest.mark.skipif(REAL is None, reason="needs real data: set MMVSF_REAL_DATA")
@pytest.mark.parametrize(
    ("name", "taken"),
    [("LC08_L2SP_028030_20200114_20200824_02_T1_SR", True), ("LE07_L2SP_044033_20210329_20210424_02_T1_SR", False)],
)
def test_real_items_of_usgs(name: str, taken: bool) -> None:
    described: dict[str, Any] = json.loads((Path(str(REAL)) / f"stac/{name}.json").read_text())
    period = Period.model_validate({"start": "2020-01-01", "end": "2021-12-31"})
    epsg, transform = described["properties"]["proj:epsg"], described["properties"]["proj:transform"]
    left, top = transform[2] + 90_000, transform[5] - 90_000
    selection = SceneSelection(
        Grid(f"EPSG:{epsg}", 30.0, left, top, 1, 1, 256, 64, 128, ((0, 0),)), period, [SIX_BANDS.named("landsat-c2-l2")]
    )
    selection.take(described, str, no_header)
    if taken:
        (scene,) = selection.found("here").scenes
        assert [asset.href[-9:] for asset in scene.bands] == [f"SR_B{number}.TIF" for number in range(2, 8)]
        assert scene.quality.href.endswith("QA_PIXEL.TIF") and scene.quality.grid.crs == "EPSG:32615"
        assert (scene.offset, scene.version) == (0, "2021-07-23T22:39:42.962Z")
    else:
        with pytest.raises(InputError, match="1 of another platform, tier or correction"):
            selection.found("here")


def no_header(product: Product, item: str, key: str, href: str) -> RasterGrid:
    raise AssertionError(f"{item} says the grid of {href}")
