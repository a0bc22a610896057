"""Class areas of the crop map, as `mmvsf areas` estimated them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .elements import Cell, Element, Note, ReportTable, percent
from .runs import DAMAGED, damaged, other_cube, read_metrics


def area_elements(path: Path, digest: str, command: str) -> list[Element]:
    """A table of the areas in areas.json at `path`, with limits; nothing where there is no such file."""
    try:
        result = read_metrics(path)
        return [] if result is None else [*other_cube(result.get("cube"), digest, command), *_elements(result)]
    except DAMAGED as error:
        return [damaged(path, error, command)]


def _elements(result: dict[str, Any]) -> list[Element]:
    sample = result["sample"]
    text = (
        f"Areas of {int(result['year'])} from {int(sample['labelled'])} reference pixels, drawn at random from each"
        " mapped class (Olofsson et al., 2014); counting the pixels of the map repeats its errors. Limits are 95 %."
    )
    body = [
        [
            Cell(str(entry["name"])),
            Cell(hectares(entry["mapped_ha"])),
            *_with_limits(entry["area_ha"], hectares),
            *_with_limits(entry["user_accuracy"], _whole_percent),
            *_with_limits(entry["producer_accuracy"], _whole_percent),
        ]
        for entry in result["classes"]
    ]
    head = ["class", "mapped", "area", "limits", "user's accuracy", "limits", "producer's accuracy", "limits"]
    accuracy = result["overall_accuracy"]
    low, high = (percent(bound, 0) for bound in accuracy["limits"])
    caption = f"Class areas in hectares; overall accuracy {percent(accuracy['value'], 0)} ({low} to {high})"
    return [Note(text), ReportTable(caption, head, body)]


def _with_limits(estimate: dict[str, Any] | None, text: Callable[[float], str]) -> list[Cell]:
    """The cells of a value and of its limits."""
    if estimate is None:
        return [Cell("–"), Cell("")]
    low, high = estimate["limits"]
    return [Cell(text(estimate["value"])), Cell(f"{text(low)} to {text(high)}")]


def hectares(value: float) -> str:
    """An area in hectares, for people."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _whole_percent(value: float) -> str:
    return percent(value, 0)
