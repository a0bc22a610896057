"""The recipe of a region: which place, which years, which sources, on which grid. A short YAML file.

Unknown keys, reversed bounds, impossible dates and unknown sources are refused, each with what the line
means and what to write instead. The sections of its ground, grid and split are in `region_place`.
"""

import os
import re
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import DEFAULT_WEATHER, STATIC_NAMES, WEATHER_BY_NAME

from .override import overridden
from .place import NAME_PATTERN, Area, GridSpec, SplitSpec
from .schema import RecipeModel, explained

Products = Literal["hls-l30", "hls-s30", "sentinel-2-l2a"]


class Period(RecipeModel):
    start: date
    """First day of imagery, YYYY-MM-DD."""
    end: date
    """Last day of imagery, YYYY-MM-DD."""
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = tuple(range(1, 13))
    """Months of the year to take images of (1 to 12)."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"end ({self.end}) lies before start ({self.start}); swap them")
        if self.start < date(1982, 1, 1):
            raise ValueError(f"start ({self.start}) lies before the first Landsat Thematic Mapper image (1982)")
        if not self.months:
            raise ValueError("months is empty; leave the line out to take the whole year")
        return self

    @property
    def years(self) -> tuple[int, ...]:
        """The calendar years that the period touches."""
        return tuple(range(self.start.year, self.end.year + 1))

    def contains(self, day: date) -> bool:
        return self.start <= day <= self.end and day.month in self.months


SourceName = Annotated[str, Field(pattern=NAME_PATTERN)]
"""The name that a source is registered by; whether there is one is known to who builds, not to who reads."""

SourceOptions = dict[str, str | int | float | bool | tuple[str, ...]]


class Imagery(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path", "catalog", "cloud_score")
    source: SourceName
    """Where scenes come from: `archive` (a folder with STAC items and COGs), `stac` (a public catalogue),
    `earthengine`, or a source of an installed package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive`: the folder with items.json (an ItemCollection) or catalog.json (a static catalogue)."""
    catalog: str | None = None
    """Of `stac`: planetary-computer (HLS, no account), lpcloud (HLS, Earthdata account), earth-search (Sentinel-2)."""
    products: Annotated[tuple[Products, ...], Field(min_length=1)]
    """Which products to take: hls-l30, hls-s30, sentinel-2-l2a."""
    cloud_score: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of `earthengine`, for sentinel-2-l2a: pixels below this Cloud Score+ count as cloud too (0.6 is usual)."""
    skip_below_clear: Annotated[float, Field(ge=0, le=1)] = 0.02
    """A (day, block) with a smaller clear fraction keeps its quality mask, but its bands are not read."""
    complete_above: Annotated[float, Field(ge=0, le=1)] = 0.95
    """A build that could read a smaller share of its (day, block) units ends as incomplete."""

    @model_validator(mode="after")
    def _one_processing(self) -> Self:
        if "sentinel-2-l2a" in self.products and len(self.products) > 1:
            raise ValueError(
                "HLS is adjusted to a fixed sun and view angle and Sentinel-2 L2A is not; build one cube of each"
            )
        return self


class Weather(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path", "collection")
    source: SourceName
    """Where weather comes from: `archive` (NetCDF or Zarr on disk), `gridmet` (contiguous US, no account),
    `meteostat` (stations, no account), `earthengine`, or a source of an installed package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive`: the NetCDF file, the folder of NetCDF files, or the Zarr store."""
    collection: str | None = None
    """Of `earthengine`: the collection, gridmet, daymet or era5-land; by default era5-land, which covers the world."""
    variables: tuple[str, ...] = DEFAULT_WEATHER
    """Which variables the cube carries, from `datasets.variables.WEATHER`; by default tmin, tmax, precipitation,
    radiation, vpd and wind."""
    start: date | None = None
    """First day of weather; by default 1 October before the first season."""
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


class Static(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path",)
    source: SourceName
    """Where terrain and soil come from: `archive` (GeoTIFFs on disk), `public` (the Planetary Computer, no account),
    `earthengine`, or a source of an installed package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive`: the folder with elevation.tif and soil_water.tif, or with folders of tiles of these names."""
    layers: Annotated[tuple[str, ...], Field(min_length=1)] = STATIC_NAMES
    """Which layers the cube carries: elevation (m), slope (degrees, worked out from the elevation), soil_water (mm,
    in the US)."""

    @field_validator("layers")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in STATIC_NAMES]
        if unknown or len(set(value)) < len(value):
            raise ValueError(f"takes some of {', '.join(STATIC_NAMES)}, each once; found {', '.join(unknown or value)}")
        return value


class Labels(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path", "legend")
    source: SourceName
    """Where labels come from: `archive` (one raster a year on disk), USDA's Cropland Data Layer from `cropscape`
    (only what is needed), `planetary-computer` (to 2021), `nass` (whole years, large) or `earthengine`, or a source of
    an installed package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive`: path of the rasters, with {year} in place of the year."""
    legend: str | None = None
    """Of `archive`: CSV file with the columns code, name and, if wanted, color (#rrggbb), or `cdl` for NASS's own
    rasters of the Cropland Data Layer. Code 0 means unknown."""
    years: Annotated[tuple[int, ...], Field(min_length=1)]
    """Years with labels."""
    method: Literal["nearest", "majority"] = "majority"
    """How labels of another grid come to the pixels: nearest to the centre, or the majority of 5 x 5 points."""
    groups: Literal["default"] | dict[str, tuple[int, ...] | Literal["rest"]] | None = None
    """Groups of classes instead of the classes, name: [codes]; one may be `rest`, all classes that no other names.
    What is in no group, and the group `unknown`, is stored as unknown. `default`: those of the CDL."""
    colors: dict[str, Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]] = Field(default_factory=dict)
    """Colours of groups, name: "#rrggbb"; by default that of the first class."""
    confidence: bool = False
    """Of `planetary-computer` and `earthengine`: store the confidence of each label too."""

    @model_validator(mode="after")
    def _year_in_path(self) -> Self:
        if isinstance(self.groups, dict) and list(self.groups.values()).count("rest") > 1:
            raise ValueError("groups may hold one `rest`")
        if foreign := set(self.colors) - (set(self.groups) if isinstance(self.groups, dict) else set()):
            raise ValueError(f"colors names {', '.join(sorted(foreign))}, which groups does not")
        if self.path is not None and len(self.years) > 1 and "{year}" not in self.path:
            raise ValueError("path needs {year} where there are labels of several years")
        if len(set(self.years)) < len(self.years):
            raise ValueError("years names a year twice")
        return self


class Simulation(RecipeModel):
    """Make the archive by simulation before it is read (the `sandbox` regions)."""

    path: str
    """Folder that the simulated archive is written to."""
    seed: int
    """Seed of the simulated world."""
    crop_dose: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How far crops follow the weather of the year (1) or the mean weather (0)."""
    soil_dose: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How far the wetness of bare soil follows the weather of the year (1) or the mean weather (0)."""


class Region(RecipeModel):
    """A whole recipe. `load_region` reads one; `recipe_path` says where it was read from."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Lower-case letters, digits and hyphens; the cube is <name>.zarr."""
    title: str
    """One line for a person."""
    description: str = ""
    """What this region is for."""
    area: Area
    grid: GridSpec
    period: Period
    imagery: Imagery
    weather: Weather
    static: Static | None = None
    labels: Labels | None = None
    split: SplitSpec = SplitSpec()
    simulate: Simulation | None = None
    attribution: str = ""
    """Origin and licence of the data, stored in the cube."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        years = set(self.period.years)
        held_out = {*self.split.years.test, *self.split.years.validation}
        if not held_out <= years:
            raise ValueError(f"split.years names {sorted(held_out - years)}, which the period does not touch")
        if set(self.split.years.test) & set(self.split.years.validation):
            raise ValueError("split.years: a year is both test and validation")
        if held_out == years:
            raise ValueError("split.years leaves no year to train on")
        if self.labels is not None and not set(self.labels.years) <= years:
            raise ValueError(f"labels.years names {sorted(set(self.labels.years) - years)}, outside the period")
        if self.weather.start is not None and self.weather.start > self.period.start:
            raise ValueError(f"weather.start ({self.weather.start}) lies after the first day of imagery")
        named = {*self.split.places.test, *self.split.places.validation}
        known = {site.name for site in self.area.sites or ()}
        if not named <= known:
            raise ValueError(f"split.places names {sorted(named - known)}, which area.sites does not list")
        return self

    @property
    def weather_start(self) -> date:
        """First day of weather: as the recipe says, or 1 October before the first season, since winter crops
        and soil water remember."""
        season_start = date(self.period.start.year - 1, 10, 1)
        return self.weather.start or min(self.period.start, season_start)


def shipped_regions() -> tuple[str, ...]:
    """Names of the recipes that come with the package, sorted."""
    folder = resources.files("mmvsf.datasets.recipe.regions")
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_region(
    name_or_path: str, *, source: str | None = None, blocks: int | str | None = None
) -> tuple[Region, Path]:
    """Read a recipe by its shipped name or by the path of a YAML file; returns it and the file's path.

    `source` and `blocks` change it, see `overridden`. Raises InputError if there is no such recipe or if it does not
    say what a recipe must.
    """
    if re.match(NAME_PATTERN, name_or_path):
        path = Path(str(resources.files("mmvsf.datasets.recipe.regions").joinpath(f"{name_or_path}.yaml")))
        if not path.is_file():
            raise InputError(
                f"there is no recipe named '{name_or_path}'; choose one of {', '.join(shipped_regions())},"
                " or give the path of a YAML file"
            )
    else:
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise InputError(f"there is no recipe file {path}; `mmvsf regions` lists the shipped ones")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no YAML file: {' '.join(str(error).split())}") from error
    except ValueError as error:
        # PyYAML builds dates itself and lets 30 February through as Python's own error.
        raise InputError(f"{path}: one of its dates does not exist ({error}); write YYYY-MM-DD") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no recipe; see the documented example with `mmvsf regions --show example`")
    return parse_region(overridden(content, str(path), source, blocks), str(path)), path


def read_recipe(
    recipe: Region | Path | str, *, source: str | None = None, blocks: int | str | None = None
) -> tuple[Region, Path]:
    """A recipe made in Python, or read as by `load_region`; relative paths of the former start at the working folder.

    Raises InputError as `load_region`.
    """
    if not isinstance(recipe, Region):
        return load_region(str(recipe), source=source, blocks=blocks)
    path = Path.cwd() / f"{recipe.name}.yaml"
    if source is None and blocks is None:
        return recipe, path
    content = recipe.model_dump(mode="json", exclude_unset=True)
    return parse_region(overridden(content, recipe.name, source, blocks), recipe.name), path


def parse_region(content: dict[str, Any], where: str) -> Region:
    """Check a recipe given as a mapping. Raises InputError naming the line, its meaning and the remedy."""
    try:
        return Region.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {explained(error, Region)}") from None


def resolve_path(text: str, recipe: Path, data_dir: Path) -> Path:
    """Absolute path of a recipe's path: {data_dir} and ${VARIABLES} are filled in, and what is relative
    starts at the recipe's own folder. Raises InputError if an environment variable is not set."""
    expanded = os.path.expandvars(text.replace("{data_dir}", str(data_dir.expanduser().absolute())))
    if missing := re.search(r"\$\{?(\w+)", expanded):
        raise InputError(f"{recipe}: the path '{text}' needs the environment variable {missing.group(1)}; set it")
    path = Path(expanded).expanduser()
    return path if path.is_absolute() else (recipe.parent / path).absolute()
