"""A STAC item as far as it is used: every field is checked here, where it enters.

Catalogues hold items with null for an object, numbers for texts and outlines of any form. What an item needs to become
a scene is required; of the rest nothing is.
"""

import math
import re
import reprlib
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from mmvsf.datasets.errors import InputError

MOST_TEXT, MOST_WKT = 1000, 20_000
"""Characters of a text, and of a CRS written out."""

SMALLEST, LARGEST, FARTHEST = 1e-9, 1e6, 1e8
"""Sides of a pixel, and distance from the origin of a CRS, in its unit."""

MOST_POINTS = 10_000
"""Points of an outline that are looked at."""

MOST_PIXELS = 2**31 - 1
"""Rows or columns that a raster can have (TIFF and GDAL count them in 32 bits)."""

CRS_FORM = re.compile(r"[A-Za-z_]{2,20}:\w{1,20}|[A-Z0-9]{3,20}\[.*", re.DOTALL)
"""A code or WKT. Other texts that PROJ understands may name files."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("the text holds a control character")
    return text


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("it is not a number")
    try:
        number = float(value)
    except OverflowError:  # whole, with more than 308 digits
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("it is not a finite number")
    return number


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError("it is not a whole number")
    return int(number)


def _object(value: Any) -> Any:
    return {} if value is None else value


def _plain_shape(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """The shape in a list of two whole numbers; everything else goes to the slower `check`."""
    plain = type(value) is list and len(value) == 2 and set(map(type, value)) == {int}
    return tuple(value) if plain and min(value) >= 1 and max(value) <= MOST_PIXELS else check(value)


def _plain_transform(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """The transform in a list of numbers; everything else goes to the slower `check`."""
    if type(value) is list and len(value) in (6, 9) and set(map(type, value)) <= {int, float}:
        return _checked_transform(tuple(value)) or check(value)
    return check(value)


@lru_cache(maxsize=256)  # all files of a tile have one
def _checked_transform(values: tuple[int | float, ...]) -> tuple[float, ...]:
    """Empty for a wrong one."""
    try:
        return _north_up(tuple(_number(value) for value in values))
    except ValueError:
        return ()


def _north_up(transform: tuple[float, ...]) -> tuple[float, ...]:
    a, b, _, d, e, _ = transform[:6]
    if len(transform) not in (6, 9):
        raise ValueError("it takes six numbers, or nine")
    if b or d:
        raise ValueError("the raster is rotated; make it north-up, e.g. with `gdalwarp`")
    if a <= 0 or not all(SMALLEST <= abs(size) <= LARGEST for size in (a, e)) or max(map(abs, transform)) > FARTHEST:
        raise ValueError("no raster has such pixels or such a position")
    return tuple(value + 0.0 for value in transform[:6])  # no -0.0, which counts as 0.0 in a cache


Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=MOST_TEXT), AfterValidator(_printable)]
Number = Annotated[float, BeforeValidator(_number)]
Size = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MOST_PIXELS)]
Shape = Annotated[tuple[Size, Size], WrapValidator(_plain_shape)]
Transform = Annotated[
    tuple[Number, ...], Field(min_length=6), AfterValidator(_north_up), WrapValidator(_plain_transform)
]
Crs = Annotated[str, BeforeValidator(_text), StringConstraints(strict=True, max_length=MOST_WKT)]
Fields = Annotated[dict[str, Any], BeforeValidator(_object)]
Point = tuple[float, float]
"""longitude, latitude in degrees"""


class Checked(BaseModel):
    """A part of an item."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @classmethod
    def check(cls, content: Any) -> Self:
        """The part in some JSON. Raises InputError with the first thing that is wrong."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            where = ".".join(str(step) for step in first["loc"])
            reason = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{where}{': ' * bool(where)}{reason}, found {shortened(first['input'])}") from None


class Projection(Checked):
    """The grid of a raster, in an asset or in the properties of its item."""

    code: Crs | None = Field(None, alias="proj:code")
    epsg: Crs | None = Field(None, alias="proj:epsg")
    wkt: Crs | None = Field(None, alias="proj:wkt2")
    transform: Transform | None = Field(None, alias="proj:transform")
    shape: Shape | None = Field(None, alias="proj:shape")

    @property
    def crs(self) -> str:
        """A code or WKT; empty if there is none. Raises InputError for a text of another form."""
        text = self.code or self.epsg or self.wkt or ""
        text = f"EPSG:{text}" if text.isdigit() else text
        if text and not CRS_FORM.fullmatch(text):
            raise InputError(f"{shortened(text)} is not a CRS; write a code, such as EPSG:32615, or WKT")
        return text


class Band(Checked):
    """How a band's numbers are scaled (raster extension 1 and 2)."""

    scale: Number | None = Field(None, validation_alias=AliasChoices("scale", "raster:scale"))
    offset: Number | None = Field(None, validation_alias=AliasChoices("offset", "raster:offset"))


