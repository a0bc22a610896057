"""The explorer in a browser, over loopback: what a click, a swipe, a slider and a phone show, and how it fails."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.variables import Status, is_clear
from mmvsf.pipeline.explore.static import page_address, write_explorer
from mmvsf.pipeline.inspect.days import parse_day
from mmvsf.pipeline.inspect.explain import NO_DAY, explain_pixel
from tests.seal import change

from .explore_files import (
    COLOUR,
    FORECAST_BANDS,
    ISSUED,
    UNCERTAIN,
    write_forecast,
    write_large_cube,
    write_maps,
    write_run,
)
from .test_explore import AFTER, DAY, serving
from .tiny_archive import TinyArchive

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PACKAGES = Path(__file__).parents[1] / "javascript/node_modules/playwright-core"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.javascript,
    pytest.mark.skipif(CHROMIUM is None or not PACKAGES.is_dir(), reason="needs Chromium and playwright-core"),
]

SCRIPT = Path(__file__).parents[1] / "javascript/explore.mjs"
EMPTY = "2021-06-16"
LINES = "lines: medians; bands: 50 and 90 %"
ROW, COLUMN = 20, 78
"""A pixel that is clear on `DAY`."""
UNTIL = "2021-05-20"
"""The last day of the images of a map."""
HOLE = slice(10, 14), slice(70, 74)
"""Pixels without a map, in the block of that pixel. The forecast of the block lacks its first pixel, 64, 0."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *values: object) -> None: ...


@contextmanager
def folder_served(folder: Path) -> Iterator[str]:
    """A plain web server: without ranges, and without headers that allow pages of other origins to read."""
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def cube(built: TinyArchive) -> Cube:
    return Cube.open(built.cube)


