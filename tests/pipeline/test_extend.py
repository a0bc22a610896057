"""A cube that is extended is the cube that a build makes, and shards that existed are the same files as before."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.cube import Cube, digest, root_attributes
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.storage.location import Location, location, objects
from mmvsf.datasets.storage.store import sweep_leftovers
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.build import reshape as growth
from mmvsf.pipeline.build.compatibility import reasons_against
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.extend import Extended, extend, open_target_cube, plan_extension
from mmvsf.pipeline.build.run import Progress
from mmvsf.pipeline.layers.imagery.replaced import INPUTS
from mmvsf.pipeline.ledger import Ledger

from ..servers import weather
from ..servers.archive import ArchiveServer
from ..servers.s3 import S3
from ..servers.weather import WeatherServer
from .conftest import Command, Outcome, build_tiny
from .test_static import inclined
from .tiny_archive import TinyArchive, recipe

pytestmark = [pytest.mark.slow, pytest.mark.stand_in]

Build = Callable[..., Outcome]
PIXELS = ("imagery/reflectance/c", "imagery/quality/c", "imagery/scene/c", "labels/crop/c", "labels/purity/c")


@dataclass(frozen=True)
class File:
    inode: int
    changed: int
    content: str


def shards(archive: TinyArchive) -> set[File]:
    """The shards of imagery and labels, whatever they are called."""
    paths = [path for name in PIXELS for path in archive.cube.glob(f"tiles/*/{name}/**/*") if path.is_file()]
    found = [(path, path.stat()) for path in paths]
    return {File(stat.st_ino, stat.st_mtime_ns, sha256(path.read_bytes()).hexdigest()) for path, stat in found}


def entries(archive: TinyArchive) -> dict[str, int]:
    root = archive.data / "tiny.zarr.ledger"
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*/*.json")}


def extend_tiny(archive: TinyArchive, workers: int = 1) -> Extended:
    with executor(workers) as run:
        cube = open_target_cube(str(archive.recipe), archive.data)
        plan = plan_extension(cube, str(archive.recipe), archive.data)
        return extend(cube, plan, run, Progress(lambda *_: None))


def some_blocks(count: int) -> dict[str, Any]:
    return {"area": {**recipe()["area"], "blocks": count}}


def places() -> dict[str, Any]:
    return recipe()["split"]["places"]


ONLY_2020 = {"period__end": "2020-06-30", "labels__years": [2020], "split": {"places": places()}}
ONLY_2021 = {"period__start": "2021-05-01", "labels__years": [2021], "split": {"places": places()}}

SMALLER: dict[str, dict[str, Any]] = {
    "a year later": ONLY_2020,
    "a year earlier": ONLY_2021,
    "blocks": some_blocks(2),
    "variables": {"weather__variables": ["vpd", "tmin"]},
    "a label year before": {"labels__years": [2021]},
    "labels": {"labels": None},
    "other places held out": {"split": {"places": {**places(), "seed": 4}, "years": {}}},
    "all at once": {**ONLY_2021, **some_blocks(3), "weather__variables": ["wind"], "labels": None},
}
"""What is added -> the recipe without it."""

REREAD: dict[str, dict[str, Any]] = {
    "a product": {"imagery__products": ["hls-s30"]},
    "a month": {"period__months": [6]},
}
"""Shards that gain a scene are read again."""


@pytest.mark.parametrize("added", [*SMALLER, *REREAD])
def test_extended_is_built_anew(tiny: TinyArchive, built: TinyArchive, added: str) -> None:
    tiny.write_recipe(**{**SMALLER, **REREAD}[added])
    build_tiny(tiny)
    before, done = shards(tiny), entries(tiny)
    tiny.write_recipe()
    extend_tiny(tiny)
    assert digest(tiny.cube) == digest(built.cube) == Cube.open(tiny.cube).digest
    kept = {name for name, changed in entries(tiny).items() if done.get(name) == changed}
    assert kept and (added in REREAD or kept >= {name for name in done if not name.startswith(INPUTS)})
    names = {found["product"] for found in root_attributes(tiny.cube)["sources"] if "product" in found}
    assert names == {"hls-l30", "hls-s30"}
    gone = {file.inode for file in before} - {file.inode for file in before & shards(tiny)}
    assert len(gone) <= len(PIXELS[:3]) * len(set(done) - kept)
    assert not list(tiny.cube.parent.rglob(f"*{growth.MOVED}*"))


def test_nothing_is_left_to_do(tiny: TinyArchive, dataset: Build, mmvsf: Command) -> None:
    tiny.write_recipe(**SMALLER["all at once"])
    build_tiny(tiny)
    tiny.write_recipe()
    extend_tiny(tiny)
    before, done, identity = shards(tiny), entries(tiny), digest(tiny.cube)
    assert "All shards are already built" in dataset(tiny).out
    assert "All shards are already built" in mmvsf("extend", tiny.recipe, "--data-dir", tiny.data, "--workers", 1).out
    assert (shards(tiny), entries(tiny), digest(tiny.cube)) == (before, done, identity)
    assert mmvsf("check", tiny.cube).code == 0


CORNERS = {"to the south-east": (0, 0), "to the north-west": (1, 1), "to the west": (0, 1)}


@pytest.mark.parametrize("corner", CORNERS)
def test_a_wider_area(tiny: TinyArchive, corner: str, tmp_path: Path) -> None:
    """From one block of the six to all of them."""
    row, column = CORNERS[corner]
    west, south, east, north = recipe()["area"]["bbox"]
    lon, lat = (east - west) / 2.375, (north - south) / 1.375  # degrees of a block, roughly
    inside = [west + column * 1.4 * lon, south, west + column * 1.4 * lon + 0.2 * lon, south + 0.2 * lat]
    if row == 0:
        inside[1::2] = [north - 0.2 * lat, north]
    tiny.write_recipe(grid__weather_cell=16, area__bbox=inside, split={})
    build_tiny(tiny)
    assert len(Cube.open(tiny.cube).grid.blocks) == 1
    before, done = shards(tiny), entries(tiny)
    tiny.write_recipe(grid__weather_cell=16)
    extend_tiny(tiny)
    assert before <= shards(tiny)
    assert set(done.values()) <= set(entries(tiny).values())
    anew = TinyArchive(tmp_path / "anew", tiny.items)
    shutil.copytree(tiny.root, anew.root)
    anew.write_recipe(grid__weather_cell=16)
    build_tiny(anew)
    assert digest(tiny.cube) == digest(anew.cube)


LAYERS = {"source": "archive", "path": "archive/ground", "layers": ["elevation", "slope"]}
WITHOUT: dict[str, dict[str, Any]] = {
    "blocks": {"static": LAYERS, **some_blocks(2)},
    "blocks to the north": {"static": LAYERS, "grid__weather_cell": 16, "split": {}},
    "a layer": {"static": {**LAYERS, "layers": ["elevation"]}},
    "all layers": {},
}
"""What is added -> the recipe without it."""


@pytest.mark.parametrize("added", WITHOUT)
def test_layers_of_the_ground(tiny: TinyArchive, added: str, tmp_path: Path) -> None:
    """New blocks get theirs and those that stand keep theirs; layers that are added are made everywhere."""
    inclined(tiny.root / "ground")
    whole: dict[str, Any] = {"static": LAYERS}
    smaller = dict(WITHOUT[added])
    if added == "blocks to the north":
        west, south, east, north = recipe()["area"]["bbox"]
        smaller["area__bbox"] = [west, south, east, south + 0.2 * (north - south)]
        whole["grid__weather_cell"] = 16
    tiny.write_recipe(**smaller)
    build_tiny(tiny)
    before = {path.stat().st_ino: path.read_bytes() for path in tiny.cube.glob("tiles/*/static/*/c/*/*")}
    tiny.write_recipe(**whole)
    extend_tiny(tiny)
    after = {path.stat().st_ino: path.read_bytes() for path in tiny.cube.glob("tiles/*/static/*/c/*/*")}
    if added.startswith("blocks"):
        assert before and before.items() <= after.items()
    anew = TinyArchive(tmp_path / "anew", tiny.items)
    shutil.copytree(tiny.root, anew.root)
    anew.write_recipe(**whole)
    build_tiny(anew)
    assert digest(tiny.cube) == digest(anew.cube)
    cube = Cube.open(tiny.cube)
    assert cube.static_layers == ("elevation", "slope") and np.isfinite(cube.static(cube.grid.blocks[0])["slope"]).all()
    layers = [found["layer"] for found in cube.attributes["sources"] if found["role"] == "static"]
    assert layers == ["elevation", "slope"]


def test_confidence_is_added_to_labels(tiny: TinyArchive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    labels = {"source": "planetary-computer", "years": [2020, 2021], "groups": "default"}
    with ArchiveServer(tiny.root, access="sas") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        tiny.write_recipe(labels=labels)
        build_tiny(tiny)
        tiny.write_recipe(labels={**labels, "confidence": True})
        extend_tiny(tiny)
        anew = TinyArchive(tmp_path / "anew", tiny.items)
        shutil.copytree(tiny.root, anew.root)
        anew.write_recipe(labels={**labels, "confidence": True})
        build_tiny(anew)
    assert Cube.open(tiny.cube).confidence and digest(tiny.cube) == digest(anew.cube)


def test_the_elevation_of_station_weather_stays(tmp_path: Path) -> None:
    """Temperatures were brought to it, or were not."""
    region, path = load_region("iowa")
    grid, calendar = grid_from_recipe(region, path, tmp_path), calendar_for(region)
    stations = region.model_copy(update={"weather": region.weather.model_copy(update={"source": "meteostat"})})
    bare = stations.model_copy(update={"static": None})
    with_elevation, without = (CubeSpec(found, grid, calendar, None) for found in (stations, bare))
    assert "elevation" in " ".join(reasons_against(without, with_elevation))
    assert reasons_against(with_elevation, with_elevation) == []


@pytest.mark.parametrize(("cell", "apart"), [(64, True), (128, True), (256, True), (150, False), (512, False)])
def test_blocks_that_share_weather_cells_are_not_added(tmp_path: Path, cell: int, apart: bool) -> None:
    """The mean elevation of a shared cell, and with it the temperatures of days that are kept, would change."""
    region, path = load_region("iowa")
    grid, calendar = replace(grid_from_recipe(region, path, tmp_path), weather_cell=cell), calendar_for(region)
    stations = region.model_copy(update={"weather": region.weather.model_copy(update={"source": "meteostat"})})
    one = CubeSpec(stations, replace(grid, blocks=((0, 0),)), calendar, None)
    two = CubeSpec(stations, replace(grid, blocks=((0, 0), (0, 1))), calendar, None)
    shared = bool((one.grid.weather_mask() & replace(grid, blocks=((0, 1),)).weather_mask()).any())
    assert grid.block == 256 and shared is not apart
    assert ("temperatures of weather cells of several blocks" in " ".join(reasons_against(one, two))) is shared


def test_several_workers(tiny: TinyArchive, built: TinyArchive) -> None:
    tiny.write_recipe(**SMALLER["all at once"])
    build_tiny(tiny)
    tiny.write_recipe()
    extend_tiny(tiny, workers=2)
    assert digest(tiny.cube) == digest(built.cube)


def test_a_cube_that_was_never_finished(tiny: TinyArchive, built: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.write_recipe(**ONLY_2021)
    monkeypatch.setattr("mmvsf.pipeline.build.run.finish_cube", _stop)
    with pytest.raises(_Killed):
        build_tiny(tiny)
    monkeypatch.undo()
    tiny.write_recipe()
    with pytest.raises(InputError, match="has not finished; finish it with `mmvsf dataset`"):
        extend_tiny(tiny)
    tiny.write_recipe(**ONLY_2021)
    build_tiny(tiny)
    tiny.write_recipe()
    extend_tiny(tiny)
    assert digest(tiny.cube) == digest(built.cube)


# ---------------------------------------------------------------------- while it is at work


class _Killed(BaseException):
    """Nothing in the code under test catches it or cleans up after it, so it leaves what a kill leaves."""


def _stop(*_: object, **__: object) -> None:
    raise _Killed


def test_it_can_be_read_while_it_grows(tiny: TinyArchive, built: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its new shape and before anything new is in it, all that stood is where it belongs."""
    tiny.write_recipe(**SMALLER["all at once"])
    build_tiny(tiny)
    was = {group: open_tile(tiny.cube, group) for group in GROUPS}
    tiny.write_recipe()
    monkeypatch.setattr("mmvsf.pipeline.build.extend.build", _stop)
    with pytest.raises(_Killed):
        extend_tiny(tiny)
    assert root_attributes(tiny.cube)["complete"] is False
    with pytest.raises(IncompleteError):
        Cube.open(tiny.cube)
    now = {group: open_tile(tiny.cube, group) for group in GROUPS}
    for group, names in GROUPS.items():
        for name in names:
            old, new = was[group][name], now[group][name]
            xr.testing.assert_equal(new.sel(time=old.time).drop_vars("band", errors="ignore"),
                                    old.drop_vars("band", errors="ignore"))  # fmt: skip
    assert set(np.unique(now["weather"]["flag"].sel(time=slice(None, "2020-09-01")))) == {WeatherFlag.NONE}


