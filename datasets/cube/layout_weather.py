"""The arrays of the group `weather`."""

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import WeatherFlag, weather_variable

from .calendar import Calendar
from .coordinates import flag_attributes, geo_attributes, spatial_ref, time_axis, yx_axes
from .grid import Grid


def weather_group(grid: Grid, calendar: Calendar, variables: tuple[str, ...]) -> GroupSpec:
    days, (rows, columns) = len(calendar), grid.weather_shape
    arrays = []
    for name in variables:
        variable = weather_variable(name)
        attributes = {
            "long_name": variable.long_name,
            "standard_name": variable.standard_name,
            "units": variable.units,
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
    bounds = ArraySpec(
        "time_bnds",
        ("time", "bnds"),
        (days, 2),
        "float64",
        (days, 2),
        "NaN",
        None,
        {"long_name": "begin and end of the weather day", "units": "days since 1970-01-01", "calendar": "standard"},
    )
    time = time_axis(calendar, {"bounds": "time_bnds"})
    arrays += [flag, bounds, time, *yx_axes(*grid.weather_coordinates()), spatial_ref(grid.weather_geobox)]
    return GroupSpec(
        "weather", tuple(arrays), {**geo_attributes(grid.weather_geobox), "image_pixels_per_cell": grid.weather_cell}
    )
