"""The changes that the command line makes to a recipe before it is checked: its sources, and how much is built."""

from typing import Any

from mmvsf.datasets.errors import InputError

SOURCES = ("public", "earthengine")
"""`public`: catalogues and services that need no account. `earthengine`: all data from Google Earth Engine."""


def overridden(content: dict[str, Any], where: str, source: str | None, blocks: int | str | None) -> dict[str, Any]:
    """The recipe with all its data from `source`, limited to its first `blocks` blocks, or with `all` of them.

    Options of the former sources are dropped; products, years, groups and the like stay. Raises InputError for an
    unknown source, and for a recipe that reads an archive, since other sources do not hold those files.
    """
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
    if blocks is not None and isinstance(result.get("area"), dict):
        result["area"]["blocks"] = blocks
    if source is None:
        return result
    if source not in SOURCES:
        raise InputError(f"there is no source '{source}' for a whole recipe; choose {' or '.join(SOURCES)}")
    sections = [key for key in ("imagery", "weather", "static", "labels") if isinstance(result.get(key), dict)]
    if fixed := [key for key in sections if result[key].get("source") == "archive"]:
        raise InputError(
            f"{where}: --source is for recipes of public data, but this one reads {', '.join(fixed)} from an archive on"
            " disk; change the recipe instead"
        )
    for key in sections:
        result[key] = _section(key, result[key], source)
    return result


def _section(key: str, options: dict[str, Any], source: str) -> dict[str, Any]:
    kept = {name: value for name, value in options.items() if name not in {"source", "catalog", "collection"}}
    former = options.get("source"), options.get("collection")
    if key == "imagery":
        if source == "public":
            kept.pop("cloud_score", None)
        catalog = "earth-search" if "sentinel-2-l2a" in options.get("products", ()) else "planetary-computer"
        return {**kept, "source": "stac", "catalog": catalog} if source == "public" else {**kept, "source": source}
    if key == "weather":
        in_the_us = former[0] == "gridmet" or former[1] in {"gridmet", "daymet"}
        if source == "public":
            return {**kept, "source": "gridmet" if in_the_us else "meteostat"}
        same = options.get("collection") if former[0] == source else None
        return {**kept, "source": source, "collection": same or ("gridmet" if in_the_us else "era5-land")}
    if key == "static":
        return {**kept, "source": source}
    if source == "public":
        # CropScape, the public source that covers all years, has no confidence.
        kept.pop("confidence", None)
        return {**kept, "source": "cropscape"}
    return {**kept, "source": source}
