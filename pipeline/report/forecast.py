"""How well images are forecast: scores by held-out set and lead time, beside persistence and climatology."""

from pathlib import Path
from typing import Any

from .elements import Absent, Cell, Facts, Note, Part, Section, Table, number, png_file
from .runs import DAMAGED, METHODS, SETS, Rows, best_cells, damaged, ordered, other_cube, read_metrics
from .view import ReportView

LEADS = ("5-10", "11-20", "21-40", "41-80", "all")
SHOWN = (("mean", "all bands, in training deviations"), ("ndvi", "NDVI"))
MOST_PICTURES = 6


def forecast_section(sample: ReportView, runs: Path) -> Section:
    """Scores and pictures of pretraining, and single forecasts where there are some."""
    path, command = runs / "pretrain/metrics.json", sample.command("pretrain")
    parts: list[Part]
    try:
        metrics = read_metrics(path)
        if metrics is None:
            parts = [Absent("No model was pretrained on this cube yet. To do it:", command)]
        else:
            parts = _parts(sample, metrics, command)
    except DAMAGED as error:
        parts = [damaged(path, error, command)]
    pictures = (
        ("pretrain/forecast.png", "Forecasts beside what was observed", "Examples: what was known, what was forecast, "
         "what was seen. Light grey was not clear."),
        ("pretrain/loss.png", "Loss by training step", "Loss by training step."),
    )  # fmt: skip
    for name, alt, caption in pictures:
        if picture := png_file(runs / name, alt, caption):
            parts.append(picture)
    single = sorted((runs / "forecast").glob("*.png"))[-MOST_PICTURES:]
    for file in single:
        if picture := png_file(file, f"Forecast {file.stem}", f"Forecast {file.stem}."):
            parts.append(picture)
    if not single:
        single_command = f"{sample.command('forecast')} --day YYYY-MM-DD"
        parts.append(Absent("No single day was forecast yet. To forecast one:", single_command))
    return Section("forecast", "Forecast", parts)


def forecast_headline(runs: Path) -> tuple[str, str] | None:
    """(value, what it is): RMSE of NDVI in a held-out year, beside the better of the baselines."""
    try:
        rows: Rows = (read_metrics(runs / "pretrain/metrics.json") or {})["forecast"]
        for part in ("new_year", "both", "new_place"):
            found = {
                row["method"]: row["rmse"]
                for row in rows
                if (row["set"], row["lead"], row["variable"]) == (part, "all", "ndvi") and row["rmse"] is not None
            }
            others = [value for method, value in found.items() if method != "mmvsf"]
            if "mmvsf" in found and others:
                what = f"RMSE of forecast NDVI, {SETS[part]}; best baseline {min(others):.3f}"
                return f"{found['mmvsf']:.3f}", what
    except DAMAGED:
        pass
    return None


def _parts(sample: ReportView, metrics: dict[str, Any], command: str) -> list[Part]:
    rows: Rows = metrics["forecast"]
    digests = metrics.get("cubes", {})
    noted = sample.cube.digest if sample.cube.digest in digests else next(iter(digests), None)
    parts: list[Part] = [*other_cube(noted, sample.cube.digest, command)]
    if not rows:
        return [*parts, Note("Nothing is held out in this cube, so there are no scores."), *_training(metrics)]
    parts.append(
        Note(
            "Root mean square error (RMSE) on images that the model never saw; lower is better, the best in each "
            "row is bold. Persistence repeats the last clear value of a pixel; climatology is what the pixel looked "
            "like around that day of the year in the training years. The lead is the number of days from the last "
            "image used to the day that is forecast."
        )
    )
    parts += [_by_lead(rows, part) for part in ordered(rows, "set", tuple(SETS))]
    parts.append(_by_variable(rows))
    return [*parts, *_training(metrics)]


def _by_lead(rows: Rows, part: str) -> Table:
    """One held-out set: lead times down; for all bands and for NDVI, the methods across."""
    own = [row for row in rows if row["set"] == part]
    methods = ordered(own, "method", tuple(METHODS))
    body = []
    for lead in ordered(own, "lead", LEADS):
        found = {(row["variable"], row["method"]): row for row in own if row["lead"] == lead}
        cells = [Cell(lead if lead == "all" else f"{lead.replace('-', ' to ')} days")]
        for variable, _ in SHOWN:
            cells += best_cells([found.get((variable, method), {}).get("rmse") for method in methods])
        pixels = max((int(row["n"]) for (variable, _), row in found.items() if variable == "ndvi"), default=None)
        body.append([*cells, Cell("–" if pixels is None else f"{pixels:,}")])
    return Table(
        f"Forecast error: {SETS.get(part, part)}",
        ["lead", *(METHODS.get(method, method) for _ in SHOWN for method in methods), "pixels"],
        body,
        groups=(("", 1), *((f"RMSE, {name}", len(methods)) for _, name in SHOWN), ("", 1)),
    )


def _by_variable(rows: Rows) -> Table:
    """Every band, all leads together."""
    own = [row for row in rows if row["lead"] == "all" and row["variable"] != "mean"]
    methods = ordered(own, "method", tuple(METHODS))
    body = []
    for part in ordered(own, "set", tuple(SETS)):
        for variable in ordered(own, "variable", ()):
            found = {row["method"]: row for row in own if (row["set"], row["variable"]) == (part, variable)}
            ours = found.get("mmvsf", {})
            body.append(
                [
                    Cell(f"{SETS.get(part, part)}: {'NDVI' if variable == 'ndvi' else variable}"),
                    *best_cells([found.get(method, {}).get("rmse") for method in methods], 4),
                    Cell(number(ours.get("bias"), 4)),
                    Cell(number(ours.get("r2"), 2)),
                ]
            )
    head = ["set and variable", *(METHODS.get(method, method) for method in methods), "bias", "r²"]
    groups = (("", 1), ("RMSE", len(methods)), ("MM-VSF", 2))
    return Table("Each band, all leads together (reflectance)", head, body, groups=groups, folded=True)


def _training(metrics: dict[str, Any]) -> list[Part]:
    training = metrics.get("training") or {}
    names = {
        "parameters": "parameters",
        "steps": "steps",
        "seconds": "seconds",
        "windows_per_second": "windows a second",
        "device": "device",
        "precision": "precision",
    }
    rows = [
        (name, f"{training[key]:,}" if isinstance(training[key], int | float) else str(training[key]))
        for key, name in names.items()
        if training.get(key) is not None
    ]
    return [Facts(rows)] if rows else []
