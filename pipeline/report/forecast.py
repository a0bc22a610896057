"""How well images are forecast: scores by held-out set and lead time, beside persistence and climatology."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .elements import Absent, Cell, Element, Facts, Note, ReportSection, ReportTable, number, png_file
from .runs import DAMAGED, METHODS, SETS, Rows, best_cells, damaged, ordered, other_cube, read_metrics
from .view import ReportView

LEADS = ("5-10", "11-20", "21-40", "41-80", "all")
SHOWN = (("mean", "all bands, in training deviations"), ("ndvi", "NDVI"))
MOST_PICTURES = 6
PICTURES = {"fan": "means of the area", "maps": "maps", "verification": "means of the area, and observations"}
"""Of a forecast's folder."""


def forecast_section(view: ReportView, runs: Path) -> ReportSection:
    """Scores and pictures of pretraining, and single forecasts where there are some."""
    path, command = runs / "pretrain/metrics.json", view.command("pretrain")
    elements: list[Element]
    try:
        metrics = read_metrics(path)
        if metrics is None:
            elements = [Absent("No model has been pretrained on this cube yet. To train one:", command)]
        else:
            elements = _elements(view, metrics, command)
    except DAMAGED as error:
        elements = [damaged(path, error, command)]
    pictures = (
        ("pretrain/forecast.png", "Forecasts beside observations", "Examples: the last image before the forecast, the "
         "forecast, the observation. Light grey: not clear."),
        ("pretrain/loss.png", "Loss by training step", "Loss by training step."),
    )  # fmt: skip
    for name, alt, caption in pictures:
        if picture := png_file(runs / name, alt, caption):
            elements.append(picture)
    areas = sorted((runs / "forecast").glob("*/*.png"))[-MOST_PICTURES:]
    for file in areas:
        name = f"Forecast issued {file.parent.name}: {PICTURES.get(file.stem, file.stem)}"
        if picture := png_file(file, name, f"{name}."):
            elements.append(picture)
    if not areas:
        area_command = f"{view.command('forecast')} --days YYYY-MM-DD"
        elements.append(Absent("No area has been forecast yet. To forecast days:", area_command))
    return ReportSection("forecast", "Forecast", elements)


def forecast_headline(runs: Path) -> tuple[str, str] | None:
    """(value, what it is): RMSE of NDVI in a held-out year, beside the better of the baselines."""
    try:
        rows: Rows = (read_metrics(runs / "pretrain/metrics.json") or {})["forecast"]
        for held_out in ("new_year", "both", "new_place"):
            key = (held_out, "all", "ndvi")
            of_key = [row for row in rows if (row["set"], row["lead"], row["variable"]) == key]
            errors = {row["method"]: row["rmse"] for row in of_key if row["rmse"] is not None}
            baselines = [value for method, value in errors.items() if method != "mmvsf"]
            if "mmvsf" in errors and baselines:
                what = f"RMSE of forecast NDVI, {SETS[held_out]}; best baseline {min(baselines):.3f}"
                return f"{errors['mmvsf']:.3f}", what
    except DAMAGED:
        pass
    return None


def _elements(view: ReportView, metrics: dict[str, Any], command: str) -> list[Element]:
    rows: Rows = metrics["forecast"]
    digests = metrics.get("cubes", {})
    recorded = view.cube.digest if view.cube.digest in digests else next(iter(digests), None)
    elements: list[Element] = [*other_cube(recorded, view.cube.digest, command)]
    if not rows:
        return [*elements, Note("Nothing is held out in this cube, so there are no scores."), *_training(metrics)]
    elements.append(
        Note(
            "Root mean square error (RMSE) on images that the model was not trained on; lower is better, the best in "
            "each row is bold. Persistence repeats the last clear value of a pixel; climatology is the mean of the "
            "pixel around that day of the year in the training years. The lead is the number of days from the last "
            "image used to the day of the forecast."
        )
    )
    elements += [_by_lead(rows, held_out) for held_out in ordered(rows, "set", tuple(SETS))]
    elements.append(_by_variable(rows))
    return [*elements, *_training(metrics)]


def _by_lead(rows: Rows, held_out: str) -> ReportTable:
    """One held-out set: lead times down; for all bands and for NDVI, the methods across."""
    of_set = [row for row in rows if row["set"] == held_out]
    methods = ordered(of_set, "method", tuple(METHODS))
    body = [
        _lead_row(lead, [row for row in of_set if row["lead"] == lead], methods)
        for lead in ordered(of_set, "lead", LEADS)
    ]
    return ReportTable(
        f"Forecast error: {SETS.get(held_out, held_out)}",
        ["lead", *(METHODS.get(method, method) for _ in SHOWN for method in methods), "pixels"],
        body,
        groups=(("", 1), *((f"RMSE, {name}", len(methods)) for _, name in SHOWN), ("", 1)),
    )


def _lead_row(lead: str, rows: Rows, methods: Sequence[str]) -> list[Cell]:
    scores = {(row["variable"], row["method"]): row for row in rows}
    cells = [Cell(lead if lead == "all" else f"{lead.replace('-', ' to ')} days")]
    for variable, _ in SHOWN:
        cells += best_cells([scores.get((variable, method), {}).get("rmse") for method in methods])
    pixels = max((int(row["n"]) for row in rows if row["variable"] != "mean"), default=None)
    return [*cells, Cell("–" if pixels is None else f"{pixels:,}")]


def _by_variable(rows: Rows) -> ReportTable:
    """Every band, all leads together."""
    single = [row for row in rows if row["lead"] == "all" and row["variable"] != "mean"]
    methods = ordered(single, "method", tuple(METHODS))
    body = []
    for held_out in ordered(single, "set", tuple(SETS)):
        for variable in ordered(single, "variable", ()):
            scores = {row["method"]: row for row in single if (row["set"], row["variable"]) == (held_out, variable)}
            model = scores.get("mmvsf", {})
            body.append(
                [
                    Cell(f"{SETS.get(held_out, held_out)}: {'NDVI' if variable == 'ndvi' else variable}"),
                    *best_cells([scores.get(method, {}).get("rmse") for method in methods], 4),
                    Cell(number(model.get("bias"), 4)),
                    Cell(number(model.get("r2"), 2)),
                ]
            )
    head = ["set and variable", *(METHODS.get(method, method) for method in methods), "bias", "r²"]
    groups = (("", 1), ("RMSE", len(methods)), ("MM-VSF", 2))
    return ReportTable("Each band, all leads together (in its unit)", head, body, groups=groups, folded=True)


def _training(metrics: dict[str, Any]) -> list[Element]:
    training = metrics.get("training") or {}
    names = {
        "parameters": "parameters",
        "steps": "steps",
        "seconds": "seconds",
        "windows_per_second": "windows per second",
        "device": "device",
        "precision": "precision",
    }
    rows = [
        (name, f"{training[key]:,}" if isinstance(training[key], int | float) else str(training[key]))
        for key, name in names.items()
        if training.get(key) is not None
    ]
    return [Facts(rows)] if rows else []
