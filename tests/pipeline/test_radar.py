"""Radar: from scenes of an archive or a catalogue to the cube, its check, its readers and its exports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer

import mmvsf
from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import load_region, parse_region
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.variables import Status
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.local_inputs import TICK_SECONDS
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.repair import repair
from mmvsf.pipeline.build.run import Progress
from mmvsf.pipeline.build.seal import finished_build
from mmvsf.pipeline.estimate.cost import region_cost
from mmvsf.pipeline.estimate.preview import preview
from mmvsf.pipeline.export.area import AreaRequest
from mmvsf.pipeline.export.request import Request
from mmvsf.pipeline.export.run import export
from mmvsf.pipeline.inspect.check import check_cube
from mmvsf.pipeline.inspect.explain import explain_pixel
from mmvsf.pipeline.layers.imagery import plan as imagery_plan
from mmvsf.pipeline.layers.radar.mosaic import best_track
from mmvsf.pipeline.layers.radar.pixels import points_of, to_decibels
from mmvsf.pipeline.publish.run import publish
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

from ..servers.archive import ArchiveServer
from ..servers.radar import NODATA, Pass, write_passes
from .conftest import Command, build_tiny
from .tiny_archive import LEFT, TOP, TinyArchive, recipe

BOTH = "2021-05-05"
PASSES = (
    Pass(BOTH, "ascending", 63),
    Pass(BOTH, "descending", 100),
    Pass("2021-05-10", "ascending", 63, epsg=32614),
    Pass("2021-05-11", "descending", 99, shift=3.5),
    Pass("2021-05-17", "ascending", 63, polarisations=("vv",)),
    Pass("2021-07-05", "ascending", 63),
)
RADAR = {"source": "archive", "path": "radar"}
SMALL: dict[str, Any] = {
    "period": {"start": "2021-05-01", "end": "2021-06-30"},
    "weather": "none",
    "labels": None,
    "split": {"places": recipe()["split"]["places"]},
}
"""The tiny recipe with images alone, of one season"""


def write_recipe(archive: TinyArchive, **changes: Any) -> None:
    content = {**SMALL, "radar": RADAR, **changes}
    archive.write_recipe(**{key: value for key, value in content.items() if value is not None or key == "labels"})


@pytest.fixture(scope="module")
def known(built: TinyArchive, tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    """The archive with radar and its finished cube. Not to be changed: `own` is a copy to change."""
    archive = TinyArchive(tmp_path_factory.mktemp("radar"))
    archive.root.symlink_to(built.root)
    write_recipe(archive)
    region, path = load_region(str(archive.recipe))
    (archive.folder / "radar").mkdir()
    write_passes(archive.folder / "radar", grid_from_recipe(region, path, archive.data), PASSES)
    build_tiny(archive)
    return archive


@pytest.fixture
def own(known: TinyArchive, tmp_path: Path) -> TinyArchive:
    """A copy of the archive, without a cube."""
    archive = TinyArchive(tmp_path)
    archive.root.symlink_to(known.root)
    shutil.copytree(known.folder / "radar", tmp_path / "radar")
    write_recipe(archive)
    return archive


def with_cube(archive: TinyArchive, known: TinyArchive) -> TinyArchive:
    shutil.copytree(known.data, archive.data)
    return archive


def items(archive: TinyArchive) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((archive.folder / "radar/items.json").read_text())
    return content["features"]


def rewrite(archive: TinyArchive, content: list[dict[str, Any]]) -> None:
    (archive.folder / "radar/items.json").write_text(json.dumps({"features": content}))


def stored(archive: TinyArchive, orbit: str, day: str) -> NDArray[np.int16]:
    """(polarisation, y, x) of the six blocks on a day."""
    cube = Cube.open(archive.cube)
    time = cube.calendar.index((date.fromisoformat(day) - date(1970, 1, 1)).days)
    values: NDArray[np.int16] = cube.pixels(f"radar/{orbit}").read((time, slice(None), *box(cube)))
    return values


def box(cube: Cube) -> tuple[slice, slice]:
    """Rows and columns of the recipe's blocks."""
    rows, columns = zip(*cube.grid.blocks, strict=True)
    side = cube.grid.block
    return slice(min(rows) * side, (max(rows) + 1) * side), slice(min(columns) * side, (max(columns) + 1) * side)


