"""Results of `mmvsf evaluate` on the paper's claims: its tables, as it wrote them."""

from pathlib import Path
from typing import Any

from .elements import Absent, Cell, Element, Note, ReportSection, ReportTable, png_file
from .runs import DAMAGED, damaged, other_cube, read_metrics
from .view import ReportView

NONE = "This cube has no evaluation yet. To make one:"
PICTURES = (
    ("curves.png", "Losses of each objective by step", "Learning curves of the objectives."),
    (
        "forecasts.png",
        "Forecasts of four lead times beside observations",
        "Forecasts for a place and a year that were not trained on, one row for each lead time: the image the forecast"
        " starts from, the observation, and the forecast.",
    ),
)
OPEN_TABLES = 4
"""Tables that are shown open; the others are folded."""


def evaluation_section(view: ReportView, runs: Path) -> ReportSection:
    """Every table of `evaluate/results.json`, with its pictures."""
    path, command = runs / "evaluate/results.json", view.command("evaluate")
    elements: list[Element]
    try:
        results = read_metrics(path)
        elements = [Absent(NONE, command)] if results is None else _elements(view, results, command)
    except DAMAGED as error:
        elements = [damaged(path, error, command)]
    for name, title, text in PICTURES:
        if picture := png_file(runs / "evaluate" / name, title, text):
            elements.append(picture)
    return ReportSection("evaluation", "Evaluation of the claims", elements)


def _elements(view: ReportView, results: dict[str, Any], command: str) -> list[Element]:
    elements: list[Element] = [*other_cube(results["cube"], view.cube.digest, command)]
    tables = 0
    for section in results["sections"]:
        elements.append(Note(f"{section['title']}. {section['text']}".strip()))
        for table in section["tables"]:
            tables += 1
            rows = [[Cell(str(cell)) for cell in row] for row in table["rows"]]
            elements.append(ReportTable(table["caption"], table["head"], rows, folded=tables > OPEN_TABLES))
    return elements
