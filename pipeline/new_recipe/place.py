"""The area of a new recipe, and the projection that suits it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import shapely
from pyproj import CRS
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import read_polygons
from mmvsf.datasets.recipe.boundaries import full_name_of, outline
from mmvsf.pipeline.estimate.conus import CONUS

ALBERS = "EPSG:5070"
"""Of the Cropland Data Layer; for areas of the contiguous US that are wider than zones allow."""

WIDEST_DEGREES = 14.0
"""An area this wide reaches at most 4 degrees beyond the UTM zone of its middle on either side."""

COAST_DEGREES = 0.05
"""Areas may reach this far beyond the outline of the contiguous US, which is drawn coarsely."""


@dataclass(frozen=True)
class Place:
    """Where a new recipe is."""

    area: dict[str, Any]
    """the line of the recipe's section `area`"""
    words: str
    """for its title"""
    shape: BaseGeometry
    """in degrees; longitudes go beyond 180 where it crosses the antimeridian"""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """west, south, east, north in degrees; east is beyond 180 where the area crosses the antimeridian."""
        west, south, east, north = self.shape.bounds
        return west, south, east, north

    @property
    def middle(self) -> tuple[float, float]:
        """(longitude, latitude) of the centre of the area."""
        centre = self.shape.centroid
        return (centre.x + 180) % 360 - 180, centre.y

    @cached_property
    def share_in_contiguous_us(self) -> float:
        """Share of the area, in square degrees, that lies in the 48 states."""
        if not shapely.intersects(self.shape.envelope, shapely.box(-125, 24, -66, 50)):
            return 0.0
        land = outline(CONUS).buffer(COAST_DEGREES)
        return float(self.shape.intersection(land).area / self.shape.area)


def place_of_bbox(text: str) -> Place:
    """The place of `west,south,east,north` in degrees; west is greater than east across the antimeridian.

    Raises InputError.
    """
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        raise InputError(f"--bbox is west,south,east,north in degrees, four numbers; found '{text}'") from None
    if not (-180 <= west <= 180 and -180 <= east <= 180 and west != east and -84 <= south < north <= 84):
        raise InputError(
            "--bbox is west,south,east,north in degrees, with longitudes from -180 to 180 and south < north between"
            f" -84 and 84; found '{text}'"
        )
    across = east < west
    if (width := east - west + 360 * across) > 180:
        raise InputError(f"--bbox is {width:g} degrees wide; are west and east swapped?")
    words = f"{_degrees(south, 'N', 'S')} to {_degrees(north, 'N', 'S')}"
    words += f", {_degrees(west, 'E', 'W')} to {_degrees(east, 'E', 'W')}"
    return Place({"bbox": [west, south, east, north]}, words, shapely.box(west, south, east + 360 * across, north))


def place_of_fips(text: str) -> Place:
    """The place of US states and counties, their FIPS codes separated by commas. Raises InputError."""
    codes = tuple(code.strip() for code in text.split(","))
    if wrong := [code for code in codes if not (code.isdecimal() and len(code) in (2, 5))]:
        raise InputError(
            f"--fips takes two digits of a state or five of a county (19 is Iowa, 19169 Story County in Iowa); found"
            f" '{', '.join(wrong)}'"
        )
    shape = _across_antimeridian(outline(codes))
    return Place({"fips": list(codes)}, ", ".join(map(full_name_of, codes[:3])) + ", ..." * (len(codes) > 3), shape)


def place_of_file(path: Path, recipe: Path) -> Place:
    """The place of a vector file's polygons; the recipe names the file relative to itself. Raises InputError."""
    polygons = read_polygons(path, f"--file {path}").to_crs("EPSG:4326").make_valid().union_all()
    west, south, east, north = polygons.bounds
    if not (-360 <= west < east <= 360 and -84 <= south < north <= 84):
        raise InputError(f"--file {path}: its polygons lie outside -84 to 84 degrees; check the CRS of the file")
    folder = recipe.absolute().parent
    line = path.absolute()
    text = str(line.relative_to(folder)) if line.is_relative_to(folder) else str(line)
    return Place({"file": text}, f"the area of {path.name}", _across_antimeridian(polygons))


def projection(place: Place) -> tuple[str, str]:
    """(CRS, why it was chosen). Raises InputError for an area that no single projection of scenes suits."""
    west, _, east, _ = place.bounds
    lon, lat = place.middle
    if east - west > WIDEST_DEGREES:
        if place.share_in_contiguous_us > 0.5:
            return ALBERS, "Albers equal area of the contiguous US, since the area spans many UTM zones"
        raise InputError(
            f"the area is {east - west:.0f} degrees wide, and a cube has one projection; make a recipe for each part"
            f" of at most {WIDEST_DEGREES:.0f} degrees, or name a projected CRS in metres with --crs"
        )
    zone = utm_zone(lon, lat)
    crs = f"EPSG:{(32700 if lat < 0 else 32600) + zone}"
    return crs, f"UTM zone {zone}{'S' if lat < 0 else 'N'}, that of the middle; scenes of others are resampled"


def utm_zone(lon: float, lat: float) -> int:
    """The zone of the tiles that scenes of a place are cut into, with the exceptions of Norway and Svalbard.

    Source: NGA.STND.0037, the Military Grid Reference System, 3-2.
    """
    if 56 <= lat < 64 and 3 <= lon < 6:
        return 32
    if lat >= 72 and 0 <= lon < 42:
        return 31 if lon < 9 else 33 if lon < 21 else 35 if lon < 33 else 37
    return int((lon + 180) % 360 // 6) + 1


def origin_of(crs: str) -> tuple[float, float]:
    """The origin that puts blocks on the pixels of HLS, which counts from the equator also in southern zones."""
    southern = (CRS(crs).to_authority() or ("", ""))[1].startswith("327")
    return (0.0, 10.0) if southern else (0.0, 0.0)


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):g} {negative if value < 0 else positive}"


def _across_antimeridian(shape: BaseGeometry) -> BaseGeometry:
    """The shape with its western part moved east by 360 degrees, where it is split at the antimeridian."""
    west, _, east, _ = shape.bounds
    if east - west <= 180:
        return shape
    parts = [affinity.translate(part, 360) if part.centroid.x < 0 else part for part in shapely.get_parts(shape)]
    return shapely.union_all(parts)
