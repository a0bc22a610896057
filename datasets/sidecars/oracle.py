"""The oracles of a simulated region: forecasts by the model that simulated its fields.

One knows the hidden state of each field (crop, sowing, variety, soil); nobody can be better. The other infers it from
the images up to the day of the forecast, which is what a perfect forecaster could do. Each forecast is made twice: with
the weather that came, and as the mean over the weather of all other years from its origin on, so that the difference is
all that the weather in between can explain.
`<data>/<region>.oracle.zarr` holds them for the windows and pairs of days that are scored (`pairs.window_pairs`):

row, column, year      (window,)   upper left pixel in the cube, and season
origin, target         (window, pair)   days since 1970-01-01, 0 where a window has fewer pairs
done                   (window,)   1 where the forecasts exist
with_gap               (window, pair, band, y, x)   int16 x 1e-4, the weather up to the day before the target
without_gap            the same, the weather up to the day before the origin, from then on that of the other years
inferred_with_gap, inferred_without_gap   the same, of the oracle that infers
effective              (window, pair)   effective number of the draws it infers from
sampling_error         (window, pair, band)   Monte-Carlo error of inferred_with_gap, reflectance, root mean square
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tensorstore import TensorStore

from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.pairs import window_pairs
from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.storage.store import open_pixels, read_pixels
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE

FORMAT = "mmvsf-oracle"
FORMAT_VERSION = 3
FORECASTS = ("with_gap", "without_gap", "inferred_with_gap", "inferred_without_gap")

Image = NDArray[np.float32]


def oracle_path(cube: Cube) -> Location:
    """The folder of a cube's oracle, beside the cube."""
    return cube.path.with_name(f"{cube.path.name.removesuffix('.zarr')}.oracle.zarr")


def oracle_layout(
    name: str, windows: list[Window], bands: tuple[str, ...], limit: int, seed: int, attributes: dict[str, Any]
) -> GroupSpec:
    """The group of an oracle for windows of one size, with the pairs that are scored in each."""
    size = windows[0].size
    days = np.zeros((2, len(windows), limit), np.int32)
    for number, window in enumerate(windows):
        pairs = np.array(window_pairs(window, seed, limit), np.int64).reshape(-1, 2)
        days[:, number, : len(pairs)] = window.days[pairs.T]
    position = {
        "row": np.array([window.row for window in windows], np.int32),
        "column": np.array([window.column for window in windows], np.int32),
        "year": np.array([window.year for window in windows], np.int32),
    }
    day = {"units": "days since 1970-01-01", "calendar": "standard"}
    count = len(windows)
    arrays = [ArraySpec(key, ("window",), (count,), "int32", (count,), 0, data=data) for key, data in position.items()]
    arrays += [
        ArraySpec(key, ("window", "pair"), (count, limit), "int32", (count, limit), 0, attributes=day, data=data)
        for key, data in zip(("origin", "target"), days, strict=True)
    ]
    arrays.append(ArraySpec("done", ("window",), (count,), "uint8", (count,), 0))
    arrays.append(
        ArraySpec("band", ("band",), (len(bands),), "string", (len(bands),), "", data=np.array(bands, object))
    )
    known = {"with_gap": "target", "without_gap": "origin"}
    meaning = {
        f"{prefix}{key}": f"forecast that {hidden} and knows the weather up to the day before the {day}"
        for prefix, hidden in (("", "is told what is hidden"), ("inferred_", "infers what is hidden"))
        for key, day in known.items()
    }
    for key, more in (("effective", ()), ("sampling_error", (("band", len(bands)),))):
        axes, shape = zip(("window", count), ("pair", limit), *more, strict=True)
        arrays.append(ArraySpec(key, axes, shape, "float32", shape, float("nan")))
    arrays += [
        ArraySpec(
            key,
            ("window", "pair", "band", "y", "x"),
            (count, limit, len(bands), size, size),
            "int16",
            (1, limit, len(bands), size, size),
            REFLECTANCE_FILL,
            attributes={
                "long_name": meaning[key],
                "units": "1",
                "scale_factor": REFLECTANCE_SCALE,
                "_FillValue": REFLECTANCE_FILL,
            },
        )
        for key in FORECASTS
    ]
    return GroupSpec(name, tuple(arrays), {"format": FORMAT, "format_version": FORMAT_VERSION, **attributes})


