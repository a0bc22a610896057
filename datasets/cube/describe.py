"""What an object of a cube holds, in words, for errors."""

from typing import TYPE_CHECKING

from .calendar import date_of
from .place import PIXELS

if TYPE_CHECKING:
    from .spec import CubeSpec


def describe_object(spec: "CubeSpec", name: str) -> str:
    """The days or the season, and the block or the tile, of a chunk or shard such as
    `tiles/x3_y12/imagery/quality/c/9/1/2`; empty for anything else."""
    parts = name.split("/")
    tiles = {tile.name: tile for tile in spec.grid.tiles}
    if len(parts) < 6 or parts[0] != "tiles" or parts[4] != "c" or parts[1] not in tiles:
        return ""
    tile, group, array = tiles[parts[1]], parts[2], "/".join(parts[2:4])
    try:
        member = spec.array(array)
    except KeyError:
        return ""
    at = dict(zip(member.dims, map(int, parts[5:]), strict=True))
    words = []
    if "time" in at:
        length = (member.shards or member.chunks)[0]
        first, size = at["time"] * length, len(spec.calendar)
        days = (spec.calendar.first_day + day for day in (first, min(first + length, size) - 1))
        words.append(" to ".join(str(date_of(day)) for day in days))
    if "season" in at:
        seasons = spec.label_years if group == "labels" else spec.years
        words.append(str(seasons[at["season"]]))
    if "y" in at:
        block = f"block {tile.row + at['y']},{tile.column + at['x']}"
        words.append(block if group in PIXELS else f"tile {tile.name}")
    return ", ".join(words)
