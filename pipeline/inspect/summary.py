"""The closing tables of a run: the files that were made and the main scores, read from disk."""

from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Column, Table

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.paths import card_path
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.storage.location import Location

HELD_OUT = {"new_place": "new place", "new_year": "new year", "both": "new place and year"}
PAGE = "report.html"
FILES = {
    PAGE: "report page: start here",
    "pretrain/forecast.png": "picture of forecasts",
    "cropmap/map.png": "picture of the crop map",
    "cropmap/crop_map.tif": "crop map",
    "pretrain/model.safetensors": "model",
    "pretrain/README.md": "model card",
}
FOLDERS = {"map/*/map.json": "map of a season", "forecast/*/forecast.json": "forecast"}
"""Records in the folders of what was made for a season or for days."""


def summary_tables(cube: Location, runs: Path) -> Group:
    """Tables of a cube and of the runs on it. Raises InputError if there is no cube."""
    opened = Cube.open(cube)
    scores = Table("score", "held out", "MM-VSF", "compared with", title=opened.region.title)
    files = Table("file", Column("path", overflow="fold"))
    files.add_row("cube", str(cube))
    card = card_path(opened.path)
    if isinstance(card, Path) and card.is_file():
        files.add_row("dataset card", str(card))
    for path, rows in ((runs / "pretrain/metrics.json", _forecast_rows), (runs / "cropmap/metrics.json", _crop_rows)):
        try:
            for row in rows(_read(path)):
                scores.add_row(*row)
        except (ValueError, LookupError, TypeError, AttributeError):
            files.add_row("scores that cannot be read", str(path))
    for name, description in FILES.items():
        if (runs / name).is_file():
            address = (runs / name).resolve().as_uri() if name == PAGE else str(runs / name)
            files.add_row(description, address)
    for name, description in FOLDERS.items():
        for path in sorted(runs.glob(name)):
            files.add_row(description, str(path.parent))
    return Group(scores, files) if scores.row_count else Group(files)


def _read(path: Path) -> dict[str, Any]:
    return parse_json(path.read_bytes()) if path.is_file() else {}


def _forecast_rows(metrics: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Squared error over all leads and bands, in units of each band's training variance; lower is better."""
    rows = []
    for key, name in HELD_OUT.items():
        errors = {
            entry["method"]: entry["mse"]
            for entry in metrics.get("forecast", [])
            if entry["set"] == key and entry["lead"] == "all" and entry["variable"] == "mean"
        }
        rows += _row("forecast error (MSE)", name, errors)
    return rows


def _crop_rows(metrics: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Mean F1 over the classes; higher is better."""
    rows = []
    for key, name in HELD_OUT.items():
        scores = {entry["method"]: entry["mean_f1"] for entry in metrics.get("scores", []) if entry["set"] == key}
        rows += _row("crop map (mean F1)", name, scores)
    return rows


def _row(score: str, held_out: str, values: dict[str, float | None]) -> list[tuple[str, str, str, str]]:
    texts = {method: f"{value:.3f}" for method, value in values.items() if value is not None}
    if "mmvsf" not in texts:
        return []
    others = ", ".join(f"{method.replace('_', ' ')} {text}" for method, text in texts.items() if method != "mmvsf")
    return [(score, held_out, texts["mmvsf"], others)]
