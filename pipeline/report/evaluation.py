"""What `mmvsf evaluate` found about the paper's claims: its tables, as it wrote them."""

from pathlib import Path
from typing import Any

from .elements import Absent, Cell, Note, Part, Section, Table, png_file
from .runs import DAMAGED, damaged, other_cube, read_metrics
from .view import ReportView

NONE = "No evaluation was made of this cube yet. To make one:"
PICTURES = (
    ("curves.png", "Losses of each objective by step", "Learning curves of the objectives."),
    (
        "forecasts.png",
        "Forecasts of four lead times beside what came",
        "Forecasts for a place and a year that were never trained on, one row for each lead time: the origin's image,"
        " what came, and what was forecast.",
    ),
)
OPEN_TABLES = 4
"""The first tables are shown, the others when they are opened."""


def evaluation_section(sample: ReportView, runs: Path) -> Section:
    """Every table of `evaluate/results.json`, with its pictures."""
    path, command = runs / "evaluate/results.json", sample.command("evaluate")
    parts: list[Part]
    try:
        results = read_metrics(path)
        parts = [Absent(NONE, command)] if results is None else _parts(sample, results, command)
    except DAMAGED as error:
        parts = [damaged(path, error, command)]
    for name, title, text in PICTURES:
        if picture := png_file(runs / "evaluate" / name, title, text):
            parts.append(picture)
    return Section("evaluation", "Evaluation of the claims", parts)


def _parts(sample: ReportView, results: dict[str, Any], command: str) -> list[Part]:
    parts: list[Part] = [*other_cube(results["cube"], sample.cube.digest, command)]
    tables = 0
    for section in results["sections"]:
        parts.append(Note(f"{section['title']}. {section['text']}".strip()))
        for table in section["tables"]:
            tables += 1
            rows = [[Cell(str(cell)) for cell in row] for row in table["rows"]]
            parts.append(Table(table["caption"], table["head"], rows, folded=tables > OPEN_TABLES))
    return parts
