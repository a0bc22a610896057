"""What a layer needs of a source: base classes to derive from, and the types that sources return.

Sources translate to `mmvsf.datasets.variables`, and are sent to workers with nothing open: see `docs/add-a-source.md`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.recipe.load import resolve_path
from mmvsf.datasets.recipe.place import SitePoint
from mmvsf.datasets.recipe.region import Imagery, Labels, Period, Weather
from mmvsf.datasets.recipe.static import Static
from mmvsf.pipeline.raster.extent import lonlat_bounds
from mmvsf.pipeline.raster.fingerprint import content_fingerprint
from mmvsf.pipeline.raster.scene import Asset, Scene

from .found import FoundScenes
from .weather_series import WeatherCells, WeatherSeries

Bounds = tuple[float, float, float, float]
"""west, south, east, north in degrees"""

Window = tuple[slice, slice]
"""rows and columns of a raster"""


@dataclass(frozen=True)
class Requirement:
    """Something that a source needs of its user. `mmvsf plan` lists which are present."""

    name: str
    """what it is, for example "Earthdata token" """
    present: bool
    remedy: str
    """how to get it and where to put it; for something that is present, where it is"""


@dataclass(frozen=True)
class Origin:
    """Where data come from, and under which licence. It is stored in the cube's root attributes."""

    service: str
    """the archive or service: planetary-computer, gridmet, archive, ..."""
    url: str = ""
    """address of the service, without credentials"""
    collection: str = ""
    source: str = ""
    """the data set in words, with the attribution that it asks for"""
    licence: str = ""
    """empty where it is not known: a licence is never guessed"""

    def record(self) -> dict[str, str]:
        """Its record in a cube, without empty fields; see `mmvsf.pipeline.build.provenance`."""
        names = {"from": self.service, "url": self.url, "collection": self.collection}
        return {key: text for key, text in {**names, "source": self.source, "licence": self.licence}.items() if text}


@dataclass(frozen=True)
class SourceSite:
    """What a source is made from, beside its section of the recipe: the grid, and where files are."""

    grid: Grid
    recipe: Path
    """the recipe's file; relative paths in it start at its folder"""
    data_dir: Path
    sites: tuple[SitePoint, ...] = ()
    """of the recipe, where its area is sites"""

    def path(self, text: str) -> Path:
        """A path of the recipe, resolved. Raises InputError if it names an unset environment variable."""
        return resolve_path(text, self.recipe, self.data_dir)

    def cache(self, name: str) -> Path:
        """The folder for downloads of a source. A home (`~`) is left for each machine to expand."""
        folder = self.data_dir if self.data_dir.parts[:1] == ("~",) else self.data_dir.absolute()
        return folder / "cache" / name

    @property
    def weather_bounds(self) -> Bounds:
        """The rectangle that weather is needed for: weather cells reach beyond the blocks by less than one cell."""
        return lonlat_bounds(self.grid, self.grid.weather_cell)


class Source(ABC):
    """What every source has."""

    recipe_lines: ClassVar[Mapping[str, bool]] = {}
    """lines of its section of the recipe, or keys of the section's `options`, that the source takes -> whether it needs
    them"""

    quota: ClassVar[str] = ""
    """How much the service allows a user, in one line; `mmvsf plan` shows it."""

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Any, site: SourceSite) -> Self:
        """The source that its section of the recipe describes. Raises InputError."""

    @property
    def is_local(self) -> bool:
        """Whether its answers follow from the files at the paths in its section of the recipe alone."""
        return False

    def quotas(self) -> tuple[str, ...]:
        """The quotas of all of its services, one line each."""
        return (self.quota,) if self.quota else ()

    def requirements(self) -> tuple[Requirement, ...]:
        """What the source needs of its user, determined without the network; by default nothing."""
        return ()


