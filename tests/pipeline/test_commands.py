"""The commands around a cube: regions, plan, dataset, check, explain."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml
import zarr

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.load import shipped_regions
from mmvsf.datasets.samples.statistics import training_statistics
from mmvsf.datasets.variables import is_clear
from mmvsf.pipeline.inspect.check_layers import cells_of_blocks
from mmvsf.pipeline.layers.imagery.masks import decode_fmask
from tests.full_disk import full_disk
from tests.seal import change, seal

from .conftest import Command, Outcome
from .reference import expected_day
from .tiny_archive import BLOCK, COLUMNS, LEFT, NEWEST, ROWS, SCENES, TOP, TinyArchive

Build = Callable[..., Outcome]
DAY = date(2021, 5, 5)


def test_regions_are_listed_and_shown(mmvsf: Command) -> None:
    listed = mmvsf("regions")
    assert listed.code == 0
    for name in shipped_regions():
        assert name in listed.out
        assert yaml.safe_load(mmvsf("regions", "--show", name).out)["title"]
    assert mmvsf("regions", "--show", "atlantis").code == 2


def test_the_plan_is_told_before_anything_is_read(tiny: TinyArchive, mmvsf: Command) -> None:
    for scene in SCENES:  # no pixel is needed
        for path in (tiny.root / f"scenes/{scene.id}").glob("*.tif"):
            path.unlink()
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data, "--json")
    facts = json.loads(outcome.out)
    assert outcome.code == 0 and not tiny.data.exists()
    assert (facts["scenes"], facts["blocks"], facts["label_years"]) == (len(NEWEST), 6, [2020, 2021])
    assert facts["weather_days"] == 639
    assert facts["block_days"] == 8 * 6  # the margin of an outline is wider than the region
    assert facts["read_megabytes"] == pytest.approx(8 * 6 * 32 * 32 * 7.2 / 1e6, abs=0.1)
    text = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data).out
    for part in ("hls-s30", "2021: 5", "6 blocks", "MB", "about 1 second with", "639 days"):
        assert part in text


@pytest.mark.slow
def test_json_for_programs_is_all_there_is_on_the_output(tiny: TinyArchive, dataset: Build) -> None:
    outcome = dataset(tiny, "--json")
    facts = json.loads(outcome.out)
    assert facts["failed"] == 0 and facts["completeness"] == 1.0 and facts["cube"] == str(tiny.cube)
    status = Cube.open(tiny.cube).array("blocks/status")
    assert (facts["stored"], facts["skipped_cloudy"]) == ((status == 2).sum(), (status == 3).sum())


@pytest.mark.slow
def test_a_build_in_a_process_of_its_own_is_quiet(tiny: TinyArchive) -> None:
    command = [sys.executable, "-m", "mmvsf.datasets.command", "dataset", str(tiny.recipe), "--workers", "1"]
    ended = subprocess.run([*command, "--data-dir", str(tiny.data)], capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stderr == ""
    assert str(tiny.cube) in re.sub(r"[\s│┃]|cube ", "", ended.stdout)  # though a narrow table folds it


@pytest.mark.slow
def test_debug_shows_the_traceback(tiny: TinyArchive) -> None:
    command = [sys.executable, "-m", "mmvsf.datasets.command", "--debug", "dataset", "atlantis"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode != 0 and "Traceback" in ended.stderr and "InputError" in ended.stderr


# ---------------------------------------------------------------------- explain


@pytest.mark.slow
def test_every_pixel_of_a_line_is_explained(built: TinyArchive, mmvsf: Command) -> None:
    expected = expected_day(built.root, [scene for scene in SCENES if scene.day == DAY], 0.05)
    seen = set()
    for column in range(0, COLUMNS, 5):
        row = 40
        x, y = LEFT + 30 * column + 1, TOP - 30 * row - 29
        facts = json.loads(mmvsf("explain", built.cube, "--day", DAY, "--x", x, "--y", y, "--json").out)
        assert (facts["row"], facts["column"]) == (row, BLOCK + column)
        assert facts["block"] == [1, 1 + column // 32]
        scene = expected.scene[row, column]
        if scene is None:
            assert "do not reach this pixel" in facts["reason"]
        else:
            assert facts["scene"]["id"] == scene.id and facts["quality"] == expected.quality[row, column]
        seen.add(scene and scene.id)
    assert len(seen) > 2


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("2021-05-06", "no scene of that day has a pixel in the block"),
        ("2021-01-15", "takes no images on that day"),
        ("2021-05-21", "only its mask is stored"),
    ],
)
def test_the_reason_why_there_is_none(built: TinyArchive, mmvsf: Command, day: str, reason: str) -> None:
    x, y = LEFT + 30 * 90, TOP - 30 * 60
    outcome = mmvsf("explain", built.cube, "--day", day, "--x", x, "--y", y)
    assert outcome.code == 0 and reason in outcome.out


@pytest.mark.slow
def test_a_failed_day_is_explained(tiny: TinyArchive, mmvsf: Command, dataset: Build) -> None:
    tiny.file(SCENES[-1], "B04").write_bytes(b"")
    tiny.write_recipe(imagery__complete_above=0.5)
    assert dataset(tiny).code == 1
    place = ("--day", SCENES[-1].day, "--x", LEFT + 30 * 90, "--y", TOP - 30 * 60)
    unfinished = mmvsf("explain", tiny.cube, *place)
    assert unfinished.code == 1 and "is incomplete" in unfinished.error
    assert dataset(tiny, "--accept-failed").code == 0
    outcome = mmvsf("explain", tiny.cube, *place)
    assert "could not be read" in outcome.out


def test_degrees(built: TinyArchive, mmvsf: Command) -> None:
    options = ("--day", DAY, "--x", -95.99, "--y", 41.957, "--lonlat", "--json")
    facts = json.loads(mmvsf("explain", built.cube, *options).out)
    assert 0 <= facts["row"] < ROWS and 0 <= facts["column"] - BLOCK < COLUMNS


@pytest.mark.parametrize(
    ("day", "x", "part"),
    [("2021-13-01", LEFT + 5, "YYYY-MM-DD"), ("1999-01-01", LEFT + 5, "calendar"), ("2021-05-05", 0, "outside")],
)
def test_a_question_beside_the_cube(built: TinyArchive, mmvsf: Command, day: str, x: float, part: str) -> None:
    outcome = mmvsf("explain", built.cube, "--day", day, "--x", x, "--y", TOP - 5)
    assert outcome.code == 2 and part in outcome.error


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("limit", [300, 1500, 2500])
def test_an_export_to_a_full_disk_is_refused(built: TinyArchive, mmvsf: Command, tmp_path: Path, limit: int) -> None:
    """GDAL reports a full disk late or not at all."""
    out = tmp_path / "day.tif"
    out.write_text("of before")
    with full_disk(limit):
        outcome = mmvsf("export", built.cube, "--what", "crop", "--year", 2020, "--out", out)
    assert outcome.code == 1
    assert outcome.error.startswith(f"error: File too large: {out}; ") and "\n" not in outcome.error
    assert out.read_text() == "of before" and [path.name for path in tmp_path.iterdir()] == ["day.tif"]
    assert mmvsf("export", built.cube, "--what", "crop", "--year", 2020, "--out", out).code == 0


def test_a_netcdf_export_is_read_back(
    built: TinyArchive, mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "day.nc", xr.Dataset.to_netcdf
    export = ("export", built.cube, "--day", DAY, "--out", out)

    def flip(dataset: xr.Dataset, draft: Path, **options: Any) -> None:
        write(dataset, draft, **options)
        with h5py.File(draft) as file:
            place = file["reflectance"].id.get_chunk_info(0).byte_offset + 40
        content = bytearray(draft.read_bytes())
        content[place] ^= 1
        draft.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr(xr.Dataset, "to_netcdf", flip)
        outcome = mmvsf(*export)
    assert outcome.code == 1 and str(out) in outcome.error and list(tmp_path.iterdir()) == []
    assert mmvsf(*export).code == 0 and xr.open_dataset(out).reflectance.notnull().any()


@pytest.mark.slow
def test_files_follow_the_umask(finished: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    """Another user can read what a command wrote, where the umask lets them."""
    before = os.umask(0o027)
    try:
        out, data = tmp_path / "out", ("--data-dir", finished.data)
        for arguments in (
            ("plan", finished.recipe, *data, "--html", out / "plan.html", "--png", out / "plan.png"),
            ("export", finished.cube, "--day", DAY, "--out", out / "day.tif"),
            ("report", finished.cube, "--runs-dir", out / "runs"),
        ):
            assert mmvsf(*arguments).code == 0
    finally:
        os.umask(before)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"plan.html", "plan.png", "day.tif", "report.html"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o640}


# ---------------------------------------------------------------------- check


def test_a_sound_cube(built: TinyArchive, mmvsf: Command) -> None:
    outcome = mmvsf("check", built.cube, "--json")
    checks = json.loads(outcome.out)["checks"]
    assert outcome.code == 0 and len(checks) >= 8 and all(ok for _, ok, _ in checks)


def changed(cube: Path, name: str, index: Any, value: Any) -> None:
    """Set a part of an array of the whole grid, and seal the cube: a build that made it would say the same."""
    values = np.array(Cube.open(cube).array(name))
    values[index] = value
    change(cube, {name: values})


def at(day: date) -> int:
    return (day - date(1970, 1, 1)).days - 567 * 32


def place(days: Any, rows: slice, columns: slice) -> tuple[Any, ...]:
    """Rows and columns of the region, which lies a block east of the grid's left edge."""
    return (days, ..., rows, slice(columns.start + BLOCK, columns.stop + BLOCK))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pixel without a scene": (
        lambda cube: changed(cube, "imagery/scene", place(at(DAY), slice(0, 64), slice(20, 96)), 255),
        "without a scene",
    ),
    "reflectance under no data": (
        lambda cube: changed(cube, "imagery/reflectance", place(at(DAY), slice(0, 32), slice(32, 64)), -9999),
        "clear fraction",
    ),
    "a block beyond the recipe": (lambda cube: changed(cube, "chunks/clear_fraction", at(DAY), 101), "clear fraction"),
    "weather that is lost": (lambda cube: changed(cube, "weather/tmax", (100, 0, 1), np.nan), "tmax misses days"),
    "weather in kelvin": (lambda cube: changed(cube, "weather/tmax", 100, 300), "tmax out of range"),
    "no training place": (lambda cube: changed(cube, "chunks/split", ..., 3), "there are no training places and years"),
    "no training year": (lambda cube: changed(cube, "seasons/split", ..., 3), "no training places and years"),
    "no test year": (lambda cube: changed(cube, "seasons/split", ..., 1), "no test years"),
    "a test year without a clear pixel": (
        lambda cube: changed(cube, "chunks/imagery_count", 1, 0),
        "test years have no clear pixel",
    ),
    "no sums": (lambda cube: changed(cube, "chunks/imagery_count", ..., 0), "no clear pixel"),
    "a stray label": (
        lambda cube: changed(cube, "labels/crop", place(0, slice(0, 2), slice(0, 2)), 77),
        "not in the legend: [77]",
    ),
    "never seen": (lambda cube: changed(cube, "blocks/status", ..., 1), "never seen"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found(finished: TinyArchive, mmvsf: Command, kind: str) -> None:
    damage, part = DAMAGE[kind]
    damage(finished.cube)
    outcome = mmvsf("check", finished.cube)
    assert outcome.code == 1 and "not sound" in outcome.error and part in outcome.error


@pytest.mark.slow
def test_every_weather_cell_of_a_block_is_checked(tiny: TinyArchive, mmvsf: Command, dataset: Build) -> None:
    """Where cells are smaller than blocks, most of them hold no block's middle."""
    tiny.write_recipe(grid__weather_cell=16)
    assert dataset(tiny).code == 0
    row, column = (int(places.max()) for places in np.nonzero(Cube.open(tiny.cube).grid.weather_mask()))
    for name, days, value, part in (
        ("vpd", 100, np.nan, "vpd misses days in 1 of 24 cells"),
        ("vpd", 100, 999, "vpd out of range"),
        ("tmin", slice(None), 50, "tmin lies above tmax in 1 of 24 cells"),
    ):
        before = Cube.open(tiny.cube).array(f"weather/{name}")
        changed(tiny.cube, f"weather/{name}", (days, row, column), value)
        outcome = mmvsf("check", tiny.cube)
        assert outcome.code == 1 and part in outcome.error
        change(tiny.cube, {f"weather/{name}": before})
    assert mmvsf("check", tiny.cube).code == 0


@pytest.mark.parametrize("cell", [5, 8, 12, 16, 40])
def test_cells_of_blocks_are_those_that_share_pixels_with_one(cell: int) -> None:
    blocks = ((0, 1), (2, 0), (2, 3))
    grid = Grid("EPSG:32615", 30.0, 0.0, 0.0, 3, 4, 16, 8, cell, blocks)
    expected = np.zeros(grid.weather_shape, bool)
    for row, column in np.argwhere(grid.block_mask().repeat(16, 0).repeat(16, 1)):
        expected[row // cell, column // cell] = True
    np.testing.assert_array_equal(cells_of_blocks(grid), expected)


def test_a_part_that_the_recipe_asks_for_must_not_be_empty(finished: TinyArchive, mmvsf: Command) -> None:
    """Held-out chunks that became training chunks; a trial of a few blocks may be too small to hold any out."""
    cube = Cube.open(finished.cube)
    split = cube.array("chunks/split")
    for code, name in ((2, "validation"), (3, "test")):
        change(cube.path, {"chunks/split": np.where(split == code, 1, split)})
        outcome = mmvsf("check", cube.path)
        assert outcome.code == 1 and f"there are no {name} places" in outcome.error
    region = cube.attributes["region"]
    seal(cube.path, region={**region, "area": {**region["area"], "blocks": 6}})
    assert mmvsf("check", cube.path).code == 0


# ---------------------------------------------------------------------- statistics and splits of a built cube


@pytest.mark.slow
def test_statistics_of_the_training_part(built: TinyArchive) -> None:
    """Sums that travelled through the ledger, against numpy on the pixels."""
    cube = Cube.open(built.cube)
    quality, stored = (cube.array(f"imagery/{name}") for name in ("quality", "reflectance"))
    place = (cube.array("chunks/split") == 1).repeat(16, 0).repeat(16, 1)
    assert place.any() and not place.all()
    year = cube.calendar.days.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
    clear = (quality != 255) & (quality & 0b11110 == 0) & (stored != -9999).all(axis=1)
    values = np.moveaxis(stored, 1, -1)[clear & (year == 2020)[:, None, None] & place] * 1e-4
    imagery, weather = training_statistics(cube)
    np.testing.assert_allclose(imagery.mean, values.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(imagery.std, values.std(axis=0), rtol=1e-7)
    chunks = np.argwhere(cube.array("chunks/split") == 1)
    days = slice(26, 26 + 92 + 366)  # from 2019-10-01 to the end of 2020
    for position, name in enumerate(cube.weather):
        array = cube.array(f"weather/{name}").astype(float)
        cells = [cube.grid.weather_cell_of(16 * cy + 8, 16 * cx + 8) for cy, cx in chunks]
        series = np.stack([array[days, row, column] for row, column in cells])
        assert weather.mean[position] == pytest.approx(series.mean(), rel=1e-9)
        assert weather.std[position] == pytest.approx(series.std(), rel=1e-6)


def test_the_table_of_scenes(built: TinyArchive) -> None:
    table = zarr.open_group(str(built.cube / "scenes"), mode="r")
    ids = set(table["id"][...].tolist())
    assert ids == {scene.id for scene in NEWEST}
    rows = list(zip(*(table[name][...].tolist() for name in ("day", "block_y", "block_x", "index")), strict=True))
    assert rows == sorted(rows) and len(rows) == len(set(rows))
    moments = dict(zip(table["id"][...].tolist(), table["acquired"][...].tolist(), strict=True))
    for scene in NEWEST:
        assert np.datetime64(moments[scene.id], "s") == np.datetime64(scene.when)


def test_origin_and_licence_are_in_the_cube(built: TinyArchive) -> None:
    attributes = zarr.open_group(str(built.cube), mode="r").attrs
    assert (attributes["format"], attributes["format_version"]) == ("mmvsf-cube", 2)
    assert attributes["attribution"] == "made for the tests" and attributes["region"]["name"] == "tiny"
    *imagery, weather, labels = attributes["sources"]
    assert {source["product"] for source in imagery} == {"hls-l30", "hls-s30"}
    assert all(source["licence"] and source["processing"] for source in imagery)
    assert all((source["from"], source["path"]) == ("archive", "archive") for source in imagery)
    assert (weather["role"], weather["source"]) == ("weather", "made for the tests")
    assert (labels["role"], labels["path"]) == ("labels", "archive/labels/crop_{year}.tif")
    assert attributes["software"]["mmvsf"] and attributes["created"]


REAL = os.environ.get("MMVSF_REAL_DATA")


@pytest.mark.slow
@pytest.mark.real_data
def test_a_real_region(mmvsf: Command, tmp_path: Path) -> None:
    """640 m of Flanders: 118 Sentinel-2 scenes, AgERA5, parcels. A clear day's red band is the file's pixels."""
    recipe = Path(__file__).parents[1] / "recipes/flanders-2018.yaml"
    outcome = mmvsf("dataset", recipe, "--data-dir", tmp_path, "--workers", 1, "--json")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert facts["failed"] == 0 and facts["stored"] > 40
    cube = Cube.open(tmp_path / "flanders-2018.zarr")
    root = Path(str(REAL)) / "flanders-2018"
    items = json.loads((root / "items.json").read_text())["features"]
    (block,) = cube.grid.blocks
    compared = 0
    for item in items[::9]:
        day = date.fromisoformat(item["properties"]["datetime"][:10])
        position = cube.calendar.index((day - date(1970, 1, 1)).days)
        if cube.array("blocks/status")[position, *block] != 2:
            continue
        with (
            rasterio.open(root / item["assets"]["B04"]["href"]) as red,
            rasterio.open(root / item["assets"]["SCL"]["href"]) as scl,
        ):
            pixels, mask = red.read(1).astype(int), scl.read(1).repeat(2, 0).repeat(2, 1)
        found = cube.pixels("imagery/reflectance").read((position, 2, *cube.grid.block_slices(block)))
        np.testing.assert_array_equal(found, np.where((pixels == 0) | (mask < 2), -9999, pixels))
        compared += 1
    assert compared > 3
    assert (cube.array("labels/crop") > 0).any()
    assert mmvsf("verify", cube.path).code == 0


@pytest.mark.real_data
def test_a_real_fmask() -> None:
    """A granule's codes keep every bit, and clear is what its bits say."""
    (path,) = (Path(str(REAL)) / "hls").glob("*.Fmask.tif")
    with rasterio.open(path) as file:
        codes = file.read(1)
    decoded = decode_fmask(codes)
    assert set(np.unique(codes[decoded != codes] ^ decoded[decoded != codes])) <= {1}
    assert ((decoded == 255) == (codes == 255)).all()
    clear = is_clear(decoded)
    assert 0.01 < clear.mean() < 1
    assert not (codes[clear] & 0b00011110).any()
    assert ((codes[~clear] & 0b00011110 != 0) | (codes[~clear] == 255)).all()
