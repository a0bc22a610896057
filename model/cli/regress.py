"""`mmvsf regress`: predict quantities such as yields."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

import typer

from mmvsf.datasets.console import MODEL
from mmvsf.datasets.errors import InputError

from .options import (
    CubeArgument,
    DataDir,
    ModelDir,
    RunsDir,
    Seed,
    local_folder,
    lock,
    need_torch,
    open_cube,
    pretrained_model,
)

app = typer.Typer()


@app.command(rich_help_panel=MODEL)
def regress(
    region: CubeArgument,
    target: Annotated[str, typer.Option(help="The target of the cube to learn.")],
    until: Annotated[
        str | None, typer.Option(show_default="the whole season", help="Last day whose images are used, MM-DD.")
    ] = None,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    model: ModelDir = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 250,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch.")] = 8,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="Peak learning rate of the encoder; that of the head is 8 times as high.")
    ] = 1e-3,
    freeze: Annotated[bool, typer.Option("--freeze", help="Train the head only, not the encoder.")] = False,
    scratch: Annotated[bool, typer.Option("--scratch", help="Start from random weights, for comparison.")] = False,
    seed: Seed = 0,
) -> None:
    """Predict quantities such as yields with the pretrained encoder, and compare with boosted trees."""
    need_torch()
    from mmvsf.model.regression.run import RegressionOptions
    from mmvsf.model.regression.run import regress as run
    from mmvsf.model.tables import show_regression

    runs = local_folder("--runs-dir", runs_dir)
    options = RegressionOptions(
        target, _month_and_day(until), steps=steps, batch_size=batch_size, learning_rate=learning_rate, freeze=freeze,
        scratch=scratch, seed=seed,
    )  # fmt: skip
    cube = open_cube(region, data_dir)
    checkpoint, where = pretrained_model(model, runs, cube, scratch=scratch)
    folder = runs / cube.region.name / "regress" / (target if until is None else f"{target}-until-{until}")
    with lock(folder, "regress"):
        show_regression(run(cube, checkpoint, folder, options, where), folder)


def _month_and_day(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        if not re.fullmatch(r"\d\d-\d\d", text):
            raise ValueError(text)
        day = date.fromisoformat(f"2001-{text}")
    except ValueError as error:
        raise InputError(f"--until {text}: not a day of every year; write MM-DD, e.g. 07-15") from error
    return day.month, day.day
