"""The files of the page: what is shipped, `explore.json`, and the squares of the runs' pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from mmvsf.datasets.cube.cube import Cube

from .describe import Run, describe
from .rasters import Raster, packed

DESCRIPTION = "explore.json"
_SQUARE_NAME = re.compile(r"squares/([\w.-]+)/([\w-]+)/([\w-]+)/(\d{1,6})/(\d{1,6})_(\d{1,6})\.z", re.ASCII)


@dataclass(frozen=True)
class Site:
    """A page about a cube and the runs on it."""

    cube: Cube
    runs: tuple[Run, ...]
    address: str
    """of the cube, as the page reads it: absolute, or relative to the page"""
    links: dict[str, str]
    """`<run>/<file>` -> its address"""

    @cached_property
    def shipped(self) -> dict[str, bytes]:
        """Name -> content of the files that are the same for every cube."""
        page = resources.files(__package__ or "").joinpath("page")
        reader = resources.files("mmvsf.datasets.format").joinpath("javascript").joinpath("cube.js")
        files = {entry.name: entry.read_bytes() for entry in page.iterdir() if entry.is_file()}
        vendor = {f"vendor/{entry.name}": entry.read_bytes() for entry in page.joinpath("vendor").iterdir()}
        return {**files, **vendor, "cube.js": reader.read_bytes()}

    @cached_property
    def description(self) -> bytes:
        text = json.dumps(describe(self.cube, self.address, self.runs, self.links), separators=(",", ":"))
        return text.encode()

    def square(self, name: str) -> bytes | None:
        """The content of `squares/<run>/<raster>/<step>/<level>/<row>_<column>.z`; None where there is none.

        Raises one of `rasters.READ_ERRORS` where the file of the picture cannot be read any more.
        """
        match = _SQUARE_NAME.fullmatch(name)
        raster = match and self._rasters.get((match[1], match[2]))
        if not match or not raster:
            return None
        level, row, column = int(match[4]), int(match[5]), int(match[6])
        facts = raster.facts()
        known = level in facts["levels"] and match[3] in {step["key"] for step in facts["steps"]}
        if not known or not self.covers(raster, level, row, column):
            return None
        return packed(raster.square(match[3], level, row, column))

    def squares(self, run: Run, raster: Raster) -> Iterator[str]:
        """The names of the squares of a picture in which there may be something."""
        facts = raster.facts()
        for level in facts["levels"]:
            rows, columns = (-(-size // (facts["side"] * level)) for size in self.cube.grid.shape)
            places = [(y, x) for y in range(rows) for x in range(columns) if self.covers(raster, level, y, x)]
            for step in facts["steps"]:
                yield from (f"squares/{run.name}/{raster.name}/{step['key']}/{level}/{y}_{x}.z" for y, x in places)

    def covers(self, raster: Raster, level: int, row: int, column: int) -> bool:
        """Whether a square meets the picture and a block of the cube; the page asks for no other."""
        grid, facts = self.cube.grid, raster.facts()
        side = facts["side"] * level
        left, top, right, bottom = facts["box"]
        if row * side >= bottom or (row + 1) * side <= top or column * side >= right or (column + 1) * side <= left:
            return False
        return any(
            row * side < (y + 1) * grid.block
            and y * grid.block < (row + 1) * side
            and column * side < (x + 1) * grid.block
            and x * grid.block < (column + 1) * side
            for y, x in grid.blocks
        )

    @cached_property
    def _rasters(self) -> dict[tuple[str, str], Any]:
        return {(run.name, raster.name): raster for run in self.runs for raster in run.rasters}
