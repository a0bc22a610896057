"""A cube as a STAC collection, and each of its tiles as an item."""

from typing import Any

import shapely

from mmvsf.datasets.cube.grid import Tile
from mmvsf.datasets.cube.place import PIXELS
from mmvsf.datasets.cube.select import geobox_of
from mmvsf.datasets.variables import Band

from .datacube import datacube, projection
from .facts import ZARR, CubeFacts

STAC_VERSION = "1.1.0"
DATACUBE = "https://stac-extensions.github.io/datacube/v2.3.0/schema.json"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
ZARR_EXTENSION = "https://stac-extensions.github.io/zarr/v1.1.0/schema.json"
EO = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"

ITEMS = "items"
"""The folder of the items"""

GROUPS = {
    "imagery": ("Satellite images: reflectance, quality and scene", ["data", "reflectance"]),
    "radar": ("Radar backscatter (gamma0) of ascending and descending passes", ["data", "radar"]),
    "weather": ("Daily weather on a coarser grid", ["data"]),
    "labels": ("Crop or cover class of each season", ["data", "labels"]),
    "targets": ("Numerical quantities of each season", ["data", "labels"]),
    "static": ("Terrain and soil", ["data"]),
    "blocks": ("What became of each block on each day", ["metadata"]),
    "chunks": ("Clear fraction, split and sums of each chunk", ["metadata"]),
}
"""Group of a tile -> title and roles of its asset"""


def collection(facts: CubeFacts) -> dict[str, Any]:
    """The collection of a cube."""
    cube, base = facts.cube, _address(facts)
    first, last = (str(day) for day in facts.days())
    fields = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [DATACUBE, ZARR_EXTENSION],
        "id": facts.name,
        "title": cube.region.title,
        "description": facts.description,
        "license": "other",
        "keywords": facts.keywords,
        "providers": facts.providers,
        "extent": {
            "spatial": {"bbox": _boxes(facts)},
            "temporal": {"interval": [[_begin(first), _end(last)]]},
        },
        "summaries": _summaries(facts),
        **_cube_of_tiles(facts),
        "item_assets": {name: _definition(facts, name) for name in _group_names(facts)},
        "assets": _collection_assets(facts),
        "links": [
            {"rel": "root", "href": "./collection.json", "type": "application/json"},
            {"rel": "license", "href": "./README.md", "type": "text/markdown", "title": "; ".join(facts.licences)},
            {"rel": "describedby", "href": "./croissant.json", "type": "application/ld+json", "title": "Croissant"},
            *(
                {"rel": "item", "href": f"./{ITEMS}/{t.name}.json", "type": "application/geo+json"}
                for t in cube.grid.tiles
            ),
            *([{"rel": "self", "href": f"{base}/collection.json", "type": "application/json"}] if base else []),
        ],
    }
    return {**fields, "created": _time(cube.attributes["created"])} if "created" in cube.attributes else fields


def item(facts: CubeFacts, tile: Tile) -> dict[str, Any]:
    """The item of a tile."""
    blocks, base = facts.tile_blocks(tile), _address(facts)
    shape = facts.outline(blocks)
    first, last = (str(day) for day in facts.days(blocks))
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [DATACUBE, PROJECTION, ZARR_EXTENSION, EO],
        "id": f"{facts.name}-{tile.name}",
        "collection": facts.name,
        "geometry": shapely.geometry.mapping(shape),
        "bbox": list(facts.bounds(blocks)),
        "properties": {
            "title": f"{facts.cube.region.title}: tile {tile.name}",
            "datetime": None,
            "start_datetime": _begin(first),
            "end_datetime": _end(last),
            "gsd": facts.cube.grid.resolution,
            **projection(tile.grid.geobox),
        },
        "assets": {group.name: _asset(facts, tile, group.name) for group in facts.groups(tile)},
        "links": [
            {"rel": "root", "href": "../collection.json", "type": "application/json"},
            {"rel": "parent", "href": "../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../collection.json", "type": "application/json"},
            *(
                [{"rel": "self", "href": f"{base}/{ITEMS}/{tile.name}.json", "type": "application/geo+json"}]
                if base
                else []
            ),
        ],
    }


