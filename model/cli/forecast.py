"""`mmvsf forecast` and `mmvsf verify-forecast`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from mmvsf.datasets.console import JUDGE, MODEL
from mmvsf.datasets.errors import InputError

from .options import (
    CubeArgument,
    DataDir,
    ModelDir,
    RunsDir,
    Scheduler,
    Workers,
    local_folder,
    lock,
    need_torch,
    open_cube,
    parse_day,
    pretrained_model,
)

if TYPE_CHECKING:
    from mmvsf.datasets.cube.select import Bbox

app = typer.Typer()

Issued = Annotated[
    str | None,
    typer.Option(
        show_default="the day before the first forecast day, or the last that the cube and its weather reach",
        help="Last day whose images are used, YYYY-MM-DD.",
    ),
]
Weather = Annotated[
    str | None,
    typer.Option(
        show_default="cube; with --scenario years",
        help="Weather from the day of issue on: `cube` as observed, `years` as in each of the cube's other years, or"
        " the path of a weather forecast (.csv, .nc).",
    ),
]
Scenario = Annotated[
    str | None,
    typer.Option(
        help="Change that weather and show the difference: drought, heat, wet, late-frost, no-rain, +3C or the path"
        " of a YAML file; `drought:21` for 21 days."
    ),
]
DAY = re.compile(r"\d{4}-\d\d?-\d\d?")


class SeveralDays(TyperCommand):
    """A command whose option --days takes one day or several."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the option again before each further day, as the parser wants it."""
        named: list[str] = []
        for place, text in enumerate(args):
            follows = len(named) > 1 and named[-2] in ("--days", "--day") and DAY.fullmatch(named[-1])
            named += ["--days", text] if place and follows and DAY.fullmatch(text) else [text]
        return super().parse_args(ctx, named)


@app.command(rich_help_panel=MODEL, cls=SeveralDays)
def forecast(
    region: CubeArgument,
    days: Annotated[list[str], typer.Option("--days", "--day", help="Days to forecast, YYYY-MM-DD, one or several.")],
    issued: Issued = None,
    weather: Weather = None,
    scenario: Scenario = None,
    block: Annotated[
        str | None, typer.Option(show_default="the whole cube", help="Only this block: x12_y-3, or ROW,COLUMN.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only this site of the cube.")] = None,
    bbox: Annotated[str | None, typer.Option(help="Only this box: west,south,east,north in degrees.")] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    model: ModelDir = None,
) -> None:
    """Forecast images of later days over any area, from earlier images and the weather; resumes if interrupted.

    Writes medians and quantiles as GeoTIFFs, statistics of areas, and pictures.
    """
    need_torch()
    from mmvsf.datasets.sidecars.forecasts import FOLDER
    from mmvsf.model.blocks import window_size
    from mmvsf.model.forecasting.plan import ForecastOptions
    from mmvsf.model.forecasting.run import forecast_area
    from mmvsf.model.tables import show_forecast

    runs = local_folder("--runs-dir", runs_dir)
    cube = open_cube(region, data_dir)
    options = ForecastOptions(
        days=tuple(parse_day("--days", day) for day in days),
        issued=None if issued is None else parse_day("--issued", issued),
        weather=weather,
        scenario=scenario,
        block=None if block is None else cube.grid.find_block(block),
        site=site,
        bbox=_parse_box(bbox),
        workers=workers,
        scheduler=scheduler,
    )
    checkpoint, where = pretrained_model(model, runs, cube, forecasts=True)
    size = window_size([cube], checkpoint.network.config.patch)
    folder = runs / cube.region.name / FOLDER
    with lock(folder, "forecast"):
        show_forecast(*forecast_area(cube, checkpoint, where, size, folder, options))


@app.command("verify-forecast", rich_help_panel=JUDGE)
def verify_forecast(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Folders that `mmvsf forecast` wrote.")],
    cube: Annotated[
        str | None,
        typer.Option("--cube", show_default="that of the forecast", help="Cube with the images of the forecast days."),
    ] = None,
    within: Annotated[int, typer.Option(min=0, max=10, help="Most days between a forecast and its image.")] = 2,
    data_dir: DataDir = "data",
) -> None:
    """Compare forecasts with the images observed later, by days ahead, beside persistence."""
    need_torch()
    from mmvsf.model.forecasting.verify import forecast_record, verify
    from mmvsf.model.tables import show_verification

    for folder in folders:
        forecast_record(folder)  # before the lock, which is a file beside it
    opened = None if cube is None else open_cube(cube, data_dir)
    with lock(folders[0], "verify-forecast"):
        show_verification(verify(folders, opened, within), folders)


def _parse_box(text: str | None) -> Bbox | None:
    if text is None:
        return None
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError as error:
        raise InputError(f"--bbox {text}: not a box; write west,south,east,north in degrees") from error
    return west, south, east, north
