"""The sources and licences that a new recipe names."""

from typing import Any

WEATHER = {
    "gridmet": "gridMET (Abatzoglou 2013, University of Idaho)",
    "power": "NASA POWER (NASA Langley Research Center)",
}


def attribution(years: tuple[int, ...], content: dict[str, Any]) -> str:
    """One paragraph that a cube of a recipe's sources stores."""
    span = "-".join(map(str, sorted({years[0], years[-1]})))
    parts = [
        "HLS v2 (NASA LP DAAC, USGS)",
        f"contains modified Copernicus Sentinel data {span}",
        WEATHER[content["weather"]["source"]],
        "Copernicus DEM GLO-30 (DLR e.V. 2010-2014 and Airbus Defence and Space GmbH 2014-2018, provided under"
        " COPERNICUS by the European Union and ESA)",
    ]
    if "soil_water" in content["static"]["layers"]:
        parts.append("gNATSGO (USDA NRCS, public domain)")
    if "labels" in content:
        parts.append("Cropland Data Layer (USDA NASS, public domain)")
    return "; ".join(parts) + "."
