"""Images of an export, or radar passes: a day, all days of a period, or the median or mean of its clear pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.reduce import reduced
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import BACKSCATTER_FILL, BACKSCATTER_SCALE, REFLECTANCE_FILL, Status, is_clear

from .area import Area
from .request import Request

STRIP_VALUES = 1 << 24
"""Values that are held in memory at a time, about; a season of a block is read in strips of rows."""


NDVI_BANDS = ("red", "nir")


class NoImageError(InputError):
    """An area has no image on the requested days."""


class Images:
    """The images of an area that a request asks for. Reads the days of each block on which it has an image."""

    def __init__(self, cube: Cube, request: Request, area: Area) -> None:
        """Raises NoImageError, which names the nearest days, where the area has no image in these days, and InputError
        for NDVI of a cube without its bands."""
        if request.what == "ndvi" and (missing := [name for name in NDVI_BANDS if name not in cube.bands]):
            raise InputError(
                f"{cube.path} has no {' and no '.join(missing)}, so ndvi cannot be exported; its bands are"
                f" {', '.join(cube.bands)}"
            )
        self.cube, self.request = cube, request
        self._radar = request.group == "radar"
        status = cube.array(f"blocks/{request.what}_status" if self._radar else "blocks/status")
        rows, columns = zip(*area.blocks, strict=True)
        seen = (status[:, rows, columns] == Status.STORED).any(axis=1)
        self._days = request.days(cube)
        self._stored = status == Status.STORED
        self.seen = self._days[seen[self._days]]
        """positions of the days with an image in the area"""
        if not self.seen.size:
            raise NoImageError(_nearest(cube, np.flatnonzero(seen), self._days))
        array = "reflectance" if request.what == "ndvi" else request.what
        self._pixels, self._quality = cube.pixels(f"{request.group}/{array}"), cube.pixels("imagery/quality")

    def period(self) -> dict[str, str]:
        """The attribute that says from which days a composite is; none where there is a time axis."""
        if self.request.reduce == "none":
            return {}
        first, last = (str(date_of(self.cube.calendar.days[day])) for day in (self._days[0], self._days[-1]))
        if first == last:
            return {"day": first}
        return {
            "period": f"{first} to {last}",
            "cell_methods": f"time: {self._how} (of {'passes' if self._radar else 'clear pixels'})",
        }

    @property
    def _how(self) -> str:
        return self.request.reduce or "median"

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """A piece of one block: ([time], [band], rows, columns)."""
        block = self.cube.grid.block
        days = self.seen[self._stored[self.seen, rows.start // block, columns.start // block]]
        if self.request.reduce == "none":
            return self._series(days, rows, columns)
        if self.request.day is not None and self.request.what != "ndvi":
            return self._values(self.seen, rows, columns).squeeze(axis=0)
        width = columns.stop - columns.start
        step = max(1, STRIP_VALUES // max(1, len(days) * len(self.cube.bands) * width))
        edges = range(rows.start, rows.stop, step)
        strips = [self._composite(days, slice(top, min(top + step, rows.stop)), columns) for top in edges]
        return np.concatenate(strips, axis=-2)

    def _series(self, days: NDArray[np.int64], rows: slice, columns: slice) -> NDArray[Any]:
        """All days of the area, fill on those without an image of this block."""
        values = self._values(days, rows, columns)
        fill = np.nan if self.request.what == "ndvi" else self._pixels.spec.fill
        result = np.full((len(self.seen), *values.shape[1:]), fill, values.dtype)
        result[np.searchsorted(self.seen, days)] = values
        return result

    def _values(self, days: NDArray[np.int64], rows: slice, columns: slice) -> NDArray[Any]:
        """(days, [band], rows, columns) as stored; NDVI as float32, NaN where a pixel is not clear."""
        if self.request.what != "ndvi":
            between = (slice(None),) if len(self._pixels.spec.dims) == 4 else ()
            return self._pixels.read((days, *between, rows, columns))
        bands = [self.cube.bands.index(name) for name in NDVI_BANDS]
        stored = self._pixels.read((days, np.array(bands), rows, columns))
        valid = self._clear(days, rows, columns) & (stored != REFLECTANCE_FILL).all(axis=1)
        red, nir = stored[:, 0].astype(np.float32), stored[:, 1].astype(np.float32)
        valid &= red + nir > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(valid, (nir - red) / (nir + red), np.float32(np.nan))

    def _clear(self, days: NDArray[np.int64], rows: slice, columns: slice) -> NDArray[np.bool_]:
        return is_clear(self._quality.read((days, rows, columns)))

    def _composite(self, days: NDArray[np.int64], rows: slice, columns: slice) -> NDArray[Any]:
        values = self._values(days, rows, columns)
        if self.request.what == "ndvi":
            return reduced(values, ~np.isnan(values), self._how).astype(np.float32)
        if self._radar:
            return reduced_powers(values, self._how)
        valid = (values != REFLECTANCE_FILL) & self._clear(days, rows, columns)[:, None]
        composite = reduced(values, valid, self._how)
        return np.where(np.isnan(composite), REFLECTANCE_FILL, np.rint(composite)).astype(np.int16)


def reduced_powers(values: NDArray[np.int16], how: str) -> NDArray[np.int16]:
    """The median or mean over the first axis of backscatter as it is stored, of its power."""
    known = values != BACKSCATTER_FILL
    powers = 10 ** (np.where(known, values, 0) * (BACKSCATTER_SCALE / 10))
    with np.errstate(invalid="ignore"):
        composite = 10 * np.log10(reduced(powers, known, how)) / BACKSCATTER_SCALE
    return np.where(np.isnan(composite), BACKSCATTER_FILL, np.rint(composite)).astype(np.int16)


def _nearest(cube: Cube, seen: NDArray[np.int64], days: NDArray[np.int64]) -> str:
    """The error for days without an image."""
    near = seen[np.argsort(np.abs(seen - days[len(days) // 2]), kind="stable")[:4]]
    text = ", ".join(str(date_of(cube.calendar.days[index])) for index in sorted(near))
    first, last = (date_of(cube.calendar.days[day]) for day in (days[0], days[-1]))
    when = f"of {first}" if first == last else f"from {first} to {last}"
    return f"{cube.path} has no image {when} there; the nearest days with one are {text or 'none'}"
