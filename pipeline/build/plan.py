"""Everything that a build needs, worked out and checked before a pixel is read."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mmvsf.datasets.cube.calendar import Calendar, calendar_for
from mmvsf.datasets.cube.compatibility import CubeSpec
from mmvsf.datasets.cube.cube import cube_path
from mmvsf.datasets.cube.grid import Grid, grid_from_recipe
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.cube.splits import place_split
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Region, load_region
from mmvsf.datasets.storage.location import Location, local_folder
from mmvsf.pipeline.disk_space import cube_bytes
from mmvsf.pipeline.layers.imagery.plan import Plan, make_plan
from mmvsf.pipeline.layers.labels.resample import LabelTask, label_tasks, stored_legend
from mmvsf.pipeline.layers.protocols import Requirement, WeatherSource
from mmvsf.pipeline.layers.static.resample import StaticTask, static_tasks, weather_cells
from mmvsf.pipeline.layers.task import BuildContext
from mmvsf.pipeline.layers.weather.regrid import CubeWeather, cube_weather
from mmvsf.pipeline.sources.meteostat.weather import MeteostatStations
from mmvsf.pipeline.sources.registry import imagery_source, label_source, requirements_of, static_source, weather_source

WeatherOf = Callable[[WeatherSource, Region, Grid, Calendar], CubeWeather]
"""Makes a cube's weather from its source; the first of them is `cube_weather`."""


@dataclass(frozen=True)
class BuildPlan:
    """Everything a build needs, checked before a pixel is read."""

    region: Region
    recipe: Path
    cube: Location
    grid: Grid
    calendar: Calendar
    imagery: Plan
    weather: CubeWeather | None
    """None in a plan that is only shown, where it comes from a service"""
    legend: Legend | None
    labels: tuple[LabelTask, ...]
    static: tuple[StaticTask, ...]
    context: BuildContext
    requirements: tuple[Requirement, ...]
    """what the sources need of the person who builds"""

    @property
    def spec(self) -> CubeSpec:
        return CubeSpec(self.region, self.grid, self.calendar, self.legend)


def prepare(
    region_name: str,
    data_dir: Location,
    *,
    source: str | None = None,
    blocks: int | str | None = None,
    only_shown: bool = False,
    weather_of: WeatherOf = cube_weather,
) -> BuildPlan:
    """Read the recipe, search its sources and work out what to do. Raises InputError for anything wrong.

    `source` and `blocks` change the recipe, see `mmvsf.datasets.override`. A plan that is `only_shown` fetches no
    weather from a service, and is made as far as it can be without credentials; another one asks for them first.
    `weather_of` makes the cube's weather; a cube that is extended keeps what it has.
    """
    region, recipe = load_region(region_name, source=source, blocks=blocks)
    folder = local_folder(data_dir)
    grid = grid_from_recipe(region, recipe, folder)
    place_split(region, grid)  # a recipe that leaves nothing to train on is refused before the work
    calendar = calendar_for(region)
    imagery = imagery_source(region, recipe, folder)
    labels = label_source(region, recipe, folder, grid)
    ground = static_source(region, recipe, folder)
    weather_from = weather_source(region, recipe, folder, grid)
    needs = requirements_of(imagery, weather_from, ground, labels)
    if not only_shown:
        refuse_missing(needs)
    try:
        scenes = imagery.search(grid, region.period, region.imagery.products)
    except InputError:
        refuse_missing(needs)  # all that is missing, where the search stopped at the first
        raise
    plan = make_plan(scenes, grid, calendar, region.imagery.skip_below_clear)
    legend, method = None, "nearest"
    codes: tuple[int, ...] = ()
    tasks: list[LabelTask] = []
    years: tuple[int, ...] = ()
    if region.labels is not None and labels is not None:
        classes = labels.legend()
        codes, legend = classes.codes, stored_legend(region.labels, classes)
        years, method = tuple(sorted(region.labels.years)), region.labels.method
        attributes = json.dumps(legend.attributes())
        tasks = label_tasks(labels, grid, years, method, attributes, region.labels.confidence)
    layers = region.static.layers if region.static else ()
    static = static_tasks(ground, grid, layers) if ground is not None else []
    weather = None
    if not only_shown or region.weather.source == "archive":
        if isinstance(weather_from, MeteostatStations) and ground is not None and "elevation" in layers:
            weather_from = replace(weather_from, cells=weather_cells(ground, grid))
        weather = weather_of(weather_from, region, grid, calendar)
    cube = cube_path(region.name, data_dir)
    context = BuildContext(
        cube,
        grid,
        calendar,
        imagery,
        labels,
        method,
        codes,
        legend.stored_codes() if legend else {},
        years,
        region.imagery.skip_below_clear,
        bool(years and region.labels and region.labels.confidence),
        ground,
        layers,
    )
    return BuildPlan(
        region, recipe, cube, grid, calendar, plan, weather, legend, tuple(tasks), tuple(static), context, needs
    )


def refuse_missing(needs: tuple[Requirement, ...]) -> None:
    """Raise InputError with the remedies of all that is missing."""
    if missing := [f"{need.name} is missing: {need.remedy}" for need in needs if not need.present]:
        raise InputError("; ".join(missing))


def bytes_to_write(plan: BuildPlan, shards: int) -> int:
    """Bytes that so many of the plan's shards will take, with the labels and the weather."""
    units = round(plan.imagery.block_days * shards / max(len(plan.imagery.units), 1))
    days, variables = len(plan.calendar), len(plan.region.weather.variables)
    layers = len(plan.context.static_layers)
    return cube_bytes(plan.grid, units, len(plan.context.label_years), days, variables, layers)
