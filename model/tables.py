"""The tables that the commands of the model print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from mmvsf.datasets.console import plain_console
from mmvsf.datasets.words import plural
from mmvsf.model.evaluation.results.sections import TextSection
from mmvsf.model.forecasting.block import LOOK_BACK
from mmvsf.model.forecasting.numbers import WHOLE

ALL_WITHIN = 10
"""Courses of the weather, at most, of which the outer quantiles are the lowest and the highest."""
FEW = 5
"""Courses, of which fewer say little of what may come."""


def show_pretrain(metrics: dict[str, Any], folder: Path) -> None:
    """Error by held-out set, method and lead time; the last lines of the command."""
    rows = {(r["set"], r["method"], r["lead"]): r for r in metrics["forecast"] if r["variable"] == "mean"}
    leads = [lead for lead in ("5-10", "11-20", "21-40", "41-80", "all") if any(key[2] == lead for key in rows)]
    table = Table("held-out set", "method", *leads, title="forecast error by days ahead (MSE, 1 = training variance)")
    for part, method in dict.fromkeys((key[0], key[1]) for key in rows):
        values = [rows.get((part, method, lead), {}).get("mse") for lead in leads]
        table.add_row(_part(part), _method(method), *("-" if v is None else f"{v:.3f}" for v in values))
    console, training = plain_console(), metrics["training"]
    console.print(table if rows else "nothing is held out, so nothing was scored")
    console.print(
        f"{training['steps']} steps, {training['windows_per_second']} windows/s, {training['precision']} on "
        f"{training['device']}\nmodel     {folder / 'model.safetensors'}\ncard      {folder / 'README.md'}\n"
        f"scores    {folder / 'metrics.json'}\n"
        f"pictures  {', '.join(str(folder / name) for name in metrics['pictures'])}",
        soft_wrap=True,
    )


def show_cropmap(metrics: dict[str, Any], folder: Path) -> None:
    """Scores by held-out set and method; the last lines of the command."""
    table = Table("held-out set", "method", "mean F1", "accuracy", "mIoU", title="crop map")
    for row in metrics["scores"]:
        values = (row["mean_f1"], row["accuracy"], row["miou"])
        table.add_row(
            _part(row["set"]), _method(row["method"]),
            *("-" if v is None else f"{v:.3f}" for v in values),
        )  # fmt: skip
    console = plain_console()
    console.print(table if metrics["scores"] else "no labels are held out, so nothing was scored")
    console.print(
        f"map of {metrics['map']['year']}  {folder / 'crop_map.tif'} (confidence.tif beside it)\n"
        f"scores       {folder / 'metrics.json'}\npicture      {folder / 'map.png'}",
        soft_wrap=True,
    )


def show_regression(metrics: dict[str, Any], folder: Path) -> None:
    """Scores by held-out set and method; the last lines of the command."""
    name, units = metrics["target"]["name"], metrics["target"]["units"]
    table = Table("held-out set", "method", f"RMSE ({units})", "R2", "pixels", title=name)
    for row in metrics["scores"]:
        r2 = "-" if row["r2"] is None else f"{row['r2']:.3f}"
        table.add_row(_part(row["set"]), _method(row["method"]), f"{row['rmse']:.3f}", r2, f"{row['n']:,}")
    console = plain_console()
    console.print(table if metrics["scores"] else "no values are held out, so nothing was scored")
    console.print(f"regressor  {folder}\nscores     {folder / 'metrics.json'}", soft_wrap=True)


def show_map(result: dict[str, Any], folder: Path) -> None:
    """Areas by class; the last lines of `map`."""
    season = f"{result['year']}" if result["until"] is None else f"{result['year']} until {result['until']}"
    table = Table("class", "pixels", "hectares", "share", title=f"map of {season}")
    for row in result["areas"]:
        hectares, share = row["hectares"], row["share"]
        table.add_row(
            row["class"], f"{row['pixels']:,}", "-" if hectares is None else f"{hectares:,.0f}",
            "-" if share is None else f"{share:.1%}",
        )  # fmt: skip
    console = plain_console()
    console.print(table)
    if result["unseen_pixels"]:
        console.print(f"{plural(result['unseen_pixels'], 'pixel')} without a clear image, so not mapped")
    console.print(
        f"map            {folder / 'crop_map.tif'}\n"
        f"probabilities  {folder / 'probabilities.tif'} (confidence.tif beside it)\n"
        f"unlike         {folder / 'unlike.tif'} (100: unlike all training places)\n"
        f"areas          {folder / 'map.json'}; for limits, run"
        f" `mmvsf areas {result['region']} --map {folder}`",
        soft_wrap=True,
    )


def show_forecast(result: dict[str, Any], folder: Path) -> None:
    """Means of the area by day; the last lines of `forecast`."""
    name = "NDVI" if result["compared"] == "ndvi" else result["compared"]
    courses = len(result["weather"]["members"])
    several, what = courses > 1, plural(courses, "year" if result["weather"]["name"] == "years" else "course")
    outer = f"range of {what}" if courses <= ALL_WITHIN else f"90 % interval of {what}"
    table = Table(
        "day", "days ahead", "weather", name, *([outer] if several else []),
        title=f"forecast of {result['area']}, issued {result['issued']}",
    )  # fmt: skip
    for row in result["numbers"]:
        if row["area"] != WHOLE or row["variable"] != result["compared"] or row["q50"] is None:
            continue
        interval = [f"{row['q05']:.3f} to {row['q95']:.3f}"] if several else []
        table.add_row(row["day"], str(row["days_ahead"]), row["weather"], f"{row['q50']:.3f}", *interval)
    console = plain_console()
    console.print(table)
    if several and courses < FEW:
        console.print(f"note: the range is that of {what} only; the truth may well lie outside it", soft_wrap=True)
    if result["unseen_pixels"]:
        console.print(
            f"{result['unseen_pixels']:,} pixels had no clear image in the {LOOK_BACK} days before, so they are not"
            " forecast"
        )
    console.print(
        f"images    {folder / result['files'][0]}, ...\nnumbers   {folder / 'numbers.csv'}\n"
        f"pictures  {folder / 'fan.png'}, {folder / 'maps.png'}",
        soft_wrap=True,
    )
    if result["scenario"] is None:
        console.print(
            f"verify    when the cube has images of these days, run mmvsf verify-forecast {folder}", soft_wrap=True
        )


def show_verification(result: dict[str, Any], folders: Sequence[Path]) -> None:
    """Errors by days ahead; the last lines of `verify-forecast`."""
    name = "NDVI" if result["compared"] == "ndvi" else result["compared"]
    table = Table(
        "days", "method", "pixels", "RMSE", "bias", "in 50 %", "in 90 %", "CRPS",
        title=f"{name} by days ahead: forecasts and observations",
    )  # fmt: skip
    for row in result["scores"]:
        if row["variable"] != result["compared"]:
            continue
        inside = ("-" if row[share] is None else f"{row[share]:.0%}" for share in ("coverage_50", "coverage_90"))
        table.add_row(
            str(row["days_ahead"]), _method(row["method"]), f"{row['pixels']:,}", f"{row['mse'] ** 0.5:.3f}",
            f"{row['bias']:+.3f}", *inside, f"{row['crps']:.3f}",
        )  # fmt: skip
    console = plain_console()
    console.print(table)
    for line in result["notes"]:
        console.print(f"note: {line}", soft_wrap=True)
    console.print(
        f"scores    {folders[0] / 'verification.json'}\npicture   {folders[0] / 'verification.png'}", soft_wrap=True
    )


def show_sections(sections: Sequence[TextSection], folder: Path) -> None:
    """The results of an evaluation, whose files are in `folder`."""
    console = plain_console()
    for section in sections:
        console.print(f"\n{section.title}", style="bold", highlight=False)
        for table in section.tables:
            printed = Table(*table.head, title=table.caption)
            for row in table.rows:
                printed.add_row(*row)
            console.print(printed)
    console.print(f"results  {folder / 'results.json'}", soft_wrap=True)


def show_areas(result: dict[str, Any], folder: Path) -> None:
    """Class areas in hectares and accuracies, with limits of 95 %; the last lines of `areas`."""
    table = Table(
        "class", "mapped ha", "area ha", "95 % limits", "user's", "producer's", title=f"areas, {result['year']}"
    )
    for entry in result["classes"]:
        low, high = entry["area_ha"]["limits"]
        table.add_row(
            entry["name"], f"{entry['mapped_ha']:,.1f}", f"{entry['area_ha']['value']:,.1f}",
            f"{low:,.1f} to {high:,.1f}",
            _percent(entry["user_accuracy"]), _percent(entry["producer_accuracy"]),
        )  # fmt: skip
    console, sample = plain_console(), result["sample"]
    console.print(table)
    console.print(
        f"overall accuracy {_percent(result['overall_accuracy'])}; {sample['labelled']} of {sample['pixels']} reference"
        f" pixels are labelled\nareas   {folder / 'areas.json'}\nsample  {result['reference']}",
        soft_wrap=True,
    )


def _part(name: str) -> str:
    """A held-out set as all tables call it."""
    return "new place and year" if name == "both" else name.replace("_", " ")


def _method(name: str) -> str:
    return "MM-VSF" if name == "mmvsf" else name.replace("_", " ")


def _percent(estimate: dict[str, Any] | None) -> str:
    if estimate is None:
        return "-"
    low, high = estimate["limits"]
    return f"{estimate['value']:.0%} ({low:.0%}-{high:.0%})"
