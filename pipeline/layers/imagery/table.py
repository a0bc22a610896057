"""The products of a recipe: those that every recipe may name, narrowed to the bands of its cube."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.product import CustomProduct
from mmvsf.datasets.recipe.region import Imagery
from mmvsf.datasets.variables import DEFAULT_BANDS
from mmvsf.pipeline.crew import each_waiting
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.raster.io import OutOfReachError, ReadError
from mmvsf.pipeline.raster.scene import Asset, Scene

from .custom import custom_product
from .products import PRODUCTS, Product, product_named

FILES_AT_ONCE = 16
"""Of one day, where a server is waited for: the bands of a scene, or the masks of all scenes."""

Part = TypeVar("Part")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ProductTable:
    """The products that scenes of one cube may be of."""

    bands: tuple[str, ...] = DEFAULT_BANDS
    """of the cube"""
    custom: tuple[CustomProduct, ...] = ()
    """that the recipe declares"""

    @classmethod
    def of(cls, section: Imagery) -> Self:
        """The table of a recipe."""
        return cls(section.bands, section.custom or ())

    def named(self, name: str) -> Product:
        """The product of a name, with the bands of the cube in their order. Raises InputError for an unknown product,
        for one that lacks a band, and for a declared one whose name is taken."""
        declared = self._declared(name)
        if declared is None:
            return product_named(name).narrowed(self.bands)
        if name in PRODUCTS:
            raise InputError(f"imagery.custom declares {name}, which is a product already; give yours another name")
        product = custom_product(declared).narrowed(self.bands)
        # Without a mask, what is fill is read from a band of the cube.
        first = product.bands[self.bands[0]]
        return product if declared.mask != "none" else replace(product, quality=first.keys, quality_number=first.number)

    def reading(self, name: str) -> str:
        """What the pixels of a product's scenes depend on beside the scenes; empty for the bands of every recipe that
        names none."""
        declared = self._declared(name)
        if declared is None:
            return "" if self.bands == DEFAULT_BANDS else json.dumps(self.bands)
        numbers = declared.model_dump(mode="json", include={"scale", "offset", "fill", "mask"})
        bands = {name: declared.bands[name].model_dump() for name in self.bands if name in declared.bands}
        return json.dumps([list(self.bands), bands, numbers], sort_keys=True)

    def _declared(self, name: str) -> CustomProduct | None:
        return next((product for product in self.custom if product.name == name), None)


SIX_BANDS = ProductTable()
"""The products with the bands of a recipe that names none."""


def check_products(section: Imagery, where: str) -> None:
    """Raise InputError, beginning with `where`, for products of a recipe that are unknown, lack a band of the cube, or
    must not be mixed."""
    table = ProductTable.of(section)
    try:
        first, *others = map(table.named, section.products)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    for other in others:
        if other.family != first.family:
            raise InputError(
                f"{where}: imagery.products mixes {first.name} ({first.processing}) and {other.name}"
                f" ({other.processing}), which give other numbers for the same ground; build one cube of each"
            )


@dataclass(frozen=True)
class SceneReader:
    """A source, and what the numbers that it reads mean."""

    source: ImagerySource
    products: ProductTable
    _named: dict[str, Product] = field(default_factory=dict, init=False, compare=False, repr=False)
    given: dict[str, set[str]] = field(default_factory=dict)
    """href of a file -> the services that gave windows of it, where a source has several"""

    @property
    def days_at_once(self) -> int:
        """Days of a task that are read at the same time."""
        return self.source.days_at_once

    def each(self, read: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """`read` of every part, in order: on threads of their own where the source waits for a server. Raises what it
        raises, once all have ended."""
        listed = list(parts)
        if self.days_at_once == 1 or len(listed) < 2:
            return [read(part) for part in listed]
        return each_waiting(read, listed, min(len(listed), FILES_AT_ONCE))

    def read(
        self, asset: Asset, window: tuple[slice, slice], check: Callable[[NDArray[Any]], None] = lambda values: None
    ) -> NDArray[Any]:
        """See `ImagerySource.read`: from the first place that gives numbers for which `check` raises no ReadError.
        Raises ReadError with the reasons of all places."""
        failures: list[ReadError] = []
        for place in self.source.places(asset):
            try:
                values = self.source.read(place, window)
                check(values)
            except ReadError as error:
                failures.append(error)
                continue
            if place.service:
                self.given.setdefault(asset.href, set()).add(place.service)
            return values
        if len(failures) == 1:
            raise failures[0]
        kind = OutOfReachError if all(isinstance(error, OutOfReachError) for error in failures) else ReadError
        raise kind("; ".join(map(str, failures)))

    def services(self, scene: Scene) -> str:
        """The services that gave what was read of a scene so far; empty where the source has one only."""
        return ", ".join(sorted({name for href in scene.hrefs for name in self.given.get(href, ())}))

    def product(self, scene: Scene) -> Product:
        """The product of a scene, worked out once a task: it is needed for every file."""
        name = scene.product
        if name not in self._named:
            self._named[name] = self.products.named(name)
        return self._named[name]
