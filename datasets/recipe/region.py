"""The recipe of a region: which area, which years, which sources, on which grid.

Unknown keys, reversed bounds, impossible dates and unknown sources are refused. The docstring under a key is its
meaning, which errors and the documentation quote. The sections for area, grid and split are in `place`.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from mmvsf.datasets.variables import DEFAULT_BANDS, DEFAULT_WEATHER, WEATHER_BY_NAME

from .place import NAME_PATTERN, Area, GridSpec, SplitSpec
from .product import BAND_PATTERN, Catalogs, CustomProduct
from .radar import Radar
from .schema import SEPARATOR, OneLine, RecipeModel
from .season import Season, SeasonSpec
from .simulation import Simulation
from .static import Static
from .target import MemberName, SourceName, SourceOptions, Target, TargetName


class Period(RecipeModel):
    start: date
    """First day of imagery, YYYY-MM-DD."""
    end: date
    """Last day of imagery, YYYY-MM-DD."""
    months: Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Field(max_length=12)] = tuple(range(1, 13))
    """Months of the year to take images of (1 to 12)."""
    season: SeasonSpec = SeasonSpec()
    """Where a season begins (`from`, MM-DD; by default 01-01), and whether it is named by the year of its `start` or
    `end` (`label`). Windows, splits, labels and maps are by season."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"end ({self.end}) lies before start ({self.start}); swap them")
        if self.start < date(1982, 1, 1):
            raise ValueError(f"start ({self.start}) lies before the first Landsat Thematic Mapper image (1982)")
        if self.end > (latest := date.today() + timedelta(days=366)):
            raise ValueError(f"end ({self.end}) is in the future; choose a day until {latest}")
        if not self.months:
            raise ValueError("months is empty; leave the line out to take the whole year")
        return self

    @property
    def seasons(self) -> tuple[Season, ...]:
        """The seasons that the period touches."""
        first, last = (self.season.season_of(day).name for day in (self.start, self.end))
        return tuple(self.season.season(name) for name in range(first, last + 1))

    @property
    def years(self) -> tuple[int, ...]:
        """The names of the seasons that the period touches."""
        return tuple(season.name for season in self.seasons)

    @property
    def runs(self) -> list[tuple[date, date]]:
        """The runs of days that it holds: (first, last), both included."""
        days = (self.start + timedelta(days=number) for number in range((self.end - self.start).days + 1))
        return [(run[0], run[-1]) for held, group in groupby(days, key=self.contains) if held and (run := list(group))]

    def contains(self, day: date) -> bool:
        return self.start <= day <= self.end and day.month in self.months


TAKEN_NAMES = ("mean", "ndvi")
"""Names of scores beside those of the bands."""


class Imagery(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path", "catalog", "items", "custom", "cloud_score", "site_column")
    source: SourceName
    """`archive` (a folder with STAC items and COGs), `stac` (a catalogue), `earthengine`, `table` (series of single
    points), or that of a package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive`: the folder with items.json (an ItemCollection), items.parquet or catalog.json (a catalogue). Of
    `table`: the CSV or Parquet file, with a column `date` and a row for each site and day."""
    catalog: Catalogs | None = None
    """Of `stac`: planetary-computer, lpcloud (HLS, Earthdata account), earth-search (Sentinel-2), the https:// address
    of a STAC API that needs no account; or, for HLS, a list of these and earthengine, which are tried in turn."""
    items: str | None = None
    """Of `stac`: a stac-geoparquet file, as `mmvsf search` writes it, with the items of the one catalogue."""
    products: Annotated[tuple[Annotated[str, Field(pattern=NAME_PATTERN)], ...], Field(min_length=1)]
    """Which products to take: hls-l30 and hls-s30, or sentinel-2-l2a, or landsat-c2-l2, or those of `custom`."""
    custom: Annotated[tuple[CustomProduct, ...], Field(min_length=1, max_length=20)] | None = None
    """Of `archive`, `stac` and `table`: products that the recipe declares, each with its bands, numbers and mask."""
    site_column: str | None = None
    """Of `table`: the column that names the site of a row, as area.sites do but for capitals and punctuation; by
    default site."""
    bands: Annotated[tuple[Annotated[str, Field(pattern=BAND_PATTERN)], ...], Field(min_length=1, max_length=64)] = (
        DEFAULT_BANDS
    )
    """Bands of the cube, in this order; every product must have them. By default the six of HLS."""
    cloud_score: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of `earthengine`, for sentinel-2-l2a: pixels below this Cloud Score+ count as cloud too (0.6 is usual)."""
    skip_below_clear: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Where a smaller share of a block is clear on a day, its quality mask is stored, but its bands are not read."""
    complete_above: Annotated[float, Field(ge=0, le=1)] = 0.95
    """A build that could read a smaller share of its blocks and days ends as incomplete."""

    @model_validator(mode="after")
    def _declared(self) -> Self:
        names = [product.name for product in self.custom or ()]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"custom declares {', '.join(repeated)} twice; give each product a name of its own")
        if unused := [name for name in names if name not in self.products]:
            raise ValueError(f"custom declares {', '.join(unused)}, which products does not list; add or remove it")
        return self

    @field_validator("bands")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = sorted(name for name in set(value) if value.count(name) > 1 or name in TAKEN_NAMES)
        if wrong:
            raise ValueError(f"takes each name once, and neither {' nor '.join(TAKEN_NAMES)}; found {', '.join(wrong)}")
        return value


