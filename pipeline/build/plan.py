"""Everything that a build needs, prepared and checked before a pixel is read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from mmvsf.datasets.cube.calendar import Calendar, calendar_for
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.cube.paths import cube_path
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.splits import place_split
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import read_recipe, resolve_path
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.location import Location, local_folder
from mmvsf.pipeline.layers.imagery.layer import ImageryLayer
from mmvsf.pipeline.layers.imagery.missing import Acquisitions
from mmvsf.pipeline.layers.imagery.plan import ImageryPlan
from mmvsf.pipeline.layers.imagery.table import check_products
from mmvsf.pipeline.layers.labels.layer import LabelLayer
from mmvsf.pipeline.layers.labels.resample import LabelTask, stored_legend
from mmvsf.pipeline.layers.layer import BlockPlan, Layer, LayerPlan
from mmvsf.pipeline.layers.radar.layer import RadarLayer
from mmvsf.pipeline.layers.radar_source import RadarSource
from mmvsf.pipeline.layers.source import Requirement, SourceSite, StaticSource, WeatherSource
from mmvsf.pipeline.layers.static.layer import StaticLayer
from mmvsf.pipeline.layers.static.resample import StaticTask, weather_cells
from mmvsf.pipeline.layers.targets.layer import TargetLayer
from mmvsf.pipeline.layers.targets.resample import TargetTask
from mmvsf.pipeline.layers.weather.layer import WeatherLayer, WeatherPlan
from mmvsf.pipeline.layers.weather.regrid import CubeWeather
from mmvsf.pipeline.raster.proj_data import refuse_foreign_proj_data

from .acquisitions import acquisitions, refuse_absent, with_expected
from .layers import cube_bytes
from .local_inputs import are_below, local_inputs
from .sources import GivenSources, Sources, open_sources
from .unseen import refuse_unseen

SomeLayer = TypeVar("SomeLayer", bound=Layer[Any], covariant=True)
SomePlan = TypeVar("SomePlan", bound=LayerPlan[Any], covariant=True)

PresentWeather = Callable[[CubeSpec], CubeWeather | None]
"""The weather of a cube that is extended, on the axes of its new specification; None where it has none"""


@dataclass(frozen=True)
class Planned(Generic[SomeLayer, SomePlan]):
    """A layer, and what is to be done for it."""

    layer: SomeLayer
    plan: SomePlan


@dataclass(frozen=True)
class BuildPlan:
    """Everything a build needs, checked before a pixel is read."""

    spec: CubeSpec
    recipe: Path
    cube: Location
    imagery_layer: Planned[ImageryLayer, ImageryPlan]
    radar_layer: Planned[RadarLayer, ImageryPlan] | None
    weather_layer: Planned[WeatherLayer, WeatherPlan] | None
    label_layer: Planned[LabelLayer, BlockPlan[LabelTask]] | None
    target_layer: Planned[TargetLayer, BlockPlan[TargetTask]] | None
    static_layer: Planned[StaticLayer, BlockPlan[StaticTask]] | None
    requirements: tuple[Requirement, ...]
    """what the sources need of their user"""
    quotas: tuple[str, ...]
    """how much their services allow a user"""
    acquisitions: Acquisitions
    """what the imagery's source lists and what it lacks"""
    inputs: str = ""
    """see `local_inputs`: of a plan that is made from files of this disk alone; empty for others"""

    @property
    def layers(self) -> tuple[Planned[Layer[Any], LayerPlan[Any]], ...]:
        """All layers in the order of the work. Labels come first: a code that the legend lacks should show before
        hours of imagery."""
        before = (self.label_layer, self.target_layer, self.static_layer)
        layers = (*before, self.imagery_layer, self.radar_layer, self.weather_layer)
        return tuple(layer for layer in layers if layer is not None)

    @property
    def imagery(self) -> ImageryPlan:
        return self.imagery_layer.plan

    @property
    def weather(self) -> CubeWeather | None:
        """None for a recipe without weather, and in a plan that is only shown where it comes from a service."""
        return self.weather_layer.plan.weather if self.weather_layer else None

    @property
    def region(self) -> Region:
        return self.spec.region

    @property
    def grid(self) -> Grid:
        return self.spec.grid

    @property
    def calendar(self) -> Calendar:
        return self.spec.calendar

    @property
    def legend(self) -> Legend | None:
        return self.spec.legend

    @property
    def static_rasters(self) -> int:
        """Number of rasters that static layers are read from."""
        tasks = self.static_layer.plan.all_tasks if self.static_layer else ()
        return len({tile.href for task in tasks for _, tiles in task.tiles for tile in tiles})

    def bytes_to_write(self, shards: int) -> int:
        """Bytes that so many of the plan's shards will take, with the other layers."""
        return cube_bytes(self.spec, self.imagery.block_days * shards / max(len(self.imagery.units), 1))


