"""Writes the simulated archive: scenes, STAC items, weather and crop labels, in the form of the real ones."""

import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from . import weather as weather_files
from .ground import write_ground
from .labels import write_labels
from .scenes import TileYear, write_tile_year
from .spec import Site, WorldSpec, check_sites, describe
from .tiles import TILES
from .world import site_world

Progress = Callable[[int, int], None]


def simulate(
    spec: WorldSpec,
    sites: Sequence[Site],
    root: Path,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Writes the archive of `sites` into the folder `root`:

    - `items.json`, a STAC ItemCollection, and `scenes/<id>/<id>.<asset>.tif`
    - `weather/daily.nc`, `labels/crop_<year>.tif`, `labels/legend.csv`
    - `ground/elevation.tif`, `ground/soil_water.tif`
    - `world.json`, what was simulated

    A finished archive of the same spec and sites is left alone; any other is replaced when the new one
    is complete. The bytes don't depend on `workers` (processes; 1 works in this one). `progress` is
    called with units done and in all. Raises ValueError for sites that can't be simulated, OSError
    where the disk refuses, FileExistsError where `root` holds something that is not such an archive.
    """
    check_sites(sites)
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    description = describe(spec, sites)
    if is_finished(spec, sites, root):
        return
    if root.exists() and any(root.iterdir()) and not (root / "world.json").is_file():
        raise FileExistsError(f"{root} is not empty and no simulated archive: choose another folder")

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
        found = json.loads((root / "world.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return bool(found == describe(spec, sites))


def _write(spec: WorldSpec, sites: Sequence[Site], root: Path, workers: int, progress: Progress) -> None:
    weather = weather_files.generate(spec)
    (root / "weather").mkdir()
    weather_files.write(weather, root / "weather" / "daily.nc")
    worlds = tuple(site_world(spec, site, weather) for site in sites)
    write_labels(root / "labels", worlds)
    write_ground(root / "ground", worlds)

    tasks = []
    covered = set()
    for tile in TILES:
        here = tuple(world for world in worlds if world.view(tile.geobox) is not None)
        covered |= {world.site.name for world in here}
        tasks += [TileYear(spec, tile, year, here, root) for year in spec.years if here]
    missed = [site.name for site in sites if site.name not in covered]
    if missed:
        raise ValueError(f"no tile covers these sites: {', '.join(missed)}")

    tasks.sort(key=lambda task: len(task.worlds), reverse=True)
    items: list[dict[str, Any]] = []
    for done, found in enumerate(_each(tasks, workers), start=1):
        items += found
        progress(done, len(tasks))
    items.sort(key=lambda item: str(item["id"]))
    collection = {"type": "FeatureCollection", "features": items}
    (root / "items.json").write_text(json.dumps(collection))


def _each(tasks: Sequence[TileYear], workers: int) -> Iterator[list[dict[str, Any]]]:
    """The items of the tasks in the order they finish; the first error ends it."""
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
