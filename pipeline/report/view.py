"""The data that the page reads from a cube: small arrays whole, and the pixels of a few blocks, one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.pixels import PixelArray
from mmvsf.datasets.recipe.load import shipped_regions
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, REFLECTANCE_FILL, Split, Status, band_scales
from mmvsf.pipeline.inspect.places import block_names

from .drawing import SPLIT_NAMES, SeasonAxis

CACHE_BYTES = 64 * 2**20
"""Decoded chunks kept while reading."""

Floats = NDArray[np.float32]


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most that many of the items, spread evenly over them."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


@dataclass(frozen=True)
class ReportView:
    """A cube, as the page reads it."""

    cube: Cube

    @cached_property
    def status(self) -> NDArray[np.uint8]:
        """(time, blocks): `Status` codes."""
        rows, columns = np.transpose(self.cube.grid.blocks)
        status: NDArray[np.uint8] = self.cube.array("blocks/status")[:, rows, columns]
        return status

    @cached_property
    def clear(self) -> Floats:
        """(time, blocks): percent of a block that was clear; NaN where it was not seen."""
        percent = self.cube.array("chunks/clear_fraction")
        share = np.full((len(percent), len(self.cube.grid.blocks)), np.nan, np.float32)
        for position, block in enumerate(self.cube.grid.blocks):
            of_block = percent[:, *self._chunks_of(block)]
            seen = of_block != CLEAR_FRACTION_FILL
            # A chunk that a scene does not reach counts as not clear.
            share[:, position] = np.where(seen.any((1, 2)), np.where(seen, of_block, 0).mean((1, 2)), np.nan)
        return share

    @cached_property
    def chunk_split(self) -> NDArray[np.uint8]:
        """(chunk_y, chunk_x): `Split` codes."""
        return self.cube.array("chunks/split").astype(np.uint8)

    def block_split(self, block: BlockIndex) -> Split:
        """The part that most chunks of a block belong to."""
        return Split(int(np.bincount(self.chunk_split[self._chunks_of(block)].ravel()).argmax()))

    def part_name(self, block: BlockIndex) -> str:
        """The part that a block belongs to, or the parts that its chunks do."""
        codes = np.unique(self.chunk_split[self._chunks_of(block)])
        return " and ".join(SPLIT_NAMES[Split(int(code))] for code in codes)

    @cached_property
    def squares(self) -> tuple[list[tuple[int, int]], list[Split]]:
        """The units that are split, as (row, column) and their part: blocks, or chunks where blocks are divided."""
        blocks = self.cube.grid.blocks
        codes = self.chunk_split[tuple(np.transpose(self.chunks))].reshape(len(blocks), -1)
        if (codes == codes[:, :1]).all():
            return list(blocks), [Split(int(code)) for code in codes[:, 0]]
        return self.chunks, [Split(int(code)) for code in codes.ravel()]

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """(row, column) in the grid of chunks of every chunk, block by block."""
        n = self.cube.grid.chunks_per_block
        return [(y * n + j, x * n + i) for y, x in self.cube.grid.blocks for j in range(n) for i in range(n)]

    @cached_property
    def year_split(self) -> dict[int, Split]:
        codes = self.cube.array("seasons/split")
        return {year: Split(int(code)) for year, code in zip(self.cube.years, codes, strict=True)}

    @cached_property
    def day_of_season(self) -> NDArray[np.int64]:
        """(time,): 1 on the first day of a season."""
        return self.cube.season.days_into(self.cube.calendar.days) + 1

    @cached_property
    def season_axis(self) -> SeasonAxis:
        """The days of a season, of which the recipe's months are shown."""
        season = self.cube.season
        days = season.days_in(self.cube.region.period.months) + 1
        starts = {month: int(season.days_in((month,))[0]) + 1 for month in season.months}
        return SeasonAxis(int(days[0]), int(days[-1]) if days[-1] < 365 else 366, starts)

    @cached_property
    def names(self) -> dict[BlockIndex, str]:
        """The name of each block, see `block_names`."""
        return block_names(self.cube)

    @cached_property
    def year_share(self) -> dict[int, float]:
        """The part of each season, of the days that the recipe takes images on, that lies in its period: 1 for a whole
        season."""
        period, days = self.cube.region.period, self.cube.calendar.days
        month = days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1
        taken = np.isin(month, period.months) & (days >= day_number(period.start)) & (days <= day_number(period.end))
        whole = len(self.cube.season.days_in(period.months))
        count = {year: int((taken & (self.cube.season_of_day == year)).sum()) for year in self.cube.years}
        return {year: min(1.0, days / whole) for year, days in count.items()}

    @property
    def side_km(self) -> float:
        """Side of a block in kilometres."""
        return self.cube.grid.block * self.cube.grid.resolution / 1000

    @cached_property
    def recipe(self) -> str:
        """The argument that names this region in a command."""
        name = self.cube.region.name
        return name if name in shipped_regions() else str(self.cube.attributes.get("recipe_file", name))

    def command(self, name: str) -> str:
        return f"mmvsf {name} {self.recipe}"

    @cached_property
    def example_year(self) -> int:
        """The year of the example pictures: the last test year, labelled if there are labels; else the last year."""
        years = [y for y in self.cube.label_years if y in self.cube.years] or list(self.cube.years)
        return max([year for year in years if self.year_split[year] is Split.TEST] or years)

    @cached_property
    def example_blocks(self) -> list[BlockIndex]:
        """Up to three blocks: one for testing, one for training and one for validation, as far as there are."""
        chosen: list[BlockIndex] = []
        for wanted in (Split.TEST, Split.TRAIN, Split.VALIDATION):
            chosen += [block for block in self.cube.grid.blocks if self.block_split(block) is wanted][:1]
        rest = [block for block in spread(self.cube.grid.blocks, 5) if block not in chosen]
        return (chosen + rest)[:3]

    def stored_days(self, block: BlockIndex, year: int) -> NDArray[np.int64]:
        """Positions on the time axis on which a block's bands are stored in a year."""
        stored = self.status[:, self.cube.grid.blocks.index(block)] == Status.STORED
        return np.flatnonzero(stored & (self.cube.season_of_day == year))

    def quality(self, days: NDArray[np.int64], rows: slice, columns: slice) -> NDArray[np.uint8]:
        """(days, H, W): quality bits at positions on the time axis."""
        return self._open("imagery/quality").read((days, rows, columns))

    def reflectance(self, days: NDArray[np.int64], bands: Sequence[str], rows: slice, columns: slice) -> Floats:
        """(days, bands, H, W): bands in their units, reflectance as a fraction; NaN where there is none."""
        positions = [self.cube.bands.index(name) for name in bands]
        stored = self._open("imagery/reflectance").read((days, positions, rows, columns))
        scales = band_scales(bands).astype(np.float32)[:, None, None]
        return np.where(stored == REFLECTANCE_FILL, np.nan, stored * scales).astype(np.float32)

    def labels(self, year: int, rows: slice, columns: slice, *, array: str = "crop") -> NDArray[Any]:
        """(H, W) of a labelled year: class codes (0 unknown), or another array of the labels, such as `purity`."""
        return self._open(f"labels/{array}").read((self.cube.label_years.index(year), rows, columns))

    def weather(self, name: str, blocks: Sequence[BlockIndex]) -> Floats:
        """(time,): a weather variable, the mean over the cells of some blocks; NaN where there is none."""
        grid = self.cube.grid
        half = grid.block // 2
        cells = {grid.weather_cell_of(y * grid.block + half, x * grid.block + half) for y, x in blocks}
        rows, columns = (list(axis) for axis in zip(*sorted(cells), strict=True))
        mean: Floats = self._weather(name)[:, rows, columns].mean(axis=1, dtype=np.float32)
        return mean

    def _weather(self, name: str) -> Floats:
        if name not in self._weather_read:
            self._weather_read[name] = self.cube.array(f"weather/{name}")
        return self._weather_read[name]

    @cached_property
    def _weather_read(self) -> dict[str, Floats]:
        return {}

    def scenes(self) -> dict[str, NDArray[Any]]:
        """Columns of the table of scenes (day, product); empty where a cube has none."""
        if not (self.cube.path / "scenes/zarr.json").is_file():
            return {}
        return {name: self.cube.array(f"scenes/{name}") for name in ("day", "product")}

    def _open(self, name: str) -> PixelArray:
        if name not in self._opened:
            self._opened[name] = self.cube.pixels(name, CACHE_BYTES)
        return self._opened[name]

    @cached_property
    def _opened(self) -> dict[str, PixelArray]:
        return {}

    def _chunks_of(self, block: BlockIndex) -> tuple[slice, slice]:
        """Rows and columns of a block in the grid of chunks."""
        n = self.cube.grid.chunks_per_block
        return slice(block[0] * n, block[0] * n + n), slice(block[1] * n, block[1] * n + n)
