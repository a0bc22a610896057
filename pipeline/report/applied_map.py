"""The newest map that mmvsf map made of a cube: its classes, their areas, and where its files are."""

from pathlib import Path
from typing import Any

from mmvsf.datasets.cube.legend import LegendClass
from mmvsf.datasets.words import plural

from .areas import area_elements, hectares
from .cropmap_figures import map_beside_labels
from .drawing import colour
from .elements import Absent, Cell, Element, Note, ReportTable, percent
from .runs import DAMAGED, damaged, other_cube, read_metrics
from .view import ReportView

MAPPER = "--mapper REGION-OR-FOLDER"


def applied_map(view: ReportView, runs: Path) -> list[Element]:
    """Picture and areas of the newest map in the folder `map` of a region's runs; nothing where there is none."""
    records = sorted(runs.glob("map/*/map.json"), key=lambda path: (path.stat().st_mtime, path.name))
    if not records:
        return []
    path, command = records[-1], f"{view.command('map')} {MAPPER}"
    try:
        elements = _elements(view, read_metrics(path) or {}, path.parent, command)
    except DAMAGED as error:
        elements = [damaged(path, error, command)]
    others = ", ".join(f"map/{other.parent.name}" for other in records[:-1])
    return [*elements, *([Note(f"Earlier maps: {others}.")] if others else [])]


def _elements(view: ReportView, record: dict[str, Any], folder: Path, command: str) -> list[Element]:
    year, until = int(record["year"]), record["until"]
    season = f"{year}" if until is None else f"{year}, from the images until {until}"
    again = f"{command} " + (f"--year {year}" if until is None else f"--until {until}")
    mapper = record["mapper"]["trained_on"]["region"]
    text = (
        f"Map of {season}, made by mmvsf map with the mapper of {mapper}. Its files are beside this page in"
        f" map/{folder.name}: {', '.join(record['files'])}. Do not trust it where unlike.tif is above 95."
        " The areas count its pixels, so they repeat its errors; mmvsf areas estimates areas with limits."
    )
    if record["unseen_pixels"]:
        text += f" {plural(int(record['unseen_pixels']), 'pixel')} had no clear image and are not mapped."
    elements: list[Element] = [*other_cube(record.get("cube"), view.cube.digest, again), Note(text)]
    if record["differences"]:
        elements.append(Note(f"This cube differs from what the mapper learned: {'; '.join(record['differences'])}."))
    classes = [LegendClass(int(c["code"]), str(c["name"]), colour(str(c["color"]))) for c in record["classes"]]
    picture = map_beside_labels(view, folder / "crop_map.tif", folder / "confidence.tif", classes, year)
    elements.append(picture or Absent("The map itself is missing. To draw it again:", again))
    areas = area_elements(folder / "areas.json", view.cube.digest, f"{view.command('areas')} --map {folder}")
    return [*elements, _counted(record, classes), *areas]


def _counted(record: dict[str, Any], classes: list[LegendClass]) -> ReportTable:
    """Areas of the classes that occur."""
    colours = {entry.name: colour(entry.color) for entry in classes}
    body = [
        [
            Cell(str(row["class"]), swatch=colours.get(row["class"])),
            Cell("–" if row["hectares"] is None else hectares(row["hectares"])),
            Cell(percent(row["share"])),
        ]
        for row in record["areas"]
        if row["pixels"]
    ]
    return ReportTable("Areas by class, counted from the map", ["class", "hectares", "share"], body)