def passes(archive: TinyArchive, what: str, day: str) -> NDArray[np.uint8]:
    """An array of `blocks` in the recipe's blocks on a day."""
    cube = Cube.open(archive.cube)
    time = cube.calendar.index((date.fromisoformat(day) - date(1970, 1, 1)).days)
    return np.array([cube.array(f"blocks/{what}")[(time, *block)] for block in cube.grid.blocks])


def expected(archive: TinyArchive, orbit: str, day: str) -> NDArray[np.int16]:
    """What the six blocks should hold: the mean power at 3 x 3 points, looked up one by one in the scenes by time."""
    shape = (2, 64, 96)
    result = np.full(shape, -9999, np.int16)
    offsets = (np.arange(3) + 0.5) / 3
    y = TOP - 30 * (np.arange(64)[:, None] + offsets).ravel()
    x = LEFT + 30 * (np.arange(96)[:, None] + offsets).ravel()
    grid_x, grid_y = np.meshgrid(x, y)
    for item in sorted(items(archive), key=lambda item: str(item["properties"]["datetime"])):
        moment = np.datetime64(item["properties"]["datetime"][:-1]) - np.timedelta64(6 * 60 + 24, "m")
        if item["properties"]["sat:orbit_state"] != orbit or str(moment)[:10] != day or len(item["assets"]) < 2:
            continue
        means = []
        for name in ("vv", "vh"):
            with rasterio.open(archive.folder / "radar" / item["assets"][name]["href"]) as file:
                to_file = Transformer.from_crs("EPSG:32615", file.crs, always_xy=True)
                columns, rows = ~file.transform * to_file.transform(grid_x, grid_y)
                rows, columns = np.floor(np.round(rows, 6)).astype(int), np.floor(np.round(columns, 6)).astype(int)
                inside = (rows >= 0) & (rows < file.height) & (columns >= 0) & (columns < file.width)
                values = file.read(1)[rows.clip(0, file.height - 1), columns.clip(0, file.width - 1)].astype(float)
                values[~inside | (values == NODATA)] = np.nan
                means.append(values.reshape(64, 3, 96, 3).mean(axis=(1, 3)))
        with np.errstate(invalid="ignore"):
            decibels = 10 * np.log10(np.stack(means))
        new = np.isfinite(decibels).all(axis=0) & (result[0] == -9999)
        result[:, new] = np.rint(decibels[:, new] * 100)
    return result


@pytest.mark.parametrize(
    ("orbit", "day"),
    [("ascending", BOTH), ("descending", BOTH), ("ascending", "2021-05-10"), ("descending", "2021-05-11")],
    ids=["aligned", "morning", "another zone", "beside multiples of 10 m"],
)
def test_a_pixel_is_the_mean_power_of_what_lies_in_it(known: TinyArchive, orbit: str, day: str) -> None:
    values, wanted = stored(known, orbit, day), expected(known, orbit, day)
    assert np.array_equal(values == -9999, wanted == -9999) and 0.3 < (wanted != -9999).mean() < 1
    assert np.abs(values.astype(int) - wanted).max() <= 1 and (values != wanted).mean() < 1e-3


def test_status_orbit_and_scenes_are_recorded(known: TinyArchive) -> None:
    assert (passes(known, "ascending_status", BOTH) == Status.STORED).all()
    assert (passes(known, "ascending_orbit", BOTH) == 63).all()
    assert (passes(known, "descending_orbit", BOTH) == 100).all()
    assert (passes(known, "descending_orbit", "2021-05-11") == 99).all()
    assert (passes(known, "ascending_status", "2021-05-11") == Status.NOT_ACQUIRED).all()
    assert (passes(known, "ascending_status", "2021-05-17") == Status.NOT_ACQUIRED).all()  # it has no vh
    cube = Cube.open(known.cube)
    products = np.array([str(name) for name in cube.array("scenes/product")])
    of_radar = np.char.startswith(products, "sentinel-1-rtc")
    assert set(products[of_radar]) == {"sentinel-1-rtc-ascending", "sentinel-1-rtc-descending"}
    assert (cube.array("scenes/index")[of_radar] == 255).all() and (cube.array("scenes/index")[~of_radar] < 9).all()
    assert cube.orbits == ("ascending", "descending") and cube.polarisations == ("vv", "vh")
    roles = [record["product"] for record in cube.attributes["sources"] if record["role"] == "radar"]
    assert roles == ["sentinel-1-rtc-ascending", "sentinel-1-rtc-descending"]


