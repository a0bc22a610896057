"""Write which part each place and year of a cube belongs to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
import numpy as np
import zarr
from numpy.typing import NDArray
from mmvsf.datasets.cube.calendar import Calendar, date_of
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.storage.location import Location, store_errors, zarr_store
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.cube.splits import place_split, year_split
from mmvsf.datasets.storage.store import create_group, write_values
from mmvsf.datasets.variables import BANDS, CLEAR_FRACTION_FILL, Status
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.layers.imagery.plan import Plan
from mmvsf.pipeline.layers.imagery.write import imagery_entry_name
from mmvsf.pipeline.layers.weather.regrid import CubeWeather


def finish_splits(cube: Location, region: Region, grid: Grid) -> None:
    """Write which part each place and year belongs to."""
    write_values(cube, "splits/split", place_split(region, grid))
    write_values(cube, "splits/year_split", year_split(region))
