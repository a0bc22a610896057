"""The limits of a recipe: unbounded texts, lists and numbers, and work without end, are refused at once."""

import math
import re
from typing import Any

from mmvsf.datasets.errors import InputError

from .region import Region

MOST_CHARACTERS, MOST_ENTRIES, MOST_LEVELS = 20_000, 10_000, 20
LARGEST_NUMBER = 2**63
LINES_OF_TEXT = ("description", "attribution")
"""The texts that may have several lines."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")

MOST_BLOCKS = 1_000_000
"""Of the rectangle around an area: the contiguous US has 225,000 of 7.7 km."""
MOST_BLOCK_DAYS = 1_000_000_000
"""Of a cube: three years of the contiguous US are 250,000,000."""
MOST_WEATHER = 10_000_000_000
"""Values of weather, which are held in memory: 40 GB."""


def excesses(content: Any) -> list[str]:
    """What is too large in a recipe given as a mapping, each with its key."""
    found: list[str] = []
    left: list[tuple[str, Any, int]] = [("", content, 0)]
    while left and len(found) < MOST_ENTRIES:
        where, value, level = left.pop()
        if problem := _excess(where, value, level):
            found.append(f"{where or 'recipe'}: {problem}")
        elif isinstance(value, dict):
            left += [(f"{where}.{key}".lstrip("."), inner, level + 1) for key, inner in value.items()]
            found += [
                f"{where or 'recipe'}: the key {key!r:.60} is not a single-line string" for key in value if _odd(key)
            ]
        elif isinstance(value, (list, tuple)):
            left += [(f"{where}.{number}", inner, level + 1) for number, inner in enumerate(value)]
    return sorted(found)


def refuse_endless(region: Region, blocks_y: float, blocks_x: float, where: object) -> None:
    """Raise InputError for a recipe whose area, a rectangle of so many blocks, is more than anyone can build."""
    spec = region.grid
    blocks = blocks_y * blocks_x
    if not blocks <= MOST_BLOCKS:
        side = spec.block * spec.resolution
        raise InputError(
            f"{where}: the area lies in a rectangle of {_count(blocks)} blocks of {side:g} m, and a cube has at most"
            f" {MOST_BLOCKS:,}; take a smaller area, or larger pixels (grid.resolution) or blocks (grid.block)"
        )
    cells = blocks * math.ceil(spec.block / spec.weather_cell) ** 2
    days = (region.period.end - min(region.weather_start, region.period.start)).days + 1
    values = cells * days * len(region.weather.variables if region.weather else ())
    if values > MOST_WEATHER:
        raise InputError(
            f"{where}: the weather has {_count(values)} values, and a cube at most {MOST_WEATHER:,};"
            f" make weather cells larger (grid.weather_cell, now {spec.weather_cell} pixels) or the period shorter"
        )


def refuse_endless_days(region: Region, blocks: int, where: object) -> None:
    """Raise InputError for more blocks and days than anyone can build."""
    days = sum((last - first).days + 1 for first, last in region.period.runs)
    if blocks * days > MOST_BLOCK_DAYS:
        raise InputError(
            f"{where}: {blocks:,} blocks on {days:,} days are {_count(blocks * days)} images, and a cube has at most"
            f" {MOST_BLOCK_DAYS:,}; shorten the period, or sample the area (area.sample)"
        )


def _excess(where: str, value: Any, level: int) -> str:
    """What is too large in one value; empty where nothing is."""
    if isinstance(value, str):
        if len(value) > MOST_CHARACTERS:
            return f"takes at most {MOST_CHARACTERS:,} characters; found {len(value):,}"
        if CONTROL.search(value) or ("\n" in value and where not in LINES_OF_TEXT):
            return "takes one line without control characters"
    if isinstance(value, (dict, list, tuple)):
        if len(value) > MOST_ENTRIES:
            return f"takes at most {MOST_ENTRIES:,} entries; found {len(value):,}"
        if level > MOST_LEVELS:
            return "is nested too deeply"
    if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
        return "takes a number below 2^63"
    return ""


def _odd(key: Any) -> bool:
    return isinstance(key, str) and (len(key) > 200 or "\n" in key or CONTROL.search(key) is not None)


def _count(number: float) -> str:
    return f"{number:,.0f}" if number < 1e12 else f"{number:.1e}"
