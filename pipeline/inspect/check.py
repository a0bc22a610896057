"""Is a cube sound? Structure, metadata, ranges, coverage, and agreement of its parts with each other."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout import cube_layout
from mmvsf.datasets.errors import IncompleteError
from mmvsf.datasets.storage.location import Location, store_errors, zarr_store
from mmvsf.datasets.storage.store import open_pixels, read_pixels
from mmvsf.datasets.variables import (
    CLEAR_FRACTION_FILL,
    CONFIDENCE_FILL,
    QUALITY_FILL,
    REFLECTANCE_FILL,
    SCENE_FILL,
    STATIC_BY_NAME,
    Split,
    Status,
    is_clear,
    weather_variable,
)

SAMPLED_UNITS = 24
"""(day, block) units whose pixels are compared with the summaries; all of them in a full check of a small cube."""

PLAUSIBLE_MEDIAN = (0.0, 0.7)
"""A clear band's median reflectance outside this points to a wrong scale or offset."""


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class CheckReport:
    cube: Location
    checks: tuple[Check, ...]

    def raise_for_problems(self) -> None:
        """Raise IncompleteError naming every check that failed."""
        wrong = [f"{entry.name}: {entry.detail}" for entry in self.checks if not entry.ok]
        if wrong:
            raise IncompleteError(f"{self.cube} is not sound: {'; '.join(wrong)}")


def check_cube(path: Location, *, sample_only: bool = False) -> CheckReport:
    """Check a finished cube. `sample_only` looks at few pixels, for use at the end of a build.

    Raises InputError or IncompleteError if there is no finished cube of this format to check.
    """
    cube = Cube.open(path)
    checks = [_structure(cube), _metadata(cube), _coverage(cube), _weather(cube), _splits(cube), _statistics(cube)]
    checks += _pixels(cube, SAMPLED_UNITS if sample_only else 10 * SAMPLED_UNITS)
    if cube.label_years:
        checks.append(_labels(cube))
    if cube.static_layers:
        checks.append(_static(cube))
    return CheckReport(path, tuple(checks))


def _structure(cube: Cube) -> Check:
    """Every array stands there with the shape, chunks and type that format version 1 gives it."""
    wrong = []
    for group in cube_layout(cube.spec):
        for spec in group.arrays:
            name = f"{group.name}/{spec.name}"
            try:
                with store_errors(cube.path):
                    array = zarr.open_array(zarr_store(cube.path / name), mode="r")
            except FileNotFoundError:
                wrong.append(f"{name} is missing")
                continue
            if array.shape != spec.shape or (spec.dtype != "string" and array.dtype != np.dtype(spec.dtype)):
                wrong.append(f"{name} is {array.dtype} {array.shape}, should be {spec.dtype} {spec.shape}")
    return Check("structure", not wrong, "; ".join(wrong) or "all arrays of format version 1")


def _metadata(cube: Cube) -> Check:
    """xarray opens the cube by itself and finds coordinates, units and the CRS."""
    with store_errors(cube.path):
        tree = xr.open_datatree(zarr_store(cube.path), engine="zarr", consolidated=False)
    wrong = [key for key in ("software", "created", "sources", "attribution") if key not in cube.attributes]
    for name in ("imagery", "weather"):
        group = tree[name]
        if "spatial_ref" not in group.coords or "GeoTransform" not in group["spatial_ref"].attrs:
            wrong.append(f"{name}/spatial_ref")
    weather = tree["weather"].data_vars
    wrong += [
        f"weather/{name} units" for name in cube.weather if name not in weather or "units" not in weather[name].attrs
    ]
    return Check("metadata", not wrong, f"missing: {', '.join(wrong)}" if wrong else "recipe, sources, units, CRS")


def _coverage(cube: Cube) -> Check:
    status = cube.array("imagery/status")
    inside = cube.grid.block_mask()
    problems = []
    if np.any(status[:, ~inside] != Status.OUTSIDE):
        problems.append("a block outside the recipe has a status")
    seen = np.isin(status[:, inside], (Status.STORED, Status.SKIPPED_CLOUDY))
    never = int((~seen.any(axis=0)).sum())
    if never:
        problems.append(f"{never} blocks were never seen")
    failed = int((status == Status.FAILED).sum())
    detail = f"{inside.sum()} blocks, seen on {seen.sum(axis=0).mean():.0f} days each" + (
        f", {failed} units failed and accepted" if failed else ""
    )
    return Check("coverage", not problems, "; ".join(problems) or detail)