GROUPS = {
    "imagery": ("reflectance", "quality", "scene"),
    "blocks": ("status",),
    "chunks": ("clear_fraction",),
    "weather": ("wind",),
}


def open_tile(cube: Path, group: str) -> xr.Dataset:
    """A group of the only tile, read without a manifest."""
    (tile,) = (path for path in (cube / "tiles").iterdir() if path.is_dir())
    return xr.open_zarr(tile / group, consolidated=False).load()


STEPS = {
    Path: ("rename", "replace", "unlink"),
    shutil: ("rmtree",),
    growth: ("set_incomplete", "write_template", "write_whole"),
    Ledger: ("write", "remove"),
}
"""What changes a cube or its ledger while it takes another shape."""


def calls(monkeypatch: pytest.MonkeyPatch, stop_at: int | None) -> list[str]:
    """Counts what an extension does to the disk and stops it before one of its steps."""
    seen: list[str] = []

    def counted(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def step(*arguments: Any, **options: Any) -> Any:
            if len(seen) == stop_at:
                raise _Killed
            seen.append(name)
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, step)

    for owner, names in STEPS.items():
        for name in names:
            counted(owner, name)
    return seen


def test_a_growth_cut_off_at_any_step(tiny: TinyArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the north-west, by a year before and by labels: every shard gets another name."""
    west, south, east, north = recipe()["area"]["bbox"]
    corner = [east - (east - west) / 4, south, east, south + (north - south) / 4]
    tiny.write_recipe(**{**ONLY_2021, "split": {}, "grid__weather_cell": 16, "area__bbox": corner})
    build_tiny(tiny)
    tiny.write_recipe(grid__weather_cell=16)
    small = tmp_path / "small"
    tiny.data.rename(small)

    def grow(stop_at: int | None) -> list[str]:
        shutil.rmtree(tiny.data, ignore_errors=True)
        shutil.copytree(small, tiny.data)
        with monkeypatch.context() as patched:
            patched.setattr("mmvsf.pipeline.build.extend.build", _stop)
            cube = open_target_cube(str(tiny.recipe), tiny.data)
            with pytest.raises(_Killed):
                seen = calls(patched, stop_at)
                extend(cube, plan, None, Progress(lambda *_: None))  # type: ignore[arg-type]
        return seen

    shutil.copytree(small, tiny.data)
    old = snapshot(tiny.cube)
    plan = plan_extension(open_target_cube(str(tiny.recipe), tiny.data), str(tiny.recipe), tiny.data)
    steps = grow(None)
    whole, files = snapshot(tiny.cube), sorted(entries(tiny))
    names = dict.fromkeys(steps)
    assert set(names) == {name for step in STEPS.values() for name in step}
    reversed_steps = steps[::-1]
    edges = {place for name in names for place in (steps.index(name), len(steps) - 1 - reversed_steps.index(name))}
    for step in sorted(edges):
        grow(step)
        growth.finish_reshape(tiny.cube)
        sweep_leftovers(tiny.cube)
        begun = step > steps.index("write") + 1
        assert snapshot(tiny.cube) == (whole if begun else old), (step, steps[step])
        assert not begun or sorted(entries(tiny)) == files


def snapshot(cube: Path) -> dict[str, bytes]:
    """The content of every file but the root, which holds times."""
    paths = (path for path in cube.rglob("*") if path.is_file())
    found = {path.relative_to(cube).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in found.items() if name != "zarr.json"}


KILLED = [
    ("mmvsf.pipeline.build.reshape:_Move.out", 2),
    ("mmvsf.pipeline.build.reshape:write_template", 1),
    ("mmvsf.pipeline.ledger:Ledger.write", 6),  # among the new shards
    ("mmvsf.pipeline.build.run:finish_cube", 1),  # all shards are there
    ("mmvsf.datasets.cube.write:write_manifest", 1),  # all is there, but for the manifest and the root
    ("mmvsf.datasets.cube.write:sync_all", 1),  # all is there, but for the root
]


@pytest.mark.parametrize(("where", "count"), KILLED, ids=[where.split(":")[1] for where, _ in KILLED])
def test_killed_and_run_again(
    tiny: TinyArchive, built: TinyArchive, mmvsf: Command, dataset: Build, where: str, count: int
) -> None:
    tiny.write_recipe(**ONLY_2021)
    build_tiny(tiny)
    before = shards(tiny)
    tiny.write_recipe()
    script = Path(__file__).with_name("kill_at.py")
    options = ["--data-dir", str(tiny.data), "--workers", "1"]
    ended = subprocess.run(
        [sys.executable, str(script), where, str(count), "extend", str(tiny.recipe), *options], capture_output=True
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert mmvsf("check", tiny.cube).code == 1
    if "reshape" in where:
        outcome = dataset(tiny)
        assert outcome.code == 1 and "mmvsf extend" in outcome.error
    assert mmvsf("extend", tiny.recipe, *options).code == 0
    assert before <= shards(tiny)
    assert digest(tiny.cube) == digest(built.cube)


# ---------------------------------------------------------------------- in a bucket


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    with S3() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield location("s3://cubes/extended")


def test_in_a_bucket(tiny: TinyArchive, built: TinyArchive, bucket: Location, mmvsf: Command) -> None:
    """Blocks to the north and west and later days are added as on disk, since tiles keep their names; earlier days are
    refused before anything is touched."""
    options = ("--data-dir", bucket, "--workers", 1)
    west, south, east, north = recipe()["area"]["bbox"]
    corner = [east - (east - west) / 4, south, east, south + (north - south) / 4]
    tiny.write_recipe(**{**ONLY_2020, "split": {}, "area__bbox": corner, "weather__variables": ["wind"]})
    assert mmvsf("dataset", tiny.recipe, *options).code == 0
    cube = bucket / "tiny.zarr"
    assert len(Cube.open(cube).grid.blocks) == 1
    before = {name: (cube / name).read_bytes() for name, _ in objects(cube)}
    tiny.write_recipe(period__start="2020-05-01", weather__start="2019-08-01")
    outcome = mmvsf("extend", tiny.recipe, *options)
    assert outcome.code == 2 and "bucket" in outcome.error and "earlier days" in outcome.error
    assert "copy the cube and its .ledger to a folder" in outcome.error and "--overwrite" in outcome.error
    assert {name: (cube / name).read_bytes() for name, _ in objects(cube)} == before
    tiny.write_recipe()
    assert mmvsf("extend", tiny.recipe, *options).code == 0
    shards = {name: content for name, content in before.items() if any(f"/{part}/" in name for part in PIXELS)}
    assert shards and {name: (cube / name).read_bytes() for name in shards} == shards
    assert digest(cube) == digest(built.cube)


# ---------------------------------------------------------------------- weather


@pytest.fixture
def on_gridmet(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeatherServer]:
    """gridMET's stand-in."""
    with WeatherServer() as server:
        monkeypatch.setenv("MMVSF_GRIDMET_URL", server.gridmet_url)
        yield server


def test_provisional_weather_is_replaced(
    on_gridmet: WeatherServer, tiny: TinyArchive, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    gridmet = {"weather__source": "gridmet", "weather__path": None}
    tiny.write_recipe(**gridmet)
    on_gridmet.weather.permanent_until = date(2021, 5, 31)
    build_tiny(tiny)
    cube = Cube.open(tiny.cube)
    provisional = cube.array("weather/flag") == WeatherFlag.PROVISIONAL
    assert provisional.sum() == 30
    before, pixels = {name: cube.array(f"weather/{name}") for name in cube.weather}, shards(tiny)
    on_gridmet.weather.permanent_until = None
    truth = weather.gridmet_truth
    monkeypatch.setattr(weather, "gridmet_truth", lambda *where: truth(*where) + 2)  # all days of the source changed
    shutil.rmtree(tiny.data / "cache")
    asked = len(on_gridmet.requests)
    assert mmvsf("extend", tiny.recipe, "--data-dir", tiny.data, "--workers", 1).code == 0
    assert {request.query["time_start"][:10] for request in on_gridmet.requests[asked:]} == {"2021-05-31"}
    cube = Cube.open(tiny.cube)
    assert not (cube.array("weather/flag") == WeatherFlag.PROVISIONAL).any()
    needed = ~np.isnan(before["tmin"][100])
    for name, was in before.items():
        now = cube.array(f"weather/{name}")
        np.testing.assert_array_equal(now[~provisional], was[~provisional])
        assert (now[provisional] - was[provisional] > 0.1)[:, needed].all()
    assert shards(tiny) == pixels


# ---------------------------------------------------------------------- what is refused


OTHER: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "chunk": ({"grid__chunk": 8}, ("grid.chunk is 8, but 16 in the cube",)),
    "CRS": ({"grid__crs": "EPSG:32614"}, ("grid.crs",)),
    "resolution": ({"grid__resolution": 60}, ("grid.resolution",)),
    "origin": ({"grid__origin": [15, 0]}, ("grid.origin",)),
    "a year less": (
        {"period__end": "2020-06-30", "labels__years": [2020], "split": {}},
        ("period.end is 2020-06-30, but 2021-06-30 in the cube", "labels.years leaves out 2021"),
    ),
    "a month less": ({"period__months": [6]}, ("period.months leaves out 5",)),
    "a product less": ({"imagery__products": ["hls-l30"]}, ("imagery.products leaves out hls-s30",)),
    "blocks less": (some_blocks(4), ("area leaves out 2 of the cube's 6 blocks",)),
    "a variable less": ({"weather__variables": ["tmin"]}, ("weather.variables leaves out precipitation",)),
    "other weather": ({"weather__source": "gridmet", "weather__path": None}, ("weather.source is gridmet",)),
    "weather later": ({"weather__start": "2020-01-01"}, ("the weather begins on 2020-01-01",)),
    "no labels": ({"labels": None}, ("labels are left out",)),
    "other method": ({"labels__method": "nearest"}, ("labels.method is nearest, but majority in the cube",)),
    "another threshold": ({"imagery__skip_below_clear": 0.5}, ("imagery.skip_below_clear",)),
}


@pytest.mark.parametrize("other", OTHER)
def test_no_extension(finished: TinyArchive, mmvsf: Command, other: str) -> None:
    changes, parts = OTHER[other]
    finished.write_recipe(**changes)
    before, identity = entries(finished), digest(finished.cube)
    outcome = mmvsf("extend", finished.recipe, "--data-dir", finished.data)
    assert outcome.code == 2
    for part in (*parts, "--overwrite", "tiny.zarr"):
        assert part in outcome.error
    assert (entries(finished), digest(finished.cube)) == (before, identity)
    assert Cube.open(finished.cube).complete


def test_another_legend(finished: TinyArchive, mmvsf: Command) -> None:
    legend = finished.root / "labels/legend.csv"
    legend.write_text(legend.read_text().replace("Corn", "Maize"))
    outcome = mmvsf("extend", finished.recipe, "--data-dir", finished.data)
    assert outcome.code == 2 and "legend" in outcome.error and Cube.open(finished.cube).complete


def test_no_cube(tiny: TinyArchive, mmvsf: Command) -> None:
    outcome = mmvsf("extend", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 2 and "mmvsf dataset" in outcome.error and not tiny.data.exists()


def test_a_build_points_to_the_extension(tiny: TinyArchive, dataset: Build, mmvsf: Command) -> None:
    tiny.write_recipe(split__places={**places(), "seed": 5})  # which tests on the second block
    assert dataset(tiny, "--blocks", "2").code == 0
    outcome = dataset(tiny)
    assert outcome.code == 2 and "`mmvsf extend`" in outcome.error and "--overwrite" in outcome.error
    outcome = mmvsf("extend", tiny.recipe, "--data-dir", tiny.data, "--workers", 1, "--json")
    assert outcome.code == 0 and '"chunks_in_another_part": 4' in outcome.out
    outcome = dataset(tiny, "--blocks", "2")
    assert outcome.code == 2 and "extend" not in outcome.error and "leaves out 4" in outcome.error


def test_a_simulated_world_is_not_extended(tmp_path: Path) -> None:
    """With another year it would be another world; the same one is simulated no further than its blocks."""
    region, path = load_region("sandbox")
    trial, _ = load_region("sandbox", blocks=2)
    longer = region.model_copy(update={"period": region.period.model_copy(update={"end": date(2024, 10, 31)})})
    whole, two, long = (
        CubeSpec(r, grid_from_recipe(r, path, tmp_path), calendar_for(r), None) for r in (region, trial, longer)
    )
    assert reasons_against(two, whole) == []
    assert "simulate" in " ".join(reasons_against(whole, long))
