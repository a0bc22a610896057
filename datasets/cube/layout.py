"""The layout of a cube, format version 1: every array of every group, with its chunks and metadata.

imagery     reflectance, quality, scene, status, clear_fraction
weather     one array a variable, on a coarser grid
static      optional: one array a layer of the ground (elevation, slope, soil_water)
labels      crop, purity; optional: confidence
splits      split, year_split
statistics  counts, sums and sums of squares
scenes      one row a (day, block, scene); written when the build is finished
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import (
    BANDS,
    CLEAR_FRACTION_FILL,
    CONFIDENCE_FILL,
    QUALITY_FILL,
    QUALITY_FLAGS,
    REFLECTANCE_FILL,
    REFLECTANCE_SCALE,
    SCENE_FILL,
    STATIC_BY_NAME,
    WEATHER_BY_NAME,
    Split,
    Status,
    WeatherFlag,
)

from .calendar import SHARD_DAYS, Calendar
from .grid import Grid
from .legend import Legend

FORMAT = "mmvsf-cube"
FORMAT_VERSION = 1


def cube_layout(
    grid: Grid,
    calendar: Calendar,
    weather_variables: tuple[str, ...],
    years: tuple[int, ...],
    label_years: tuple[int, ...],
    legend: Legend | None,
    static_layers: tuple[str, ...] = (),
    confidence: bool = False,
) -> tuple[GroupSpec, ...]:
    """The groups of a cube, all but `scenes`, whose length is known only when the build is finished.

    `confidence`: whether labels carry that of their source."""
    groups = [_imagery(grid, calendar), _weather(grid, calendar, weather_variables)]
    if static_layers:
        groups.append(_static(grid, static_layers))
    if legend is not None and label_years:
        groups.append(_labels(grid, label_years, legend, confidence))
    groups += [_splits(grid, years), _statistics(grid, years, weather_variables)]
    return tuple(groups)


def georeferenced(
    name: str, arrays: tuple[ArraySpec, ...], geobox: GeoBox, attributes: dict[str, Any] | None = None
) -> GroupSpec:
    """A group of arrays over y and x, with the coordinates of the pixel centres and the CRS of a north-up grid."""
    step, left, top = geobox.transform.a, geobox.transform.c, geobox.transform.f
    ys, xs = (np.arange(size, dtype=np.float64) + 0.5 for size in geobox.shape)
    axes = _yx(top - ys * step, left + xs * step)
    return GroupSpec(name, (*arrays, *axes, _spatial_ref(geobox)), {**_geo_attributes(geobox), **(attributes or {})})


def flag_attributes(members: Any) -> dict[str, Any]:
    """CF flag_values and flag_meanings of an IntEnum of codes."""
    return {
        "flag_values": [int(member) for member in members],
        "flag_meanings": " ".join(member.name.lower() for member in members),
    }


def _imagery(grid: Grid, calendar: Calendar) -> GroupSpec:
    days, (height, width) = len(calendar), grid.shape
    block, chunk = grid.block, grid.chunk
    pixel_dims, mapped = ("time", "y", "x"), {"grid_mapping": "spatial_ref"}
    pixel_shape, pixel_shards, pixel_chunks = (
        (days, height, width),
        (SHARD_DAYS, block, block),
        (1, chunk, chunk),
    )
    arrays = (
        ArraySpec(
            "reflectance",
            ("time", "band", "y", "x"),
            (days, len(BANDS), height, width),
            "int16",
            (1, len(BANDS), chunk, chunk),
            REFLECTANCE_FILL,
            (SHARD_DAYS, len(BANDS), block, block),
            {
                "long_name": "surface reflectance",
                "standard_name": "surface_bidirectional_reflectance",
                "units": "1",
                "scale_factor": REFLECTANCE_SCALE,
                "_FillValue": REFLECTANCE_FILL,
                **mapped,
            },
        ),
        ArraySpec(
            "quality",
            pixel_dims,
            pixel_shape,
            "uint8",
            pixel_chunks,
            QUALITY_FILL,
            pixel_shards,
            {
                "long_name": "quality bits in the layout of HLS Fmask; 255 is no data",
                "flag_masks": [mask for _, mask, _ in QUALITY_FLAGS],
                "flag_values": [value for _, _, value in QUALITY_FLAGS],
                "flag_meanings": " ".join(name for name, _, _ in QUALITY_FLAGS),
                "missing_code": QUALITY_FILL,
                **mapped,
            },
        ),
        ArraySpec(
            "scene",
            pixel_dims,
            pixel_shape,
            "uint8",
            pixel_chunks,
            SCENE_FILL,
            pixel_shards,
            {
                "long_name": "index into the scenes of this day and block (group scenes); 255 is none",
                "missing_code": SCENE_FILL,
                **mapped,
            },
        ),
        ArraySpec(
            "status",
            ("time", "block_y", "block_x"),
            (days, grid.blocks_y, grid.blocks_x),
            "uint8",
            (SHARD_DAYS, grid.blocks_y, grid.blocks_x),
            int(Status.OUTSIDE),
            None,
            {"long_name": "what became of a block on a day", **flag_attributes(Status)},
        ),
        ArraySpec(
            "clear_fraction",
            ("time", "chunk_y", "chunk_x"),
            (days, *grid.chunk_shape),
            "uint8",
            (SHARD_DAYS, *grid.chunk_shape),
            CLEAR_FRACTION_FILL,
            None,
            {
                "long_name": "share of clear pixels of a chunk, rounded down; 255 where it was not seen",
                "units": "percent",
                "missing_code": CLEAR_FRACTION_FILL,
            },
        ),
        _time(calendar),
        ArraySpec(
            "band",
            ("band",),
            (len(BANDS),),
            "string",
            (len(BANDS),),
            "",
            None,
            {"common_names": [b.common_name for b in BANDS], "wavelengths_um": [b.wavelength for b in BANDS]},
            np.array([b.name for b in BANDS], dtype=object),
        ),
        *_yx(*grid.coordinates()),
        _spatial_ref(grid.geobox),
    )
    return GroupSpec("imagery", arrays, _geo_attributes(grid.geobox))


def _weather(grid: Grid, calendar: Calendar, variables: tuple[str, ...]) -> GroupSpec:
    days, (rows, columns) = len(calendar), grid.weather_shape
    arrays = []
    for name in variables:
        variable = WEATHER_BY_NAME[name]
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
    time = _time(calendar, {"bounds": "time_bnds"})
    arrays += [flag, bounds, time, *_yx(*grid.weather_coordinates()), _spatial_ref(grid.weather_geobox)]
    return GroupSpec(
        "weather", tuple(arrays), {**_geo_attributes(grid.weather_geobox), "image_pixels_per_cell": grid.weather_cell}
    )


def _static(grid: Grid, layers: tuple[str, ...]) -> GroupSpec:
    arrays = []
    for name in layers:
        layer = STATIC_BY_NAME[name]
        attributes = {
            "long_name": layer.long_name,
            "standard_name": layer.standard_name,
            "units": layer.units,
            "valid_range": [layer.valid_min, layer.valid_max],
            "comment": "NaN where it is not known",
            "grid_mapping": "spatial_ref",
        }
        shards, chunks = (grid.block, grid.block), (grid.chunk, grid.chunk)
        arrays.append(ArraySpec(name, ("y", "x"), grid.shape, "float32", chunks, "NaN", shards, attributes))
    arrays += [*_yx(*grid.coordinates()), _spatial_ref(grid.geobox)]
    return GroupSpec("static", tuple(arrays), _geo_attributes(grid.geobox))


def _labels(grid: Grid, years: tuple[int, ...], legend: Legend, confidence: bool) -> GroupSpec:
    shape, dims = (len(years), *grid.shape), ("year", "y", "x")
    shards, chunks = (1, grid.block, grid.block), (1, grid.chunk, grid.chunk)
    crop = ArraySpec(
        "crop",
        dims,
        shape,
        "uint16",
        chunks,
        0,
        shards,
        {"long_name": "crop or cover class; 0 is unknown", **legend.attributes(), "grid_mapping": "spatial_ref"},
    )
    purity = ArraySpec(
        "purity",
        dims,
        shape,
        "uint8",
        chunks,
        0,
        shards,
        {
            "long_name": "share of the pixel that carries its label, as seen on the label's own grid",
            "units": "percent",
            "grid_mapping": "spatial_ref",
        },
    )
    certain = ArraySpec(
        "confidence",
        dims,
        shape,
        "uint8",
        chunks,
        CONFIDENCE_FILL,
        shards,
        {
            "long_name": "confidence of the source in the label, mean of what carries it in the pixel; 255 is unknown",
            "units": "percent",
            "missing_code": CONFIDENCE_FILL,
            "grid_mapping": "spatial_ref",
        },
    )
    optional = (certain,) if confidence else ()
    arrays = (crop, purity, *optional, _years(years), *_yx(*grid.coordinates()), _spatial_ref(grid.geobox))
    return GroupSpec("labels", arrays, _geo_attributes(grid.geobox))


def _splits(grid: Grid, years: tuple[int, ...]) -> GroupSpec:
    arrays = (
        ArraySpec(
            "split",
            ("chunk_y", "chunk_x"),
            grid.chunk_shape,
            "uint8",
            grid.chunk_shape,
            int(Split.NONE),
            None,
            {"long_name": "part a place belongs to", **flag_attributes(Split)},
        ),
        ArraySpec(
            "year_split",
            ("year",),
            (len(years),),
            "uint8",
            (len(years),),
            int(Split.NONE),
            None,
            {"long_name": "part a year belongs to", **flag_attributes(Split)},
        ),
        _years(years),
    )
    return GroupSpec("splits", arrays)


def _statistics(grid: Grid, years: tuple[int, ...], weather: tuple[str, ...]) -> GroupSpec:
    """Sums over the clear pixels (stored integers) and over the daily weather, by year and chunk."""
    shape = (len(years), *grid.chunk_shape)
    dims = ("year", "chunk_y", "chunk_x")
    chunks = (1, *grid.chunk_shape)
    arrays = []
    for what in ("count", "sum", "sum_of_squares"):
        arrays.append(
            ArraySpec(
                f"imagery_{what}",
                (*dims, "band"),
                (*shape, len(BANDS)),
                "int64",
                (*chunks, len(BANDS)),
                0,
                None,
                {"long_name": f"{what.replace('_', ' ')} of the stored reflectance of clear pixels"},
            )
        )
        arrays.append(
            ArraySpec(
                f"weather_{what}",
                (*dims, "variable"),
                (*shape, len(weather)),
                "float64",
                (*chunks, len(weather)),
                0.0,
                None,
                {"long_name": f"{what.replace('_', ' ')} of the daily weather of the chunk's cell"},
            )
        )
    names = (("band", [b.name for b in BANDS]), ("variable", list(weather)))
    for dim, values in names:
        arrays.append(
            ArraySpec(dim, (dim,), (len(values),), "string", (len(values),), "", data=np.array(values, dtype=object))
        )
    return GroupSpec("statistics", (*arrays, _years(years)))


def _time(calendar: Calendar, attributes: dict[str, Any] | None = None) -> ArraySpec:
    return ArraySpec(
        "time",
        ("time",),
        (len(calendar),),
        "int32",
        (len(calendar),),
        0,
        None,
        {
            "long_name": "day",
            "standard_name": "time",
            "units": "days since 1970-01-01",
            "calendar": "standard",
            **(attributes or {}),
        },
        calendar.days,
    )


def _years(years: tuple[int, ...]) -> ArraySpec:
    return ArraySpec("year", ("year",), (len(years),), "int32", (len(years),), 0, None, {}, np.array(years, np.int32))


def _yx(ys: NDArray[np.float64], xs: NDArray[np.float64]) -> tuple[ArraySpec, ArraySpec]:
    def axis(name: str, values: NDArray[np.float64]) -> ArraySpec:
        attributes = {"standard_name": f"projection_{name}_coordinate", "units": "m", "axis": name.upper()}
        return ArraySpec(name, (name,), values.shape, "float64", values.shape, "NaN", None, attributes, values)

    return axis("y", ys), axis("x", xs)


def _spatial_ref(geobox: GeoBox) -> ArraySpec:
    """The CF grid mapping, with GDAL's GeoTransform."""
    crs = _crs(geobox)
    attributes = {
        **crs.proj.to_cf(),
        "spatial_ref": crs.wkt,
        "GeoTransform": " ".join(f"{value:.12g}" for value in geobox.transform.to_gdal()),
    }
    return ArraySpec("spatial_ref", (), (), "int32", (), 0, None, attributes, np.array(crs.epsg or 0, dtype=np.int32))


def _crs(geobox: GeoBox) -> CRS:
    if geobox.crs is None:
        raise ValueError("a cube's grid has a CRS")
    return geobox.crs


def _geo_attributes(geobox: GeoBox) -> dict[str, Any]:
    """CF and GeoZarr attributes of a group with x and y. `coordinates` lets xarray see the grid mapping."""
    return {
        "Conventions": "CF-1.11",
        "coordinates": "spatial_ref",
        "proj:code": f"EPSG:{_crs(geobox).epsg}" if _crs(geobox).epsg else None,
        "proj:wkt2": _crs(geobox).wkt,
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": list(geobox.transform)[:6],
        "spatial:shape": list(geobox.shape),
        "spatial:bbox": list(geobox.boundingbox),
    }
