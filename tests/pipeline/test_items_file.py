"""A search result in a stac-geoparquet file gives the plan of the items themselves, whoever wrote it."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.sources.stac.items_file import read_items, write_items
from mmvsf.pipeline.sources.transport import remote_raster as remote
from mmvsf.pipeline.sources.transport import signing

from ..servers.archive import ArchiveServer
from .conftest import Command
from .tiny_archive import TinyArchive

KEYS = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "Fmask")


def rustac_writes(path: Path, items: list[dict[str, Any]]) -> None:
    rustac = pytest.importorskip("rustac")

    async def write() -> None:
        await rustac.write(str(path), items)

    asyncio.run(write())


def own_writes(path: Path, items: list[dict[str, Any]]) -> None:
    assert write_items(path, items, KEYS) == len(items)


def entries(tiny: TinyArchive) -> dict[str, str]:
    return dict(build_plan(str(tiny.recipe), tiny.data, only_shown=True).imagery.entries)


def items_of(tiny: TinyArchive) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads((tiny.root / "items.json").read_text())["features"]
    return [{"links": [], "stac_version": "1.0.0", **item} for item in items]


@pytest.mark.parametrize("write", [rustac_writes, own_writes])
def test_an_archive_may_list_its_items_in_a_table(tiny: TinyArchive, write: Any) -> None:
    expected, items = entries(tiny), items_of(tiny)
    (tiny.root / "items.json").unlink()
    write(tiny.root / "items.parquet", items)
    assert entries(tiny) == expected


def test_others_read_what_is_written(tiny: TinyArchive, tmp_path: Path) -> None:
    rustac = pytest.importorskip("rustac")
    items = items_of(tiny)
    own_writes(tmp_path / "items.parquet", items)

    async def read_back() -> Any:
        return await rustac.read(str(tmp_path / "items.parquet"))

    read = asyncio.run(read_back())["features"]
    assert [item["id"] for item in read] == [item["id"] for item in items]
    for item, original in zip(read, items, strict=True):
        assert item["assets"].keys() == original["assets"].keys()
        assert item["collection"] == original["collection"]
        assert item["properties"]["datetime"][:19] == original["properties"]["datetime"][:19]


def test_members_that_others_have_are_not_there(tmp_path: Path) -> None:
    items: list[dict[str, Any]] = [
        {"id": "a", "assets": {"B02": {"href": "a.tif", "proj:shape": [1, 2]}}, "properties": {"x": {}, "y": 1}},
        {"id": "b", "assets": {"B03": {"href": "b.tif"}}, "properties": {"datetime": "2021-01-01T00:00:00Z"}},
    ]
    write_items(tmp_path / "items.parquet", items, KEYS)
    one, other = read_items(tmp_path / "items.parquet")
    assert one["assets"] == {"B02": {"href": "a.tif", "proj:shape": [1.0, 2.0]}} and one["properties"] == {"y": 1}
    assert other["assets"].keys() == {"B03"} and other["properties"] == {"datetime": "2021-01-01T00:00:00+00:00"}


FOREIGN: dict[str, Any] = {
    "no table": b"PAR1 and more",
    "empty": b"",
    "no items": {"x": [1, 2]},
    "ids alone": {"id": ["a"]},
}
ODD: dict[str, dict[str, list[Any]]] = {
    "numbers for all": {"id": [1], "assets": [2], "collection": [3], "geometry": [4]},
    "texts for all": {"id": ["a"], "assets": ["b"], "collection": ["c"], "geometry": ["d"], "datetime": ["e"]},
    "nothing": {"id": [None], "assets": [None], "geometry": [None], "bbox": [None]},
    "no outline": {"id": ["a"], "assets": [{"B02": {"href": "x"}}], "geometry": [b"no outline"]},
    "lists": {"id": [["a"]], "assets": [[{"href": "x"}]], "bbox": [[1.0, 2.0]]},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_of_another_kind_is_refused_in_one_line(what: str, tiny: TinyArchive, mmvsf: Command) -> None:
    (tiny.root / "items.json").unlink()
    path, content = tiny.root / "items.parquet", FOREIGN[what]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        parquet.write_table(pyarrow.table(content), path)
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 2 and "items.parquet" in outcome.error


@pytest.mark.parametrize("what", ODD)
def test_odd_items_are_refused_or_left_out(what: str, tiny: TinyArchive, mmvsf: Command) -> None:
    (tiny.root / "items.json").unlink()
    parquet.write_table(pyarrow.table(ODD[what]), tiny.root / "items.parquet")
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert (
        (outcome.code == 2 and "items.parquet" in outcome.error)
        or "no entry can be used" in outcome.error
        or ("none of its 1 items" in outcome.error)
    )


def test_damaged_files_raise_nothing_but_input_errors(tiny: TinyArchive, tmp_path: Path) -> None:
    path, draw = tmp_path / "items.parquet", random.Random(3)
    own_writes(path, items_of(tiny))
    content = path.read_bytes()
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(draw.choice((1, 4, 40))):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.choice((len(damaged), draw.randrange(len(damaged))))])
        try:
            list(read_items(path))
        except InputError as error:
            assert len(str(error).splitlines()) == 1
            refused += 1
    assert refused > 50


@pytest.mark.stand_in
def test_a_saved_search_is_planned_without_the_catalogue(
    tiny: TinyArchive, mmvsf: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(remote, "_resting", {})
    monkeypatch.setattr(signing, "_tokens", {})
    catalogue = {"imagery__source": "stac", "imagery__path": None, "imagery__catalog": "planetary-computer"}
    with ArchiveServer(tiny.root, access="sas") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        tiny.write_recipe(**catalogue, labels=None)
        expected = entries(tiny)
        saved = mmvsf("search", tiny.recipe, "--out", tmp_path / "items.parquet", "--data-dir", tiny.data)
        assert saved.code == 0, saved.err
        tiny.write_recipe(**catalogue, imagery__items=str(tmp_path / "items.parquet"), labels=None)
        before = len(server.requests)
        assert entries(tiny) == expected
        assert not [request for request in server.requests[before:] if "search" in request.path]


def test_items_are_of_one_catalogue(tiny: TinyArchive, mmvsf: Command) -> None:
    several = {"imagery__source": "stac", "imagery__path": None, "imagery__catalog": ["planetary-computer", "lpcloud"]}
    tiny.write_recipe(**several, imagery__items="items.parquet", imagery__products=["hls-s30"])
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 2 and "imagery.items" in outcome.error
