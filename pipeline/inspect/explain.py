"""Where a pixel comes from: the scene that gave it, or the reason there is none."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import from_lonlat
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.store import open_pixels, read_pixels
from mmvsf.datasets.variables import QUALITY_FILL, QUALITY_FLAGS, SCENE_FILL, STATIC_BY_NAME, Status
from mmvsf.pipeline.build.provenance import product_origin


@dataclass(frozen=True)
class Explanation:
    sentence: str
    facts: dict[str, Any]


def explain_pixel(path: Location, day: str, x: float, y: float, *, lonlat: bool = False) -> Explanation:
    """Explain the pixel at x, y (metres in the cube's CRS, or degrees) on a day (YYYY-MM-DD).

    Raises InputError for a day or place outside the cube.
    """
    cube = Cube.open(path, allow_incomplete=True)
    when = parse_day(day)
    if lonlat:
        if not (-180 <= x <= 180 and -90 < y < 90):
            raise InputError(f"--x {x:g} --y {y:g} is no place in degrees; --x is the longitude, --y the latitude")
        x, y = from_lonlat(cube.grid.crs).transform(x, y)
    if not (np.isfinite(x) and np.isfinite(y)):
        raise InputError(f"that place cannot be projected to {cube.grid.crs}, the CRS of {path}")
    row = int(np.floor((cube.grid.top - y) / cube.grid.resolution))
    column = int(np.floor((x - cube.grid.left) / cube.grid.resolution))
    height, width = cube.grid.shape
    if not (0 <= row < height and 0 <= column < width):
        west, south, east, north = cube.grid.geobox.boundingbox
        hint = "; for degrees add --lonlat" if abs(x) <= 180 and abs(y) <= 90 else ""
        raise InputError(
            f"x {x:.8g}, y {y:.8g} lies outside {path}, which covers x {west:.0f} to {east:.0f} and y {south:.0f} to"
            f" {north:.0f} in {cube.grid.crs}{hint}"
        )
    try:
        time = cube.calendar.index(day_number(when))
    except IndexError as error:
        first, last = (date_of(cube.calendar.days[end]) for end in (0, -1))
        raise InputError(f"{path}: {error}, which runs from {first} to {last}") from error
    block = (row // cube.grid.block, column // cube.grid.block)
    status = Status(int(cube.array("imagery/status")[(time, *block)]))
    facts: dict[str, Any] = {"day": day, "row": row, "column": column, "block": block, "status": status.name.lower()}
    ground, words = _ground(cube, row, column)
    if ground:
        facts["static"] = ground
    index = int(read_pixels(open_pixels(path, "imagery/scene"), (time, row, column)))
    quality = int(read_pixels(open_pixels(path, "imagery/quality"), (time, row, column)))
    place = f"row {row}, column {column} (block {block[0]},{block[1]}) on {day}"
    if index == SCENE_FILL:
        reason = {
            Status.OUTSIDE: "the recipe takes no images on that day"
            if block in cube.grid.blocks
            else "the recipe does not cover that block",
            Status.NOT_ACQUIRED: "no scene of that day has a pixel in the block (a plan counts scenes by their"
            " outlines, which reach a little beyond their pixels)",
            Status.FAILED: "the scene could not be read; the next `mmvsf dataset` tries again",
        }.get(status, "the scenes of that day do not reach this pixel")
        return Explanation(f"{place}: no data, since {reason}{words}", {**facts, "reason": reason})
    scene = _scene_row(cube, day_number(when), block, index)
    flags = [name for name, mask, value in QUALITY_FLAGS if quality != QUALITY_FILL and quality & mask == value]
    facts |= {"scene": scene, "quality": quality, "flags": flags}
    origin = product_origin(cube.attributes, scene["product"])
    facts |= {"origin": origin}
    from_where = f"; {scene['product']} of {origin}" if origin else ""
    stored = "" if status != Status.SKIPPED_CLOUDY else "; only its mask is stored, the block was too cloudy"
    sentence = f"{place}: from {scene['id']} ({', '.join(flags) or 'no flags'}){stored}{from_where}{words}"
    return Explanation(sentence, facts)


def _ground(cube: Cube, row: int, column: int) -> tuple[dict[str, float | None], str]:
    """The static layers of a pixel, None where unknown, and the same in words; nothing for a cube without."""
    facts: dict[str, float | None] = {}
    words = []
    for name in cube.static_layers:
        value = float(read_pixels(open_pixels(cube.path, f"static/{name}"), (row, column)))
        facts[name] = value if np.isfinite(value) else None
        words.append(f"{name} {value:.4g} {STATIC_BY_NAME[name].units}" if np.isfinite(value) else f"{name} unknown")
    return facts, f". The ground there: {', '.join(words)}" if words else ""


def _scene_row(cube: Cube, day: int, block: tuple[int, int], index: int) -> dict[str, Any]:
    if not (cube.path / "scenes/id/zarr.json").is_file():
        raise InputError(f"{cube.path} is half built and has no table of scenes yet; run `mmvsf dataset` again")
    table = {
        name: cube.array(f"scenes/{name}")
        for name in ("day", "block_y", "block_x", "index", "id", "product", "version", "offset")
    }
    match = np.flatnonzero(
        (table["day"] == day)
        & (table["block_y"] == block[0])
        & (table["block_x"] == block[1])
        & (table["index"] == index)
    )
    if match.size != 1:
        raise InputError(f"{cube.path}: its table of scenes has {match.size} rows for this pixel; run `mmvsf check`")
    row = int(match[0])
    return {
        "id": str(table["id"][row]),
        "product": str(table["product"][row]),
        "version": str(table["version"][row]),
        "offset": int(table["offset"][row]),
    }


def parse_day(text: str) -> date:
    """A date written YYYY-MM-DD. Raises InputError."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"'{text}' is no date; write YYYY-MM-DD") from error