class ItemAsset(Projection):
    """A file of an item."""

    href: Text
    scale: Number | None = Field(None, alias="raster:scale")
    offset: Number | None = Field(None, alias="raster:offset")
    bands: tuple[Band, ...] | None = None
    raster_bands: tuple[Band, ...] | None = Field(None, alias="raster:bands")

    @property
    def scaling(self) -> tuple[float | None, float | None]:
        """(scale, offset) that its first band declares, or the asset itself."""
        band = next(iter(self.raster_bands or self.bands or ()), Band.model_validate({}))
        scale = self.scale if band.scale is None else band.scale
        return scale, self.offset if band.offset is None else band.offset


class Item(Checked):
    """An item. Its outline is not part of it: see `outline_of`."""

    id: Annotated[Text, BeforeValidator(_text)]
    properties: Fields = Field(default_factory=dict)
    assets: Fields = Field(default_factory=dict)

    @cached_property
    def projection(self) -> Projection:
        """The grid of all assets that say none. Raises InputError."""
        return Projection.check(self.properties)

    @cached_property
    def checked_assets(self) -> dict[str, ItemAsset]:
        """Assets that `asset` has checked."""
        return {}

    def asset(self, key: str) -> ItemAsset:
        """An asset that the item has. Raises InputError for a wrong one."""
        if key not in self.checked_assets:
            self.checked_assets[key] = ItemAsset.check(self.assets[key])
        return self.checked_assets[key]

    def text(self, key: str) -> str:
        """A property that is a text or a number, as text; empty if there is none. Raises InputError for another."""
        value = self.properties.get(key)
        if value is None:
            return ""
        if isinstance(value, bool | list | dict) or not str(value)[:MOST_TEXT].isprintable():
            raise InputError(f"{key} is {shortened(value)}, which is not a string")
        return str(value)[:MOST_TEXT]


def outline_of(entry: Any) -> tuple[Point, ...]:
    """The points of an item's `geometry`, or the corners of its `bbox` if it has none, whatever their form. Longitudes
    may lie beyond 180, and jump there. Empty where there is no point in degrees."""
    if not isinstance(entry, dict):
        return ()
    return tuple(_points(entry.get("geometry"))) or _corners(entry.get("bbox"))


def _points(geometry: Any) -> Iterator[Point]:
    left, count = [geometry], 0
    while left and count < MOST_POINTS:
        part = left.pop()
        if isinstance(part, dict):
            left += [part.get("coordinates"), part.get("geometries")]
        elif isinstance(part, list):
            if point := _point(part):
                count += 1
                yield point
            else:
                left += [member for member in part[:MOST_POINTS] if isinstance(member, list | dict)]


def _point(values: list[Any]) -> Point | None:
    """The first two of some numbers as a place in degrees, if they are one."""
    if len(values) < 2 or not all(isinstance(value, int | float) for value in values[:2]):
        return None
    longitude, latitude = values[:2]
    return (float(longitude), float(latitude)) if abs(longitude) <= 540 and abs(latitude) <= 90 else None


def _corners(bbox: Any) -> tuple[Point, ...]:
    if not isinstance(bbox, list) or len(bbox) not in (4, 6):
        return ()
    half = len(bbox) // 2
    low, high = _point(bbox[:2]), _point(bbox[half : half + 2])
    if low is None or high is None:
        return ()
    west, east = low[0], high[0] + 360 * (high[0] < low[0])
    return (west, low[1]), (east, low[1]), (east, high[1]), (west, high[1])


def shortened(value: Any) -> str:
    """A value for a message, in a few words."""
    return ascii(reprlib.repr(value))[1:-1][:120]
