"""The closing table of a run: what was made, where it is, and the main scores, read from what lies on disk."""

import json
from pathlib import Path
from typing import Any

from mmvsf.datasets.cube import Cube
from rich.table import Table

HELD_OUT = {"new_place": "new place", "new_year": "new year", "both": "new place and year"}


def summary_table(cube: Path, runs: Path) -> Table:
    """A table of the cube and of the runs on it. Raises InputError if there is no cube."""
    opened = Cube.open(cube)
    table = Table("what", "result", "where", title=opened.region.title)
    labels = f", labels of {len(opened.label_years)} years" if opened.label_years else ""
    table.add_row("cube", f"{len(opened.grid.blocks)} blocks, {len(opened.years)} years{labels}", str(cube))
    for row in _forecast_rows(_read(runs / "pretrain/metrics.json")):
        table.add_row(*row, str(runs / "pretrain"))
    for row in _crop_rows(_read(runs / "cropmap/metrics.json")):
        table.add_row(*row, str(runs / "cropmap"))
    if (runs / "report.html").is_file():
        table.add_row("report", "the page that shows all of it", str(runs / "report.html"))
    return table


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _forecast_rows(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for part, name in HELD_OUT.items():
        rmse = {
            entry["method"]: entry["rmse"]
            for entry in metrics.get("forecast", [])
            if entry["set"] == part and entry["lead"] == "all" and entry["variable"] == "mean"
        }
        if rmse:
            text = ", ".join(f"{method} {value:.4f}" for method, value in rmse.items() if value is not None)
            rows.append((f"forecast RMSE, {name}", text))
    return rows


def _crop_rows(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for part, name in HELD_OUT.items():
        scores = {e["method"]: e["mean_f1"] for e in metrics.get("scores", []) if e["set"] == part}
        if scores:
            rows.append((f"crop map mean F1, {name}", ", ".join(f"{m} {v:.3f}" for m, v in scores.items())))
    return rows
