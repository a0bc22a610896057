"""Draw the overviews of a cube from its pixels, and keep those that exist already."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.storage.encode import encode_groups
from mmvsf.datasets.storage.location import Location, write_many
from mmvsf.datasets.storage.manifest import Objects, Record, describe_part, digest_of
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, is_clear

from .cube import Cube
from .grid import Tile
from .layout_overviews import COLOURS, OVERVIEWS, has_colours, levels_of, overview_arrays, overview_groups
from .overviews import ClearSums, Mosaic, clearest_weeks, most_frequent
from .pixels import PixelArray
from .spec import CubeSpec

Part = TypeVar("Part")
Result = TypeVar("Result")


class Share(Protocol):
    """Runs a function on all parts, perhaps several at once, and gives the results in their order."""

    def __call__(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]: ...


def each_in_turn(function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """A `Share` of this thread alone."""
    return [function(part) for part in parts]


class _Drawn(NamedTuple):
    """A tile in a season at one level; None where it has no such layer."""

    colours: NDArray[np.uint8] | None
    crop: NDArray[np.uint16] | None


def draw_overviews(cube: Cube, share: Share = each_in_turn) -> dict[str, bytes]:
    """The chunks of a cube's overviews, by name in the group `overviews`. A few weeks of each season are read, a tenth
    of the cube; `share` runs a function on the tiles. Raises InputError where what is read is damaged."""
    mosaics = {factor: Mosaic() for factor in levels_of(cube.spec)}
    if not mosaics:
        return {}
    clear_fraction = cube.array("chunks/clear_fraction")
    starts, ends = (cube.array(f"seasons/{end}") - cube.calendar.first_day for end in ("start", "end"))
    # Each chunk is read once. Chunks that are kept would take new memory each, whose pages cost a third of the time.
    images, masks = (cube.pixels(f"imagery/{name}", cache_bytes=0) for name in ("reflectance", "quality"))

    def drawn(part: tuple[Tile, int]) -> dict[int, _Drawn]:
        tile, season = part
        span = max(int(starts[season]), 0), min(int(ends[season]) + 1, len(cube.calendar))
        rows, columns = _chunks_of(cube, tile)
        fractions = clear_fraction[:, rows, columns]
        weeks = clearest_weeks(fractions, *span)
        seen = (fractions != CLEAR_FRACTION_FILL).any(axis=(1, 2))
        days = [first + np.flatnonzero(seen[first:stop]) for first, stop in weeks]
        sums, crop = _clear_sums(images, masks, tile, days, min(mosaics)), _crop(cube, tile, season)
        return {
            factor: _Drawn(
                None if sums is None else sums.coarser(factor // min(mosaics)).colours(),
                None if crop is None else most_frequent(crop, factor),
            )
            for factor in mosaics
        }

    parts = [(tile, season) for tile in cube.grid.tiles for season in range(len(starts))]
    for (tile, season), levels in zip(parts, share(drawn, parts), strict=True):
        for factor, (colours, crop) in levels.items():
            specs, place = overview_arrays(cube.spec, factor), _corner(cube, tile, factor)
            if colours is not None:
                mosaics[factor].paste(specs["true_colour"], (season, 0), *place, colours)
            if crop is not None:
                mosaics[factor].paste(specs["crop"], (season,), *place, crop)
    return {
        f"{factor}/{name}": body
        for factor, mosaic in mosaics.items()
        for name, body in _encoded(overview_arrays(cube.spec, factor), mosaic).items()
    }


def overview_metadata(spec: CubeSpec, parts: Mapping[str, Objects]) -> dict[str, bytes]:
    """Groups and arrays of the overviews of these parts of a cube, without their chunks."""
    tiles = {name: describe_part(objects) for name, objects in parts.items() if name.startswith("tiles/")}
    encoded = encode_groups(overview_groups(spec, digest_of(tiles)))
    return {
        name.removeprefix(f"{OVERVIEWS}/"): body for name, body in encoded.items() if name.startswith(f"{OVERVIEWS}/")
    }


def are_current(metadata: Mapping[str, bytes], known: Objects) -> bool:
    """Whether the overviews that were written are of the same tiles and arrays."""
    return all(known.get(name) == Record.of(body) for name, body in metadata.items())


def write_overviews(cube: Location, objects: Mapping[str, bytes], known: Objects) -> dict[str, Record]:
    """Write the objects of the overviews in place of those known from before. Returns their records. Raises OSError."""
    for name in set(known) - set(objects):
        (cube / OVERVIEWS / name).unlink(missing_ok=True)
    write_many(cube / OVERVIEWS, dict(objects), sync=False)
    return {name: Record.of(body) for name, body in objects.items()}


def _clear_sums(
    images: PixelArray, masks: PixelArray, tile: Tile, weeks: list[NDArray[np.int64]], factor: int
) -> ClearSums | None:
    """The sums of a tile over the days of some weeks; None without a week, or without red, green and blue."""
    if not has_colours(images.cube.spec):
        return None
    place = _pixels_of(images.cube, tile)
    bands = [images.cube.bands.index(name) for name in COLOURS]
    total: ClearSums | None = None
    for days in weeks:
        reflectance = images.begin((days, bands, *place))
        clear = is_clear(masks.read((days, *place)))
        sums = ClearSums.of(reflectance(), clear, factor)
        total = sums if total is None else total + sums
    return total


def _crop(cube: Cube, tile: Tile, season: int) -> NDArray[np.uint16] | None:
    """The labels of a tile; None in a season without."""
    year = cube.years[season]
    if cube.legend is None or year not in cube.label_years:
        return None
    return cube.pixels("labels/crop").read((cube.label_years.index(year), *_pixels_of(cube, tile)))


def _pixels_of(cube: Cube, tile: Tile) -> tuple[slice, slice]:
    """Rows and columns of a tile in the pixels of the whole grid."""
    block, side = cube.grid.block, cube.grid.tile * cube.grid.block
    row, column = tile.row * block, tile.column * block
    return slice(row, row + side), slice(column, column + side)


def _chunks_of(cube: Cube, tile: Tile) -> tuple[slice, slice]:
    """Rows and columns of a tile in the chunks of the whole grid."""
    rows, columns = (
        slice(part.start // cube.grid.chunk, part.stop // cube.grid.chunk) for part in _pixels_of(cube, tile)
    )
    return rows, columns


def _corner(cube: Cube, tile: Tile, factor: int) -> tuple[int, int]:
    rows, columns = _pixels_of(cube, tile)
    return rows.start // factor, columns.start // factor


def _encoded(specs: Mapping[str, ArraySpec], mosaic: Mosaic) -> dict[str, bytes]:
    """The objects of a level's chunks, without those that are nothing but fill."""
    objects = {}
    for (name, index), values in mosaic.chunks.items():
        body = _encoded_chunk(specs[name], values)
        if body is not None:
            objects["/".join([name, "c", *map(str, index)])] = body
    return objects


def _encoded_chunk(spec: ArraySpec, values: NDArray[Any]) -> bytes | None:
    alone = GroupSpec("level", (replace(spec, shape=spec.chunks, attributes={}),))
    encoded = encode_groups([alone], {f"level/{spec.name}": values})
    return encoded.get("/".join(["level", spec.name, "c", *("0" for _ in spec.shape)]))
