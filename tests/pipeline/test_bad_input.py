"""Bad input gets one line that says what, where and what to do, exit code 2 or 1, and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.shutil
import zarr

from mmvsf.datasets import command
from mmvsf.datasets.cube.cube import digest
from mmvsf.datasets.recipe.load import load_region

from .conftest import Command, Outcome
from .tiny_archive import EAST, SCENES, TinyArchive, weather_dataset, write_raster

Build = Callable[..., Outcome]
SCENE = SCENES[4]


def change_item(archive: TinyArchive, change: Callable[[dict[str, Any]], object]) -> None:
    item = json.loads(json.dumps(archive.item(SCENE)))
    change(item)
    archive.items[[entry["id"] for entry in archive.items].index(SCENE.id)] = item
    archive.write_items()


def refused(outcome: Outcome, *parts: str) -> None:
    assert outcome.code == 2, outcome
    for part in parts:
        assert part in outcome.error


@pytest.mark.slow
def test_as_a_real_command() -> None:
    """The same as below, in a process of its own."""
    command = [sys.executable, "-m", "mmvsf.datasets.command", "dataset", "atlantis"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["dataset", "plan"])
def test_unknown_region(mmvsf: Command, command: str) -> None:
    refused(mmvsf(command, "atlantis"), "'atlantis'", "sandbox", "path of a YAML file")


def test_no_such_recipe(mmvsf: Command, tmp_path: Path) -> None:
    refused(mmvsf("dataset", tmp_path / "none.yaml"), "none.yaml", "mmvsf regions")


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "", "\0"])
def test_a_recipe_that_is_none(mmvsf: Command, tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    refused(mmvsf("dataset", path), str(path))


def test_a_wrong_line_of_a_recipe(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_recipe(grid__blocks=3)
    refused(dataset(tiny), str(tiny.recipe), "grid.blocks", "unknown key", "block")


def test_an_unknown_option(mmvsf: Command) -> None:
    outcome = mmvsf("dataset", "sandbox", "--wrokers", 3)
    assert outcome.code == 2 and "--wrokers" in outcome.err and "Traceback" not in outcome.err


@pytest.mark.parametrize("name", ["report", "summary"])
def test_runs_in_a_bucket(
    finished: TinyArchive, mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An address is not taken for a folder `s3:`, whether it comes as an option or from the environment."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    refused(mmvsf(name, finished.cube, "--runs-dir", "s3://bucket/runs"), "--runs-dir s3://bucket/runs", "bucket")
    monkeypatch.setenv("RUNS_DIR", "s3://bucket/runs")
    refused(mmvsf(name, finished.cube), "--runs-dir s3://bucket/runs")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--html", "plan.pdf"), "must end in .html or .htm"),
        (("--png", "plan.jpg"), "must end in .png"),
        (("--png", "s3://bucket/plan.png"), "--png s3://bucket/plan.png"),
        (("--html", "."), "is a folder"),
    ],
)
def test_a_plan_in_another_format(
    mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, str], part: str
) -> None:
    """Noticed before the recipe is read: this one does not exist."""
    monkeypatch.chdir(tmp_path)
    refused(mmvsf("plan", "atlantis", *options), part)


def test_an_error_of_gdal_is_one_line(mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GDAL's own errors, which rasterio passes on as they come, are no OSError."""
    raster, target = tmp_path / "a.tif", tmp_path / "missing/b.tif"
    write_raster(raster, np.zeros((64, 64), np.uint8), EAST)

    def copy(**_: object) -> None:
        rasterio.shutil.copy(raster, target, driver="GTiff")

    monkeypatch.setattr(command, "build_app", lambda: copy)
    outcome = mmvsf("anything")
    assert outcome.code == 1 and str(target) in outcome.error and "No such file" in outcome.error


# ---------------------------------------------------------------------- the catalogue


def test_no_catalogue(tiny: TinyArchive, dataset: Build) -> None:
    (tiny.root / "items.json").unlink()
    refused(dataset(tiny), str(tiny.root), "items.json", "imagery.path")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"features": 3}', '{"features": {"id": 1}}', "null", '"x"'])
def test_a_catalogue_that_is_none(tiny: TinyArchive, dataset: Build, text: str) -> None:
    (tiny.root / "items.json").write_text(text)
    refused(dataset(tiny), "items.json", "ItemCollection")


def test_a_catalogue_in_the_wrong_encoding(tiny: TinyArchive, dataset: Build) -> None:
    (tiny.root / "items.json").write_bytes(b"\xff\xfe{}")
    refused(dataset(tiny), "items.json")


