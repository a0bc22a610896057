"""A folder of GeoTIFFs without STAC items: the information in the file names, as the missing items."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import shapely
from pyproj import Transformer

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.raster.coverage import solar_noon
from mmvsf.pipeline.raster.io import ReadError, raster_grid
from mmvsf.pipeline.raster.scene import RasterGrid

TOKENS = {
    "{date}": r"(?P<date>\d{4}-\d\d-\d\d|\d{8}|\d{7})",
    "{time}": r"(?P<time>\d{6}|\d{4})",
    "*": "[^/]*?",
}
"""Parts of a pattern of file names -> the expression that they stand for."""

Properties = dict[str, Any]


def items_of_files(root: Path, product: Product, period: Period) -> Iterator[dict[str, Any]]:
    """A STAC item for each scene of the product's files below a folder, with the files that there are. Scenes of days
    outside the period are left out before their files are opened. A scene is what the names without the band have in
    common; its time is that of its name, or noon by the sun. A file that cannot be opened has no grid in its item.

    Raises InputError where no file has a name of the pattern.
    """
    keys = {key for band in product.bands.values() for key in band.keys} | set(product.quality)
    expression = _expression(product.files, keys)
    scenes: dict[str, dict[str, Path]] = {}
    moments: dict[str, tuple[date, time | None]] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        match = expression.fullmatch(name)
        moment = _moment(match) if match else None
        if match is None or moment is None or not path.is_file():
            continue
        place = match.span("band") if "{band}" in product.files else None
        scene = name if place is None else f"{name[: place[0]]}*{name[place[1] :]}"
        key = next(iter(keys)) if place is None else match["band"]
        scenes.setdefault(scene, {})[key] = path
        moments[scene] = moment
    if not scenes:
        raise InputError(
            f"{root}: no file below it has a name of the form {product.files} with the bands"
            f" {', '.join(sorted(keys))}; check imagery.path and imagery.custom of {product.name}"
        )
    near = timedelta(days=1)
    for scene, files in scenes.items():
        day, clock = moments[scene]
        if period.start - near <= day <= period.end + near:
            yield _item(scene, files, day, clock, product)


def _expression(pattern: str, keys: set[str]) -> re.Pattern[str]:
    """The pattern as a regular expression with the groups `date`, `time` and `band`."""
    bands = "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))
    tokens = {**TOKENS, "{band}": f"(?P<band>{bands})"}
    parts = re.split(r"(\{date\}|\{time\}|\{band\}|\*)", pattern)
    return re.compile("".join(tokens.get(part) or re.escape(part) for part in parts), re.ASCII)


def _moment(match: re.Match[str]) -> tuple[date, time | None] | None:
    """Day, and time where the name has one; None for digits that are no date or time."""
    text, groups = match["date"], match.groupdict()
    with suppress(ValueError):
        form = {10: "%Y-%m-%d", 8: "%Y%m%d", 7: "%Y%j"}[len(text)]
        clock = groups.get("time")
        parsed = datetime.strptime(clock, "%H%M%S"[: len(clock)]).time() if clock else None
        return datetime.strptime(text, form).date(), parsed
    return None


def _item(scene: str, files: dict[str, Path], day: date, clock: time | None, product: Product) -> dict[str, Any]:
    grids = {key: _grid(path) for key, path in files.items()}
    known = next((grid for grid in grids.values() if grid is not None), None)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene,
        "collection": product.collections[0],
        "geometry": None if known is None else shapely.geometry.mapping(_outline(known)),
        "properties": {"datetime": _datetime(day, clock, known).isoformat()},
        "links": [],
        "assets": {key: {"href": path.as_uri(), **_projection(grids[key])} for key, path in files.items()},
    }


def _grid(path: Path) -> RasterGrid | None:
    try:
        return raster_grid(path)
    except ReadError:
        return None


def _projection(grid: RasterGrid | None) -> Properties:
    """The fields of the STAC projection extension."""
    if grid is None:
        return {}
    key = "proj:code" if grid.crs.startswith("EPSG:") else "proj:wkt2"
    return {key: grid.crs, "proj:transform": list(grid.transform), "proj:shape": list(grid.shape)}


def _outline(grid: RasterGrid) -> shapely.Polygon:
    """The extent of a raster in degrees."""
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    box = shapely.box(*grid.geobox.boundingbox)
    outline: shapely.Polygon = shapely.transform(box, to_degrees.transform, interleaved=False)
    return outline


def _datetime(day: date, clock: time | None, raster: RasterGrid | None) -> datetime:
    """The moment of a scene: of its name (UTC), or noon by the sun."""
    return solar_noon(day, raster) if clock is None else datetime.combine(day, clock, UTC)