def build_plan(
    recipe: Region | Path | str,
    data_dir: Location,
    *,
    source: str | None = None,
    blocks: int | str | None = None,
    given: GivenSources | None = None,
    only_shown: bool = False,
    present_weather: PresentWeather | None = None,
) -> BuildPlan:
    """Read the recipe, search its sources and work out what to do. Raises InputError for anything wrong.

    `source` and `blocks` change the recipe, see `mmvsf.datasets.recipe.override`; `given` sources replace those that it
    names. A plan that is `only_shown` fetches no weather from a service, and is made as far as it can be without
    credentials; another one asks for them first. A cube that is extended keeps its `present_weather`.
    """
    # Whole, since its order matters: what costs less to find out is refused first.
    refuse_foreign_proj_data()
    region, path = read_recipe(recipe, source=source, blocks=blocks)
    folder = local_folder(data_dir)
    grid = grid_from_recipe(region, path, folder)
    place_split(region, grid)  # a recipe that leaves nothing to train on is refused before the work
    sources = open_sources(region, SourceSite(grid, path, folder, region.area.sites or ()), given or GivenSources())
    check_products(region.imagery, str(path))  # after a package has registered its own with its source
    needs = sources.requirements
    if not only_shown:
        refuse_missing(needs)
    cube, is_whole = cube_path(region.name, data_dir), not only_shown and given is None and present_weather is None
    inputs = local_inputs(region, path, folder) if is_whole and sources.are_local else ""
    try:
        classes = sources.labels.legend() if sources.labels else None
        legend = stored_legend(region.labels, classes) if region.labels and classes else None
        spec = CubeSpec(region, grid, calendar_for(region), legend)
        imagery = ImageryLayer(spec, cube, sources.imagery)
        imagery_layer = Planned(imagery, imagery.plan())
    except InputError as error:
        refuse_missing(needs)  # all that is missing, where the search stopped at the first
        raise with_expected(error, region, sources.imagery) from None
    answer = acquisitions(region, imagery_layer.plan.scenes, sources.imagery)
    radar_layer = _planned_radar(spec, cube, sources.radar) if sources.radar else None
    if not only_shown:
        refuse_absent(answer)
        for scenes in filter(None, (imagery_layer, radar_layer)):
            refuse_unseen(scenes.plan)
    maps = _planned_maps(spec, cube, sources, classes)
    weather_layer = _planned_weather(spec, cube, sources, present_weather, only_shown)
    layers = (imagery_layer, radar_layer, weather_layer, *maps)
    archives = [(imagery_layer.plan, region.imagery.path)]
    if radar_layer and region.radar:
        archives.append((radar_layer.plan, region.radar.path))
    inputs = inputs if _are_within(archives, path, folder) else ""
    return BuildPlan(spec, path, cube, *layers, needs, sources.quotas, answer, inputs)


def _are_within(layers: Iterable[tuple[ImageryPlan, str | None]], recipe: Path, folder: Path) -> bool:
    """Whether all entries of archives can be used, and all scenes of a layer lie in the folder of its archive."""
    return all(
        not plan.faults
        and root is not None
        and are_below([href for scene in plan.scenes for href in scene.hrefs], resolve_path(root, recipe, folder))
        for plan, root in layers
    )


def _planned_maps(
    spec: CubeSpec, cube: Location, sources: Sources, classes: Legend | None
) -> tuple[
    Planned[LabelLayer, BlockPlan[LabelTask]] | None,
    Planned[TargetLayer, BlockPlan[TargetTask]] | None,
    Planned[StaticLayer, BlockPlan[StaticTask]] | None,
]:
    """Labels, targets and static layers."""
    label_layer, target_layer, static_layer = None, None, None
    if sources.labels and classes:
        labels = LabelLayer(spec, cube, sources.labels, classes)
        label_layer = Planned(labels, labels.plan())
    if sources.targets:
        targets = TargetLayer(spec, cube, sources.targets)
        target_layer = Planned(targets, targets.plan())
    if sources.static:
        static = StaticLayer(spec, cube, sources.static)
        static_layer = Planned(static, static.plan())
    return label_layer, target_layer, static_layer


def _planned_weather(
    spec: CubeSpec, cube: Location, sources: Sources, present_weather: PresentWeather | None, only_shown: bool
) -> Planned[WeatherLayer, WeatherPlan] | None:
    if sources.weather is None or spec.region.weather is None:
        return None
    fetches = not only_shown or spec.region.weather.path is not None  # files on disk cost nothing to look at
    source = _at_elevation(sources.weather, sources.static, spec) if fetches else sources.weather
    layer = WeatherLayer(spec, cube, source, present_weather(spec) if present_weather else None, fetches)
    return Planned(layer, layer.plan())


def _planned_radar(spec: CubeSpec, cube: Location, source: RadarSource) -> Planned[RadarLayer, ImageryPlan]:
    layer = RadarLayer(spec, cube, source.scenes)
    return Planned(layer, layer.plan())


def _at_elevation(weather: WeatherSource, static: StaticSource | None, spec: CubeSpec) -> WeatherSource:
    """The weather source, with the elevation of its cells where it uses that."""
    if weather.uses_elevation and static is not None and "elevation" in spec.static_layers:
        return weather.at_cells(weather_cells(static, spec.grid))
    return weather


def refuse_missing(needs: tuple[Requirement, ...]) -> None:
    """Raise InputError with the remedies of all that is missing."""
    if missing := [f"{need.name} is missing: {need.remedy}" for need in needs if not need.present]:
        raise InputError("; ".join(missing))
