"""The pixel does not depend on the plan: any grouping, order, number of workers and interruption, the same bytes."""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmvsf.datasets.cube import pixels
from mmvsf.datasets.cube.calendar import SHARD_DAYS
from mmvsf.datasets.cube.cube import Cube, digest, root_attributes
from mmvsf.datasets.cube.write import root_attributes_of, write_root
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.storage import verified
from mmvsf.datasets.storage.store import open_pixels
from mmvsf.pipeline.build import executor as executors
from mmvsf.pipeline.build.executor import SerialExecutor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, _refuse_incomplete, build
from mmvsf.pipeline.build.target import ensure_root
from mmvsf.pipeline.layers.imagery import plan as planning
from mmvsf.pipeline.layers.imagery.rectangles import extent, rectangles
from mmvsf.pipeline.layers.imagery.summary import Summary

from .conftest import Command, build_tiny
from .tiny_archive import SCENES, Scene, TinyArchive, recipe

pytestmark = pytest.mark.slow


def files(folder: Path) -> dict[str, int]:
    """Time of the last change of every file."""
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def ledger(archive: TinyArchive) -> Path:
    return archive.data / "tiny.zarr.ledger"


def entries(archive: TinyArchive) -> dict[str, int]:
    return {name: changed for name, changed in files(ledger(archive)).items() if "/" in name}


def shards(archive: TinyArchive) -> dict[str, int]:
    """The chunk objects that tasks write."""
    return {name: changed for name, changed in files(archive.cube).items() if SHARD.match(name)}


SHARD = re.compile(r"tiles/[^/]+/(imagery|labels)/(reflectance|quality|scene|crop|purity)/c/")
"""Names of the chunk objects that tasks write."""


class ShuffledExecutor(SerialExecutor):
    """Tasks in another order."""

    def run(
        self, function: Callable[..., Any], tasks: Iterable[Any], context: Any, ahead: int = 0
    ) -> Generator[Any, None, None]:
        mixed = list(tasks)
        random.Random(4).shuffle(mixed)
        yield from super().run(function, mixed, context, ahead)