def test_the_plan_says_what_is_left_out(known: TinyArchive) -> None:
    plan = build_plan(str(known.recipe), known.data)
    assert plan.radar_layer is not None
    assert plan.radar_layer.plan.left_out == {"of another direction or polarisation": 2, "outside the period": 2}
    shown = preview(plan, 1)
    assert shown.facts["radar_scenes"] == {"sentinel-1-rtc-ascending": 4, "sentinel-1-rtc-descending": 4}
    bare = build_plan(without_radar(known), known.data)
    assert preview(bare, 1).facts["read_megabytes"] < shown.facts["read_megabytes"]


def test_a_direction_without_scenes_is_reported(own: TinyArchive) -> None:
    rewrite(own, [item for item in items(own) if item["properties"]["sat:orbit_state"] == "ascending"])
    assert "sentinel-1-rtc-descending: no scenes" in preview(build_plan(str(own.recipe), own.data), 1).warnings


def without_radar(archive: TinyArchive, **changes: Any) -> Any:
    """The recipe without radar, or with another one, as an object."""
    content = {**recipe(), **SMALL, **changes}
    content["imagery"]["path"] = str(archive.root)
    return parse_region({key: value for key, value in content.items() if value is not None}, "recipe")


def test_the_imagery_is_that_of_a_cube_without_radar(known: TinyArchive, own: TinyArchive) -> None:
    write_recipe(own, radar=None)
    build_tiny(own)
    for name in ("imagery/reflectance", "imagery/quality", "imagery/scene"):
        files = {path.relative_to(own.cube) for path in own.cube.glob(f"tiles/*/{name}/**/*") if path.is_file()}
        assert files
        assert not [path for path in files if (own.cube / path).read_bytes() != (known.cube / path).read_bytes()]


