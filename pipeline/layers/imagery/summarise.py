"""Write the summaries of the imagery from the ledger to the cube's small arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.conventions import group_attributes
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, Status
from mmvsf.pipeline.layers.layer import Collected
from mmvsf.pipeline.ledger import Entry

from .plan import ImageryPlan, entry_name
from .summary import Summary


@dataclass(frozen=True)
class CollectedImagery(Collected):
    """See `Collected`."""

    summary: Summary = field(kw_only=True)
    rows: list[tuple[Any, ...]] = field(kw_only=True)
    """of the table of scenes, see `scenes_group`"""
    services: dict[str, list[list[Any]]] = field(kw_only=True)
    """see `services_of`"""


def collect_imagery(
    spec: CubeSpec, plan: ImageryPlan, entries: Iterable[tuple[str, Entry]], collected: Collected
) -> CollectedImagery:
    """Status, clear fraction, the sums of the imagery and the table of scenes, from the ledger's entries of a plan,
    with the shards in `collected`."""
    region, grid, calendar = spec.region, spec.grid, spec.calendar
    status = np.zeros((len(calendar), grid.blocks_y, grid.blocks_x), np.uint8)
    in_period = np.array([region.period.contains(d) for d in calendar.days.astype("datetime64[D]").tolist()])
    status[:, grid.block_mask()] = np.where(in_period, Status.NOT_ACQUIRED, Status.OUTSIDE)[:, None]
    clear = np.full((len(calendar), *grid.chunk_shape), CLEAR_FRACTION_FILL, np.uint8)
    years = region.period.years
    shape = (len(years), *grid.chunk_shape, len(spec.bands))
    sums = {what: np.zeros(shape, np.int64) for what in ("count", "sum", "sum_of_squares")}
    rows: list[tuple[Any, ...]] = []
    failures: list[str] = []
    named = {entry_name(grid, *unit): unit for unit in plan.units}
    for name, entry in entries:
        shard, block = named[name]
        time = calendar.shard_slice(shard)
        found = np.array(entry["status"], np.uint8)
        seen = found != Status.NOT_ACQUIRED
        status[time, *block][seen] = found[seen]
        _place_clear(clear, entry, time.start, block, grid)
        _place_sums(sums, entry, years, block, grid)
        services = entry.get("services") or [""] * len(entry["scenes"])
        rows += [(*block, *scene, service) for scene, service in zip(entry["scenes"], services, strict=True)]
        failures += [f"{date_of(day)}: {reason}" for day, _, reason in entry["failures"]]
    arrays: dict[str, NDArray[Any]] = {"blocks/status": status, "chunks/clear_fraction": clear}
    arrays |= {f"chunks/imagery_{what}": values for what, values in sums.items()}
    counts = {code: int((status == code).sum()) for code in Status}
    summary = Summary(
        counts[Status.STORED],
        counts[Status.SKIPPED_CLOUDY],
        counts[Status.FAILED],
        counts[Status.NOT_ACQUIRED],
        tuple(failures),
    )
    rows.sort(key=_row_order)
    return CollectedImagery(collected.shards, arrays, summary=summary, rows=rows, services=services_of(rows))


def _place_clear(clear: NDArray[np.uint8], entry: dict[str, Any], start: int, block: BlockIndex, grid: Grid) -> None:
    n = grid.chunks_per_block
    rows, columns = slice(block[0] * n, block[0] * n + n), slice(block[1] * n, block[1] * n + n)
    for day, percent in entry["clear"].items():
        clear[start + int(day), rows, columns] = np.array(percent, np.uint8).reshape(n, n)


def _place_sums(
    sums: dict[str, NDArray[np.int64]],
    entry: dict[str, Any],
    years: tuple[int, ...],
    block: BlockIndex,
    grid: Grid,
) -> None:
    n = grid.chunks_per_block
    rows, columns = slice(block[0] * n, block[0] * n + n), slice(block[1] * n, block[1] * n + n)
    for year, (count, total, squares) in entry["sums"].items():
        position = years.index(int(year))
        sums["count"][position, rows, columns] += np.array(count, np.int64).reshape(n, n, 1)
        for what, values in (("sum", total), ("sum_of_squares", squares)):
            by_band = np.array(values, np.int64).reshape(-1, n, n)
            sums[what][position, rows, columns] += np.moveaxis(by_band, 0, -1)


SCENE_COLUMNS: dict[str, tuple[str, int, dict[str, str]]] = {
    "day": (
        "int32",
        2,
        {"long_name": "solar day at the scene", "units": "days since 1970-01-01", "calendar": "standard"},
    ),
    "block_y": ("int32", 0, {"long_name": "row of the block"}),
    "block_x": ("int32", 1, {"long_name": "column of the block"}),
    "index": ("uint8", 3, {"long_name": "value in imagery/scene"}),
    "id": ("string", 4, {"long_name": "scene id"}),
    "product": ("string", 5, {"long_name": "product"}),
    "acquired": (
        "int64",
        6,
        {"long_name": "time of acquisition", "units": "seconds since 1970-01-01", "calendar": "standard"},
    ),
    "version": ("string", 7, {"long_name": "processing version or baseline"}),
    "offset": ("int32", 8, {"long_name": "number added to the stored reflectance before scaling"}),
}
"""array of the group `scenes` -> (type, position in a row of the ledger's scenes, attributes)"""


def scenes_group(rows: Iterable[tuple[Any, ...]]) -> GroupSpec:
    """One row a (day, block, scene) that gave data, by day, block, index and id."""
    rows = sorted(rows, key=_row_order)
    arrays = []
    for name, (dtype, position, attributes) in SCENE_COLUMNS.items():
        values = [_seconds(row[position]) if name == "acquired" else row[position] for row in rows]
        data = np.array(values, dtype=object if dtype == "string" else dtype)
        chunk = max(1, min(len(rows), 65536))
        fill = "" if dtype == "string" else 0
        arrays.append(ArraySpec(name, ("row",), (len(rows),), dtype, (chunk,), fill, None, attributes, data))
    return GroupSpec("scenes", tuple(arrays), group_attributes("scenes that gave data"))


def services_of(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[list[Any]]]:
    """product -> runs of [services, number of rows] of that product in the table of scenes: which of several services
    gave each scene. It is no column of the table, since the same scenes are the same data wherever they come from.
    Empty where the source has one service only."""
    runs: dict[str, list[list[Any]]] = {}
    for row in rows:
        product, service = row[5], row[-1]
        own = runs.setdefault(product, [])
        if own and own[-1][0] == service:
            own[-1][1] += 1
        else:
            own.append([service, 1])
    return runs if any(service for own in runs.values() for service, _ in own) else {}


def _row_order(row: tuple[Any, ...]) -> tuple[int, int, int, int, str]:
    return row[2], row[0], row[1], row[3], row[4]


def _seconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp())
