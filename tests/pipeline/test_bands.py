"""A cube whose recipe names its bands: their order and scales everywhere, and what is left out or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.format.objects import objects_at
from mmvsf.datasets.format.validate import validate
from mmvsf.datasets.samples.statistics import training_statistics
from mmvsf.datasets.variables import REFLECTANCE_FILL
from mmvsf.pipeline.inspect.check import check_cube
from mmvsf.pipeline.layers.imagery.convert import to_band
from mmvsf.pipeline.layers.imagery.products import HLS_L30, LANDSAT_C2_L2
from mmvsf.pipeline.sources.earthengine.imagery import COLLECTIONS

from .conftest import Command, Outcome, build_tiny
from .tiny_archive import EAST, SCENES, Scene, TinyArchive, draw_bands, draw_mask, write_raster

BANDS = ["thermal1", "nir", "red"]
THERMAL = 2500
"""Hundredths of a degree Celsius."""
CLEAR = next(scene for scene in SCENES if scene.when.startswith("2021-06-15"))


def add_asset(archive: TinyArchive, scene: Scene, key: str, values: NDArray[Any]) -> None:
    write_raster(archive.file(scene, key), values, scene.granule, REFLECTANCE_FILL)
    assets = archive.item(scene)["assets"]
    assets[key] = {**assets["B02"], "href": f"scenes/{scene.id}/{key}.tif"}


def write_thermal(tiny: TinyArchive) -> TinyArchive:
    """The archive of Landsat scenes with a thermal band, and a recipe for three bands in an order of its own."""
    for scene in SCENES:
        if scene.collection == "hls2-l30":
            mask = draw_mask(scene)
            values = THERMAL + np.arange(mask.size, dtype=np.int16).reshape(mask.shape) % 700
            add_asset(tiny, scene, "B10", np.where(mask == 255, REFLECTANCE_FILL, values).astype(np.int16))
    tiny.write_items()
    tiny.write_recipe(imagery__products=["hls-l30"], imagery__bands=BANDS)
    return tiny


@pytest.fixture
def thermal(tiny: TinyArchive) -> TinyArchive:
    """The archive, without a cube."""
    return write_thermal(tiny)


@pytest.fixture(scope="module")
def thermal_cube(built: TinyArchive, tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    """The archive with its finished cube. Not to be changed."""
    folder = tmp_path_factory.mktemp("thermal")
    shutil.copytree(built.root, folder / "archive")
    archive = write_thermal(TinyArchive(folder, json.loads((built.root / "items.json").read_text())["features"]))
    build_tiny(archive)
    return archive


def test_bands_of_a_recipe(thermal_cube: TinyArchive) -> None:
    """Pixels, coordinate, scales, statistics and checks of one cube."""
    thermal = thermal_cube
    cube = Cube.open(thermal.cube)
    assert cube.bands == tuple(BANDS) and cube.attributes["bands"] == BANDS
    assert not verify_cube(thermal.cube).damage and not validate(objects_at(str(thermal.cube)))
    assert not [each for each in check_cube(thermal.cube).checks if not each.ok]

    day = cube.calendar.index(int(np.datetime64(CLEAR.day).astype(int)))
    (by, bx) = cube.grid.blocks[-1]
    rows, columns = cube.grid.block_slices((by, bx))
    stored = cube.pixels("imagery/reflectance").read((day, slice(None), rows, columns))
    drawn = draw_bands(CLEAR, draw_mask(CLEAR))
    with rasterio.open(thermal.file(CLEAR, "B10")) as file:
        files = [file.read(1), drawn[3], drawn[2]]
    top, left = 12 + 32, 2 * 32 - 15  # of the last block, in the granule
    assert CLEAR.granule is EAST
    part = np.stack(files)[:, top : top + 32, left : left + 32]
    part[:, (part == REFLECTANCE_FILL).any(axis=0)] = REFLECTANCE_FILL  # without one band a pixel is not clear
    np.testing.assert_array_equal(stored, part)

    images = cube.sel("imagery").isel(time=day)
    array = cube.stored(f"tiles/{cube.grid.tiles[0].name}/imagery/band")
    assert list(array) == BANDS and images["band"].attrs["scale_factors"] == [0.01, 0.0001, 0.0001]
    decoded = images["reflectance"][:, rows, columns]
    known = stored != REFLECTANCE_FILL
    scaled = stored * np.array([0.01, 1e-4, 1e-4])[:, None, None]
    np.testing.assert_allclose(decoded.values[known], scaled[known], rtol=1e-6)
    assert np.isnan(decoded.values[~known]).all()
    tree = open_cube(thermal.cube)
    assert float(tree[f"tiles/{cube.grid.tiles[0].name}/imagery/reflectance"].sel(band="thermal1").max()) > 25
    overview = tree["overviews/8"]
    assert "true_colour" not in overview and "crop" in overview

    moments, _ = training_statistics(cube)
    assert moments.names == tuple(BANDS) and 25 < moments.mean[0] < 32 and 0 < moments.mean[1] < 0.6


def test_exports_follow_the_bands(thermal_cube: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    thermal, tif, nc = thermal_cube, tmp_path / "day.tif", tmp_path / "day.nc"
    for out in (tif, nc):
        assert mmvsf("export", thermal.cube, "--day", CLEAR.day, "--out", out).code == 0
    with rasterio.open(tif) as file:
        assert list(file.descriptions) == BANDS and file.scales == (0.01, 0.0001, 0.0001)
    with xr.open_dataset(nc, engine="h5netcdf") as dataset:
        assert dataset["reflectance"].attrs["scale_factors_of_bands"].tolist() == pytest.approx([0.01, 1e-4, 1e-4])
    index = tmp_path / "ndvi.tif"
    assert mmvsf("export", thermal.cube, "--what", "ndvi", "--day", CLEAR.day, "--out", index).code == 0
    published = mmvsf("publish", thermal.cube, "--url", "https://example.org/tiny.zarr")
    assert published.code == 0, published.err


@pytest.mark.slow
def test_the_report_leaves_out_what_the_bands_do_not_show(
    thermal_cube: TinyArchive, mmvsf: Command, tmp_path: Path
) -> None:
    outcome = mmvsf("report", thermal_cube.cube, "--runs-dir", tmp_path)
    assert outcome.code == 0, outcome.err
    page = next(tmp_path.rglob("*.html")).read_text(encoding="utf-8")
    assert "These need blue, green, nir, red, swir1; the cube has other bands." in page


def test_without_red_there_is_no_ndvi(thermal: TinyArchive, mmvsf: Command) -> None:
    thermal.write_recipe(imagery__products=["hls-l30"], imagery__bands=["nir", "swir1"], labels=None)
    build_tiny(thermal)
    refused = mmvsf("export", thermal.cube, "--what", "ndvi", "--day", CLEAR.day, "--out", thermal.folder / "n.tif")
    assert refused.code == 2
    assert "has no red, so ndvi cannot be exported; its bands are nir, swir1" in refused.error
    assert "/overviews/8" not in open_cube(thermal.cube).groups and not verify_cube(thermal.cube).damage


def test_a_cube_cannot_be_extended_by_bands(thermal: TinyArchive, thermal_cube: TinyArchive, mmvsf: Command) -> None:
    thermal.write_recipe(imagery__products=["hls-l30"], imagery__bands=[*BANDS, "blue"])
    refused = mmvsf("extend", thermal.recipe, "--data-dir", thermal_cube.data, "--workers", 1)
    assert refused.code == 2 and "imagery.bands is" in refused.error


@pytest.mark.parametrize(
    ("products", "bands", "words"),
    [
        (["hls-l30"], ["red", "rededge1"], "imagery.bands: hls-l30 has no rededge1; it has blue, green, red, nir"),
        (["hls-l30", "hls-s30"], ["red", "thermal1"], "imagery.bands: hls-s30 has no thermal1"),
        (["hls-l30"], ["red", "red"], "takes each name once"),
        (["hls-l30"], ["ndvi"], "neither mean nor ndvi; found ndvi"),
        (["hls-l30"], [], "needs at least 1"),
        (["hls-l30"], ["Red"], "does not match"),
        (["hls-l30"], "red", "takes a list"),
    ],
)
def test_impossible_bands_are_refused_in_one_line(
    tiny: TinyArchive, dataset: Callable[[TinyArchive], Outcome], products: list[str], bands: Any, words: str
) -> None:
    tiny.write_recipe(imagery__products=products, imagery__bands=bands)
    outcome = dataset(tiny)
    assert outcome.code == 2 and words in outcome.error
    assert not tiny.cube.exists()


def test_the_default_bands_change_no_digest(tiny: TinyArchive, built: TinyArchive) -> None:
    """Neither of the cube nor of an entry of the ledger."""
    tiny.write_recipe(imagery__bands=["blue", "green", "red", "nir", "swir1", "swir2"])
    build_tiny(tiny)
    assert Cube.open(tiny.cube).digest == Cube.open(built.cube).digest
    name = next((built.data / "tiny.zarr.ledger/imagery").rglob("*.json"))
    same = tiny.data / name.relative_to(built.data)
    assert json.loads(same.read_text())["digest"] == json.loads(name.read_text())["digest"]


def test_bands_of_earth_engine() -> None:
    """Those of a grid in one request; the mask always."""
    chosen = COLLECTIONS["sentinel-2-l2a"].narrowed(("rededge1", "coastal", "red"))
    assert chosen.together == (("B4",), ("B5", "SCL"), ("B1",)) and list(chosen.bands.values()) == ["B5", "B1", "B4"]
    with pytest.raises(
        InputError, match=r"imagery.bands: thermal1 of hls-l30 cannot be read from Earth Engine; these bands can"
    ):
        COLLECTIONS["hls-l30"].narrowed(("red", "thermal1"))


def test_temperatures_are_in_hundredths_of_a_degree() -> None:
    """Landsat's surface temperature is n x .00341802 + 149 K: 44,177 is 299.9977 K, 26.85 degrees Celsius."""
    found = to_band(np.array([0, 1, 44177, 65535], np.uint16), LANDSAT_C2_L2, "surface_temperature", 0)
    kelvins = np.array([1, 44177, 65535]) * 0.00341802 + 149
    assert found.tolist() == [REFLECTANCE_FILL, *np.rint((kelvins - 273.15) * 100).clip(-9998).astype(int)]
    assert found[2] == 2685
    assert to_band(np.array([-9999, 2512], np.int16), HLS_L30, "thermal2", 0).tolist() == [-9999, 2512]
    assert LANDSAT_C2_L2.narrowed(("surface_temperature",)).only["landsat:correction"] == ("l2sp",)
    assert LANDSAT_C2_L2.narrowed(("red",)).only["landsat:correction"] == ("l2sp", "l2sr")
