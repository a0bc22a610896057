"""Where the data of a cube come from, under which licence: the records in its root attributes. Never a credential.

One record for each product of imagery, each direction of radar, the weather, the labels and each static layer. Keys:
`role` (imagery, radar, weather, labels, static), `from` (the archive: planetary-computer, gridmet, archive, ...), `url`
of the service or `path` as the recipe has it, `collection`, `product` and `processing` of scenes, `layer` of static
data, `source` in words, `licence`. What is not known is left out.
"""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from mmvsf.pipeline.layers.layer import Record

from .plan import BuildPlan

SIMULATED_LICENCE = "simulated, no rights"

SOFTWARE = ("mmvsf", "zarr", "tensorstore", "xarray", "rasterio", "odc-geo", "pyproj", "numpy", "dask")


def provenance(plan: BuildPlan) -> dict[str, Any]:
    """The root attributes that tell what a cube was made from, with what, and when."""
    return {
        "created": now(),
        "software": {name: version(name) for name in SOFTWARE},
        "recipe_file": plan.recipe.name,
        "attribution": plan.region.attribution,
        "label_source": plan.label_layer.layer.source.origin().source if plan.label_layer else "",
        "sources": source_records(plan),
    }


def source_records(plan: BuildPlan) -> list[Record]:
    """The records of all layers: imagery, radar, weather, labels, targets, static."""
    scenes = (plan.imagery_layer, plan.radar_layer)
    layers = (*scenes, plan.weather_layer, plan.label_layer, plan.target_layer, plan.static_layer)
    records = [record for part in layers if part is not None for record in part.layer.origins()]
    if plan.region.simulate is not None:
        records = [{**record, "licence": SIMULATED_LICENCE} for record in records]
    return [{key: value for key, value in record.items() if value} for record in records]


def now() -> str:
    """The time of an event in a cube's life, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def product_origin(attributes: dict[str, Any], product: str, service: str = "") -> str:
    """Where a cube has its scenes of a product from, in words, and those of one `service` where there are several;
    empty for a cube without that record."""
    records = [record for record in attributes.get("sources", []) if record.get("product") == product]
    record: dict[str, Any] = next((r for r in records if r["from"] == service or not service), {"from": service})
    place = record.get("url") or record.get("path")
    return f"{record['from']} ({place})" if place else str(record["from"])