@pytest.mark.parametrize("pixels", [32, 64])
def test_any_grouping(tiny: TinyArchive, built: TinyArchive, pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = len(list(planning.shard_tasks(*_todo(tiny))))
    monkeypatch.setattr(planning, "GROUP_PIXELS", pixels)
    assert len(list(planning.shard_tasks(*_todo(tiny)))) > tasks
    build_tiny(tiny)
    assert digest(tiny.cube) == digest(built.cube)


def test_a_cluster_across_an_edge_of_any_lattice_is_one_group() -> None:
    """Wherever 3 x 3 blocks lie, they are read together; a neighbour by a corner alone is apart."""
    cluster = [(by, bx) for by in (2, 3, 4) for bx in (5, 6, 7)]
    assert planning.block_groups([*cluster, (5, 8)], planning.GROUP_PIXELS // 3, 6) == [cluster, [(5, 8)]]
    assert [len(group) for group in planning.block_groups([*cluster, (2, 8)], planning.GROUP_PIXELS // 3, 6)] == [9, 1]


@pytest.mark.parametrize(("bands", "block"), [(1, 256), (6, 256), (6, 96), (15, 256), (64, 256), (64, 2048)])
def test_a_group_takes_no_more_memory_than_it_may(bands: int, block: int) -> None:
    """Whatever the number of bands; a single block, which the recipe chooses, is the least."""
    blocks = [(by, bx) for by in range(24) for bx in range(24)]
    groups = planning.block_groups(blocks, block, bands)
    assert sorted(found for group in groups for found in group) == blocks
    largest = max(len(group) for group in groups)
    day = SHARD_DAYS * planning.pixel_bytes(bands)
    assert largest == 1 or largest * block**2 * day <= planning.GROUP_BYTES
    larger = (largest**0.5 + 1) * block
    assert larger > planning.GROUP_PIXELS or larger**2 * day > planning.GROUP_BYTES


def test_a_cluster_across_an_edge_of_the_lattice_is_one_task(
    tiny: TinyArchive, built: TinyArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 2 x 3 blocks, the first 2 columns are to be done: squares counted from the grid's corner would split them."""
    monkeypatch.setattr(planning, "GROUP_PIXELS", 64)
    imagery, grid, units = _todo(tiny)
    assert {column for _, column in grid.blocks} == {1, 2, 3}
    left = {(shard, block) for shard, block in units if block[1] < 3}
    shards = {shard for shard, _ in left}
    full = [shard for shard in shards if len([unit for unit in left if unit[0] == shard]) == 4]
    tasks = list(planning.shard_tasks(imagery, grid, left))
    assert full and all([task.shard for task in tasks].count(shard) == 1 for shard in full)
    run = SerialExecutor()
    build(build_plan(str(tiny.recipe), tiny.data), run, Progress(lambda *_: None))
    for shard, block in left:
        (ledger(tiny) / f"{planning.entry_name(grid, shard, block)}.json").unlink()
    build(build_plan(str(tiny.recipe), tiny.data), run, Progress(lambda *_: None))
    assert digest(tiny.cube) == digest(built.cube)


@pytest.mark.parametrize("pixels", [64, 96])
def test_a_group_with_a_hole_gives_the_same_bytes(
    tiny: TinyArchive, built: TinyArchive, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rectangle around three of four blocks is read, and nothing changes in the fourth."""
    monkeypatch.setattr(planning, "GROUP_PIXELS", pixels)
    imagery, grid, units = _todo(tiny)
    gone = grid.blocks[0]
    left = {(shard, block) for shard, block in units if block != gone}
    assert any(len(task.blocks) < math.prod(extent(task.blocks)) for task in planning.shard_tasks(imagery, grid, left))
    build_tiny(tiny)
    for shard, block in left:
        (ledger(tiny) / f"{planning.entry_name(grid, shard, block)}.json").unlink()
    before = {name: changed for name, changed in entries(tiny).items() if name.startswith("imagery")}
    build_tiny(tiny)
    assert digest(tiny.cube) == digest(built.cube)
    assert before and before.items() <= entries(tiny).items()


def test_a_ragged_edge_is_not_read_block_by_block() -> None:
    """Blocks in a disk: a square that they do not fill is read in few rectangles, and little in vain."""
    disk = [(by, bx) for by in range(20) for bx in range(20) if (by - 9.5) ** 2 + (bx - 9.5) ** 2 < 90]
    groups = planning.block_groups(disk, 256, 6)
    assert sorted(block for group in groups for block in group) == disk
    read = sum(math.prod(extent(group)) for group in groups)
    assert len(groups) <= 36
    assert read <= 1.1 * len(disk)


def test_blocks_of_a_square_that_lie_apart_are_read_apart() -> None:
    """What opening a file saves is less than the blocks between them."""
    groups = rectangles([(0, 0), (0, 1), (3, 3)], 256)
    assert groups == [[(0, 0), (0, 1)], [(3, 3)]]
    assert rectangles([(0, 0), (0, 1), (1, 0)], 256) == [[(0, 0), (0, 1), (1, 0)]]


def _todo(archive: TinyArchive) -> tuple[Any, ...]:
    prepared = build_plan(str(archive.recipe), archive.data)
    return prepared.imagery, prepared.grid, set(prepared.imagery.units)


def test_any_order(tiny: TinyArchive, built: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "GROUP_PIXELS", 32)
    build(build_plan(str(tiny.recipe), tiny.data), ShuffledExecutor(), Progress(lambda *_: None))
    assert digest(tiny.cube) == digest(built.cube)


def test_any_order_of_the_items(tiny: TinyArchive, built: TinyArchive) -> None:
    tiny.items.reverse()
    tiny.write_items()
    build_tiny(tiny)
    assert digest(tiny.cube) == digest(built.cube)


@pytest.mark.parametrize(
    ("workers", "threads"), [(2, 8), (5, 8), (2, 1)], ids=["two threads", "five threads", "two processes"]
)
def test_any_number_of_workers(
    tiny: TinyArchive, built: TinyArchive, workers: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "GROUP_PIXELS", 64)
    monkeypatch.setattr(executors, "MOST_THREADS", threads)
    build_tiny(tiny, workers=workers)
    assert digest(tiny.cube) == digest(built.cube)


@pytest.mark.parametrize("pixels", [32, 768])
def test_an_outline_decides_nothing(
    tiny: TinyArchive, built: TinyArchive, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The raster's own extent does, however blocks are grouped."""
    shorten_outline(tiny, ALONE)
    monkeypatch.setattr(planning, "GROUP_PIXELS", pixels)
    build_tiny(tiny)
    assert digest(tiny.cube) == digest(built.cube)


@pytest.mark.parametrize("pixels", [32, 768])
@pytest.mark.parametrize(("asset", "east"), [("Fmask", 4), ("B04", 1)])
def test_a_damaged_scene_fails_the_same_blocks_in_any_group(
    tiny: TinyArchive, asset: str, east: int, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its mask nothing is known of a block; its bands are read only where the mask has data, in the west."""
    tiny.file(ALONE, asset).write_bytes(b"no picture")
    monkeypatch.setattr(planning, "GROUP_PIXELS", pixels)
    with pytest.raises(IncompleteError, match=f"{6 if east == 4 else 4} \\(day, block\\) units"):
        build_tiny(tiny)
    tiny.write_recipe(imagery__complete_above=0.5)
    build_tiny(tiny, accept_failed=True)
    assert status_of(tiny, ALONE).tolist() == [[4, 4, east], [4, 4, east]]


ALONE = next(scene for scene in SCENES if scene.when.startswith("2021-05-13"))
"""The only scene of its day, in a shard where other scenes cover all blocks."""


def shorten_outline(archive: TinyArchive, scene: Scene) -> None:
    """The outline reaches the first column of blocks only, and by its margin."""
    item = archive.item(scene)
    west = -96.0101
    ring = [[west - 0.02, 41.9], [west - 0.005, 41.9], [west - 0.005, 42.0], [west - 0.02, 42.0], [west - 0.02, 41.9]]
    archive.items[archive.items.index(item)] = {**item, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    archive.write_items()


def status_of(archive: TinyArchive, scene: Scene) -> Any:
    day = (scene.day - date(1970, 1, 1)).days
    cube = Cube.open(archive.cube)
    rows, columns = (sorted(set(numbers)) for numbers in zip(*cube.grid.blocks, strict=True))
    return cube.array("blocks/status")[cube.calendar.index(day)][np.ix_(rows, columns)]


def test_the_digest_that_is_printed_is_the_one_recorded(built: TinyArchive, mmvsf: Command) -> None:
    assert mmvsf("digest", built.cube).out.strip() == Cube.open(built.cube).digest == digest(built.cube)


def test_what_a_kill_leaves_behind_is_no_part_of_the_cube(tiny: TinyArchive, built: TinyArchive) -> None:
    build_tiny(tiny)
    leftovers = ("zarr.json.77.tmp", "tiles/x65_y1210/weather/tmin/c/0/0/0.ab12.partial", "seasons/split/c/1.__lock")
    for name in leftovers:
        (tiny.cube / name).parent.mkdir(parents=True, exist_ok=True)
        (tiny.cube / name).write_bytes(b"half")
    build_tiny(tiny)
    assert digest(tiny.cube) == digest(built.cube)
    assert not [name for name in leftovers if (tiny.cube / name).exists()]


def test_a_second_run_changes_and_reads_nothing(
    finished: TinyArchive, dataset: Callable[..., Any], mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte of the cube or its ledger is written, and no shard is read, by `dataset` and by `extend`."""
    opened = count_shards_read(monkeypatch)
    # The record of the finished build holds the times of the files that were copied.
    assert "All shards are already built" in dataset(finished).out
    before = files(finished.data)
    assert "Nothing has changed since the cube was finished" in dataset(finished).out
    assert mmvsf("extend", finished.recipe, "--data-dir", finished.data, "--workers", 1).code == 0
    assert opened == []
    after = files(finished.data)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {name for name in changed if not name.startswith("cache/")} <= {"tiny.DATASET_CARD.md"}
    assert mmvsf("verify", finished.cube).code == 0 and opened  # or the count counts nothing


def count_shards_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the shards that are read from here on, by any of the ways in which this program reads."""
    opened: list[str] = []
    for owner, name in ((Path, "read_bytes"), (Path, "open"), (pixels, "open_pixels"), (verified, "read_range")):
        function = getattr(owner, name)

        def reading(where: Path, *arguments: Any, _function: Any = function, **options: Any) -> Any:
            array = arguments[0] if arguments and _function is open_pixels else ""
            if _function is open_pixels or SHARD.search(str(where)):
                opened.append(f"{where}/{array}")
            return _function(where, *arguments, **options)

        monkeypatch.setattr(owner, name, reading)
    return opened


SHARDS_DONE = "mmvsf.pipeline.build.run:finish_cube"
"""Called when all shards are there."""

KILLED = [
    ("mmvsf.pipeline.build.run:sweep_leftovers", 1),  # the root is there, and nothing else
    ("mmvsf.pipeline.ledger:Ledger.write", 1),  # the first shard is written, its entry is not
    ("mmvsf.pipeline.ledger:Ledger.write", 9),  # among the labels
    ("mmvsf.pipeline.ledger:Ledger.write", 33),  # between two blocks of one group
    (SHARDS_DONE, 1),
    ("mmvsf.datasets.cube.write:encode_parts", 1),  # before the first summary
    ("mmvsf.datasets.cube.write:write_parts", 1),  # before the manifests of the parts
    ("mmvsf.datasets.cube.write:sync_all", 1),  # after them
    ("mmvsf.datasets.cube.write:write_manifest", 1),  # the root says complete, the manifest is not there
]


@pytest.mark.parametrize(("where", "count"), KILLED, ids=[f"{where.split(':')[1]}-{count}" for where, count in KILLED])
def test_killed_and_run_again(tiny: TinyArchive, built: TinyArchive, mmvsf: Command, where: str, count: int) -> None:
    script = Path(__file__).with_name("kill_at.py")
    command = [sys.executable, str(script), where, str(count), "dataset", str(tiny.recipe)]
    ended = subprocess.run([*command, "--data-dir", str(tiny.data), "--workers", "1"], capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert mmvsf("check", tiny.cube).code == 1
    assert "run `mmvsf dataset` again" in mmvsf("check", tiny.cube).error
    with pytest.raises(IncompleteError):
        Cube.open(tiny.cube)
    done = entries(tiny)
    written = {name: changed for name, changed in shards(tiny).items() if _entry_of(name) in done}
    assert len(done) == (count - 1 if "Ledger" in where else 0 if where.endswith("leftovers") else len(entries(built)))
    build_tiny(tiny)
    assert {name: entries(tiny)[name] for name in done} == done
    assert {name: shards(tiny)[name] for name in written} == written
    assert digest(tiny.cube) == digest(built.cube)
    assert mmvsf("check", tiny.cube).code == 0


def _entry_of(name: str) -> str:
    """The ledger entry of a chunk object: tiles/x65_y1210/imagery/quality/c/21/1/2 is imagery/588/x262_y4842."""
    _, tile, group, _, _, *index = name.split("/")
    east, north = (int(part[1:]) for part in tile.split("_"))
    down, right = map(int, index[-2:])
    block = f"x{4 * east + right}_y{4 * north + 3 - down}"
    return (
        f"labels/{2020 + int(index[0])}/{block}.json"
        if group == "labels"
        else f"imagery/{567 + int(index[0])}/{block}.json"
    )


def test_a_build_of_several_workers_killed_from_outside(tiny: TinyArchive, built: TinyArchive) -> None:
    command = [sys.executable, "-m", "mmvsf.datasets.command", "dataset", str(tiny.recipe), "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(tiny.data)], start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and not list(ledger(tiny).rglob("*.json")):
            time.sleep(0.002)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert entries(tiny)
    build_tiny(tiny)
    assert digest(tiny.cube) == digest(built.cube)


def test_an_entry_cut_off_is_no_entry(finished: TinyArchive, built: TinyArchive) -> None:
    name = sorted(entries(finished))[0]
    whole = (ledger(finished) / name).read_text()
    (ledger(finished) / name).write_text(whole[: len(whole) // 2])
    build_tiny(finished)
    assert json.loads((ledger(finished) / name).read_text()) == json.loads(whole)
    assert digest(finished.cube) == digest(built.cube)


def test_a_scene_taken_out_of_the_archive_leaves_nothing(finished: TinyArchive, tmp_path: Path) -> None:
    """The shards of 2020 hold that scene alone."""
    first, second = SCENES[:2]
    finished.items = [item for item in finished.items if item["id"] not in {first.id, second.id, SCENES[6].id}]
    finished.write_items()
    finished.write_recipe(split={"places": {"unit": "block", "test_share": 0.17}, "years": {}})
    build_tiny(finished)
    anew = tmp_path / "anew"
    finished.data.rename(anew)
    build_tiny(finished)
    assert digest(anew / "tiny.zarr") == digest(finished.cube)


def test_another_grid_needs_a_word(finished: TinyArchive, dataset: Callable[..., Any]) -> None:
    finished.write_recipe(grid__chunk=8)
    before = files(finished.cube)
    outcome = dataset(finished)
    assert outcome.code == 2 and "--overwrite" in outcome.error and "grid" in outcome.error
    assert files(finished.cube) == before
    assert dataset(finished, "--overwrite").code == 0
    assert Cube.open(finished.cube).grid.chunk == 8


def test_a_build_neither_removes_nor_adds_arrays(finished: TinyArchive) -> None:
    """Whatever part a recipe gains, loses or changes, the files of the cube stay: that is for `extend` or a rebuild."""
    plan, whole = build_plan(str(finished.recipe), finished.data), recipe()
    radar = {"source": "archive", "path": "radar"}
    one_orbit = {**radar, "orbit": "ascending"}
    number = {"source": "archive", "path": "yield_{year}.tif", "units": "t ha-1", "years": [2021]}
    static = {"source": "archive", "path": "ground", "layers": ["elevation"]}
    with_confidence = {**whole["labels"], "confidence_path": "archive/confidence_{year}.tif"}
    parts: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({}, {"radar": radar}, "radar is left out"),
        ({"radar": one_orbit}, {"radar": radar}, "radar.orbit leaves out descending"),
        ({}, {"targets": {"yield": number}}, "targets leaves out yield"),
        ({}, {"static": static}, "static.layers leaves out elevation"),
        ({"labels": None}, {}, "labels are left out"),
        ({}, {"labels": with_confidence}, "labels.confidence is left out"),
    ]
    changed: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"radar": radar}, {"radar": {**radar, "polarisations": ["vv"]}}, "radar.polarisations is"),
        ({}, {"imagery": {**whole["imagery"], "bands": ["red", "nir"]}}, "imagery.bands is"),
    ]
    for less, more, reason in parts:
        changed += [(more, less, reason), (less, more, "`mmvsf extend` with the same arguments adds")]
    for before, after, reason in changed:
        old, new = (
            replace(plan.spec, region=parse_region({**whole, **part}, "test"), legend=plan.legend)
            for part in (before, after)
        )
        write_root(plan.cube, root_attributes_of(old, {}))
        with pytest.raises(InputError, match=re.escape(reason)):
            ensure_root(replace(plan, spec=new), overwrite=False)


def test_a_root_that_describes_an_earlier_recipe_is_mended(finished: TinyArchive) -> None:
    before, attributes = digest(finished.cube), root_attributes(finished.cube)
    stale = {"title": "before", "targets": ["yield"], "radar_orbits": ["ascending"], "radar_polarisations": ["vv"]}
    write_root(finished.cube, {name: value for name, value in attributes.items() if name != "bands"} | stale)
    build_tiny(finished)
    changing = {"created", "finished"}
    assert {k: v for k, v in root_attributes(finished.cube).items() if k not in changing} == {
        k: v for k, v in attributes.items() if k not in changing
    }
    assert digest(finished.cube) == before


def test_months_taken_out_of_the_recipe_leave_the_cube(finished: TinyArchive, tmp_path: Path) -> None:
    finished.write_recipe(period__months=[6])
    build_tiny(finished)
    anew = tmp_path / "anew"
    finished.data.rename(anew)
    build_tiny(finished)
    assert digest(anew / "tiny.zarr") == digest(finished.cube)


def test_another_threshold_of_clouds_is_read_anew(finished: TinyArchive, tmp_path: Path) -> None:
    finished.write_recipe(imagery__skip_below_clear=0.0)
    summary = build_tiny(finished)
    assert summary.skipped_cloudy == 0
    anew = tmp_path / "anew"
    finished.data.rename(anew)
    build_tiny(finished)
    assert digest(anew / "tiny.zarr") == digest(finished.cube)


def test_a_build_as_complete_as_the_recipe_asks_is_complete(tiny: TinyArchive) -> None:
    """0.95 of the acquired units is enough for `complete_above: 0.95`, and less is not."""
    plan = build_plan(str(tiny.recipe), tiny.data).imagery
    _refuse_incomplete(plan, Summary(19, 0, 1, 0, ("gone",)), 0.95, accept_failed=True)
    with pytest.raises(IncompleteError, match=r"only 94\.7%"):
        _refuse_incomplete(plan, Summary(18, 0, 1, 0, ("gone",)), 0.95, accept_failed=True)