@pytest.mark.parametrize("pixels", [32, pytest.param(64, marks=pytest.mark.slow)])
def test_pixels_do_not_depend_on_how_blocks_are_grouped(
    known: TinyArchive, own: TinyArchive, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    monkeypatch.setattr(imagery_plan, "GROUP_PIXELS", pixels)
    build_tiny(own)
    assert digest(own.cube) == digest(known.cube)


def test_a_catalogue_gives_the_same_cube(known: TinyArchive, own: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the Planetary Computer's kind, whose files need a signature."""
    with ArchiveServer(own.folder / "radar", access="sas", ground=False) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        write_recipe(own, radar={"source": "stac", "catalog": "planetary-computer"})
        build_tiny(own)
        assert server.doors.issued
    assert digest(own.cube) == digest(known.cube)
    (record, _) = [r for r in Cube.open(own.cube).attributes["sources"] if r["role"] == "radar"]
    assert record["from"] == "planetary-computer" and record["collection"] == "sentinel-1-rtc"


def test_the_cube_is_sound_and_what_is_not_is_found(known: TinyArchive) -> None:
    checks = {check.name: check for check in check_cube(known.cube).checks}
    assert all(check.ok for check in checks.values())
    words = "12 of ascending passes; 12 of descending passes; typical backscatter vv -1"
    assert checks["radar"].detail.startswith(words)


def test_files_in_decibels_are_found(own: TinyArchive) -> None:
    """Decibels above zero, as bright towns have, would be taken for power."""
    for path in (own.folder / "radar/scenes").rglob("*.tiff"):
        with rasterio.open(path, "r+") as file:
            values = file.read(1)
            file.write(np.where(values == NODATA, values, 10 - 10 * np.log10(np.abs(values))).astype(np.float32), 1)
    with pytest.raises(IncompleteError, match="is it linear power"):
        mmvsf.build(str(own.recipe), own.data)


CUBE = RasterGrid("EPSG:32615", (30, 0, 300_000, 0, -30, 4_650_000), (256, 256))


@pytest.mark.parametrize(
    ("crs", "pixel", "points"),
    [
        ("EPSG:32615", 10, 3),
        ("EPSG:32616", 10, 3),
        ("EPSG:32615", 30, 1),
        ("EPSG:32615", 100, 1),
        ("EPSG:32615", 20, 2),
        ("EPSG:32615", 0.1, 10),
        ("EPSG:4326", 0.0001, 3),
        ("EPSG:32655", 10, 1),
    ],
)
def test_points_in_a_pixel(crs: str, pixel: float, points: int) -> None:
    """As many as scene pixels fit; one where the scene cannot lie there."""
    assert points_of(RasterGrid(crs, (pixel, 0, -96, 0, -pixel, 42), (100, 100)), CUBE) in (
        points,
        points + (pixel == 0.0001),
    )


def test_no_data_and_noise() -> None:
    nan, inf = np.nan, np.inf
    vv = np.array([[0.1, nan, 0.1, 0.0, -1.0, inf, 1e-4, 1e-4, 0.1, 1e9, 0.05]])
    vh = np.array([[0.01, 0.01, nan, 0.01, 0.01, 0.01, 1e-4, 0.01, 1e-9, 1.0, 0.0051]])
    both = to_decibels(np.stack([vv, vh]), ("vv", "vh"))
    assert both[0].tolist() == [[-1000, -9999, -9999, -9999, -9999, -9999, -9999, -4000, -1000, 9000, -1301]]
    assert both[1].tolist() == [[-2000, -9999, -9999, -9999, -9999, -9999, -9999, -2000, -9000, 0, -2292]]
    assert to_decibels(vv[None, :, :1] * 1e-6, ("hv",)).tolist() == [[[-9999]]]
    assert to_decibels(np.full((1, 1, 1), 1e-3), ("vh",)).tolist() == [[[-3000]]]
    assert to_decibels(np.full((2, 1, 1), 1e300), ("vv", "vh")).max() == 32767


def scene(orbit: int, name: str) -> Scene:
    grid = RasterGrid("EPSG:32615", (10, 0, 0, 0, -10, 0), (4, 4))
    moment = np.datetime64("2021-05-05T12:00:00").item()
    return Scene(name, "sentinel-1-rtc-ascending", moment, "", (), Asset("", grid), 0, 18752, orbit=orbit)


def test_of_two_tracks_the_one_with_most_pixels_is_taken() -> None:
    left, right, all_ = (np.full((2, 2, 4), -9999, np.int16) for _ in range(3))
    left[:, :, :2], right[:, :, 1:], all_[:, 0] = -1000, -1100, -1200
    a, b, c = scene(1, "a"), scene(1, "b"), scene(2, "c")
    values, given = best_track([(a, left), (b, right), (c, all_)])
    assert given == [a, b] and (values[:, :, :2] == -1000).all() and (values[:, :, 2:] == -1100).all()
    values, given = best_track([(a, left[:, :, :] * 0 - 9999), (c, all_)])
    assert given == [c] and (values[:, 1] == -9999).all()
    assert best_track([(a, np.full_like(left, -9999))])[1] == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def whole_numbers(path: Path) -> None:
    with rasterio.open(path) as file:
        profile, values = file.profile, file.read(1)
    with rasterio.open(path, "w", **{**profile, "dtype": "int16"}) as file:
        file.write((values * 100).astype(np.int16), 1)


def a_virtual_file(path: Path) -> None:
    path.write_text('<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>')


@pytest.mark.parametrize(
    "damage",
    [cut, *(pytest.param(damage, marks=pytest.mark.slow) for damage in (whole_numbers, a_virtual_file, Path.unlink))],
    ids=lambda damage: damage.__name__,
)
def test_a_file_that_cannot_be_read_fails_its_pass_alone(
    known: TinyArchive, own: TinyArchive, mmvsf: Command, damage: Callable[[Path], None]
) -> None:
    with_cube(own, known)
    item = items(own)[0]  # the northern slice
    path = own.folder / "radar" / item["assets"]["vh"]["href"]
    sound = path.read_bytes()
    damage(path)
    build = ("dataset", own.recipe, "--data-dir", own.data, "--workers", 1)
    outcome = mmvsf(*build, "--overwrite")
    assert outcome.code == 1 and item["id"] in outcome.err and "could not be read" in outcome.err
    accepted = mmvsf(*build, "--accept-failed")
    assert accepted.code == 1 and "complete_above" in accepted.err  # 3 of 24 units
    write_recipe(own, radar={**RADAR, "complete_above": 0.5})
    finished = mmvsf(*build, "--accept-failed", "--json")
    assert finished.code == 0 and json.loads(finished.out)["radar"] == {"stored": 21, "failed": 3}
    card = (own.data / "tiny.DATASET_CARD.md").read_text()
    assert "| radar, ascending | vv, vh: 9 (pass, block) units stored, 3 failed |\n| radar, descending |" in card
    status = passes(own, "ascending_status", BOTH)
    assert (status == Status.FAILED).sum() == 3 and (status == Status.STORED).sum() == 3
    assert np.array_equal(stored(own, "descending", BOTH), stored(known, "descending", BOTH))
    assert (stored(own, "ascending", BOTH)[:, :32] == -9999).all()
    assert np.array_equal(stored(own, "ascending", BOTH)[:, 32:], stored(known, "ascending", BOTH)[:, 32:])
    explained = mmvsf("explain", "tiny", "--day", BOTH, "--x", LEFT + 50, "--y", TOP - 50, "--data-dir", own.data)
    assert "ascending pass could not be read" in explained.out and "descending pass of orbit 100" in explained.out
    path.write_bytes(sound)
    write_recipe(own)
    assert mmvsf(*build).code == 0
    assert digest(own.cube) == digest(known.cube)


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda item: item["properties"].__setitem__(key, value)


FAULTY: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no direction": (put("sat:orbit_state", None), "sat:orbit_state"),
    "a list as direction": (put("sat:orbit_state", ["ascending"]), "sat:orbit_state"),
    "no orbit": (put("sat:relative_orbit", None), "sat:relative_orbit"),
    "orbit 0": (put("sat:relative_orbit", 0), "sat:relative_orbit"),
    "orbit 176": (put("sat:relative_orbit", 176), "sat:relative_orbit"),
    "an orbit of many digits": (put("sat:relative_orbit", "9" * 900), "sat:relative_orbit"),
    "an orbit of other digits": (put("sat:relative_orbit", "٦٣"), "sat:relative_orbit"),
    "half an orbit": (put("sat:relative_orbit", 63.5), "sat:relative_orbit"),
    "a list as orbit": (put("sat:relative_orbit", [63]), "sat:relative_orbit"),
    "vh is declared but missing": (lambda item: item["assets"].pop("vh"), "no asset vh"),
    "assets are null": (put("x", 1) and (lambda item: item.update(assets=None)), "no asset"),
    "a private address": (lambda item: item["assets"]["vv"].update(href="http://169.254.169.254/x"), "href"),
    "a scale": (lambda item: item["assets"]["vv"].update({"raster:bands": [{"scale": 0.01}]}), "scale"),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_a_faulty_item_fails_its_pass_alone(own: TinyArchive, kind: str) -> None:
    change, reason = FAULTY[kind]
    content = items(own)
    change(content[0])
    rewrite(own, content)
    plan = build_plan(str(own.recipe), own.data)
    assert plan.radar_layer is not None
    (faulty,) = [scene for scene in plan.radar_layer.plan.scenes if scene.fault]
    assert faulty.id == content[0]["id"] and reason in faulty.fault
    assert faulty.product == "sentinel-1-rtc-ascending" and len(plan.radar_layer.plan.scenes) == 8
    assert any("items cannot be used" in line for line in preview(plan, 1).warnings)


@pytest.mark.parametrize(
    ("value", "taken"),
    [(["VV", "VH", "HH"], True), (["vh", "vv"], True), (["VV"], False), ([], False), ("VV+VH", True), (None, True)],
    ids=str,
)
def test_scenes_without_a_polarisation_are_left_out(own: TinyArchive, value: Any, taken: bool) -> None:
    content = items(own)
    put("sar:polarizations", value)(content[0])
    rewrite(own, content)
    plan = build_plan(str(own.recipe), own.data)
    assert plan.radar_layer is not None and len(plan.radar_layer.plan.scenes) == 7 + taken
    assert not plan.radar_layer.plan.faults


def test_nothing_found_is_refused(own: TinyArchive) -> None:
    write_recipe(own, radar={**RADAR, "polarisations": ["hh"]})
    with pytest.raises(InputError, match="none of its 12 items is a scene of sentinel-1-rtc-ascending"):
        build_plan(str(own.recipe), own.data)


@pytest.mark.slow
@pytest.mark.parametrize("before", [{"radar": None}, {"radar": {**RADAR, "orbit": "descending"}}], ids=["none", "one"])
def test_a_cube_is_extended_by_radar(known: TinyArchive, own: TinyArchive, before: dict[str, Any]) -> None:
    write_recipe(own, **before)
    build_tiny(own)
    write_recipe(own)
    mmvsf.extend(str(own.recipe), own.data)
    assert digest(own.cube) == digest(known.cube)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"radar": None}, "radar is left out"),
        ({"radar": {**RADAR, "orbit": "ascending"}}, "radar.orbit leaves out descending"),
        ({"radar": {**RADAR, "polarisations": ["vv"]}}, "radar.polarisations"),
    ],
)
def test_what_is_no_extension_is_refused(
    known: TinyArchive, own: TinyArchive, changes: dict[str, Any], reason: str
) -> None:
    with_cube(own, known)
    write_recipe(own, **changes)
    with pytest.raises(InputError, match=reason):
        mmvsf.extend(str(own.recipe), own.data)


