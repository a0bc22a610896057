"""A forecast for those who plan: tiles, then GeoTIFFs, numbers by area and pictures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import track

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.pairs import LEADS
from mmvsf.datasets.sidecars.forecasts import RECORD, layer_file
from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.model.figures import save
from mmvsf.model.mmvsf.checkpoint import Checkpoint
from mmvsf.model.records import has_settings, read_record, write_json
from mmvsf.model.tasks import run_tasks
from mmvsf.model.training.progress import console

from .distribution import QUANTILES
from .fan import fan_figure
from .job import ForecastJob, read_block, tile_record
from .layers import layer_kinds, layer_writer
from .maps import maps_figure
from .numbers import WHOLE, BlockSums, as_csv, number_rows
from .plan import ForecastOptions, longest_lead, plan_forecast, tiles_of, usual_day_of_issue
from .tiles import forecast_tile, opened
from .variables import compared

NUMBERS, FAN, MAPS = "numbers.csv", "fan.png", "maps.png"


def forecast_area(
    cube: Cube, checkpoint: Checkpoint, model: Path, size: int, runs: Path, options: ForecastOptions
) -> tuple[dict[str, Any], Path]:
    """Forecast an area with the model in the folder `model`, in windows of `size` pixels; the result goes to a folder
    below `runs`, which is returned with the content of its forecast.json.

    A forecast that was interrupted is continued, one that is finished is left as it is. Raises InputError where the
    cube lacks what it needs, OSError where the disk refuses.
    """
    job, folder = plan_forecast(cube, checkpoint, model, size, runs, options)
    usual = usual_day_of_issue(cube, job.days)
    if options.issued is None and job.issued < usual:
        console.print(
            f"note: {cube.path} has no weather of {date_of(job.issued)}, so the forecast is issued on that day, not on"
            f" {date_of(usual)}; later images are not used",
            soft_wrap=True,
        )
    files = [layer_file(kind, date_of(day)) for kind in layer_kinds(job, cube.bands) for day in job.days]
    before = read_record(folder / RECORD) or {}
    if has_settings(before, job.settings()) and all((folder / name).is_file() for name in (*files, NUMBERS)):
        console.print(f"the forecast in {folder} is already complete", soft_wrap=True)
        return before, folder
    if (lead := longest_lead(job)) > LEADS[-1][1]:
        console.print(f"note: {lead} days ahead is more than the {LEADS[-1][1]} that models are trained and scored for")
    job.folder.mkdir(parents=True, exist_ok=True)
    opened(job)  # once, before workers that share it
    tiles = tiles_of(cube, job.area)
    missing = [tile for tile in tiles if tile_record(job, tile) is None]
    tasks = run_tasks(partial(forecast_tile, job), missing, options.workers, options.scheduler)
    for _ in track(tasks, "forecasting tiles", len(missing), console=console):
        pass
    opened.cache_clear()
    sums = _write_layers(job, cube, folder)
    numbers = number_rows(job, sums, cube.bands)
    result = _result(job, cube, sums, files) | {"numbers": [row for row in numbers if row["area"] == WHOLE]}
    write_verified(folder / NUMBERS, as_csv(numbers))
    save(fan_figure(result), folder / FAN)
    save(maps_figure(result, folder, cube.bands), folder / MAPS)
    write_json(folder / RECORD, result)
    for name in {*before.get("files", ())} - {*files}:
        (folder / Path(name).name).unlink(missing_ok=True)
    shutil.rmtree(job.folder)
    return result, folder


def _write_layers(job: ForecastJob, cube: Cube, folder: Path) -> BlockSums:
    """Write the GeoTIFFs from all tiles. Raises InputError where a tile was damaged."""
    records: list[Mapping[str, Any]] = []
    tags = {"issued": str(date_of(job.issued)), "weather": job.weather.name}
    if job.scenario is not None:
        tags["scenario"] = job.scenario.name
    with layer_writer(job, cube, folder, tags) as writer:
        for tile in track(tiles_of(cube, job.area), "writing the forecast", console=console):
            record = tile_record(job, tile)
            if record is None:
                raise InputError(f"the tile {tile.name} in {job.folder} is damaged; run the same command again")
            records.append(record)
            for block in job.blocks(tile):
                writer.write(block, read_block(job, block))
    return BlockSums.of(records, cube)


def _result(job: ForecastJob, cube: Cube, sums: BlockSums, files: list[str]) -> dict[str, Any]:
    """The content of forecast.json."""
    return {
        "settings": job.settings(),
        "region": cube.region.name,
        "cube": str(cube.path),
        "model": str(job.model),
        "issued": str(date_of(job.issued)),
        "days": [str(date_of(day)) for day in job.days],
        "weather": {**job.weather.settings(), "name": job.weather.name, "members": list(job.weather.members)},
        "scenario": job.scenario and job.scenario.settings(),
        "area": job.area.name or "whole cube",
        "compared": compared(cube.bands),
        "quantiles": list(QUANTILES),
        "quantiles_over": ["weather"] * (len(job.weather.members) > 1) + ["error of the model"],
        "unseen_pixels": sums.unseen,
        "past": sums.past(),
        "files": files,
    }
