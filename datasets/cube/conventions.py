"""The attributes by which other tools know a group: CF, and the Zarr conventions proj, spatial and multiscales.

The last three together are GeoZarr. Each is registered in `zarr_conventions` with the address of its schema, version
0.1 (https://github.com/zarr-conventions): `proj` names the CRS of the arrays of a group, `spatial` says where their
pixels lie, and `multiscales` lists the groups that hold the same ground in several pixel sizes.
"""

from collections.abc import Sequence
from typing import Any

from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

CF = "CF-1.11"
HISTORY = "written by mmvsf; the attributes of the root group tell when, and from what"
"""The same for every build, since the attributes of groups belong to the digest of a cube."""


def _convention(name: str, uuid: str, description: str) -> dict[str, str]:
    return {
        "uuid": uuid,
        "name": name,
        "schema_url": f"https://raw.githubusercontent.com/zarr-conventions/{name}/refs/tags/v0.1/schema.json",
        "spec_url": f"https://github.com/zarr-conventions/{name}/blob/v0.1/README.md",
        "description": description,
    }


# The schemas of the conventions require these very names, addresses and descriptions.
PROJ = _convention(
    "proj", "f17cb550-5864-4468-aeb7-f3180cfb622f", "Coordinate reference system information for geospatial data"
)
SPATIAL = _convention("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information")
MULTISCALES = _convention("multiscales", "d35379db-88df-4056-af3a-620245f8e347", "Multiscale layout of zarr datasets")


def group_attributes(title: str) -> dict[str, Any]:
    """CF attributes of a group."""
    return {"Conventions": CF, "title": title, "history": HISTORY}


def geo_attributes(geobox: GeoBox, title: str, coordinates: Sequence[str] = ()) -> dict[str, Any]:
    """CF and GeoZarr attributes of a group of arrays over the y and x of a grid.

    xarray makes coordinates of the arrays that the attribute `coordinates` of a group names. It names the grid mapping,
    so that every array carries it, and `coordinates`: arrays without y and x that describe the others, which rioxarray
    and odc-geo would otherwise take for images.
    """
    return {
        **group_attributes(title),
        "coordinates": " ".join(("spatial_ref", *coordinates)),
        "zarr_conventions": [PROJ, SPATIAL],
        **_proj(geobox),
        **_spatial(geobox),
        "spatial:dimensions": ["y", "x"],
        "spatial:bbox": list(geobox.boundingbox),
    }


def multiscales_attributes(levels: dict[str, GeoBox], title: str) -> dict[str, Any]:
    """CF and GeoZarr attributes of a group whose members hold the same ground in coarser and coarser pixels.

    `levels` are the grids of the members by name, finest first, all with one upper left corner. Raises ValueError for
    a level whose pixels are no multiple of those of the level before.
    """
    names, grids = list(levels), list(levels.values())
    layout: list[dict[str, Any]] = []
    for index, (name, grid) in enumerate(levels.items()):
        scale = grid.resolution.x / grids[max(index - 1, 0)].resolution.x
        if scale % 1:
            raise ValueError(f"the pixels of level {name} are {scale} times those of the level before")
        source = {"derived_from": names[index - 1]} if index else {}
        transform = {"scale": [scale, scale], "translation": [0.0, 0.0]}
        layout.append({"asset": name, **source, "transform": transform, **_spatial(grid)})
    return {
        **group_attributes(title),
        "zarr_conventions": [MULTISCALES, PROJ, SPATIAL],
        "multiscales": {"layout": layout},
        **_proj(grids[0]),
        "spatial:dimensions": ["y", "x"],
        "spatial:bbox": list(grids[0].boundingbox),
    }


def crs_of_geobox(geobox: GeoBox) -> CRS:
    if geobox.crs is None:
        raise ValueError("a cube's grid has a CRS")
    return geobox.crs


def _proj(geobox: GeoBox) -> dict[str, str]:
    """The CRS in one form only, as the drafts of the convention before version 0.1 demand: its EPSG code, or WKT2 where
    it has none. The WKT of every CRS is in the grid mapping."""
    crs = crs_of_geobox(geobox)
    return {"proj:code": f"EPSG:{crs.epsg}"} if crs.epsg else {"proj:wkt2": crs.proj.to_wkt("WKT2_2019")}


def _spatial(geobox: GeoBox) -> dict[str, Any]:
    return {"spatial:transform": list(geobox.transform)[:6], "spatial:shape": list(geobox.shape)}
