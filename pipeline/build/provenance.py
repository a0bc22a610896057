"""Where the data of a cube come from, under which licence: the records in its root attributes. Never a credential."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mmvsf.datasets.recipe.region import Imagery, Region, Static
from mmvsf.pipeline.layers.imagery.products import PRODUCTS
from mmvsf.pipeline.layers.protocols import StaticSource
from mmvsf.pipeline.layers.static.resample import MEASURED
from mmvsf.pipeline.layers.weather.regrid import CubeWeather
from mmvsf.pipeline.sources.cdl.stac import COLLECTION as LABEL_TILES
from mmvsf.pipeline.sources.earthengine.imagery import COLLECTIONS as IMAGE_COLLECTIONS
from mmvsf.pipeline.sources.earthengine.labels import COLLECTION as LABEL_COLLECTION
from mmvsf.pipeline.sources.earthengine.weather import COLLECTIONS as WEATHER_COLLECTIONS
from mmvsf.pipeline.sources.ground import GROUND, PUBLIC_CATALOG
from mmvsf.pipeline.sources.stac.catalogs import COLLECTIONS as CATALOG_COLLECTIONS
from mmvsf.pipeline.sources.transport.endpoints import address

Record = dict[str, str]

CDL_LICENCE = "public domain"
SIMULATED_LICENCE = "simulated, no rights"
LABEL_COLLECTIONS = {"planetary-computer": LABEL_TILES, "earthengine": LABEL_COLLECTION}


def sources_of(
    region: Region, weather: CubeWeather | None, label_attribution: str, ground: StaticSource | None
) -> list[Record]:
    """One record for each product of imagery, for the weather, for the labels and for each static layer.

    Keys: `role` (imagery, weather, labels, static), `from` (the archive: planetary-computer, gridmet, archive, ...),
    `url` of the service or `path` as the recipe has it, `collection`, `product` and `processing` of imagery, `layer` of
    the ground, `source` in words, `licence`. What is not known is left out.
    """
    records = [_imagery(region, name) for name in region.imagery.products]
    options = region.weather
    collection = WEATHER_COLLECTIONS[options.collection].id if options.collection else ""
    found = {"source": weather.source, "licence": weather.licence} if weather else {}
    records.append({"role": "weather", **_origin(options.source, options.path), "collection": collection, **found})
    if region.labels is not None:
        of_cdl = region.labels.source != "archive" or region.labels.legend == "cdl"
        records.append(
            {
                "role": "labels",
                **_origin(region.labels.source, region.labels.path),
                "collection": LABEL_COLLECTIONS.get(region.labels.source, ""),
                "source": label_attribution,
                "licence": CDL_LICENCE if of_cdl else "",
            }
        )
    if region.static is not None and ground is not None:
        records += [_layer(region.static, name, ground) for name in region.static.layers]
    if region.simulate is not None:
        records = [{**record, "licence": SIMULATED_LICENCE} for record in records]
    return [{key: value for key, value in record.items() if value} for record in records]


def _imagery(region: Region, name: str) -> Record:
    options, product = region.imagery, PRODUCTS[name]
    return {
        "role": "imagery",
        "product": name,
        **_origin(options.catalog or options.source, options.path),
        "collection": _collection(options, name),
        "processing": f"simulated in the form of {name}" if region.simulate else product.processing,
        "licence": product.licence,
    }


def _layer(options: Static, name: str, ground: StaticSource) -> Record:
    raster = MEASURED[name]
    collections = {"public": GROUND[raster].collection, "earthengine": GROUND[raster].earthengine}
    return {
        "role": "static",
        "layer": name,
        **_origin(PUBLIC_CATALOG if options.source == "public" else options.source, options.path),
        "collection": collections.get(options.source, ""),
        **ground.origin(raster),
    }


def _collection(options: Imagery, product: str) -> str:
    if options.catalog is not None:
        return CATALOG_COLLECTIONS[options.catalog].get(product, "")
    return IMAGE_COLLECTIONS[product].id if options.source == "earthengine" else ""


def _origin(service: str, path: str | None) -> Record:
    return (
        {"from": service, "path": path} if path is not None else {"from": service, "url": plain_url(address(service))}
    )


def plain_url(url: str) -> str:
    """A URL without the user, the password and the query that it may carry."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path, "", ""))


def origin_of(attributes: dict[str, Any], product: str) -> str:
    """Where a cube has its scenes of a product from, in words; empty for a cube that does not say."""
    records = attributes.get("sources", [])
    record: dict[str, Any] = next((one for one in records if one.get("product") == product), {})
    place = record.get("url") or record.get("path")
    return f"{record['from']} ({place})" if place else ""
