"""What the page is told in `explore.json`: the cube, where things are, the runs, and links to files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.paths import expanded
from mmvsf.datasets.storage.location import DRAFT
from mmvsf.datasets.variables import NOT_CLEAR, QUALITY_FLAGS, Status, band_named
from mmvsf.pipeline.build.provenance import product_origin
from mmvsf.pipeline.inspect.explain import NO_DAY, REASONS
from mmvsf.pipeline.inspect.places import block_names

from .embeddings import open_embeddings
from .forecasts import find_forecasts
from .outlines import degrees, outlines
from .rasters import Raster, find_maps

EMBEDDINGS = "embeddings.zarr"
MOST_PLACES = 300
"""Blocks up to which the page lists them by name."""
MOST_FILES = 200
"""Files of a run that the page links to, at most."""


@dataclass(frozen=True)
class Run:
    """The folder of the results for a region, such as runs/iowa."""

    name: str
    """in addresses"""
    folder: Path
    rasters: tuple[Raster, ...]
    notes: tuple[str, ...]
    """what is left out and why, a line each"""
    files: tuple[str, ...]
    """below the folder"""


def open_runs(cube: Cube, folders: Sequence[Path]) -> tuple[Run, ...]:
    """The runs in some folders, each with its own name: that of the folder, and a number where several share it."""
    names = [re.sub(r"[^\w.-]", "-", folder.resolve().name, flags=re.ASCII) or "run" for folder in folders]
    runs = []
    for number, folder in enumerate(folders):
        name = names[number]
        if names.count(name) > 1:
            name = f"{name}-{number + 1}"
        embeddings = open_embeddings(cube, folder / EMBEDDINGS)
        (maps, left_out), (forecasts, unfinished) = find_maps(cube, folder), find_forecasts(cube, folder)
        rasters: list[Raster] = [*maps, *forecasts, *([embeddings] if embeddings else [])]
        notes = [*left_out, *unfinished]
        if embeddings is None and (folder / EMBEDDINGS).exists():
            notes.append(f"{EMBEDDINGS} is left out: it is damaged, or its pixels are not those of the cube")
        runs.append(Run(name, folder, tuple(rasters), tuple(notes), tuple(_files(folder))))
    return tuple(runs)


def _files(folder: Path) -> Iterator[str]:
    """Names of the results below a run's folder: no checkpoints, drafts or locks, and nothing of a store or a page."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    shown = (
        name
        for name in names
        if not name.endswith((DRAFT, ".lock", ".ckpt", ".aux.xml", ".npz"))
        and ".zarr/" not in name
        and "explore/" not in name
    )
    yield from list(shown)[:MOST_FILES]


def describe(cube: Cube, address: str, runs: Sequence[Run], links: dict[str, str]) -> dict[str, Any]:
    """The content of `explore.json`. `address` is where the page finds the cube's objects, `links` are the addresses of
    the files of runs by `<run>/<name>`."""
    region, grid = cube.region, cube.grid
    return {
        "title": region.title or region.name,
        "cube": address,
        "place": address if "://" in address else cube.path.name,
        "root": cube.attributes,
        "degrees": degrees(grid),
        "outlines": outlines(grid),
        "places": _places(cube),
        "seasons": _seasons(cube, runs),
        "vocabulary": _vocabulary(cube),
        "runs": [
            {
                "name": run.name,
                "title": "/".join(run.folder.resolve().parts[-2:]),
                "rasters": [raster.facts() for raster in run.rasters],
                "notes": list(run.notes),
                "files": [{"name": name, "href": links[f"{run.name}/{name}"]} for name in run.files],
            }
            for run in runs
        ],
    }


def _places(cube: Cube) -> list[dict[str, Any]]:
    """Named blocks, {name, x, y} of their middles in pixels of the grid; none where there are too many to list."""
    if len(cube.grid.blocks) > MOST_PLACES:
        return []
    side = cube.grid.block
    names = sorted(block_names(cube).items(), key=lambda entry: entry[1])
    return [{"name": name, "x": (x + 0.5) * side, "y": (y + 0.5) * side} for (y, x), name in names]


def _seasons(cube: Cube, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """{name, first, last}, first and last day since 1970-01-01 that the calendar has; the last season reaches to the
    last day that is forecast."""
    seasons = []
    for year in cube.years:
        days = cube.calendar.days[cube.season_of_day == year]
        if len(days):
            seasons.append({"name": year, "first": int(days[0]), "last": int(days[-1])})
    steps = (step for run in runs for raster in run.rasters for step in raster.facts()["steps"])
    seasons[-1]["last"] = max([seasons[-1]["last"], *(step["last"] for step in steps)])
    return seasons


def _vocabulary(cube: Cube) -> dict[str, Any]:
    """Codes and units that the page needs in words."""
    products = {str(source.get("product")) for source in cube.attributes.get("sources", ()) if source.get("product")}
    products -= set(cube.attributes.get("services", {}))  # the page does not tell which of several gave a scene
    quantities = [band_named(name).quantity for name in cube.bands]
    return {
        "no_day": NO_DAY,
        "status": {str(int(code)): code.name.lower().replace("_", " ") for code in Status},
        "reasons": {str(int(code)): reason for code, reason in REASONS.items()},
        "flags": [[name.replace("_", " "), mask, value] for name, mask, value in QUALITY_FLAGS],
        "not_clear": int(NOT_CLEAR),
        "scales": [quantity.scale for quantity in quantities],
        "ranges": [[quantity.valid_min, quantity.valid_max] for quantity in quantities],
        "origins": {name: expanded(product_origin(cube.attributes, name), cube.path) for name in sorted(products)},
    }
