"""Writes what was found: `results.json` and learning curves in the run, and a Markdown document where asked for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from matplotlib.figure import Figure

from ..figures import save
from .plan import Plan
from .results import Findings
from .runner import Result
from .sections import NAMES, Section, Table, as_json

RESULTS, CURVES = "results.json", "curves.png"


def write_results(found: Findings, plans: Sequence[Plan], folder: Path, document: Path | None) -> list[Section]:
    """Write `results.json` and `curves.png` to `folder`, and all sections to `document`; returns the sections."""
    sections = [*found.sections(), how_made(found, plans), costs(found)]
    save(learning_curves(found.results), folder / CURVES)
    cube = plans[0].cube
    content = {"region": cube.region.name, "cube": cube.identity, "sections": as_json(sections), "pictures": [CURVES]}
    (folder / RESULTS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if document is not None:
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(markdown(f"Results on {plans[0].cube.region.name}", sections), encoding="utf-8")
    return sections


def how_made(found: Findings, plans: Sequence[Plan]) -> Section:
    """Settings, data, program and machine."""
    settings = plans[0].settings
    machines = sorted({str(result["machine"]) for result in (*found.results, *found.control)})
    trained = next((result for result in found.results if "parameters" in result), None)
    planned = sum(len(chain) for plan in plans for stage in plan.stages() for chain in stage)
    facts = [
        *([f"cube of {plan.cube.region.name}", plan.cube.identity[:16]] for plan in plans),
        ["pieces done", f"{len(found.results) + len(found.control)} of {planned}"],
        ["years held out in turn", ", ".join(map(str, sorted(plans[0].years)))],
        ["years with all objectives and seeds", ", ".join(map(str, plans[0].few))],
        ["seeds in those years", ", ".join(map(str, range(settings.seeds)))],
        *([key.replace("_", " "), str(value)] for key, value in settings.of_judging.items()),
        ["parameters of the network", "–" if trained is None else f"{trained['parameters']:,}"],
        ["program", f"mmvsf {version('mmvsf')}, commit {_commit()}, torch {torch.__version__}"],
        ["machine", "; ".join(machines)],
        ["written", datetime.now(UTC).date().isoformat()],
    ]
    text = (
        "Weights, samples and masks of a training depend on its seed alone, so all objectives of a seed start alike and"
        " see the same images in the same order."
    )
    return Section("How this was made", text, [Table("Settings", ["what", "value"], facts)])


def costs(found: Findings) -> Section:
    """What each kind of piece took."""
    kinds: dict[str, list[Result]] = {}
    for prefix, results in (("", found.results), ("control: ", found.control)):
        for result in results:
            parts = str(result["piece"]).split("/")
            label = parts[2] if parts[0] == "forecast" and parts[2] in ("baselines", "oracle", "convlstm") else ""
            kinds.setdefault(f"{prefix}{parts[0]} {label}".strip(), []).append(result)
    rows = []
    for kind, results in kinds.items():
        wall, cpu = (sum(float(result[key]) for result in results) for key in ("seconds", "cpu_seconds"))
        rates = [result["training"]["windows_per_second"] for result in results if "training" in result]
        rate = f"{sum(rates) / len(rates):.0f}" if rates else "–"
        rows.append(
            [kind, str(len(results)), f"{wall / len(results):.1f}", f"{wall / 60:.1f}", f"{cpu / 60:.1f}", rate]
        )
    total = [
        sum(float(result[key]) for result in (*found.results, *found.control)) / 60
        for key in ("seconds", "cpu_seconds")
    ]
    rows.append(["all", str(len(found.results) + len(found.control)), "–", *(f"{value:.1f}" for value in total), "–"])
    head = ["pieces", "number", "seconds each", "minutes in all", "processor minutes", "training windows a second"]
    return Section("What it cost", "", [Table("Time on the machine named above", head, rows)])


def learning_curves(results: Sequence[Result]) -> Figure:
    """Training and validation loss of each objective, seed 0 of the first year."""
    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    shown: set[str] = set()
    for result in results:
        kind, *_, objective, _seed = str(result["piece"]).split("/")
        if kind != "pretrain" or objective in shown:
            continue
        shown.add(objective)
        for axes, place in ((left, 1), (right, 2)):
            points = [(row[0], row[place]) for row in result["losses"] if row[place] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), "-", label=NAMES.get(objective, objective), linewidth=1.2)
    for axes, title in ((left, "training loss"), (right, "validation loss")):
        axes.set(title=title, xlabel="step", ylim=(0, None))
        axes.grid(alpha=0.3)
    left.set_ylabel("what the objective minimises")
    if left.lines:
        left.legend(fontsize=8)
    return figure


def markdown(title: str, sections: Sequence[Section]) -> str:
    """A document of plain Markdown tables."""
    lines = [f"# {title}", "", "Written by `make evaluate`; every number is computed from the pieces' results.", ""]
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


def _commit() -> str:
    """The commit of the program, or of the wheel none; marked where files were changed since."""
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=, with changes", "--abbrev=10", "--exclude=*"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
