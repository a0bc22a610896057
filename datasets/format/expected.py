"""The arrays that a cube must have according to its root attributes and `arrays.json`."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .schema import load

TABLE = load("arrays.json")
SHARD_DAYS = 32


class Expected(NamedTuple):
    """What the metadata of an array must say."""

    type: str
    dimensions: list[str]
    shape: list[int]
    shard: list[int] | None
    chunk: list[int]
    fill: Any


class Axes(NamedTuple):
    """The y and x axes of a group: pixel centres and the edges of the upper left pixel, metres."""

    step: float
    left: float
    top: float
    rows: int
    columns: int

    @property
    def centres(self) -> dict[str, NDArray[Any]]:
        y = self.top - (np.arange(self.rows) + 0.5) * self.step
        return {"y": y, "x": self.left + (np.arange(self.columns) + 0.5) * self.step}


def contradiction(root: dict[str, Any]) -> str | None:
    """In which way root attributes that fit their schema contradict each other."""
    grid = root["grid"]
    if grid["block"] % grid["chunk"] or grid["blocks_y"] % grid["tile"] or grid["blocks_x"] % grid["tile"]:
        return "grid: chunks must divide a block, and tiles the grid"
    if any(y >= grid["blocks_y"] or x >= grid["blocks_x"] for y, x in grid["blocks"]):
        return "grid.blocks: a block lies outside the grid"
    side = grid["tile"] * grid["block"] * grid["resolution"]
    places = (grid["left"] - grid["origin"][0]) / side, (grid["top"] - grid["origin"][1]) / side
    if any(abs(place - round(place)) > 1e-6 for place in places):
        return "grid: its edges do not lie on edges of tiles"
    return None


def tiles(root: dict[str, Any]) -> dict[str, NDArray[np.bool_]]:
    """Name -> (tile, tile) True for the blocks that the recipe covers, of every tile."""
    grid = root["grid"]
    tile, side = grid["tile"], grid["tile"] * grid["block"] * grid["resolution"]
    west = round((grid["left"] - grid["origin"][0]) / side)
    north = round((grid["top"] - grid["origin"][1]) / side)
    covered: dict[str, NDArray[np.bool_]] = {}
    for y, x in grid["blocks"]:
        name = f"x{west + x // tile}_y{north - 1 - y // tile}"
        covered.setdefault(name, np.zeros((tile, tile), bool))[y % tile, x % tile] = True
    return covered


def axes(root: dict[str, Any], tile: str, group: str) -> Axes:
    """The axes of a group of a tile. Cells of the weather are counted from the origin."""
    grid, (x, y) = root["grid"], (int(number) for number in tile[1:].split("_y"))
    size = TABLE["pixels"][group]
    cell = grid.get(size, size)
    side = grid["tile"] * grid["block"]
    first_x, first_y = x * side // cell, y * side // cell
    last_x, last_y = -(-(x + 1) * side // cell), -(-(y + 1) * side // cell)
    step = cell * grid["resolution"]
    left, top = grid["origin"][0] + first_x * step, grid["origin"][1] + last_y * step
    return Axes(step, left, top, last_y - first_y, last_x - first_x)


def coordinates(root: dict[str, Any], group: str) -> dict[str, list[Any]]:
    """Dimension -> its values, of those that are the same in every tile."""
    first, days = root["calendar"]["first_day"], SHARD_DAYS * root["calendar"]["shards"]
    return {
        "time": list(range(first, first + days)),
        "season": root["label_seasons" if group == "labels" else "seasons"],
        "band": root.get("bands", TABLE["bands"]),
        "variable": root["weather_variables"],
        "polarisation": root.get("radar_polarisations", []),
    }


def arrays(root: dict[str, Any], part: str, rows: int) -> dict[str, Expected]:
    """Name in the part -> what each array of a part must be. `rows` is the length of the table of scenes."""
    tile = part.removeprefix("tiles/") if part.startswith("tiles/") else None
    expected: dict[str, Expected] = {}
    for name, rule in _present(root, "tiles/<tile>" if tile else part):
        group = name.split("/")[0] if tile else part
        sizes = {key: len(values) for key, values in coordinates(root, group).items()} | {"bnds": 2, "row": rows}
        if tile:
            size = axes(root, tile, group)
            sizes |= {"y": size.rows, "x": size.columns}
            expected[f"{group}/spatial_ref"] = Expected("int32", [], [], None, [], 0)
        shape = [sizes[dimension] for dimension in rule["dimensions"]]
        shard = _lengths(root, rule["shard"], shape) if "shard" in rule else None
        chunk = _lengths(root, rule["chunk"], shape)
        expected[name] = Expected(rule["type"], rule["dimensions"], shape, shard, chunk, rule["fill"])
        for dimension in set(rule["dimensions"]) & set(TABLE["coordinates"]):
            axis, length = TABLE["coordinates"][dimension], sizes[dimension]
            place = f"{group}/{dimension}" if tile else dimension
            expected[place] = Expected(axis["type"], [dimension], [length], None, [length], axis["fill"])
    return expected


def _present(root: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of the table that a cube has."""
    for name, rule in TABLE["arrays"].get(kind, {}).items():
        if rule.get("each"):
            yield from ((name.replace("*", member), rule) for member in root.get(rule["each"], []))
        elif all(root.get(part) for part in rule.get("only", ())):
            yield name, rule


def _lengths(root: dict[str, Any], rule: list[int | str], shape: list[int]) -> list[int]:
    """The lengths of a chunk: numbers, at most the length of the array; `all`; or members of the root's grid."""

    def length(rule: int | str, size: int) -> int:
        if isinstance(rule, int):
            return min(rule, size)
        return size if rule == "all" else int(root["grid"][rule])

    return [max(1, length(*pair)) for pair in zip(rule, shape, strict=True)]
