"""What is told before a build: the map, the months, the sizes, what is missing; and trials of a few blocks."""

from __future__ import annotations

import json
import shutil as system
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.splits import place_split
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.storage.object_path import ObjectPath
from mmvsf.datasets.variables import Split
from mmvsf.pipeline.build.dask_executor import DaskExecutor
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from mmvsf.pipeline.estimate.preview import preview
from mmvsf.pipeline.estimate.preview_table import block_map
from mmvsf.pipeline.layers.source import Requirement
from mmvsf.pipeline.raster.scene import Scene
from mmvsf.pipeline.report.plan import _figure
from mmvsf.pipeline.sources.archive.rasters import ArchiveImagery

from .conftest import Command, Outcome
from .stored import TILE, open_array, stored
from .tiny_archive import TinyArchive, label_rasters, write_raster

pytestmark = [pytest.mark.stand_in, pytest.mark.slow]

Build = Callable[..., Outcome]


def grid_with(*blocks: tuple[int, int], rows: int, columns: int) -> Grid:
    return Grid("EPSG:32615", 30.0, 0.0, 0.0, rows, columns, 32, 16, 32, tuple(sorted(blocks)))


def test_blocks_are_drawn_north_up() -> None:
    assert block_map(grid_with((0, 0), (1, 0), (1, 1), (2, 2), rows=3, columns=3)) == "█▄\n  ▀"


def test_a_map_larger_than_the_terminal_is_thinned() -> None:
    drawn = block_map(grid_with((0, 0), (199, 399), rows=200, columns=400), width=80, height=20).split("\n")
    assert len(drawn) == 20 and max(map(len, drawn)) == 80
    assert drawn[0] == "▀" and drawn[-1][-1] == "▄"


def test_the_plan_on_a_terminal(tiny: TinyArchive, mmvsf: Command) -> None:
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 0
    for part in ("███", "Jun", "hls-s30", "on disk", "free", "no account, no key"):
        assert part in outcome.out
    assert "warning" not in outcome.out


