"""The page: written for any cube, with nothing fetched from anywhere, and with the numbers that it was given."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from matplotlib.figure import Figure
from rich.console import Console

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import QUALITY_FILL, Quality, Status
from mmvsf.pipeline.inspect.places import block_names
from mmvsf.pipeline.inspect.summary import summary_tables
from mmvsf.pipeline.report import write_report
from mmvsf.pipeline.report.clear import clear_section
from mmvsf.pipeline.report.cropmap import cropmap_section
from mmvsf.pipeline.report.curves import curves_section
from mmvsf.pipeline.report.drawing import MASK, mask_classes, readable
from mmvsf.pipeline.report.elements import Absent, Facts, Picture, ReportSection, ReportTable
from mmvsf.pipeline.report.evaluation import evaluation_section
from mmvsf.pipeline.report.forecast import forecast_section
from mmvsf.pipeline.report.ndvi import ndvi_curves
from mmvsf.pipeline.report.overview import overview_section
from mmvsf.pipeline.report.page import main_numbers
from mmvsf.pipeline.report.runs import best_cells
from mmvsf.pipeline.report.scenes import choose_scenes
from mmvsf.pipeline.report.view import ReportView
from mmvsf.pipeline.report.weather import read_years
from tests.cubes import CubeBuilder
from tests.seal import change, seal

from .conftest import Command

pytestmark = pytest.mark.slow

HOSTILE = '<script>alert("x")</script> $\\frac{ & "quoted"'


class Page(HTMLParser):
    """What a page holds: its text, its links and sources, its pictures, and whether its tags are closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.raw = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.pictures: list[bytes] = []
        self.bold: list[str] = []
        self.words: list[str] = []
        self._bold = False
        self.feed(self.raw)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self._bold = ("class", "best") in attrs
        for name, value in attrs:
            assert not name.startswith("on"), f"a script in {name}"
            if name in ("src", "href"):
                self.links.append(value or "")
            if name == "src":
                self.pictures.append(base64.b64decode((value or "").split("base64,")[1], validate=True))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)
            if self._bold:
                self.bold.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def plain(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a labelled cube without runs."""
    return Page(write_report(grown_cube.path, tmp_path_factory.mktemp("runs") / "grown"))


@pytest.fixture(scope="module")
def runs(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pretraining, mapping and forecasting leave."""
    folder = tmp_path_factory.mktemp("ran") / "grown"
    _write_runs(folder, grown_cube)
    return folder


@pytest.fixture(scope="module")
def full(grown_cube: Cube, runs: Path) -> Page:
    return Page(write_report(grown_cube.path, runs))


def test_page_asks_for_nothing_from_anywhere(plain: Page, full: Page) -> None:
    for page in (plain, full):
        assert all(link.startswith(("data:image/", "#")) for link in page.links)
        assert not page.tags & {"script", "link", "iframe", "object", "embed", "form"}
        assert not re.search(r"https?://|url\(|@import", page.raw)
        assert "default-src 'none'" in page.raw


def test_every_picture_is_one(full: Page) -> None:
    assert len(full.pictures) >= 9
    for content in full.pictures:
        assert content.startswith(b"\x89PNG\r\n\x1a\n") or (b"<svg" in content and content.rstrip().endswith(b"</svg>"))


def test_what_is_absent_is_said_with_its_command(plain: Page) -> None:
    assert "No model has been pretrained on this cube yet" in plain.text
    assert "This cube has no crop map yet" in plain.text
    assert "This cube has no evaluation yet" in plain.text
    for command in ("pretrain", "cropmap", "forecast", "evaluate"):
        assert f"mmvsf {command} grown" in plain.text


def test_facts_of_the_cube(plain: Page, grown_cube: Cube) -> None:
    assert "EPSG:32615" in plain.text
    assert "3 of 32 × 32 pixels" in plain.text
    assert grown_cube.digest in plain.text
    assert "blocks: 2 training, 1 test" in plain.text
    assert "training 2019, 2020; test 2021" in plain.text
    stored = (grown_cube.array("blocks/status") == Status.STORED).sum()
    own = grown_cube.season_of_day == 2019
    of_year = (grown_cube.array("blocks/status")[own] == Status.STORED).sum()
    assert 0 < of_year < stored
    assert f"{of_year} (100 %)" in plain.text


def test_no_heading_of_a_table_is_empty(full: Page) -> None:
    assert "<thead>" in full.raw and not re.search(r"<th[^>]*>\s*</th>", full.raw)


def test_figures_follow_the_dark(full: Page) -> None:
    """Paper and text change their colour; what is drawn in colours that mean something does not."""
    figures = [content.decode() for content in full.pictures if b"<svg" in content]
    assert len(figures) >= 6
    for figure in figures:
        style = figure[figure.index("<style>@media") : figure.index("</style>")]
        assert "prefers-color-scheme: dark" in style and "#ffffff" in style and "#d55e00" not in style


def test_paths_are_those_of_this_machine(plain: Page, grown_cube: Cube, tmp_path: Path) -> None:
    cube = tmp_path / "grown.zarr"
    shutil.copytree(grown_cube.path, cube)
    seal(cube, sources=[{"role": "labels", "from": "archive", "path": "{data_dir}/labels/{year}.tif"}])
    (facts,) = (part for part in overview_section(ReportView(Cube.open(cube))).elements if isinstance(part, Facts))
    assert ("labels from", f"archive {tmp_path}/labels/{{year}}.tif") in facts.rows


def test_a_part_of_a_year_counts_as_a_part(grown_cube: Cube, tmp_path: Path) -> None:
    """The last year ends on 15 July: two thirds of a year fewer views are no cloudier years."""
    cube = tmp_path / "grown.zarr"
    shutil.copytree(grown_cube.path, cube)
    region = grown_cube.attributes["region"]
    seal(cube, region={**region, "period": {**region["period"], "end": "2021-07-16"}})
    view = ReportView(Cube.open(cube))
    assert view.year_share == {2019: 1, 2020: 1, 2021: 107 / 214}
    stored = np.where(view.status == Status.STORED, np.nan_to_num(view.clear), 0).sum() / 100
    assert (f"{stored / 3 / 2.5:.0f}", "clear views of a pixel per whole year") in main_numbers(view, tmp_path)
    tables = [part for part in clear_section(view).elements if isinstance(part, ReportTable)]
    assert [row[0].text for row in tables[0].rows] == ["2019", "2020", "2021, 50 % of it"]


def test_blocks_without_a_site_are_named_by_their_county(grown_cube: Cube) -> None:
    assert list(block_names(grown_cube).values()) == ["s0", "s1", "s2"]
    area = grown_cube.region.area.model_copy(update={"sites": None, "bbox": (-94.1, 41.9, -93.7, 42.1)})
    region = grown_cube.region.model_copy(update={"area": area})
    unnamed = replace(grown_cube, spec=replace(grown_cube.spec, region=region))
    assert list(block_names(unnamed).values()) == ["Boone, Iowa 1", "Boone, Iowa 2", "Boone, Iowa 3"]


def test_the_address_of_the_page_is_printed_and_opened(
    grown_cube: Cube, mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("mmvsf.pipeline.report.page.write_report", lambda cube, runs: runs / "report.html")
    monkeypatch.setattr("typer.launch", opened.append)
    arguments = ("report", grown_cube.path, "--runs-dir", tmp_path)
    address = f"{(tmp_path / 'grown/report.html').as_uri()}"
    assert mmvsf(*arguments).out.strip() == address and opened == []
    assert mmvsf(*arguments, "--open").out.strip() == address and opened == [address]


def test_same_page_from_same_cube(plain: Page, grown_cube: Cube, tmp_path: Path) -> None:
    assert Page(write_report(grown_cube.path, tmp_path)).raw == plain.raw


def test_tables_hold_the_numbers_of_the_runs(full: Page) -> None:
    # RMSE of each method and set, by lead and for all; the best in bold.
    for value in ("0.123", "0.234", "0.345"):
        assert value in full.text
    assert "0.123" in full.bold and "0.234" not in full.bold
    assert "4,321" in full.text
    assert "0.875" in full.bold and "0.812" not in full.bold
    assert "1,234,567" in full.text
    assert "accuracy of the crop map, new year" in full.text
    assert "Forecast issued 2021-07-01-s0-years: means of the area" in full.text
    assert "The crop map of 2021 beside the labels" in full.text
    assert "By year. Words of it." in full.text and "Error by year" in full.text and "0.777" in full.text
    assert "another version of this cube" not in full.text
    assert "cannot be read" not in full.text


def test_runs_of_another_cube_are_said_to_be(grown_cube: Cube, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    for name, file, section in (
        ("pretrain", "metrics.json", forecast_section),
        ("cropmap", "metrics.json", cropmap_section),
        ("evaluate", "results.json", evaluation_section),
    ):
        path = tmp_path / "runs" / name / file
        path.write_text(path.read_text().replace(grown_cube.digest, "f" * 64))
        parts = section(ReportView(grown_cube), tmp_path / "runs").elements
        assert any(isinstance(part, Absent) and "(digest ffffffffffff" in part.text for part in parts)


DAMAGED = (
    "{",
    "[]",
    "{}",
    '{"forecast": 3, "scores": 3, "sections": 3}',
    '{"forecast": [{}], "scores": [1], "sections": [{}]}',
)


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize(
    ("name", "section"),
    [("pretrain", forecast_section), ("cropmap", cropmap_section), ("evaluate", evaluation_section)],
)
def test_damaged_metrics_are_said_to_be(
    grown_cube: Cube, tmp_path: Path, content: str, name: str, section: Callable[[ReportView, Path], ReportSection]
) -> None:
    (tmp_path / name).mkdir()
    file = "results.json" if name == "evaluate" else "metrics.json"
    (tmp_path / name / file).write_text(content)
    (tmp_path / name / "loss.png").write_text("no picture")
    parts = section(ReportView(grown_cube), tmp_path).elements
    assert any(isinstance(part, Absent) and f"{name}/{file} cannot be read" in part.text for part in parts)
    assert not any(isinstance(part, Picture) for part in parts)


def test_class_areas_are_shown_with_their_limits(grown_cube: Cube, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cropmap"
    shutil.copytree(runs / "cropmap", folder)
    half = {"value": 0.5, "limits": [0.25, 0.875]}
    entry = {"mapped_ha": 12.5, "area_ha": {"value": 1234.5, "limits": [900.0, 1500.0]}, "sampled": 50}
    areas: dict[str, Any] = {
        "cube": grown_cube.digest,
        "year": 2021,
        "sample": {"pixels": 60, "labelled": 57},
        "overall_accuracy": half,
        "classes": [{"name": "maize", **entry, "user_accuracy": half, "producer_accuracy": None}],
    }
    (folder / "areas.json").write_text(json.dumps(areas))
    table = cropmap_section(ReportView(grown_cube), tmp_path).elements[-1]
    assert isinstance(table, ReportTable) and "overall accuracy 50 % (25 % to 88 %)" in table.caption
    cells = [cell.text for cell in table.rows[0]]
    assert cells == ["maize", "12.5", "1,234", "900 to 1,500", "50 %", "25 % to 88 %", "–", ""]
    for content in ("[]", "{}", '{"classes": 1}', "{"):
        (folder / "areas.json").write_text(content)
        last = cropmap_section(ReportView(grown_cube), tmp_path).elements[-1]
        assert isinstance(last, Absent) and "cropmap/areas.json cannot be read" in last.text and "areas" in last.command


def test_names_are_text_and_never_markup(grown_cube: Cube, tmp_path: Path) -> None:
    cube = tmp_path / "grown.zarr"
    shutil.copytree(grown_cube.path, cube)
    region = {**grown_cube.attributes["region"], "title": HOSTILE, "description": HOSTILE}
    colors = ("red;background:url(x)", "#00ff00", "#0000ff")
    names = (HOSTILE, "b", "c")
    legend = {**grown_cube.attributes["legend"], "flag_names": names, "flag_colors": colors}
    changed = seal(cube, region=region, legend=legend, title=HOSTILE, attribution=HOSTILE, software={HOSTILE: "1"})
    runs = tmp_path / "runs"
    _write_runs(runs, changed)
    page = Page(write_report(cube, runs))
    assert "script" not in page.tags
    assert "<script" not in page.raw and "url(" not in page.raw
    assert page.text.count(re.sub(r"\s+", " ", HOSTILE)) >= 4


def test_cube_without_labels(tmp_path: Path) -> None:
    builder = CubeBuilder(sites=1, test_sites=0, years=(2020,), test_years=(), labels=False)
    cube = builder.write(tmp_path / "bare.zarr")
    page = Page(write_report(cube.path, tmp_path / "runs"))
    assert "This cube has no labels" in page.text and "--overwrite" not in page.text
    assert "mmvsf extend" in page.text
    assert "--mapper REGION-OR-FOLDER" in page.text and "mmvsf cropmap" not in page.text
    assert "This needs labels" in page.text
    assert "the late year" not in page.text


@pytest.mark.parametrize("labels", [True, False])
def test_the_newest_map_of_a_mapper_is_shown(tmp_path: Path, labels: bool) -> None:
    builder = CubeBuilder(sites=1, test_sites=0, years=(2020,), test_years=(), labels=labels)
    cube = builder.write(tmp_path / "grown.zarr")
    for age, until in enumerate(("2020-08-01", None, "2020-07-01")):
        record = _write_map(tmp_path / "runs", cube, until)
        os.utime(record, (1e9 - age, 1e9 - age))
    page = Page(write_report(cube.path, tmp_path / "runs"))
    assert "Map of 2020, from the images until 2020-08-01" in page.text and "mapper of elsewhere" in page.text
    assert "map/2020-until-2020-08-01: crop_map.tif, unlike.tif" in page.text
    assert "Earlier maps: map/2020-until-2020-07-01, map/2020." in page.text
    assert "7 pixels had no clear image" in page.text and "images of other products" in page.text
    assert re.search(r"Far Crop 123 75\.0 %", page.text) and "Absent Crop" not in page.text
    assert "The crop map of 2020, and its confidence" in page.text  # codes of another legend are not compared
    assert "This cube has no crop map yet" not in page.text
    record.write_text("{}")
    os.utime(record)
    assert "map.json cannot be read" in Page(write_report(cube.path, tmp_path / "runs")).text


def test_the_summary_lists_maps_and_forecasts(grown_cube: Cube, tmp_path: Path) -> None:
    _write_map(tmp_path, grown_cube, "2020-07-01")
    forecast = tmp_path / "forecast/2020-07-01-for-2020-07-15-cube"
    forecast.mkdir(parents=True)
    (forecast / "forecast.json").write_text("{}")
    console = Console(width=400)
    with console.capture() as shown:
        console.print(summary_tables(grown_cube.path, tmp_path))
    for path in (tmp_path / "map/2020-until-2020-07-01", forecast):
        assert str(path) in shown.get()


def test_cube_in_which_nothing_was_seen(tmp_path: Path) -> None:
    cube = CubeBuilder(sites=1, test_sites=0, years=(2020,), test_years=()).write(tmp_path / "dark.zarr")
    status, clear = cube.array("blocks/status"), cube.array("chunks/clear_fraction")
    status[...], clear[...] = Status.NOT_ACQUIRED, 255
    change(cube.path, {"blocks/status": status, "chunks/clear_fraction": clear})
    page = Page(write_report(cube.path, tmp_path / "runs"))
    assert "No scene was acquired in this period" in page.text
    assert "No scene is stored in 2020" in page.text


def test_no_cube(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no cube"):
        write_report(tmp_path / "none.zarr", tmp_path / "runs")


def test_weather_is_the_mean_over_the_blocks(grown_cube: Cube) -> None:
    view = ReportView(grown_cube)
    whole = grown_cube.array("weather/tmax")
    expected = np.mean([whole[:, y, x] for y, x in grown_cube.grid.blocks], axis=0)
    assert np.allclose(view.weather("tmax", grown_cube.grid.blocks), expected, atol=1e-4)


def test_curves_follow_the_crops(tmp_path: Path) -> None:
    """Of fields wide enough to have an inside: the late crop is at its greenest later than the early one."""
    cube = CubeBuilder(field=32, block=64, chunk=32).write(tmp_path / "fields.zarr")
    view = ReportView(cube)
    (absent,) = curves_section(view, read_years(view)).elements
    assert isinstance(absent, Absent)  # no pixel is pure
    pure = np.full((len(cube.label_years), *cube.grid.shape), 100, np.uint8)
    cube = change(cube.path, {"labels/purity": pure})
    (picture,) = curves_section(ReportView(cube), read_years(ReportView(cube))).elements
    assert isinstance(picture, Picture)
    assert cube.legend is not None
    curves = ndvi_curves(ReportView(cube), 2019, cube.legend.codes)
    peaks = {entry.name: np.nanargmax(curves[entry.code].quartiles[:, 1]) for entry in cube.legend.classes}
    assert peaks["early"] < peaks["late"]
    for curve in curves.values():
        low, median, high = curve.quartiles[np.isfinite(curve.quartiles[:, 1])].T
        assert curve.pixels > 0 and (low <= median).all() and (median <= high).all()


def test_late_year_has_the_least_spring_heat(grown_cube: Cube) -> None:
    years = read_years(ReportView(grown_cube))
    blocks = tuple(np.transpose(grown_cube.grid.blocks))
    mean = sum(grown_cube.array(f"weather/{name}")[:, *blocks].mean(1) for name in ("tmin", "tmax")) / 2
    heat = {}
    for year in (2019, 2020, 2021):
        first, end = (grown_cube.calendar.index(day_number(date(year, month, 1))) for month in (1, 6))
        heat[year] = np.maximum(mean[first : end + 1] - 10, 0).sum()
    # 152 is 1 June, and 31 May in a leap year: a day's heat apart.
    assert years.spring_heat(2019) == pytest.approx(heat[2019], abs=0.1)
    assert years.late == min(heat, key=lambda year: heat[year])
    assert years.normal != years.late


def test_clear_is_percent_of_the_whole_block(grown_cube: Cube) -> None:
    view = ReportView(grown_cube)
    fraction = grown_cube.array("chunks/clear_fraction")
    at, place = np.argwhere(view.status == Status.STORED)[7]
    y, x = grown_cube.grid.blocks[place]
    assert view.clear[at, place] == pytest.approx(fraction[at, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean())
    assert np.isnan(view.clear[view.status == Status.OUTSIDE]).all()


def test_chosen_scenes_are_what_they_are_called(grown_cube: Cube) -> None:
    view = ReportView(grown_cube)
    choice = choose_scenes(view, 2021)
    assert choice is not None
    assert list(choice.days) == sorted(set(choice.days))
    clear = view.clear[list(choice.days), grown_cube.grid.blocks.index(choice.block)]
    assert {"clear", "partly cloudy"} <= set(choice.reasons)
    for share, reason in zip(clear, choice.reasons, strict=True):
        assert share > 89 if reason == "clear" else 20 <= share <= 86


def test_each_quality_value_has_one_class() -> None:
    names = [MASK[value][0] for value in mask_classes(np.arange(256, dtype=np.uint8))]
    assert names[QUALITY_FILL] == "no data"
    assert names[0] == names[Quality.AEROSOL] == "clear"
    for value, name in enumerate(names[:QUALITY_FILL]):
        if value & Quality.CLOUD:
            assert name == "cloud"
        elif value & Quality.SHADOW:
            assert name == "cloud shadow"
    assert names[Quality.WATER] == "water"
    assert names[Quality.SNOW | Quality.WATER] == "snow or ice"


def test_pale_colours_are_darkened_for_lines() -> None:
    assert readable("#005500") == "#005500"
    assert readable("#e8ffbe") != "#e8ffbe"
    assert readable("no colour") == readable("#808080")


def test_best_is_bold_only_where_there_is_a_choice() -> None:
    assert [cell.best for cell in best_cells([0.5, 0.25, None])] == [False, True, False]
    assert [cell.best for cell in best_cells([0.5, 0.25], largest=True)] == [True, False]
    assert [cell.best for cell in best_cells([0.5, None])] == [False, False]
    assert [cell.best for cell in best_cells([0.2501, 0.2502])] == [True, True]


def _write_runs(folder: Path, cube: Cube) -> None:
    """What the commands that learn leave, with numbers that can be found again."""
    assert cube.legend is not None
    for name in ("pretrain", "cropmap", "forecast", "evaluate"):
        (folder / name).mkdir(parents=True)
    table = {"caption": "Error by year", "head": ["method", "2021"], "rows": [["SM-VSF", "0.777"], [HOSTILE, "0.666"]]}
    found = {"cube": cube.digest, "sections": [{"title": "By year", "text": "Words of it.", "tables": [table]}]}
    (folder / "evaluate/results.json").write_text(json.dumps(found))
    errors = {"mmvsf": 0.123, "persistence": 0.234, "climatology": 0.345}
    rows = [
        {"set": part, "method": method, "lead": lead, "variable": variable, "mse": error**2, "rmse": error,
         "bias": -0.01, "r2": 0.9, "n": 4321}
        for part in ("new_place", "new_year", "both")
        for method, error in errors.items()
        for lead in ("5-10", "all")
        for variable in ("red", "nir", "ndvi", "mean")
    ]  # fmt: skip
    pretrain: dict[str, Any] = {
        "cubes": {cube.digest: cube.region.name},
        "forecast": rows,
        "training": {"parameters": 1234567, "steps": 10, "seconds": 1.5},
    }
    (folder / "pretrain/metrics.json").write_text(json.dumps(pretrain))
    names = [entry.name for entry in cube.legend.classes]
    scores = [
        {"set": part, "method": method, "accuracy": accuracy, "mean_f1": accuracy, "miou": None,
         "per_class": {name: {"precision": 0.5, "recall": 0.5, "f1": accuracy, "support": 8} for name in names},
         "confusion": (np.eye(len(names), dtype=int) * 7 + 1).tolist()}
        for part in ("new_place", "new_year", "both")
        for method, accuracy in (("mmvsf", 0.875), ("random_forest", 0.8125), ("majority", 0.3))
    ]  # fmt: skip
    year = max(cube.label_years)
    cropmap: dict[str, Any] = {
        "cube": cube.digest,
        "classes": [{"code": c.code, "name": c.name, "color": c.color} for c in cube.legend.classes],
        "scores": scores,
        "map": {"year": year},
    }
    (folder / "cropmap/metrics.json").write_text(json.dumps(cropmap))
    _write_layers(folder / "cropmap", cube, {entry.code: entry.name for entry in cube.legend.classes})
    for name in ("pretrain/loss", "pretrain/forecast", "forecast/2021-07-01-s0-years/fan"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Figure(figsize=(1, 1)).savefig(folder / f"{name}.png")


def _write_layers(folder: Path, cube: Cube, names: dict[int, str]) -> None:
    """A crop map of the first of these classes, and its confidence."""
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 1, "height": cube.grid.shape[0], "width": cube.grid.shape[1],
        "crs": cube.grid.crs, "transform": cube.grid.geobox.transform,
    }  # fmt: skip
    for name in ("crop_map", "confidence"):
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as target:
            target.write(np.full(cube.grid.shape, next(iter(names)), np.uint8), 1)
            target.update_tags(**{f"class_{code}": class_name for code, class_name in names.items()})


def _write_map(runs: Path, cube: Cube, until: str | None) -> Path:
    """What `mmvsf map` leaves of a mapper with another legend; the path of its record."""
    folder = runs / "map" / ("2020" if until is None else f"2020-until-{until}")
    folder.mkdir(parents=True)
    names = {77: "Far Crop", 78: "Absent Crop"}
    _write_layers(folder, cube, names)
    record = {
        "cube": cube.digest, "year": 2020, "until": until, "mapper": {"trained_on": {"region": "elsewhere"}},
        "differences": ["images of other products"], "unseen_pixels": 7, "files": ["crop_map.tif", "unlike.tif"],
        "classes": [{"code": code, "name": name, "color": "#ff0000"} for code, name in names.items()],
        "areas": [
            {"class": "Far Crop", "pixels": 3, "hectares": 123.4, "share": 0.75},
            {"class": "Absent Crop", "pixels": 0, "hectares": 0.0, "share": 0.0},
        ],
    }  # fmt: skip
    (folder / "map.json").write_text(json.dumps(record))
    return folder / "map.json"
