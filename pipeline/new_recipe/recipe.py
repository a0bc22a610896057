"""A new recipe for a place and years: chosen, validated and written as YAML with the reason for each choice beside
it."""

import json
import os
import re
import textwrap
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.splits import place_split
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.words import plural

from .attribution import attribution
from .choices import (
    CLUSTER_SIZES,
    CLUSTERS,
    LARGE,
    Days,
    catalog_of,
    days_of,
    label_years,
    split_of,
    static_layers,
    weather_of,
)
from .place import Place, origin_of, projection

RESOLUTION, BLOCK, CHUNK, WEATHER_CELL = 30, 256, 64, 128


class NewRecipe(NamedTuple):
    """A recipe that was not written yet."""

    text: str
    """YAML"""
    blocks: int
    """blocks that it builds"""


class Line(NamedTuple):
    """A value of a recipe, and why it was chosen."""

    value: Any
    why: str = ""


def new_recipe(
    name: str,
    place: Place,
    years: str,
    path: Path,
    *,
    months: str | None = None,
    crs: str | None = None,
    title: str | None = None,
) -> NewRecipe:
    """The recipe of a place and years that will be written to `path`.

    Its sources are public and cover the place. It was parsed, and its grid and split were made. Raises InputError.
    """
    today = date.today()
    days = days_of(place, years, months, today)
    projected = (crs, "as requested") if crs else projection(place)
    content = _content(name, place, days, projected, title, today)
    blocks, grid = _sampled(content, path)
    sampled = "sample" in content["area"]
    content["split"] = {key: Line(value) for key, value in split_of(grid, sampled, days.years).items()}
    content["attribution"] = Line(attribution(days.years, _plain(content)))
    text = _yaml(content, blocks)
    region = parse_region(yaml.safe_load(text), str(path))
    place_split(region, grid)
    return NewRecipe(text, len(grid.blocks))


def write_recipe(path: Path, text: str) -> None:
    """Write a recipe to a new file. Raises InputError if there is a file of that name, OSError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path} exists and is not overwritten; take another name, or remove it") from None


def _content(
    name: str, place: Place, days: Days, crs: tuple[str, str], title: str | None, today: date
) -> dict[str, Any]:
    """The sections of a recipe before its sample and split are known."""
    catalog, weather = catalog_of(days), weather_of(place)
    labels, layers = label_years(place, days, today), static_layers(place)
    span = " to ".join(map(str, sorted({days.years[0], days.years[-1]})))
    x, y = origin_of(crs[0])
    season = days.season.model_dump()
    content: dict[str, Any] = {
        "name": Line(name),
        "title": Line(title or f"{place.words}, {span}"),
        "area": {key: Line(value) for key, value in place.area.items()},
        "grid": {
            "crs": Line(*crs),
            "resolution": Line(RESOLUTION, "metres, that of HLS"),
            "block": Line(BLOCK, f"pixels, {BLOCK * RESOLUTION / 1000:.1f} km: the unit of planning and of sampling"),
            "chunk": Line(CHUNK, "pixels: the unit of reading"),
            "weather_cell": Line(WEATHER_CELL, "pixels"),
            **({"origin": Line([x, y], "HLS counts its pixels from the equator")} if y else {}),
        },
        "period": {
            "start": Line(days.start),
            "end": Line(days.end, days.why_end),
            "months": Line(list(days.months), days.why),
            **({} if days.season.is_calendar_year else {"season": Line(season, days.season.words)}),
        },
        "imagery": {"source": Line("stac"), "catalog": Line(*catalog), "products": Line(["hls-l30", "hls-s30"])},
        "weather": {"source": Line(*weather)},
        "static": {"source": Line("public", "no account"), "layers": Line(list(layers))},
    }
    if labels:
        content["labels"] = {
            "source": Line("cropscape", "USDA's Cropland Data Layer, no account"),
            "years": Line(list(labels)),
            "groups": Line("default", "corn, soybeans, winter wheat, forest, ...; leave the line out for all classes"),
        }
    return content


def _sampled(content: dict[str, Any], path: Path) -> tuple[int, Grid]:
    """(blocks of the area, the grid), with a sample put into the content where the area is large."""

    def grid() -> Grid:
        return grid_from_recipe(parse_region(_plain(content), str(path)), path, Path())

    whole = grid()
    if len(whole.blocks) <= LARGE:
        return len(whole.blocks), whole
    for size in CLUSTER_SIZES:
        sample = {"clusters": CLUSTERS, "size": size, "seed": 1}
        why = f"of {len(whole.blocks):,} blocks; --blocks all builds all of them"
        content["area"]["sample"] = Line(sample, why)
        try:
            return len(whole.blocks), grid()
        except InputError:
            if size == CLUSTER_SIZES[-1]:
                raise
    raise AssertionError("unreachable")


def _plain(content: Any) -> Any:
    """The content without its reasons."""
    if isinstance(content, Line):
        return content.value
    return {key: _plain(value) for key, value in content.items()}


def _yaml(content: dict[str, Any], blocks: int) -> str:
    """The content as YAML, with the reasons as comments."""
    name = content["name"].value
    lines = [
        f"# Written by `mmvsf new`. The area of {name} has {plural(blocks, 'block')}. Change what you like:",
        "# `mmvsf regions --show example` explains every line, `mmvsf plan` shows what a build would do.",
    ]
    for key, value in content.items():
        if key == "split" and "labels" not in content:
            lines.append("# No `labels`: no public source here covers the area and years; see docs/sources.md.")
        if key == "attribution":
            lines += [f"{key}: >-", *textwrap.wrap(value.value, 116, initial_indent="  ", subsequent_indent="  ")]
        elif isinstance(value, Line):
            lines.append(_line(key, value, ""))
        else:
            lines += [f"{key}:", *(_line(inner, line, "  ") for inner, line in value.items())]
    return "\n".join(lines) + "\n"


def _line(key: str, line: Line, indent: str) -> str:
    text = f"{indent}{key}: {_flow(line.value)}"
    return f"{text:<42} # {line.why}" if line.why else text


def _flow(value: Any) -> str:
    """A value in YAML's flow style. Texts that YAML could read as something else are in quotes."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z][\w:-]*", value)
        return value if plain and yaml.safe_load(value) == value else json.dumps(value, ensure_ascii=False)
    return str(value)
