"""Writes the simulated archive: scenes, STAC items, weather and crop labels, in the formats of the real ones."""

import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from mmvsf.datasets.json_text import parse_json

from . import weather_generator
from .labels import write_labels
from .scenes import TileYear, write_tile_year
from .spec import Site, WorldSpec, check_sites, describe
from .terrain import write_terrain
from .world import SiteWorld, site_world

Progress = Callable[[int, int], None]


def simulate(
    spec: WorldSpec,
    sites: Sequence[Site],
    root: Path,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Write the archive of `sites` into the folder `root`:

    - `items.json`, a STAC ItemCollection, and `scenes/<id>/<id>.<asset>.tif`
    - `weather/daily.nc`, `labels/crop_<year>.tif`, `labels/legend.csv`
    - `ground/elevation.tif`, `ground/soil_water.tif`
    - `world.json`, what was simulated

    A finished archive of the same spec and sites is kept; any other is replaced once the new one is complete. The
    bytes do not depend on `workers` (processes; with 1 no other is started). `progress` is called with the units done
    and their total. Raises ValueError for sites that cannot be simulated, OSError if the disk refuses, FileExistsError
    where `root` holds something that is not such an archive.
    """
    check_sites(sites)
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    description = describe(spec, sites)
    if is_finished(spec, sites, root):
        return
    if root.exists() and any(root.iterdir()) and not (root / "world.json").is_file():
        raise FileExistsError(f"{root} is not empty and not a simulated archive; choose another folder")

    draft = root.with_name(f".{root.name}.unfinished")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(parents=True)
    _write(spec, sites, draft, workers, progress or (lambda done, total: None))
    (draft / "world.json").write_text(json.dumps(description, indent=1) + "\n")
    if root.exists():
        shutil.rmtree(root)
    draft.rename(root)


def is_finished(spec: WorldSpec, sites: Sequence[Site], root: Path) -> bool:
    """Whether `root` holds the finished archive of exactly this spec and these sites."""
    try:
        description = parse_json((root / "world.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return bool(description == describe(spec, sites))


def _write(spec: WorldSpec, sites: Sequence[Site], root: Path, workers: int, progress: Progress) -> None:
    weather = weather_generator.generate(spec)
    (root / "weather").mkdir()
    weather_generator.write(spec.placement.weather(weather), root / "weather" / "daily.nc")
    worlds = tuple(site_world(spec, site, weather) for site in sites)
    write_labels(root / "labels", worlds)
    write_terrain(root / "ground", worlds)
    tasks = _tasks(spec, worlds, root)
    items: list[dict[str, Any]] = []
    for done, items_of_task in enumerate(_each(tasks, workers), start=1):
        items += items_of_task
        progress(done, len(tasks))
    items.sort(key=lambda item: str(item["id"]))
    collection = {"type": "FeatureCollection", "features": items}
    (root / "items.json").write_text(json.dumps(collection))


def _tasks(spec: WorldSpec, worlds: Sequence[SiteWorld], root: Path) -> list[TileYear]:
    """One per tile and year, the largest first. Raises ValueError for sites that no tile covers."""
    tasks: list[TileYear] = []
    for tile, _, _ in spec.placement.tiles:
        seen = tuple(world for world in worlds if world.view(tile.geobox) is not None)
        if seen:
            tasks += [TileYear(spec, tile, year, seen, root) for year in spec.years]
    covered = {world.site.name for task in tasks for world in task.worlds}
    if missed := [world.site.name for world in worlds if world.site.name not in covered]:
        tiles = spec.placement.where
        raise ValueError(f"no tile covers these sites: {', '.join(missed)}; move them into a tile ({tiles})")
    return sorted(tasks, key=lambda task: len(task.worlds), reverse=True)


def _each(tasks: Sequence[TileYear], workers: int) -> Iterator[list[dict[str, Any]]]:
    """The items of the tasks in the order they finish; the first error ends the work."""
    if workers == 1:
        yield from map(write_tile_year, tasks)
        return
    # Spawned, never forked: GDAL and PROJ hold threads and open files.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        futures = [pool.submit(write_tile_year, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)
