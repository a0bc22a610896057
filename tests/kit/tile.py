"""One tile of a cube of the kit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from pyproj import CRS

from .kind import FAILED, NOT_ACQUIRED, OUTSIDE, SKIPPED_CLOUDY, STORED, Kind, day, put

TIME = {"units": "days since 1970-01-01", "calendar": "standard", "standard_name": "time"}


class TileWriter:
    """Draws the content of a tile and writes its groups. `rows` takes (day, row, column) of the scenes."""

    def __init__(
        self,
        kind: Kind,
        group: zarr.Group,
        place: tuple[int, int],
        rng: np.random.Generator,
        rows: list[tuple[int, int, int]],
    ) -> None:
        self.kind, self.group, self.place, self.rng, self.rows = kind, group, place, rng, rows
        self.side = kind.tile * kind.block
        self.days = len(kind.days)
        top = (place[1] + 1) * kind.tile - 1
        self.covered = {(top - y, x - place[0] * kind.tile): (x, y) for x, y in kind.blocks if self._holds(x, y)}
        """(row, column) in the tile -> (eastwards, northwards) of the blocks of the recipe"""

    def _holds(self, x: int, y: int) -> bool:
        return (x // self.kind.tile, y // self.kind.tile) == self.place

    def write(self) -> None:
        status = self.status()
        reflectance, quality = self.imagery(status)
        self.chunks(reflectance, quality, self.weather() if self.kind.weather else None)
        if self.kind.label_seasons:
            self.labels()
        if self.kind.static:
            group = self.located("static", 1)
            for name in self.kind.static:
                values = self.rng.normal(300, 5, (self.side, self.side)).astype(np.float32)
                self.pixels(group, name, self.inside(values, np.nan), ("y", "x"), (), "NaN")

        if self.kind.radar:
            self.radar()

    def located(self, name: str, cell: int) -> zarr.Group:
        """A group with y, x and the CRS; `cell` is the side of its pixels in pixels of the imagery."""
        kind, step = self.kind, cell * self.kind.resolution
        first = [place * self.side // cell for place in self.place]
        last = [math.ceil((place + 1) * self.side / cell) for place in self.place]
        left, top = kind.origin[0] + first[0] * step, kind.origin[1] + last[1] * step
        shape = last[1] - first[1], last[0] - first[0]
        group = self.group.create_group(name)
        group.attrs.update(
            {
                "Conventions": "CF-1.11",
                "proj:code": kind.crs,
                "spatial:dimensions": ["y", "x"],
                "spatial:transform": [step, 0.0, left, 0.0, -step, top],
                "spatial:shape": list(shape),
                "spatial:bbox": [left, top - shape[0] * step, left + shape[1] * step, top],
            }
        )
        put(group, "y", top - (np.arange(shape[0]) + 0.5) * step, ("y",), (shape[0],), "NaN")
        put(group, "x", left + (np.arange(shape[1]) + 0.5) * step, ("x",), (shape[1],), "NaN")
        crs = CRS.from_user_input(kind.crs)
        mapping = {**crs.to_cf(), "crs_wkt": crs.to_wkt(), "GeoTransform": f"{left} {step} 0 {top} 0 {-step}"}
        put(group, "spatial_ref", np.array(crs.to_epsg(), np.int32), (), (), 0, attributes=mapping)
        return group

    def put_time(self, group: zarr.Group) -> None:
        put(group, "time", self.kind.days, ("time",), (self.days,), 0, attributes=TIME)

    def put_seasons(self, group: zarr.Group, names: tuple[int, ...]) -> None:
        put(group, "season", np.array(names, np.int32), ("season",), (len(names),), 0)

    def pixels(
        self,
        group: zarr.Group,
        name: str,
        values: NDArray[Any],
        dims: tuple[str, ...],
        first: tuple[int, ...],
        fill: Any,
    ) -> None:
        """Write an array of pixels whose chunks and shards have the lengths `first` before y and x."""
        chunk, block = self.kind.chunk, self.kind.block
        put(group, name, values, dims, (*first, chunk, chunk), fill, (*first, block, block))

    def inside(self, values: NDArray[Any], fill: float) -> NDArray[Any]:
        """Values over (..., y, x) with fill outside the blocks of the recipe."""
        mask = np.zeros((self.kind.tile, self.kind.tile), bool)
        for place in self.covered:
            mask[place] = True
        mask = mask.repeat(self.kind.block, 0).repeat(self.kind.block, 1)
        return np.where(mask, values, np.asarray(fill, values.dtype))

    def status(self) -> NDArray[np.uint8]:
        """(time, y, x). The first and the last days lie outside the recipe's period."""
        status = np.full((self.days, self.kind.tile, self.kind.tile), OUTSIDE, np.uint8)
        for row, column in self.covered:
            status[4:-4, row, column] = NOT_ACQUIRED
            if self.kind.acquired:
                acquired = self.rng.choice(np.arange(4, self.days - 4), 7, replace=False)
                status[acquired, row, column] = [STORED] * 4 + [SKIPPED_CLOUDY] * 2 + [FAILED]
            if self.kind.acquired and self.covered[row, column] in self.kind.noisy:
                status[4:32, row, column] = STORED
        group = self.located("blocks", self.kind.block)
        put(group, "status", status, ("time", "y", "x"), (32, *status.shape[1:]), OUTSIDE)
        self.put_time(group)
        return status

    def imagery(self, status: NDArray[np.uint8]) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        kind, shape = self.kind, (self.days, self.side, self.side)
        reflectance = np.full((self.days, len(self.kind.bands), self.side, self.side), -9999, np.int16)
        quality, scene = np.full(shape, 255, np.uint8), np.full(shape, 255, np.uint8)
        for time, row, column in np.argwhere(np.isin(status, (STORED, SKIPPED_CLOUDY))):
            rows, columns = (slice(i * kind.block, (i + 1) * kind.block) for i in (row, column))
            size = kind.block, kind.block
            if status[time, row, column] == STORED:
                largest = 32000 if self.covered[row, column] in kind.noisy else 4000
                reflectance[time, :, rows, columns] = self.rng.integers(0, largest, (len(self.kind.bands), *size))
            quality[time, rows, columns] = self.rng.choice(np.array([0, 2, 64], np.uint8), size)
            scene[time, rows, columns] = 0
            self.rows.append((int(kind.days[time]), int(row), int(column)))
        group = self.located("imagery", 1)
        block, chunk = kind.block, kind.chunk
        put(
            group,
            "reflectance",
            reflectance,
            ("time", "band", "y", "x"),
            (8, len(kind.bands), chunk, chunk),
            -9999,
            (32, len(kind.bands), block, block),
            {"scale_factor": 0.0001, "_FillValue": -9999, "grid_mapping": "spatial_ref"},
        )
        self.pixels(group, "quality", quality, ("time", "y", "x"), (32,), 255)
        put(group, "scene", scene, ("time", "y", "x"), (32, block, block), 255, (32, block, block))
        self.put_time(group)
        put(group, "band", np.array(self.kind.bands, object), ("band",), (len(self.kind.bands),), "")
        return reflectance, quality

    def radar(self) -> None:
        """Backscatter of each direction, and in `blocks` the status and relative orbit of its passes."""
        kind, blocks, group = self.kind, self.group["blocks"], self.located("radar", 1)
        count = len(kind.polarisations)
        for orbit in kind.radar:
            status = np.full((self.days, kind.tile, kind.tile), OUTSIDE, np.uint8)
            values = np.full((self.days, count, self.side, self.side), -9999, np.int16)
            for row, column in self.covered:
                status[4:-4, row, column] = NOT_ACQUIRED
                status[[6, 18, 30], row, column] = STORED, FAILED, STORED
                for time in (6, 30):
                    rows, columns = (slice(i * kind.block, (i + 1) * kind.block) for i in (row, column))
                    values[time, :, rows, columns] = self.rng.integers(-2500, 0, (count, kind.block, kind.block))
            numbers = np.where(status == STORED, 63, 0).astype(np.uint8)
            for name, array in ((f"{orbit}_status", status), (f"{orbit}_orbit", numbers)):
                put(blocks, name, array, ("time", "y", "x"), (32, *array.shape[1:]), 0)
            put(
                group,
                orbit,
                values,
                ("time", "polarisation", "y", "x"),
                (8, count, kind.chunk, kind.chunk),
                -9999,
                (32, count, kind.block, kind.block),
            )
        self.put_time(group)
        put(group, "polarisation", np.array(kind.polarisations, object), ("polarisation",), (count,), "")

    def weather(self) -> NDArray[np.float32]:
        """Returns (variable, time, y, x)."""
        group = self.located("weather", self.kind.weather_cell)
        shape = self.days, *(group[axis].shape[0] for axis in ("y", "x"))
        values = self.rng.normal(15, 5, (len(self.kind.weather), *shape)).astype(np.float32)
        for name, array in zip(self.kind.weather, values, strict=True):
            put(group, name, array, ("time", "y", "x"), (512, 16, 16), "NaN")
        put(group, "flag", np.zeros(self.days, np.uint8), ("time",), (self.days,), 0)
        days = self.kind.days[:, None] + np.arange(2, dtype=np.int32)
        put(group, "time_bnds", days, ("time", "bnds"), (self.days, 2), 0)
        put(group, "utc_bnds", days + 0.25, ("time", "bnds"), (self.days, 2), "NaN")
        self.put_time(group)
        return values

    def chunks(
        self, reflectance: NDArray[np.int16], quality: NDArray[np.uint8], weather: NDArray[np.float32] | None
    ) -> None:
        """Clear fractions, splits, and sums by season: of clear pixels, and of the weather of the chunk's cell."""
        kind, n, chunk = self.kind, self.side // self.kind.chunk, self.kind.chunk
        group = self.located("chunks", chunk)
        clear = ((quality & 0b11110) == 0) & (quality != 255) & (reflectance != -9999).all(axis=1)
        by_chunk = clear.reshape(self.days, n, chunk, n, chunk).sum(axis=(2, 4))
        seen = (quality != 255).reshape(self.days, n, chunk, n, chunk).any(axis=(2, 4))
        fraction = np.where(seen, by_chunk * 100 // chunk**2, 255).astype(np.uint8)
        put(group, "clear_fraction", fraction, ("time", "y", "x"), (32, n, n), 255)
        split = self.inside(np.ones((self.side, self.side), np.uint8), 0)[::chunk, ::chunk]
        put(group, "split", split, ("y", "x"), (n, n), 0)
        seasons = [(kind.days >= day(start)) & (kind.days <= day(end)) for _, start, end in kind.seasons]
        stored = np.where(clear[:, None], reflectance, 0).astype(np.int64)
        for what, power in (("count", 0), ("sum", 1), ("sum_of_squares", 2)):
            pixels = stored**power * clear[:, None]
            sums = pixels.reshape(self.days, len(self.kind.bands), n, chunk, n, chunk).sum(axis=(3, 5))
            imagery = np.array([np.moveaxis(sums[season].sum(axis=0), 0, -1) for season in seasons])
            put(group, f"imagery_{what}", imagery, ("season", "y", "x", "band"), (1, n, n, len(kind.bands)), 0)
            if weather is not None:
                of_cell = weather.astype(np.float64)[:, :, *self._cells()] ** power
                daily = np.array([np.moveaxis(of_cell[:, season].sum(axis=1), 0, -1) for season in seasons])
                dims, size = ("season", "y", "x", "variable"), (1, n, n, len(kind.weather))
                put(group, f"weather_{what}", np.where(split[..., None] > 0, daily, 0.0), dims, size, 0)
        self.put_time(group)
        self.put_seasons(group, tuple(name for name, _, _ in kind.seasons))
        put(group, "band", np.array(kind.bands, object), ("band",), (len(kind.bands),), "")
        if weather is not None:
            put(group, "variable", np.array(kind.weather, object), ("variable",), (len(kind.weather),), "")

    def _cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of the weather cell that the middle of each chunk lies in, over (y, x)."""
        n, cell, chunk = self.side // self.kind.chunk, self.kind.weather_cell, self.kind.chunk
        middles = (np.arange(n) + 0.5) * chunk
        last = math.ceil((self.place[1] + 1) * self.side / cell)
        rows = last - 1 - ((self.place[1] + 1) * self.side - middles) // cell
        columns = (self.place[0] * self.side + middles) // cell - self.place[0] * self.side // cell
        y, x = np.meshgrid(rows.astype(np.int64), columns.astype(np.int64), indexing="ij")
        return y, x

    def labels(self) -> None:
        group = self.located("labels", 1)
        shape = len(self.kind.label_seasons), self.side, self.side
        dims = ("season", "y", "x")
        crop = self.inside(self.rng.choice(np.array([0, 1, 5], np.uint16), shape), 0)
        self.pixels(group, "crop", crop, dims, (1,), 0)
        self.pixels(group, "purity", np.where(crop > 0, 90, 0).astype(np.uint8), dims, (1,), 0)
        if self.kind.confidence:
            self.pixels(group, "confidence", np.where(crop > 0, 80, 255).astype(np.uint8), dims, (1,), 255)
        self.put_seasons(group, self.kind.label_seasons)
