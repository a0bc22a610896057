"""HLS from several services that hold the same granules: each is taken from the first that can provide it.

A granule has one name in every catalogue, `HLS.S30.T15TVG.2022152T170100.v2.0`, and from that its product, its time and
its version. All services are searched. A granule that several list becomes one scene, whose files name the others; a
service that is down, refuses, lacks a product or a granule, or fails while pixels are read, is replaced by the next,
file by file. So which service gave the bytes is no part of what a shard depends on: the ledger keeps it beside.
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf
from typing import Any, ClassVar, NamedTuple, Self

from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import IncompleteError, InputError, MmvsfError, one_line
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.missing import NoSceneError
from mmvsf.pipeline.layers.imagery.plan import distinct_scenes
from mmvsf.pipeline.layers.imagery.table import ProductTable
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import ImagerySource, Origin, Requirement, SourceSite
from mmvsf.pipeline.raster.io import OutOfReachError, ReadError
from mmvsf.pipeline.raster.scene import Asset, Scene, granule_time

from .earthengine.imagery import EarthEngineImagery
from .stac.imagery import StacImagery
from .transport.http import REST_SECONDS

EARTH_ENGINE = "earthengine"
SAME_EVERYWHERE = ("hls-l30", "hls-s30")
"""Products whose granules have one name and the same pixels in every catalogue. Earth Engine takes the offset off
Sentinel-2, and catalogues hold its scenes in different baselines."""

ATTEMPTS, DEADLINE = 2, 30.0
"""At a file that another service has, in place of those of `RetryPolicy`."""

_resting: dict[str, float] = {}
"""service -> when it was last out of reach; for REST_SECONDS the others are tried before it"""


class Service(NamedTuple):
    """One of several services."""

    name: str
    source: ImagerySource
    hasty: ImagerySource
    """the same with little patience"""

    @property
    def missing(self) -> str:
        """The credentials that it lacks, in words; empty if none."""
        needs = [need for need in self.source.requirements() if not need.present]
        return "; ".join(f"{need.name} is missing: {need.remedy}" for need in needs)

    def origin(self, product: str) -> Origin | None:
        """See `ImagerySource`; None for a product that it lacks."""
        try:
            return self.source.origin(product)
        except InputError:
            return None


@register_source("stac")
@dataclass(frozen=True)
class CatalogImagery(ImagerySource):
    """Scenes of the catalogues that a recipe names: one, or several with the same granules."""

    recipe_lines: ClassVar[dict[str, bool]] = {"catalog": True, "items": False, "custom": False}
    services: tuple[Service, ...]
    """in the order in which they are tried"""
    days_at_once: int = 16

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        """See `ImagerySource`. Raises InputError for a catalogue that is not known, and for several of which one is not
        of HLS."""
        names = (section.catalog,) if isinstance(section.catalog, str) else section.catalog or ()
        if len(names) == 1 and names[0] != EARTH_ENGINE:
            items = None if section.items is None else site.path(section.items)
            source = StacImagery.of(names[0], ProductTable.of(section), items)
            return cls((Service(names[0], source, source),))
        if section.items is not None:
            raise InputError("imagery.items holds what one catalogue lists; name one in imagery.catalog")
        if foreign := [product for product in section.products if product not in SAME_EVERYWHERE]:
            raise InputError(
                f"imagery.catalog: several are for {' and '.join(SAME_EVERYWHERE)}, whose granules are the same"
                f" everywhere; name one for {', '.join(foreign)}"
            )
        services = [_service(name, section, site) for name in names]
        if len({service.name for service in services}) < len(services):
            raise InputError("imagery.catalog names two catalogues of one host; leave one out")
        return cls(tuple(services))

    def quotas(self) -> tuple[str, ...]:
        """See `Source`."""
        return tuple(quota for service in self.services for quota in service.source.quotas())

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`: of the services that have what they need, or of all if none has."""
        usable = [service for service in self.services if not service.missing] or self.services
        return tuple(need for service in usable for need in service.source.requirements())

    def origin(self, product: str) -> Origin:
        """See `ImagerySource`: the first of `origins`."""
        return self.origins(product)[0]

    def origins(self, product: str) -> Sequence[Origin]:
        """See `ImagerySource`."""
        if len(self.services) == 1:
            return (self.services[0].source.origin(product),)
        found = [origin for service in self.services if (origin := service.origin(product)) is not None]
        if not found:
            raise InputError(f"none of {', '.join(service.name for service in self.services)} has {product}")
        return found

    def known_gap(self, product: str, day: date) -> str:
        """See `ImagerySource`: where all services have one."""
        gaps = [service.source.known_gap(product, day) for service in self.services]
        return gaps[0] if all(gaps) else ""

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        """See `ImagerySource`. Of several services raises only if none gives a scene: IncompleteError if one of them
        did not answer."""
        if len(self.services) == 1:
            return self.services[0].source.search(grid, period, products)
        answers: list[tuple[str, FoundScenes]] = []
        errors: dict[tuple[str, str], MmvsfError] = {}
        for service, product in itertools.product(self.services, products):
            # One product at a time: a service may lack only one of them.
            if service.origin(product) is None:
                continue
            try:
                if service.missing:
                    raise InputError(service.missing)
                answers.append((service.name, service.source.search(grid, period, (product,))))
            except (InputError, IncompleteError, ReadError) as error:
                errors[service.name, product] = error
        if not answers:
            raise _error_of_all(list(errors.values()))
        unanswered = tuple(
            f"{product} is not taken from {name}, but from the others of the list: {one_line(error)}"
            for (name, product), error in errors.items()
            if not isinstance(error, NoSceneError)
        )
        left_out = Counter[str]()
        for _, found in answers:
            left_out.update(found.left_out)
        return FoundScenes(
            merged(answers),
            sum(found.items for _, found in answers),
            dict(left_out),
            tuple(text for _, found in answers for text in found.undated),
            unanswered,
        )

    def places(self, asset: Asset) -> Sequence[Asset]:
        """See `ImagerySource`: services that were out of reach a moment ago come last."""
        return sorted((asset, *asset.elsewhere), key=lambda place: _is_resting(place.service))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource`. A service is given up soon for a file that others have."""
        service = self._service(asset.service)
        try:
            return (service.hasty if asset.elsewhere else service.source).read(asset, window)
        except OutOfReachError:
            _resting[service.name] = time.monotonic()
            raise

    def state(self, scene: Scene) -> str:
        """See `ImagerySource`."""
        return self._service(scene.quality.service).source.state(scene)

    def content(self, scene: Scene) -> str:
        """See `ImagerySource`."""
        return self._service(scene.quality.service).source.content(scene)

    def _service(self, name: str) -> Service:
        return next((service for service in self.services if service.name == name), self.services[0])


def _service(name: str, section: Imagery, site: SourceSite) -> Service:
    if name == EARTH_ENGINE:
        source = EarthEngineImagery.from_recipe(section, site)
        return Service(name, source, source)
    stac = StacImagery.of(name, ProductTable.of(section))
    policy = replace(stac.retry_policy, attempts=ATTEMPTS, deadline=DEADLINE)
    return Service(stac.catalog.name, stac, replace(stac, retry_policy=policy))


def _error_of_all(errors: Sequence[MmvsfError]) -> MmvsfError:
    """The error of a search in which each service failed."""
    text = "; ".join(dict.fromkeys(map(one_line, errors)))
    if any(isinstance(error, IncompleteError | ReadError) for error in errors):
        return IncompleteError(text)
    return NoSceneError(text) if all(isinstance(error, NoSceneError) for error in errors) else InputError(text)


def merged(answers: Iterable[tuple[str, FoundScenes]]) -> tuple[Scene, ...]:
    """The scenes of several services (name, what it found), in the order in which they are tried: each granule once,
    with its files in all services that describe it in the same way. A faulty entry counts only where no service has
    the granule without a fault."""
    sound: dict[str, dict[Any, list[Scene]]] = {}
    faulty: dict[str, Scene] = {}
    for name, found in answers:
        first_here: set[str] = set()
        for scene in map(_by_its_name, distinct_scenes(found.scenes)):
            if scene.fault:
                faulty.setdefault(_granule(name, scene), scene)
                continue
            granule = _granule(name, scene)
            forms = sound.get(granule)
            if forms is None:
                forms = sound[granule] = {}
                first_here.add(granule)
            if granule in first_here or _form(scene) in forms:
                forms.setdefault(_form(scene), []).append(_of_service(scene, name))
    scenes = [_with_others(others) for forms in sound.values() for others in forms.values()]
    scenes += [scene for granule, scene in faulty.items() if granule not in sound]
    return tuple(sorted(scenes, key=lambda scene: (scene.acquired, scene.id)))


def _granule(service: str, scene: Scene) -> str:
    """What a scene is known by in all services, or in its own where its name is not that of a granule."""
    return scene.id if granule_time(scene.id) else f"{service}: {scene.key}"


def _by_its_name(scene: Scene) -> Scene:
    """The scene with the version that its name says: some catalogues give another text for the same."""
    return replace(scene, version=f"v{scene.id.rpartition('.v')[2]}") if granule_time(scene.id) else scene


def _form(scene: Scene) -> Any:
    """What the pixels of a scene depend on."""
    return scene.key, scene.offset, tuple(asset.grid for asset in scene.bands)


def _of_service(scene: Scene, service: str) -> Scene:
    bands = tuple(replace(asset, service=service) for asset in scene.bands)
    return replace(scene, bands=bands, quality=replace(scene.quality, service=service))


def _with_others(scenes: Sequence[Scene]) -> Scene:
    """The first of some scenes of one granule, whose files name those of the others."""
    first, *others = scenes

    def asset(own: Asset, elsewhere: Iterable[Asset]) -> Asset:
        return replace(own, elsewhere=tuple(replace(place, grid=own.grid) for place in elsewhere))

    bands = tuple(asset(own, [other.bands[number] for other in others]) for number, own in enumerate(first.bands))
    return replace(first, bands=bands, quality=asset(first.quality, [other.quality for other in others]))


def _is_resting(service: str) -> bool:
    """Whether a service was out of reach less than REST_SECONDS ago."""
    return time.monotonic() - _resting.get(service, -inf) < REST_SECONDS