@dataclass(frozen=True, eq=False)
class Oracle:
    """The forecasts of an oracle, read on demand."""

    path: Location
    attributes: dict[str, Any]
    """What it was made from: `cube` (digest), `spec`, `size`, `limit`, `seed`"""
    _pairs: dict[tuple[int, int, int, int, int], tuple[int, int]]
    """(row, column, year, origin, target) -> (window, pair), for the forecasts that exist"""
    years: frozenset[int]
    """Of which all forecasts exist"""
    _stores: tuple[TensorStore, ...]

    @classmethod
    def open(cls, path: Location) -> Self:
        """Open an oracle. Raises InputError where there is none or it has another format version."""
        if not (path / "zarr.json").is_file():
            raise InputError(f"there is no oracle at {path}; create it with `mmvsf oracle`")
        attributes = root_attributes(path)
        if (attributes.get("format"), attributes.get("format_version")) != (FORMAT, FORMAT_VERSION):
            raise InputError(f"{path} is not an oracle that this version reads; create it again with `mmvsf oracle`")

        def whole(name: str) -> NDArray[Any]:
            return read_pixels(open_pixels(path, name), ...)

        position = np.stack([whole(name) for name in ("row", "column", "year")], axis=1)
        origin, target = whole("origin"), whole("target")
        done = whole("done") > 0
        exists = done[:, None] & (target > 0)
        pairs = {}
        for window, pair in np.argwhere(exists).tolist():
            row, column, year = position[window].tolist()
            pairs[row, column, year, int(origin[window, pair]), int(target[window, pair])] = (window, pair)
        years = frozenset(position[:, 2].tolist()) - frozenset(position[~done, 2].tolist())
        return cls(path, attributes, pairs, years, tuple(open_pixels(path, name) for name in FORECASTS))

    @classmethod
    def of(cls, cube: Cube) -> Self:
        """The oracle beside a cube. Raises InputError where there is none or it belongs to another cube."""
        oracle = cls.open(oracle_path(cube))
        if oracle.attributes["cube"] != cube.digest:
            raise InputError(f"{oracle.path} belongs to another cube than {cube.path}; run `mmvsf oracle` again")
        return oracle

    def __len__(self) -> int:
        """Number of pairs with forecasts."""
        return len(self._pairs)

    def pair(self, row: int, column: int, year: int, origin: int, target: int) -> tuple[Image, ...] | None:
        """Reflectance (C, H, W), as a fraction, of the window whose upper left pixel is (row, column), on the day
        `target` as forecast on the day `origin` (days since 1970-01-01), one for each of FORECASTS. None for a pair
        that is not in the oracle."""
        index = self._pairs.get((row, column, year, origin, target))
        if index is None:
            return None
        # A window is one chunk, which tensorstore keeps for its next pair.
        return tuple(
            read_pixels(store, index).astype(np.float32) * np.float32(REFLECTANCE_SCALE) for store in self._stores
        )

    def sampling(self, year: int) -> tuple[float, NDArray[np.float64]]:
        """Of the forecasts of a season that the inferring oracle made: the median of the effective numbers of draws,
        and the Monte-Carlo error of each band (band,), reflectance, root mean square; NaN where there are none."""
        windows = read_pixels(open_pixels(self.path, "year"), ...) == year
        effective, error = (
            read_pixels(open_pixels(self.path, name), ...)[windows] for name in ("effective", "sampling_error")
        )
        made = np.isfinite(effective)
        if not made.any():
            return float("nan"), np.full(error.shape[-1], np.nan)
        return float(np.median(effective[made])), np.sqrt(np.square(error[made], dtype=np.float64).mean(axis=0))