def test_the_quota_of_earth_engine_is_shown_where_it_is_used(tiny: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    assert "EECU" not in mmvsf("plan", tiny.recipe, "--data-dir", tiny.data).out
    tiny.write_recipe(weather__source="earthengine", weather__path=None)
    arguments = ("plan", tiny.recipe, "--data-dir", tiny.data)
    assert mmvsf(*arguments, "--html", tmp_path / "plan.html").out.count("EECU") == 1
    (quota,) = json.loads(mmvsf(*arguments, "--json").out)["quotas"]
    assert "150 EECU-hours" in quota and "1,000" in quota and "100,000" in quota
    assert quota in (tmp_path / "plan.html").read_text()


def test_the_plan_for_programs(tiny: TinyArchive, mmvsf: Command) -> None:
    facts = json.loads(mmvsf("plan", tiny.recipe, "--data-dir", tiny.data, "--json").out)
    months = facts["scenes_by_month"]
    assert months["hls-l30"] == {"2020-06": 1, "2021-05": 2, "2021-06": 2}
    assert sum(sum(found.values()) for found in months.values()) == facts["scenes"] == 11
    assert facts["warnings"] == [] and facts["requirements"] == [] and not facts["remote"]
    assert 0.3 < facts["disk_megabytes"] < facts["free_megabytes"]


@pytest.mark.slow
def test_the_plan_as_a_page_and_a_picture(tiny: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    page, picture = tmp_path / "plan.html", tmp_path / "plan.png"
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data, "--html", page, "--png", picture)
    assert outcome.code == 0 and picture.read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert "Six blocks" in text and "data:image/" in text and "hls-l30 2021" in text
    assert 'src="http' not in text


def test_the_chart_shows_every_product(tiny: TinyArchive) -> None:
    """However many there are: the bars of a month add up to its scenes."""
    plan = build_plan(str(tiny.recipe), tiny.data)
    products = [f"product-{number}" for number in range(9)]
    scenes = Counter({(product, 2021, month): 1 + month for product in products for month in (5, 6)})
    shown = replace(preview(plan, 1), scenes=scenes)
    _, chart = _figure(plan, shown, tiny.data).axes
    assert [text.get_text() for text in chart.get_legend().get_texts()] == products
    tops = [max(bar.get_y() + bar.get_height() for bar in month) for month in zip(*chart.containers, strict=True)]
    assert tops == [9 * 6, 9 * 7]


@pytest.mark.usefixtures("s3")
def test_the_page_of_a_cube_in_a_bucket(tiny: TinyArchive, mmvsf: Command, data: ObjectPath, tmp_path: Path) -> None:
    tiny.write_recipe(imagery__path=str(tiny.root), weather__path=str(tiny.root / "weather/daily.nc"), labels=None)
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", data, "--html", tmp_path / "plan.html")
    assert outcome.code == 0, outcome.err
    assert "in the bucket" in (tmp_path / "plan.html").read_text()


def test_a_collection_that_ends_early(tiny: TinyArchive, mmvsf: Command) -> None:
    tiny.items = [item for item in tiny.items if item["properties"]["datetime"] < "2021-06"]
    tiny.write_items()
    facts = json.loads(mmvsf("plan", tiny.recipe, "--data-dir", tiny.data, "--json").out)
    assert len(facts["warnings"]) == 2
    assert "the catalogue's last scene is of 2021-05-05, the period ends on 2021-06-30" in facts["warnings"][0]
    assert "last scene is of" in mmvsf("plan", tiny.recipe, "--data-dir", tiny.data).out


def test_missing_credentials_are_told_and_stop_a_build(
    tiny: TinyArchive, mmvsf: Command, dataset: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = (
        Requirement("token", False, "get one at example.org"),
        Requirement("project", True, "from the environment"),
    )
    monkeypatch.setattr(ArchiveImagery, "requirements", lambda self: needs, raising=False)
    shown = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert shown.code == 0 and "token: missing" in shown.out and "project: present" in shown.out
    outcome = dataset(tiny)
    assert outcome.code == 2 and "token is missing: get one at example.org" in outcome.error
    assert not tiny.cube.exists()

    def no_search(*_: object) -> list[Scene]:
        raise InputError("the catalogue wants a token")

    monkeypatch.setattr(ArchiveImagery, "search", no_search)
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 2 and "token is missing: get one at example.org" in outcome.error


def test_a_full_disk_is_noticed_before_the_work(
    tiny: TinyArchive, dataset: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = system.disk_usage(tiny.folder)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=100_000))
    outcome = dataset(tiny)
    assert outcome.code == 2
    for part in ("will need about 0.", "0.1 MB are free", "--data-dir"):
        assert part in outcome.error
    assert not list((tiny.cube / TILE / "imagery/reflectance").rglob("c/*"))


def test_what_is_done_needs_no_room(finished: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = system.disk_usage(finished.folder)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=200_000))
    plan = build_plan(str(finished.recipe), finished.data)
    with executor(1) as run:
        build(plan, run, Progress(lambda *_: None))
    assert preview(plan, 1).warnings == ()


# ---------------------------------------------------------------------- trials


@pytest.mark.slow
def test_a_trial_of_two_blocks(tiny: TinyArchive, dataset: Build, built: TinyArchive) -> None:
    assert dataset(tiny, "--blocks", 2).code == 0
    attributes = dict(zarr.open_group(str(tiny.cube), mode="r").attrs)
    assert attributes["region"]["area"]["blocks"] == 2 and len(attributes["grid"]["blocks"]) == 2
    for name in ("imagery/reflectance", "labels/crop", "labels/purity"):
        trial, whole = (stored(a, name) for a in (tiny, built))
        assert trial.shape == whole.shape
        np.testing.assert_array_equal(trial[..., :32, :64], whole[..., :32, :64])
    assert not stored(tiny, "labels/crop")[:, 32:].any()


@pytest.mark.slow
def test_a_trial_does_not_stand_for_the_whole(tiny: TinyArchive, dataset: Build) -> None:
    dataset(tiny, "--blocks", 2)
    outcome = dataset(tiny)
    assert outcome.code == 2 and "--overwrite" in outcome.error
    assert dataset(tiny, "--overwrite").code == 0


