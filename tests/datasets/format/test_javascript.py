"""The reader in JavaScript gives the same verdicts as the validator, and reads the same values as zarr-python."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tests.kit.damaged import LARGE, SMALL

from .conftest import Kit
from .test_validate import Files

pytestmark = [pytest.mark.slow, pytest.mark.javascript]

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "tests/javascript"
TILE, DAY, ROW, COLUMN = "x0_y0", "2021-04-12", 37, 41
POINT = 41.5 * 30, 1920 - 37.5 * 30


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader beside the packages that it imports."""
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copytree(ROOT / "datasets/format", folder / "format", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "node_modules").symlink_to(SCRIPTS / "node_modules", target_is_directory=True)
    return folder / "format/javascript"


def node(script: str, *arguments: object) -> Any:
    """What a script prints."""
    command = ["node", str(SCRIPTS / script), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


def test_the_verdict_on_every_cube(kit: Kit, reader: Path) -> None:
    verdicts = node("verdicts.js", reader, kit.folder)
    expected = {name: sorted(map(list, verdict)) for name, verdict in kit.verdicts.items()}
    actual = {name: sorted(verdict) for name, verdict in verdicts.items()}
    assert actual.keys() == expected.keys()
    assert not {name: actual[name][:3] for name in expected if actual[name] != expected[name]}


def test_days_and_series_are_those_of_zarr_python(kit: Kit, reader: Path) -> None:
    cube = kit.folder / "plain.zarr"
    tile = zarr.open_group(cube, path=f"tiles/{TILE}", mode="r")
    days = np.asarray(tile["imagery/time"])
    (position,) = np.flatnonzero(days == np.datetime64(DAY).astype(int))
    image = np.asarray(tile["imagery/reflectance"][position])
    series = np.asarray(tile["imagery/reflectance"][:, :, ROW, COLUMN])
    assert (image != -9999).any() and (series != -9999).any()
    with Files(kit.folder) as server:
        sources = str(cube), f"{server.url}/plain.zarr"
        for read in node("read.js", reader, json.dumps([(source, TILE, DAY, *POINT) for source in sources])):
            assert read["shape"] == [6, 64, 64] and read["tiles"] == ["x0_y0"], read
            assert read["image"] == image.ravel().tolist()
            assert read["status"] == np.asarray(tile["blocks/status"][position]).ravel().tolist()
            assert read["days"] == days.tolist()
            assert read["series"] == series.ravel().tolist()
            assert read["quality"] == np.asarray(tile["imagery/quality"][:, ROW, COLUMN]).tolist()


def test_reading_damage_raises(kit: Kit, reader: Path) -> None:
    """Nothing that is missing or was changed reads as a day without images."""
    damages = {
        "missing-shard": ("missing-object", LARGE),
        "short-shard": ("short-object", LARGE),
        "zeroed-shard": ("hash-mismatch", LARGE),
        "swapped-small-shards": ("long-object", SMALL),
        "older-shard": ("hash-mismatch", LARGE),
        "last-bit-of-large-shard": ("hash-mismatch", LARGE),
        "bit-in-chunk-of-large-shard": ("CodecPipelineError", ""),
        "bit-in-small-shard": ("hash-mismatch", SMALL),
        "empty-object": ("short-object", SMALL),
        "long-object": ("long-object", SMALL),
        "bit-in-array-metadata": ("hash-mismatch", "tiles/x0_y0/imagery/reflectance/zarr.json"),
        "bit-in-manifest-of-a-part": ("hash-mismatch", "manifest/tiles/x0_y0.json"),
        "missing-manifest": ("missing-object", "manifest.json"),
        "hash-of-a-part": ("digest-mismatch", "manifest.json"),
        "edited-title": ("long-object", "zarr.json"),
        "incomplete": ("incomplete", "zarr.json"),
        "version-1": ("wrong-version", "zarr.json"),
    }
    with Files(kit.folder) as server:
        roots = [str(kit.folder), server.url]
        jobs = [
            (f"{root}/{name}.zarr", TILE, "2021-05-10" if found[1] == SMALL else DAY, *POINT)
            for root in roots
            for name, found in damages.items()
        ]
        results = node("read.js", reader, json.dumps(jobs))
    actual = [(job[0], result.get("code"), result.get("object")) for job, result in zip(jobs, results, strict=True)]
    # Both shards of a swapped pair are wrong, and the one that arrives first is named.
    beside = ("short-object", SMALL.replace("c/1/0/2/2", "c/1/0/2/3"))
    actual = [
        (source, *damages["swapped-small-shards"])
        if "swapped-small" in source and found == beside
        else (source, *found)
        for source, *rest in actual
        for found in [tuple(rest)]
    ]
    assert actual == [(f"{root}/{name}.zarr", *found) for root in roots for name, found in damages.items()]


def test_the_reader_has_less_than_200_lines() -> None:
    assert len((ROOT / "datasets/format/javascript/cube.js").read_text(encoding="utf-8").splitlines()) < 200


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((SCRIPTS / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
