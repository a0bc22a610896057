"""The content of an export: arrays with their names, units and no-data value, and how a piece of each is computed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.cube.select import read_small
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import BACKSCATTER_SCALE, CONFIDENCE_FILL, STATIC_BY_NAME, WEATHER_BY_NAME, band_scales

from .area import Area
from .imagery import Images
from .request import Request

REDUCTIONS: dict[str, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean, "median": np.median}

Read = Callable[[slice, slice], NDArray[Any]]
"""(rows, columns) of the whole grid, inside one block -> values, (leading dimensions..., rows, columns)"""


@dataclass(frozen=True)
class ExportArray:
    """One array of an export."""

    name: str
    leading: dict[str, list[Any]]
    """dimension -> coordinates, of the dimensions before y and x"""
    dtype: str
    nodata: float
    read: Read
    attributes: dict[str, Any] = field(default_factory=dict)
    """of the array in NetCDF and Zarr, CF"""
    scales: tuple[float, ...] = (1.0,)
    """of all numbers, or of each band"""
    legend: Legend | None = None

    @property
    def bands(self) -> list[str]:
        """The names of its positions, for a file that has bands only."""
        names = [""]
        for values in self.leading.values():
            names = [f"{name} {value}".strip() for name in names for value in values]
        return names if self.leading else [self.name]


def contents(cube: Cube, request: Request, area: Area) -> list[ExportArray]:
    """The arrays of an export. Raises InputError for a day, season, variable or layer that the cube does not have."""
    if request.group == "imagery":
        return [_imagery(cube, request, area)]
    if request.group == "radar":
        return [_radar(cube, request, area)]
    if request.group == "labels":
        return [_labels(cube, request)]
    if request.group == "weather":
        return _weather(cube, request)
    return _static(cube, request)


def _imagery(cube: Cube, request: Request, area: Area) -> ExportArray:
    images = Images(cube, request, area)
    leading: dict[str, list[Any]] = {}
    if request.reduce == "none":
        leading["time"] = [date_of(cube.calendar.days[position]) for position in images.seen]
    if request.what == "ndvi":
        attributes = {"long_name": "normalised difference vegetation index of clear pixels", "units": "1"}
        return ExportArray("ndvi", leading, "float32", np.nan, images.read, attributes | images.period())
    spec = cube.spec.array(f"imagery/{request.what}")
    if request.what == "reflectance":
        leading["band"] = list(cube.bands)
    keep = ("long_name", "standard_name", "units", "flag_masks", "flag_values", "flag_meanings")
    attributes = {key: spec.attributes[key] for key in keep if key in spec.attributes} | images.period()
    scales = tuple(band_scales(cube.bands).tolist()) if request.what == "reflectance" else (1.0,)
    return ExportArray(request.what, leading, spec.dtype, spec.fill, images.read, attributes, scales)


def _radar(cube: Cube, request: Request, area: Area) -> ExportArray:
    if request.what not in cube.orbits:
        raise InputError(f"{cube.path} has no {request.what} passes; it has {', '.join(cube.orbits) or 'no radar'}")
    images = Images(cube, request, area)
    leading: dict[str, list[Any]] = {}
    if request.reduce == "none":
        leading["time"] = [date_of(cube.calendar.days[position]) for position in images.seen]
    leading["polarisation"] = list(cube.polarisations)
    spec = cube.spec.array(f"radar/{request.what}")
    attributes = {key: spec.attributes[key] for key in ("long_name", "units", "comment")} | images.period()
    scales = (BACKSCATTER_SCALE,) * len(cube.polarisations)
    return ExportArray(request.what, leading, spec.dtype, spec.fill, images.read, attributes, scales)


def _labels(cube: Cube, request: Request) -> ExportArray:
    what, years = request.what, cube.label_years
    if not years:
        raise InputError(f"{cube.path} has no labels, so {what} cannot be exported")
    if what == "confidence" and not cube.confidence:
        raise InputError(f"{cube.path} has no label confidence; its source provides none")
    if request.year not in years:
        raise InputError(f"{what} needs a year (--year), one of {', '.join(map(str, years))}")
    array, position = cube.pixels(f"labels/{what}"), years.index(request.year)
    legend = cube.legend if what == "crop" else None
    small = legend is not None and max(legend.codes, default=0) <= 255  # every program shows its colour table
    dtype = "uint8" if small else array.spec.dtype

    def read(rows: slice, columns: slice) -> NDArray[Any]:
        return array.read((position, rows, columns)).astype(dtype)

    keep = ("long_name", "units", "flag_values", "flag_meanings")
    attributes = {key: array.spec.attributes[key] for key in keep if key in array.spec.attributes}
    nodata = CONFIDENCE_FILL if what == "confidence" else 0
    return ExportArray(what, {}, dtype, nodata, read, {**attributes, "season": request.year}, legend=legend)


def _weather(cube: Cube, request: Request) -> list[ExportArray]:
    if not cube.weather:
        raise InputError(f"{cube.path} has no weather, so {request.what} cannot be exported")
    names = cube.weather if request.what == "weather" else (request.what,)
    if foreign := [name for name in names if name not in cube.weather]:
        raise InputError(f"{cube.path} has no {foreign[0]}; its weather is {', '.join(cube.weather)}")
    first, last = (day_number(day) for day in (cube.region.weather_start, cube.region.period.end))
    days = request.days(cube)
    days = days[(cube.calendar.days[days] >= first) & (cube.calendar.days[days] <= last)]
    if not days.size:
        raise InputError(f"{cube.path} has weather from {date_of(first)} to {date_of(last)} only")
    return [_variable(cube, request, name, slice(int(days[0]), int(days[-1]) + 1)) for name in names]


def _variable(cube: Cube, request: Request, name: str, days: slice) -> ExportArray:
    """A weather variable: its mean over the days, or its sum where its daily values are sums, unless `reduce` says
    otherwise; NaN where a day has none."""
    variable = WEATHER_BY_NAME[name]
    how = request.reduce or ("sum" if variable.cell_method == "time: sum" else "mean")
    series = how == "none"

    def read(rows: slice, columns: slice) -> NDArray[Any]:
        values = read_small(cube, f"weather/{name}", (days, rows, columns))
        if series:
            return values
        return np.asarray(REDUCTIONS[how](values.astype(np.float64), axis=0)).astype(np.float32)

    dates = [date_of(day) for day in cube.calendar.days[days]]
    method = variable.cell_method if series or len(dates) == 1 else f"{variable.cell_method} time: {how} (of days)"
    period = {} if series else {"period": f"{dates[0]} to {dates[-1]}"}
    attributes = {"long_name": variable.long_name, "standard_name": variable.standard_name, "units": variable.units}
    leading: dict[str, list[Any]] = {"time": dates} if series else {}
    return ExportArray(name, leading, "float32", np.nan, read, {**attributes, "cell_methods": method, **period})


def _static(cube: Cube, request: Request) -> list[ExportArray]:
    names = cube.static_layers if request.what == "static" else (request.what,)
    if not names or any(name not in cube.static_layers for name in names):
        raise InputError(
            f"{cube.path} has no {request.what}; its static layers: {', '.join(cube.static_layers) or 'none'}"
        )
    return [_layer(cube, name) for name in names]


def _layer(cube: Cube, name: str) -> ExportArray:
    array, layer = cube.pixels(f"static/{name}"), STATIC_BY_NAME[name]

    def read(rows: slice, columns: slice) -> NDArray[Any]:
        return array.read((rows, columns))

    return ExportArray(name, {}, "float32", np.nan, read, {"long_name": layer.long_name, "units": layer.units})
