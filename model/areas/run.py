"""`mmvsf areas`: the class areas of a crop map, from a reference sample that is drawn here and labelled by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.samples.classes import LabelLookup
from mmvsf.model.cropmap.geotiff import MAP, map_values
from mmvsf.model.cropmap.map import HECTARE, MAP_RECORD
from mmvsf.model.records import write_json

from .estimate import AreaEstimates, Estimate, estimate_areas
from .sample import MapLegend, ReferencePixel, count_pixels, draw_sample, read_filled, read_sample, write_sample

SAMPLE, AREAS = "reference_sample.csv", "areas.json"


@dataclass(frozen=True, slots=True)
class AreaOptions:
    """The options of a run."""

    per_class: int = 50
    """Reference pixels of each mapped class. Olofsson et al. advise 50 to 100."""
    seed: int = 0


def areas(cube: Cube, folder: Path, options: AreaOptions, reference: Path | None = None) -> dict[str, Any] | None:
    """Estimate the class areas of the crop map in `folder` and write areas.json; its content is returned.

    Without a `reference` sample one is drawn and written to reference_sample.csv, labelled from the cube where that has
    labels of the map's year. None is returned where a pixel of it is still to be labelled. Raises InputError where
    there is no crop map of this cube, its CRS is not in metres, the sample does not fit the map, or a new sample would
    replace one that somebody filled in.
    """
    year, classes, path = _map_of(cube, folder)
    legend = MapLegend.of(map_values(classes), classes.classes)
    if reference is None:
        _check_replaceable(folder / SAMPLE, cube)
        pixels = _labelled(cube, year, classes, draw_sample(path, legend, options.per_class, options.seed))
        write_sample(folder / SAMPLE, path, pixels, legend)
        if not any(pixel.reference >= 0 for pixel in pixels):
            return None
    else:
        pixels = read_sample(reference, path, legend)
    result = _record(cube, year, legend, path, pixels, options)
    result["reference"] = str(reference) if reference else f"labels of the cube, {folder / SAMPLE}"
    write_json(folder / AREAS, result)
    return result


def _map_of(cube: Cube, folder: Path) -> tuple[int, Legend, Path]:
    """(year, legend, file) of the crop map in a folder. Raises InputError where it has none of this cube."""
    try:
        record = parse_json((folder / MAP_RECORD).read_bytes())
        year, digest = int(record["year"]), record["cube"]
        legend = Legend(tuple(LegendClass(int(c["code"]), c["name"], c["color"]) for c in record["classes"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"there is no crop map in {folder}; make one with `mmvsf cropmap` or `mmvsf map`") from error
    if digest != cube.digest:
        raise InputError(f"the crop map in {folder} is of another cube than {cube.path}; make one of this cube")
    if CRS(cube.grid.crs).is_geographic:
        raise InputError(f"{cube.path} has a grid in degrees, whose pixels differ in area; use one in metres")
    return year, legend, folder / MAP


def _labelled(cube: Cube, year: int, legend: Legend, pixels: Sequence[ReferencePixel]) -> list[ReferencePixel]:
    """The pixels with the cube's labels of a year as their reference; as they were where it has none in the classes of
    the map."""
    names = {entry.code: entry.name for entry in legend.classes}
    if (
        year not in cube.label_years
        or cube.legend is None
        or any(names.get(entry.code) != entry.name for entry in cube.legend.classes)
    ):
        return list(pixels)
    labels, layer = cube.pixels("labels/crop"), cube.label_years.index(year)
    lookup = LabelLookup(legend.codes)

    def label(pixel: ReferencePixel) -> int:
        row, column = slice(pixel.row, pixel.row + 1), slice(pixel.column, pixel.column + 1)
        return int(lookup(labels.read((layer, row, column)))[0, 0])

    return [replace(pixel, reference=label(pixel)) for pixel in pixels]


def _check_replaceable(table: Path, cube: Cube) -> None:
    """Raises InputError for a table with references that the cube's labels of no year explain: they are somebody's
    work, which a new sample would replace."""
    if not table.exists():
        return
    filled = read_filled(table)
    if filled is None or (
        filled and not any(_explained(filled, cube, layer) for layer in range(len(cube.label_years)))
    ):
        raise InputError(
            f"{table} was filled in or changed, and a new sample would replace it; give it with --reference {table}, or"
            " move it elsewhere to draw a new one"
        )


def _explained(filled: Mapping[tuple[int, int], str], cube: Cube, layer: int) -> bool:
    """Whether all references, by row and column, are the cube's labels of one year."""
    names = {entry.code: entry.name for entry in cube.legend.classes} if cube.legend else {}
    labels = cube.pixels("labels/crop")

    def name(row: int, column: int) -> str | None:
        height, width = cube.grid.shape
        if not (0 <= row < height and 0 <= column < width):
            return None
        place = labels.read((layer, slice(row, row + 1), slice(column, column + 1)))
        return names.get(int(place[0, 0]))

    return all(name(*place) == reference for place, reference in filled.items())


def _record(
    cube: Cube, year: int, legend: MapLegend, path: Path, pixels: Sequence[ReferencePixel], options: AreaOptions
) -> dict[str, Any]:
    mapped = count_pixels(path, legend)
    sample = np.zeros((len(mapped),) * 2, np.int64)
    for pixel in pixels:
        if pixel.reference >= 0:
            sample[pixel.mapped, pixel.reference] += 1
    hectares = cube.grid.resolution**2 / HECTARE
    return {
        "region": cube.region.name,
        "cube": cube.digest,
        "year": year,
        "sample": {"pixels": len(pixels), "labelled": int(sample.sum()), "counts": sample.tolist()},
        "seed": options.seed,
        **_plain(estimate_areas(mapped, sample, options.seed), legend, hectares),
    }


def _plain(estimates: AreaEstimates, legend: MapLegend, hectares: float) -> dict[str, Any]:
    """Estimates as JSON: areas in hectares, accuracies as fractions, limits of 95 %."""

    def plain(estimate: Estimate | None, unit: float = 1) -> dict[str, Any] | None:
        if estimate is None:
            return None
        return {"value": estimate.value * unit, "limits": [bound * unit for bound in estimate.limits]}

    return {
        "overall_accuracy": plain(estimates.overall_accuracy),
        "classes": [
            {
                "name": name,
                "mapped_ha": entry.mapped * hectares,
                "area_ha": plain(entry.area, hectares),
                "standard_error_ha": entry.standard_error * hectares,
                "sampled": entry.sampled,
                "user_accuracy": plain(entry.user_accuracy),
                "producer_accuracy": plain(entry.producer_accuracy),
            }
            for name, entry in zip(legend.names, estimates.classes, strict=True)
        ],
    }
