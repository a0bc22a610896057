"""The layer `weather`: fetched and regridded when a build is planned, since it is small, and written at its end."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Never

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.pipeline.layers.layer import Collected, Layer, LayerPlan, Record, TaskReport, changed_options
from mmvsf.pipeline.layers.registry import WEATHER
from mmvsf.pipeline.layers.source import WeatherSource

from .arrays import weather_arrays
from .gaps import refuse_lacking
from .regrid import CubeWeather, cube_weather, refuse_reversed
from .update import update_weather

BYTES_PER_VALUE = 4.0
"""float32"""


@dataclass(frozen=True)
class WeatherPlan(LayerPlan[Never]):
    """The whole weather of a cube; there are no tasks."""

    weather: CubeWeather | None
    """None in a plan that is only shown, where the weather comes from a service"""

    @property
    def entries(self) -> Mapping[str, str]:
        """See `LayerPlan`."""
        return {}

    def tasks(self, todo: Collection[str]) -> list[Never]:
        """See `LayerPlan`."""
        return []


@dataclass(frozen=True)
class WeatherLayer(Layer[Never]):
    name: ClassVar[str] = "weather"
    source: WeatherSource
    present: CubeWeather | None = None
    """the weather of a cube that is extended, on its new axes; only what it lacks is fetched"""
    fetches: bool = True
    """False for a plan that is only shown"""

    def plan(self) -> WeatherPlan:
        """See `Layer`. Raises what `fetch_weather` raises, and InputError where tmin lies above tmax, and where a cell
        has no day or lacks single variables."""
        region, grid, calendar = self.spec.region, self.spec.grid, self.spec.calendar
        if not self.fetches:
            return WeatherPlan(None)
        if self.present is not None:
            weather = update_weather(self.present, self.source, region, grid, calendar)
        else:
            weather = cube_weather(self.source, region, grid, calendar)
        if weather.may_lack_days:
            refuse_lacking(weather.values, grid.weather_mask(), calendar.first_day)
        refuse_reversed(weather, region, calendar)
        return WeatherPlan(weather)

    def run(self, task: Never) -> TaskReport:
        """See `Layer`."""
        raise AssertionError("weather has no tasks")

    def place(self, entry: str) -> tuple[BlockIndex, int]:
        """See `Layer`."""
        raise AssertionError("weather has no tasks")

    def collect(self, plan: WeatherPlan) -> Collected:
        """See `Layer`: the weather and its sums."""
        if plan.weather is None:
            raise ValueError("this plan was made to be shown, without its weather")
        return Collected(arrays=weather_arrays(self.spec, plan.weather), attributes=plan.weather.origin)

    def origins(self) -> list[Record]:
        """See `Layer`."""
        section = self.spec.region.weather
        path = {"path": section.path} if section and section.path is not None else {}
        return [{"role": self.name, **path, **self.source.origin().record()}]

    @staticmethod
    def stored_bytes(spec: CubeSpec, units: float) -> float:
        """See `Layer`."""
        grid, region = spec.grid, spec.region
        rows, columns = grid.weather_shape
        # Cells without a block hold NaN throughout and take next to nothing.
        cells = min(rows * columns, len(grid.blocks) * (grid.block // grid.weather_cell + 2) ** 2)
        days = (region.period.end - region.weather_start).days + 1
        return days * cells * len(spec.weather) * BYTES_PER_VALUE

    @staticmethod
    def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
        """See `Layer`."""
        was, now = old.region.weather, new.region.weather
        if was is None:
            return []
        if now is None:
            return ["weather is left out"]
        reasons = []
        if lost := set(was.variables) - set(now.variables):
            reasons.append(f"weather.variables leaves out {', '.join(sorted(lost))}")
        reasons += changed_options("weather", was, now, ("source", "collection", "options"))
        if new.region.weather_start > old.region.weather_start:
            reasons.append(
                f"the weather begins on {new.region.weather_start}, but on {old.region.weather_start} in the cube"
            )
        return reasons + _elevation(now.source, old, new)


def _elevation(name: str, old: CubeSpec, new: CubeSpec) -> list[str]:
    """Temperatures that are brought to the terrain's elevation change with it. A source that is given in Python and not
    registered may use it."""
    if name in WEATHER.names() and not WEATHER.find(name).uses_elevation:
        return []
    was, now = (_elevation_source(spec) for spec in (old, new))
    if was != now:
        return [f"the elevation (static) differs, to which the source {name} adjusts temperatures"]
    if now and new.grid.block % new.grid.weather_cell and len(new.grid.blocks) > len(old.grid.blocks):
        return ["area gains blocks, which changes the elevation and temperatures of weather cells of several blocks"]
    return []


def _elevation_source(spec: CubeSpec) -> tuple[str, str | None] | None:
    """Where a cube's elevation comes from."""
    static = spec.region.static
    return (static.source, static.path) if static and "elevation" in static.layers else None