def _weather(cube: Cube) -> Check:
    problems = []
    first = cube.calendar.index(day_number(cube.region.weather_start))
    last = cube.calendar.index(day_number(cube.region.period.end))
    rows, columns = np.nonzero(_weather_cells(cube))
    for name in cube.weather:
        variable = weather_variable(name)
        values = cube.array(f"weather/{name}")[first : last + 1, rows, columns]
        if np.isnan(values).any():
            problems.append(f"{name} misses days")
        elif values.min() < variable.valid_min - 0.1 or values.max() > variable.valid_max + 0.1:
            problems.append(f"{name} out of range ({values.min():.4g} to {values.max():.4g} {variable.units})")
    if {"tmin", "tmax"} <= set(cube.weather):
        low, high = (cube.array(f"weather/{n}")[first : last + 1, rows, columns] for n in ("tmin", "tmax"))
        if np.mean(low > high) > 0.01:
            problems.append("tmin lies above tmax")
    return Check("weather", not problems, "; ".join(problems) or f"{last - first + 1} days without a gap, in range")


def _splits(cube: Cube) -> Check:
    split, years = cube.array("splits/split"), cube.array("splits/year_split")
    inside = cube.grid.block_mask().repeat(cube.grid.chunks_per_block, 0).repeat(cube.grid.chunks_per_block, 1)
    problems = []
    if np.any(split[~inside] != Split.NONE):
        problems.append("a place outside the recipe is in a part")
    if not np.any(split == Split.TRAIN) or not np.any(years == Split.TRAIN):
        problems.append("nothing to train on")
    counts = ", ".join(f"{part.name.lower()} {int((split == part).sum())}" for part in Split if part)
    return Check("splits", not problems, "; ".join(problems) or f"chunks: {counts}")


def _statistics(cube: Cube) -> Check:
    count = cube.array("statistics/imagery_count").sum(axis=(0, 1, 2)).astype(float)
    total = cube.array("statistics/imagery_sum").sum(axis=(0, 1, 2)).astype(float)
    if np.any(count == 0):
        return Check("statistics", False, "no clear pixel at all")
    means = total / count * 1e-4
    ok = bool(np.all((means > PLAUSIBLE_MEDIAN[0]) & (means < PLAUSIBLE_MEDIAN[1])))
    text = ", ".join(f"{name} {value:.3f}" for name, value in zip(cube.bands, means, strict=True))
    return Check("statistics", ok, f"mean clear reflectance: {text}" + ("" if ok else " (wrong scale or offset?)"))


def _pixels(cube: Cube, units: int) -> list[Check]:
    """Compare sampled units pixel by pixel with what the summaries say of them."""
    status, clear = cube.array("imagery/status"), cube.array("imagery/clear_fraction")
    reflectance, quality, scene = (open_pixels(cube.path, f"imagery/{n}") for n in ("reflectance", "quality", "scene"))
    places = np.argwhere(np.isin(status, (Status.STORED, Status.SKIPPED_CLOUDY)))
    order = np.random.default_rng(0).permutation(len(places))[:units]
    wrong, medians = [], []
    n, side = cube.grid.chunks_per_block, cube.grid.chunk
    for time, by, bx in places[np.sort(order)]:
        rows, columns = cube.grid.block_slices((int(by), int(bx)))
        bits = read_pixels(quality, (time, rows, columns))
        bands = read_pixels(reflectance, (time, slice(None), rows, columns))
        index = read_pixels(scene, (time, rows, columns))
        where = f"day {cube.calendar.days[time]}, block {by},{bx}"
        stored = (bands != REFLECTANCE_FILL).all(axis=0)
        if np.any((bits == QUALITY_FILL) != (index == SCENE_FILL)):
            wrong.append(f"{where}: pixels without a scene, or a scene without pixels")
        if status[time, by, bx] == Status.SKIPPED_CLOUDY and stored.any():
            wrong.append(f"{where}: skipped as cloudy, yet has reflectance")
        if status[time, by, bx] == Status.STORED and np.any(stored & (bits == QUALITY_FILL)):
            wrong.append(f"{where}: reflectance where the mask says no data")
        seen = is_clear(bits) & stored
        percent = seen.reshape(n, side, n, side).sum(axis=(1, 3)) * 100 // side**2
        summary = clear[time, by * n : by * n + n, bx * n : bx * n + n]
        if np.any(percent[summary != CLEAR_FRACTION_FILL] != summary[summary != CLEAR_FRACTION_FILL]):
            wrong.append(f"{where}: clear fraction does not agree with the pixels")
        if seen.any():
            medians.append(np.median(bands[:, seen], axis=1) * 1e-4)
    ranges_ok, text = True, "no clear pixel in the sample"
    if medians:
        typical = np.median(medians, axis=0)
        ranges_ok = bool(np.all((typical > PLAUSIBLE_MEDIAN[0]) & (typical < PLAUSIBLE_MEDIAN[1])))
        text = ", ".join(f"{name} {value:.3f}" for name, value in zip(cube.bands, typical, strict=True))
    return [
        Check("pixels agree with summaries", not wrong, "; ".join(wrong[:3]) or f"{len(order)} units compared"),
        Check("ranges", ranges_ok, f"typical clear reflectance: {text}"),
    ]


