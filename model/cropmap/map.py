"""The map of one season of a cube by a trained mapper: tiles, then GeoTIFFs of the whole, and areas by class."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from rich.progress import track

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.windows import clear_days
from mmvsf.model.records import has_settings, read_record, write_json
from mmvsf.model.tasks import run_tasks
from mmvsf.model.training.progress import console

from .apply import MapJob, TileMap, map_tile, opened, read_tile, tile_record
from .geotiff import LAYERS, map_writer
from .saved import SavedMapper, check_applies, load_mapper, mapper_folder

MAP_RECORD, TILES = "map.json", "tiles"
HECTARE = 1e4
"""Square metres."""

Seen = Callable[[BlockIndex, TileMap, tuple[slice, slice]], None]
"""Called with a block, the map of its tile, and the rows and columns of the block in it."""


@dataclass(frozen=True, slots=True)
class MapOptions:
    """What is mapped, and how."""

    year: int | None = None
    """the name of a season; by default that of `until`, or the last in which something was seen"""
    until: date | None = None
    """the last day that is used"""
    workers: int | None = None
    """as in `run_tasks`"""
    scheduler: str | None = None


def map_region(cube: Cube, mapper: Path, runs: Path, options: MapOptions) -> tuple[dict[str, Any], Path]:
    """Apply the mapper in the folder `mapper` to a cube; the map goes to a folder below `runs`, which is returned with
    the content of its map.json.

    A map that was interrupted is continued, one that is finished is left as it is. Raises InputError where mapper and
    cube do not fit, the cube has no such year, or nothing was seen in it until then.
    """
    where = mapper_folder(mapper)
    saved = load_mapper(where)
    differences = check_applies(saved, cube, where)
    for difference in differences:
        console.print(f"note: {cube.path} differs from what the mapper learned: {difference}", soft_wrap=True)
    year = chosen_season(cube, options)
    check_seen(cube, year, options.until)
    folder = runs / (str(year) if options.until is None else f"{year}-until-{options.until}")
    return apply_mapper(cube, saved, where, folder, year, options, differences=differences), folder


def chosen_season(cube: Cube, options: MapOptions) -> int:
    """The season to map. Raises InputError for one that the cube does not have, or a day outside it."""
    year = options.year
    if options.until is not None:
        season = cube.season.season_of(options.until).name
        if year is not None and season != year:
            bounds = cube.season.season(year)
            raise InputError(f"--until {options.until}: the season {year} is from {bounds.first} to {bounds.last}")
        year = season
    if year is None:
        return _last_seen_season(cube)
    if year not in cube.years:
        option = f"--year {year}" if options.year is not None else f"--until {options.until}"
        raise InputError(f"{option}: {cube.path} has the years {', '.join(map(str, cube.years))}")
    return year


def _last_seen_season(cube: Cube) -> int:
    seen = seasons_seen(cube)
    if not seen:
        raise InputError(f"{cube.path} has no image, so there is nothing to map")
    return max(seen)


def seasons_seen(cube: Cube) -> set[int]:
    """The seasons with a clear image, by name."""
    return set(cube.season.names_of(_days_with_images(cube)).tolist())


def _days_with_images(cube: Cube) -> NDArray[np.int32]:
    return cube.calendar.days[clear_days(cube).any(axis=(1, 2))]


def check_seen(cube: Cube, year: int, until: date | None) -> None:
    """Raises InputError where nothing was seen in a season, or until a day of it."""
    bounds, days = cube.season.season(year), _days_with_images(cube)
    days = days[(days >= bounds.first_number) & (days <= bounds.last_number)]
    if len(days) == 0:
        raise InputError(f"{cube.path} has no clear image in {year}, so there is nothing to map; choose another --year")
    if until is not None and days[0] > day_number(until):
        raise InputError(
            f"--until {until}: the first clear image of {year} in {cube.path} is of {date_of(int(days[0]))}; choose a"
            " later day"
        )


def apply_mapper(
    cube: Cube,
    saved: SavedMapper,
    where: Path,
    folder: Path,
    year: int,
    options: MapOptions,
    *,
    differences: Sequence[str] = (),
    seen: Seen | None = None,
) -> dict[str, Any]:
    """Map a season into a folder with a mapper that was read from `where`; returns the content of map.json. `seen` is
    called for every block."""
    until = None if options.until is None else day_number(options.until)
    job = MapJob(cube.path, cube.digest, where, saved.digest, year, until, folder / TILES)
    finished = read_record(folder / MAP_RECORD)
    if seen is None and finished and has_settings(finished, job.settings()) and _has_layers(folder):
        console.print(f"the map in {folder} is already complete", soft_wrap=True)
        return finished
    job.folder.mkdir(parents=True, exist_ok=True)
    opened(job)  # once, before workers that share it
    missing = [tile for tile in cube.grid.tiles if tile_record(job, tile) is None]
    tasks = run_tasks(partial(map_tile, job), missing, options.workers, options.scheduler)
    for _ in track(tasks, "mapping tiles", len(missing), console=console):
        pass
    opened.cache_clear()
    records = _write_layers(job, cube, saved, folder, seen)
    result = {
        "settings": job.settings(),
        "region": cube.region.name,
        "cube": cube.digest,
        "year": year,
        "until": None if options.until is None else str(options.until),
        "mapper": {"folder": str(where), "digest": saved.digest, "trained_on": saved.config["trained_on"]},
        "differences": list(differences),
        "classes": list(saved.config["classes"]),
        **_areas(cube, saved, records),
        "files": list(LAYERS),
    }
    write_json(folder / MAP_RECORD, result)
    shutil.rmtree(job.folder)
    return result


def _has_layers(folder: Path) -> bool:
    return all((folder / name).is_file() for name in LAYERS)


def _write_layers(
    job: MapJob, cube: Cube, saved: SavedMapper, folder: Path, seen: Seen | None
) -> list[Mapping[str, Any]]:
    """Write the GeoTIFFs from all tiles; returns the tiles' records. Raises InputError where a tile was damaged."""
    records: list[Mapping[str, Any]] = []
    with map_writer(folder, cube.grid, saved.legend, job.year) as writer:
        for tile in track(cube.grid.tiles, "writing the map", console=console):
            record = tile_record(job, tile)
            if record is None:
                raise InputError(f"the tile {tile.name} in {job.folder} is damaged; run the same command again")
            records.append(record)
            mapped = read_tile(job, tile)
            for by, bx in tile.grid.blocks:
                block, at = (tile.row + by, tile.column + bx), tile.grid.block_slices((by, bx))
                writer.write(block, mapped.classes[at], mapped.probabilities[:, *at], mapped.unlike[at])
                if seen is not None:
                    seen(block, mapped, at)
    return records


def _areas(cube: Cube, saved: SavedMapper, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Pixels of each class, and hectares where the grid is in metres, and pixels that were not seen."""
    counts = np.sum([record["pixels"] for record in records], axis=0)
    mapped, unseen = int(counts.sum()), sum(record["unseen"] for record in records)
    hectares = None if CRS(cube.grid.crs).is_geographic else cube.grid.resolution**2 / HECTARE
    return {
        "areas": [
            {
                "class": entry.name,
                "pixels": int(count),
                "hectares": None if hectares is None else int(count) * hectares,
                "share": int(count) / mapped if mapped else None,
            }
            for entry, count in zip(saved.legend.classes, counts, strict=True)
        ],
        "mapped_pixels": mapped,
        "unseen_pixels": unseen,
    }
