"""Refuse yearly rasters of another place, by their extents, before a pixel is read."""

from collections.abc import Mapping

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.raster.extent import bounds_of, overlapping
from mmvsf.pipeline.raster.scene import Asset, RasterGrid


def refuse_elsewhere(assets: Mapping[int, Asset], grid: Grid, what: str) -> tuple[str, ...]:
    """One line for each year whose raster overlaps only some of the region's blocks.

    Raises InputError for a year whose raster overlaps none of them.
    """
    blocks = [RasterGrid.of(grid.block_geobox(block)) for block in grid.blocks]
    met: dict[RasterGrid, int] = {}
    notes = []
    for year, asset in assets.items():
        if asset.grid not in met:
            met[asset.grid] = sum(overlapping(asset.grid, blocks))
        if not met[asset.grid]:
            left, bottom, right, top = bounds_of(asset.grid)
            raise InputError(
                f"{what} of {year}: {asset.name} is in another place: it reaches from {left:.10g} to {right:.10g} and"
                f" from {bottom:.10g} to {top:.10g} in {_name(asset.grid.crs)}, and overlaps none of the region's"
                f" {len(blocks)} blocks; check its CRS, and path and years under {what}"
            )
        if met[asset.grid] < len(blocks):
            notes.append(
                f"{what} of {year}: {asset.name} overlaps {met[asset.grid]} of {len(blocks)} blocks; the others have"
                " nothing in that year"
            )
    return tuple(notes)


def _name(crs: str) -> str:
    """A CRS in an error: its code, or the beginning of its WKT."""
    return crs if len(crs) < 40 else f"{crs[:40]}..."