class ImagerySource(Source):
    """Scenes of a place and period."""

    days_at_once: int = 1
    """Days of a task that are read at the same time, by threads: more than 1 where waiting for a server takes longer
    than the work."""

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        """The source that the recipe's section `imagery` describes. Raises InputError."""

    @abstractmethod
    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        """Scenes whose `day`, a solar day (see `Coverage.day`), is in the period and whose mask reaches one of the
        grid's blocks, by time and id.

        Raises InputError for a product that the source lacks, NoSceneError where nothing matched.
        """

    def known_gap(self, product: str, day: date) -> str:
        """Why the source may lack scenes of a product on a day, and what to do, where that is known; else empty."""
        return ""

    @abstractmethod
    def read(self, asset: Asset, window: Window) -> NDArray[Any]:
        """Native numbers of a window, masked where the file says there are none. Raises ReadError, invents nothing."""

    def places(self, asset: Asset) -> Sequence[Asset]:
        """Where a file can be read, in order of preference: the next is tried if `read` fails at one."""
        return (asset,)

    def state(self, scene: Scene) -> str:
        """A text that changes when files of a scene are replaced, empty if not known. Called for each scene at each
        run, so no file is read for it; by default it is what the catalogue said."""
        return scene.state

    def content(self, scene: Scene) -> str:
        """A text that changes with what the files hold alone, empty if not known. Asked again where `state` changed."""
        return ""

    @abstractmethod
    def origin(self, product: str) -> Origin:
        """Where the scenes of a product come from. Raises InputError for a product that the source lacks."""

    def origins(self, product: str) -> Sequence[Origin]:
        """The same of each of several services that a scene may come from, in the order in which they are tried."""
        return (self.origin(product),)


class WeatherSource(Source):
    """Daily weather of a place."""

    uses_elevation: ClassVar[bool] = False
    """Whether temperatures are brought to the elevation of the ground, by `at_cells`."""

    depends_on_period: ClassVar[bool] = False
    """Whether the values of a day depend on the first and last day that are fetched with it, as where stations are
    chosen by how often they report. All days of a cube are then fetched at once, also where it is extended."""

    def at_cells(self, cells: WeatherCells) -> Self:
        """The source with its values at these cells; called only for a source that `uses_elevation`."""
        return self

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """The source that the recipe's section `weather` describes. Raises InputError."""

    @abstractmethod
    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """The variables from the first to the last day.

        Raises InputError where the source lacks a variable or ground, or names a unit that cannot be converted,
        IncompleteError where it cannot be reached.
        """

    @abstractmethod
    def origin(self) -> Origin:
        """Where the weather comes from. Raises InputError where that is in files that cannot be read."""


class StaticSource(Source):
    """Measured rasters of terrain and soil, in tiles on their own lattices."""

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Static, site: SourceSite) -> Self:
        """The source that the recipe's section `static` describes. Raises InputError."""

    @abstractmethod
    def tiles(self, layer: str, grid: Grid) -> list[Asset]:
        """The rasters of a measured layer (`elevation` in m, `soil_water` in mm) over the grid's blocks.

        Raises InputError if there are none, IncompleteError or ReadError if a service does not answer.
        """

    @abstractmethod
    def read(self, asset: Asset, window: Window) -> NDArray[np.float64]:
        """Numbers of a window in the layer's unit, NaN where there is no data. Raises ReadError."""

    @abstractmethod
    def origin(self, layer: str) -> Origin:
        """Where a measured layer comes from. Raises InputError for a layer that the source lacks."""


class LabelSource(Source):
    """Yearly label rasters."""

    has_confidence: ClassVar[bool] = False
    """Whether `confidence` may return a raster."""

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """The source that the recipe's section `labels` describes. Raises InputError."""

    @abstractmethod
    def legend(self) -> Legend:
        """The classes. Raises InputError if they cannot be read."""

    @abstractmethod
    def asset(self, year: int) -> Asset:
        """The raster of a year. Raises InputError if there is none or it has no CRS."""

    @abstractmethod
    def read(self, asset: Asset, window: Window) -> NDArray[Any]:
        """Codes of a window. Raises ReadError."""

    def fingerprint(self, asset: Asset) -> str:
        """A text that changes with what a raster holds and, for files, with nothing else: labels are read again where
        it is another. By default of the file or address that its href names."""
        return content_fingerprint(asset.href)

    def notes(self, year: int) -> tuple[str, ...]:
        """What was left out or repaired in a year's labels, one line each, known once `asset` was called for it."""
        return ()

    def confidence(self, year: int) -> Asset | None:
        """The raster of a year's confidence, on the grid of its codes: percent, which `read` gives as uint8 with 0 or
        anything above 100 where it is not known. None for a year without."""
        return None

    @abstractmethod
    def origin(self) -> Origin:
        """Where the labels come from."""