def _labels(cube: Cube) -> Check:
    crop = open_pixels(cube.path, "labels/crop")
    codes: set[int] = set()
    known = total = 0
    for position in range(len(cube.label_years)):
        for block in cube.grid.blocks:
            values = read_pixels(crop, (position, *cube.grid.block_slices(block)))
            codes |= set(np.unique(values).tolist())
            known, total = known + int((values > 0).sum()), total + values.size
    legend = cube.legend.codes if cube.legend else ()
    stray = sorted(codes - {0, *legend})
    ok = not stray and known > 0
    detail = f"codes not in the legend: {stray}" if stray else f"{known / total:.0%} of the pixels labelled"
    if cube.confidence:
        problem, certain = _confidence(cube)
        ok, detail = ok and not problem, f"{detail}; {problem or certain}"
    return Check("labels", ok, detail)


def _confidence(cube: Cube) -> tuple[str, str]:
    """(what is wrong, what was found) of the confidence of the labels."""
    crop, confidence = (open_pixels(cube.path, f"labels/{name}") for name in ("crop", "confidence"))
    total = count = 0
    for position, year in enumerate(cube.label_years):
        for block in cube.grid.blocks:
            index = (position, *cube.grid.block_slices(block))
            percent = read_pixels(confidence, index)
            known = percent != CONFIDENCE_FILL
            if np.any(known & (percent > 100)):
                return f"confidence above 100 percent in {year}, block {block[0]},{block[1]}", ""
            if np.any(known & (read_pixels(crop, index) == 0)):
                return f"confidence without a label in {year}, block {block[0]},{block[1]}", ""
            total, count = total + int(percent[known].sum(dtype=np.int64)), count + int(known.sum())
    return "", f"mean confidence {total / count:.0f} %" if count else "no confidence known"


def _static(cube: Cube) -> Check:
    """Layers of the ground are known somewhere, in range there, and say where they come from."""
    known = dict.fromkeys(cube.static_layers, 0)
    low, high = dict.fromkeys(cube.static_layers, np.inf), dict.fromkeys(cube.static_layers, -np.inf)
    for block in cube.grid.blocks:
        for name, values in cube.static(block).items():
            finite = values[np.isfinite(values)]
            if finite.size:
                known[name] += finite.size
                low[name], high[name] = min(low[name], float(finite.min())), max(high[name], float(finite.max()))
    pixels = len(cube.grid.blocks) * cube.grid.block**2
    problems, found = [], []
    for name in cube.static_layers:
        layer = STATIC_BY_NAME[name]
        text = f"{name} {low[name]:.4g} to {high[name]:.4g} {layer.units}"
        if not known[name]:
            problems.append(f"{name} is known nowhere")
        elif low[name] < layer.valid_min or high[name] > layer.valid_max:
            problems.append(f"{text}, out of range")
        else:
            found.append(text + (f" on {known[name] / pixels:.0%}" if known[name] < pixels else ""))
    told = {record.get("layer") for record in cube.attributes.get("sources", [])}
    if missing := [name for name in cube.static_layers if name not in told]:
        problems.append(f"no source and licence of {', '.join(missing)}")
    return Check("static", not problems, "; ".join(problems or found))


def _weather_cells(cube: Cube) -> NDArray[np.bool_]:
    cells = np.zeros(cube.grid.weather_shape, bool)
    for block in cube.grid.blocks:
        rows, columns = cube.grid.block_slices(block)
        cells[cube.grid.weather_cell_of((rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2)] = True
    return cells
