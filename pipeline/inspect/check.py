"""Check that a cube is sound: structure, metadata, ranges, coverage, and consistency of its parts.

The rules are written here once more, independently of the build: code that builds must not be the code that checks.
"""

import numpy as np
import xarray as xr

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout import FORMAT_VERSION
from mmvsf.datasets.format.objects import objects_at
from mmvsf.datasets.format.validate import validate
from mmvsf.datasets.storage.location import Location, store_errors
from mmvsf.datasets.variables import Split

from .check_imagery import MOST_REPORTED, check_coverage, check_pixels, check_statistics
from .check_labels import check_labels
from .check_layers import check_static, check_targets, check_weather
from .check_parts import PART_NAMES, requested_parts
from .check_radar import check_radar
from .check_result import Check, CheckReport

SAMPLED_UNITS = 24
"""(day, block) units whose pixels are compared with the summaries at the end of a build; ten times as many in a full
check."""


def check_cube(path: Location, *, sample_only: bool = False) -> CheckReport:
    """Check a finished cube. `sample_only` looks at few pixels, for use at the end of a build.

    Raises InputError or IncompleteError if there is no finished cube of this format to check.
    """
    cube = Cube.open(path)
    rest = check_opened(cube, sample_only=sample_only)
    return CheckReport(path, (_structure(path), *rest.checks))


def check_opened(cube: Cube, *, sample_only: bool = False) -> CheckReport:
    """Check the content of a cube that is open, which may lack only the mark that it is complete."""
    checks = [_metadata(cube), check_coverage(cube), _splits(cube)]
    if cube.weather:
        checks.append(check_weather(cube))
    checks += [check_statistics(cube), *check_pixels(cube, SAMPLED_UNITS if sample_only else 10 * SAMPLED_UNITS)]
    if cube.orbits:
        checks.append(check_radar(cube, SAMPLED_UNITS if sample_only else 10 * SAMPLED_UNITS))
    if cube.label_years:
        checks.append(check_labels(cube))
    if cube.targets:
        checks.append(check_targets(cube))
    if cube.static_layers:
        checks.append(check_static(cube))
    return CheckReport(cube.path, tuple(checks))


def _structure(path: Location) -> Check:
    """The validator of the format, which knows nothing of this pipeline, has no finding; pixels are checked below."""
    problems = [f"{name}: {message} ({code})" for code, name, message in validate(objects_at(str(path)), pixels=False)]
    return Check.of("structure", problems[:MOST_REPORTED], f"all objects and arrays of format version {FORMAT_VERSION}")


def _metadata(cube: Cube) -> Check:
    """xarray opens a tile by itself and finds coordinates, units and the CRS."""
    name = f"tiles/{cube.grid.tiles[0].name}/"
    with store_errors(cube.path):
        tree = xr.open_datatree(cube.store(name), engine="zarr", consolidated=False, decode_timedelta=False)
    missing = [key for key in ("software", "created", "sources", "attribution") if key not in cube.attributes]
    for name in ("imagery", *(["weather"] if cube.weather else [])):
        group = tree[name]
        if "spatial_ref" not in group.coords or "GeoTransform" not in group["spatial_ref"].attrs:
            missing.append(f"{name}/spatial_ref")
    weather = tree["weather"].data_vars if cube.weather else {}
    missing += [
        f"weather/{name} units" for name in cube.weather if name not in weather or "units" not in weather[name].attrs
    ]
    return Check(
        "metadata", not missing, f"missing: {', '.join(missing)}" if missing else "recipe, sources, units, CRS"
    )


def _splits(cube: Cube) -> Check:
    """The parts lie inside the recipe's blocks, and none that the recipe asks for is empty."""
    places, years = cube.array("chunks/split"), cube.array("seasons/split")
    inside = cube.grid.block_mask().repeat(cube.grid.chunks_per_block, 0).repeat(cube.grid.chunks_per_block, 1)
    problems = []
    if np.any(places[~inside] != Split.NONE):
        problems.append("chunks outside the recipe's blocks belong to a part")
    # (year, chunk_y, chunk_x): clear pixels, of the band that has the fewest
    clear = cube.array("chunks/imagery_count").min(axis=-1)
    for part, of_places, of_years in requested_parts(cube.region):
        in_part = clear
        if of_places:
            in_part = in_part[:, places == part]
        if of_years:
            in_part = in_part[years == part]
        kind = " and ".join(["places"] * of_places + ["years"] * of_years)
        if in_part.size == 0:
            problems.append(f"there are no {PART_NAMES[part]} {kind}")
        elif not in_part.any():
            problems.append(f"the {PART_NAMES[part]} {kind} have no clear pixel")
    counts = ", ".join(f"{part.name.lower()} {int((places == part).sum())}" for part in PART_NAMES)
    return Check.of("splits", problems, f"chunks: {counts}")