def test_wall_to_wall(mmvsf: Command, tmp_path: Path) -> None:
    """`--blocks all` takes the whole ground of a recipe that samples it, and can be split."""
    outcome = mmvsf("plan", "iowa", "--blocks", "most", "--data-dir", tmp_path)
    assert outcome.code == 2 and "or all; found most" in outcome.error
    region, path = load_region("iowa", blocks="all")
    grid = grid_from_recipe(region, path, tmp_path)
    assert len(grid.blocks) > 10 * 216 and region.area.sample is not None
    assert set(np.unique(place_split(region, grid))) == {0, 1, 2, 3}


def test_every_shipped_recipe_can_be_tried(tmp_path: Path) -> None:
    for name in ("iowa", "central-valley", "sandbox"):
        region, path = load_region(name, blocks=2)
        grid = grid_from_recipe(region, path, tmp_path)
        assert len(grid.blocks) == 2
        assert place_split(region, grid).shape == grid.chunk_shape


def test_the_documented_recipe_can_be_planned_as_it_is(tmp_path: Path) -> None:
    """Its places can be split, and it takes nothing from files that its reader would have to make."""
    region, path = load_region("example")
    grid = grid_from_recipe(region, path, tmp_path)
    assert {Split.TRAIN, Split.VALIDATION, Split.TEST} <= set(np.unique(place_split(region, grid)))
    used = region.imagery.source, region.weather.source, region.labels.source, region.static.source
    assert "archive" not in used


# ---------------------------------------------------------------------- sources


def test_a_public_recipe_from_earth_engine() -> None:
    region, _ = load_region("iowa", source="earthengine")
    assert (region.imagery.source, region.imagery.catalog) == ("earthengine", None)
    assert (region.weather.source, region.weather.collection) == ("earthengine", "gridmet")
    assert region.labels is not None and (region.labels.source, region.labels.groups) == ("earthengine", "default")
    assert region.static is not None and region.static.source == "earthengine"


def test_and_back(tmp_path: Path) -> None:
    import yaml

    region, _ = load_region("iowa", source="earthengine")
    copy = tmp_path / "copy.yaml"
    copy.write_text(yaml.safe_dump(region.model_dump(mode="json", exclude_none=True, exclude_defaults=True)))
    assert load_region(str(copy), source="public")[0] == load_region("iowa")[0]


def test_an_archive_stays_where_it_is(tiny: TinyArchive, mmvsf: Command) -> None:
    outcome = mmvsf("plan", tiny.recipe, "--source", "earthengine")
    assert outcome.code == 2 and "archive on disk" in outcome.error
    assert "choose public or earthengine" in mmvsf("plan", "iowa", "--source", "mars").error


# ---------------------------------------------------------------------- labels


@pytest.mark.slow
def test_groups_and_nearest_neighbours_with_purity(tiny: TinyArchive, built: TinyArchive) -> None:
    """Against the ungrouped labels: in a pure pixel the group of its class; purity adds up over the group."""
    tiny.write_recipe(
        labels__groups={"crops": [1, 5], "hay": [36]}, labels__colors={"hay": "#00ff00"}, labels__method="nearest"
    )
    plan = build_plan(str(tiny.recipe), tiny.data)
    with executor(1) as run:
        build(plan, run, Progress(lambda *_: None))
    (crop, purity), (plain, share) = (
        [stored(a, f"labels/{name}") for name in ("crop", "purity")] for a in (tiny, built)
    )
    attributes = open_array(tiny, "labels/crop").attrs
    assert attributes["flag_names"] == ["crops", "hay"] and attributes["flag_source_codes"] == ["1 5", "36"]
    assert attributes["flag_colors"][1] == "#00ff00"
    table = np.zeros(256, int)
    table[[1, 5, 36]] = 1, 1, 2
    np.testing.assert_array_equal(crop[share == 100], table[plain][share == 100])
    same = (table[plain] == crop) & (crop > 0)
    assert (purity[same] >= share[same]).all() and (purity[same] > share[same]).any()
    assert ((purity > 0) == (crop > 0)).all() and (purity[0] < 50).any()


def digests(archive: TinyArchive) -> dict[int, list[str]]:
    """year -> digests of its label tasks."""
    tasks = build_plan(str(archive.recipe), archive.data).label_layer.plan.all_tasks
    return {year: [task.digest for task in tasks if task.year == year] for year in (2020, 2021)}


