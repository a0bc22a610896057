"""From a recipe's `source:` lines to the sources themselves."""

from pathlib import Path

import numpy as np
import shapely
from pyproj import Transformer

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Region, resolve_path
from mmvsf.pipeline.layers.protocols import ImagerySource, LabelSource, Requirement, StaticSource, WeatherSource
from mmvsf.pipeline.sources.archive.rasters import ArchiveImagery, ArchiveLabels
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather
from mmvsf.pipeline.sources.cdl.cropscape import CropScapeLabels
from mmvsf.pipeline.sources.cdl.nass import NassLabels
from mmvsf.pipeline.sources.cdl.stac import StacLabels
from mmvsf.pipeline.sources.earthengine.imagery import EarthEngineImagery
from mmvsf.pipeline.sources.earthengine.labels import EarthEngineLabels
from mmvsf.pipeline.sources.earthengine.weather import EarthEngineWeather
from mmvsf.pipeline.sources.meteostat.weather import MeteostatStations
from mmvsf.pipeline.sources.stac.catalogs import catalog
from mmvsf.pipeline.sources.stac.imagery import StacImagery
from mmvsf.pipeline.sources.transport.endpoints import address
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from .gridmet import GridMet
from .ground import PUBLIC_CATALOG, ArchiveGround, EarthEngineGround, StacGround

RETRY_POLICY = RetryPolicy()
"""How long sources of scenes wait for their servers."""


def imagery_source(region: Region, recipe: Path, data_dir: Path) -> ImagerySource:
    """The source of the region's scenes. Raises InputError if its options cannot be resolved."""
    options = region.imagery
    if options.source == "archive" and options.path is not None:
        return ArchiveImagery(resolve_path(options.path, recipe, data_dir))
    if options.source == "stac" and options.catalog is not None:
        return StacImagery(catalog(options.catalog, RETRY_POLICY), RETRY_POLICY)
    if options.source == "earthengine":
        return EarthEngineImagery(options.cloud_score)
    raise InputError(f"{recipe}: imagery.source '{options.source}' is not available")


def weather_source(region: Region, recipe: Path, data_dir: Path, grid: Grid) -> WeatherSource:
    """The source of the region's weather over its grid. Raises InputError if its options cannot be resolved."""
    options = region.weather
    if options.source == "archive" and options.path is not None:
        return ArchiveWeather(resolve_path(options.path, recipe, data_dir))
    if options.source == "earthengine" and options.collection is not None:
        return EarthEngineWeather(options.collection, weather_bounds(grid))
    if options.source == "gridmet":
        return GridMet(weather_bounds(grid), _cache(data_dir, "gridmet"), address("gridmet"))
    if options.source == "meteostat":
        return MeteostatStations(weather_bounds(grid), _cache(data_dir, "meteostat"))
    raise InputError(f"{recipe}: weather.source '{options.source}' is not available")


def static_source(region: Region, recipe: Path, data_dir: Path) -> StaticSource | None:
    """The source of the region's static layers, None for a region without. Raises InputError likewise."""
    options = region.static
    if options is None:
        return None
    if options.source == "archive" and options.path is not None:
        return ArchiveGround(resolve_path(options.path, recipe, data_dir))
    if options.source == "public":
        return StacGround(catalog(PUBLIC_CATALOG, RETRY_POLICY), RETRY_POLICY)
    if options.source == "earthengine":
        return EarthEngineGround()
    raise InputError(f"{recipe}: static.source '{options.source}' is not available")


def label_source(region: Region, recipe: Path, data_dir: Path, grid: Grid) -> LabelSource | None:
    """The source of the region's labels over its grid, None for a region without. Raises InputError likewise."""
    options = region.labels
    if options is None:
        return None
    if options.source == "archive" and options.path is not None and options.legend is not None:
        legend = None if options.legend == "cdl" else resolve_path(options.legend, recipe, data_dir)
        return ArchiveLabels(str(resolve_path(options.path, recipe, data_dir)), legend)
    if options.source == "cropscape":
        return CropScapeLabels(_cache(data_dir, "cdl"), address("cropscape"))
    if options.source == "planetary-computer":
        return StacLabels(catalog("planetary-computer", RETRY_POLICY), RETRY_POLICY, grid)
    if options.source == "nass":
        return NassLabels(_cache(data_dir, "nass"), address("nass"))
    if options.source == "earthengine":
        return EarthEngineLabels(options.years)
    raise InputError(f"{recipe}: labels.source '{options.source}' is not available")


def _cache(data_dir: Path, name: str) -> Path:
    """The folder for the downloads of a source. A home (`~`) is left to each machine that runs."""
    return (data_dir if data_dir.parts[:1] == ("~",) else data_dir.absolute()) / "cache" / name


def requirements_of(*sources: object) -> tuple[Requirement, ...]:
    """What the sources need of the person who uses them, each once."""
    needs: dict[str, Requirement] = {}
    for source in sources:
        ask = getattr(source, "requirements", None)
        for need in ask() if ask is not None else ():
            needs.setdefault(need.name, need)
    return tuple(needs.values())


def weather_bounds(grid: Grid) -> tuple[float, float, float, float]:
    """West, south, east and north in degrees of the ground that weather is needed for: the weather cells that hold
    a block reach beyond it by less than a cell."""
    boxes = shapely.box(*np.array([list(grid.block_geobox(block).boundingbox) for block in grid.blocks]).T)
    ground = shapely.buffer(shapely.union_all(boxes), grid.weather_cell * grid.resolution, join_style="mitre")
    to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    left, bottom, right, top = ground.bounds
    west, south, east, north = to_lonlat.transform_bounds(left, bottom, right, top, densify_pts=21)
    return west, south, east, north
