"""Writes the results: `results.json` and pictures in the run, and a Markdown document on request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.model.evaluation.core.names import METHODS
from mmvsf.model.evaluation.core.runner import Result
from mmvsf.model.evaluation.forecasts.figure import PICTURE
from mmvsf.model.figures import save
from mmvsf.model.records import write_json

from .all import all_sections
from .background import EvaluationFacts, costs, how_made, rates
from .compare import pick
from .results_table import ResultsTable
from .sections import TextSection, as_json

RESULTS, CURVES = "results.json", "curves.png"


def write_results(
    results: ResultsTable, facts: EvaluationFacts, folder: Path, document: Path | None
) -> list[TextSection]:
    """Write `results.json` and the pictures to `folder`, and all sections to `document`; returns the sections. Raises
    OSError where the disk refuses."""
    sections = [*all_sections(results), how_made(results, facts), rates(results), costs(results)]
    done = len(results.pieces) + len(results.control_pieces)
    if done < facts.planned:
        text = f"{done} of {facts.planned} pieces are done; run the same command again to continue."
        sections.insert(0, TextSection("Incomplete", text))
    save(learning_curves(results.pieces), folder / CURVES)
    pictures = [CURVES]
    for piece in pick(results.pieces, kind="picture"):
        write_verified(folder / PICTURE, (folder / piece["piece"] / PICTURE).read_bytes())
        pictures.append(PICTURE)
    region, digest = facts.cubes[0].region.name, facts.cubes[0].digest
    content = {"region": region, "cube": digest, "sections": as_json(sections), "pictures": pictures}
    write_json(folder / RESULTS, content)
    if document is not None:
        write_verified(document, markdown(f"Results on {region}", results.command, sections).encode())
    return sections


def learning_curves(results: Sequence[Result]) -> Figure:
    """Training and validation loss of each objective, seed 0 of the first year."""
    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    encoders = pick(results, kind="pretrain", seed=0)
    for result in pick(encoders, year=encoders[0]["year"]) if encoders else ():
        name = METHODS.get(result["method"], result["method"])
        for axes, column in ((left, 1), (right, 2)):
            points = [(row[0], row[column]) for row in result["losses"] if row[column] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), "-", label=name, linewidth=1.2)
    for axes, title in ((left, "training loss"), (right, "validation loss")):
        axes.set(title=title, xlabel="step", ylim=(0, None))
        axes.grid(alpha=0.3)
    left.set_ylabel("what the objective minimises")
    if left.lines:
        left.legend(fontsize=8)
    return figure


def markdown(title: str, command: str, sections: Sequence[TextSection]) -> str:
    """A document of plain Markdown tables."""
    lines = [f"# {title}", "", f"Written by `{command}`; every number is computed from the pieces' results.", ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        if section.text:
            lines += [section.text, ""]
        for table in section.tables:
            lines += [f"**{table.caption}**", "", _line(table.head), _line(["---", *["---:"] * (len(table.head) - 1)])]
            lines += [*map(_line, table.rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