def test_a_moved_archive_redoes_nothing_and_a_replaced_raster_is_noticed(tiny: TinyArchive) -> None:
    before = digests(tiny)
    moved = TinyArchive(tiny.folder / "elsewhere", tiny.items)
    moved.folder.mkdir()
    system.copytree(tiny.root, moved.root)
    moved.write_recipe()
    assert digests(moved) == before
    codes, raster = label_rasters()[2021]
    codes[70, 70] = 36 if codes[70, 70] != 36 else 1
    write_raster(moved.root / "labels/crop_2021.tif", codes, raster)
    after = digests(moved)
    assert after[2020] == before[2020] and not set(after[2021]) & set(before[2021])


def test_large_files_are_told_apart_without_reading_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmvsf.pipeline.raster import fingerprint as identity

    monkeypatch.setattr(identity, "WHOLE_BYTES", 10_000)
    monkeypatch.setattr(identity, "SAMPLE_BYTES", 64)
    one, other = tmp_path / "one.tif", tmp_path / "other.tif"
    content = np.random.default_rng(0).bytes(100_000)
    one.write_bytes(content)
    other.write_bytes(content)
    assert identity.content_fingerprint(str(one)) == identity.content_fingerprint(str(other))
    other.write_bytes(content[::-1])
    assert identity.content_fingerprint(str(one)) != identity.content_fingerprint(str(other))
    assert identity.content_fingerprint("cropscape:2021") == "cropscape:2021"


def test_a_plan_that_lacks_something_is_an_error_of_input(tiny: TinyArchive) -> None:
    plan = replace(build_plan(str(tiny.recipe), tiny.data), requirements=(Requirement("key", False, "ask for it"),))
    with executor(1) as run, pytest.raises(InputError, match="key is missing: ask for it"):
        build(plan, run, Progress(lambda *_: None))


# ---------------------------------------------------------------------- what is built already


def test_a_plan_shows_what_is_built_and_what_will_be_rebuilt(finished: TinyArchive, mmvsf: Command) -> None:
    facts = json.loads(mmvsf("plan", finished.recipe, "--data-dir", finished.data, "--json").out)
    assert (facts["shards_done"], facts["shards_stale"]) == (facts["shards"], 0) and facts["shards"] > 6
    finished.write_recipe(imagery__skip_below_clear=0.5)
    outcome = mmvsf("plan", finished.recipe, "--data-dir", finished.data)
    assert f"0 of {facts['shards']} shards" in outcome.out and "will be rebuilt" in " ".join(outcome.out.split())


def test_where_all_is_done_no_worker_starts(
    finished: TinyArchive, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DaskExecutor, "__init__", lambda self, client: pytest.fail("a cluster was started"))
    assert mmvsf("dataset", finished.recipe, "--data-dir", finished.data, "--workers", 2).code == 0


def seconds_later(item: dict[str, Any], seconds: int) -> dict[str, Any]:
    """The scene of another acquisition, which the time in its name tells: versions of one replace one another."""
    name = item["id"].split(".")
    name[3] = f"{datetime.strptime(name[3], '%Y%jT%H%M%S') + timedelta(seconds=seconds):%Y%jT%H%M%S}"
    return {**item, "id": ".".join(name)}


def test_more_scenes_of_a_day_than_a_cube_can_number(tiny: TinyArchive, mmvsf: Command) -> None:
    first = next(item for item in tiny.items if item["properties"]["datetime"].startswith("2020-06-10"))
    tiny.items = [*tiny.items, *(seconds_later(first, number) for number in range(1, 256))]
    tiny.write_items()
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 2 and "256 scenes of 2020-06-10 overlap block" in outcome.error


def test_a_cube_by_the_name_of_its_region(finished: TinyArchive, mmvsf: Command) -> None:
    assert mmvsf("check", "tiny", "--data-dir", finished.data).code == 0
    by_path = mmvsf("digest", finished.cube).out
    assert mmvsf("digest", "tiny", "--data-dir", finished.data).out == by_path
    assert f"{finished.data}/other.zarr" in mmvsf("check", "other", "--data-dir", finished.data).error
