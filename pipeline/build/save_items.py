"""The result of a catalogue search for a recipe, saved in a file that later plans read."""

from pathlib import Path

from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import read_recipe
from mmvsf.datasets.recipe.region import Region
from mmvsf.pipeline.layers.imagery.table import ProductTable
from mmvsf.pipeline.layers.registry import IMAGERY
from mmvsf.pipeline.layers.source import SourceSite
from mmvsf.pipeline.sources.mirrors import CatalogImagery
from mmvsf.pipeline.sources.stac.imagery import StacImagery
from mmvsf.pipeline.sources.stac.items_file import write_items


def save_items(
    recipe: Region | Path | str, data_dir: Path, out: Path, *, source: str | None, blocks: int | str | None
) -> int:
    """Search the catalogue of a recipe and write its items as stac-geoparquet, with the assets that the recipe's
    products have. Returns their number.

    Raises InputError for a recipe whose imagery is not of one catalogue, and what a search raises.
    """
    region, path = read_recipe(recipe, source=source, blocks=blocks)
    section, grid = region.imagery.model_copy(update={"items": None}), grid_from_recipe(region, path, data_dir)
    imagery = IMAGERY.choose(section).from_recipe(section, SourceSite(grid, path, data_dir))
    services = imagery.services if isinstance(imagery, CatalogImagery) else ()
    catalog = services[0].source if len(services) == 1 else None
    if not isinstance(catalog, StacImagery):
        raise InputError(f"{path}: only the items of one catalogue can be saved (imagery.source: stac)")
    products = [ProductTable.of(section).named(name) for name in section.products]
    keys = {key for product in products for band in product.bands.values() for key in band.keys}
    keys |= {key for product in products for key in product.quality}
    catalog.catalog.access.prepare()
    return write_items(out, catalog.find(grid, region.period, section.products), keys)
