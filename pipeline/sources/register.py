"""The sources of this project; importing this module registers them (entry point of the group `mmvsf.sources`).

A worker imports the modules of the sources that it uses alone.
"""

from . import gridmet, mirrors, radar, static
from .archive import labels as archive_labels
from .archive import rasters
from .archive import targets as archive_targets
from .archive import weather as archive_weather
from .cdl import cropscape, nass
from .cdl import stac as cdl_stac
from .earthengine import imagery as earthengine_imagery
from .earthengine import labels as earthengine_labels
from .earthengine import weather as earthengine_weather
from .meteostat import weather as meteostat_weather
from .reanalysis import agera5, era5_land, power
from .table import imagery as table_imagery
from .table import weather as table_weather
from .vector import labels as vector_labels
from .vector import targets as vector_targets

__all__ = [
    "agera5",
    "archive_labels",
    "archive_targets",
    "archive_weather",
    "cdl_stac",
    "cropscape",
    "earthengine_imagery",
    "earthengine_labels",
    "earthengine_weather",
    "era5_land",
    "gridmet",
    "meteostat_weather",
    "mirrors",
    "nass",
    "power",
    "radar",
    "rasters",
    "static",
    "table_imagery",
    "table_weather",
    "vector_labels",
    "vector_targets",
]
