"""Products that a recipe declares itself: which assets or files hold which band, and what their numbers mean."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from .place import NAME_PATTERN
from .schema import RecipeModel

BAND_PATTERN = r"^[a-z][a-z0-9_]{0,31}$"

QualityName = Literal["clear", "cloud", "adjacent", "shadow", "snow", "water", "nodata"]

AssetKey = Annotated[str, Field(min_length=1, max_length=100)]
Scale = Annotated[float, Field(ge=1e-8, le=1e4)]
Offset = Annotated[float, Field(ge=-1e6, le=1e6)]


Code = Annotated[int, Field(ge=-(2**31), le=2**32)]
Text = Annotated[str, Field(max_length=500)]


def _kind(value: Any) -> str:
    """Which member of a union of a word and something else a value is meant for. Errors leave out parts with a bracket,
    as those that pydantic adds."""
    return "[word]" if isinstance(value, str) else "[other]"


def _named_once(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    names = list(value) if isinstance(value, list | tuple) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("takes a name, or a list of names with at least one")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names {', '.join(repeated)} twice; write each catalogue once")
    return tuple(names)


Catalogs = Annotated[str | tuple[str, ...], BeforeValidator(_named_once)]
"""One catalogue, or several in the order in which they are tried; which there are is known to who builds."""


class BandMap(RecipeModel):
    asset: AssetKey
    """Key of the asset of a STAC item, or what stands for {band} in the name of a file."""
    number: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Which band of the file, counted from 1; needed for a file with several."""
    scale: Scale | None = None
    """Of this band, in place of the product's."""
    offset: Offset | None = None
    """Of this band, in place of the product's."""


def _expanded(value: Any) -> Any:
    """A band that is given by the key of its asset alone, as `BandMap` has it."""
    return {"asset": value} if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """A name, as a list of names."""
    return (value,) if isinstance(value, str) else value


Qualities = Annotated[tuple[QualityName, ...], BeforeValidator(_listed), Field(min_length=1)]


class MaskMap(RecipeModel):
    asset: AssetKey
    """Key of the asset of a STAC item, or what stands for {band} in the name of a file."""
    number: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Which band of the file, counted from 1; needed for a file with several."""
    layout: Literal["fmask", "scl", "qa-pixel"] | None = None
    """The mask is laid out as HLS's Fmask, Sentinel-2's SCL or Landsat's QA_PIXEL."""
    codes: Annotated[dict[Code, Qualities], Field(min_length=1, max_length=65536)] | None = None
    """Code of the mask: clear, cloud, adjacent, shadow, snow, water or nodata, or a list of these. A code that is not
    listed has no data."""
    bits: Annotated[dict[Annotated[int, Field(ge=0, le=31)], Qualities], Field(min_length=1)] | None = None
    """Bit of the mask (0 to 31): cloud, adjacent, shadow, snow, water or nodata, or a list of these. Where none of them
    is set a pixel is clear."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("layout", "codes", "bits") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"takes one of layout, codes and bits; found {' and '.join(given) or 'none'}")
        if self.codes is not None and not any(set(names) <= {"clear", "water"} for names in self.codes.values()):
            raise ValueError("codes: none of the codes is clear, so no pixel ever would be; list those of clear ground")
        if self.bits is not None and any("clear" in names for names in self.bits.values()):
            raise ValueError("bits: a bit cannot mean clear; a pixel is clear where none of the listed bits is set")
        return self

    @property
    def table(self) -> dict[int, tuple[QualityName, ...]]:
        """The names of each code, or of each bit."""
        return self.codes or self.bits or {}


def _word_of_nan(value: Any) -> Any:
    """YAML's .nan as the word."""
    return "nan" if isinstance(value, float) and math.isnan(value) else value


class CustomProduct(RecipeModel):
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Name of the product, as `products` lists it."""
    collection: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Id of the STAC collection that its items are of; by default the product's name."""
    files: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    """Of `archive`, for a folder of GeoTIFFs without items: their path below the folder, with {date} (20210504,
    2021-05-04 or 2021124), {band}, if wanted {time} (UTC, 170112 or 1701), and * for anything else, such as
    *_{date}_{band}.tif."""
    bands: Annotated[
        dict[Annotated[str, Field(pattern=BAND_PATTERN)], Annotated[BandMap, BeforeValidator(_expanded)]],
        Field(min_length=1, max_length=64),
    ]
    """Band of the cube: key of its asset, or {asset, scale, offset} where it has others than the product."""
    scale: Scale = 1e-4
    """Reflectance (or degrees Celsius) is stored number x scale + offset."""
    offset: Offset = 0.0
    """See `scale`."""
    fill: Annotated[
        Annotated[Literal["nan"], Tag("[word]")] | Annotated[float, Tag("[other]")],
        Discriminator(_kind),
        BeforeValidator(_word_of_nan),
    ]
    """Stored number of a pixel without data; nan for floating-point files, in which NaN never is data."""
    mask: Annotated[
        Annotated[Literal["none"], Tag("[word]")] | Annotated[MaskMap, Tag("[other]")], Discriminator(_kind)
    ]
    """The quality mask: its asset, and what its codes mean; none for a product without: all that is not fill is
    clear."""
    family: Annotated[str, Field(pattern=NAME_PATTERN)] | None = None
    """Products of one family may be mixed in a cube; by default each is one of its own."""
    resolution: Annotated[float, Field(gt=0, le=1e5)] | None = None
    """Metres of a pixel of its files; for estimates."""
    processing: Text = ""
    """What was done to its numbers, for the cube's metadata."""
    licence: Text = ""
    """Under which it may be used; stored in the cube."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.collection is not None and self.files is not None:
            raise ValueError("takes either collection (of STAC items) or files (a pattern of file names)")
        if self.files is not None:
            _check_pattern(self.files, len(set(self.assets)))
        places = [(band.asset, band.number) for band in self.bands.values()]
        if repeated := sorted({asset for asset, number in places if places.count((asset, number)) > 1}):
            raise ValueError(
                f"bands: {', '.join(repeated)} is named for several bands; give each its own asset, or a band number"
                " in it"
            )
        if isinstance(self.mask, MaskMap) and (self.mask.asset, self.mask.number) in places:
            raise ValueError(f"mask: {self.mask.asset} is the asset of a band; name another asset, or write none")
        return self

    @property
    def assets(self) -> tuple[str, ...]:
        """The keys of all files of a scene."""
        mask = (self.mask.asset,) if isinstance(self.mask, MaskMap) else ()
        return (*(band.asset for band in self.bands.values()), *mask)


def _check_pattern(pattern: str, assets: int) -> None:
    """Raise ValueError for a pattern that cannot tell scenes and bands apart, or leaves the folder."""
    for name, needed in (("{date}", True), ("{band}", assets > 1), ("{time}", False)):
        if pattern.count(name) != 1 and (needed or pattern.count(name)):
            raise ValueError(f"files needs {name} once, as in *_{{date}}_{{band}}.tif; found {pattern!r}")
    if any(part.count("*") > 2 for part in pattern.split("/")):
        raise ValueError(f"files may have at most two * in a name; found {pattern!r}")
    rest = pattern.replace("{date}", "").replace("{band}", "").replace("{time}", "")
    if set(rest) & set("{}\\\0") or pattern.startswith("/") or ".." in pattern.split("/"):
        raise ValueError(f"files is a path below the folder with {{date}}, {{band}}, {{time}} and *; found {pattern!r}")
