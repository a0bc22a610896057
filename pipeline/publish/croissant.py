"""A cube as GeoCroissant metadata (http://mlcommons.org/croissant/geo/1.0), an extension of Croissant 1.1."""

from hashlib import sha256
from typing import Any

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.conventions import crs_of_geobox
from mmvsf.datasets.storage.manifest import ROOT
from mmvsf.datasets.variables import Split

from .facts import ZARR, CubeFacts

CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/geo/1.0"]

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "geocr": "http://mlcommons.org/croissant/geo/",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context of Croissant 1.1, and the prefix of GeoCroissant"""

Row = dict[str, Any]


def croissant(facts: CubeFacts) -> dict[str, Any]:
    """The metadata of a cube: its files, and its tiles, seasons and classes as small tables."""
    cube = facts.cube
    west, south, east, north = facts.box
    first, last = facts.days()
    attributes = cube.attributes
    dates = {"dateCreated": attributes.get("created"), "datePublished": attributes.get("finished")}
    crs = crs_of_geobox(cube.grid.geobox)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": facts.name,
        "alternateName": cube.region.title,
        "description": facts.description,
        "license": facts.licences or ["unknown"],
        "citeAs": f"{cube.region.title}. Cube {facts.url or cube.path.name}, SHA-256 {cube.digest}.",
        "creditText": str(attributes.get("attribution", "")),
        "keywords": facts.keywords,
        "version": "1.0.0",
        "identifier": f"sha256:{cube.digest}",
        "url": facts.href(),
        **{key: str(value)[:10] for key, value in dates.items() if value},
        "creator": [{"@type": "sc:Organization", "name": provider["name"]} for provider in facts.providers],
        "spatialCoverage": {
            "@type": "sc:Place",
            "geo": {"@type": "sc:GeoShape", "box": f"{south} {west} {north} {east}"},
        },
        "temporalCoverage": f"{first}/{last}",
        "geocr:coordinateReferenceSystem": f"EPSG:{crs.epsg}" if crs.epsg else crs.wkt,
        "geocr:spatialResolution": _quantity(cube.grid.resolution, "m"),
        "geocr:temporalResolution": _quantity(1, "day"),
        "geocr:bandConfiguration": {
            "@type": "geocr:BandConfiguration",
            "geocr:totalBands": len(cube.bands),
            "geocr:bandNameList": list(cube.bands),
        },
        "geocr:spectralBandMetadata": [
            {
                "@type": "geocr:SpectralBand",
                "name": band.name,
                "geocr:centerWavelength": _quantity(round(band.wavelength * 1000), "nm"),
            }
            for band in cube.spec.bands
            if band.wavelength is not None
        ],
        "distribution": _distribution(facts),
        "recordSet": _record_sets(facts),
    }


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"@type": "sc:QuantitativeValue", "value": value, "unitText": unit}


def _distribution(facts: CubeFacts) -> list[dict[str, Any]]:
    """The manifest, whose hash proves every object of the cube, and the objects by part and group."""
    manifest = (facts.cube.path / ROOT).read_bytes()
    groups = [group.name for group in facts.groups(facts.cube.grid.tiles[0])]
    sets = {**{name: f"tiles/*/{name}/**" for name in groups}, "seasons": "seasons/**", "scenes": "scenes/**"}
    return [
        {
            "@type": "cr:FileObject",
            "@id": "manifest",
            "name": ROOT,
            "description": "The digest of the cube, and the hash of the list of objects of each part",
            "contentUrl": facts.href(ROOT),
            "contentSize": f"{len(manifest)} B",
            "encodingFormat": "application/json",
            "sha256": sha256(manifest).hexdigest(),
        },
        *(
            {
                "@type": "cr:FileSet",
                "@id": name,
                "name": name,
                "description": f"Zarr 3 arrays of the group {name}, below {facts.href()}",
                "encodingFormat": ZARR,
                "includes": pattern,
            }
            for name, pattern in sets.items()
        ),
    ]


def _record_sets(facts: CubeFacts) -> list[dict[str, Any]]:
    """Tiles, seasons and classes, with their rows."""
    cube = facts.cube
    tables = {
        "tiles": ("Tiles, the units of storage", "Text Text Float Float Float Float Integer Integer", _tiles(facts)),
        "season_table": ("Seasons and their split", "Integer Date Date Text", _seasons(facts)),
    }
    if cube.legend is not None:
        rows = [{"code": entry.code, "name": entry.name, "color": entry.color} for entry in cube.legend.classes]
        tables["classes"] = ("Classes of the labels", "Integer Text Text", rows)
    return [_table(name, *table) for name, table in tables.items()]


def _tiles(facts: CubeFacts) -> list[Row]:
    rows = []
    for tile in facts.cube.grid.tiles:
        blocks = facts.tile_blocks(tile)
        west, south, east, north = facts.bounds(blocks)
        box = {"west": west, "south": south, "east": east, "north": north}
        place = {"tile": tile.name, "path": f"tiles/{tile.name}"}
        rows.append({**place, **box, "blocks": len(blocks), "images": facts.images(blocks)})
    return rows


def _seasons(facts: CubeFacts) -> list[Row]:
    arrays = [facts.cube.array(f"seasons/{name}").tolist() for name in ("season", "start", "end", "split")]
    return [
        {"season": season, "start": str(date_of(start)), "end": str(date_of(end)), "split": Split(split).name.lower()}
        for season, start, end, split in zip(*arrays, strict=True)
    ]


def _table(name: str, description: str, types: str, rows: list[Row]) -> dict[str, Any]:
    """A record set with its rows in the metadata."""
    columns = list(rows[0])
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/{columns[0]}"},
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{column}", "name": column, "dataType": f"sc:{kind}"}
            for column, kind in zip(columns, types.split(), strict=True)
        ],
        "data": [{f"{name}/{column}": value for column, value in row.items()} for row in rows],
    }
