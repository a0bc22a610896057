"""What a forecast depends on, and the files of its tiles while it is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mmvsf.datasets.cube.grid import BlockIndex, Tile
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location
from mmvsf.model.cover import OVERLAP
from mmvsf.model.records import has_settings, read_record

from .area import Area
from .distribution import QUANTILES
from .scenario import Scenario
from .variables import Stored
from .weather_ahead import WeatherAhead

ENGINE = 2
"""Part of the settings of a tile; to be raised with any change of the numbers of a forecast."""


@dataclass(frozen=True, eq=False)
class ForecastJob:
    """What the pixels of a forecast depend on. It can be sent to another process, and be the key of a cache."""

    cube: Location
    cube_digest: str
    model: Path
    """its folder"""
    model_digest: str
    issued: int
    """the last day whose images are used, since 1970-01-01"""
    days: tuple[int, ...]
    """to forecast, sorted"""
    weather: WeatherAhead
    scenario: Scenario | None
    area: Area
    size: int
    """pixels per side of a window"""
    folder: Path
    """of the tiles"""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ForecastJob) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> str:
        return json.dumps([str(self.cube), str(self.model), str(self.folder), self.settings()])

    def settings(self) -> dict[str, Any]:
        """Those of the records of its tiles."""
        area = self.area
        return {
            "cube": self.cube_digest, "model": self.model_digest, "issued": self.issued, "days": list(self.days),
            "weather": self.weather.settings(), "scenario": self.scenario and self.scenario.settings(),
            "rows": [area.rows.start, area.rows.stop], "columns": [area.columns.start, area.columns.stop],
            "size": self.size, "overlap": OVERLAP, "quantiles": list(QUANTILES), "engine": ENGINE,
        }  # fmt: skip

    def file(self, block: BlockIndex) -> Path:
        """That of a block's quantiles."""
        return self.folder / f"{block[0]}-{block[1]}.npz"

    def record(self, tile: Tile) -> Path:
        return self.folder / f"{tile.name}.json"

    def blocks(self, tile: Tile) -> list[BlockIndex]:
        """The chosen blocks of a tile."""
        inside = {(tile.row + by, tile.column + bx) for by, bx in tile.grid.blocks}
        return [block for block in self.area.blocks if block in inside]


@dataclass(frozen=True, eq=False)
class BlockQuantiles:
    """The quantiles of a block's part of an area, int16 as the cube stores bands, REFLECTANCE_FILL where unknown."""

    quantiles: Stored
    """(Q, P, K, H, W): of the variables, see `variables_of`"""
    difference: Stored
    """(Q, P, H, W): of the scenario less the weather it changes, in the `compared` variable; empty without one"""


def tile_record(job: ForecastJob, tile: Tile) -> Mapping[str, Any] | None:
    """The record of a tile; None where it is not done."""
    record = read_record(job.record(tile))
    if record is None or not has_settings(record, job.settings()):
        return None
    for block in job.blocks(tile):
        path, digest = job.file(block), record.get("sha256", {}).get(f"{block[0]},{block[1]}")
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return None
    return record


def read_block(job: ForecastJob, block: BlockIndex) -> BlockQuantiles:
    """The quantiles of a block whose tile is done. Raises InputError where they are damaged."""
    try:
        with np.load(job.file(block), allow_pickle=False) as arrays:
            return BlockQuantiles(arrays["quantiles"], arrays["difference"])
    except (ValueError, KeyError, EOFError, OSError, BadZipFile) as error:
        raise InputError(f"{job.file(block)} is damaged; run the same command again") from error