def _asset(facts: CubeFacts, tile: Tile, name: str) -> dict[str, Any]:
    group = next(group for group in facts.groups(tile) if group.name == name)
    geobox = geobox_of(tile.grid, name)
    return {
        "href": facts.href(f"tiles/{tile.name}/{name}", depth=1),
        **_definition(facts, name),
        **projection(geobox),
        **datacube(group, geobox),
    }


def _definition(facts: CubeFacts, name: str) -> dict[str, Any]:
    """What the assets of a group have in common."""
    title, roles = GROUPS[name]
    gsd = facts.cube.grid.weather_cell if name == "weather" else 1
    return {
        "title": title,
        **_zarr(roles),
        **({"bands": [_band(band) for band in facts.cube.spec.bands]} if name == "imagery" else {}),
        **({"gsd": facts.cube.grid.resolution * gsd} if name in (*PIXELS, "weather") else {}),
    }


def _band(band: Band) -> dict[str, Any]:
    if band.wavelength is None:
        return {"name": band.name}
    return {"name": band.name, "eo:common_name": band.common_name, "eo:center_wavelength": band.wavelength}


def _collection_assets(facts: CubeFacts) -> dict[str, Any]:
    """The cube as a whole and, where it has them, its overviews."""
    assets = {"cube": {"href": facts.href(), "title": "The cube", **_zarr(["data", "cube"])}}
    if facts.cube.objects is not None and "overviews" in facts.cube.objects.manifest.parts:
        title = "Labels and true colour in coarser pixels"
        assets["overviews"] = {"href": facts.href("overviews"), "title": title, **_zarr(["overview", "visual"])}
    return assets


def _zarr(roles: list[str]) -> dict[str, Any]:
    return {
        "type": ZARR,
        "roles": roles,
        "zarr:node_type": "group",
        "zarr:zarr_format": 3,
        "zarr:consolidated": False,
    }


def _cube_of_tiles(facts: CubeFacts) -> dict[str, Any]:
    """Dimensions and variables of the pixels of all tiles: images, labels, targets and static layers. Where groups have
    different ones of one name, such as the seasons of labels and of targets, the later is named `<group>_<name>`."""
    dimensions: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for group in facts.groups(facts.cube.grid.tiles[0]):
        if group.name in PIXELS:
            ours, names = datacube(group, facts.cube.grid.geobox), {}
            for name, dimension in ours["cube:dimensions"].items():
                same = dimensions.get(name, dimension) == dimension
                names[name] = name if same else f"{group.name}_{name}"
                dimensions[names[name]] = dimension
            for name, variable in ours["cube:variables"].items():
                key = f"{group.name}_{name}" if name in variables else name
                variables[key] = variable | {"dimensions": [names[dim] for dim in variable["dimensions"]]}
    return {"cube:dimensions": dimensions, "cube:variables": variables}


def _summaries(facts: CubeFacts) -> dict[str, Any]:
    cube = facts.cube
    classes = [entry.name for entry in cube.legend.classes] if cube.legend else []
    return {
        "proj:code": [projection(cube.grid.geobox)["proj:code"]],
        "gsd": [cube.grid.resolution],
        "bands": _definition(facts, "imagery")["bands"],
        "products": list(cube.region.imagery.products),
        "seasons": cube.array("seasons/season").tolist(),
        **({"radar_polarisations": list(cube.polarisations)} if cube.orbits else {}),
        **({"weather_variables": list(cube.weather)} if cube.weather else {}),
        **({"classes": classes, "label_seasons": list(cube.label_years)} if classes else {}),
    }


def _boxes(facts: CubeFacts) -> list[list[float]]:
    """The box of all blocks, then that of each tile where there are several."""
    tiles = [list(facts.bounds(facts.tile_blocks(tile))) for tile in facts.cube.grid.tiles]
    return [list(facts.box), *(tiles if len(tiles) > 1 else [])]


def _group_names(facts: CubeFacts) -> list[str]:
    return [group.name for group in facts.groups(facts.cube.grid.tiles[0])]


def _address(facts: CubeFacts) -> str:
    """The address of the folder of descriptions; empty where it is not known."""
    return f"{facts.url.removesuffix('.zarr')}.publish" if facts.url else ""


def _begin(day: str) -> str:
    return f"{day}T00:00:00Z"


def _end(day: str) -> str:
    return f"{day}T23:59:59Z"


def _time(text: str) -> str:
    """A time with an offset, as RFC 3339 in UTC."""
    return text.replace("+00:00", "Z")
