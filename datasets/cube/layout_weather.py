"""The arrays of the group `weather`."""

import numpy as np

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import WeatherFlag, weather_variable

from .calendar import Calendar
from .conventions import geo_attributes
from .coordinates import flag_attributes, spatial_ref, time_axis, yx_axes
from .grid import Grid

LACKING = "may_lack_days"
"""Attribute of the group where single cells may lack days, such as those of stations that began late: their values are
NaN, and nothing that needs them is read."""


def weather_group(grid: Grid, calendar: Calendar, variables: tuple[str, ...]) -> GroupSpec:
    days, (rows, columns) = len(calendar), grid.weather_shape
    arrays = []
    for name in variables:
        variable = weather_variable(name)
        attributes = {
            "long_name": variable.long_name,
            "standard_name": variable.standard_name,
            "units": variable.units,
            **({"units_metadata": "temperature: on_scale"} if variable.units == "degree_Celsius" else {}),
            "cell_methods": variable.cell_method,
            "valid_range": [variable.valid_min, variable.valid_max],
            "grid_mapping": "spatial_ref",
        }
        chunks = (min(512, days), min(16, rows), min(16, columns))
        arrays.append(
            ArraySpec(name, ("time", "y", "x"), (days, rows, columns), "float32", chunks, "NaN", None, attributes)
        )
    flag = ArraySpec(
        "flag",
        ("time",),
        (days,),
        "uint8",
        (days,),
        int(WeatherFlag.OBSERVED),
        None,
        {"long_name": "origin of a day's weather", **flag_attributes(WeatherFlag)},
    )
    axes = (time_axis(calendar, {"bounds": "time_bnds"}), *yx_axes(*grid.weather_coordinates()))
    arrays += [flag, *_bounds(calendar), *axes, spatial_ref(grid.weather_geobox)]
    known = geo_attributes(grid.weather_geobox, "daily weather", ("time_bnds", "utc_bnds", "flag"))
    return GroupSpec("weather", tuple(arrays), {**known, "image_pixels_per_cell": grid.weather_cell})


def _bounds(calendar: Calendar) -> tuple[ArraySpec, ArraySpec]:
    """The days, and their hours.

    A value belongs to a whole day, which begins at the `time` that images of that day have too: these are the bounds of
    `time`. The 24 hours that the source counts as that day may begin up to 12 hours earlier or later: later in the
    Americas. Bounds should contain their coordinate (CF 1.11, section 7.1), so the hours have their own array.
    """
    shape, dims = (len(calendar), 2), ("time", "bnds")
    days = np.stack([calendar.days, calendar.days + 1], axis=1).astype(np.int32)
    hours = {
        "long_name": "begin and end, in UTC, of the 24 hours that the source of the weather counts as the day",
        "units": "days since 1970-01-01",
        "calendar": "standard",
    }
    return (
        ArraySpec("time_bnds", dims, shape, "int32", shape, 0, None, {}, days),
        ArraySpec("utc_bnds", dims, shape, "float64", shape, "NaN", None, hours),
    )
