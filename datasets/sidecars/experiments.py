"""Weather experiments on a simulated region: the same field and history, and other weather from one day on.

`<data>/<region>.experiments.zarr` holds for each case (a window on a day of origin) what the weather of the next weeks
would be in each scenario, and what the simulator then shows. The first scenario is the weather that came.

row, column, year    (case,)   upper left pixel in the cube, and season
origin               (case,)   days since 1970-01-01: images up to this day are known, the weather changes from it on
lead                 (lead,)   days after the origin
scenario             (scenario,)   names
applies              (case, scenario)   1 where the scenario belongs to that time of the year
weather              (case, scenario, day, variable)   float32, from the origin on, in the units of the cube
truth                (case, scenario, lead, band, y, x)   int16 x 1e-4: without noise and clouds
inferred             the same, as expected by an oracle that knows the simulator and infers from the images up to the
                     origin what is hidden of each field
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tensorstore import TensorStore

from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.storage.store import open_pixels, read_pixels
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE

FORMAT = "mmvsf-experiments"
FORMAT_VERSION = 2
AS_IT_CAME = "as it came"
"""The scenario of the real weather, the first."""
IMAGES = ("truth", "inferred")
"""The arrays of images."""

Floats = NDArray[np.float32]


def experiments_path(cube: Cube) -> Location:
    """The folder of a cube's experiments, beside the cube."""
    return cube.path.with_name(f"{cube.path.name.removesuffix('.zarr')}.experiments.zarr")


def experiments_layout(
    name: str,
    cube: Cube,
    cases: Sequence[tuple[Window, int]],
    leads: Sequence[int],
    scenarios: Sequence[str],
    attributes: dict[str, Any],
) -> GroupSpec:
    """The group of experiments for cases (window, day of origin); windows have one size."""
    size, count = cases[0][0].size, len(cases)
    names = {"scenario": scenarios, "variable": cube.weather, "band": cube.bands}
    numbers = {
        "row": [window.row for window, _ in cases],
        "column": [window.column for window, _ in cases],
        "year": [window.year for window, _ in cases],
        "origin": [origin for _, origin in cases],
    }

    def listed(key: str, axis: str, values: Sequence[int]) -> ArraySpec:
        return ArraySpec(key, (axis,), (len(values),), "int32", (len(values),), 0, data=np.array(values, np.int32))

    arrays = [listed(key, "case", values) for key, values in numbers.items()]
    arrays.append(listed("lead", "lead", leads))
    for key, values in names.items():
        data = np.array(list(values), object)
        arrays.append(ArraySpec(key, (key,), (len(values),), "string", (len(values),), "", data=data))
    shape = (count, len(scenarios), max(leads), len(cube.weather))
    axes = ("case", "scenario", "day", "variable")
    arrays += [
        ArraySpec("applies", axes[:2], shape[:2], "uint8", shape[:2], 0),
        ArraySpec("weather", axes, shape, "float32", shape, float("nan")),
    ]
    of_case = (len(scenarios), len(leads), len(cube.bands), size, size)
    arrays += [
        ArraySpec(
            image,
            ("case", "scenario", "lead", "band", "y", "x"),
            (count, *of_case),
            "int16",
            (1, *of_case),
            REFLECTANCE_FILL,
            attributes={"units": "1", "scale_factor": REFLECTANCE_SCALE, "_FillValue": REFLECTANCE_FILL},
        )
        for image in IMAGES
    ]
    return GroupSpec(name, tuple(arrays), {"format": FORMAT, "format_version": FORMAT_VERSION, **attributes})


@dataclass(frozen=True, eq=False)
class Experiments:
    """The experiments beside a cube; the images are read on demand."""

    path: Location
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    year: NDArray[np.int32]
    origin: NDArray[np.int32]
    """(case,) each"""
    leads: NDArray[np.int32]
    scenarios: tuple[str, ...]
    applies: NDArray[np.bool_]
    """(case, scenario)"""
    weather: Floats
    """(case, scenario, day, variable)"""
    _images: Mapping[str, TensorStore]

    @classmethod
    def of(cls, cube: Cube) -> Self:
        """The experiments beside a cube. Raises InputError where there are none, they belong to another cube, or have
        another format version."""
        path = experiments_path(cube)
        if not (path / "zarr.json").is_file():
            raise InputError(f"there are no experiments at {path}; create them with `mmvsf oracle`")
        attributes = root_attributes(path)
        if (attributes.get("format"), attributes.get("format_version")) != (FORMAT, FORMAT_VERSION):
            raise InputError(f"{path} cannot be read by this version; create it again with `mmvsf oracle`")
        if attributes.get("cube") != cube.digest or not attributes.get("complete"):
            raise InputError(f"{path} belongs to another cube than {cube.path}; run `mmvsf oracle` again")

        def whole(name: str) -> NDArray[Any]:
            return read_pixels(open_pixels(path, name), ...)

        return cls(
            path=path,
            row=whole("row"),
            column=whole("column"),
            year=whole("year"),
            origin=whole("origin"),
            leads=whole("lead"),
            scenarios=tuple(attributes["scenarios"]),
            applies=whole("applies") > 0,
            weather=whole("weather"),
            _images={name: open_pixels(path, name) for name in IMAGES},
        )

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.origin)

    def truth(self, case: int) -> Floats:
        """(scenario, lead, band, y, x) reflectance as a fraction, of a case; NaN where a scenario does not apply."""
        return self._read("truth", case)

    def inferred(self, case: int) -> Floats:
        """The same, as the inferring oracle expects it."""
        return self._read("inferred", case)

    def _read(self, name: str, case: int) -> Floats:
        stored = read_pixels(self._images[name], (case,))
        images = stored.astype(np.float32) * np.float32(REFLECTANCE_SCALE)
        images[stored == REFLECTANCE_FILL] = np.nan
        return images
