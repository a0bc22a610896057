"""Sentinel-2 L2A: two resolutions in one scene, SCL, no data 0, and the offset of processing baseline 04.00."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube

from ..servers.archive import ArchiveServer
from .conftest import Outcome, build_tiny
from .tiny_archive import BANDS, WEATHER_DAYS, Granule, Scene, TinyArchive, patches, stac_item, write_raster

pytestmark = pytest.mark.stand_in

FINE = Granule("31UDS", 32631, 501360.0, 5629680.0, 64, 32, 10.0)
"""Two blocks of 32 pixels, one above the other."""
FILL = -9999
COARSE = {"B8A", "B11", "B12", "SCL"}
Build = Callable[..., Outcome]

OLD = Scene(FINE, "sentinel-2-l2a", "2021-05-10T10:51:05", properties={"s2:processing_baseline": "03.01"})
NEW = Scene(FINE, "sentinel-2-l2a", "2021-05-20T10:51:05", properties={"s2:processing_baseline": "05.10"})
NEWER = Scene(
    FINE, "sentinel-2-l2a", "2021-05-25T10:51:05",
    properties={"s2:processing_baseline": "05.10", "earthsearch:boa_offset_applied": False},
)  # fmt: skip
REMOVED = Scene(
    FINE, "sentinel-2-l2a", "2021-05-30T10:51:05",
    properties={"s2:processing_baseline": "05.10", "earthsearch:boa_offset_applied": True},
)  # fmt: skip


def rasters(scene: Scene) -> dict[str, NDArray[Any]]:
    """Each asset on its own grid. The 20 m bands begin half a coarse pixel off the corner of the region."""
    rng = np.random.default_rng(scene.seed)
    shapes = {key: (33, 17) if key in COARSE else (64, 32) for key in (*BANDS[scene.collection], "SCL")}
    values = {key: rng.integers(1, 9000, shape).astype(np.uint16) for key, shape in shapes.items()}
    for key in BANDS[scene.collection]:
        values[key][rng.random(shapes[key]) < 0.01] = 0
    values["B02"][0, :3] = 65535, 40000, 1
    return values | {"SCL": patches(rng, (33, 17), range(12), 3)}


def grid_from_recipe(key: str) -> Granule:
    return Granule("", 32631, FINE.left - 10, FINE.top + 10, 33, 17, 20.0) if key in COARSE else FINE


@pytest.fixture
def s2(tmp_path: Path) -> TinyArchive:
    archive = TinyArchive(tmp_path)
    for scene in (OLD, NEW):
        identity = f"S2A_31UDS_{scene.day:%Y%m%d}"
        for key, values in rasters(scene).items():
            write_raster(archive.root / f"{identity}/{key}.tif", values, grid_from_recipe(key), 0)
        assets = {key: (f"{identity}/{key}.tif", grid_from_recipe(key)) for key in rasters(scene)}
        archive.items.append(stac_item(scene, identity, assets))
    archive.write_items()
    values = np.full((WEATHER_DAYS.size, 1, 1), 8.0)
    archive.write_weather(
        xr.Dataset(
            {"tmin": (("time", "lat", "lon"), values, {"units": "degC"})},
            {"time": WEATHER_DAYS.astype("datetime64[ns]"), "lat": [50.8], "lon": [3.02]},
        )
    )
    sites = [{"name": "north", "lon": 3.0215, "lat": 50.8165}, {"name": "south", "lon": 3.0215, "lat": 50.8136}]
    archive.recipe.write_text(
        yaml.safe_dump(
            {
                "name": "tiny",
                "title": "Two blocks of Flanders",
                "area": {"sites": sites},
                "grid": {
                    "crs": "EPSG:32631", "resolution": 10, "block": 32, "chunk": 16, "weather_cell": 32,
                    "origin": [FINE.left, FINE.top],
                },
                "period": {"start": "2021-05-01", "end": "2021-05-31"},
                "imagery": {"source": "archive", "path": "archive", "products": ["sentinel-2-l2a"],
                            "skip_below_clear": 0, "complete_above": 0.5},
                "weather": {"source": "archive", "path": "archive/weather/daily.nc", "variables": ["tmin"]},
                "split": {"places": {"test": ["south"]}},
            }
        )
    )  # fmt: skip
    return archive


def day_of(archive: TinyArchive, name: str, day: date) -> NDArray[np.generic]:
    """One day of the two blocks, (..., rows, columns)."""
    cube = Cube.open(archive.cube)
    at = cube.calendar.index((day - date(1970, 1, 1)).days)
    rows, columns = (slice(min(place), max(place) + 1) for place in zip(*cube.grid.blocks, strict=True))
    if name.startswith("blocks/"):
        return cube.array(name)[at, rows, columns]
    side = cube.grid.block
    pixels = (slice(part.start * side, part.stop * side) for part in (rows, columns))
    bands = [slice(None)] if name == "imagery/reflectance" else []
    return cube.pixels(name).read((at, *bands, *pixels))


def to_fine(values: NDArray[Any]) -> NDArray[Any]:
    """20 m pixels as 10 m pixels of the region, which begins in the middle of the first."""
    return values.repeat(2, 0).repeat(2, 1)[1:65, 1:33]


@pytest.mark.slow
@pytest.mark.parametrize(("scene", "offset"), [(OLD, 0), (NEW, -1000)], ids=["baseline 03.01", "baseline 05.10"])
def test_every_pixel(s2: TinyArchive, scene: Scene, offset: int) -> None:
    build_tiny(s2)
    files = rasters(scene)
    scl = {0: 255, 1: 255, 2: 0, 3: 8, 4: 0, 5: 0, 6: 32, 7: 0, 8: 2, 9: 2, 10: 2, 11: 16}
    quality = np.vectorize(scl.get)(to_fine(files["SCL"]))
    missing = np.any(
        [(to_fine(files[key]) if key in COARSE else files[key]) == 0 for key in BANDS[scene.collection]], 0
    )
    quality[missing & np.isin(quality, (0, 32))] = 255  # clear, and yet a band is not there
    np.testing.assert_array_equal(day_of(s2, "imagery/quality", scene.day), quality)
    found = day_of(s2, "imagery/reflectance", scene.day)
    for band, key in enumerate(BANDS[scene.collection]):
        numbers = (to_fine(files[key]) if key in COARSE else files[key]).astype(int)
        wanted = np.where((numbers == 0) | (quality == 255), FILL, np.minimum(numbers + offset, 32767))
        np.testing.assert_array_equal(found[band], wanted)
    table = zarr.open_group(str(s2.cube / "scenes"), mode="r")
    assert sorted(set(table["offset"][...].tolist())) == [-1000, 0]


def test_an_offset_that_the_archive_has_removed_is_not_taken_off_twice(s2: TinyArchive) -> None:
    s2.items[1]["properties"]["earthsearch:boa_offset_applied"] = True
    s2.write_items()
    build_tiny(s2)
    quality = day_of(s2, "imagery/quality", NEW.day)
    found = day_of(s2, "imagery/reflectance", NEW.day)[1]
    numbers = rasters(NEW)["B03"].astype(int)
    np.testing.assert_array_equal(found, np.where((numbers == 0) | (quality == 255), FILL, numbers))


def test_an_item_that_does_not_say_fails_its_day(s2: TinyArchive, dataset: Build) -> None:
    del s2.items[1]["properties"]["s2:processing_baseline"]
    s2.write_items()
    outcome = dataset(s2)
    assert outcome.code == 1 and s2.items[1]["id"] in outcome.error and "s2:processing_baseline" in outcome.error


def test_an_item_that_says_wrongly_is_refused_where_it_shows(s2: TinyArchive, dataset: Build) -> None:
    """Earth Search says of some scenes that the offset is still in the numbers, and it is not: clear ground would be
    darker than any. That day fails, in the blocks where it can be seen; the others are as they should be."""
    path = s2.root / s2.items[1]["id"] / "B02.tif"
    right, removed = rasters(NEW)["B02"], rasters(NEW)["B02"] % 500 + 1
    write_raster(path, np.concatenate([removed[:32], right[32:]]), FINE, 0)
    outcome = dataset(s2)
    assert outcome.code == 1 and "with the offset of -1000 that its item asks for" in outcome.error
    assert s2.items[1]["id"] in outcome.error and "imagery.catalog" in outcome.error
    assert dataset(s2, "--accept-failed").code == 0
    assert day_of(s2, "blocks/status", NEW.day).ravel().tolist() == [4, 2]
    assert (day_of(s2, "imagery/reflectance", NEW.day)[:, :32] == FILL).all()
    quality = day_of(s2, "imagery/quality", NEW.day)[32:]
    wanted = np.where((right[32:] == 0) | (quality == 255), FILL, np.minimum(right[32:].astype(int) - 1000, 32767))
    np.testing.assert_array_equal(day_of(s2, "imagery/reflectance", NEW.day)[0, 32:], wanted)
    assert (day_of(s2, "blocks/status", OLD.day) == 2).all()


EARTH_SEARCH = {"B02": "blue", "B03": "green", "B04": "red", "B8A": "nir08", "B11": "swir16", "B12": "swir22"}


def test_names_of_earth_search(s2: TinyArchive, tmp_path: Path) -> None:
    build_tiny(s2)
    wanted = day_of(s2, "imagery/reflectance", OLD.day)
    for item in s2.items:
        item["assets"] = {EARTH_SEARCH.get(key, key.lower()): asset for key, asset in item["assets"].items()}
        item["collection"] = "sentinel-2-c1-l2a"
    s2.write_items()
    s2.cube.rename(tmp_path / "before.zarr")
    build_tiny(s2)
    np.testing.assert_array_equal(day_of(s2, "imagery/reflectance", OLD.day), wanted)


@pytest.mark.slow
def test_a_recipe_of_earth_search(s2: TinyArchive, dataset: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its STAC API and its files by range: each item's own offset, as Earth Search says it."""
    for scene in (NEWER, REMOVED):
        identity = f"S2A_31UDS_{scene.day:%Y%m%d}"
        for key, values in rasters(scene).items():
            write_raster(s2.root / f"{identity}/{key}.tif", values, grid_from_recipe(key), 0)
        assets = {key: (f"{identity}/{key}.tif", grid_from_recipe(key)) for key in rasters(scene)}
        s2.items.append(stac_item(scene, identity, assets))
    for item in s2.items:
        item["assets"] = {EARTH_SEARCH.get(key, key.lower()): asset for key, asset in item["assets"].items()}
    s2.write_items()
    content = yaml.safe_load(s2.recipe.read_text())
    content["imagery"] |= {"source": "stac", "catalog": "earth-search"}
    del content["imagery"]["path"]
    s2.recipe.write_text(yaml.safe_dump(content))
    with ArchiveServer(s2.root) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        outcome = dataset(s2)
    assert outcome.code == 0, outcome.err
    assert any("/search" in request.path for request in server.requests)
    for scene, offset in ((OLD, 0), (NEW, -1000), (NEWER, -1000), (REMOVED, 0)):
        numbers = rasters(scene)["B03"].astype(int)
        quality = day_of(s2, "imagery/quality", scene.day)
        wanted = np.where((numbers == 0) | (quality == 255), FILL, np.minimum(numbers + offset, 32767))
        np.testing.assert_array_equal(day_of(s2, "imagery/reflectance", scene.day)[1], wanted)
    table = zarr.open_group(str(s2.cube / "scenes"), mode="r")
    said = dict(zip(table["id"][...].tolist(), table["offset"][...].tolist(), strict=True))
    assert list(said.values()) == [0, -1000, -1000, 0]
    (source, _) = zarr.open_group(str(s2.cube), mode="r").attrs["sources"]
    assert (source["from"], source["collection"], source["licence"][:10]) == (
        "earth-search", "sentinel-2-l2a", "Copernicus"
    )  # fmt: skip
