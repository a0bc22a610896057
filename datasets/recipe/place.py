"""The sections of a recipe about space: the area, its grid of blocks, and which blocks are held out."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from .schema import RecipeModel

WIDEST = 180
"""Degrees of longitude."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"


Metres = Annotated[float, Field(ge=-1e8, le=1e8)]
"""A projected coordinate."""


class SitePoint(RecipeModel):
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Short name of the place: lower-case letters, digits and hyphens."""
    lon: Annotated[float, Field(ge=-180, le=180)]
    """Longitude in degrees east (negative in the Americas)."""
    lat: Annotated[float, Field(ge=-84, le=84)]
    """Latitude in degrees north, between 84 S and 84 N, where UTM holds."""


class ClusterSampling(RecipeModel):
    clusters: Annotated[int, Field(ge=1)]
    """Number of clusters of blocks to draw from the area."""
    size: Annotated[int, Field(ge=1, le=8)] = 3
    """A cluster has size x size blocks; neighbouring blocks share reads."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw; the same seed draws the same blocks."""


class Area(RecipeModel):
    """The area to cover. Give one of `bbox`, `file`, `fips` or `sites`."""

    bbox: tuple[float, float, float, float] | None = None
    """[west, south, east, north] in degrees. Across 180 degrees of longitude west is greater than east, as in
    [179.5, 51, -179.5, 52], or one of them lies beyond 180."""
    file: str | None = None
    """A vector file whose polygons are the area: GeoJSON, GeoPackage, Shapefile (also in a zip) or FlatGeobuf."""
    fips: Annotated[tuple[Annotated[str, Field(pattern=r"^\d{2}(\d{3})?$")], ...], Field(min_length=1)] | None = None
    """US states (two digits) and counties (five digits) by FIPS code: ["19"] is Iowa. In quotes, since YAML reads 06
    as the number 6."""
    sites: tuple[SitePoint, ...] | None = None
    """Single places: the block of the grid that each point lies in is built."""
    sample: ClusterSampling | None = None
    """Build clusters of blocks drawn from the area instead of all of it."""
    blocks: int | Literal["all"] | None = None
    """A number builds only that many blocks, for a trial; `all` builds every block although `sample` is given
    (`--blocks` sets it)."""

    @field_validator("blocks", mode="before")
    @classmethod
    def _number_or_all(cls, value: Any) -> Any:
        if value in (None, "all") or (str(value).isdecimal() and int(value) > 0):
            return value
        raise ValueError(f"takes a whole number above 0, or all; found {value}")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [key for key in ("bbox", "file", "fips", "sites") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of bbox, file, fips, sites (found: {', '.join(given) or 'none'})")
        return self

    @model_validator(mode="after")
    def _bbox_in_order(self) -> Self:
        if self.bbox is not None:
            west, south, east, north = self.bbox
            if not (-360 <= west <= 360 and -360 <= east <= 360 and -84 <= south < north <= 84):
                raise ValueError(
                    "bbox is [west, south, east, north] in degrees, with west < east and south < north,"
                    f" found {list(self.bbox)}"
                )
            if not 0 < (east - west) % 360 <= WIDEST:
                raise ValueError(
                    f"bbox {list(self.bbox)} is {(east - west) % 360:g} degrees wide; at most {WIDEST} are possible."
                    " Write west < east, except for a box across 180 degrees"
                )
        return self

    @model_validator(mode="after")
    def _named_sites(self) -> Self:
        if self.sites is not None:
            names = [site.name for site in self.sites]
            if not names or len(set(names)) < len(names):
                raise ValueError("sites needs at least one place, each with its own name")
            if self.sample is not None:
                raise ValueError("sample draws blocks from a bbox, a file or fips; remove it where there are sites")
        return self


class GridSpec(RecipeModel):
    crs: str
    """Projected CRS in metres, such as EPSG:32615: the UTM zone of most scenes."""
    resolution: Annotated[float, Field(ge=0.1, le=100_000)] = 30.0
    """Pixel size in metres (HLS 30, Sentinel-2 10)."""
    block: Annotated[int, Field(ge=1, le=2048)] = 256
    """Pixels per side of a block: the unit of planning and of sampling, and the side of a Zarr shard."""
    chunk: Annotated[int, Field(ge=1, le=1024)] = 64
    """Pixels per side of a chunk: the unit of reading. Must divide `block`."""
    weather_cell: Annotated[int, Field(ge=1, le=65_536)] = 128
    """Image pixels per side of a cell of the weather grid."""
    origin: tuple[Metres, Metres] = (0.0, 0.0)
    """[x, y] of a block corner in metres, from which blocks are counted. Regions with the same origin have aligned
    blocks."""

    @field_validator("crs")
    @classmethod
    def _projected(cls, value: str) -> str:
        from pyproj import CRS
        from pyproj.exceptions import CRSError

        try:
            crs = CRS.from_user_input(value)
        except CRSError as error:
            raise ValueError(f"'{value}' is not a CRS; write an EPSG code such as EPSG:32615") from error
        if not crs.is_projected or crs.axis_info[0].unit_name != "metre":
            raise ValueError(f"'{value}' is not a projected CRS in metres; write one such as EPSG:32615")
        return value

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.block % self.chunk:
            raise ValueError(f"chunk ({self.chunk}) must divide block ({self.block})")
        return self


class SpatialSplit(RecipeModel):
    """Which places are held out: sites by name (`test`, `validation`), or a share of all places."""

    test: tuple[str, ...] = ()
    """Names of the sites held out for testing."""
    validation: tuple[str, ...] = ()
    """Names of the sites held out for validation."""
    test_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the units held out for testing, where no sites are named."""
    validation_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the units held out for validation."""
    unit: Literal["cluster", "block", "chunk"] = "cluster"
    """What is held out as a whole: clusters of connected blocks, single blocks, or (in a very small region) single
    chunks. Where `area.blocks` is `all`, clusters of `area.sample` are held out and everything else is for training."""
    layout: Literal["scattered", "strips"] = "scattered"
    """`scattered` draws units at random; `strips` cuts from west to east, for a region too small for a random draw."""
    buffer: Annotated[int, Field(ge=0)] = 0
    """Training units within this distance of a held-out unit are left out. The distance is in units, or in blocks
    around named sites and around the clusters of `area.blocks: all` (there at least 1)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.test or self.validation) and (self.test_share or self.validation_share):
            raise ValueError("name the held-out sites or give shares, not both")
        if (self.test or self.validation) and (self.unit == "chunk" or self.layout == "strips"):
            raise ValueError("a named site holds out its block; unit and layout apply to shares, remove those lines")
        if self.test_share + self.validation_share >= 1:
            raise ValueError("test_share and validation_share leave nothing to train on")
        if set(self.test) & set(self.validation):
            raise ValueError("a site is both test and validation")
        return self


class YearSplit(RecipeModel):
    test: tuple[int, ...] = ()
    """Years held out for testing: the names of their seasons."""
    validation: tuple[int, ...] = ()
    """Years held out for validation."""


class SplitSpec(RecipeModel):
    places: SpatialSplit = SpatialSplit()
    """Held-out places."""
    years: YearSplit = YearSplit()
    """Held-out years."""
