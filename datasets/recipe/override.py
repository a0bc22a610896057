"""The changes that the command line makes to a recipe before it is checked: its sources, and how much is built."""

from typing import Any

from mmvsf.datasets.errors import InputError

SOURCES = ("public", "earthengine")
"""`public`: catalogues and services that need no account. `earthengine`: all data from Google Earth Engine."""

WITHOUT_ACCOUNT = ("gridmet", "meteostat", "power")
"""Sources of weather that need no account; NASA POWER covers the world."""


def overridden(content: dict[str, Any], where: str, source: str | None, blocks: int | str | None) -> dict[str, Any]:
    """The recipe with all its data from `source`, limited to its first `blocks` blocks, or with `all` of them.

    Options of the former sources are dropped; products, years, groups and the like stay. Raises InputError for an
    unknown source, and for a recipe that reads an archive, since other sources do not hold those files.
    """
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
    if blocks is not None and isinstance(result.get("area"), dict):
        result["area"]["blocks"] = blocks
    return result if source is None else _from_source(result, where, source)


def _from_source(content: dict[str, Any], where: str, source: str) -> dict[str, Any]:
    if source not in SOURCES:
        raise InputError(f"there is no source '{source}' for a whole recipe; choose {' or '.join(SOURCES)}")
    changes = {"imagery": _imagery, "radar": _radar, "weather": _weather, "static": _static, "labels": _labels}
    sections = [key for key in changes if isinstance(content.get(key), dict)]
    if fixed := [key for key in sections if content[key].get("source") == "archive"]:
        raise InputError(
            f"{where}: --source is for recipes of public data, but this one reads {', '.join(fixed)} from an archive on"
            " disk; change the recipe instead"
        )
    return {**content, **{key: changes[key](content[key], source) for key in sections}}


def _imagery(options: dict[str, Any], source: str) -> dict[str, Any]:
    if source != "public":
        return {**_kept(options), "source": source}
    catalog = "earth-search" if "sentinel-2-l2a" in options.get("products", ()) else "planetary-computer"
    return {**_kept(options, "cloud_score"), "source": "stac", "catalog": catalog}


def _weather(options: dict[str, Any], source: str) -> dict[str, Any]:
    former, collection = options.get("source"), options.get("collection")
    in_the_us = former == "gridmet" or collection in {"gridmet", "daymet"}
    if source == "public":
        kept = former if former in WITHOUT_ACCOUNT else None
        return {**_kept(options), "source": kept or ("gridmet" if in_the_us else "power")}
    same = collection if former == source else None
    return {**_kept(options), "source": source, "collection": same or ("gridmet" if in_the_us else "era5-land")}


def _radar(options: dict[str, Any], source: str) -> dict[str, Any]:
    # Earth Engine has no terrain-corrected gamma0.
    return {**_kept(options), "source": "stac", "catalog": "planetary-computer"}


def _static(options: dict[str, Any], source: str) -> dict[str, Any]:
    return {**_kept(options), "source": source}


def _labels(options: dict[str, Any], source: str) -> dict[str, Any]:
    if source != "public":
        return {**_kept(options), "source": source}
    # CropScape, the public source that covers all years, has no confidence.
    return {**_kept(options, "confidence"), "source": "cropscape"}


def _kept(options: dict[str, Any], *dropped: str) -> dict[str, Any]:
    """The options of a section without those of its former source, and without some more."""
    return {name: value for name, value in options.items() if name not in {"source", "catalog", "collection", *dropped}}