class Weather(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path", "collection", "stations", "units")
    source: SourceName
    """Where weather comes from: `archive` (NetCDF or Zarr on disk), `table` (daily rows of stations on disk), `power`
    (NASA POWER: the world, no account), `gridmet` (contiguous US, no account), `meteostat` (stations, no account),
    `era5-land` and `agera5` (the world's land, a free token of ECMWF), `earthengine`, or a source of an installed
    package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive`: the NetCDF file, the folder of NetCDF files, or the Zarr store. Of `table`: the CSV or Parquet file
    with the columns site, date and the variables."""
    stations: str | None = None
    """Of `table`: the CSV or Parquet file with the columns site, longitude and latitude."""
    units: dict[str, OneLine] | None = None
    """Of `table`: the units of variables that are in others than the cube's, such as {vpd: Pa}."""
    collection: str | None = None
    """Of `earthengine`: the collection, gridmet, daymet or era5-land; by default era5-land, which covers the world."""
    variables: tuple[MemberName, ...] = DEFAULT_WEATHER
    """Which variables the cube carries, from `datasets.variables.WEATHER`; by default tmin, tmax, precipitation,
    radiation, vpd and wind."""
    start: date | None = None
    """First day of weather; by default three months before the first season."""
    fill_gaps: Annotated[int, Field(ge=0, le=31)] = 3
    """Gaps of up to this many days are filled from their neighbours and flagged; longer ones are refused."""

    @field_validator("variables")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in WEATHER_BY_NAME]
        if unknown or not value or len(set(value)) < len(value):
            raise ValueError(
                f"takes some of {', '.join(WEATHER_BY_NAME)}, each once; found {', '.join(unknown or value) or 'none'}"
            )
        return value


class Labels(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = (
        "path", "legend", "collection", "class_column", "year_column", "layer", "edge", "confidence_path",
    )  # fmt: skip
    source: SourceName
    """Where labels come from: `archive` (one raster a year on disk), `vector` (polygons or points on disk), USDA's
    Cropland Data Layer from `cropscape` (only what is needed), `planetary-computer` (to 2021), `nass` (whole years,
    large) or `earthengine`, or a source of an installed package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive` and `vector`: path of the files, with {year} in place of the year; of `archive` also a folder of
    tiles."""
    legend: str | None = None
    """Of `archive` and `vector`: CSV file with the columns code, name and, if wanted, color (#rrggbb) and value (what
    the files hold for the class), or the name of a known product: cdl, worldcover, worldcereal-maize, ... Code 0 means
    unknown. `vector` needs none: the values of its column, sorted, are the classes."""
    collection: str | None = None
    """Of `planetary-computer`: the collection, usda-cdl (the default) or esa-worldcover (10 m, 2020 and 2021)."""
    class_column: str | None = None
    """Of `vector`: the column that holds the class of a feature; {year} stands for the year."""
    year_column: str | None = None
    """Of `vector`: the column that holds the year of a feature, as a number, text or date."""
    layer: str | None = None
    """Of `vector`: the layer of a file with several."""
    edge: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Of `vector`: pixels less than this many metres inside the outline of a polygon are unknown."""
    years: Annotated[tuple[int, ...], Field(min_length=1)]
    """Years with labels: the names of their seasons."""
    method: Literal["nearest", "majority"] = "majority"
    """How labels are resampled: the label nearest to a pixel's centre, or the majority at 5 x 5 points in it."""
    least_purity: Annotated[int, Field(ge=0, le=100)] = 0
    """Pixels of which a smaller share (percent) carries their label are unknown, such as those on the edges of
    fields."""
    groups: Literal["default"] | dict[str, tuple[int, ...] | Literal["rest"]] | None = None
    """Groups of classes in place of the classes, name: [codes]; one may be `rest`, all classes in no other group.
    Classes in no group, and those in the group `unknown`, are stored as unknown. `default`: groups of the CDL."""
    colors: dict[str, Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]] = Field(default_factory=dict)
    """Colours of groups, name: "#rrggbb"; by default the colour of a group's first class."""
    confidence: bool = False
    """Of `planetary-computer` and `earthengine`: store the confidence of each label too."""
    confidence_path: str | None = None
    """Of `archive`: path of rasters of their confidence (percent, on the same grid), stored too; with {year}."""

    @property
    def has_confidence(self) -> bool:
        """Whether the confidence of labels is stored."""
        return self.confidence or self.confidence_path is not None

    @model_validator(mode="after")
    def _year_in_path(self) -> Self:
        if isinstance(self.groups, dict) and list(self.groups.values()).count("rest") > 1:
            raise ValueError("groups may hold one `rest`")
        if foreign := set(self.colors) - (set(self.groups) if isinstance(self.groups, dict) else set()):
            raise ValueError(f"colors names {', '.join(sorted(foreign))}, which groups does not")
        by_year = "{year}" in f"{self.path} {self.class_column}" or self.year_column is not None
        if self.path is not None and len(self.years) > 1 and not by_year:
            raise ValueError("path needs {year} where there are labels of several years")
        if len(set(self.years)) < len(self.years):
            raise ValueError("years names a year twice")
        return self