def test_a_damaged_shard_is_found_and_repaired(known: TinyArchive, own: TinyArchive, mmvsf: Command) -> None:
    with_cube(own, known)
    shard = next(path for path in own.cube.glob("tiles/*/radar/descending/c/**/*") if path.is_file())
    shard.write_bytes(b"damaged")
    assert mmvsf("verify", own.cube).code == 1
    with executor(1) as run:
        repaired = repair(build_plan(str(own.recipe), own.data), run, Progress(lambda *_: None))
    assert len(repaired.units) == 1 and repaired.units[0].startswith("radar/")
    assert digest(own.cube) == digest(known.cube)


def test_a_scene_that_goes_takes_its_pixels_along(known: TinyArchive, own: TinyArchive) -> None:
    with_cube(own, known)
    rewrite(own, [item for item in items(own) if item["properties"]["sat:relative_orbit"] != 99])
    build_tiny(own)
    assert (passes(own, "descending_status", "2021-05-11") == Status.NOT_ACQUIRED).all()
    assert (stored(own, "descending", "2021-05-11") == -9999).all()
    assert np.array_equal(stored(own, "descending", BOTH), stored(known, "descending", BOTH))


def test_a_run_with_nothing_to_do_notices_a_change_of_radar(own: TinyArchive) -> None:
    sleep(2 * TICK_SECONDS)  # what was changed just now may change again
    build_tiny(own)
    finished = finished_build(str(own.recipe), own.data)
    assert finished is not None and finished.summary.radar is not None and finished.summary.radar.stored == 24
    path = next((own.folder / "radar/scenes").rglob("*.tiff"))
    path.write_bytes(path.read_bytes())
    assert finished_build(str(own.recipe), own.data) is None
    content = items(own)
    outside = own.folder / "elsewhere.tiff"
    shutil.copy(own.folder / "radar" / content[1]["assets"]["vv"]["href"], outside)
    content[1]["assets"]["vv"]["href"] = str(outside)
    rewrite(own, content)
    sleep(2 * TICK_SECONDS)
    build_tiny(own)
    assert finished_build(str(own.recipe), own.data) is None  # a file lies beside the folder that is looked at