@pytest.mark.slow
def test_a_static_catalogue(tiny: TinyArchive, built: TinyArchive, dataset: Build) -> None:
    """The same items, one file each, under catalog.json."""
    links = []
    for item in tiny.items:
        path = tiny.root / f"scenes/{item['id']}/item.json"
        assets = {key: {**asset, "href": Path(asset["href"]).name} for key, asset in item["assets"].items()}
        extensions = ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"]
        path.write_text(json.dumps({**item, "assets": assets, "stac_extensions": extensions}))
        links.append({"rel": "item", "href": f"./scenes/{item['id']}/item.json"})
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "tiny", "description": "tiny", "links": links}
    (tiny.root / "catalog.json").write_text(json.dumps(catalog))
    (tiny.root / "items.json").unlink()
    assert dataset(tiny).code == 0
    assert digest(tiny.cube) == digest(built.cube)


@pytest.mark.parametrize("text", ["{", '{"type": "Catalog"}', "[]"])
def test_a_static_catalogue_that_is_none(tiny: TinyArchive, dataset: Build, text: str) -> None:
    (tiny.root / "items.json").unlink()
    (tiny.root / "catalog.json").write_text(text)
    refused(dataset(tiny), "catalog.json")


def test_a_static_catalogue_that_lacks_an_item(tiny: TinyArchive, dataset: Build) -> None:
    (tiny.root / "items.json").unlink()
    links = [{"rel": "item", "href": "./gone.json"}]
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "tiny", "description": "tiny", "links": links}
    (tiny.root / "catalog.json").write_text(json.dumps(catalog))
    refused(dataset(tiny), "no entry can be used", "gone.json")


