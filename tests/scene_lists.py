"""Lists of scenes by product, tile and day: simulated, made up, and real."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.recipe.load import load_region
from mmvsf.pipeline.layers.imagery.expected import Listed, tile_in
from mmvsf.pipeline.layers.imagery.products import product_named
from mmvsf.pipeline.sandbox.ensure import world_sites, world_spec
from mmvsf.pipeline.sandbox.placement import REGION_EPSG
from mmvsf.pipeline.sandbox.spec import Site
from mmvsf.pipeline.sandbox.tiles import Tile, passes, reproject

HLS = ("hls-l30", "hls-s30")
SENTINEL_2 = ("hls-s30", "sentinel-2-l2a")
REGULAR_SINCE = day_number(date(2018, 4, 1))


@dataclass(frozen=True)
class SceneList:
    """What a catalogue lists over a period."""

    name: str
    products: tuple[str, ...]
    entries: frozenset[Listed]
    days: tuple[int, ...]
    """of the period, since 1970-01-01"""

    @property
    def scheduled(self) -> frozenset[Listed]:
        """The entries since their satellites acquire on schedule."""
        first = {name: _first(name) for name in self.products}
        return frozenset(entry for entry in self.entries if entry.day >= first[entry.product])

    def until(self, last: int) -> SceneList:
        """The list of a period that ends on the day `last`."""
        entries = frozenset(entry for entry in self.entries if entry.day <= last)
        return replace(self, entries=entries, days=tuple(day for day in self.days if day <= last))


def simulated(name: str) -> SceneList:
    """The list of the archive of a simulated recipe, made without its pixels: a pass is listed for a tile where its
    swath holds a pixel of a site."""
    region, recipe = load_region(name)
    spec = world_spec(region)
    sites = world_sites(region, spec, grid_from_recipe(region, recipe, Path()), recipe)
    entries = set()
    for tile, title, _ in spec.placement.tiles:
        x, y = (np.concatenate(axis) for axis in zip(*(_pixels(site, tile) for site in sites), strict=True))
        for overflight in (found for year in spec.years for found in passes(spec, year)):
            if overflight.sees(x, y).any():
                hours = (spec.placement.longitude - 96.5) / 15  # by the sun
                day = day_number((spec.placement.time(overflight.time).item() + timedelta(hours=hours)).date())
                entries.add(Listed(f"hls-{overflight.orbit.sensor.lower()}", title, day))
    return SceneList(name, HLS, frozenset(entries), _days(region.period.runs))


def _pixels(site: Site, tile: Tile) -> tuple[NDArray[Any], NDArray[Any]]:
    """The centres of a site's pixels on a tile, in the simulation's coordinate system."""
    height, width = site.geobox.shape
    x, y = site.geobox.affine @ np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    east, north = reproject(REGION_EPSG, tile.epsg, x.ravel(), y.ravel())
    box = tile.geobox.boundingbox
    inside = (east > box.left) & (east < box.right) & (north > box.bottom) & (north < box.top)
    return x.ravel()[inside], y.ravel()[inside]


def made(seed: int = 11) -> SceneList:
    """Four tiles from April 2025 to October 2026: Sentinel-2B and 2C on two tracks, 2A every 20 days, Landsat 8 and 9.
    Of the passes 2 % are missing in all tiles, and of the entries 1 % in one."""
    rng = random.Random(seed)
    days = _days([(date(year, 4, 1), date(year, 10, 31)) for year in (2025, 2026)])
    tracks = {"hls-s30": ((5, 1, 0), (5, 4, 1), (20, 13, 0)), "hls-l30": ((8, 2, 0), (8, 3, 1))}
    entries = set()
    for product, flown in tracks.items():
        for cycle, phase, first in flown:
            for day in days:
                if day % cycle == phase and rng.random() > 0.02:
                    tiles = ("15TUG", "15TUH", "15TVG", "15TVH")[first : first + 3]
                    entries |= {Listed(product, tile, day) for tile in tiles if rng.random() > 0.01}
    return SceneList("made, 2025 to 2026", HLS, frozenset(entries), days)


def real(folder: Path) -> Iterator[SceneList]:
    """The real lists in a folder; those of HLS are only read where duckdb is installed."""
    items = json.loads((folder / "flanders-2018/items.json").read_text())["features"]
    found = {
        Listed("sentinel-2-l2a", tile_in(item["id"]) or "", day_number(date.fromisoformat(day)))
        for item in items
        if (day := item["properties"]["datetime"][:10])
    }
    first, last = (date_of(end(entry.day for entry in found)) for end in (min, max))
    yield SceneList("Flanders, Sentinel-2", ("sentinel-2-l2a",), frozenset(found), _days([(first, last)]))
    if find_spec("duckdb"):
        yield from _plots(folder / "hls/plot_series_us.parquet")


def _plots(path: Path) -> Iterator[SceneList]:
    """Dates of HLS at eight places. They do not say their product; it follows from the days of the cycles."""
    import duckdb

    query = f"select distinct site, source_file, epoch(date)::bigint // 86400 from '{path}'"
    sites: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for site, file, day in duckdb.sql(query).fetchall():
        sites[site][file].add(day)
    for site, files in sorted(sites.items()):
        spans = [(min(days), max(days)) for days in files.values()]
        period = sorted({day for first, last in spans for day in range(first, last + 1)})
        listed = set().union(*files.values())
        landsat, sentinel = _on_cycle(listed, period, 16, 8), _on_cycle(listed, period, 5, 5)
        # A day of both may be of either; before Sentinel-2 came regularly it nearly always was Landsat's.
        sentinel -= {day for day in landsat if day < REGULAR_SINCE}
        entries = {Listed("hls-l30", site, day) for day in landsat} | {Listed("hls-s30", site, day) for day in sentinel}
        yield SceneList(f"{site}, HLS", HLS, frozenset(entries), tuple(period))


def _on_cycle(listed: set[int], period: Iterable[int], cycle: int, repeat: int) -> set[int]:
    """The listed days of those phases of a cycle that are listed mostly; all phases of `repeat` that meet them."""
    regular = [day for day in period if day >= REGULAR_SINCE]
    phases = set()
    for phase in range(cycle):
        slots = [day for day in regular if day % cycle == phase]
        if sum(day in listed for day in slots) > 0.65 * len(slots):
            phases.add(phase % repeat)
    return {day for day in listed if day % repeat in phases}


def _first(product: str) -> int:
    service = product_named(product).constellation.service
    assert service is not None
    return day_number(service.first)


def _days(runs: Iterable[tuple[date, date]]) -> tuple[int, ...]:
    return tuple(day for first, last in runs for day in range(day_number(first), day_number(last) + 1))