def test_explain_names_the_scenes_of_both_passes(known: TinyArchive) -> None:
    explained = explain_pixel(known.cube, BOTH, LEFT + 2000, TOP - 900)
    values = stored(known, "ascending", BOTH)[:, 30, 66]
    radar = explained.facts["radar"]
    assert radar["ascending"]["decibels"] == {"vv": values[0] / 100, "vh": values[1] / 100}
    assert radar["ascending"]["scenes"] == [item["id"] for item in items(known)[:2]]
    assert radar["descending"]["relative_orbit"] == 100
    assert "ascending pass of orbit 63: vv -" in explained.sentence
    assert "no descending pass" in explain_pixel(known.cube, "2021-05-10", LEFT + 2000, TOP - 900).sentence


def test_exports(known: TinyArchive, tmp_path: Path) -> None:
    def exported(**options: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
        (path,) = export(known.cube, tmp_path / "x.tif", Request(what="ascending", **options), AreaRequest())
        with rasterio.open(path) as file:
            assert file.nodata == -9999 and set(file.scales) == {0.01} and file.dtypes[0] == "int16"
            return file.read()[:, :64, -96:], file.descriptions

    first, second = (stored(known, "ascending", day).astype(float) for day in (BOTH, "2021-05-10"))
    day, names = exported(day=BOTH)
    assert np.array_equal(day, first) and names == ("vv", "vh")
    every, names = exported(year=2021, reduce="none")
    assert np.array_equal(every, np.concatenate([first, second])) and names[2] == "2021-05-10 vv"
    mean, _ = exported(year=2021, reduce="mean")
    both = (first != -9999) & (second != -9999)
    powers = (10 ** (first / 1000) + 10 ** (second / 1000)) / 2
    assert np.abs(mean[both] - 1000 * np.log10(powers[both])).max() <= 0.51
    assert np.array_equal(mean[:, ~both[0]], np.maximum(first, second)[:, ~both[0]])
    with pytest.raises(InputError, match="no image of 2021-05-11"):
        exported(day="2021-05-11")


def test_a_cube_without_radar_has_none_to_export(built: TinyArchive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no ascending passes; it has no radar"):
        export(built.cube, tmp_path / "x.tif", Request(what="ascending", year=2021), AreaRequest())


def test_it_is_published_and_opened(known: TinyArchive, own: TinyArchive) -> None:
    with_cube(own, known)
    publish(own.cube)
    collection = json.loads((own.data / "tiny.publish/collection.json").read_text())
    assert {"ascending", "descending"} <= set(collection["cube:variables"])
    assert collection["cube:dimensions"]["polarisation"]["values"] == ["vv", "vh"]
    assert collection["summaries"]["radar_polarisations"] == ["vv", "vh"] and "radar" in collection["item_assets"]
    radar = Cube.open(own.cube).sel("radar")
    day = radar["ascending"].sel(time=BOTH, polarisation="vv").values[: 2 * 32]
    first = stored(known, "ascending", BOTH)[0]
    np.testing.assert_allclose(np.nan_to_num(day[:, -96:], nan=-99.99), first / 100, atol=1e-4)


def test_windows_of_it_are_read(known: TinyArchive) -> None:
    cube = Cube.open(known.cube)
    reader = WindowReader(cube, Normalisation.of([cube]))
    row, column = (part.start for part in box(cube))
    window = Window(row + 24, column + 56, 16, 2021, (0, 0), np.array([], np.int32))
    days, decibels = reader.radar(window, "descending")
    assert days.astype("datetime64[D]").astype(str).tolist() == [BOTH, "2021-05-11"]
    wanted = np.stack([stored(known, "descending", day)[:, 24:40, 56:72] for day in (BOTH, "2021-05-11")])
    assert decibels.shape == (2, 2, 16, 16) and decibels.dtype == np.float32
    np.testing.assert_allclose(np.nan_to_num(decibels, nan=-99.99), wanted / 100, atol=1e-4)
    assert reader.radar(replace(window, year=2020), "descending")[0].size == 0
    with pytest.raises(InputError, match="no sideways passes"):
        reader.radar(window, "sideways")


def test_the_estimate_without_a_catalogue_counts_radar(known: TinyArchive) -> None:
    region, path = load_region(str(known.recipe))
    grid = grid_from_recipe(region, path, known.data)
    both, one, none = (
        region_cost(region.model_copy(update={"radar": radar}), grid, 1)
        for radar in (region.radar, region.radar and region.radar.model_copy(update={"orbit": "ascending"}), None)
    )
    assert none.disk_bytes < one.disk_bytes < both.disk_bytes and none.requests < one.requests < both.requests
    assert both.download_bytes - one.download_bytes == pytest.approx(one.download_bytes - none.download_bytes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"polarisations": ["vv", "xx"]}, "radar.polarisations: takes some of vv, vh, hh, hv, each once; found xx"),
        ({"polarisations": ["vv", "vv"]}, "each once"),
        ({"polarisations": []}, "radar.polarisations"),
        ({"orbit": "up"}, "radar.orbit"),
        ({"product": "sentinel-1-grd"}, "radar.product"),
        ({"catalog": "planetary-computer"}, "radar: source 'archive' takes no catalog"),
        ({"source": "stac"}, "radar: source 'stac' takes no path"),
        ({"source": "earthengine"}, "radar.source: there is no source 'earthengine'"),
        ({"path": None}, "radar: source 'archive' needs the line path"),
        ({"source": "stac", "path": None, "catalog": "nasa"}, "no catalogue 'nasa'"),
        ({"bands": ["vv"]}, "radar.bands"),
    ],
    ids=str,
)
def test_a_wrong_section_is_refused_in_one_line(
    own: TinyArchive, mmvsf: Command, changes: dict[str, Any], reason: str
) -> None:
    section = {key: value for key, value in {**RADAR, **changes}.items() if value is not None}
    write_recipe(own, radar=section)
    outcome = mmvsf("plan", own.recipe, "--data-dir", own.data)
    assert outcome.code == 2 and reason in outcome.error
