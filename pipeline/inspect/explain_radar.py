"""Where the backscatter of a pixel comes from."""

from typing import Any

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.variables import BACKSCATTER_FILL, BACKSCATTER_SCALE, SCENE_FILL, Status


def passes_at(cube: Cube, time: int, block: BlockIndex, row: int, column: int) -> dict[str, dict[str, Any]]:
    """For each direction of a cube with radar: status, relative orbit, scenes that gave data to the block, and the
    backscatter of the pixel in dB, None where it has none. `time` is the position of the day."""
    passes: dict[str, dict[str, Any]] = {}
    for orbit in cube.orbits:
        status = Status(int(cube.array(f"blocks/{orbit}_status")[(time, *block)]))
        facts: dict[str, Any] = {"status": status.name.lower()}
        if status == Status.STORED:
            stored = cube.pixels(f"radar/{orbit}").read((time, slice(None), row, column))
            facts["relative_orbit"] = int(cube.array(f"blocks/{orbit}_orbit")[(time, *block)])
            facts["scenes"] = _scenes(cube, orbit, int(cube.calendar.days[time]), block)
            facts["decibels"] = {
                name: None if value == BACKSCATTER_FILL else round(float(value) * BACKSCATTER_SCALE, 2)
                for name, value in zip(cube.polarisations, stored, strict=True)
            }
        passes[orbit] = facts
    return passes


def _scenes(cube: Cube, orbit: str, day: int, block: BlockIndex) -> list[str]:
    table = {name: cube.array(f"scenes/{name}") for name in ("day", "block_y", "block_x", "index", "product", "id")}
    of_pass = np.array([str(name).endswith(f"-{orbit}") for name in table["product"]], bool)
    key = {"day": day, "block_y": block[0], "block_x": block[1], "index": SCENE_FILL}
    rows = np.logical_and.reduce([of_pass, *(table[name] == value for name, value in key.items())])
    return [str(name) for name in table["id"][rows]]


def in_words(passes: dict[str, dict[str, Any]]) -> str:
    """The passes of a day as a sentence, empty for a cube without radar."""
    words = []
    for orbit, facts in passes.items():
        if "scenes" not in facts:
            words.append(f"{orbit} pass could not be read" if facts["status"] == "failed" else f"no {orbit} pass")
            continue
        numbers = ", ".join(
            f"{name} no data" if value is None else f"{name} {value:.1f} dB"
            for name, value in facts["decibels"].items()
        )
        words.append(f"{orbit} pass of orbit {facts['relative_orbit']}: {numbers} (from {', '.join(facts['scenes'])})")
    return f". Radar: {'; '.join(words)}" if words else ""
