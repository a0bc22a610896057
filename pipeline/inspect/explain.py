"""Where a pixel comes from: the scene that gave it, or the reason there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.paths import expanded
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import from_lonlat
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.variables import QUALITY_FILL, QUALITY_FLAGS, SCENE_FILL, STATIC_BY_NAME, Status
from mmvsf.pipeline.build.provenance import product_origin
from mmvsf.pipeline.layers.imagery.plan import entry_name
from mmvsf.pipeline.ledger import Ledger

from .days import parse_day, time_index
from .explain_radar import in_words as radar_in_words
from .explain_radar import passes_at

NO_DAY = "the recipe takes no images on that day"
REASONS = {
    Status.OUTSIDE: "the recipe does not cover that block",
    Status.NOT_ACQUIRED: "no scene of that day has a pixel in the block (a plan counts scenes by their rasters,"
    " which may be fill there)",
    Status.STORED: "the scenes of that day do not reach this pixel",
    Status.SKIPPED_CLOUDY: "the scenes of that day do not reach this pixel",
    Status.FAILED: "its scene could not be read; the next `mmvsf dataset` tries again",
}
"""Why a pixel of a block of that status has no scene."""


@dataclass(frozen=True)
class Explanation:
    """The origin of one pixel, as a sentence for people and as facts for programs."""

    sentence: str
    facts: dict[str, Any]


def explain_pixel(path: Location, day: str, x: float, y: float, *, lonlat: bool = False) -> Explanation:
    """Explain the pixel at x, y (metres in the cube's CRS, or degrees) on a day (YYYY-MM-DD).

    Raises InputError for a day or point outside the cube, and IncompleteError for a cube whose build is not finished:
    what became of each day is written at its end.
    """
    when = parse_day(day)
    cube = Cube.open(path)
    row, column = _pixel_at(cube, x, y, lonlat)
    time = time_index(cube, when)
    block = (row // cube.grid.block, column // cube.grid.block)
    status = Status(int(cube.array("blocks/status")[(time, *block)]))
    facts: dict[str, Any] = {"day": day, "row": row, "column": column, "block": block, "status": status.name.lower()}
    passes = passes_at(cube, time, block, row, column)
    if passes:
        facts["radar"] = passes
    layers = _static_layers(cube, row, column)
    if layers:
        facts["static"] = layers
    index, quality = (int(cube.pixels(f"imagery/{name}").read((time, row, column))) for name in ("scene", "quality"))
    pixel = f"row {row}, column {column} (block {block[0]},{block[1]}) on {day}"
    if index == SCENE_FILL:
        reason = _failure(cube, day_number(when), block) if status == Status.FAILED else _reason(cube, block, status)
        sentence = f"{pixel}: no data, since {reason}"
        facts["reason"] = reason
    else:
        scene = _scene_row(cube, day_number(when), block, index)
        flags = [name for name, mask, value in QUALITY_FLAGS if quality != QUALITY_FILL and quality & mask == value]
        services = scene["service"].split(", ")
        origins = (product_origin(cube.attributes, scene["product"], service) for service in services)
        origin = expanded(" and ".join(origins), cube.path)
        facts |= {"scene": scene, "quality": quality, "flags": flags, "origin": origin}
        only_mask = "; only its mask is stored, the block was too cloudy" if status == Status.SKIPPED_CLOUDY else ""
        source = f"; {scene['product']} of {origin}" if origin else ""
        sentence = f"{pixel}: from {scene['id']} ({', '.join(flags) or 'no flags'}){only_mask}{source}"
    return Explanation(sentence + radar_in_words(passes) + _in_words(layers), facts)


def _pixel_at(cube: Cube, x: float, y: float, lonlat: bool) -> tuple[int, int]:
    """(row, column) of a point. Raises InputError for one outside the cube."""
    grid = cube.grid
    if lonlat:
        if not (-360 <= x <= 360 and -90 < y < 90):
            raise InputError(f"--x {x:g} --y {y:g} is not in degrees; --x is the longitude, --y the latitude")
        x, y = from_lonlat(grid.crs).transform(x, y)
    if not (np.isfinite(x) and np.isfinite(y)):
        raise InputError(f"that point cannot be projected to {grid.crs}, the CRS of {cube.path}")
    row = int(np.floor((grid.top - y) / grid.resolution))
    column = int(np.floor((x - grid.left) / grid.resolution))
    height, width = grid.shape
    if not (0 <= row < height and 0 <= column < width):
        west, south, east, north = grid.geobox.boundingbox
        hint = "" if lonlat or abs(x) > 180 or abs(y) > 90 else "; for degrees add --lonlat"
        raise InputError(
            f"x {x:.8g}, y {y:.8g} is outside {cube.path}, which covers x {west:.0f} to {east:.0f} and y {south:.0f} to"
            f" {north:.0f} in {grid.crs}{hint}"
        )
    return row, column


def _reason(cube: Cube, block: BlockIndex, status: Status) -> str:
    """Why a pixel of a block of that status has no scene."""
    return NO_DAY if status == Status.OUTSIDE and block in cube.grid.blocks else REASONS[status]


def _failure(cube: Cube, day: int, block: BlockIndex) -> str:
    """Why the scenes of a day failed in a block, as the ledger beside the cube has it."""
    reason = ""
    if isinstance(cube.path, Path):
        entry = Ledger.of_cube(cube.path).read(entry_name(cube.grid, day // SHARD_DAYS, block)) or {}
        reason = next((f": {text}" for number, _, text in entry.get("failures", ()) if number == day), "")
    return REASONS[Status.FAILED].replace(";", f"{reason};", 1)


def _static_layers(cube: Cube, row: int, column: int) -> dict[str, float | None]:
    """The static layers at a pixel, None where there is no data."""
    layers: dict[str, float | None] = {}
    for name in cube.static_layers:
        value = float(cube.pixels(f"static/{name}").read((row, column)))
        layers[name] = value if np.isfinite(value) else None
    return layers


def _in_words(layers: dict[str, float | None]) -> str:
    words = [
        f"{name} no data" if value is None else f"{name} {value:.4g} {STATIC_BY_NAME[name].units}"
        for name, value in layers.items()
    ]
    return f". Static layers: {', '.join(words)}" if words else ""


def scene_services(attributes: Mapping[str, Any], products: NDArray[Any]) -> list[str]:
    """For each row of the table of scenes, whose `product` is given, the services that gave the scene, where the cube's
    source has several; else empty."""
    runs = attributes.get("services", {})
    services = {name: chain.from_iterable(repeat(*run) for run in own) for name, own in runs.items()}
    return [next(services.get(str(product), iter(())), "") for product in products]


def _scene_row(cube: Cube, day: int, block: BlockIndex, index: int) -> dict[str, Any]:
    """The row of the table of scenes that a pixel's index points to."""
    if not (cube.path / "scenes/id/zarr.json").is_file():
        raise InputError(f"{cube.path} is incomplete and has no table of scenes yet; run `mmvsf dataset` again")
    columns = ("day", "block_y", "block_x", "index", "id", "product", "version", "offset")
    table = {name: cube.array(f"scenes/{name}") for name in columns}
    key = {"day": day, "block_y": block[0], "block_x": block[1], "index": index}
    matches = np.flatnonzero(np.logical_and.reduce([table[name] == value for name, value in key.items()]))
    if matches.size != 1:
        raise InputError(f"{cube.path}: its table of scenes has {matches.size} rows for this pixel; run `mmvsf check`")
    row = int(matches[0])
    texts = {name: str(table[name][row]) for name in ("id", "product", "version")}
    rows = scene_services(cube.attributes, table["product"])
    return {**texts, "offset": int(table["offset"][row]), "service": rows[row]}
