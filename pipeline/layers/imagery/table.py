"""The products of a recipe: those that every recipe may name, narrowed to the bands of its cube."""

import json
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Imagery
from mmvsf.datasets.variables import DEFAULT_BANDS
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.raster.scene import Asset, Scene

from .products import Product, product_named


@dataclass(frozen=True)
class ProductTable:
    """The products that scenes of one cube may be of."""

    bands: tuple[str, ...] = DEFAULT_BANDS
    """of the cube"""

    @classmethod
    def of(cls, section: Imagery) -> Self:
        """The table of a recipe."""
        return cls(section.bands)

    def named(self, name: str) -> Product:
        """The product of a name, with the bands of the cube in their order. Raises InputError for an unknown product,
        and for one that lacks a band."""
        return product_named(name).narrowed(self.bands)

    def reading(self, name: str) -> str:
        """What the pixels of a product's scenes depend on beside the scenes; empty for the bands of every recipe that
        names none."""
        return "" if self.bands == DEFAULT_BANDS else json.dumps(self.bands)


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

    @property
    def days_at_once(self) -> int:
        """Days of a task that are read at the same time."""
        return self.source.days_at_once

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource.read`."""
        return self.source.read(asset, window)

    def product(self, scene: Scene) -> Product:
        """The product of a scene."""
        return self.products.named(scene.product)
