"""The explorer's server gives out the page, the cube and the runs, and nothing else; the static page is the same."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import zarr
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.boundaries import outlines_within
from mmvsf.datasets.sidecars.forecasts import RECORD
from mmvsf.pipeline.cli.explore import cube_and_runs
from mmvsf.pipeline.explore import outlines
from mmvsf.pipeline.explore.describe import open_runs
from mmvsf.pipeline.explore.outlines import degrees
from mmvsf.pipeline.explore.rasters import SQUARE
from mmvsf.pipeline.explore.server import ExplorerServer
from mmvsf.pipeline.explore.static import page_address, write_explorer

from .conftest import Outcome
from .explore_files import CODE, UNCERTAIN, write_maps, write_run
from .tiny_archive import TinyArchive

DAY = "2021-06-15"
AFTER = "2021-06-27"
Answer = tuple[int, bytes, dict[str, str]]


@contextmanager
def serving(cube: Cube, runs: list[Path]) -> Iterator[ExplorerServer]:
    with ExplorerServer(cube, runs) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def cube(built: TinyArchive) -> Cube:
    return Cube.open(built.cube)


@pytest.fixture(scope="module")
def run(cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    write_run(cube, folder, (DAY, AFTER))
    return folder


@pytest.fixture(scope="module")
def ask(cube: Cube, run: Path) -> Iterator[Callable[..., Answer]]:
    """The answer to a path, as it is."""
    with serving(cube, [run]) as server:

        def get(path: str, method: str = "GET", **headers: str) -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, content, {name.lower(): value for name, value in answer.getheaders()}

        yield get


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's script with Node")
@pytest.mark.parametrize(("crs", "lon"), [("EPSG:32760", 179.99), ("EPSG:32701", -179.99), ("EPSG:32615", -93.0)])
def test_degrees_on_both_sides_of_180(tmp_path: Path, crs: str, lon: float) -> None:
    """Those that the page shows, from its own script, are those of the projection."""
    left, top = np.round(Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, -16.8), -3) - (5e3, -5e3)
    blocks = tuple((y, x) for y in range(4) for x in range(4))
    grid = Grid(crs, 30.0, left, top, 4, 4, 128, 64, 128, blocks, (0.0, 0.0))
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(0.5, 512, 4), np.arange(0.5, 512, 64)))
    given = {"root": {"grid": asdict(grid), "calendar": {"first_day": 0}}, "degrees": degrees(grid)}
    (tmp_path / "grid.mjs").write_text((Path(outlines.__file__).parent / "page/grid.js").read_text())
    (tmp_path / "given.json").write_text(json.dumps(given | {"points": np.stack([x, y], -1).tolist()}))
    (tmp_path / "run.mjs").write_text(
        'import { Grid } from "./grid.mjs"; import { readFileSync } from "node:fs";'
        'const { root, degrees, points } = JSON.parse(readFileSync(new URL("given.json", import.meta.url)));'
        "const grid = new Grid(root, degrees);"
        "console.log(JSON.stringify(points.map(([x, y]) => grid.lonLat(x, y))));"
    )
    shown = subprocess.run(["node", str(tmp_path / "run.mjs")], capture_output=True, text=True, check=True).stdout
    back = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    expected = np.stack(back.transform(left + 30 * x, top - 30 * y), -1)
    np.testing.assert_allclose(json.loads(shown), expected, atol=2e-4)
    assert (np.ptp(expected[:, 0]) > 180) == (abs(lon) > 179)


def test_the_page_and_what_it_is_made_of(ask: Callable[..., Answer]) -> None:
    for name, kind in (("", "html"), ("app.js", "javascript"), ("style.css", "css"), ("cube.js", "javascript")):
        status, content, headers = ask(f"/{name}")
        assert status == 200 and content and kind in headers["content-type"], name
        assert headers["x-content-type-options"] == "nosniff"
    description = json.loads(ask("/explore.json")[1])
    assert description["cube"] == "cube" and description["root"]["format"] == "mmvsf-cube"


def test_objects_whole_and_in_ranges(ask: Callable[..., Answer], cube: Cube) -> None:
    assert isinstance(cube.path, Path)
    whole = (cube.path / "manifest.json").read_bytes()
    assert ask("/cube/manifest.json")[:2] == (200, whole)
    status, content, headers = ask("/cube/manifest.json", Range="bytes=5-14")
    assert (status, content, headers["content-range"]) == (206, whole[5:15], f"bytes 5-14/{len(whole)}")
    assert ask("/cube/manifest.json", Range="bytes=5-")[1] == whole[5:]
    assert ask("/cube/manifest.json", Range=f"bytes={len(whole)}-")[0] == 416
    status, content, headers = ask("/cube/manifest.json", method="HEAD")
    assert (status, content, headers["content-length"]) == (200, b"", str(len(whole)))
    assert ask("/cube/tiles/none")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/cube/../tiny.yaml", "/cube/%2e%2e/tiny.yaml", "/cube/..%2ftiny.yaml", "/cube//etc/passwd", "/cube/",
        "/cube/tiles", "/cube/link", "/../../etc/passwd", "/etc/passwd", "/files/tiny/../../../tiny.yaml",
        "/vendor/../server.py",
        "/cube/zarr.json%00", "/cube/a\\..\\b", "/squares/tiny/cropmap-crop-map/2021/1/../../0_0.z",
    ],
)  # fmt: skip
def test_nothing_else_is_given_out(ask: Callable[..., Answer], path: str) -> None:
    status, content, _ = ask(path)
    assert status == 404 and b"there is no such file" in content


def test_a_link_out_of_the_cube_is_not_followed(finished: TinyArchive, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (finished.cube / "link").symlink_to(tmp_path / "secret")
    with serving(Cube.open(finished.cube), []) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("GET", "/cube/link")
        assert connection.getresponse().status == 404
        connection.close()


def test_another_host_is_refused(ask: Callable[..., Answer]) -> None:
    """A page of another site whose name leads to this machine would read the cube otherwise."""
    assert ask("/explore.json", Host="attacker.example:80")[0] == 403
    assert ask("/explore.json", Host="localhost:80")[0] == 200


def test_squares_are_the_pixels_of_the_run(ask: Callable[..., Answer], cube: Cube) -> None:
    height, width = cube.grid.shape
    facts = {raster["name"]: raster for raster in json.loads(ask("/explore.json")[1])["runs"][0]["rasters"]}
    assert facts["cropmap-crop-map"]["classes"] == [{"value": CODE, "name": "beans", "color": "#123456"}]
    for name, value, fill in (("cropmap-crop-map", CODE, 0), ("cropmap-confidence", UNCERTAIN, 255)):
        for level in (1, 8):
            content = zlib.decompress(ask(f"/squares/tiny/{name}/2021/{level}/0_0.z")[1])
            square = np.frombuffer(content, np.uint8).reshape(SQUARE, SQUARE)
            assert (square[: height // level, : width // level] == value).all()
            assert (square[height // level :] == fill).all()
        for absent in ("2020/1/0_0", "2021/2/0_0", "2021/1/0_9"):
            assert ask(f"/squares/tiny/{name}/{absent}.z")[0] == 404


@pytest.mark.parametrize(
    ("record", "until"),
    [
        ('{"until": "2021-05-10"}', "2021-05-10"),
        ('{"until": null}', None),
        ('{"until": "2020-05-10"}', None),  # of another season
        ('{"until": "soon"}', None),
        ('{"until": 5}', None),
        ("[]", None),
        ("{", None),
        (None, None),
    ],
)
def test_the_last_day_of_the_images_of_a_map(cube: Cube, tmp_path: Path, record: str | None, until: str | None) -> None:
    write_maps(cube, tmp_path / "tiny/map")
    if record is not None:
        (tmp_path / "tiny/map/map.json").write_text(record)
    (run,) = open_runs(cube, [tmp_path / "tiny"])
    assert len(run.rasters) == 2 and not run.notes
    for raster in run.rasters:
        (step,) = raster.facts()["steps"]
        assert step["key"] == "2021"
        assert step.get("until") == (until and day_number(date.fromisoformat(until)))


def test_embeddings_are_drawn_in_false_colour(cube: Cube, tmp_path: Path) -> None:
    """Their colours follow the embedding: equal where it is equal, none where there is none."""
    patch, features = 4, 5
    height, width = (size // patch for size in cube.grid.shape)
    group = zarr.create_group(tmp_path / "tiny/embeddings.zarr", attributes={"format": "mmvsf-embeddings"})
    values = np.random.default_rng(0).normal(0, 0.1, (1, height, width, features)).astype(np.float16)
    values[0, :, : width // 2, 0] += 5
    values[0, :2] = np.nan
    values[0, 4:6] = values[0, 4, 0]
    group.create_array("embedding", data=values)
    group.create_array("year", data=np.array([2021], np.int32))
    (run,) = open_runs(cube, [tmp_path / "tiny"])
    (raster,) = run.rasters
    assert raster.facts()["levels"] == [patch, 8 * patch] and raster.facts()["steps"][0]["key"] == "2021"
    square = raster.square("2021", patch, 0, 0)
    assert square.shape == (3, SQUARE, SQUARE)
    drawn = square[:, :height, :width]
    assert (drawn[:, :2] == 0).all() and (drawn[:, 2:] > 0).all() and (square[:, height:] == 0).all()
    assert (drawn[:, 4:6] == drawn[:, 4:5, :1]).all()
    assert abs(int(drawn[0, 10, 0]) - int(drawn[0, 10, width - 1])) > 150
    coarse = raster.square("2021", 8 * patch, 0, 0)[:, : -(-height // 8), : -(-width // 8)]
    np.testing.assert_array_equal(coarse, drawn[:, ::8, ::8])


def test_a_picture_that_cannot_be_read_is_an_error_and_no_empty_map(cube: Cube, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "tiny")
    with serving(cube, [tmp_path / "tiny"]) as server:
        (tmp_path / "tiny/cropmap/crop_map.tif").write_bytes(b"II*\0 not a picture any more")
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("GET", "/squares/tiny/cropmap-crop-map/2021/1/0_0.z")
        answer = connection.getresponse()
        assert answer.status == 502 and b"crop_map.tif" in answer.read()
        connection.close()


def test_files_of_a_run_are_linked_and_can_be_read(ask: Callable[..., Answer], run: Path) -> None:
    files = json.loads(ask("/explore.json")[1])["runs"][0]["files"]
    assert [entry["name"] for entry in files] == [
        "cropmap/confidence.tif", "cropmap/crop_map.tif", "cropmap/metrics.json",
        *(
            f"forecast/{folder}/{name}"
            for folder in ("years-drought", "years")
            for name in (RECORD, *(f"{kind}-{day}.tif" for kind in ("ndvi", "quantiles") for day in (DAY, AFTER)))
        ),
    ]  # fmt: skip
    for entry in files:
        assert ask(f"/{entry['href']}")[1] == (run / entry["name"]).read_bytes()


def test_results_that_came_later_are_seen_by_the_next_page(cube: Cube, tmp_path: Path) -> None:
    """Also in a folder that was not there, and those that are gone are no longer shown."""
    folder = tmp_path / "tiny"
    with serving(cube, [folder]) as server:

        def get(name: str) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request("GET", f"/{name}")
            answer = connection.getresponse()
            content = answer.status, answer.read()
            connection.close()
            return content

        def rasters() -> list[str]:
            return [raster["title"] for run in json.loads(get("explore.json")[1])["runs"] for raster in run["rasters"]]

        square = "squares/tiny/map-crop-map/2021/1/0_0.z"
        assert rasters() == [] and get(square)[0] == 404
        write_maps(cube, folder / "map")
        assert rasters() == ["Crop map 2021 (map)", "Confidence 2021 (map)"]
        assert get(square)[0] == get("files/tiny/map/crop_map.tif")[0] == 200
        (folder / "map/crop_map.tif").unlink()
        assert rasters() == ["Confidence 2021 (map)"] and get(square)[0] == 404


def test_two_runs_of_one_name_have_names_of_their_own(cube: Cube, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "other/tiny")
    (tmp_path / "other/tiny/cropmap/crop_map.tif").write_bytes(b"no picture")
    first, second = open_runs(cube, [run, tmp_path / "other/tiny"])
    assert (first.name, second.name) == ("tiny-1", "tiny-2")
    assert [raster.name for raster in second.rasters][:2] == ["cropmap-confidence", "forecast-years"]
    assert second.notes[0].startswith("cropmap/crop_map.tif is left out: ") and len(second.notes) == 1


def test_static_files_are_what_the_server_gives(
    ask: Callable[..., Answer], cube: Cube, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "tiny")
    address = page_address(cube.path, tmp_path / "tiny", "https://x.org/c")
    page, notes = write_explorer(cube.path, tmp_path / "tiny", address)
    assert page == tmp_path / "tiny/explore/index.html" and notes == ()
    files = {path.relative_to(page.parent).as_posix(): path for path in page.parent.rglob("*") if path.is_file()}
    assert "squares/tiny/cropmap-crop-map/2021/1/0_0.z" in files
    for name, path in files.items():
        if name != "explore.json":
            assert path.read_bytes() == ask(f"/{name}")[1], name
    description = json.loads(files["explore.json"].read_bytes())
    assert description["cube"] == "https://x.org/c"
    linked = {(page.parent / entry["href"]).resolve() for entry in description["runs"][0]["files"]}
    assert linked == {path for path in (tmp_path / "tiny").glob("[!e]*/**/*") if path.is_file()}


def test_the_address_of_the_cube(cube: Cube, tmp_path: Path) -> None:
    address = page_address(cube.path, tmp_path / "runs", None)
    assert (tmp_path / "runs/explore" / address).resolve() == cube.path
    with pytest.raises(InputError, match=r"a browser cannot read s3://.*--cube-url"):
        page_address(cube.path, tmp_path, "s3://bucket/cube.zarr")


def test_wrong_arguments_in_one_line(mmvsf: Callable[..., Outcome], cube: Cube, tmp_path: Path) -> None:
    for arguments, words in (
        ((cube.path, "--run", tmp_path / "none"), "is not a folder"),
        ((tmp_path / "none.zarr",), "there is no cube"),
    ):
        ended = mmvsf("explore", *arguments)
        assert ended.code == 2 and words in ended.err and ended.err.count("\n") <= 2
    ended = mmvsf("report", cube.path, "--cube-url", "https://x.org", "--runs-dir", tmp_path)
    assert ended.code == 2 and "add --explorer" in ended.err
    ended = mmvsf("report", cube.path, "--explorer", "--cube-url", "s3://b/c", "--runs-dir", tmp_path)
    assert ended.code == 2 and "a browser cannot read" in ended.err
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_run_names_its_cube(tmp_path: Path) -> None:
    """Also where the store of its embeddings has left a group of Zarr in its folder."""
    run = tmp_path / "runs/tiny"
    (run / "cropmap").mkdir(parents=True)
    assert cube_and_runs(str(run), tmp_path, []) == (tmp_path / "tiny.zarr", [run])
    (run / "zarr.json").write_text("{}")
    assert cube_and_runs(str(run), tmp_path, [run]) == (tmp_path / "tiny.zarr", [run, run])
    (tmp_path / "tiny.zarr").mkdir()
    assert cube_and_runs("tiny", tmp_path, []) == (tmp_path / "tiny.zarr", [])


def test_outlines_near_a_place() -> None:
    states = outlines_within("states", (-96.7, 42.0, -96.0, 42.7))
    assert [state.name for state in states] == ["Iowa", "Nebraska", "South Dakota"]
    assert all(state.middle is not None for state in states)
    assert sum(len(state.lines) for state in states) >= 2
    assert outlines_within("counties", (0.0, 50.0, 1.0, 51.0)) == []
