"""Writes what was found: `results.json` and learning curves in the run, and a Markdown document where asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure

from mmvsf.model.evaluation.plan import PICTURE, Plan
from mmvsf.model.evaluation.runner import Result
from mmvsf.model.evaluation.training import best_rate
from mmvsf.model.figures import save
from mmvsf.model.mmvsf.objectives import OBJECTIVES

from .all import sections_of
from .compare import pick
from .findings import Findings
from .sections import NAMES, Section, Table, as_json

COSTS = (
    "Seconds of each piece added up. Pieces run side by side, so the whole takes less time than the sum; windows a"
    " second are those of one piece, with its validation."
)
RESULTS, CURVES = "results.json", "curves.png"


def write_results(found: Findings, plans: Sequence[Plan], folder: Path, document: Path | None) -> list[Section]:
    """Write `results.json` and the pictures to `folder`, and all sections to `document`; returns the sections."""
    sections = [*sections_of(found), how_made(found, plans), rates(found), costs(found)]
    planned = sum(len(chain) for plan in plans for stage in plan.stages() for chain in stage)
    done = len(found.results) + len(found.control)
    if done < planned:
        sections.insert(
            0, Section("Not complete", f"{done} of {planned} pieces are done; run the command again to go on.")
        )
    save(learning_curves(found.results), folder / CURVES)
    pictures = [CURVES]
    for result in pick(found.results, kind="picture"):
        shutil.copyfile(folder / result["piece"] / PICTURE, folder / PICTURE)
        pictures.append(PICTURE)
    cube = plans[0].cube
    content = {"region": cube.region.name, "cube": cube.digest, "sections": as_json(sections), "pictures": pictures}
    (folder / RESULTS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if document is not None:
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(markdown(f"Results on {plans[0].cube.region.name}", sections), encoding="utf-8")
    return sections


def how_made(found: Findings, plans: Sequence[Plan]) -> Section:
    """Settings, data, program and machine."""
    settings = plans[0].settings
    machines, programs = (
        sorted({str(result[key]) for result in (*found.results, *found.control)}) for key in ("machine", "program")
    )
    trained = next(iter(pick(found.results, kind="pretrain")), None)
    facts = [
        *([f"cube of {plan.cube.region.name}", plan.cube.digest[:16]] for plan in plans),
        ["years held out in turn", ", ".join(map(str, sorted(plans[0].years)))],
        ["years with all objectives", ", ".join(map(str, plans[0].few))],
        [f"seeds of all objectives in {plans[0].few[0]}, and of SM-VSF and MM-VSF in these years", str(settings.seeds)],
        ["seeds elsewhere", "1"],
        *([key.replace("_", " "), str(value)] for key, value in settings.of_judging.items() if key != "shape"),
        ["parameters of the network", "–" if trained is None else f"{trained['parameters']:,}"],
        ["program", "; ".join(programs)],
        ["machine", "; ".join(machines)],
        ["written", datetime.now(UTC).date().isoformat()],
    ]
    text = (
        "Weights, samples and masks of a training depend on its seed alone, so all objectives of a seed start alike and"
        " see the same images in the same order."
    )
    return Section("How this was made", text, [Table("Settings", ["what", "value"], facts)])


def rates(found: Findings) -> Section:
    """The trials of learning rates."""
    rows = []
    for where, results in (("", found.results), ("control: ", found.control)):
        trials = pick(results, kind="rate")
        for method in dict.fromkeys(result["method"] for result in trials):
            own = pick(trials, method=method)
            tried = ", ".join(f"{result['validation']:.4f} at {result['rate']:g}" for result in own)
            rows.append([where + NAMES.get(method, method), tried, f"{best_rate(own):g}"])
    trained = pick(found.results, kind=("pretrain", "forecast"))
    sizes = {result["method"]: result["parameters"] for result in trained if "parameters" in result}
    counts = "; ".join(f"{NAMES.get(name, name)}: {size:,}" for name, size in sizes.items())
    text = (
        "Validation loss, at the validation place in the training years of the first fold, after a third of the"
        f" steps. Parameters: {counts}."
    )
    return Section("Learning rates", text, [Table("Trials", ["objective", "validation loss", "taken"], rows)])


def costs(found: Findings) -> Section:
    """What each kind of piece took."""
    kinds: dict[str, list[Result]] = {}
    for prefix, results in (("", found.results), ("control: ", found.control)):
        for result in results:
            kind, method = result["kind"], result["method"]
            # Encoders are judged after a piece that trains them; the others do all in one piece, and have their row.
            label = method if kind == "crops" or (kind == "forecast" and method not in OBJECTIVES) else ""
            kinds.setdefault(f"{prefix}{kind} {label}".strip(), []).append(result)
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
    return Section("What it cost", COSTS, [Table("Time of the pieces", head, rows)])


def learning_curves(results: Sequence[Result]) -> Figure:
    """Training and validation loss of each objective, seed 0 of the first year."""
    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    encoders = pick(results, kind="pretrain", seed=0)
    for result in pick(encoders, year=encoders[0]["year"]) if encoders else ():
        name = NAMES.get(result["method"], result["method"])
        for axes, place in ((left, 1), (right, 2)):
            points = [(row[0], row[place]) for row in result["losses"] if row[place] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), "-", label=name, linewidth=1.2)
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
