"""Label rasters that lie elsewhere, told by their extents before a pixel is read, and years without a label."""

from collections.abc import Iterable, Mapping

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.pipeline.raster.extent import bounds_of, overlapping
from mmvsf.pipeline.raster.scene import Asset, RasterGrid


def refuse_elsewhere(assets: Mapping[int, Asset], grid: Grid) -> tuple[str, ...]:
    """One line for each year whose raster reaches a part of the region's blocks only.

    Raises InputError for a year whose raster meets none of them.
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
                f"labels of {year}: {asset.href} lies elsewhere: it reaches from {left:.10g} to {right:.10g} and from"
                f" {bottom:.10g} to {top:.10g} in {_name(asset.grid.crs)}, and meets none of the region's {len(blocks)}"
                " blocks, so that no pixel would be labelled; check its CRS and place, labels.path and labels.years"
            )
        if met[asset.grid] < len(blocks):
            notes.append(
                f"labels of {year}: {asset.href} meets {met[asset.grid]} of {len(blocks)} blocks; the others have no"
                " label in that year"
            )
    return tuple(notes)


def refuse_empty(counts: Mapping[int, Mapping[int, int]], places: Mapping[int, str]) -> None:
    """Raise IncompleteError for a year in which no pixel has a label, or all have one and the same where other years
    have several: that is a background, not a map. `counts`: year -> code -> pixels; `places`: year -> raster."""
    if empty := [year for year, codes in counts.items() if not sum(codes[code] for code in codes if code)]:
        raise IncompleteError(
            f"no pixel is labelled in {_listed(empty)}: {places[empty[0]]} has only 0, no data, or classes that the"
            " recipe leaves unknown in the region's blocks; check labels.path and labels.groups, or leave the year out"
            " of labels.years"
        )
    constant = [year for year, codes in counts.items() if len(codes) == 1]
    if constant and len(constant) < len(counts):
        (code,) = counts[constant[0]]
        raise IncompleteError(
            f"every pixel has the code {code} in {_listed(constant)}, while other years have several classes:"
            f" {places[constant[0]]} seems to hold a background there; declare it as no data, or leave the year out of"
            " labels.years"
        )


def _listed(years: Iterable[int]) -> str:
    return ", ".join(map(str, years))


def _name(crs: str) -> str:
    """A CRS in an error: its code, or the beginning of its WKT."""
    return crs if len(crs) < 40 else f"{crs[:40]}..."