def test_no_scene_in_the_period(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_recipe(period__months=[2], labels=None)
    refused(dataset(tiny), str(tiny.root), "none of its 14 items", "2020-06-01", "check period")
    assert not tiny.cube.exists()


def test_no_scene_of_the_product(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_recipe(imagery__products=["sentinel-2-l2a"])
    refused(dataset(tiny), "sentinel-2-l2a", "check period, products and area")


def test_no_scene_over_the_region(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_recipe(area__bbox=[-93.02, 42.0, -93.0, 42.01])
    refused(dataset(tiny), "over this region")


# ---------------------------------------------------------------------- weather


def test_weather_that_misses_days(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_weather(weather_dataset().isel(time=slice(0, 600)))
    refused(dataset(tiny), "misses 39 days from 2021-05-23 to 2021-06-30", "weather.fill_gaps")


def test_weather_of_other_years(tiny: TinyArchive, dataset: Build) -> None:
    weather = weather_dataset()
    tiny.write_weather(weather.assign_coords(time=weather.time - np.timedelta64(2000, "D")))
    refused(dataset(tiny), "daily.nc", "no weather between 2019-10-01 and 2021-06-30")


def test_weather_that_misses_a_variable(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_weather(weather_dataset().drop_vars("radiation"))
    refused(dataset(tiny), "daily.nc", "'radiation'", "weather.variables")


def test_no_weather(tiny: TinyArchive, dataset: Build) -> None:
    (tiny.root / "weather/daily.nc").unlink()
    refused(dataset(tiny), "daily.nc", "weather.path")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_weather_that_cannot_be_read(tiny: TinyArchive, dataset: Build, share: float) -> None:
    path = tiny.root / "weather/daily.nc"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)] or b"nothing")
    refused(dataset(tiny), "daily.nc", "cannot be read")


def test_weather_without_axes(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_weather(weather_dataset().isel(lat=0, drop=True))
    refused(dataset(tiny), "daily.nc", "latitude")


def test_an_empty_weather_folder(tiny: TinyArchive, dataset: Build) -> None:
    (tiny.root / "nothing").mkdir()
    tiny.write_recipe(weather__path="archive/nothing")
    refused(dataset(tiny), "nothing", "*.nc")


def test_an_environment_variable_that_is_not_set(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_recipe(weather__path="${NOWHERE_TO_BE_FOUND}/daily.nc")
    refused(dataset(tiny), "NOWHERE_TO_BE_FOUND", "set it")


# ---------------------------------------------------------------------- the legend and the split


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "names no class"),
        ("code,name\n", "names no class"),
        ("code;name\n1;corn\n", "code from 0 to 65535"),
        ("code,name\nx,corn\n", "line 2"),
        ("code,name\n70000,corn\n", "line 2"),
        ("code,name\n1,corn\n1,maize\n", "line 3"),
        ("code,name,color\n1,corn,yellow\n", "#rrggbb"),
        ("code,name\n1,\n", "line 2"),
    ],
)
def test_a_legend_that_is_none(tiny: TinyArchive, dataset: Build, text: str, part: str) -> None:
    (tiny.root / "labels/legend.csv").write_text(text)
    refused(dataset(tiny), "legend.csv", part)


def test_no_legend(tiny: TinyArchive, dataset: Build) -> None:
    (tiny.root / "labels/legend.csv").unlink()
    refused(dataset(tiny), "legend.csv")


def test_a_split_that_leaves_nothing_to_train_on(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_recipe(split__places={"test_share": 0.5})  # the six blocks are one cluster
    refused(dataset(tiny), "split.places", "nothing to train")
    assert not tiny.cube.exists()  # said before the work


# ---------------------------------------------------------------------- cubes


CUBE_COMMANDS = {
    "check": (),
    "digest": (),
    "explain": ("--day", "2021-05-05", "--x", "251000", "--y", "4650000"),
    "export": ("--out", "x.tif", "--day", "2021-05-05"),
}


@pytest.fixture(params=CUBE_COMMANDS)
def on_cube(request: pytest.FixtureRequest, mmvsf: Command, tmp_path: Path) -> Callable[[Path], Outcome]:
    """Every command that takes a cube."""

    def run(cube: Path) -> Outcome:
        options = [tmp_path / "x.tif" if option == "x.tif" else option for option in CUBE_COMMANDS[request.param]]
        return mmvsf(request.param, cube, *options)

    return run


def test_no_cube(on_cube: Callable[[Path], Outcome], tmp_path: Path) -> None:
    refused(on_cube(tmp_path / "none.zarr"), "none.zarr", "mmvsf dataset")


def test_another_format_version(on_cube: Callable[[Path], Outcome], finished: TinyArchive) -> None:
    root = zarr.open_group(str(finished.cube), mode="r+")
    root.attrs["format_version"] = 1
    refused(on_cube(finished.cube), "version 1", "version 2", "build it again")


def test_another_zarr_store(on_cube: Callable[[Path], Outcome], tmp_path: Path) -> None:
    zarr.create_group(str(tmp_path / "other.zarr"))
    refused(on_cube(tmp_path / "other.zarr"), "other.zarr", "not a cube")


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"node_type": "array", "zarr_format": 3}'])
def test_a_damaged_root(on_cube: Callable[[Path], Outcome], finished: TinyArchive, text: str) -> None:
    (finished.cube / "zarr.json").write_text(text)
    refused(on_cube(finished.cube), "tiny.zarr")


def test_a_root_that_lacks_something(on_cube: Callable[[Path], Outcome], finished: TinyArchive) -> None:
    root = zarr.open_group(str(finished.cube), mode="r+")
    del root.attrs["calendar"]
    refused(on_cube(finished.cube), "calendar", "build the cube again")


@pytest.mark.slow
def test_a_build_over_another_version(finished: TinyArchive, dataset: Build) -> None:
    root = zarr.open_group(str(finished.cube), mode="r+")
    root.attrs["format_version"] = 1
    refused(dataset(finished), "tiny.zarr", "format_version", "--overwrite")


@pytest.mark.slow
def test_a_build_over_something_else(tiny: TinyArchive, dataset: Build) -> None:
    """A folder that is no cube is not written into, and certainly not removed."""
    tiny.cube.mkdir(parents=True)
    (tiny.cube / "thesis.txt").write_text("mine")
    outcome = dataset(tiny)
    assert (tiny.cube / "thesis.txt").read_text() == "mine"
    refused(outcome, "tiny.zarr")
    outcome = dataset(tiny, "--overwrite")
    assert (tiny.cube / "thesis.txt").read_text() == "mine"
    refused(outcome, "tiny.zarr")


def test_a_cube_whose_array_is_gone(finished: TinyArchive, mmvsf: Command) -> None:
    shutil.rmtree(finished.cube / "tiles/x65_y1210/weather/tmin")
    outcome = mmvsf("check", finished.cube)
    assert outcome.code in (1, 2) and "weather/tmin" in outcome.error


def test_a_cube_with_a_damaged_shard(finished: TinyArchive, mmvsf: Command) -> None:
    shard = max(
        (finished.cube / "tiles/x65_y1210/imagery/reflectance/c").rglob("*"), key=lambda path: path.stat().st_size
    )
    shard.write_bytes(shard.read_bytes()[:50])
    outcome = mmvsf("check", finished.cube)
    assert outcome.code in (1, 2) and "imagery/reflectance" in outcome.error


# ---------------------------------------------------------------------- the environment


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"no database"])
def test_a_foreign_database_of_projections(tmp_path: Path, content: bytes | None) -> None:
    """PROJ_DATA of another installation, as QGIS and conda leave it behind; in a process of its own."""
    if content is not None:
        (tmp_path / "proj.db").write_bytes(content)
    command = [sys.executable, "-m", "mmvsf.datasets.command", "plan", "sandbox", "--data-dir", str(tmp_path / "data")]
    environment = {**os.environ, "PROJ_DATA": str(tmp_path)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended.stderr
    assert f"PROJ_DATA={tmp_path}" in ended.stderr and "unset that variable" in ended.stderr


def test_a_simulation_outside_the_data_folder(mmvsf: Command, tmp_path: Path) -> None:
    """It would replace what is there."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "world.json").write_text("{}")
    text = load_region("sandbox")[1].read_text()
    (tmp_path / "mine.yaml").write_text(
        text.replace('path: "{data_dir}/archive/sandbox"\n  seed', f"path: {home}\n  seed")
    )
    refused(mmvsf("dataset", tmp_path / "mine.yaml", "--data-dir", tmp_path / "data"), "simulate.path", "{data_dir}")
    assert (home / "world.json").read_text() == "{}"