class Region(RecipeModel):
    """A whole recipe. `load.load_region` reads one from a file."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Lower-case letters, digits and hyphens; the cube is <name>.zarr."""
    title: OneLine
    """One line that describes the region."""
    description: str = ""
    """The purpose of the region."""
    area: Area
    grid: GridSpec
    period: Period
    imagery: Imagery
    weather: Weather | None
    """Daily weather, or `none` for a cube without it."""
    radar: Radar | None = None
    static: Static | None = None
    labels: Labels | None = None
    targets: dict[TargetName, Target] = Field(default_factory=dict)
    """Numbers to be learnt that are no classes, name: {source, path, units, years, ...}."""
    split: SplitSpec = SplitSpec()
    simulate: Simulation | None = None
    attribution: str = ""
    """Sources and licences of the data; stored in the cube."""

    @field_validator("weather", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "none" else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if wrong := list(self._contradictions()):
            raise ValueError(SEPARATOR.join(wrong))
        return self

    def _contradictions(self) -> Iterator[str]:
        """What is wrong between the sections."""
        years = set(self.period.years)
        held_out = {*self.split.years.test, *self.split.years.validation}
        if not held_out <= years:
            yield f"split.years names {_listed(held_out - years)}, outside the period ({_span(years)})"
        if set(self.split.years.test) & set(self.split.years.validation):
            yield "split.years: a year is both test and validation"
        if held_out == years:
            yield "split.years leaves no year to train on"
        if self.labels is not None and (outside := set(self.labels.years) - years):
            yield f"labels.years names {_listed(outside)}, outside the period ({_span(years)})"
        for name, target in self.targets.items():
            if outside := set(target.years) - years:
                yield f"targets.{name}.years names {_listed(outside)}, outside the period ({_span(years)})"
        start = self.weather.start if self.weather else None
        if start is not None and start > self.period.start:
            yield f"weather.start ({start}) lies after the first day of imagery"
        named = {*self.split.places.test, *self.split.places.validation}
        sites = {site.name for site in self.area.sites or ()}
        if not named <= sites:
            yield f"split.places names {sorted(named - sites)}, which area.sites does not list"
        if self.simulate is not None and self.imagery.bands != DEFAULT_BANDS:
            yield f"imagery.bands: a simulated region has {', '.join(DEFAULT_BANDS)}; remove the line"

    @property
    def weather_start(self) -> date:
        """First day of weather: `weather.start`, or the first that belongs to the first season; for a region without
        weather the first day of imagery."""
        if self.weather is None:
            return self.period.start
        return self.weather.start or self.period.seasons[0].weather_start


def _listed(years: set[int]) -> str:
    return ", ".join(map(str, sorted(years)[:20])) + ", ..." * (len(years) > 20)


def _span(years: set[int]) -> str:
    return f"{min(years)} to {max(years)}"
