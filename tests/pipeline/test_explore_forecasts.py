"""Forecasts in the explorer: the medians and quantiles that the page is given, and which forecasts are left out."""

from __future__ import annotations

import json
import math
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.sidecars.forecasts import RECORD
from mmvsf.pipeline.explore.describe import describe, open_runs
from mmvsf.pipeline.explore.forecasts import FAN_SQUARE
from mmvsf.pipeline.explore.site import Site
from mmvsf.pipeline.explore.static import write_explorer

from .explore_files import FORECAST_BANDS, FORECAST_BLOCK, LEVELS, SPREAD, write_forecast
from .tiny_archive import TinyArchive

DAY, AFTER = "2021-06-15", "2021-06-27"


@pytest.fixture(scope="module")
def cube(built: TinyArchive) -> Cube:
    return Cube.open(built.cube)


@pytest.fixture(scope="module")
def run(cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    write_forecast(cube, folder / "forecast/years", (DAY, AFTER), 0.8)
    write_forecast(cube, folder / "forecast/years-drought", (DAY, AFTER), 0.5, scenario={"name": "drought"})
    return folder


def test_squares_of_a_forecast(cube: Cube, run: Path) -> None:
    """The medians of the bands on a day, and the quantiles of a variable on all days."""
    runs = open_runs(cube, [run])
    site = Site(cube, runs, "cube", {})
    rows, columns = cube.grid.block_slices(FORECAST_BLOCK)
    medians = 1e4 * np.array(FORECAST_BANDS)
    for number, day in enumerate((DAY, AFTER)):
        square = square_of(site, f"squares/tiny/forecast-years/{day}/1/0_0.z", 6)
        block, inside = square[:, rows, columns], np.ones((32, 32), bool)
        inside[0, 0] = False
        assert (block[:, 0, 0] == -9999).all()
        np.testing.assert_allclose(block[2, inside], medians[2] + 100 * number)
        np.testing.assert_allclose(block[:, inside].T[:, [0, 1, 3, 4, 5]], np.tile(medians[[0, 1, 3, 4, 5]], (1023, 1)))
        assert (square[:, rows.stop :] == -9999).all() and (square[:, :, : columns.start] == -9999).all()
    coarse = square_of(site, f"squares/tiny/forecast-years/{DAY}/8/0_0.z", 6)
    assert coarse[3, 0, columns.start // 8] == 4000 and (coarse[3, 8:] == -9999).all()
    facts = {raster.name: raster.facts() for raster in runs[0].rasters}
    for variable, median in (("ndvi", (0.5, 0.4)), ("red", (0.14, 0.15))):
        about = facts[f"forecast-years-drought_{variable}"]
        assert about["label"] == "drought" and about["quantiles"] == list(LEVELS)
        assert [str(np.datetime64(day, "D")) for day in about["days"]] == [DAY, AFTER]
        fan = square_of(site, f"squares/tiny/forecast-years-drought_{variable}/all/1/0_0.z", 10)
        assert fan.shape[-1] == about["side"] == FAN_SQUARE
        expected = (np.array(median)[:, None] + SPREAD).ravel() / about["scale"]
        np.testing.assert_allclose(fan[:, rows.start + 5, columns.start + 5], expected, atol=1e-6)


def square_of(site: Site, name: str, bands: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """(bands, side, side)"""
    content = site.square(name)
    assert content is not None
    values = np.frombuffer(zlib.decompress(content), "<i2")
    side = math.isqrt(values.size // bands)
    return values.reshape(bands, side, side)


def _rewrite(**changes: Any) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        record = json.loads((folder / RECORD).read_text())
        (folder / RECORD).write_text(json.dumps({**record, **changes}))

    return rewrite


def _move(folder: Path) -> None:
    with rasterio.open(folder / f"ndvi-{DAY}.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.transform = file.transform @ file.transform.translation(0.5, 0)


def _unfinish(folder: Path) -> None:
    (folder / RECORD).unlink()
    for path in folder.glob("*.tif"):
        path.unlink()
    (folder / "tiles").mkdir()


def _shorten(folder: Path) -> None:
    path = folder / f"quantiles-{AFTER}.tif"
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_rewrite(region="elsewhere"), "it is a forecast of elsewhere"),
        (_rewrite(days=[DAY, DAY]), "forecast.json is damaged (its days are not sorted"),
        (_rewrite(issued=DAY), "or not after the day of issue"),
        (_rewrite(quantiles=[0.05, 0.5]), "its quantiles are not around a median"),
        (
            _rewrite(quantiles=[0.1, 0.25, 0.5, 0.75, 0.9]),
            f"the bands of quantiles-{DAY}.tif are not those of the cube",
        ),
        (_rewrite(weather=None), "forecast.json is damaged (weather: "),
        (lambda folder: (folder / RECORD).write_text('{"region": "ti'), "forecast.json is damaged"),
        (lambda folder: (folder / f"ndvi-{AFTER}.tif").unlink(), f"ndvi-{AFTER}.tif: No such file"),
        (lambda folder: (folder / f"ndvi-{AFTER}.tif").write_bytes(b"no picture"), f"ndvi-{AFTER}.tif"),
        (_unfinish, "it is not finished; run its `mmvsf forecast` again"),
        (_shorten, "it is shorter than it was written"),
        (_move, "its pixels are not those of the cube"),
    ],
)
def test_a_forecast_that_cannot_be_shown_is_left_out_with_one_line(
    cube: Cube, run: Path, tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    shutil.copytree(run, tmp_path / "tiny")
    (whole,) = open_runs(cube, [tmp_path / "tiny"])
    spoil(tmp_path / "tiny/forecast/years")
    (spoilt,) = open_runs(cube, [tmp_path / "tiny"])
    assert whole.notes == () and len(spoilt.notes) == 1
    assert spoilt.notes[0].startswith("forecast/years is left out: ") and words in spoilt.notes[0]
    assert "\n" not in spoilt.notes[0] and str(tmp_path) not in spoilt.notes[0]
    left = {raster.name for raster in whole.rasters} - {raster.name for raster in spoilt.rasters}
    assert left == {"forecast-years", *(f"forecast-years_{name}" for name in (*cube.bands, "ndvi"))}


def test_forecasts_whose_names_differ_by_a_sign(cube: Cube, tmp_path: Path) -> None:
    for name in ("years-+2C", "years--2C"):
        write_forecast(cube, tmp_path / "tiny/forecast" / name, (DAY,), 0.5, scenario={"name": name[-3:]})
    (run,) = open_runs(cube, [tmp_path / "tiny"])
    names = [raster.name for raster in run.rasters]
    assert len(set(names)) == len(names) == 2 * 8 and run.notes == ()


def test_the_last_season_reaches_to_the_last_forecast(cube: Cube, tmp_path: Path) -> None:
    last = int(cube.calendar.days[-1]) + 9
    write_forecast(cube, tmp_path / "tiny/forecast/ahead", (str(np.datetime64(last, "D")),), 0.5)
    (run,) = open_runs(cube, [tmp_path / "tiny"])
    links = dict.fromkeys((f"tiny/{name}" for name in run.files), "")
    seasons = describe(cube, "cube", [run], links)["seasons"]
    assert seasons[-1]["last"] == last and seasons[0]["last"] + 1 == seasons[1]["first"]


def test_static_files_leave_out_a_picture_that_is_damaged_inside(cube: Cube, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "tiny")
    path = tmp_path / f"tiny/forecast/years/ndvi-{AFTER}.tif"
    with rasterio.open(path) as file:
        start, length = (int(file.get_tag_item(f"BLOCK_{part}_0_0", "TIFF", 1)) for part in ("OFFSET", "SIZE"))
    content = bytearray(path.read_bytes())
    content[start : start + length] = b"\xff" * length
    path.write_bytes(content)
    page, (note,) = write_explorer(cube.path, tmp_path / "tiny", "https://x.org/c")
    description = json.loads((page.parent / "explore.json").read_bytes())["runs"][0]
    assert description["notes"] == [note] and "weather of other years is left out: " in note
    names = [raster["name"] for raster in description["rasters"]]
    assert "forecast-years" in names and "forecast-years_ndvi" not in names
    assert not list(page.parent.glob("squares/tiny/forecast-years_ndvi/**/*.z"))
