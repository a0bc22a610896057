"""The stand-in of a public archive: from the command line, and what its searches find."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .archive import ArchiveServer
from .base import Request

pytestmark = pytest.mark.stand_in

ROOT = Path(__file__).resolve().parents[2]


def item(number: int) -> dict[str, Any]:
    west = float(number)
    ring = [[west, 42.0], [west + 0.5, 42.0], [west + 0.5, 42.5], [west, 42.0]]
    return {
        "type": "Feature",
        "id": f"item-{number}",
        "collection": ("hls2-l30", "hls2-s30")[number % 2],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": f"2021-05-{number + 1:02d}T12:00:00Z", "proj:code": "EPSG:32615"},
        "links": [],
        "assets": {"B02": {"href": f"{number}/B02.tif"}},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = {"type": "FeatureCollection", "features": [item(number) for number in range(8)]}
    (tmp_path / "items.json").write_text(json.dumps(content))
    return tmp_path


def search(server: ArchiveServer, **asked: Any) -> list[str]:
    """Ids over all pages, by POST."""
    found: list[str] = []
    body: dict[str, Any] | None = asked
    while body is not None:
        answer = server.answer(Request("POST", "/stac/search", {}, {}, json.dumps(body).encode()))
        page = json.loads(answer.body)
        found += [feature["id"] for feature in page["features"]]
        body = next((link["body"] for link in page["links"] if link["rel"] == "next"), None)
    return found


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, range(8)),
        ({"limit": 3}, range(8)),
        ({"collections": ["hls2-s30"]}, [1, 3, 5, 7]),
        ({"bbox": [2.6, 42, 4.1, 43]}, [3, 4]),
        ({"intersects": {"type": "Point", "coordinates": [[5.1, 42.1]]}}, [5]),
        ({"datetime": "2021-05-03T00:00:00Z/2021-05-04T23:59:59Z"}, [2, 3]),
        ({"datetime": "2021-05-07T00:00:00Z/.."}, [6, 7]),
    ],
)
def test_what_a_search_finds(folder: Path, asked: dict[str, Any], numbers: list[int]) -> None:
    with ArchiveServer(folder) as server:
        assert sorted(search(server, **asked)) == [f"item-{number}" for number in numbers]


def test_bare_items_do_not_say_their_grids(folder: Path) -> None:
    with ArchiveServer(folder, bare=True, collections={"hls2-l30": "HLSL30_2.0"}) as server:
        assert not any("proj:" in json.dumps(item) for item in server.items)
        assert search(server, collections=["HLSL30_2.0"])


@pytest.mark.parametrize("access", ["open", "sas", "earthdata"])
def test_who_may_read(folder: Path, access: str) -> None:
    (folder / "a.tif").write_bytes(b"pixels")
    with ArchiveServer(folder, access=access) as server:
        path = "/account/container/a.tif"
        first = server.answer(Request("GET", path, {}, {})).status
        assert first == {"open": 200, "sas": 403, "earthdata": 401}[access]
        key = server.doors.new()
        admitted = Request("GET", path, {"sig": key}, {"authorization": f"Bearer {key}"})
        assert server.answer(admitted).status == 200
        server.doors.expire()
        assert server.answer(admitted).status == first


@pytest.mark.slow
def test_from_the_command_line(folder: Path) -> None:
    command = [sys.executable, "-u", "-m", "tests.servers.archive", "--root", str(folder), "--port", "0"]
    process = subprocess.Popen([*command, "--fault", "503@x"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = process.stdout.readline() + process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", told)
        assert url is not None and f"export MMVSF_STAC_URL='{url.group()}/stac'" in told
        asked = "import urllib.request as u, sys; print(u.urlopen(sys.argv[1] + '/stac').status)"
        environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
        answer = subprocess.run(
            [sys.executable, "-c", asked, url.group()], capture_output=True, text=True, env=environment
        )
        assert answer.stdout.strip() == "200"
    finally:
        process.terminate()
        process.wait(10)
