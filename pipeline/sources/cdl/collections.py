"""Collections of label rasters in the Planetary Computer: the Cropland Data Layer and ESA WorldCover."""

from collections.abc import Callable
from dataclasses import dataclass

from mmvsf.datasets.cube.legend import Legend
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_ATTRIBUTION, CDL_FIRST_YEAR, CDL_LICENCE
from mmvsf.pipeline.layers.labels.known_legends import CC_BY, WORLDCOVER, WORLDCOVER_ATTRIBUTION
from mmvsf.pipeline.raster.scene import RasterGrid

from .cropscape import CRS, national_grid


@dataclass(frozen=True)
class LabelCollection:
    """A STAC collection with a raster of classes a tile and year."""

    name: str
    codes: str
    """asset with the codes"""
    confidence: str | None
    """asset with their confidence in percent"""
    only: tuple[str, str] | None
    """(property, value) of the items that count"""
    crs: str
    whole: Callable[[RasterGrid, float], RasterGrid]
    """the grid of everything that the collection covers, from that of a tile and the longitude of the region"""
    legend: Legend
    covers: str
    source: str
    licence: str
    elsewhere: str
    """another source of the same, for who lacks a year"""


def world_grid(tile: RasterGrid, longitude: float) -> RasterGrid:
    """The lattice of a tile in degrees, around the whole world. It is cut far from the region, at one of four
    longitudes: a region across 180 degrees would otherwise lie at both of its edges."""
    step = tile.transform[0]
    shape = round(180 / step), round(360 / step)
    west = 90.0 * round(longitude / 90) % 360 - 180
    return RasterGrid(tile.crs, (step, 0.0, west, 0.0, -step, 90.0), shape)


def _national_grid(tile: RasterGrid, longitude: float) -> RasterGrid:
    return national_grid(tile)


LABEL_COLLECTIONS = {
    collection.name: collection
    for collection in (
        LabelCollection(
            "usda-cdl",
            "cropland",
            "confidence",
            ("usda_cdl:type", "cropland"),
            CRS,
            _national_grid,
            CDL,
            f"the Cropland Data Layer of the contiguous US from {CDL_FIRST_YEAR} to 2021",
            CDL_ATTRIBUTION,
            CDL_LICENCE,
            ", or take labels.source: cropscape",
        ),
        LabelCollection(
            "esa-worldcover",
            "map",
            None,
            None,
            "EPSG:4326",
            world_grid,
            WORLDCOVER,
            "WorldCover of the world's land in 2020 and 2021",
            WORLDCOVER_ATTRIBUTION,
            CC_BY,
            "",
        ),
    )
}
"""Name of a collection -> what its items hold. The first is taken where a recipe names none."""

DEFAULT_COLLECTION = "usda-cdl"
