"""The tables that the commands of the model print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from mmvsf.datasets.console import plain_console
from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.words import plural
from mmvsf.model.evaluation.results.sections import TextSection
from mmvsf.model.forecasting.block import BlockForecast


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
        f"pictures  {folder / 'forecast.png'}, {folder / 'loss.png'}",
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
        console.print(f"{plural(result['unseen_pixels'], 'pixel')} never seen clear, so not mapped")
    console.print(
        f"map            {folder / 'crop_map.tif'}\n"
        f"probabilities  {folder / 'probabilities.tif'} (confidence.tif beside it)\n"
        f"unlike known   {folder / 'unlike.tif'}\nareas          {folder / 'map.json'}; for limits, run"
        f" `mmvsf areas {result['region']} --map {folder}`",
        soft_wrap=True,
    )


def show_forecast(result: BlockForecast, path: Path) -> None:
    """The forecast of a block, written to `path` with the endings .tif and .png."""
    table = Table("forecast", "issued", "days ahead", "clear before", "clear on the day")
    before, then = (float((image == image).all(0).mean()) for image in (result.last, result.observed))
    days_ahead = str(result.day - result.issued)
    table.add_row(str(date_of(result.day)), str(date_of(result.issued)), days_ahead, f"{before:.0%}", f"{then:.0%}")
    console = plain_console()
    console.print(table)
    if before < 1:
        console.print(
            f"{1 - before:.0%} of the pixels were never clear before; their forecast is made from the weather and the"
            " pixels around them only"
        )
    console.print(f"image    {path}.tif\npicture  {path}.png", soft_wrap=True)


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