@pytest.fixture(scope="module")
def shown(cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the browser showed, by scenario."""
    folder = tmp_path_factory.mktemp("explorer")
    write_run(cube, folder / "runs/tiny", (DAY, AFTER))
    write_forecast(cube, folder / "runs/tiny/forecast/ahead", (beyond(cube),), 0.3)
    (folder / "runs/tiny/forecast/torn/tiles").mkdir(parents=True)
    holed = Path(shutil.copytree(cube.path, folder / "holed.zarr"))
    write_maps(cube, folder / "runs/holed/map", HOLE)
    (folder / "runs/holed/map/map.json").write_text(json.dumps({"until": UNTIL}))
    write_forecast(cube, folder / "runs/holed/forecast/years", (DAY,), 0.8)
    write_explorer(holed, folder / "runs/holed", page_address(holed, folder / "runs/holed", None))
    large = write_large_cube(folder / "iowa.zarr")
    page_of(large.path, folder / "large")
    broken = {}
    for name, spoil in BROKEN.items():
        copy = Path(shutil.copytree(cube.path, folder / name))
        broken[name] = page_of(copy, folder / f"{name}-page")
        spoil(copy)
    broken["other-origin"] = page_of(cube.path, folder / "origin", "http://127.0.0.1:9/cube.zarr")
    with ExitStack() as stack:
        server = stack.enter_context(serving(cube, [folder / "runs/tiny"]))
        holes = stack.enter_context(serving(cube, [folder / "runs/holed"]))
        later = stack.enter_context(serving(cube, [folder / "runs/later"]))
        plain = stack.enter_context(folder_served(folder))
        options = {
            "page": server.address,
            "later": {
                "page": later.address,
                "from": str(folder / "runs/holed/map"),
                "to": str(folder / "runs/later/map"),
            },
            "before": "2020-06-10",
            "holed": [holes.address, f"{plain}/runs/holed/explore/"],
            "holes": {
                "holed/map-crop-map": [72, 12],
                "holed/map-confidence": [72, 12],
                "holed/forecast-years/ndvi": [64, 0],
                "holed/forecast-years/true": [64, 0],
            },
            "large": f"{plain}/large/explore/",
            "pixel": [COLUMN, ROW],
            "day": DAY,
            "empty": EMPTY,
            "map": "tiny/cropmap-crop-map",
            "beyond": beyond(cube),
            "broken": {name: f"{plain}/{page}/explore/" for name, page in broken.items()},
        }
        command = ["node", str(SCRIPT), str(CHROMIUM), json.dumps(options)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr[-2000:]
    results: dict[str, Any] = json.loads(ended.stdout)
    return results


def beyond(cube: Cube) -> str:
    """A day after the last one of the calendar."""
    return str(date_of(int(cube.calendar.days[-1]) + 5))


def page_of(cube: Any, runs: Path, url: str | None = None) -> str:
    """Write a static page; the name of its folder."""
    runs.mkdir()
    write_explorer(cube, runs, page_address(cube, runs, url))
    return runs.name


def _shorten(path: Path) -> None:
    """Cut one byte off every chunk of the overviews."""
    for chunk in path.glob("overviews/*/*/c/**/*"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:-1])


BROKEN = {
    "half-built": lambda path: (path / "manifest.json").unlink(),
    "changed": lambda path: change(path, {"chunks/split": 1 - np.minimum(Cube.open(path).array("chunks/split"), 1)}),
    "damaged": _shorten,
}
"""What becomes of a cube after its page was written."""


def test_first_look(shown: dict[str, Any], cube: Cube) -> None:
    look = shown["look"]
    assert look["title"] == cube.region.title
    assert look["problem"] == "" and look["errors"] == [] and look["elsewhere"] == []
    days = ["true", "false", "ndvi", "quality", "status"]
    runs = ["tiny/cropmap-crop-map", "tiny/cropmap-confidence", "tiny/forecast-years/true", "tiny/forecast-ahead/ndvi"]
    assert [name for name in look["layers"] if name in days] == days
    assert {"season", "labels", "purity", *runs} <= set(look["layers"])
    assert look["notes"] == ["runs/tiny/forecast/torn is left out: it is not finished; run its `mmvsf forecast` again"]


def test_a_click_explains_and_draws_the_pixel(shown: dict[str, Any], cube: Cube) -> None:
    click = shown["click"]
    x, y = cube.grid.left + (COLUMN + 0.5) * 30, cube.grid.top - (ROW + 0.5) * 30
    sentence = explain_pixel(cube.path, DAY, x, y).sentence.partition(". Static layers")[0]
    assert click["explain"] == re.sub(r"(?<=[a-z])_(?=[a-z])", " ", sentence)
    assert click["empty"] == explain_pixel(cube.path, EMPTY, x, y).sentence.partition(". Static layers")[0]
    assert f"row {ROW}, column {COLUMN}" in click["where"]
    assert f"{UNCERTAIN} %" in click["maps"] and "beans" in click["maps"]
    of_season = np.flatnonzero(cube.season_of_day == 2021)
    quality = cube.pixels("imagery/quality").read((of_season, ROW, COLUMN))
    stored = cube.array("blocks/status")[of_season, ROW // cube.grid.block, COLUMN // cube.grid.block] == Status.STORED
    clear = of_season[is_clear(quality) & stored]
    assert click["circles"] == len(clear) > 1
    dates = [str(np.datetime64(int(cube.calendar.days[index]), "D")) for index in clear]
    assert click["dates"] == "".join(dates)
    assert click["day"] == click["first"] == dates[0] and click["errors"] == []


def test_the_slider_and_the_keys_change_the_day(shown: dict[str, Any], cube: Cube) -> None:
    slider = shown["slider"]
    assert slider["moved"] == str(np.datetime64(DAY) + 1)
    assert slider["before"] == DAY
    bands = [cube.bands.index(name) for name in ("red", "green", "blue")]
    stored = cube.pixels("imagery/reflectance").read((index_of(cube), bands, ROW, COLUMN)) / 1e4
    expected = 255 * np.clip(stored / 0.3, 0, 1) ** 0.7
    np.testing.assert_allclose(slider["image"], expected, atol=2)
    assert slider["season"].startswith("2020-")


def test_a_swipe_shows_the_map_or_the_labels(shown: dict[str, Any], cube: Cube) -> None:
    swipe = shown["swipe"]
    label = int(cube.pixels("labels/crop").read((cube.label_years.index(2021), ROW, COLUMN)))
    assert cube.legend is not None
    (colour,) = (bytes.fromhex(entry.color[1:]) for entry in cube.legend.classes if entry.code == label)
    assert swipe["left"] == list(COLOUR[:3]) and swipe["right"] == list(colour)
    assert int(swipe["split"]) == pytest.approx(25, abs=2)
    assert swipe["both"] == [list(COLOUR[:3]), list(colour)]


def test_no_coarser_pixel_is_drawn_where_there_is_none(shown: dict[str, Any]) -> None:
    """Coarser levels have a value around a hole. They are drawn only in place of squares that are being read."""
    for page in shown["holes"]["pages"]:
        assert len(page["seen"]) == 12 and page["errors"] == []
        for place, seen in page["seen"].items():
            assert all(colour == page["paper"] for colour in seen["hole"]), f"{place} of {page['address']}"
            assert all(colour != page["paper"] for colour in seen["beside"]), f"{place} of {page['address']}"
    assert shown["holes"]["meanwhile"] == [list(COLOUR[:3])] * 2


def test_a_map_of_another_season_leads_to_an_image_of_its_season(shown: dict[str, Any], cube: Cube) -> None:
    """To the last one that the map could use. A day within the season stays, also one without an image."""
    status = cube.array("blocks/status")[:, 0, 1]  # of the block in the middle of the map
    stored = np.flatnonzero((status == Status.STORED) & (cube.season_of_day == 2021))
    days = [str(date_of(int(cube.calendar.days[index]))) for index in stored]
    assert days[-1] > UNTIL
    moved = shown["moved"]
    assert moved["whole"] == days[-1] and moved["until"] == max(day for day in days if day <= UNTIL)
    assert moved["kept"] == EMPTY and moved["errors"] == []
    assert NO_DAY not in moved["explain"]


def test_a_reload_shows_a_map_that_was_made_meanwhile(shown: dict[str, Any]) -> None:
    assert shown["later"] == {"before": [], "after": ["later/map-crop-map", "later/map-confidence"], "errors": []}


def test_the_fan_of_a_pixel(shown: dict[str, Any], cube: Cube) -> None:
    fan, curve = shown["forecast"], shown["forecast"]["curve"]
    assert fan["errors"] == [] and not curve["covered"] and "with forecasts" in curve["label"]
    medians = [(round(1 - (y - 18) / 150, 2), colour) for y, colour in curve["medians"]]  # the panel of NDVI: 0 to 1
    usual, drought = {colour for _, colour in medians[:3]}, {colour for _, colour in medians[3:]}
    assert [value for value, _ in medians] == [0.8, 0.7, 0.3, 0.5, 0.4]
    assert len(usual) == len(drought) == 1 and usual != drought
    limits = [[round(1 - (y - 18) / 150, 2) for y in sides] for sides in curve["bars"]]
    assert limits == [[0.88, 0.1], [0.83, 0.25], [0.58, 0.2], [0.53, 0.35]]
    assert fan["legend"] == ["weather of other years", "drought", LINES]
    assert 2 < fan["around"] < fan["whole"]  # months


def test_the_numbers_of_the_fan_as_text(shown: dict[str, Any], cube: Cube) -> None:
    fan = shown["forecast"]
    red, nir = (
        cube.pixels("imagery/reflectance").read((index_of(cube), cube.bands.index(name), ROW, COLUMN)) / 1e4
        for name in ("red", "nir")
    )
    seen = f"{(nir - red) / (nir + red):.2f}"
    assert [row[:3] for row in fan["rows"]] == [
        ["Day", "Median", "90 %"],
        ["weather of other years"],
        [DAY, "0.80", "0.60 to 0.88"],
        [AFTER, "0.70", "0.50 to 0.78"],
        [beyond(cube), "0.30", "0.10 to 0.38"],
        ["drought"],
        [DAY, "0.50", "0.30 to 0.58"],
        [AFTER, "0.40", "0.20 to 0.48"],
    ]
    assert fan["rows"][2][3] == fan["rows"][6][3] == seen and fan["rows"][4][3] == "–"
    words = "forecast 0.80 (0.60 to 0.88, weather of other years) · forecast 0.50 (0.30 to 0.58, drought)"
    assert f"{DAY} · NDVI {seen} · {words} · " in fan["read"] and fan["last"] == beyond(cube)
    assert [row[1] for row in fan["red"] if len(row) > 1] == ["Median", "0.14", "0.15", "0.14", "0.14", "0.15"]
    assert fan["red"][2][3] == f"{red:.2f}"


def test_a_forecast_is_swiped_against_the_image_of_its_day(shown: dict[str, Any], cube: Cube) -> None:
    fan = shown["forecast"]
    bands = [cube.bands.index(name) for name in ("red", "green", "blue")]
    stored = cube.pixels("imagery/reflectance").read((index_of(cube), bands, ROW, COLUMN)) / 1e4
    assert fan["other"] == "true" and fan["caption"] == f"Forecast issued {ISSUED}, weather of other years"
    for side, values in (("left", np.array(FORECAST_BANDS)[bands]), ("right", stored)):
        np.testing.assert_allclose(fan[side], 255 * np.clip(values / 0.3, 0, 1) ** 0.7, atol=2)


def test_a_forecast_after_the_last_day_of_the_cube(shown: dict[str, Any]) -> None:
    after = shown["forecast"]["after"]
    assert after["problem"] == "" and after["errors"] == [] and "no data, since" in after["explain"]
    green = (0.4 - 0.14) / 0.54  # NDVI of the medians, between 0.3 and 0.5 of the ramp
    assert 0.3 < green < 0.5 and min(after["colour"]) == after["colour"][2] < 162


def index_of(cube: Cube) -> int:
    return cube.calendar.index(day_number(parse_day(DAY)))


def test_a_phone_and_the_dark(shown: dict[str, Any]) -> None:
    assert shown["phone"]["width"] <= 390 and shown["phone"]["map"] > 300 and shown["phone"]["fan"] <= 390
    assert shown["dark"]["paper"] == "rgb(20, 24, 27)" and max(shown["dark"]["map"]) < 60


def test_nothing_serious_for_people_who_do_not_see_or_point(shown: dict[str, Any]) -> None:
    assert shown["accessible"] == {"light": [], "dark": []}


def test_the_first_picture_of_a_state_over_a_slow_line(shown: dict[str, Any]) -> None:
    large = shown["large"]  # it has no tiles: the page reports that, but after the first picture
    assert large["megabytes"] < 5
    assert large["seconds"] < 3 or large["megabytes"] < 3  # on a busy machine the decoding alone may take longer
    assert all(max(point) - min(point) > 0 for point in large["points"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("half-built", "manifest.json is missing"),
        ("changed", "was changed after this page was written"),
        ("damaged", "damaged or is being built: overviews/"),
        ("other-origin", "CORS rules must allow GET and HEAD from http://127.0.0.1"),
        ("webassembly", "This browser has no WebAssembly"),
    ],
)
def test_what_is_wrong_is_one_clear_line(shown: dict[str, Any], name: str, words: str) -> None:
    line = shown["problems"][name]
    assert words in line and "\n" not in line and len(line) < 300
